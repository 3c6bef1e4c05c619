"""The indices and the identities between them."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from myelosynth.errors import InputError
from myelosynth.myelin.indices import exact_indices, myelin_indices
from myelosynth.myelin.maps import change_classes

MASKS = arrays(bool, (4, 3, 5))


def of(baseline: np.ndarray, followup: np.ndarray, lesions: np.ndarray) -> dict[str, Fraction]:
    return exact_indices(change_classes(baseline, followup, lesions), lesions)


def test_by_hand() -> None:
    """Ten lesion voxels: 1 demyelinating, 2 remyelinating, 3 stable demyelinated, 4 stable normal."""
    dseg = np.array([1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 0, 0])
    assert myelin_indices(dseg, dseg > 0) == {
        "percent_t0": 0.5,
        "percent_t1": 0.4,
        "global": -0.1,
        "demyelination": 0.1,
        "remyelination": 0.2,
        "coverage": 1.0,
    }


def test_voxels_without_a_class_leave_the_fractions_alone() -> None:
    """Ten lesion voxels, two of them beyond the field of view: nobody knows what became of those."""
    dseg = np.array([1, 2, 2, 3, 4, 4, 4, 4, 0, 0])
    found = myelin_indices(dseg, np.ones(10, bool))
    assert (found["remyelination"], found["percent_t0"], found["coverage"]) == (0.25, 0.375, 0.8)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(MASKS, MASKS, MASKS.filter(np.any))
def test_identities(baseline: np.ndarray, followup: np.ndarray, lesions: np.ndarray) -> None:
    there, back, still = (
        of(baseline, followup, lesions),
        of(followup, baseline, lesions),
        of(baseline, baseline, lesions),
    )
    assert (
        there["global"] == there["percent_t1"] - there["percent_t0"] == there["demyelination"] - there["remyelination"]
    )
    assert there["percent_t0"] == Fraction(int((baseline & lesions).sum()), int(lesions.sum()))
    assert there["percent_t1"] == Fraction(int((followup & lesions).sum()), int(lesions.sum()))
    assert (back["demyelination"], back["remyelination"]) == (there["remyelination"], there["demyelination"])
    assert back["global"] == -there["global"]
    assert still["global"] == still["demyelination"] == still["remyelination"] == 0
    told = myelin_indices(change_classes(baseline, followup, lesions), lesions)
    assert told == {name: float(value) for name, value in there.items()}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(MASKS, MASKS, MASKS.filter(np.any), MASKS)
def test_identities_with_a_threshold_of_change(baseline, followup, lesions, changed) -> None:
    """Voxels that changed too little keep their state of t0, so that no index counts them, whichever scan was first."""
    there = exact_indices(change_classes(baseline, followup, lesions, changed), lesions)
    back = exact_indices(change_classes(followup, baseline, lesions, changed), lesions)
    assert (
        there["global"] == there["percent_t1"] - there["percent_t0"] == there["demyelination"] - there["remyelination"]
    )
    assert (back["demyelination"], back["remyelination"]) == (there["remyelination"], there["demyelination"])
    assert there["demyelination"] == Fraction(int((lesions & changed & ~baseline & followup).sum()), int(lesions.sum()))


def test_faults() -> None:
    with pytest.raises(InputError, match="0 lesion voxels"):
        myelin_indices(np.zeros(3), np.zeros(3, bool))
    with pytest.raises(InputError, match="3 lesion voxels, none with a class"):
        myelin_indices(np.zeros(3), np.ones(3, bool))
    with pytest.raises(InputError, match="1 classified voxels lie outside"):
        myelin_indices(np.array([1, 0, 4]), np.array([1, 0, 0], bool))
