"""Quantitative MRI maps in their native space: tensor, magnetisation transfer ratio."""


rule register_distorted:
    """The distorted b0 to the T1w, rigid: where method t1w starts; what is straight is registered again."""
    input:
        dwi=raw_image("DWI"),
        bvals=companion("DWI", ".bval"),
        fixed=layout.anat("{sub}", "{ses}", "T1w"),
    output:
        b0=passing(layout.work("{sub}", "{ses}", "b0_distorted.nii.gz")),
        transform=passing(layout.work("{sub}", "{ses}", "b0_distorted_rigid.txt")),
    log:
        log_of("register_distorted"),
    benchmark:
        benchmark_of("register_distorted")
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
        "(myelosynth mean-b0 {input.dwi:q} {output.b0:q} --bvals {input.bvals:q}"
        " && myelosynth register {output.b0:q} {input.fixed:q} --out-transform {output.transform:q} --dof 6"
        " --engine {params.engine:q}) > {log:q} 2>&1"


rule epi_shift:
    """Shift of the DWI along its phase axis: field map, opposite blips (Andersson 2003) or the T1w."""
    input:
        # Not unpacked: Snakemake keeps the name `reverse` for itself.
        files=lambda w: list(distortion_files(w).values()),
        dwi=raw_image("DWI"),
        bvals=companion("DWI", ".bval"),
        sidecars=distortion_sidecars,
        description=ancient(layout.derivatives / "dataset_description.json"),
        index=ancient(INDEX),
    output:
        passing(layout.work("{sub}", "{ses}", "epi_shift.nii.gz")),
    log:
        log_of("epi_shift"),
    benchmark:
        benchmark_of("epi_shift")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(60),
    params:
        method=study.diffusion.distortion,
        files=distortion_options,
    shell:
        "myelosynth epi-shift {input.dwi:q} {output:q} --bvals {input.bvals:q} --method {params.method:q}"
        " {params.files:q} > {log:q} 2>&1"


rule mean_b0:
    """Mean of the volumes without diffusion weighting: the DWI's registration image."""
    input:
        dwi=raw_image("DWI"),
        bvals=companion("DWI", ".bval"),
        shift=shift_map,
        description=ancient(layout.derivatives / "dataset_description.json"),
        index=ancient(INDEX),
    output:
        layout.work("{sub}", "{ses}", "b0.nii.gz"),
    log:
        log_of("mean_b0"),
    benchmark:
        benchmark_of("mean_b0")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(5),
    params:
        shift=shift_option,
    shell:
        "myelosynth mean-b0 {input.dwi:q} {output:q} --bvals {input.bvals:q} {params.shift:q} > {log:q} 2>&1"


rule fit_tensor:
    """FA, RD and AD by a weighted tensor fit inside the brain."""
    input:
        dwi=raw_image("DWI"),
        bvals=companion("DWI", ".bval"),
        bvecs=companion("DWI", ".bvec"),
        b0=layout.work("{sub}", "{ses}", "b0.nii.gz"),
        shift=shift_map,
        mask=layout.brain_mask("{sub}", "{ses}"),
        transform=layout.transform("{sub}", "{ses}", "DWI", "T1w"),
    output:
        mask=passing(layout.work("{sub}", "{ses}", "dwi_mask.nii.gz")),
        fa=layout.work("{sub}", "{ses}", "tensor/fa.nii.gz"),
        rd=layout.work("{sub}", "{ses}", "tensor/rd.nii.gz"),
        ad=layout.work("{sub}", "{ses}", "tensor/ad.nii.gz"),
        md=passing(layout.work("{sub}", "{ses}", "tensor/md.nii.gz")),
    log:
        log_of("fit_tensor"),
    benchmark:
        benchmark_of("fit_tensor")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(30),
    params:
        folder=lambda w, output: Path(output.fa).parent,
        options=[
            f"--{step}"
            for step in ("denoise", "gibbs", "motion")
            if getattr(study.diffusion, step)
        ],
        shift=shift_option,
    shell:
        "(myelosynth transform {input.mask:q} {input.b0:q} {output.mask:q} --transform inverse:{input.transform:q}"
        " --labels"
        " && myelosynth fit-tensor {input.dwi:q} --bvals {input.bvals:q} --bvecs {input.bvecs:q} --mask {output.mask:q}"
        " --out-dir {params.folder:q} {params.options:q} {params.shift:q}) > {log:q} 2>&1"


rule mtr:
    """Magnetisation transfer ratio, 0-100 %."""
    input:
        on=raw_image("MTon"),
        off=raw_image("MToff"),
        description=ancient(layout.derivatives / "dataset_description.json"),
        index=ancient(INDEX),
    output:
        layout.work("{sub}", "{ses}", "mtr.nii.gz"),
    log:
        log_of("mtr"),
    benchmark:
        benchmark_of("mtr")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(10),
    params:
        options=["--register"] if study.magnetisation.register_on else [],
    shell:
        "myelosynth mtr {input.on:q} {input.off:q} {output:q} {params.options:q} > {log:q} 2>&1"
