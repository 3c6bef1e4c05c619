"""T1w: bias field, brain, lesions, tissue, white matter, ventricles and the distance to them."""

BRAIN_GATE = ["--accept-failed"] if study.brain.accept_failed else []


rule n4:
    """N4 bias field correction of the T1w (Tustison 2010)."""
    input:
        image=raw_image("T1w"),
        description=ancient(layout.derivatives / "dataset_description.json"),
        index=ancient(INDEX),
    output:
        layout.anat("{sub}", "{ses}", "T1w"),
    log:
        log_of("n4"),
    benchmark:
        benchmark_of("n4")
    conda:
        environment_of("n4")
    envmodules:
        *modules_of("n4"),
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(15),
    params:
        engine=study.engines.n4,
    shell:
        "myelosynth n4 {input.image:q} {output:q} --engine {params.engine:q} > {log:q} 2>&1"


rule extract_brain:
    """Brain mask and brain image of the T1w."""
    input:
        layout.anat("{sub}", "{ses}", "T1w"),
    output:
        mask=layout.brain_mask("{sub}", "{ses}"),
        brain=passing(layout.work("{sub}", "{ses}", "T1w_brain.nii.gz")),
    log:
        log_of("extract_brain"),
    benchmark:
        benchmark_of("extract_brain")
    wildcard_constraints:
        sub=without_ready("brain"),
    conda:
        environment_of("extract-brain")
    envmodules:
        *modules_of("extract-brain"),
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(15),
    params:
        engine=study.engines.brain,
        gate=BRAIN_GATE,
    shell:
        "myelosynth extract-brain {input:q} --out-mask {output.mask:q} --out-brain {output.brain:q}"
        " --engine {params.engine:q} {params.gate:q} > {log:q} 2>&1"


rule fill_lesions:
    """Lesions of the T1w filled with the white matter around them (baseline mask, rigid FLAIR transform)."""
    input:
        t1w=layout.anat("{sub}", "{ses}", "T1w"),
        chain=lambda w: lesion_inputs(w, first_flair(w)),
    output:
        lesions=passing(layout.work("{sub}", "{ses}", "lesions_to_fill.nii.gz")),
        filled=layout.anat("{sub}", "{ses}", "T1w", desc="filled"),
    log:
        log_of("fill_lesions"),
    benchmark:
        benchmark_of("fill_lesions")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(10),
    params:
        mask=lambda w: roster.index.path(w.sub, BASELINE, "lesions"),
        chain=lambda w: transform_options(*lesion_steps(w, first_flair(w))),
    shell:
        "(myelosynth transform {params.mask:q} {input.t1w:q} {output.lesions:q} {params.chain:q} --labels"
        " && myelosynth fill-lesions {input.t1w:q} {output.lesions:q} {output.filled:q}) > {log:q} 2>&1"


rule segment_tissue:
    """CSF, grey and white matter of the brain; lesion-filled where the participant has a lesion mask."""
    input:
        t1w=lambda w: layout.anat(
            w.sub,
            w.ses,
            "T1w",
            desc="filled" if roster.has_lesions(w.sub) else "preproc",
        ),
        mask=layout.brain_mask("{sub}", "{ses}"),
    output:
        **({"subject": directory(fs_subject("{sub}", "{ses}"))} if FREESURFER else {}),
        csf=layout.probseg("{sub}", "{ses}", "CSF"),
        gm=layout.probseg("{sub}", "{ses}", "GM"),
        wm=layout.probseg("{sub}", "{ses}", "WM"),
        wm_mask=layout.label_mask("{sub}", "{ses}", "WM"),
    log:
        log_of("segment_tissue"),
    benchmark:
        benchmark_of("segment_tissue")
    wildcard_constraints:
        sub=without_ready("WM"),
    conda:
        environment_of("segment-tissue")
    envmodules:
        *modules_of("segment-tissue"),
    threads: 1
    resources:
        mem_mb=grown(8000 if FREESURFER else 4000),
        runtime=grown(1440 if FREESURFER else 30),
    params:
        engine=study.engines.tissue,
        subject=fs_subject_option,
        folder=lambda w, output: Path(output.csf).parent,
        prefix="sub-{sub}_ses-{ses}_space-T1w",
        mask=[],
    shell:
        "myelosynth segment-tissue {input.t1w:q} --mask {input.mask:q} --out-dir {params.folder:q}"
        " --prefix {params.prefix:q} --engine {params.engine:q} {params.subject:q} {params.mask:q} > {log:q} 2>&1"


