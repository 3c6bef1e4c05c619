"""Quantitative MRI maps in their native space: tensor, magnetisation transfer ratio."""


rule register_distorted:
    """The distorted b0 to the T1w, rigid: where method t1w starts; what is straight is registered again."""
    input:
        dwi=raw_image("DWI"),
        bvals=companion("DWI", ".bval"),
        fixed=layout.anat("{sub}", "{ses}", "T1w"),
    output:
        b0=layout.work("{sub}", "{ses}", "b0_distorted.nii.gz"),
        transform=layout.work("{sub}", "{ses}", "b0_distorted_rigid.txt"),
    log:
        log_of("register_distorted"),
    benchmark:
        benchmark_of("register_distorted")
    conda:
        environment_of("register")
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(10),
    params:
        engine=study.engines.registration,
    shell:
        "(myelosynth mean-b0 {input.dwi} {output.b0} --bvals {input.bvals}"
        " && myelosynth register {output.b0} {input.fixed} --out-transform {output.transform} --dof 6"
        " --engine {params.engine}) > {log} 2>&1"


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
        layout.work("{sub}", "{ses}", "epi_shift.nii.gz"),
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
        "myelosynth epi-shift {input.dwi} {output} --bvals {input.bvals} --method {params.method} {params.files}"
        " > {log} 2>&1"


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
        "myelosynth mean-b0 {input.dwi} {output} --bvals {input.bvals} {params.shift} > {log} 2>&1"


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
        mask=layout.work("{sub}", "{ses}", "dwi_mask.nii.gz"),
        fa=layout.work("{sub}", "{ses}", "tensor/fa.nii.gz"),
        rd=layout.work("{sub}", "{ses}", "tensor/rd.nii.gz"),
        ad=layout.work("{sub}", "{ses}", "tensor/ad.nii.gz"),
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
        options=("--denoise " if study.diffusion.denoise else "")
        + ("--gibbs " if study.diffusion.gibbs else "")
        + ("--motion" if study.diffusion.motion else ""),
        shift=shift_option,
    shell:
        "(myelosynth transform {input.mask} {input.b0} {output.mask} --transform inverse:{input.transform} --labels"
        " && myelosynth fit-tensor {input.dwi} --bvals {input.bvals} --bvecs {input.bvecs} --mask {output.mask}"
        " --out-dir {params.folder} {params.options} {params.shift}) > {log} 2>&1"


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
        options="--register" if study.magnetisation.register_on else "",
    shell:
        "myelosynth mtr {input.on} {input.off} {output} {params.options} > {log} 2>&1"
