"""Distribution volume ratio of the dynamic PET, in its native space."""


rule pet_reference_image:
    """Mean of the early frames: the PET's registration image."""
    input:
        pet=raw_image("PET"),
        frames=companion("PET", ".json"),
        description=ancient(layout.derivatives / "dataset_description.json"),
        index=ancient(layout.table("index")),
    output:
        layout.work("{sub}", "{ses}", "petref.nii.gz"),
    log:
        log_of("pet_reference_image"),
    benchmark:
        benchmark_of("pet_reference_image")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(10),
    params:
        minutes=study.pet.early_minutes,
    shell:
        "myelosynth pet-reference {input.pet} {output} --frames {input.frames} --to-min {params.minutes} > {log} 2>&1"


rule tissue_to_pet:
    """Brain and CSF on the PET grid: the domain of the baseline DVR, where k2' is estimated, and the CSF's share."""
    input:
        image=layout.work("{sub}", "{ses}", "petref.nii.gz"),
        brain=layout.brain_mask("{sub}", "{ses}"),
        csf=layout.probseg("{sub}", "{ses}", "CSF"),
        transform=layout.transform("{sub}", "{ses}", "PET", "T1w"),
    output:
        brain=layout.work("{sub}", "{ses}", "pet_brain.nii.gz"),
        csf=layout.work("{sub}", "{ses}", "pet_csf.nii.gz"),
    log:
        log_of("tissue_to_pet"),
    benchmark:
        benchmark_of("tissue_to_pet")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(5),
    shell:
        "(myelosynth transform {input.brain} {input.image} {output.brain} --transform inverse:{input.transform} --labels"
        " && myelosynth transform {input.csf} {input.image} {output.csf} --transform inverse:{input.transform})"
        " > {log} 2>&1"


if study.pet.reference == "given":

    rule ready_reference:
        """The data set's reference region on the PET grid; one drawn on the T1w is brought there."""
        input:
            pet=raw_image("PET"),
            frames=companion("PET", ".json"),
            image=layout.work("{sub}", "{ses}", "petref.nii.gz"),
            t1w=layout.anat("{sub}", "{ses}", "T1w"),
            mask=ready_file("reference"),
            steps=reference_steps,
        output:
            given=layout.work("{sub}", "{ses}", "ready/reference.nii.gz"),
            moved=layout.work("{sub}", "{ses}", "ready/pet_reference.nii.gz"),
            mask=layout.work("{sub}", "{ses}", "pet_reference_mask.nii.gz"),
        log:
            log_of("ready_reference"),
        benchmark:
            benchmark_of("ready_reference")
        conda:
            "../../envs/core.yaml"
        threads: 1
        resources:
            mem_mb=grown(4000),
            runtime=grown(10),
        params:
            chain=lambda w: transform_options(
                *(f"inverse:{step}" for step in reference_steps(w))
            ),
        shell:
            "(myelosynth use-ready reference {input.mask} {output.given} --t1w {input.t1w} --pet {input.image}"
            " && myelosynth transform {output.given} {input.image} {output.moved} {params.chain} --labels"
            " && myelosynth reference-region {input.pet} --frames {input.frames} --method given"
            " --mask {output.moved} --out {output.mask}) > {log} 2>&1"

else:

    rule reference_region:
        """The reference region's mask on the PET grid."""
        input:
            pet=raw_image("PET"),
            frames=companion("PET", ".json"),
            image=layout.work("{sub}", "{ses}", "petref.nii.gz"),
            gm=layout.probseg("{sub}", "{ses}", "GM"),
            transform=layout.transform("{sub}", "{ses}", "PET", "T1w"),
            template=layout.transform("{sub}", "{ses}", "PET", "MNI152"),
        output:
            gm=layout.work("{sub}", "{ses}", "pet_gm.nii.gz"),
            mask=layout.work("{sub}", "{ses}", "pet_reference_mask.nii.gz"),
        log:
            log_of("reference_region"),
        benchmark:
            benchmark_of("reference_region")
        conda:
            "../../envs/core.yaml"
        threads: 1
        resources:
            mem_mb=grown(4000),
            runtime=grown(10),
        params:
            method=study.pet.reference,
        shell:
            "(myelosynth transform {input.gm} {input.image} {output.gm} --transform inverse:{input.transform}"
            " && myelosynth reference-region {input.pet} --frames {input.frames} --gm {output.gm}"
            " --method {params.method} --template-transform {input.template} --out {output.mask}) > {log} 2>&1"


