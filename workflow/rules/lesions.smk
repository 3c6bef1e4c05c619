"""Lesion by lesion, and the agreement of predicted and measured PET in detail."""

AGREED = [
    "agreement_intervals",
    "agreement_strata",
    "hallucination",
    "hallucination_summary",
    "lesions",
]


rule lesions_again_to_grid:
    """Lesions drawn at the follow-up, on the analysis grid; new ones are told apart, and are in no index."""
    input:
        lesions=lambda w: roster.index.path(w.sub, FOLLOW_UP, "lesions"),
        steps=lambda w: [
            *(
                []
                if LESIONS_AGAIN[w.sub]
                else [layout.transform(w.sub, FOLLOW_UP, "FLAIR", "T1w")]
            ),
            layout.transform(w.sub, FOLLOW_UP, "T1w", layout.space),
        ],
        grid=layout.analysis_grid("{sub}"),
    output:
        layout.label_mask("{sub}", FOLLOW_UP, "L", space=layout.space, desc="followup"),
    log:
        log_of("lesions_again_to_grid", "sub-{sub}"),
    benchmark:
        benchmark_of("lesions_again_to_grid", "sub-{sub}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(5),
    params:
        chain=lambda w, input: transform_options(*input.steps),
    shell:
        "myelosynth transform {input.lesions:q} {input.grid:q} {output:q} {params.chain:q} --labels > {log:q} 2>&1"


rule lesion_table:
    """Each lesion of a patient: volume, distance to CSF, demyelinated shares and state."""
    input:
        unpack(lesion_maps),
        lesions=layout.label_mask("{sub}", BASELINE, "L", space=layout.space),
        distance=layout.csf_distance("{sub}", BASELINE, space=layout.space),
    output:
        layout.lesion_table("{system}", "{sub}", "{ses}"),
    log:
        log_of("lesion_table", "{system}_sub-{sub}_ses-{ses}"),
    benchmark:
        benchmark_of("lesion_table", "{system}_sub-{sub}_ses-{ses}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(5),
    params:
        maps=lambda w: named_options(lesion_maps(w)),
        state=named_options(
            study.lesions.model_dump(include={"changed", "smallest_ml"})
        ),
    shell:
        "myelosynth lesion-table {input.lesions:q} --distance {input.distance:q} {params.maps:q} {params.state:q}"
        " --out {output:q} > {log:q} 2>&1"


use rule lesion_table as lesion_table_true with:
    output:
        layout.lesion_table("true", "{sub}", "{ses}"),
    log:
        log_of("lesion_table", "true_sub-{sub}_ses-{ses}"),
    benchmark:
        benchmark_of("lesion_table", "true_sub-{sub}_ses-{ses}")


rule agreement:
    """Intervals of the agreement, agreement by lesion size and distance to CSF, made-up change, all lesions."""
    input:
        index=layout.table("index"),
        split=layout.table("split"),
        maps=[maps_of(system) for system in MAPPED],
        nulls=[
            layout.indices(system, sub, FOLLOW_UP)
            for system in NULLS
            for sub in roster.followed(tested(roster.measured))
        ],
        lesions=lesion_tables(),
    output:
        [layout.table(name) for name in AGREED],
    log:
        log_of("agreement", "cohort"),
    benchmark:
        benchmark_of("agreement", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(30),
    params:
        root=layout.root,
        nulls=each("--null", NULLS),
        folder=lambda w, output: Path(output[0]).parent,
        systems=each("--system", SYSTEMS),
        ceilings=each("--ceiling", CEILINGS),
        scope=EVALUATION_SCOPE,
    shell:
        "myelosynth agreement {params.root:q} --index {input.index:q} --split {input.split:q} {params.systems:q}"
        " {params.ceilings:q} {params.nulls:q} {params.scope:q} --out-dir {params.folder:q} > {log:q} 2>&1"
