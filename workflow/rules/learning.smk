"""Subject split, training per fold, prediction of the test subjects."""


rule manifest:
    """The table of training images (baseline sessions) and the participants that can be split."""
    input:
        index=layout.table("index"),
        participants=raw.root / "participants.tsv",
        images=training_inputs,
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
        mem_mb=500,
        runtime=5,
    params:
        root=layout.root,
        raw=raw.root,
        eligible=" ".join(f"--sub {sub}" for sub in roster.eligible),
    shell:
        "myelosynth manifest {params.root} --index {input.index} --raw {params.raw} --task {input.task} {params.eligible}"
        " --out {output.manifest} --out-participants {output.participants} > {log} 2>&1"


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
        mem_mb=500,
        runtime=5,
    params:
        folds=study.folds.number,
        validation=study.folds.validation,
        seed=study.folds.seed,
    shell:
        "myelosynth split {input} {output} --folds {params.folds} --validation {params.validation}"
        " --seed {params.seed} > {log} 2>&1"


rule train:
    """One system on one fold; resumes from its last checkpoint after an interruption."""
    input:
        split=layout.table("split"),
        manifest=layout.table("manifest"),
        images=training_inputs,
        task=study.learning.task,
        preset=study.learning.preset,
        sketcher=sketcher_checkpoint,
    output:
        layout.checkpoint("{system}", "{fold}"),
    log:
        log_of("train", "{system}_fold-{fold}"),
    benchmark:
        benchmark_of("train", "{system}_fold-{fold}")
    wildcard_constraints:
        system="|".join(SYSTEMS),
    retries: 1
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=720,
    params:
        model=lambda w: parse_system(w.system).options,
        folder=lambda w, output: Path(str(output)).parent,
        sketches=lambda w, input: (
            f"--sketches {Path(input.sketcher[0]).parent}" if input.sketcher else ""
        ),
        device=study.learning.device,
        seed=study.learning.seed,
    shell:
        "myelosynth train --task {input.task} {params.model} --fold {wildcards.fold} --split {input.split}"
        " --data {input.manifest} --out {params.folder} {params.sketches} --preset {input.preset}"
        " --device {params.device} --seed {params.seed} --threads {threads} --resume > {log} 2>&1"


rule predict:
    """Predicted DVR of a test subject by the model of its fold, at t0 and t1."""
    input:
        checkpoint=lambda w: layout.checkpoint(w.system, fold_of(w.sub)),
        sources=lambda w: [
            layout.source(w.sub, w.ses, contrast) for contrast in SOURCES
        ],
        template=lambda w: layout.transform(w.sub, BASELINE, "PET", "MNI152"),
        mask=layout.brain_mask("{sub}", BASELINE, space="dvrt0"),
    output:
        layout.prediction("{system}", "{sub}", "{ses}"),
    log:
        log_of("predict", "{system}_sub-{sub}_ses-{ses}"),
    benchmark:
        benchmark_of("predict", "{system}_sub-{sub}_ses-{ses}")
    wildcard_constraints:
        system="|".join(SYSTEMS),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        sources=lambda w, input: (
            f"--source template={input.template}"
            if w.system == "mean-atlas"
            else " ".join(
                f"--source {name}={path}" for name, path in zip(SOURCES, input.sources)
            )
        ),
        # A second output is the SD.
        spread=lambda w, output: f"--out-std {output[1]}" if len(output) > 1 else "",
        device=study.learning.device,
    shell:
        "myelosynth predict --checkpoint {input.checkpoint} {params.sources} --mask {input.mask} --out {output[0]}"
        " {params.spread} --device {params.device} --threads {threads} > {log} 2>&1"
