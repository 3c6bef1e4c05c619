"""The null of the indices: what a second scan without any change gives, for measured and for predicted maps."""


rule null_fit:
    """What a second scan does to the measured DVR of lesions that did not change, test patients left out."""
    input:
        before=lambda w: [
            dvr_of("true", sub, BASELINE) for sub in null_patients(w.fold)
        ],
        after=lambda w: [
            dvr_of(NULLS[0], sub, FOLLOW_UP) for sub in null_patients(w.fold)
        ],
        lesions=lambda w: [
            layout.label_mask(sub, BASELINE, "L", space=layout.space)
            for sub in null_patients(w.fold)
        ],
        distance=lambda w: [
            layout.csf_distance(sub, BASELINE, space=layout.space)
            for sub in null_patients(w.fold)
        ],
        curve=layout.table("curve_fold-{fold}"),
        split=layout.table("split"),
    output:
        layout.null_model("true", "{fold}"),
    log:
        log_of("null_fit", "fold-{fold}"),
    benchmark:
        benchmark_of("null_fit", "fold-{fold}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(20),
    params:
        images=lambda w, input: null_images(input),
    shell:
        "myelosynth null-fit {params.images:q} --curve {input.curve:q} --split {input.split:q}"
        " --fold {wildcards.fold:q} --out {output:q} > {log:q} 2>&1"


rule index_null:
    """The indices of change of one patient beside what noise alone gives."""
    input:
        dvr=change_images,
        null=null_model,
        lesions=layout.label_mask("{sub}", BASELINE, "L", space=layout.space),
        distance=layout.csf_distance("{sub}", BASELINE, space=layout.space),
        curve=control_curve,
        noise=retest_noise,
    output:
        layout.index_null("{system}", "{sub}", FOLLOW_UP),
    log:
        log_of("index_null", "{system}_sub-{sub}"),
    benchmark:
        benchmark_of("index_null", "{system}_sub-{sub}")
    wildcard_constraints:
        system="|".join(name for name in WITH_NULL if name != "true") or "none",
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(20),
    params:
        options=null_options,
        cluster=MINIMUM_CLUSTER,
        threshold=change_threshold,
    shell:
        "myelosynth index-null {input.dvr:q} --null {input.null:q} --lesions {input.lesions:q}"
        " --distance {input.distance:q} --curve {input.curve:q} {params.options:q} {params.cluster:q}"
        " {params.threshold:q} --out {output:q} > {log:q} 2>&1"


use rule index_null as index_null_true with:
    output:
        layout.index_null("true", "{sub}", FOLLOW_UP),
    log:
        log_of("index_null", "true_sub-{sub}"),
    benchmark:
        benchmark_of("index_null", "true_sub-{sub}")


rule nulls:
    """All indices of change beside their null; the null-scan shows how often the interval holds where nothing changed."""
    input:
        [
            layout.index_null(system, sub, FOLLOW_UP)
            for system in WITH_NULL
            for sub in null_followed(system)
        ],
    output:
        layout.table("nulls"),
    log:
        log_of("nulls", "cohort"),
    benchmark:
        benchmark_of("nulls", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(500),
        runtime=grown(5),
    params:
        root=layout.root,
        systems=each("--system", WITH_NULL),
        people=lambda w: each(
            "--sub",
            dict.fromkeys(
                sub for system in WITH_NULL for sub in null_followed(system)
            ),
        ),
    shell:
        "myelosynth null-table {params.root:q} {params.systems:q} {params.people:q} --out {output:q} > {log:q} 2>&1"
