"""What the rules of the null ask for."""

@cache
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
    numbers = named_options({"level": study.nulls.level, "draws": study.nulls.draws})
    return numbers + (["--new-participant"] if elsewhere else [])


@cache
def null_followed(system):
    """Test patients with both sessions of a system, in the order of the data set."""
    sessions = roster.measured if system in _MEASURED else roster.synthesised
    return dict.fromkeys(roster.followed(tested(sessions)))


def null_tables():
    """The table of the nulls where there is any; the patients of a bundle have pages alone."""
    there = not applied and any(null_followed(system) for system in WITH_NULL)
    return [layout.table("nulls")] if there else []


def null_images(input):
    """Options of `null-fit`, the maps of one patient after another."""
    people = zip(input.before, input.after, input.lesions, input.distance)
    names = ("before", "after", "lesions", "distance")
    return [word for files in people for word in named_options(dict(zip(names, files)))]
