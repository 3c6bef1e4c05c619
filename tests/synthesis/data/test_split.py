"""Properties of every split, for any cohort."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myelosynth.errors import InputError
from myelosynth.synthesis.data.split import assign_folds, assign_within


def cohort(patients: int, controls: int) -> dict[str, str]:
    names = [f"sub-{n:03d}" for n in range(patients + controls)]
    return {name: "patient" if n < patients else "control" for n, name in enumerate(names)}


cohorts = st.tuples(st.integers(3, 20), st.integers(3, 12), st.integers(2, 3), st.integers(0, 1), st.integers(0, 99))


@given(cohorts)
@settings(deadline=None, max_examples=40)
def test_everybody_is_test_once_and_has_one_role_per_fold(setup):
    patients, controls, folds, validation, seed = setup
    groups = cohort(patients, controls)
    rows = assign_folds(groups, folds, validation, seed)
    assert Counter((row.participant, row.fold) for row in rows) == Counter(
        (name, fold) for name in groups for fold in range(1, folds + 1)
    )
    assert Counter(row.participant for row in rows if row.role == "test") == Counter(list(groups))
    for fold in range(1, folds + 1):
        assert sum(row.role == "validation" for row in rows if row.fold == fold) == validation


@given(cohorts)
@settings(deadline=None, max_examples=40)
def test_groups_are_spread_evenly_and_both_stay_in_training(setup):
    patients, controls, folds, validation, seed = setup
    rows = assign_folds(cohort(patients, controls), folds, validation, seed)
    for group in ("patient", "control"):
        sizes = Counter(row.fold for row in rows if row.group == group and row.role == "test")
        assert max(sizes.values()) - min(sizes.get(fold, 0) for fold in range(1, folds + 1)) <= 1
        training = Counter(row.fold for row in rows if row.group == group and row.role == "train")
        assert all(training[fold] >= 1 for fold in range(1, folds + 1))


def test_the_last_training_control_is_never_taken():
    rows = assign_folds(cohort(6, 3), 3, 4, 0)
    for fold in (1, 2, 3):
        held = [row.group for row in rows if row.fold == fold and row.role == "validation"]
        assert sorted(held) == ["control", "patient", "patient", "patient"]


def test_the_seed_decides():
    groups = cohort(9, 6)
    assert assign_folds(groups, 3, 2, 1) == assign_folds(groups, 3, 2, 1)
    assert assign_folds(groups, 3, 2, 1) != assign_folds(groups, 3, 2, 2)


@given(st.tuples(st.integers(6, 20), st.integers(6, 12), st.integers(2, 3), st.integers(0, 1), st.integers(0, 99)))
@settings(deadline=None, max_examples=40)
def test_an_inner_split_deals_the_training_participants_of_its_fold_and_nobody_else(setup):
    patients, controls, folds, validation, seed = setup
    outer = assign_folds(cohort(patients, controls), 3, 2, seed)
    training = {row.participant for row in outer if (row.fold, row.role) == (2, "train")}
    rows = assign_within(outer, 2, folds, validation, seed)
    assert Counter(row.participant for row in rows if row.role == "test") == Counter(training)
    for inner in range(1, folds + 1):
        roles = {row.participant: row.role for row in rows if row.fold == inner}
        assert len(roles) == patients + controls
        assert {name for name, role in roles.items() if role == "excluded"} == set(roles) - training
        assert list(roles.values()).count("validation") == validation


def test_an_inner_fold_that_would_learn_from_one_participant_is_a_fault():
    outer = assign_folds(cohort(3, 2), 2, 0, 0)
    with pytest.raises(InputError, match="too few participants for inner folds, split, 1 left to train inner fold"):
        assign_within(outer, 2, 2, 0, 0)


@pytest.mark.parametrize(
    ("groups", "folds", "validation", "words"),
    [
        (cohort(1, 1), 3, 0, "too few participants for the folds"),
        ({"sub-1": "patient", "sub-2": ""}, 2, 0, "without a group"),
        (cohort(3, 3), 3, 3, "too few participants to validate"),
    ],
)
def test_faults(groups, folds, validation, words):
    with pytest.raises(InputError, match=words):
        assign_folds(groups, folds, validation, 0)
