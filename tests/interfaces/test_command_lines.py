"""The exact command line of every lab engine, as it is run and as the sidecar tells it."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.freesurfer.mghformat import MGHImage
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.commands import imaging  # noqa: F401
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_mask, load_volume, save_volume
from myelosynth.interfaces.freesurfer import (
    aseg_fractions,
    read_register,
    tkregister_affine,
    write_register,
)
from myelosynth.interfaces.tissue import normalise

CONFORMED = np.array([[-1.0, 0, 0, 64], [0, 0, 1, -64], [0, -1, 0, 64], [0, 0, 0, 1]])


def command(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception:
        raise result.exception


def told(sidecar: Path) -> list[str]:
    return json.loads(sidecar.read_text())["Call"]["CommandLines"]


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A machine with FSL and FreeSurfer folders and a licence; programs come from `program`."""
    monkeypatch.setenv("FSLDIR", str(tmp_path / "fsl"))
    monkeypatch.setenv("FREESURFER_HOME", str(tmp_path / "freesurfer"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("FS_LICENSE", "SUBJECTS_DIR"):
        monkeypatch.delenv(name, raising=False)
    schedule = tmp_path / "fsl" / "etc" / "flirtsch" / "bbr.sch"
    schedule.parent.mkdir(parents=True)
    schedule.touch()
    (tmp_path / "freesurfer").mkdir()
    (tmp_path / "freesurfer" / "license.txt").touch()
    (tmp_path / "freesurfer" / "build-stamp.txt").write_text("freesurfer-linux-centos7_x86_64-7.4.1-20230614-7eb8460\n")
    return tmp_path


@pytest.mark.parametrize("dof", [6, 12])
def test_flirt(session, truth, lab, program, dof):
    grids = load_volume(session / "t2.nii.gz").grid, load_volume(session / "t1.nii.gz").grid
    np.savetxt(lab / "answer.mat", truth.to_flirt(*grids))
    program("flirt", f'echo "$@" > {lab}/called; touch flirt.nii.gz; cp {lab}/answer.mat flirt.mat')
    where = ["--out-transform", lab / "x.txt", "--dof", dof, "--engine", "flirt"]
    command("register", session / "t2.nii.gz", session / "t1.nii.gz", *where)
    options = f"-out flirt.nii.gz -omat flirt.mat -cost corratio -dof {dof}"
    assert told(lab / "x.json") == [f"flirt -in t2.nii.gz -ref t1.nii.gz {options}"]
    ran = f"-in {session}/t2.nii.gz -ref {session}/t1.nii.gz {options}"
    assert (lab / "called").read_text().strip() == ran


@pytest.mark.parametrize(("contrast", "slope"), [("t2", "-0.500000"), ("t1", "0.500000")])
def test_flirt_along_the_boundary(session, truth, lab, program, contrast, slope):
    grids = load_volume(session / "t2.nii.gz").grid, load_volume(session / "t1.nii.gz").grid
    np.savetxt(lab / "answer.mat", truth.to_flirt(*grids))
    program("flirt", f"touch flirt.nii.gz; cp start.mat {lab}/start.mat; cp {lab}/answer.mat flirt.mat")
    truth.write(lab / "start.txt")
    masks = ["--wm-mask", session / "wm_mask.nii.gz", "--init", lab / "start.txt", "--contrast", contrast]
    where = ["--out-transform", lab / "x.txt", "--engine", "flirt"]
    command("register-bbr", session / "t2.nii.gz", session / "t1.nii.gz", *masks, *where)
    assert told(lab / "x.json") == [
        "flirt -in t2.nii.gz -ref t1.nii.gz -out flirt.nii.gz -omat flirt.mat "
        f"-bbrslope {slope} -cost bbr -dof 6 -init start.mat "
        "-schedule $FSLDIR/etc/flirtsch/bbr.sch -wmseg wm_mask.nii.gz"
    ]
    np.testing.assert_allclose(np.loadtxt(lab / "start.mat"), truth.to_flirt(*grids))


def test_n4_has_mask_and_spline_distance_and_corrects_outside_the_mask_too(session, lab, program):
    t1 = load_volume(session / "t1.nii.gz")
    field = np.exp(np.linspace(-0.4, 0.4, t1.grid.shape[1]))[None, :, None] * np.ones(t1.grid.shape)
    save_volume(lab / "field.nii.gz", field, t1.grid)
    save_volume(lab / "in.nii.gz", t1.data * field, t1.grid)
    program("N4BiasFieldCorrection", f"cp {lab}/field.nii.gz bias.nii.gz; cp {lab}/field.nii.gz corrected.nii.gz")
    command("n4", lab / "in.nii.gz", lab / "n4.nii.gz", "--mask", session / "brain.nii.gz", "--engine", "ants")
    assert told(lab / "n4.json") == [
        "N4BiasFieldCorrection --bspline-fitting [ 200 ] -d 3 --input-image image.nii.gz --mask-image mask.nii.gz "
        "--convergence [ 50x50, 1e-07 ] --output [ corrected.nii.gz, bias.nii.gz ] --shrink-factor 3"
    ]
    ratio = load_volume(lab / "n4.nii.gz").data / t1.data
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-4)
    assert load_mask(session / "brain.nii.gz").mean() < 0.9


def test_bet_fast_and_synthstrip(session, lab, program):
    program("bet", f"cp {session}/brain.nii.gz brain.nii.gz; cp {session}/brain.nii.gz brain_mask.nii.gz")
    copies = [f"cp {session}/{name}.nii.gz fast_pve_{n}.nii.gz" for n, name in enumerate(("csf", "gm", "wm"))]
    program("fast", "\n".join([*copies, "touch fast_seg.nii.gz fast_mixeltype.nii.gz fast_pveseg.nii.gz"]))
    program("mri_synthstrip", f"cp {session}/brain.nii.gz $4")
    expected = {"bet": "bet t1.nii.gz brain.nii.gz -m -R", "synthstrip": "mri_synthstrip -i t1.nii.gz -m mask.nii.gz"}
    for engine, line in expected.items():
        options = ["--out-mask", lab / f"{engine}.nii.gz", "--engine", engine, "--accept-failed"]
        command("extract-brain", session / "t1.nii.gz", *options)  # a head of 0.2 l
        assert told(lab / f"{engine}.json") == [line]
        np.testing.assert_array_equal(load_mask(lab / f"{engine}.nii.gz"), load_mask(session / "brain.nii.gz"))
    where = ["--mask", session / "brain.nii.gz", "--out-dir", lab / "out", "--engine", "fast"]
    command("segment-tissue", session / "t1.nii.gz", *where)
    assert told(lab / "out" / "wm.json") == ["fast -t 1 -n 3 -o fast -S 1 brain.nii.gz"]


RECON = """for last; do :; done
while [ $# -gt 0 ]; do case $1 in -subjid) id=$2;; -sd) sd=$2;; esac; shift; done
mkdir -p $sd/$id/mri $sd/$id/surf $sd/$id/scripts
"""


@pytest.fixture
def recon(session, lab, program):
    """recon-all and mri_binarize as far as their files go: the labels are the head's truth on a conformed lattice."""
    from myelosynth.images.resample import resample

    wm, gm = (load_volume(session / f"{name}.nii.gz") for name in ("wm", "gm"))
    grid = Grid((128, 128, 128), CONFORMED)
    here = LinearTransform.identity()
    white = resample(wm.data, wm.grid, grid, here) > 0.5
    grey = (resample(gm.data, gm.grid, grid, here) > 0.5) & ~white
    labels = np.where(white, 2, np.where(grey, 3, 0)).astype(np.uint8)
    nib.save(MGHImage(labels, CONFORMED), lab / "aseg.mgz")
    save_volume(lab / "white.nii.gz", white, grid, np.uint8)
    files = "touch $sd/$id/surf/lh.white $sd/$id/surf/rh.white $sd/$id/scripts/recon-all.done"
    copies = f"cp {lab}/aseg.mgz $sd/$id/mri/aseg.mgz; cp {lab}/aseg.mgz $sd/$id/mri/orig.mgz"
    program("recon-all", f"{RECON}{copies}; {files}; echo x >> {lab}/recon_calls")
    program("mri_binarize", f"cp {lab}/white.nii.gz wm.nii.gz")
    return lab


def test_recon_all_once_then_its_subject_serves_tissue_and_bbregister(session, truth, recon, program):
    where = ["--mask", session / "brain.nii.gz", "--engine", "freesurfer", "--fs-subject", recon / "fs"]
    command("segment-tissue", session / "t1.nii.gz", *where, "--out-dir", recon / "one")
    full, binarize = told(recon / "one" / "wm.json")
    assert full == "recon-all -all -i t1.nii.gz -subjid fs -sd subjects"
    matches = " ".join(f"--match {n}" for n in (2, 41, 7, 46, 77, 78, 79, 85, 16, 251, 252, 253, 254, 255))
    assert binarize == f"mri_binarize --o wm.nii.gz --i aseg.mgz {matches}"
    found, wanted = load_mask(recon / "one" / "wm_mask.nii.gz"), load_mask(session / "wm_mask.nii.gz")
    assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.95
    command("segment-tissue", session / "t1.nii.gz", *where, "--out-dir", recon / "two")
    assert (recon / "recon_calls").read_text() == "x\n"
    assert not list(recon.glob(".part*"))

    program(
        "bbregister", f'cp start.dat register.dat; touch register.dat.mincost; echo "$SUBJECTS_DIR" > {recon}/subjects'
    )
    truth.write(recon / "start.txt")
    masks = ["--wm-mask", session / "wm_mask.nii.gz", "--init", recon / "start.txt", "--contrast", "flair"]
    out = ["--out-transform", recon / "x.txt", "--engine", "bbregister", "--fs-subject", recon / "fs"]
    command("register-bbr", session / "flair.nii.gz", session / "t1.nii.gz", *masks, *out)
    line = "bbregister --t2 --6 --init-reg start.dat --reg register.dat --mov flair.nii.gz --s fs"
    assert told(recon / "x.json") == [line]
    assert (recon / "subjects").read_text().strip() == str(recon)
    np.testing.assert_allclose(LinearTransform.read(recon / "x.txt").matrix, truth.matrix, atol=1e-3)


@pytest.mark.parametrize(
    ("engine", "subject", "message"),
    [
        ("bbregister", None, "needs a FreeSurfer subject, --fs-subject"),
        ("bbregister", "empty", "not a finished FreeSurfer subject, .*mri/orig.mgz is missing"),
        ("flirt", "empty", "engine flirt reads no subject"),
    ],
)
def test_a_subject_is_asked_for_before_any_work(session, lab, program, engine, subject, message):
    program("bbregister", "exit 1")
    program("flirt", "exit 1")
    masks = ["--wm-mask", session / "wm_mask.nii.gz", "--out-transform", lab / "x.txt", "--engine", engine]
    given = ["--fs-subject", lab / subject] if subject else []
    with pytest.raises(InputError, match=message):
        command("register-bbr", session / "t2.nii.gz", session / "t1.nii.gz", *masks, *given)


def test_a_register_file_is_tkregisters_own(truth, tmp_path):
    image = MGHImage(np.zeros((128, 100, 90), np.uint8), CONFORMED)
    orig = Grid.of(image)
    np.testing.assert_allclose(tkregister_affine(orig), image.header.get_vox2ras_tkr())
    moving = Grid((40, 50, 30), np.array([[-1.3, 0.1, 0, 52], [0.1, 1.25, 0.2, -60], [0, 0.2, 1.5, -50], [0, 0, 0, 1]]))
    write_register(tmp_path / "r.dat", truth, moving, orig, "s")
    np.testing.assert_allclose(read_register(tmp_path / "r.dat", moving, orig).matrix, truth.matrix, atol=1e-8)
    rows = (tmp_path / "r.dat").read_text().splitlines()[4:8]
    matrix = np.array([[float(word) for word in row.split()] for row in rows])
    voxel = np.array([10.0, 20, 30, 1])  # of orig.mgz: the same world point through both frames
    there = np.linalg.inv(moving.affine) @ truth.matrix @ orig.affine @ voxel
    np.testing.assert_allclose(matrix @ tkregister_affine(orig) @ voxel, tkregister_affine(moving) @ there, atol=1e-6)


def test_aseg_labels_become_tissue():
    grid = Grid((4, 1, 1), np.eye(4))
    labels = np.array([2, 42, 4, 0], np.float32).reshape(4, 1, 1)
    found = aseg_fractions(labels, labels == 2, grid, grid)
    np.testing.assert_array_equal(found[:, :, 0, 0], [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]])
    whole = normalise(found, np.ones((4, 1, 1), bool))
    assert whole[0, 3, 0, 0] == 1  # what no label claims inside the mask is CSF
