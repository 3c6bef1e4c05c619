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
        mem_mb=grown(2000),
        runtime=grown(10),
    params:
        root=layout.root,
        raw=raw.root,
    shell:
        "myelosynth report session {params.root:q} --raw {params.raw:q} --index {input.index:q} --sub {wildcards.sub:q}"
        " --ses {wildcards.ses:q} --out {output:q} > {log:q} 2>&1"


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
        mem_mb=grown(2000),
        runtime=grown(10),
    params:
        root=layout.root,
        raw=raw.root,
        system=study.learning.main,
        tables=lambda w, input: Path(input.tables[0]).parent,
    shell:
        "myelosynth report patient {params.root:q} --raw {params.raw:q} --index {input.index:q} --sub {wildcards.sub:q}"
        " --system {params.system:q} --tables {params.tables:q} --out {output:q} > {log:q} 2>&1"


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
        mem_mb=grown(4000),
        runtime=grown(30),
    params:
        root=layout.root,
        systems=each("--system", SYSTEMS),
        ceilings=each("--ceiling", CEILINGS),
        scope=EVALUATION_SCOPE,
        main=study.learning.main,
        raw=raw.root,
    shell:
        "myelosynth report comparison {params.root:q} --index {input.index:q} --split {input.split:q}"
        " {params.systems:q} {params.ceilings:q} {params.scope:q} --main {params.main:q} --raw {params.raw:q}"
        " --out {output:q} > {log:q} 2>&1"


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
        mem_mb=grown(2000),
        runtime=grown(10),
    params:
        root=layout.root,
        raw=raw.root,
        systems=each("--system", SYSTEMS),
        main=study.learning.main,
        tables=lambda w, input: Path(input.tables[0]).parent,
        task=study.learning.task,
    shell:
        "myelosynth report cohort {params.root:q} --raw {params.raw:q} --index {input.index:q} --split {input.split:q}"
        " --task {params.task:q} {params.systems:q} --main {params.main:q} --tables {params.tables:q} --out {output:q}"
        " > {log:q} 2>&1"
