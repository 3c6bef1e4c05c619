"""Shifts against closed forms: lines of known distortion, wrapped phases, a field that ends at the head."""

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.physics.blips import shift_of_pair
from myelosynth.physics.distortion import PhaseEncoding, continued, field_of_phases, in_radians, unwarp

SHAPE = (20, 24, 18)
GRID = Grid(SHAPE, np.diag([3.0, 3.0, 3.0, 1.0]))


def blob(shape, centre, width):
    points = np.indices(shape).astype(float)
    return np.exp(-sum((p - c) ** 2 for p, c in zip(points, centre, strict=True)) / (2 * width**2))


def distorted(image, shift, axis):
    """What the scanner sees: signal of x at x + s(x), piled up by 1 / (1 + ds/dx); each line by itself."""
    lines, shifts = np.moveaxis(image, axis, -1), np.moveaxis(shift, axis, -1)
    fine = np.linspace(0, lines.shape[-1] - 1, 40 * lines.shape[-1])
    seen, here = np.zeros(lines.shape), np.arange(lines.shape[-1], dtype=float)
    for place in np.ndindex(lines.shape[:-1]):
        moved = fine + np.interp(fine, here, shifts[place])
        share = np.interp(fine, here, lines[place])
        source = np.interp(here, moved, fine)
        seen[place] = np.interp(source, fine, share) / np.interp(source, fine, np.gradient(moved, fine))
    return np.moveaxis(seen, -1, axis).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_unwarping_undoes_a_known_shift_and_keeps_the_signal(axis):
    image = 100 * blob(SHAPE, (10, 12, 9), 3.0)
    shift = 2.5 * blob(SHAPE, (10, 12, 9), 4.0)
    seen = distorted(image, shift, axis)
    found = unwarp(seen, shift, axis)
    assert np.abs(seen - image).max() > 20
    assert np.abs(found - image).max() < 5
    assert found.sum() == pytest.approx(image.sum(), rel=0.01)
    assert np.abs(unwarp(seen, -shift, axis) - image).max() > 20


def test_one_shift_for_all_volumes_and_nothing_below_zero():
    series = np.stack([blob(SHAPE, (10, 12, 9), 1.0), 2 * blob(SHAPE, (10, 12, 9), 1.0)], -1)
    shift = np.full(SHAPE, 0.5)
    found = unwarp(series, shift, 1)
    np.testing.assert_array_equal(found[..., 0], unwarp(series[..., 0], shift, 1))
    np.testing.assert_allclose(found[..., 1], 2 * found[..., 0], rtol=1e-5)
    assert found.min() >= 0


def test_a_field_moves_signal_along_the_blips():
    """100 Hz over a readout of 50 ms are five voxels, towards lower indices where the direction says minus."""
    field = np.full(SHAPE, 100.0)
    assert PhaseEncoding(1, 1, 0.05).shift(field) == pytest.approx(5)
    assert PhaseEncoding(1, -1, 0.05).shift(field) == pytest.approx(-5)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"TotalReadoutTime": 0.05}, r"phase encoding unknown, dwi\.json, absent"),
        ({"PhaseEncodingDirection": "AP", "TotalReadoutTime": 0.05}, "'AP', expected i, j or k"),
        ({"PhaseEncodingDirection": "j-"}, r"readout time unknown, dwi\.json, absent, .*EffectiveEchoSpacing"),
        ({"PhaseEncodingDirection": "j-", "TotalReadoutTime": 50}, "TotalReadoutTime 50, expected s, below 1"),
        ({"PhaseEncodingDirection": "j-", "TotalReadoutTime": "fast"}, "TotalReadoutTime 'fast'"),
    ],
)
def test_sidecars_that_do_not_tell_the_phase_encoding(record, said):
    with pytest.raises(InputError, match=said):
        PhaseEncoding.from_sidecar(record, "dwi.json")


def test_a_readout_time_is_only_asked_where_it_counts():
    record = {"PhaseEncodingDirection": "k-"}
    assert PhaseEncoding.from_sidecar(record, "dwi.json", timed=False) == PhaseEncoding(2, -1, 0.0)
    assert PhaseEncoding.from_sidecar(record | {"TotalReadoutTime": 0.03}, "").direction == "k-"


STORED = {
    "-pi to pi": lambda radians: radians,
    "0 to 2 pi": lambda radians: radians % (2 * np.pi),
    "0 to 4095": lambda radians: np.round(radians * 2048 / np.pi + 2048).clip(0, 4095),
    "-4096 to 4094": lambda radians: (2 * np.round(radians * 2048 / np.pi)).clip(-4096, 4094),
}


