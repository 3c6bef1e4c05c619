"""Other thresholds than the paper's, for comparison, and the noise that a change may have to pass."""


use rule predict as predict_control with:
    input:
        checkpoint=layout.checkpoint("{system}", "{fold}"),
        sources=lambda w: [
            layout.source(w.sub, BASELINE, contrast) for contrast in SOURCES
        ],
        template=lambda w: layout.transform(w.sub, BASELINE, "PET", "MNI152"),
        mask=layout.brain_mask("{sub}", BASELINE, space="dvrt0"),
    output:
        mean=layout.control_prediction("{system}", "{fold}", "{sub}", BASELINE),
    log:
        log_of("predict_control", "{system}_fold-{fold}_sub-{sub}"),
    benchmark:
        benchmark_of("predict_control", "{system}_fold-{fold}_sub-{sub}")


use rule myelin_curve as predicted_curve with:
    input:
        dvr=lambda w: [
            layout.control_prediction(study.learning.main, w.fold, sub, BASELINE)
            for sub in controls_of_fold(w)
        ],
        distance=lambda w: [
            layout.csf_distance(sub, BASELINE, space=layout.space)
            for sub in controls_of_fold(w)
        ],
        wm=lambda w: [
            layout.label_mask(sub, BASELINE, "WM", space=layout.space, desc="core")
            for sub in controls_of_fold(w)
        ],
        split=layout.table("split"),
    output:
        curve=layout.table("predicted_curve_fold-{fold}"),
        check=layout.table("predicted_curve_check_fold-{fold}"),
    log:
        log_of("predicted_curve", "fold-{fold}"),
    benchmark:
        benchmark_of("predicted_curve", "fold-{fold}")


rule thresholds:
    """The indices of a patient by the paper's threshold and by others."""
    input:
        dvr=lambda w: [dvr_of(w.system, w.sub, ses) for ses in (BASELINE, FOLLOW_UP)],
        lesions=layout.label_mask("{sub}", BASELINE, "L", space=layout.space),
        distance=layout.csf_distance("{sub}", BASELINE, space=layout.space),
        curve=control_curve,
        predicted=lambda w: (
            []
            if w.system == "true"
            else layout.table(f"predicted_curve_fold-{fold_of(w.sub)}")
        ),
        noise=retest_noise,
    output:
        layout.rule_indices("{system}", "{sub}", FOLLOW_UP),
    log:
        log_of("thresholds", "{system}_sub-{sub}"),
    benchmark:
        benchmark_of("thresholds", "{system}_sub-{sub}")
    wildcard_constraints:
        system=f"true|{study.learning.main}",
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(5),
    params:
        predicted=lambda w, input: each(
            "--predicted-curve", [input.predicted] if input.predicted else []
        ),
        cluster=MINIMUM_CLUSTER,
        threshold=change_threshold,
    shell:
        "myelosynth thresholds {input.dvr:q} --lesions {input.lesions:q} --distance {input.distance:q}"
        " --curve {input.curve:q} {params.predicted:q} {params.cluster:q} {params.threshold:q} --out {output:q}"
        " > {log:q} 2>&1"


rule threshold_comparison:
    """Each index by each rule, measured beside predicted by the main system."""
    input:
        measured=rule_tables("true"),
        predicted=rule_tables(study.learning.main),
    output:
        layout.table("threshold_comparison"),
    log:
        log_of("threshold_comparison", "cohort"),
    benchmark:
        benchmark_of("threshold_comparison", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(500),
        runtime=grown(5),
    params:
        tables=lambda w, input: [
            *each("--measured", input.measured),
            *each("--predicted", input.predicted),
        ],
    shell:
        "myelosynth threshold-comparison {params.tables:q} --out {output:q} > {log:q} 2>&1"


rule retest_noise:
    """What the DVR of a lesion voxel differs by between two scans of the training patients of a simulated cohort."""
    input:
        dvr=lambda w: [
            layout.source(sub, BASELINE, "DVR")
            for sub in the_split().scanned_twice(int(w.fold))
        ],
        retest=lambda w: [
            layout.prediction("retest", sub, BASELINE)
            for sub in the_split().scanned_twice(int(w.fold))
        ],
        lesions=lambda w: [
            layout.label_mask(sub, BASELINE, "L", space=layout.space)
            for sub in the_split().scanned_twice(int(w.fold))
        ],
        split=layout.table("split"),
    output:
        layout.table("retest_noise_fold-{fold}"),
    log:
        log_of("retest_noise", "fold-{fold}"),
    benchmark:
        benchmark_of("retest_noise", "fold-{fold}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(5),
    params:
        scans=lambda w, input: [
            *each("--dvr", input.dvr),
            *each("--retest", input.retest),
            *each("--mask", input.lesions),
        ],
    shell:
        "myelosynth retest-noise {params.scans:q} --split {input.split:q} --fold {wildcards.fold:q} --out {output:q}"
        " > {log:q} 2>&1"
