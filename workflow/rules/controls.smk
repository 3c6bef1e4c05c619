"""Negative controls: permuted MRI-PET pairs, permuted scores and second scans without change."""


rule permuted_target:
    """The baseline DVR of another participant on this one's grid, through the template: same brain, not the same person."""
    input:
        unpack(permuted_pair),
    output:
        layout.permuted_target("{sub}"),
    log:
        log_of("permuted_target", "sub-{sub}"),
    benchmark:
        benchmark_of("permuted_target", "sub-{sub}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(5),
    params:
        chain=lambda w, input: transform_options(
            input.steps[0], f"inverse:{input.steps[1]}"
        ),
    shell:
        "myelosynth transform {input.image:q} {input.grid:q} {output:q} {params.chain:q} > {log:q} 2>&1"


rule permuted_manifest:
    """The table of training images with another participant's PET as everybody's target; it says so."""
    input:
        manifest=layout.table("manifest"),
        split=layout.table("split"),
    output:
        layout.table("permuted_manifest"),
    log:
        log_of("permuted_manifest", "cohort"),
    benchmark:
        benchmark_of("permuted_manifest", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(500),
        runtime=grown(5),
    params:
        root=layout.root,
        seed=study.folds.seed,
    shell:
        "myelosynth permuted-manifest {params.root:q} {input.manifest:q} {output:q} --split {input.split:q}"
        " --seed {params.seed:q} > {log:q} 2>&1"


use rule train as train_permuted with:
    input:
        split=layout.table("split"),
        manifest=layout.table("permuted_manifest"),
        images=permuted_training_images,
        task=study.learning.task,
        # Lists of systems and comments in it change no training: its numbers are a param.
        preset=ancient(study.learning.preset),
        sketcher=[],
        sketches=[],
    output:
        layout.permuted_checkpoint("{system}", "{fold}"),
    log:
        log_of("train_permuted", "{system}_fold-{fold}"),
    benchmark:
        benchmark_of("train_permuted", "{system}_fold-{fold}")


use rule predict as predict_permuted with:
    input:
        checkpoint=lambda w: layout.permuted_checkpoint(w.system, fold_of(w.sub)),
        sources=lambda w: [
            layout.source(w.sub, w.ses, contrast) for contrast in SOURCES
        ],
        template=lambda w: layout.transform(w.sub, BASELINE, "PET", "MNI152"),
        mask=layout.brain_mask("{sub}", BASELINE, space="dvrt0"),
    output:
        mean=layout.permuted_prediction("{system}", "{sub}", "{ses}"),
    log:
        log_of("predict_permuted", "{system}_sub-{sub}_ses-{ses}"),
    benchmark:
        benchmark_of("predict_permuted", "{system}_sub-{sub}_ses-{ses}")


rule permuted_scores:
    """Lesion error and correlation of each test patient: real pairs, permuted pairs and the atlas."""
    input:
        split=layout.table("split"),
        measured=[layout.source(sub, BASELINE, TARGET) for sub in permuted_patients()],
        lesions=[
            layout.label_mask(sub, BASELINE, "L", space=layout.space)
            for sub in permuted_patients()
        ],
        real=[
            layout.prediction(system, sub, BASELINE)
            for system in [PERMUTED, *PERMUTED_FLOOR]
            for sub in permuted_patients()
        ],
        permuted=[
            layout.permuted_prediction(PERMUTED, sub, BASELINE)
            for sub in permuted_patients()
        ],
    output:
        layout.table("permuted_pairs"),
    log:
        log_of("permuted_scores", "cohort"),
    benchmark:
        benchmark_of("permuted_scores", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(20),
    params:
        root=layout.root,
        system=PERMUTED,
        floor=[word for name in PERMUTED_FLOOR for word in ("--floor", name)],
        people=[word for sub in permuted_patients() for word in ("--sub", sub)],
    shell:
        "myelosynth permuted-scores {params.root:q} --split {input.split:q} --system {params.system:q} {params.floor:q}"
        " {params.people:q} --out {output:q} > {log:q} 2>&1"


rule negative_controls:
    """What the study says where there is nothing to find, beside what it says of the real data; a target of its own."""
    input:
        pairs=permuted_tables(),
        clinical=layout.table("clinical_table") if clinical_scores() else [],
        nulls=null_tables(),
    output:
        layout.table("negative_controls"),
    log:
        log_of("negative_controls", "cohort"),
    benchmark:
        benchmark_of("negative_controls", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(1000),
        runtime=grown(10),
    params:
        tables=lambda w, input: named_options(
            {name: path for name, path in input.items() if path}
        ),
        # The first score of the study, EDSS unless it says otherwise.
        response=study.clinical.responses[0],
        seed=study.clinical.seed,
    shell:
        "myelosynth negative-controls {output:q} {params.tables:q} --response {params.response:q} --seed {params.seed:q}"
        " > {log:q} 2>&1"
