"""Control curve, demyelination maps, change classes and indices, from true and from predicted PET (wei2020, 2.5)."""

MAPPED = ["true", *TRAINED, *CEILINGS]
# Systems whose spread tells how its errors hang together.
WITH_INTERVALS = [
    system
    for system in MAPPED
    if system not in ("true", *CEILINGS) and parse_system(system).model in CALIBRATED
]
MINIMUM_CLUSTER = ["--minimum-cluster", str(study.maps.minimum_cluster_ml)]
# The controls of a bundle are of another data set: an equal label means nothing.
OF_STRANGERS = ["--new-participant"] if applied else []


rule white_core:
    """White matter of a control away from grey matter, on the analysis grid: the control curve's voxels."""
    input:
        wm=layout.label_mask("{sub}", BASELINE, "WM"),
        csf=lambda w: distance_csf(w.sub, BASELINE),
        transform=layout.transform("{sub}", BASELINE, "T1w", layout.space),
        grid=layout.analysis_grid("{sub}"),
    output:
        core=passing(layout.work("{sub}", BASELINE, "white_core.nii.gz")),
        moved=layout.label_mask(
            "{sub}", BASELINE, "WM", space=layout.space, desc="core"
        ),
    log:
        log_of("white_core", "sub-{sub}"),
    benchmark:
        benchmark_of("white_core", "sub-{sub}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(5),
    params:
        edge=study.curve.edge,
    shell:
        "(myelosynth white-core {input.wm:q} {output.core:q} --csf {input.csf:q} --edge {params.edge:q}"
        " && myelosynth transform {output.core:q} {input.grid:q} {output.moved:q} --transform {input.transform:q}"
        " --labels) > {log:q} 2>&1"


rule myelin_curve:
    """Mean and SD of the measured DVR of a fold's controls by distance to CSF, and its leave-one-out check."""
    input:
        dvr=lambda w: [
            layout.source(sub, BASELINE, "DVR") for sub in controls_of_fold(w)
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
        curve=layout.table("curve_fold-{fold}"),
        check=layout.table("curve_check_fold-{fold}"),
    log:
        log_of("myelin_curve", "fold-{fold}"),
    benchmark:
        benchmark_of("myelin_curve", "fold-{fold}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(10),
    params:
        images=lambda w, input: [
            *each("--dvr", input.dvr),
            *each("--distance", input.distance),
            *each("--wm", input.wm),
        ],
        options=named_options(
            study.curve.model_dump(
                include={"bin_width", "minimum_voxels", "smoothing", "extrapolation"}
            )
        ),
    shell:
        "myelosynth myelin-curve {params.images:q} {params.options:q} --split {input.split:q} --fold {wildcards.fold:q}"
        " --out {output.curve:q} --out-check {output.check:q} > {log:q} 2>&1"


rule demyelination:
    """Voxels of baseline lesions below mean - 1 SD of controls at the same distance to CSF."""
    input:
        dvr=dvr_image,
        lesions=layout.label_mask("{sub}", BASELINE, "L", space=layout.space),
        distance=layout.csf_distance("{sub}", BASELINE, space=layout.space),
        curve=control_curve,
    output:
        layout.demyelinated("{system}", "{sub}", "{ses}"),
    log:
        log_of("demyelination", "{system}_sub-{sub}_ses-{ses}"),
    benchmark:
        benchmark_of("demyelination", "{system}_sub-{sub}_ses-{ses}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(5),
    params:
        options=OF_STRANGERS + MINIMUM_CLUSTER,
    shell:
        "myelosynth demyelination {input.dvr:q} --lesions {input.lesions:q} --distance {input.distance:q}"
        " --curve {input.curve:q} {params.options:q} --out {output:q} > {log:q} 2>&1"


use rule demyelination as demyelination_true with:
    output:
        layout.demyelinated("true", "{sub}", "{ses}"),
    log:
        log_of("demyelination", "true_sub-{sub}_ses-{ses}"),
    benchmark:
        benchmark_of("demyelination", "true_sub-{sub}_ses-{ses}")


rule change:
    """Change classes of baseline lesion voxels and the five fractions."""
    input:
        before=lambda w: layout.demyelinated(baseline_system(w), w.sub, BASELINE),
        after=lambda w: layout.demyelinated(system_of(w), w.sub, FOLLOW_UP),
        dvr=change_images,
        noise=retest_noise,
        lesions=layout.label_mask("{sub}", BASELINE, "L", space=layout.space),
    output:
        classes=layout.change("{system}", "{sub}", FOLLOW_UP),
        indices=layout.indices("{system}", "{sub}", FOLLOW_UP),
    log:
        log_of("change", "{system}_sub-{sub}"),
    benchmark:
        benchmark_of("change", "{system}_sub-{sub}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(5),
    params:
        dvr=lambda w, input: each("--dvr", input.dvr),
        threshold=change_threshold,
    shell:
        "(myelosynth change {input.before:q} {input.after:q} {params.dvr:q} --lesions {input.lesions:q}"
        " {params.threshold:q} --out {output.classes:q}"
        " && myelosynth indices {output.classes:q} --lesions {input.lesions:q} --out {output.indices:q}) > {log:q} 2>&1"


use rule change as change_true with:
    output:
        classes=layout.change("true", "{sub}", FOLLOW_UP),
        indices=layout.indices("true", "{sub}", FOLLOW_UP),
    log:
        log_of("change", "true_sub-{sub}"),
    benchmark:
        benchmark_of("change", "true_sub-{sub}")


rule index_intervals:
    """Intervals of the five fractions, from the spread of both predictions."""
    input:
        dvr=[
            layout.prediction("{system}", "{sub}", ses)
            for ses in (BASELINE, FOLLOW_UP)
        ],
        std_t0=layout.prediction("{system}", "{sub}", BASELINE, desc="predDvrStd"),
        std_t1=layout.prediction("{system}", "{sub}", FOLLOW_UP, desc="predDvrStd"),
        lesions=layout.label_mask("{sub}", BASELINE, "L", space=layout.space),
        distance=layout.csf_distance("{sub}", BASELINE, space=layout.space),
        curve=control_curve,
        noise=retest_noise,
    output:
        layout.index_intervals("{system}", "{sub}", FOLLOW_UP),
    log:
        log_of("index_intervals", "{system}_sub-{sub}"),
    benchmark:
        benchmark_of("index_intervals", "{system}_sub-{sub}")
    wildcard_constraints:
        system="|".join(WITH_INTERVALS) or "none",
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(20),
    params:
        cluster=OF_STRANGERS + MINIMUM_CLUSTER,
        threshold=change_threshold,
    shell:
        "myelosynth index-intervals {input.dvr:q} --std-t0 {input.std_t0:q} --std-t1 {input.std_t1:q}"
        " --lesions {input.lesions:q} --distance {input.distance:q} --curve {input.curve:q} {params.cluster:q}"
        " {params.threshold:q} --out {output:q} > {log:q} 2>&1"
