"""Cuts and their orientation: independent of how the voxels are stored."""

import nibabel as nib
import numpy as np
import pytest
from matplotlib import pyplot

from myelosynth.images.grid import Grid
from myelosynth.reports.session import mirror_dice
from myelosynth.reports.slices import Cut, Layer, box_of, closest_ras, draw_cut, even_cuts, fullest_cuts, window


def stored(data: np.ndarray, sizes: tuple[float, float, float], codes: str) -> tuple[np.ndarray, Grid]:
    """RAS data as another orientation would store it, through nibabel."""
    image = nib.Nifti1Image(data, np.diag([*sizes, 1.0]))
    wanted = nib.orientations.axcodes2ornt(codes)
    turned = image.as_reoriented(nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), wanted))
    return np.asarray(turned.dataobj), Grid.of(turned)


@pytest.mark.parametrize("codes", ["RAS", "LAS", "LPS", "SPR", "AIL"])
def test_every_orientation_comes_back_as_ras(codes):
    data = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    turned, grid = stored(data, (1.0, 2.0, 3.0), codes)
    back, sizes = closest_ras(turned, grid)
    assert np.array_equal(back, data)
    assert sizes == pytest.approx((1.0, 2.0, 3.0))


def test_oblique_grid_keeps_its_nearest_axes():
    angle = np.deg2rad(20)
    affine = np.eye(4)
    affine[:2, :2] = [[-np.cos(angle), np.sin(angle)], [-np.sin(angle), -np.cos(angle)]]
    data = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    back, _ = closest_ras(data, Grid(data.shape, affine))
    assert np.array_equal(back, data[::-1, ::-1])


def bright_spot(data: np.ndarray, cut: Cut, sizes: tuple[float, float, float]) -> tuple[float, float]:
    """Where the brightest pixel of a drawn cut is: fractions of width (from the left) and height (from below)."""
    figure = pyplot.figure(figsize=(4, 4), facecolor="black")
    draw_cut(figure.add_axes((0, 0, 1, 1)), [Layer("image", data)], cut, sizes, sides=False)
    figure.canvas.draw()
    grey = np.asarray(figure.canvas.buffer_rgba())[..., :3].sum(-1)
    pyplot.close(figure)
    rows, columns = np.nonzero(grey == grey.max())
    return float(columns.mean() / grey.shape[1]), float(1 - rows.mean() / grey.shape[0])


def test_pictures_are_radiological():
    data = np.zeros((10, 10, 10), np.float32)
    data[1, 8, 7] = 1.0  # patient's left, anterior, superior
    sizes = (1.0, 1.0, 1.0)
    x, y = bright_spot(data, Cut(2, 7), sizes)
    assert (x > 0.8, y > 0.8) == (True, True)  # axial: left on the right, anterior up
    x, y = bright_spot(data, Cut(1, 8), sizes)
    assert (x > 0.8, y > 0.7) == (True, True)  # coronal: left on the right, superior up
    x, y = bright_spot(data, Cut(0, 1), sizes)
    assert (x < 0.2, y > 0.7) == (True, True)  # sagittal: faces left, superior up


def test_voxel_aspect_is_in_millimetres():
    figure = pyplot.figure(figsize=(4, 4))
    ax = figure.add_axes((0, 0, 1, 1))
    draw_cut(ax, [Layer("image", np.ones((10, 20, 5)))], Cut(1, 3), (1.0, 1.0, 4.0))
    assert (ax.get_xlim(), ax.get_ylim()) == ((10.0, 0.0), (0.0, 20.0))
    assert ax.get_aspect() == 1.0
    pyplot.close(figure)


def test_fullest_cuts_are_apart_and_ordered():
    mask = np.zeros((5, 5, 20), bool)
    for index, voxels in ((4, 3), (5, 5), (6, 4), (15, 2)):
        mask.reshape(25, 20)[:voxels, index] = True
    assert fullest_cuts(mask, 2, 3, gap=2) == [Cut(2, 5), Cut(2, 15)]
    assert len(fullest_cuts(np.zeros((5, 5, 20), bool), 2, 3, gap=2)) == 3


def test_box_and_even_cuts_follow_the_mask():
    mask = np.zeros((10, 10, 30), bool)
    mask[2:5, 3:9, 10:21] = True
    assert box_of(mask, (1.0, 1.0, 4.0), 4.0) == (slice(0, 9), slice(0, 10), slice(9, 22))
    assert [cut.index for cut in even_cuts(mask, 2, 3, inner=0.8)] == [11, 15, 19]


def test_window_ignores_background_and_constant_images():
    data = np.concatenate([np.zeros(900), np.linspace(10, 20, 100)]).reshape(10, 10, 10)
    low, high = window(data)
    assert 10 <= low < 10.5
    assert 19 < high <= 20
    assert window(np.zeros((2, 2, 2))) == (0.0, 1.0)
    assert window(np.full((2, 2, 2), 5.0)) == (5.0, 6.0)


def test_mirror_dice_by_hand():
    mask = np.zeros((9, 4, 4), bool)
    mask[2:6] = True
    assert mirror_dice(mask) == 1.0  # symmetric about its own middle, wherever that lies
    mask[2, :2] = False  # 56 voxels left; of the 8 that lost their mirror, 8 are unmatched
    assert mirror_dice(mask) == pytest.approx(48 / 56)
    assert mirror_dice(np.zeros((3, 3, 3), bool)) == 0.0
