"""What the rules of the negative controls ask for."""

from myelosynth.synthesis.data.permutation import exchanged

# Systems that learn in minutes, and the one among them that learns permuted pairs; None where the study has none.
QUICK = ["residual-context", "ridge"]
PERMUTED = next(
    (
        name
        for name in [study.learning.main, *QUICK]
        if name in QUICK and name in SYSTEMS
    ),
    None,
)
PERMUTED_FLOOR = [name for name in ["mean-atlas"] if name in SYSTEMS]


def pet_of_others():
    """Whose PET goes with whose MRI; nobody's where a fold tests one participant alone, or nothing is learned."""
    groups = {row.participant: row.group for row in planned.rows}
    try:
        return exchanged(groups, planned.fold_of, study.folds.seed) if PERMUTED else {}
    except InputError:
        return {}


PET_OF = {} if applied else pet_of_others()


def permuted_pair(w):
    """The images and transforms that lay another participant's DVR on the grid of one, through the template."""
    other = PET_OF[w.sub]
    return {
        "image": layout.source(other, BASELINE, TARGET),
        "grid": layout.analysis_grid(w.sub),
        "steps": [
            layout.transform(sub, BASELINE, "PET", "MNI152") for sub in (other, w.sub)
        ],
    }


def permuted_training_images(w):
    """Everything that training on permuted pairs may read: the MRI of a fold's people, the PET of others of them."""
    people = the_split().learned(int(w.fold))
    own = [layout.source(sub, BASELINE, TARGET) for sub in people]
    files = [
        path
        for sub in people
        for path in learned_inputs(sub, BASELINE)
        if path not in own
    ]
    return files + [layout.permuted_target(sub) for sub in people]


def permuted_patients():
    """Patients on whom permuted pairs are tested: their baseline."""
    return [
        sub
        for sub, ses in roster.patients(tested(roster.synthesised))
        if ses == BASELINE and sub in PET_OF
    ]


def permuted_tables():
    """The scores of permuted pairs, where there is somebody to score."""
    return [layout.table("permuted_pairs")] if permuted_patients() else []


def negative_control_tables():
    """The table of the negative controls, where the study makes it without being asked."""
    return (
        [layout.table("negative_controls")]
        if study.negative_controls and not applied
        else []
    )
