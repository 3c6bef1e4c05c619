"""Clinical scores beside the indices, and their regressions."""

REGRESSIONS = ["clinical", "clinical_influence", "clinical_checks", "clinical_flow"]
CLINICAL = ["clinical_table", *REGRESSIONS]


rule clinical_table:
    """Indices of every system, in percent points, beside age, sex, scores and lesion load."""
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
        mem_mb=grown(1000),
        runtime=grown(5),
    params:
        root=layout.root,
        raw=raw.root,
        systems=each("--system", MAPPED),
    shell:
        "myelosynth clinical-table --index {input.index:q} --raw {params.raw:q} --results {params.root:q}"
        " {params.systems:q} --out {output:q} > {log:q} 2>&1"


rule clinical:
    """Scores on each index with age, sex and T2 lesion load (wei2020, 3.4), their checks, influence, power and flow."""
    input:
        layout.table("clinical_table"),
    output:
        **{name: layout.table(name) for name in REGRESSIONS},
    log:
        log_of("clinical", "cohort"),
    benchmark:
        benchmark_of("clinical", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(5),
    params:
        responses=each("--response", study.clinical.responses),
        bootstrap=study.clinical.bootstrap,
        seed=study.clinical.seed,
        main=study.learning.main,
    shell:
        "myelosynth clinical-summary {input:q} {params.responses:q} --main {params.main:q}"
        " --bootstrap {params.bootstrap:q} --seed {params.seed:q} --out {output.clinical:q}"
        " --influence {output.clinical_influence:q} --checks {output.clinical_checks:q} --flow {output.clinical_flow:q}"
        " > {log:q} 2>&1"