def head_field(largest, lowest):
    """A field (X, Y, Z) in Hz, and the head."""
    return largest * blob(SHAPE, (10, 12, 9), 5.0) + lowest, blob(SHAPE, (10, 12, 9), 4.0) > 0.2


@pytest.mark.parametrize("scale", STORED)
def test_wrapped_phases_become_hertz(scale):
    field, inside = head_field(300, -40)
    wrapped = np.angle(np.exp(2j * np.pi * field * 0.00246))
    wrapped[~inside] = np.random.default_rng(0).uniform(-np.pi, np.pi, int((~inside).sum()))
    wrapped[0, 0, :2] = -np.pi, np.pi
    assert np.abs(np.diff(wrapped, axis=1))[inside[:, 1:] & inside[:, :-1]].max() > 4
    found = field_of_phases(in_radians(STORED[scale](wrapped), None, ""), inside, (0.00492, 0.00738))
    np.testing.assert_allclose(found[inside], field[inside], atol=0.2)
    assert not found[~inside].any()


@pytest.mark.parametrize("scale", STORED)
def test_a_phase_that_is_masked_to_the_head_keeps_its_scale(scale):
    """Less than a turn is seen: stretched to one, its field would be too large, and shifted."""
    field, inside = head_field(330, -150)
    phase = np.where(inside, STORED[scale](2 * np.pi * field * 0.00246), 0)
    assert np.ptp(2 * np.pi * field[inside] * 0.00246) < 0.6 * 2 * np.pi
    found = field_of_phases(in_radians(phase, None, ""), inside, (0.00492, 0.00738))
    np.testing.assert_allclose(found[inside], field[inside], atol=0.2)


def test_radians_by_the_sidecar_may_be_unwrapped_already():
    phase = np.linspace(-9.0, 9.0, 60).reshape(3, 4, 5)
    np.testing.assert_allclose(np.exp(1j * in_radians(phase, "rad", "")), np.exp(1j * phase), atol=1e-9)


@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [
        (0, 1000, None),
        (0, 2047, None),
        (-3142, 3142, None),
        (-180, 180, "deg"),
        (0, 4095, "rad"),
        (0, 65535, "arbitrary"),
    ],
)
def test_phases_of_unknown_scale_are_refused(low, high, unit):
    said = (
        rf"phase of unknown scale, phasediff\.nii, phase range {low} to {high}, .*expected radians, 0 to 4095, or -4096"
    )
    with pytest.raises(InputError, match=said) as fault:
        in_radians(np.linspace(low, high, 60).reshape(3, 4, 5), unit, "phasediff.nii")
    assert "\n" not in str(fault.value)


def test_a_field_goes_on_beyond_the_head():
    weight = (blob(SHAPE, (10, 12, 9), 4.0) > 0.4).astype(float)
    x = np.indices(SHAPE)[1]
    found = continued(np.where(weight > 0, 5.0 * (x - 12), 0), weight, GRID)
    steps = np.abs(np.diff(found, axis=1))
    assert np.abs(found - 5.0 * (x - 12))[blob(SHAPE, (10, 12, 9), 4.0) > 0.7].max() < 2
    assert steps.max() < 8, "no jump at the edge of the head, where the field itself is 25 Hz"
    assert (np.abs(found) < 30).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_opposite_blips_find_the_field(axis):
    centre = np.array(SHAPE) / 2
    image = 100 * (1 + 0.5 * np.sin(np.indices(SHAPE).sum(0))) * (blob(SHAPE, centre, 6.0) > 0.35)
    noise = np.random.default_rng(1)
    field = 70 * blob(SHAPE, centre + 2, 3.5) - 40 * blob(SHAPE, centre - 3, 3.0)
    encodings = PhaseEncoding(axis, -1, 0.03), PhaseEncoding(axis, 1, 0.05)
    pair = [distorted(image, e.shift(field), axis) + noise.normal(0, 2, SHAPE) for e in encodings]
    found = shift_of_pair(pair[0], pair[1], encodings, GRID)
    inside, shift = image > 0, encodings[0].shift(field)
    assert np.abs(shift[inside]).mean() > 0.2
    assert np.abs(found.shift - shift)[inside].mean() < 0.3 * np.abs(shift[inside]).mean()
    assert np.corrcoef(found.shift[inside], shift[inside])[0, 1] > 0.95
    assert found.difference_left < 0.3
    again = shift_of_pair(pair[0], pair[1], encodings, GRID)
    np.testing.assert_array_equal(again.shift, found.shift)
