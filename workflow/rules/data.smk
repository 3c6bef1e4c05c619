"""The raw data set: simulated where the configuration says so, always checked."""

if phantom:
    simulation = study.simulate
    cohort_options = (
        f"--patients {phantom.patients} --controls {phantom.controls} --seed {phantom.seed} "
        f"--scenario {phantom.scenario} --noise {simulation.noise} "
    )
    if simulation.resolution:
        cohort_options += f"--resolution {simulation.resolution} "
    if simulation.lesion_masks:
        cohort_options += f"--lesion-masks {simulation.lesion_masks} "

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
            "myelosynth simulate {params.out} {params.options} --tables > {log} 2>&1"

    for _sub, _group in roster.index.groups.items():
        _sessions = roster.index.sessions(_sub)

        rule:
            name:
                f"simulate_{_sub}"
            input:
                # The folder is described as simulated first.
                ancient(raw.root / "participants.tsv"),
            output:
                [
                    roster.index.path(_sub, ses, contrast)
                    for ses in _sessions
                    for contrast in (
                        "T1w",
                        "T2w",
                        "FLAIR",
                        "MTon",
                        "MToff",
                        "DWI",
                        "PET",
                        "lesions",
                    )
                    if roster.index.has(_sub, ses, contrast)
                ],
                [
                    companion_path(roster.index.path(_sub, ses, "DWI"), e)
                    for ses in _sessions
                    if roster.index.has(_sub, ses, "DWI")
                    for e in (".bval", ".bvec", ".json")
                ],
                [
                    companion_path(roster.index.path(_sub, ses, "PET"), ".json")
                    for ses in _sessions
                    if roster.index.has(_sub, ses, "PET")
                ],
                [
                    raw.truth(_sub, ses, f"{draw}_pet.nii.gz")
                    for ses in _sessions
                    for draw in phantom.draws(_sub, ses)
                ],
            log:
                log_of("simulate", f"sub-{_sub}"),
            benchmark:
                benchmark_of("simulate", f"sub-{_sub}")
            # One rule a participant: a profile cannot name them all (profiles/slurm puts several into one cluster job).
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
                sub=_sub,
            shell:
                "myelosynth simulate {params.out} {params.options} --participant {params.sub} > {log} 2>&1"


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
        runtime=grown(60),
    params:
        bids=raw.root,
        lesions=raw.lesions,
        ready=READY_OPTION,
        task=study.learning.task,
        who=lambda w: f"--sub {w.sub} --without-pet" if applied else "",
    shell:
        "myelosynth check {params.bids} --lesions {params.lesions} {params.ready} --task {params.task} {params.who}"
        " --index {output.index} > {log} 2>&1"


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
        systems=" ".join(f"--system {name}" for name in [*CEILINGS, *NULLS]),
    shell:
        "myelosynth describe {params.root} --raw {params.raw} --lesions {params.lesions} {params.ready} {params.systems}"
        " > {log} 2>&1"


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
        "myelosynth describe {params.root} --raw {params.raw} --lesions {params.lesions} --system {wildcards.system}"
        " --systems-only > {log} 2>&1"
