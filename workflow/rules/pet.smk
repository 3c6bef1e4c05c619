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
        "myelosynth pet-reference {input.pet:q} {output:q} --frames {input.frames:q} --to-min {params.minutes:q}"
        " > {log:q} 2>&1"


rule tissue_to_pet:
    """Brain and CSF on the PET grid: the domain of the baseline DVR, where k2' is estimated, and the CSF's share."""
    input:
        image=layout.work("{sub}", "{ses}", "petref.nii.gz"),
        brain=layout.brain_mask("{sub}", "{ses}"),
        csf=layout.probseg("{sub}", "{ses}", "CSF"),
        transform=layout.transform("{sub}", "{ses}", "PET", "T1w"),
    output:
        brain=passing(layout.work("{sub}", "{ses}", "pet_brain.nii.gz")),
        csf=passing(layout.work("{sub}", "{ses}", "pet_csf.nii.gz")),
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
        "(myelosynth transform {input.brain:q} {input.image:q} {output.brain:q} --transform inverse:{input.transform:q}"
        " --labels"
        " && myelosynth transform {input.csf:q} {input.image:q} {output.csf:q} --transform inverse:{input.transform:q})"
        " > {log:q} 2>&1"


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
            given=passing(layout.work("{sub}", "{ses}", "ready/reference.nii.gz")),
            moved=passing(layout.work("{sub}", "{ses}", "ready/pet_reference.nii.gz")),
            mask=passing(layout.work("{sub}", "{ses}", "pet_reference_mask.nii.gz")),
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
            "(myelosynth use-ready reference {input.mask:q} {output.given:q} --t1w {input.t1w:q} --pet {input.image:q}"
            " && myelosynth transform {output.given:q} {input.image:q} {output.moved:q} {params.chain:q} --labels"
            " && myelosynth reference-region {input.pet:q} --frames {input.frames:q} --method given"
            " --mask {output.moved:q} --out {output.mask:q}) > {log:q} 2>&1"

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
            gm=passing(layout.work("{sub}", "{ses}", "pet_gm.nii.gz")),
            mask=passing(layout.work("{sub}", "{ses}", "pet_reference_mask.nii.gz")),
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
            "(myelosynth transform {input.gm:q} {input.image:q} {output.gm:q} --transform inverse:{input.transform:q}"
            " && myelosynth reference-region {input.pet:q} --frames {input.frames:q} --gm {output.gm:q}"
            " --method {params.method:q} --template-transform {input.template:q} --out {output.mask:q}) > {log:q} 2>&1"


pet_options = (
    named_options({"model": study.pet.model, "t_star": study.pet.t_star})
    + each("--k2prime", [] if study.pet.k2prime is None else [study.pet.k2prime])
    + (["--motion"] if study.pet.motion else [])
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
        domain=lambda w, input: ["--mask", input.brain],
        csf=csf_share_options,
    shell:
        "myelosynth dvr {input.pet:q} {output.dvr:q} --frames {input.frames:q} --reference-mask {input.mask:q}"
        " {params.domain:q} {params.options:q} {params.csf:q} > {log:q} 2>&1"


use rule dvr_baseline as dvr_followup with:
    input:
        pet=raw_image("PET"),
        frames=companion("PET", ".json"),
        mask=layout.work("{sub}", "{ses}", "pet_reference_mask.nii.gz"),
        brain=layout.work("{sub}", "{ses}", "pet_brain.nii.gz"),
        csf=layout.work("{sub}", "{ses}", "pet_csf.nii.gz"),
    output:
        dvr=layout.work("{sub}", "{ses}", "dvr.nii.gz"),
        csf=passing(layout.work("{sub}", "{ses}", "dvr_csf.nii.gz")),
    log:
        log_of("dvr_followup"),
    benchmark:
        benchmark_of("dvr_followup")
    params:
        options=pet_options,
        # Fitted beyond the brain, so that the one interpolation does not mix in zeros at its edge; masked on the grid.
        domain=lambda w, input: ["--k2prime-mask", input.brain],
        csf=csf_share_options,


use rule dvr_followup as dvr_draw with:
    input:
        pet=lambda w: raw.truth(w.sub, w.ses, f"{w.system}_pet.nii.gz"),
        frames=companion("PET", ".json"),
        mask=layout.work("{sub}", "{ses}", "pet_reference_mask.nii.gz"),
        brain=layout.work("{sub}", "{ses}", "pet_brain.nii.gz"),
    output:
        dvr=passing(layout.work("{sub}", "{ses}", "dvr_{system}.nii.gz")),
    log:
        log_of("dvr_draw", "sub-{sub}_ses-{ses}_{system}"),
    benchmark:
        benchmark_of("dvr_draw", "sub-{sub}_ses-{ses}_{system}")
    wildcard_constraints:
        system="|".join([*CEILINGS, *NULLS]) or "none",
    params:
        options=pet_options,
        domain=lambda w, input: ["--k2prime-mask", input.brain],
        csf=[],
