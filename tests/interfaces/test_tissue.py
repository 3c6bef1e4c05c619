"""The Markov field with a bias field, its prior regions, and the template that brings them."""

import json

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.commands import imaging  # noqa: F401
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume, save_volume
from myelosynth.interfaces.deformable import warp_to_brain
from myelosynth.interfaces.markov import segment_markov
from myelosynth.interfaces.template import tissue_template
from myelosynth.interfaces.tissue import regional_prior

SIZES = (1.25, 1.25, 1.25)


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.fixture(scope="module")
def brain(session):
    volume, mask = load_volume(session / "t1.nii.gz"), load_mask(session / "brain.nii.gz")
    truth = np.stack([load_volume(session / f"{name}.nii.gz").data for name in ("csf", "gm", "wm")])
    return volume, mask, truth


def test_fractions_sum_to_one_follow_the_truth_and_repeat(brain):
    volume, mask, truth = brain
    found = segment_markov(volume.data, mask, SIZES).fractions
    np.testing.assert_array_equal(found, segment_markov(volume.data, mask, SIZES).fractions)
    np.testing.assert_allclose(found.sum(0)[mask], 1, atol=1e-5)
    assert not found[:, ~mask].any()
    assert dice(found[2] > 0.5, (truth[2] > 0.5) & mask) > 0.95
    mixed = mask & (truth[2] > 0.2) & (truth[2] < 0.8) & (truth[0] < 0.02)
    assert np.corrcoef(found[2][mixed], truth[2][mixed])[0, 1] > 0.6
    assert ((found[2][mixed] > 0.02) & (found[2][mixed] < 0.98)).mean() > 0.5  # partial volumes, not labels


def test_a_smooth_field_does_not_move_white_matter(brain):
    volume, mask, truth = brain
    ramp = np.exp(np.linspace(-0.15, 0.15, mask.shape[1]))[None, :, None].astype(np.float32)
    found = segment_markov(volume.data * ramp, mask, SIZES)
    assert dice(found.fractions[2] > 0.5, (truth[2] > 0.5) & mask) > 0.95
    assert 5 < found.field < 40


