"""Subject split, training per fold, prediction of the test subjects."""


rule manifest:
    """The table of training images (baseline sessions) and the participants that can be split."""
    input:
        index=layout.table("index"),
        participants=raw.root / "participants.tsv",
        images=eligible_images,
        task=study.learning.task,
    output:
        manifest=layout.table("manifest"),
        participants=layout.table("participants"),
    log:
        log_of("manifest", "cohort"),
    benchmark:
        benchmark_of("manifest", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(500),
        runtime=grown(5),
    params:
        root=layout.root,
        raw=raw.root,
        eligible=each("--sub", roster.eligible),
    shell:
        "myelosynth manifest {params.root:q} --index {input.index:q} --raw {params.raw:q} --task {input.task:q}"
        " {params.eligible:q} --out {output.manifest:q} --out-participants {output.participants:q} > {log:q} 2>&1"


rule split:
    """Folds over subjects, stratified by group."""
    input:
        layout.table("participants"),
    output:
        layout.table("split"),
    log:
        log_of("split", "cohort"),
    benchmark:
        benchmark_of("split", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(500),
        runtime=grown(5),
    params:
        folds=study.folds.number,
        validation=study.folds.validation,
        seed=study.folds.seed,
    shell:
        "myelosynth split {input:q} {output:q} --folds {params.folds:q} --validation {params.validation:q}"
        " --seed {params.seed:q} > {log:q} 2>&1"


rule inner_split:
    """Inner folds over the training participants of a fold; nobody else takes part."""
    input:
        layout.table("split"),
    output:
        layout.table("inner_split_fold-{fold}"),
    log:
        log_of("inner_split", "fold-{fold}"),
    benchmark:
        benchmark_of("inner_split", "fold-{fold}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(500),
        runtime=grown(5),
    params:
        folds=study.learning.inner_folds,
        validation=study.learning.inner_validation,
        seed=study.folds.seed,
    shell:
        "myelosynth inner-split {input:q} {output:q} --fold {wildcards.fold:q} --folds {params.folds:q}"
        " --validation {params.validation:q} --seed {params.seed:q} > {log:q} 2>&1"


rule train:
    """One system on one fold; resumes from its last checkpoint after an interruption."""
    input:
        split=layout.table("split"),
        manifest=layout.table("manifest"),
        images=training_images,
        task=study.learning.task,
        # Lists of systems and comments in it change no training: its numbers are a param.
        preset=ancient(study.learning.preset),
        sketcher=sketcher_checkpoint,
        sketches=out_of_fold_sketches,
    output:
        layout.checkpoint("{system}", "{fold}"),
    log:
        log_of("train", "{system}_fold-{fold}"),
    benchmark:
        benchmark_of("train", "{system}_fold-{fold}")
    wildcard_constraints:
        system="|".join(TRAINED),
    conda:
        "../../envs/core.yaml"
    threads: training_processes
    resources:
        mem_mb=grown(4000),
        runtime=grown(720),
        gpu=training_gpus,
        # Processes that share a batch meet on one node.
        nodes=1,
    params:
        command=training_command,
        model=lambda w: parse_system(w.system).options.split(),
        settings=training_settings,
        # An inner fold is a fold of the inner split.
        fold=lambda w: w.get("inner", w.fold),
        folder=lambda w, output: Path(str(output)).parent,
        sketches=sketch_options,
        device=study.learning.device,
        threads=lambda w, threads: max(1, threads // training_processes(w)),
        seed=lambda w: study.learning.seed_of(w.system),
    shell:
        "{params.command:q} train --task {input.task:q} {params.model:q} --fold {params.fold:q} --split {input.split:q}"
        " --data {input.manifest:q} --out {params.folder:q} {params.sketches:q} --preset {input.preset:q}"
        " --device {params.device:q} --seed {params.seed:q} --threads {params.threads:q} --resume > {log:q} 2>&1"


use rule train as train_inner with:
    input:
        split=layout.table("inner_split_fold-{fold}"),
        manifest=layout.table("manifest"),
        images=training_images,
        task=study.learning.task,
        # Lists of systems and comments in it change no training: its numbers are a param.
        preset=ancient(study.learning.preset),
        sketcher=[],
        sketches=[],
    output:
        layout.inner_checkpoint("{system}", "{fold}", "{inner}"),
    log:
        log_of("train_inner", "{system}_fold-{fold}_inner-{inner}"),
    benchmark:
        benchmark_of("train_inner", "{system}_fold-{fold}_inner-{inner}")


rule predict:
    """Predicted DVR of a test subject by the model of its fold, at t0 and t1."""
    input:
        description=ancient(layout.system("{system}") / "dataset_description.json"),
        checkpoint=lambda w: layout.checkpoint(w.system, fold_of(w.sub)),
        sources=lambda w: [
            layout.source(w.sub, w.ses, contrast) for contrast in SOURCES
        ],
        template=lambda w: layout.transform(w.sub, BASELINE, "PET", "MNI152"),
        mask=layout.brain_mask("{sub}", BASELINE, space="dvrt0"),
    output:
        mean=layout.prediction("{system}", "{sub}", "{ses}"),
    log:
        log_of("predict", "{system}_sub-{sub}_ses-{ses}"),
    benchmark:
        benchmark_of("predict", "{system}_sub-{sub}_ses-{ses}")
    wildcard_constraints:
        system="|".join(TRAINED),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(30),
        gpu=gpus,
    params:
        # Each system takes what it needs.
        sources=lambda w, input: each(
            "--source",
            map(
                "=".join, zip([*SOURCES, "template"], [*input.sources, input.template])
            ),
        ),
        spread=lambda w, output: each(
            "--out-std", [output.get("std")] if output.get("std") else []
        ),
        device=study.learning.device,
    shell:
        "myelosynth predict --checkpoint {input.checkpoint:q} {params.sources:q} --mask {input.mask:q}"
        " --out {output.mean:q} {params.spread:q} --device {params.device:q} --threads {threads} > {log:q} 2>&1"


use rule predict as predict_with_spread with:
    output:
        mean=layout.prediction("{system}", "{sub}", "{ses}"),
        std=layout.prediction("{system}", "{sub}", "{ses}", desc="predDvrStd"),
    wildcard_constraints:
        system="|".join(WITH_INTERVALS) or "none",


# Those that may ask for a GPU, by themselves: the jobs of an array ask for the same.
use rule predict as predict_network with:
    wildcard_constraints:
        system="|".join(name for name in TRAINED if not is_floor(name)) or "none",


ruleorder: predict_with_spread > predict_network > predict


use rule predict as sketch with:
    input:
        checkpoint=sketching_checkpoint,
        sources=lambda w: [
            layout.source(w.sub, BASELINE, contrast) for contrast in SOURCES
        ],
        template=lambda w: layout.transform(w.sub, BASELINE, "PET", "MNI152"),
        mask=layout.brain_mask("{sub}", BASELINE, space="dvrt0"),
    output:
        mean=layout.sketch("{system}", "{fold}", "{sub}", BASELINE),
    log:
        log_of("sketch", "{system}_fold-{fold}_sub-{sub}"),
    benchmark:
        benchmark_of("sketch", "{system}_fold-{fold}_sub-{sub}")