use rule segment_tissue as segment_fractions with:
    output:
        **({"subject": directory(fs_subject("{sub}", "{ses}"))} if FREESURFER else {}),
        csf=layout.probseg("{sub}", "{ses}", "CSF"),
        gm=layout.probseg("{sub}", "{ses}", "GM"),
        wm=layout.probseg("{sub}", "{ses}", "WM"),
    log:
        log_of("segment_fractions"),
    benchmark:
        benchmark_of("segment_fractions")
    wildcard_constraints:
        sub=with_ready("WM"),
    params:
        engine=study.engines.tissue,
        subject=fs_subject_option,
        folder=lambda w, output: Path(output.csf).parent,
        prefix="sub-{sub}_ses-{ses}_space-T1w",
        mask="--fractions-only",


rule lesions_to_t1w:
    """The baseline lesion mask on this session's T1w grid."""
    input:
        t1w=layout.anat("{sub}", "{ses}", "T1w"),
        chain=lambda w: lesion_inputs(w, final_flair(w)),
    output:
        layout.label_mask("{sub}", "{ses}", "L", desc="manual"),
    log:
        log_of("lesions_to_t1w"),
    benchmark:
        benchmark_of("lesions_to_t1w")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(10),
    params:
        mask=lambda w: roster.index.path(w.sub, BASELINE, "lesions"),
        chain=lambda w: transform_options(*lesion_steps(w, final_flair(w))),
    shell:
        "myelosynth transform {params.mask:q} {input.t1w:q} {output:q} {params.chain:q} --labels > {log:q} 2>&1"


rule nawm:
    """White matter outside visible lesions (wei2020, 2.4)."""
    input:
        wm=layout.label_mask("{sub}", "{ses}", "WM"),
        lesions=layout.label_mask("{sub}", "{ses}", "L", desc="manual"),
    output:
        layout.label_mask("{sub}", "{ses}", "NAWM"),
    log:
        log_of("nawm"),
    benchmark:
        benchmark_of("nawm")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(5),
    shell:
        "myelosynth nawm {input.wm:q} {input.lesions:q} {output:q} > {log:q} 2>&1"


rule ventricles:
    """The ventricles: deep CSF."""
    input:
        csf=layout.probseg("{sub}", "{ses}", "CSF"),
        mask=layout.brain_mask("{sub}", "{ses}"),
    output:
        layout.label_mask("{sub}", "{ses}", "VENT"),
    log:
        log_of("ventricles"),
    benchmark:
        benchmark_of("ventricles")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(5),
    shell:
        "myelosynth ventricles {input.csf:q} {output:q} --mask {input.mask:q} > {log:q} 2>&1"


rule csf_distance:
    """Distance to CSF in mm inside the brain: ventricles, or all CSF where the configuration says so."""
    input:
        csf=lambda w: distance_csf(w.sub, w.ses),
        mask=layout.brain_mask("{sub}", "{ses}"),
    output:
        layout.csf_distance("{sub}", "{ses}"),
    log:
        log_of("csf_distance"),
    benchmark:
        benchmark_of("csf_distance")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(5),
    params:
        csf=study.curve.csf,
    shell:
        "myelosynth csf-distance {input.csf:q} {input.mask:q} {output:q} > {log:q} 2>&1"
