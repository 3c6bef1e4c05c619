"""Permuted pairs: everybody has the PET of somebody else, and no test subject's PET is learned from."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myelosynth.errors import InputError
from myelosynth.synthesis.data.permutation import exchanged
from myelosynth.synthesis.data.split import assign_folds


def split(patients, controls, folds, seed):
    groups = {f"sub-{n:02d}": "patient" if n < patients else "control" for n in range(patients + controls)}
    return groups, assign_folds(groups, folds, 0, seed)


@given(st.integers(4, 20), st.integers(2, 12), st.integers(2, 3), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_everybody_has_another_ones_pet_and_no_fold_learns_from_whom_it_tests(patients, controls, folds, seed):
    groups, rows = split(patients, controls, folds, seed)
    fold_of = {row.participant: row.fold for row in rows if row.role == "test"}
    partner = exchanged(groups, fold_of, seed)
    assert Counter(partner.values()) == Counter(list(groups))  # each PET once
    assert all(who != other for who, other in partner.items())
    for fold in range(1, folds + 1):
        tested = {who for who, its in fold_of.items() if its == fold}
        learned = {row.participant for row in rows if row.fold == fold and row.role != "test"}
        assert not {partner[who] for who in learned} & tested
    cells = Counter((groups[who], fold_of[who]) for who in groups)
    alone = {fold for (_, fold), number in cells.items() if number == 1}
    same = [who for who in groups if fold_of[who] not in alone]
    assert all(groups[who] == groups[partner[who]] for who in same)


def test_the_pairs_follow_from_the_seed():
    groups, rows = split(18, 10, 3, 1)
    fold_of = {row.participant: row.fold for row in rows if row.role == "test"}
    assert exchanged(groups, fold_of, 1) == exchanged(dict(reversed(groups.items())), fold_of, 1)
    assert exchanged(groups, fold_of, 1) != exchanged(groups, fold_of, 2)


def test_a_fold_with_one_test_subject_is_refused():
    with pytest.raises(InputError, match=r"fold 2 tests c alone, expected 2 participants or more, split into fewer"):
        exchanged({"a": "patient", "b": "patient", "c": "patient"}, {"a": 1, "b": 1, "c": 2}, 0)
