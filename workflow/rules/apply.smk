"""A bundle on patients without PET: grid, check and prediction, maps and pages. Only where the configuration names one."""


# A patient's page without PET, not the one of the study.
ruleorder: applied_page > patient_page


rule apply:
    """Everything that the bundle can tell of each participant."""
    input:
        layout.page("applied_cohort"),
        [layout.page(f"sub-{sub}") for sub in dict(roster.applicable)],
        [layout.page(f"qc/sub-{sub}_ses-{ses}") for sub, ses in roster.applicable],
        layout.null_model(applied.system) if study.apply.unchanged else [],


rule analysis_grid:
    """The baseline T1w on a lattice of the trained voxels: without PET no image gives the grid."""
    input:
        t1w=layout.anat("{sub}", BASELINE, "T1w"),
        brain=layout.brain_mask("{sub}", BASELINE),
        bundle=applied.files,
    output:
        layout.analysis_grid("{sub}"),
    log:
        log_of("analysis_grid", "sub-{sub}"),
    benchmark:
        benchmark_of("analysis_grid", "sub-{sub}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(5),
    params:
        bundle=applied.folder,
    shell:
        "myelosynth analysis-grid {input.t1w:q} {output:q} --mask {input.brain:q} --bundle {params.bundle:q}"
        " > {log:q} 2>&1"


rule apply_predict:
    """Predicted DVR, refused or flagged where the maps are not like those of training."""
    input:
        description=ancient(layout.system(applied.system) / "dataset_description.json"),
        # Not unpacked: a source may have any name.
        sources=lambda w: list(applied_sources(w).values()),
        mask=layout.brain_mask("{sub}", BASELINE, space=layout.space),
        bundle=applied.files,
    output:
        mean=layout.prediction(applied.system, "{sub}", "{ses}"),
        std=(
            layout.prediction(applied.system, "{sub}", "{ses}", desc="predDvrStd")
            if applied.spread
            else []
        ),
    log:
        log_of("apply_predict"),
    benchmark:
        benchmark_of("apply_predict")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(30),
        gpu=gpus,
    params:
        bundle=applied.folder,
        sources=lambda w: each(
            "--source", [f"{name}={path}" for name, path in applied_sources(w).items()]
        ),
        options=lambda w, output: [
            *(["--out-std", output.std] if applied.spread else []),
            *(["--allow-intensity"] if study.apply.allow_intensity else []),
            *["--device", study.learning.device],
        ],
    shell:
        "myelosynth bundle-predict {params.bundle:q} {params.sources:q} --mask {input.mask:q} --out {output.mean:q}"
        " {params.options:q} --threads {threads} > {log:q} 2>&1"


rule applied_null:
    """What a second MRI session does to the predictions in lesions where nothing changed."""
    input:
        before=[
            layout.prediction(applied.system, sub, BASELINE)
            for sub in unchanged_pairs()
        ],
        after=[
            layout.prediction(applied.system, sub, FOLLOW_UP)
            for sub in unchanged_pairs()
        ],
        lesions=[
            layout.label_mask(sub, BASELINE, "L", space=layout.space)
            for sub in unchanged_pairs()
        ],
        distance=[
            layout.csf_distance(sub, BASELINE, space=layout.space)
            for sub in unchanged_pairs()
        ],
        curve=applied.curve,
    output:
        layout.null_model(applied.system),
    log:
        log_of("applied_null", "cohort"),
    benchmark:
        benchmark_of("applied_null", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(20),
    params:
        images=lambda w, input: null_images(input),
        system=applied.system,
    shell:
        "myelosynth null-fit {params.images:q} --curve {input.curve:q} --system {params.system:q} --out {output:q}"
        " > {log:q} 2>&1"


rule applied_page:
    """One participant: predicted maps and indices, what lies beyond training, the limits of the model."""
    input:
        index=INDEX,
        maps=lambda w: applied_maps(w.sub),
        bundle=applied.files,
    output:
        report(
            layout.page("sub-{sub}"),
            caption="../report/applied.rst",
            category="Participants without PET",
            labels={"participant": "{sub}"},
        ),
    log:
        log_of("applied_page", "sub-{sub}"),
    benchmark:
        benchmark_of("applied_page", "sub-{sub}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(10),
    params:
        root=layout.root,
        raw=raw.root,
        bundle=applied.folder,
    shell:
        "myelosynth report applied {params.root:q} --raw {params.raw:q} --index {input.index:q} --sub {wildcards.sub:q}"
        " --bundle {params.bundle:q} --out {output:q} > {log:q} 2>&1"


rule applied_cohort_page:
    """Everybody: predicted indices, null, alarms, and the way to the pages of each."""
    input:
        indices=[layout.table(f"index_sub-{sub}") for sub in dict(roster.applicable)],
        maps=[applied_maps(sub) for sub in dict(roster.applicable)],
        bundle=applied.files,
    output:
        report(
            layout.page("applied_cohort"),
            caption="../report/applied_cohort.rst",
            category="Participants without PET",
            labels={"participant": "all"},
        ),
    log:
        log_of("applied_cohort_page", "cohort"),
    benchmark:
        benchmark_of("applied_cohort_page", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(10),
    params:
        root=layout.root,
        raw=raw.root,
        bundle=applied.folder,
        indices=lambda w, input: each("--index", input.indices),
    shell:
        "myelosynth report applied-cohort {params.root:q} --raw {params.raw:q} {params.indices:q}"
        " --bundle {params.bundle:q} --out {output:q} > {log:q} 2>&1"
