"""Every image to its session's T1w, the follow-up T1w to the baseline's, the T1w to the template."""


rule register_rigid:
    """Rigid start of a boundary-based registration (mutual information)."""
    input:
        moving=moving_image,
        fixed=layout.anat("{sub}", "{ses}", "T1w"),
    output:
        passing(layout.work("{sub}", "{ses}", "{image}_rigid.txt")),
    log:
        log_of("register_rigid", "sub-{sub}_ses-{ses}_{image}"),
    benchmark:
        benchmark_of("register_rigid", "sub-{sub}_ses-{ses}_{image}")
    wildcard_constraints:
        image="|".join(BBR_IMAGES) or "none",
    conda:
        environment_of("register")
    envmodules:
        *modules_of("register"),
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(10),
    params:
        engine=study.engines.registration,
    shell:
        "myelosynth register {input.moving:q} {input.fixed:q} --out-transform {output:q} --dof 6"
        " --engine {params.engine:q} > {log:q} 2>&1"


use rule register_rigid as register_image with:
    output:
        layout.transform("{sub}", "{ses}", "{image}", "T1w"),
    log:
        log_of("register_image", "sub-{sub}_ses-{ses}_{image}"),
    benchmark:
        benchmark_of("register_image", "sub-{sub}_ses-{ses}_{image}")
    wildcard_constraints:
        image="|".join(RIGID_IMAGES) or "none",


rule register_boundary:
    """Boundary-based registration (Greve & Fischl 2009) from the rigid start; its sidecar records a fallback."""
    input:
        moving=moving_image,
        fixed=layout.anat("{sub}", "{ses}", "T1w"),
        wm=layout.label_mask("{sub}", "{ses}", "WM"),
        gm=layout.probseg("{sub}", "{ses}", "GM"),
        init=layout.work("{sub}", "{ses}", "{image}_rigid.txt"),
        subject=fs_subject("{sub}", "{ses}") if BBREGISTER else [],
    output:
        layout.transform("{sub}", "{ses}", "{image}", "T1w"),
    log:
        log_of("register_boundary", "sub-{sub}_ses-{ses}_{image}"),
    benchmark:
        benchmark_of("register_boundary", "sub-{sub}_ses-{ses}_{image}")
    wildcard_constraints:
        image="|".join(BBR_IMAGES) or "none",
    conda:
        environment_of("register-bbr")
    envmodules:
        *modules_of("register-bbr"),
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(10),
    params:
        engine=study.engines.bbr,
        contrast=boundary_contrast,
        subject=lambda w, input: each(
            "--fs-subject", [input.subject] if BBREGISTER else []
        ),
    shell:
        "myelosynth register-bbr {input.moving:q} {input.fixed:q} --wm-mask {input.wm:q} --gm {input.gm:q}"
        " --init {input.init:q} --contrast {params.contrast:q} --out-transform {output:q} --engine {params.engine:q}"
        " {params.subject:q} > {log:q} 2>&1"


rule register_followup:
    """T1w of a later session to the baseline T1w, rigid, brain to brain."""
    input:
        moving=layout.work("{sub}", "{ses}", "T1w_brain.nii.gz"),
        fixed=lambda w: layout.work(w.sub, BASELINE, "T1w_brain.nii.gz"),
    output:
        layout.transform("{sub}", "{ses}", "T1w{ses}", "T1wt0"),
    log:
        log_of("register_followup"),
    benchmark:
        benchmark_of("register_followup")
    conda:
        environment_of("register")
    envmodules:
        *modules_of("register"),
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(10),
    params:
        engine=study.engines.registration,
    shell:
        "myelosynth register {input.moving:q} {input.fixed:q} --out-transform {output:q} --dof 6"
        " --engine {params.engine:q} > {log:q} 2>&1"


rule template:
    """The MNI152 brain that nilearn carries."""
    output:
        layout.root / "work" / "mni152_brain.nii.gz",
    log:
        log_of("template", "mni152"),
    benchmark:
        benchmark_of("template", "mni152")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(5),
    shell:
        "myelosynth mni-template {output:q} --resolution 4 > {log:q} 2>&1"


rule register_template:
    """T1w brain to MNI152, affine: for the cerebellar reference region and the atlas floor."""
    input:
        moving=layout.work("{sub}", "{ses}", "T1w_brain.nii.gz"),
        fixed=layout.root / "work" / "mni152_brain.nii.gz",
    output:
        layout.transform("{sub}", "{ses}", "T1w", "MNI152"),
    log:
        log_of("register_template"),
    benchmark:
        benchmark_of("register_template")
    conda:
        environment_of("register")
    envmodules:
        *modules_of("register"),
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(10),
    params:
        engine=study.engines.registration,
    shell:
        "myelosynth register {input.moving:q} {input.fixed:q} --out-transform {output:q} --dof 12"
        " --engine {params.engine:q} > {log:q} 2>&1"


rule pet_to_template:
    """PET to MNI152 as one transform; at baseline it places the analysis grid in the template."""
    input:
        to_template,
    output:
        layout.transform("{sub}", "{ses}", "PET", "MNI152"),
    log:
        log_of("pet_to_template"),
    benchmark:
        benchmark_of("pet_to_template")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(500),
        runtime=grown(5),
    params:
        chain=lambda w: transform_options(*to_template(w)),
    shell:
        "myelosynth compose-transforms {output:q} {params.chain:q} > {log:q} 2>&1"


for _contrast in NATIVE:

    rule:
        name:
            f"{_contrast}_to_t1w"
        input:
            image=map_image(_contrast),
            fixed=layout.anat("{sub}", "{ses}", "T1w"),
            steps=map_to_t1w(_contrast),
        output:
            layout.source("{sub}", "{ses}", _contrast, space="T1w"),
        log:
            log_of("map_to_t1w", f"sub-{{sub}}_ses-{{ses}}_{_contrast}"),
        benchmark:
            benchmark_of("map_to_t1w", f"sub-{{sub}}_ses-{{ses}}_{_contrast}")
        conda:
            "../../envs/core.yaml"
        threads: 1
        resources:
            mem_mb=grown(2000),
            runtime=grown(5),
        params:
            chain=lambda w, input: transform_options(*input.steps),
        shell:
            "myelosynth transform {input.image:q} {input.fixed:q} {output:q} {params.chain:q} > {log:q} 2>&1"


rule structural_to_t1w:
    """FLAIR or T2w on the T1w grid, for pages and readers; models never see it interpolated twice."""
    input:
        image=lambda w: roster.index.path(w.sub, w.ses, w.image),
        fixed=layout.anat("{sub}", "{ses}", "T1w"),
        transform=layout.transform("{sub}", "{ses}", "{image}", "T1w"),
    output:
        layout.anat("{sub}", "{ses}", "{image}", space="T1w"),
    log:
        log_of("structural_to_t1w", "sub-{sub}_ses-{ses}_{image}"),
    benchmark:
        benchmark_of("structural_to_t1w", "sub-{sub}_ses-{ses}_{image}")
    wildcard_constraints:
        image="T2w|FLAIR",
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(5),
    shell:
        "myelosynth transform {input.image:q} {input.fixed:q} {output:q} --transform {input.transform:q} > {log:q} 2>&1"