pet_options = (
    f"--model {study.pet.model} --t-star {study.pet.t_star}"
    + (f" --k2prime {study.pet.k2prime}" if study.pet.k2prime is not None else "")
    + (" --motion" if study.pet.motion else "")
)


rule dvr_baseline:
    """DVR by the reference Logan plot (Logan 1996); its lattice is the analysis grid of the participant."""
    input:
        pet=lambda w: roster.index.path(w.sub, BASELINE, "PET"),
        frames=lambda w: companion_path(
            roster.index.path(w.sub, BASELINE, "PET"), ".json"
        ),
        mask=layout.work("{sub}", BASELINE, "pet_reference_mask.nii.gz"),
        brain=layout.work("{sub}", BASELINE, "pet_brain.nii.gz"),
        csf=layout.work("{sub}", BASELINE, "pet_csf.nii.gz"),
    output:
        dvr=layout.source("{sub}", BASELINE, "DVR"),
        csf=layout.csf_share("{sub}", BASELINE),
    log:
        log_of("dvr_baseline", "sub-{sub}"),
    benchmark:
        benchmark_of("dvr_baseline", "sub-{sub}")
    wildcard_constraints:
        sub=without_ready(TARGET),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(10),
    params:
        options=pet_options,
        domain=lambda w, input: f"--mask {input.brain}",
        csf=csf_share_options,
    shell:
        "myelosynth dvr {input.pet} {output.dvr} --frames {input.frames} --reference-mask {input.mask}"
        " {params.domain} {params.options} {params.csf} > {log} 2>&1"


use rule dvr_baseline as dvr_followup with:
    input:
        pet=raw_image("PET"),
        frames=companion("PET", ".json"),
        mask=layout.work("{sub}", "{ses}", "pet_reference_mask.nii.gz"),
        brain=layout.work("{sub}", "{ses}", "pet_brain.nii.gz"),
        csf=layout.work("{sub}", "{ses}", "pet_csf.nii.gz"),
    output:
        dvr=layout.work("{sub}", "{ses}", "dvr.nii.gz"),
        csf=layout.work("{sub}", "{ses}", "dvr_csf.nii.gz"),
    log:
        log_of("dvr_followup"),
    benchmark:
        benchmark_of("dvr_followup")
    params:
        options=pet_options,
        # Fitted beyond the brain, so that the one interpolation does not mix in zeros at its edge; masked on the grid.
        domain=lambda w, input: f"--k2prime-mask {input.brain}",
        csf=csf_share_options,


use rule dvr_followup as dvr_draw with:
    input:
        pet=lambda w: raw.truth(w.sub, w.ses, f"{w.system}_pet.nii.gz"),
        frames=companion("PET", ".json"),
        mask=layout.work("{sub}", "{ses}", "pet_reference_mask.nii.gz"),
        brain=layout.work("{sub}", "{ses}", "pet_brain.nii.gz"),
    output:
        dvr=layout.work("{sub}", "{ses}", "dvr_{system}.nii.gz"),
    log:
        log_of("dvr_draw", "sub-{sub}_ses-{ses}_{system}"),
    benchmark:
        benchmark_of("dvr_draw", "sub-{sub}_ses-{ses}_{system}")
    wildcard_constraints:
        system="|".join([*CEILINGS, *NULLS]) or "none",
    params:
        options=pet_options,
        domain=lambda w, input: f"--k2prime-mask {input.brain}",
        csf="",
