"""Control curve, demyelination maps, change classes and indices, from true and from predicted PET (wei2020, 2.5)."""

MAPPED = ["true", *TRAINED, *CEILINGS]
# Systems whose spread tells how its errors hang together.
WITH_INTERVALS = [
    system
    for system in MAPPED
    if system not in ("true", *CEILINGS) and parse_system(system).model in CALIBRATED
]
MINIMUM_CLUSTER = f"--minimum-cluster {study.maps.minimum_cluster_ml}"


rule white_core:
    """White matter of a control away from grey matter, on the analysis grid: the control curve's voxels."""
    input:
        wm=layout.label_mask("{sub}", BASELINE, "WM"),
        csf=lambda w: distance_csf(w.sub, BASELINE),
        transform=layout.transform("{sub}", BASELINE, "T1w", layout.space),
        grid=layout.analysis_grid("{sub}"),
    output:
        core=layout.work("{sub}", BASELINE, "white_core.nii.gz"),
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
        "(myelosynth white-core {input.wm} {output.core} --csf {input.csf} --edge {params.edge}"
        " && myelosynth transform {output.core} {input.grid} {output.moved} --transform {input.transform} --labels)"
        " > {log} 2>&1"


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
        images=lambda w, input: " ".join(
            f"--dvr {dvr} --distance {distance} --wm {wm}"
            for dvr, distance, wm in zip(input.dvr, input.distance, input.wm)
        ),
        options=f"--bin-width {study.curve.bin_width} --minimum-voxels {study.curve.minimum_voxels}"
        f" --smoothing {study.curve.smoothing} --extrapolation {study.curve.extrapolation}",
    shell:
        "myelosynth myelin-curve {params.images} {params.options} --split {input.split} --fold {wildcards.fold}"
        " --out {output.curve} --out-check {output.check} > {log} 2>&1"


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
        # The controls of a bundle are of another data set: an equal label means nothing.
        options=("--new-participant " if applied else "") + MINIMUM_CLUSTER,
    shell:
        "myelosynth demyelination {input.dvr} --lesions {input.lesions} --distance {input.distance}"
        " --curve {input.curve} {params.options} --out {output} > {log} 2>&1"


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
        dvr=lambda w, input: " ".join(f"--dvr {path}" for path in input.dvr),
        threshold=change_threshold,
    shell:
        "(myelosynth change {input.before} {input.after} {params.dvr} --lesions {input.lesions} {params.threshold}"
        " --out {output.classes}"
        " && myelosynth indices {output.classes} --lesions {input.lesions} --out {output.indices}) > {log} 2>&1"


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
        cluster=("--new-participant " if applied else "") + MINIMUM_CLUSTER,
        threshold=change_threshold,
    shell:
        "myelosynth index-intervals {input.dvr} --std-t0 {input.std_t0} --std-t1 {input.std_t1}"
        " --lesions {input.lesions} --distance {input.distance} --curve {input.curve} {params.cluster} {params.threshold}"
        " --out {output} > {log} 2>&1"
