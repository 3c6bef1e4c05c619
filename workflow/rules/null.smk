"""The null of the indices: what a second scan without any change gives, for measured and for predicted maps."""


def null_patients(fold):
    """Patients whose null-scan may serve a fold: followed, and not its test subjects."""
    people = [row for row in the_split().rows if row.fold == int(fold)]
    tested_there = {row.participant for row in people if row.role == "test"}
    return [sub for sub in roster.followed(roster.measured) if sub not in tested_there]


def fits_null():
    """Whether the study makes the null of its measured PET itself: it has scans of unchanged tissue."""
    folds = [] if applied or planned.obstacle or not NULLS else FOLDS
    return bool(folds) and all(null_patients(fold) for fold in folds)


# Systems whose maps have a null, by the file or fold that it is known from; a null-scan is a measured follow-up.
NULL_GIVEN = {} if applied else study.nulls.models
_MEASURED = ["true", *NULLS] if "true" in NULL_GIVEN or fits_null() else []
_PREDICTED = (
    [applied.system]
    if applied and applied.null
    else [name for name in SYSTEMS if name in NULL_GIVEN]
)
WITH_NULL = [*_MEASURED, *_PREDICTED]


def null_model(w):
    """The null model of a system for one patient."""
    system = baseline_system(w)
    if applied:
        return applied.null
    return NULL_GIVEN.get(system) or layout.null_model(system, fold_of(w.sub))


def null_options(w):
    """Options of `index-null`; the patients of a model from elsewhere are others, even where a label is the same."""
    elsewhere = applied or baseline_system(w) in NULL_GIVEN
    numbers = f"--level {study.nulls.level} --draws {study.nulls.draws}"
    return numbers + (" --new-participant" if elsewhere else "")


def null_followed(system):
    """Test patients with both sessions of a system."""
    sessions = roster.measured if system in _MEASURED else roster.synthesised
    return list(roster.followed(tested(sessions)))


rule null_fit:
    """What a second scan does to the measured DVR of lesions that did not change, test patients left out."""
    input:
        before=lambda w: [
            dvr_of("true", sub, BASELINE) for sub in null_patients(w.fold)
        ],
        after=lambda w: [
            dvr_of(NULLS[0], sub, FOLLOW_UP) for sub in null_patients(w.fold)
        ],
        lesions=lambda w: [
            layout.label_mask(sub, BASELINE, "L", space=layout.space)
            for sub in null_patients(w.fold)
        ],
        distance=lambda w: [
            layout.csf_distance(sub, BASELINE, space=layout.space)
            for sub in null_patients(w.fold)
        ],
        curve=layout.table("curve_fold-{fold}"),
        split=layout.table("split"),
    output:
        layout.null_model("true", "{fold}"),
    log:
        log_of("null_fit", "fold-{fold}"),
    benchmark:
        benchmark_of("null_fit", "fold-{fold}")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        images=lambda w, input: " ".join(
            f"--before {before} --after {after} --lesions {lesions} --distance {distance}"
            for before, after, lesions, distance in zip(
                input.before, input.after, input.lesions, input.distance
            )
        ),
    shell:
        "myelosynth null-fit {params.images} --curve {input.curve} --split {input.split} --fold {wildcards.fold}"
        " --out {output} > {log} 2>&1"


rule index_null:
    """The indices of change of one patient beside what noise alone gives."""
    input:
        dvr=change_images,
        null=null_model,
        lesions=layout.label_mask("{sub}", BASELINE, "L", space=layout.space),
        distance=layout.csf_distance("{sub}", BASELINE, space=layout.space),
        curve=control_curve,
    output:
        layout.index_null("{system}", "{sub}", FOLLOW_UP),
    log:
        log_of("index_null", "{system}_sub-{sub}"),
    benchmark:
        benchmark_of("index_null", "{system}_sub-{sub}")
    wildcard_constraints:
        system="|".join(name for name in WITH_NULL if name != "true") or "none",
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        options=null_options,
    shell:
        "myelosynth index-null {input.dvr} --null {input.null} --lesions {input.lesions} --distance {input.distance}"
        " --curve {input.curve} {params.options} --out {output} > {log} 2>&1"


use rule index_null as index_null_true with:
    output:
        layout.index_null("true", "{sub}", FOLLOW_UP),
    log:
        log_of("index_null", "true_sub-{sub}"),
    benchmark:
        benchmark_of("index_null", "true_sub-{sub}")


rule nulls:
    """All indices of change beside their null; the null-scan shows how often the interval holds where nothing changed."""
    input:
        [
            layout.index_null(system, sub, FOLLOW_UP)
            for system in WITH_NULL
            for sub in null_followed(system)
        ],
    output:
        layout.table("nulls"),
    log:
        log_of("nulls", "cohort"),
    benchmark:
        benchmark_of("nulls", "cohort")
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        root=layout.root,
        systems=" ".join(f"--system {system}" for system in WITH_NULL),
        people=lambda w: " ".join(
            f"--sub {sub}"
            for sub in dict.fromkeys(
                sub for system in WITH_NULL for sub in null_followed(system)
            )
        ),
    shell:
        "myelosynth null-table {params.root} {params.systems} {params.people} --out {output} > {log} 2>&1"


def null_tables():
    """The table of the nulls where there is any; the patients of a bundle have pages alone."""
    there = not applied and any(null_followed(system) for system in WITH_NULL)
    return [layout.table("nulls")] if there else []
