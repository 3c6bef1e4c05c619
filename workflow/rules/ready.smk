"""Masks and maps that the data set gives as a BIDS derivative: looked at, filed with their source, their steps skipped."""


rule ready_brain:
    """The data set's brain mask in the place of an extracted one; the gate holds for it too."""
    input:
        mask=ready_file("brain"),
        t1w=layout.anat("{sub}", "{ses}", "T1w"),
    output:
        mask=layout.brain_mask("{sub}", "{ses}"),
        brain=passing(layout.work("{sub}", "{ses}", "T1w_brain.nii.gz")),
    log:
        log_of("ready_brain"),
    benchmark:
        benchmark_of("ready_brain")
    wildcard_constraints:
        sub=with_ready("brain"),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(5),
    params:
        gate=BRAIN_GATE,
    shell:
        "myelosynth use-ready brain {input.mask:q} {output.mask:q} --t1w {input.t1w:q} --out-brain {output.brain:q}"
        " {params.gate:q} > {log:q} 2>&1"


rule ready_wm:
    """The data set's white-matter mask; `segment_fractions` still finds the tissue fractions."""
    input:
        mask=ready_file("WM"),
        t1w=layout.anat("{sub}", "{ses}", "T1w"),
    output:
        layout.label_mask("{sub}", "{ses}", "WM"),
    log:
        log_of("ready_wm"),
    benchmark:
        benchmark_of("ready_wm")
    wildcard_constraints:
        sub=with_ready("WM"),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(5),
    shell:
        "myelosynth use-ready WM {input.mask:q} {output:q} --t1w {input.t1w:q} > {log:q} 2>&1"


rule ready_map:
    """A ready MTR, FA, RD, AD or DVR on its own grid, in the place of the step that makes it."""
    input:
        image=lambda w: roster.index.path(w.sub, w.ses, w.contrast),
        t1w=layout.anat("{sub}", "{ses}", "T1w"),
    output:
        layout.work("{sub}", "{ses}", "ready/{contrast}.nii.gz"),
    log:
        log_of("ready_map", "sub-{sub}_ses-{ses}_{contrast}"),
    benchmark:
        benchmark_of("ready_map", "sub-{sub}_ses-{ses}_{contrast}")
    wildcard_constraints:
        contrast="|".join(MAPS),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(5),
    shell:
        "myelosynth use-ready {wildcards.contrast:q} {input.image:q} {output:q} --t1w {input.t1w:q} > {log:q} 2>&1"


rule ready_dvr:
    """A ready baseline DVR inside the brain, as a made one is; its lattice is the analysis grid of the participant."""
    input:
        image=lambda w: roster.index.path(w.sub, BASELINE, TARGET),
        whole=layout.work("{sub}", BASELINE, f"ready/{TARGET}.nii.gz"),
        t1w=layout.anat("{sub}", BASELINE, "T1w"),
        brain=layout.brain_mask("{sub}", BASELINE),
        transform=layout.transform("{sub}", BASELINE, "T1w", "dvrt0"),
    output:
        dvr=layout.source("{sub}", BASELINE, TARGET),
        brain=passing(layout.work("{sub}", BASELINE, "dvr_brain.nii.gz")),
    log:
        log_of("ready_dvr", "sub-{sub}"),
    benchmark:
        benchmark_of("ready_dvr", "sub-{sub}")
    wildcard_constraints:
        sub=with_ready(TARGET),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(5),
    shell:
        "(myelosynth transform {input.brain:q} {input.whole:q} {output.brain:q} --transform {input.transform:q}"
        " --labels"
        " && myelosynth use-ready DVR {input.image:q} {output.dvr:q} --t1w {input.t1w:q} --mask {output.brain:q})"
        " > {log:q} 2>&1"
