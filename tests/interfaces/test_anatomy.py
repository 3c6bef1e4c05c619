"""Bias, tissue, lesion filling, ventricles and distance against known answers."""

import json

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.commands import imaging  # noqa: F401
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume, save_volume
from myelosynth.interfaces.csf import csf_distance, ventricles
from myelosynth.interfaces.lesions import fill_lesions
from myelosynth.interfaces.template import lateral_ventricles, mni_template
from myelosynth.interfaces.tissue import segment_hmrf


def command(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception:
        raise result.exception


def test_n4_removes_a_known_field(session, head, tmp_path):
    t1, white = load_volume(session / "t1.nii.gz"), load_mask(session / "wm_mask.nii.gz")
    ramp = np.exp(np.linspace(-0.6, 0.6, t1.grid.shape[1]))[None, :, None]
    save_volume(tmp_path / "biased.nii.gz", t1.data * ramp, t1.grid)
    command("n4", tmp_path / "biased.nii.gz", tmp_path / "n4.nii.gz", "--mask", session / "brain.nii.gz")
    fixed = load_volume(tmp_path / "n4.nii.gz").data
    spread = lambda data: data[white].std() / data[white].mean()  # noqa: E731
    assert spread(t1.data * ramp) > 3 * spread(t1.data)
    assert spread(fixed) < 1.3 * spread(t1.data)
    ratio = fixed / (t1.data * ramp)  # corrected outside the mask too, without a step at its edge
    brain = load_mask(session / "brain.nii.gz")
    rim = ndimage.binary_dilation(brain, iterations=2) & ~brain
    assert np.corrcoef(ratio[rim], 1 / np.broadcast_to(ramp, ratio.shape)[rim])[0, 1] > 0.9


def test_tissue_agrees_with_the_truth_and_repeats(session):
    t1, brain = load_volume(session / "t1.nii.gz"), load_mask(session / "brain.nii.gz")
    found = segment_hmrf(t1.data, brain)
    np.testing.assert_array_equal(found, segment_hmrf(t1.data, brain))
    np.testing.assert_allclose(found.sum(0)[brain], 1, atol=1e-5)
    assert not found[:, ~brain].any()
    for label, name in enumerate(("csf", "gm", "wm")):
        truth = (load_volume(session / f"{name}.nii.gz").data > 0.5) & brain
        mask = found[label] > 0.5
        assert 2 * (truth & mask).sum() / (truth.sum() + mask.sum()) > 0.85


def test_segment_tissue_writes_plain_or_bids_names(session, tmp_path):
    plain = ["--mask", session / "brain.nii.gz", "--out-dir", tmp_path / "a", "--engine", "dipy"]
    command("segment-tissue", session / "t1.nii.gz", *plain)
    assert {p.name for p in (tmp_path / "a").glob("*.nii.gz")} == {
        *("csf.nii.gz", "gm.nii.gz", "wm.nii.gz", "wm_mask.nii.gz")
    }
    arguments = ["--mask", session / "brain.nii.gz", "--out-dir", tmp_path / "b", "--prefix", "sub-1_space-T1w"]
    arguments += ["--engine", "dipy"]
    command("segment-tissue", session / "t1.nii.gz", *arguments)
    labels = {f"sub-1_space-T1w_label-{label}_probseg.nii.gz" for label in ("CSF", "GM", "WM")}
    assert {p.name for p in (tmp_path / "b").glob("*.nii.gz")} == labels | {"sub-1_space-T1w_label-WM_mask.nii.gz"}
    record = json.loads((tmp_path / "b" / "sub-1_space-T1w_label-WM_mask.json").read_text())
    assert record["GeneratedBy"][1]["Name"] == "dipy"


def test_fractions_only_leave_a_ready_mask_alone(session, tmp_path):
    (tmp_path / "wm_mask.nii.gz").write_text("ready")
    arguments = ["--mask", session / "brain.nii.gz", "--out-dir", tmp_path, "--fractions-only"]
    arguments += ["--engine", "dipy"]
    command("segment-tissue", session / "t1.nii.gz", *arguments)
    assert {p.name for p in tmp_path.glob("*.nii.gz")} == {"csf.nii.gz", "gm.nii.gz", "wm.nii.gz", "wm_mask.nii.gz"}
    assert (tmp_path / "wm_mask.nii.gz").read_text() == "ready"
    assert not (tmp_path / "wm_mask.json").exists()


def test_fast_through_nipype(session, tmp_path, program, monkeypatch):
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    copies = [f"cp {session}/{name}.nii.gz fast_pve_{n}.nii.gz" for n, name in enumerate(("csf", "gm", "wm"))]
    program("fast", "\n".join([*copies, "touch fast_seg.nii.gz fast_mixeltype.nii.gz fast_pveseg.nii.gz"]))
    arguments = ["--mask", session / "brain.nii.gz", "--out-dir", tmp_path / "out", "--engine", "fast"]
    command("segment-tissue", session / "t1.nii.gz", *arguments)
    brain, truth = load_mask(session / "brain.nii.gz"), load_volume(session / "wm.nii.gz").data
    np.testing.assert_allclose(load_volume(tmp_path / "out" / "wm.nii.gz").data[brain], truth[brain], atol=1e-4)


def test_flat_image_is_refused(tmp_path, session):
    t1 = load_volume(session / "t1.nii.gz")
    with pytest.raises(InputError, match="too little signal"):
        segment_hmrf(np.ones_like(t1.data), np.ones(t1.grid.shape, bool))


def test_faults_name_the_file(tmp_path):
    grid = Grid((12, 12, 12), np.eye(4))
    save_volume(tmp_path / "flat.nii.gz", np.ones(grid.shape), grid)
    save_volume(tmp_path / "mask.nii.gz", np.ones(grid.shape), grid, np.uint8)
    flat, mask = tmp_path / "flat.nii.gz", ["--mask", tmp_path / "mask.nii.gz"]
    with pytest.raises(InputError, match=r"too little signal inside the mask, .*flat\.nii\.gz"):
        command("segment-tissue", flat, *mask, "--out-dir", tmp_path / "out")
    with pytest.raises(InputError, match=r"no head to see, .*flat\.nii\.gz"):
        command("n4", flat, tmp_path / "out.nii.gz")
    corner = np.zeros(grid.shape)
    corner[0, 0, 0] = 1
    save_volume(tmp_path / "csf.nii.gz", corner, grid)
    with pytest.raises(InputError, match=r"no ventricles found, .*csf\.nii\.gz"):
        command("ventricles", tmp_path / "csf.nii.gz", tmp_path / "out.nii.gz", *mask)
    with pytest.raises(InputError, match="not a folder"):
        command("segment-tissue", flat, *mask, "--out-dir", flat)
    assert len(list(tmp_path.iterdir())) == 3


def test_numbered_lesions_are_filled(tmp_path):
    grid = Grid((20, 20, 20), np.eye(4))
    data, lesions = np.random.default_rng(0).normal(100, 2, grid.shape), np.zeros(grid.shape)
    lesions[5:7, 5:7, 5:7], lesions[12:14, 12:14, 12:14] = 1, 2
    save_volume(tmp_path / "t1.nii.gz", np.where(lesions > 0, 50, data), grid)
    save_volume(tmp_path / "l.nii.gz", lesions, grid, np.uint8)
    save_volume(tmp_path / "wm.nii.gz", np.ones(grid.shape), grid, np.uint8)
    files = [tmp_path / name for name in ("t1.nii.gz", "l.nii.gz", "f.nii.gz")]
    command("fill-lesions", *files, "--wm-mask", tmp_path / "wm.nii.gz")
    assert load_volume(files[2]).data.min() > 85


@pytest.mark.parametrize("with_mask", [True, False])
def test_filled_lesions_look_like_the_white_matter_around(session, head, with_mask):
    t1, wm = load_volume(session / "t1.nii.gz"), load_volume(session / "wm.nii.gz").data
    deep = ndimage.binary_erosion(wm > 0.9, iterations=5)
    lesions = np.zeros_like(deep)
    for seed in np.argwhere(deep)[:: max(1, int(deep.sum() // 5))]:
        lesions[tuple(slice(i - 2, i + 3) for i in seed)] = True
    lesions &= wm > 0.9
    dark = np.where(lesions, t1.data * 0.6, t1.data).astype(np.float32)
    white = (wm > 0.9) if with_mask else None
    filled = fill_lesions(dark, lesions, t1.grid, white)
    around = (wm > 0.95) & ~lesions
    assert filled[lesions].mean() == pytest.approx(t1.data[around].mean(), rel=0.01)
    assert filled[lesions].std() == pytest.approx(t1.data[around].std(), rel=0.3)
    np.testing.assert_array_equal(filled[~lesions], dark[~lesions])
    np.testing.assert_array_equal(filled, fill_lesions(dark, lesions, t1.grid, white))


@pytest.mark.parametrize("smooth", [0.0, 1.2])
def test_filled_lesions_go_on_with_gradient_and_texture(smooth):
    """White matter of 100 that rises by 20 across the field, noise SD 3 with and without correlated neighbours."""
    grid = Grid((40, 36, 30), np.diag([1.0, 1.0, 1.0, 1.0]))
    noise = ndimage.gaussian_filter(np.random.default_rng(3).standard_normal(grid.shape), smooth)
    ramp = np.linspace(90, 110, 40)[:, None, None]
    data = (ramp + 3 * noise / noise.std()).astype(np.float32)
    lesions = np.zeros(grid.shape, bool)
    for centre in ((10, 10, 10), (10, 26, 20), (28, 12, 18), (29, 26, 9)):
        lesions[tuple(slice(c - 4, c + 5) for c in centre)] = True
    filled = fill_lesions(np.where(lesions, 60, data).astype(np.float32), lesions, grid, np.ones(grid.shape, bool))
    rest, true = (filled - ramp)[lesions], (data - ramp)[lesions]
    assert abs(rest.mean()) < 1.0
    assert rest.std() == pytest.approx(true.std(), rel=0.2)
    both = lesions[1:] & lesions[:-1]
    found, wanted = (np.corrcoef((a - ramp)[1:][both], (a - ramp)[:-1][both])[0, 1] for a in (filled, data))
    assert found == pytest.approx(wanted, abs=0.25)


def test_filling_gives_the_white_matter_mask_back(session):
    """Dark sham lesions in healthy white matter: the mask loses them unfilled, and has them filled."""
    t1, brain = load_volume(session / "t1.nii.gz"), load_mask(session / "brain.nii.gz")
    deep = ndimage.distance_transform_edt(load_volume(session / "wm.nii.gz").data > 0.9, t1.grid.voxel_sizes)
    lesions = np.zeros(t1.grid.shape, bool)
    for seed in np.argwhere(deep > 4)[:: int((deep > 4).sum() // 6)]:
        lesions[tuple(slice(i - 2, i + 3) for i in seed)] = True
    lesions &= deep > 0
    dark = np.where(lesions, t1.data * 0.8, t1.data).astype(np.float32)
    share = {}
    for name, image in (("unfilled", dark), ("filled", fill_lesions(dark, lesions, t1.grid))):
        share[name] = (segment_hmrf(image, brain)[2] > 0.5)[lesions].mean()
    assert share["unfilled"] < 0.3
    assert share["filled"] > 0.98


def test_no_lesions_change_nothing(session, tmp_path):
    t1 = load_volume(session / "t1.nii.gz")
    save_volume(tmp_path / "l.nii.gz", np.zeros(t1.grid.shape), t1.grid, np.uint8)
    command("fill-lesions", session / "t1.nii.gz", tmp_path / "l.nii.gz", tmp_path / "f.nii.gz")
    np.testing.assert_array_equal(load_volume(tmp_path / "f.nii.gz").data, t1.data)


def test_distance_is_the_brute_force_one():
    generator = np.random.default_rng(1)
    grid = Grid((9, 8, 7), np.diag([-1.2, 0.8, 3.0, 1.0]))
    csf, domain = generator.random(grid.shape) > 0.97, generator.random(grid.shape) > 0.3
    centres = np.argwhere(np.ones(grid.shape)) * np.array(grid.voxel_sizes)
    nearest = cdist(centres, centres[csf.ravel()]).min(1).reshape(grid.shape)
    np.testing.assert_allclose(csf_distance(csf, domain, grid), np.where(domain, nearest, 0), rtol=1e-5)


def test_distance_refuses_a_sheared_grid():
    affine = np.eye(4)
    affine[0, 1] = 0.3
    with pytest.raises(InputError, match="grid is sheared"):
        csf_distance(np.ones((3, 3, 3), bool), np.ones((3, 3, 3), bool), Grid((3, 3, 3), affine))


def test_ventricles_of_the_template_without_sulci():
    inside, brain, grid = lateral_ventricles()
    assert 10 < inside.sum() * grid.voxel_volume / 1000 < 20
    fluid = inside.copy()
    fluid[brain & ~ndimage.binary_erosion(brain, iterations=4)] = True  # outer CSF
    middle = grid.shape[0] // 2
    fissure = np.s_[middle - 1 : middle + 2, :, 45:]  # 6 mm wide, from above down to the ventricles
    fluid[fissure] = brain[fissure]
    found = ventricles(fluid.astype(np.float32), brain, grid)
    assert 2 * (found & inside).sum() / (found.sum() + inside.sum()) > 0.95


def test_no_ventricles_is_an_error():
    _, brain, grid = lateral_ventricles()
    with pytest.raises(InputError, match="no ventricles found"):
        ventricles(np.zeros(grid.shape, np.float32), brain, grid)


def test_template_is_a_brain_in_mni_space(tmp_path):
    command("mni-template", tmp_path / "mni.nii.gz", "--resolution", 4)
    image, (data, grid, _) = load_volume(tmp_path / "mni.nii.gz"), mni_template(4)
    assert image.grid.matches(grid)
    assert image.grid.voxel_sizes == pytest.approx((4, 4, 4))
    origin = np.round(np.linalg.inv(grid.affine)[:3, 3]).astype(int)
    assert data[tuple(origin)] > 0  # the anterior commissure is in the brain
