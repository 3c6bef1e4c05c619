"""Pages that people read."""


rule session_page:
    """Quality control of one session: brain outline, registrations before and after, tissue contours."""
    input:
        index=INDEX,
        files=lambda w: session_derivatives(w.sub, w.ses),
    output:
        report(
            layout.page("qc/sub-{sub}_ses-{ses}"),
            caption="../report/session.rst",
            category="Quality control",
            labels={"participant": "{sub}", "session": "{ses}"},
        ),
    log:
        log_of("session_page"),
    benchmark:
        benchmark_of("session_page")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        root=layout.root,
        raw=raw.root,
    shell:
        "myelosynth report session {params.root} --raw {params.raw} --index {input.index} --sub {wildcards.sub}"
        " --ses {wildcards.ses} --out {output} > {log} 2>&1"


rule patient_page:
    """One patient: measured and predicted maps, change classes and indices with their null."""
    input:
        index=layout.table("index"),
        tables=[layout.table(name) for name in EVALUATED],
        maps=shown_maps,
        lesions=shown_lesions,
        nulls=shown_nulls,
    output:
        report(
            layout.page("sub-{sub}"),
            caption="../report/patient.rst",
            category="Patients",
            labels={"participant": "{sub}"},
        ),
    log:
        log_of("patient_page", "sub-{sub}"),
    benchmark:
        benchmark_of("patient_page", "sub-{sub}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        root=layout.root,
        raw=raw.root,
        system=study.learning.main,
        tables=lambda w, input: Path(input.tables[0]).parent,
    shell:
        "myelosynth report patient {params.root} --raw {params.raw} --index {input.index} --sub {wildcards.sub}"
        " --system {params.system} --tables {params.tables} --out {output} > {log} 2>&1"


rule comparison_page:
    """Every system side by side: the tables beside the published numbers, figures 3, 4, 5, 6 and 8 of the paper."""
    input:
        index=layout.table("index"),
        split=layout.table("split"),
        tables=[layout.table(name) for name in [*EVALUATED, *CLINICAL]],
        # The figures show images.
        images=predicted_images(),
        maps=[maps_of(system) for system in MAPPED],
    output:
        report(
            layout.page("comparison"),
            caption="../report/comparison.rst",
            category="Cohort",
            labels={"page": "comparison of systems"},
        ),
    log:
        log_of("comparison_page", "cohort"),
    benchmark:
        benchmark_of("comparison_page", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        root=layout.root,
        systems=" ".join(f"--system {name}" for name in SYSTEMS),
        ceilings=" ".join(f"--ceiling {name}" for name in CEILINGS),
        scope=EVALUATION_SCOPE,
        main=study.learning.main,
        raw=raw.root,
    shell:
        "myelosynth report comparison {params.root} --index {input.index} --split {input.split} {params.systems}"
        " {params.ceilings} {params.scope} --main {params.main} --raw {params.raw} --out {output} > {log} 2>&1"


rule cohort_page:
    """The cohort: flow of subjects, tables with floors and ceilings, figures 3-7 of the paper, regressions."""
    input:
        index=layout.table("index"),
        split=layout.table("split"),
        tables=[layout.table(name) for name in [*EVALUATED, *AGREED, *CLINICAL]],
        curves=[
            layout.table(f"{name}_fold-{fold}")
            for name in ("curve", "curve_check")
            for fold in FOLDS
        ],
        further=[threshold_comparison(), null_tables()],
    output:
        report(
            layout.page("cohort"),
            caption="../report/cohort.rst",
            category="Cohort",
            labels={"page": "cohort"},
        ),
    log:
        log_of("cohort_page", "cohort"),
    benchmark:
        benchmark_of("cohort_page", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        root=layout.root,
        raw=raw.root,
        systems=" ".join(f"--system {name}" for name in SYSTEMS),
        main=study.learning.main,
        tables=lambda w, input: Path(input.tables[0]).parent,
        task=study.learning.task,
    shell:
        "myelosynth report cohort {params.root} --raw {params.raw} --index {input.index} --split {input.split}"
        " --task {params.task} {params.systems} --main {params.main} --tables {params.tables} --out {output} > {log} 2>&1"
