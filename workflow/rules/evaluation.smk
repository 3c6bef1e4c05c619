"""Image quality, agreement of the maps and indices."""

EVALUATED = [
    "image_metrics",
    "overlap",
    "indices",
    "agreement",
    "summary",
    "comparisons",
    "ceilings",
    "ranking",
]

# A score that passes the oracle ends the run; without ceilings there is no oracle.
STRICT = ["--strict"] if CEILINGS and study.evaluation.oracle == "stop" else []

# Options where a run has not every fold once.
EVALUATION_SCOPE = each("--fold", study.folds.only or []) + each(
    "--replicates", [n for n in [study.learning.replicates] if n > 1]
)


rule evaluate:
    """Every system against measured and noise-free PET, test subjects of all folds pooled, with floors and ceilings."""
    input:
        index=layout.table("index"),
        split=layout.table("split"),
        predictions=predicted_images(),
        targets=[layout.source(sub, ses, "DVR") for sub, ses in tested(roster.measured)],
        maps=[maps_of(system) for system in MAPPED],
        nulls=[
            layout.indices(system, sub, FOLLOW_UP)
            for system in NULLS
            for sub in roster.followed(tested(roster.measured))
        ],
    output:
        [layout.table(name) for name in EVALUATED],
    log:
        log_of("evaluate", "cohort"),
    benchmark:
        benchmark_of("evaluate", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(60),
    params:
        root=layout.root,
        nulls=each("--null", NULLS),
        folder=lambda w, output: Path(output[0]).parent,
        systems=each("--system", SYSTEMS),
        ceilings=each("--ceiling", CEILINGS),
        scope=EVALUATION_SCOPE,
        reference=study.learning.main,
        strict=STRICT,
    shell:
        "myelosynth evaluate {params.root:q} --index {input.index:q} --split {input.split:q} {params.systems:q}"
        " {params.ceilings:q} {params.nulls:q} {params.scope:q} {params.strict:q} --reference {params.reference:q}"
        " --out-dir {params.folder:q} > {log:q} 2>&1"
