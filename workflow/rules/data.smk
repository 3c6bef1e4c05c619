"""The raw data set: simulated where the configuration says so, always checked."""

if phantom:
    simulation = study.simulate
    cohort_options = named_options(
        {
            "patients": phantom.patients,
            "controls": phantom.controls,
            "seed": phantom.seed,
            "scenario": phantom.scenario,
            "noise": simulation.noise,
            **({"resolution": simulation.resolution} if simulation.resolution else {}),
            **(
                {"lesion_masks": simulation.lesion_masks}
                if simulation.lesion_masks
                else {}
            ),
        }
    )

    rule simulate_tables:
        """Data-set description (first), participants and scores of the simulated cohort."""
        output:
            # dataset_description.json is no output: Snakemake removes outputs before it runs a rule again, and
            # `simulate` does not write into a folder that does not say that it was simulated.
            participants=raw.root / "participants.tsv",
            scores=raw.root / "phenotype" / "edss.tsv",
        log:
            log_of("simulate_tables", "cohort"),
        benchmark:
            benchmark_of("simulate_tables", "cohort")
        conda:
            "../../envs/core.yaml"
        threads: 1
        resources:
            mem_mb=grown(2000),
            runtime=grown(20),
        params:
            out=raw.root,
            options=cohort_options,
        shell:
            "myelosynth simulate {params.out:q} {params.options:q} --tables > {log:q} 2>&1"

    for _name, (_files, _people) in simulated_files().items():

        rule:
            name:
                _name
            input:
                # The folder is described as simulated first.
                ancient(raw.root / "participants.tsv"),
            output:
                _files,
            log:
                log_of("simulate", "sub-{sub}"),
            benchmark:
                benchmark_of("simulate", "sub-{sub}")
            wildcard_constraints:
                sub="|".join(_people),
            # One rule a kind of participant: a profile cannot name them all (profiles/slurm puts several into one job).
            group:
                "simulate"
            conda:
                "../../envs/core.yaml"
            threads: 1
            resources:
                mem_mb=grown(4000),
                runtime=grown(20),
            params:
                out=raw.root,
                options=cohort_options,
            shell:
                "myelosynth simulate {params.out:q} {params.options:q} --participant {wildcards.sub:q} > {log:q} 2>&1"


rule check:
    """Faults stop here with one line each; gaps are listed and counted. Where a bundle is applied, one job a participant."""
    input:
        participants=raw.root / "participants.tsv",
        images=checked_images,
    output:
        index=INDEX,
    log:
        log_of("check", "sub-{sub}" if applied else "cohort"),
    benchmark:
        benchmark_of("check", "sub-{sub}" if applied else "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(60 + len(roster.sessions)),
    params:
        bids=raw.root,
        lesions=raw.lesions,
        ready=READY_OPTION + FOLLOW_OPTION,
        task=study.learning.task,
        who=lambda w: ["--sub", w.sub, "--without-pet"] if applied else [],
    shell:
        "myelosynth check {params.bids:q} --lesions {params.lesions:q} {params.ready:q} --task {params.task:q}"
        " {params.who:q} --index {output.index:q} > {log:q} 2>&1"


rule describe:
    """dataset_description.json of the derivatives; sidecars name their sources through it.

    Everything is downstream of it by `ancient` inputs alone, and Snakemake plans nothing behind such a rule when it runs
    again: it must not depend on what is learned.
    """
    input:
        raw.root / "participants.tsv",
    output:
        layout.derivatives / "dataset_description.json",
    log:
        log_of("describe", "derivatives"),
    benchmark:
        benchmark_of("describe", "derivatives")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(500),
        runtime=grown(5),
    params:
        raw=raw.root,
        lesions=raw.lesions,
        ready=READY_OPTION,
        root=layout.root,
        systems=each("--system", [*CEILINGS, *NULLS]),
    shell:
        "myelosynth describe {params.root:q} --raw {params.raw:q} --lesions {params.lesions:q} {params.ready:q}"
        " {params.systems:q} > {log:q} 2>&1"


rule describe_system:
    """The same of a learned system's folder."""
    input:
        raw.root / "participants.tsv",
    output:
        layout.system("{system}") / "dataset_description.json",
    log:
        log_of("describe", "{system}"),
    benchmark:
        benchmark_of("describe", "{system}")
    wildcard_constraints:
        system="|".join(TRAINED),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grown(500),
        runtime=grown(5),
    params:
        raw=raw.root,
        lesions=raw.lesions,
        root=layout.root,
    shell:
        "myelosynth describe {params.root:q} --raw {params.raw:q} --lesions {params.lesions:q}"
        " --system {wildcards.system:q} --systems-only > {log:q} 2>&1"