def test_prior_speaks_only_where_it_is_unequal(brain):
    volume, mask, truth = brain
    half = np.zeros(mask.shape, np.float32)
    half[: mask.shape[0] // 2] = 1
    nothing = np.zeros_like(half)
    alone = segment_markov(volume.data, mask, SIZES).fractions[2]
    # Template fractions that say CSF throughout, but no region in which to say it.
    silent = segment_markov(volume.data, mask, SIZES, regional_prior(nothing, nothing, nothing, nothing)).fractions[2]
    np.testing.assert_allclose(silent, alone, atol=1e-3)
    grey = segment_markov(volume.data, mask, SIZES, regional_prior(nothing, nothing, half, nothing)).fractions[2]
    left, white = mask & (half > 0), truth[2] > 0.5
    assert (grey[left] > 0.5).sum() < (alone[left] > 0.5).sum()
    assert dice((grey > 0.5) & ~left, white & mask & ~left) > 0.95


def test_regional_prior_is_a_probability_and_equal_outside_regions():
    maps = np.random.default_rng(0).uniform(0, 0.5, (4, 5, 6, 7)).astype(np.float32)
    prior = regional_prior(*maps)
    np.testing.assert_allclose(prior.sum(0), 1, atol=1e-6)
    assert prior.min() > 0.01
    maps[2:] = 0
    np.testing.assert_allclose(regional_prior(*maps), 1 / 3, atol=1e-6)


def test_template_regions_hold_the_structures_they_name():
    known = tissue_template()

    def at(part, *point):
        voxel = np.linalg.inv(known.grid.affine) @ (*point, 1)
        return part[tuple(np.round(voxel[:3]).astype(int))]

    for side in (-1, 1):
        for point in ((12, -18, 8), (26, 4, 2), (12, 14, 8), (19, -4, 0)):
            assert at(known.nuclei, side * point[0], *point[1:]) == 1
        assert at(known.nuclei, side * 24, -26, 28) == 0  # corona radiata
        assert at(known.nuclei, side * 42, 2, 0) == 0  # insula
        assert at(known.cerebellum, side * 30, -66, -42) == 1
        assert at(known.cerebellum, side * 12, -84, 0) == 0  # occipital pole
        assert at(known.cerebellum, side * 30, -40, -16) == 0  # fusiform gyrus
    assert at(known.cerebellum, 0, -26, -36) == 0  # pons
    ml = known.grid.voxel_volume / 1000
    assert 30 < known.nuclei.sum() * ml < 70
    assert 110 < known.cerebellum.sum() * ml < 230  # the template is 1.3 times an adult's brain


@pytest.fixture(scope="module")
def stretched(tmp_path_factory):
    """The template's brain at 2 mm, stretched and moved, and its mask, in a folder; where its deep grey nuclei went."""
    known = tissue_template()
    stretch = np.diag([1.08, 0.95, 1.04])
    shift = np.array(known.grid.shape) / 2 @ (np.eye(3) - stretch) + (2, -3, 1)
    moved = [ndimage.affine_transform(part, stretch, shift, order=1) for part in (known.brain, known.nuclei)]
    folder, mask = tmp_path_factory.mktemp("stretched"), moved[0] > 0.1
    texture = np.random.default_rng(2).normal(0, 0.01, mask.shape)
    save_volume(folder / "t1.nii.gz", (moved[0] + texture) * mask, known.grid)
    save_volume(folder / "mask.nii.gz", mask, known.grid, np.uint8)
    return folder, moved[1] > 0.5


def segment(folder, out, *options):
    arguments = (folder / "t1.nii.gz", "--mask", folder / "mask.nii.gz", "--out-dir", out, *options)
    CliRunner().invoke(app, ["segment-tissue", *map(str, arguments)], catch_exceptions=False)
    return out


@pytest.fixture(scope="module")
def segmented(stretched, tmp_path_factory):
    """Output folder of the default engine on the stretched brain."""
    return segment(stretched[0], tmp_path_factory.mktemp("segmented") / "out")


def test_command_finds_moved_deep_grey_and_records_it(stretched, segmented, tmp_path):
    folder, nuclei = stretched
    outputs = (segmented, segment(folder, tmp_path, "--engine", "dipy"))
    record = json.loads((segmented / "wm_mask.json").read_text())
    assert record["TemplateCorrelation"] > 0.97
    assert record["Iterations"] > 1
    ours, hmrf = (load_mask(out / "wm_mask.nii.gz") for out in outputs)
    assert ours[nuclei].mean() < 0.5 * hmrf[nuclei].mean()
    assert dice(ours & ~nuclei, hmrf & ~nuclei) > 0.85
    cerebrum = ~ndimage.binary_dilation(nuclei, iterations=3)
    cerebrum[:, :, : cerebrum.shape[2] // 2] = False  # above the cerebellum: the image alone
    t1, mask = load_volume(folder / "t1.nii.gz"), load_mask(folder / "mask.nii.gz")
    alone = segment_markov(t1.data, mask, t1.grid.voxel_sizes).fractions[2] > 0.5
    np.testing.assert_array_equal(ours[cerebrum], alone[cerebrum])
    assert "TemplateCorrelation" not in json.loads((tmp_path / "wm_mask.json").read_text())


def test_one_answer_however_the_voxels_are_stored(stretched, segmented, tmp_path):
    t1, mask = load_volume(stretched[0] / "t1.nii.gz"), load_mask(stretched[0] / "mask.nii.gz")
    here, there = nib.io_orientation(t1.grid.affine), nib.orientations.axcodes2ornt("PSL")
    turn, back = (nib.orientations.ornt_transform(*pair) for pair in ((here, there), (there, here)))
    grid = Grid.of(nib.Nifti1Image(t1.data, t1.grid.affine).as_reoriented(turn))
    save_volume(tmp_path / "t1.nii.gz", nib.orientations.apply_orientation(t1.data, turn), grid)
    save_volume(tmp_path / "mask.nii.gz", nib.orientations.apply_orientation(mask, turn), grid, np.uint8)
    turned = load_volume(segment(tmp_path, tmp_path / "out") / "wm.nii.gz").data
    stored = load_volume(segmented / "wm.nii.gz").data
    np.testing.assert_array_equal(nib.orientations.apply_orientation(turned, back), stored)


@pytest.mark.parametrize("levels", [2, 3])
def test_an_image_without_three_tissues_is_refused(levels):
    data = (1 + np.random.default_rng(0).integers(0, levels, (20, 20, 20))).astype(np.float32)
    with pytest.raises(InputError, match=r"no three tissues in this image, t1\.nii, CSF, GM and WM end with"):
        segment_markov(data, np.ones(data.shape, bool), SIZES, where="t1.nii")


def test_a_brain_the_template_does_not_fit_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = tissue_template()
    noise = np.random.default_rng(1).uniform(0.5, 1.5, known.grid.shape).astype(np.float32)
    with pytest.raises(InputError, match=r"template does not fit the brain, T1w.*expected at least 0\.7"):
        warp_to_brain((known.grey,), known.brain, known.grid, noise, known.grid)
