"""Clinical scores beside the indices, and their regressions."""


rule clinical_table:
    """Indices of every system beside age, sex, scores and lesion load."""
    input:
        index=layout.table("index"),
        indices=layout.table("indices"),
        participants=raw.root / "participants.tsv",
        scores=clinical_scores(),
    output:
        layout.table("clinical_table"),
    log:
        log_of("clinical_table", "cohort"),
    benchmark:
        benchmark_of("clinical_table", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        root=layout.root,
        raw=raw.root,
        systems=" ".join(f"--system {name}" for name in MAPPED),
    shell:
        "myelosynth clinical-table --index {input.index} --raw {params.raw} --results {params.root} {params.systems}"
        " --out {output} > {log} 2>&1"


rule clinical:
    """EDSS on each dynamic index with age, sex and T2 lesion load (wei2020, 3.4), true and predicted side by side."""
    input:
        layout.table("clinical_table"),
    output:
        layout.table("clinical"),
    log:
        log_of("clinical", "cohort"),
    benchmark:
        benchmark_of("clinical", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    shell:
        "myelosynth clinical-summary {input} --out {output} > {log} 2>&1"
