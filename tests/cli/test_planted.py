"""Names, dates and places of source headers, sidecars and tables reach nothing that is written."""

import base64
import gzip
import json
import re
import zipfile
import zlib

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.bids.layout import Layout, RawLayout
from myelosynth.cli import commands  # noqa: F401  (registers every command)
from myelosynth.cli.app import app
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_volume, save_volume

HEADER = {"descrip": b"ZQ^DESCRIP 1970-01-02", "aux_file": b"ZQ^AUX", "db_name": b"ZQ^DB", "intent_name": b"ZQ^INTENT"}
SIDECAR = {
    "PatientName": "ZQ^NAME",
    "PatientBirthDate": "19700102ZQ^",
    "AcquisitionDateTime": "ZQ^2019-03-04T10:00:00",
    "InstitutionName": "ZQ^HOSPITAL",
    "SeriesDescription": "ZQ^SERIES",
    "DeviceSerialNumber": "ZQ^SERIAL",
}
MARK = b"ZQ^"
DATES = (b"1970-01-02", b"19700102", b"2019-03-04")


def plant(raw):
    """Identifiers in every header, sidecar and table of a data set."""
    for path in raw.root.rglob("sub-*.nii.gz"):
        image = nib.load(path)
        planted = nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header)
        for field, text in HEADER.items():
            planted.header[field] = text
        planted.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"ZQ^EXTENSION 19700102"))
        nib.save(planted, path)
        sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
        record = json.loads(sidecar.read_text()) if sidecar.exists() else {}
        sidecar.write_text(json.dumps(record | SIDECAR))
    for table in (raw.root / "participants.tsv", raw.root / "phenotype" / "edss.tsv"):
        head, *rows = table.read_text().splitlines()
        rows = [f"{row}\tZQ^NAME\t1970-01-02\tZQ^<script>\t=cmd()ZQ^" for row in rows]
        table.write_text("\n".join([f"{head}\tZQ^column\tbirth_date\tnote\tformula", *rows]) + "\n")
    for sub in raw.root.glob("sub-*"):
        rows = [
            "session_id\tacq_time\toperator",
            "ses-t0\t2019-03-04T10:00:00\tZQ^",
            "ses-t1\t2020-03-04T10:00:00\tZQ^",
        ]
        (sub / f"{sub.name}_sessions.tsv").write_text("\n".join(rows) + "\n")


def contents(data):
    """The bytes of a file and of everything packed into it: gzip, zip, PNG text, data URIs of a page."""
    yield data
    if data[:2] == b"\x1f\x8b":
        yield from contents(gzip.decompress(data))
    if data[:4] == b"\x89PNG":
        place = 8
        while place < len(data):
            length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
            if kind == b"zTXt":
                yield zlib.decompress(data[place + 8 : place + 8 + length].split(b"\0", 1)[1][1:])
            place += 12 + length
    for packed in re.findall(rb"[A-Za-z0-9+/]{200,}={0,2}", data) if b"<html" in data[:500].lower() else ():
        yield from contents(base64.b64decode(packed + b"=" * (-len(packed) % 4)))


def leaks(folder, marks=(MARK, *DATES)):
    """Files that hold one of the marks, and which."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        parts = [path.name.encode(), *contents(path.read_bytes())]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                parts += [archive.read(name) for name in archive.namelist()]
        found += [
            f"{path.relative_to(folder)}: {mark.decode()}" for mark in marks if any(mark in part for part in parts)
        ]
    return found


def run(*arguments):
    result = CliRunner().invoke(app, [str(word) for word in arguments])
    assert result.exit_code == 0, (arguments, result.output, result.exception)
    return result.output


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A small patient with identifiers everywhere."""
    root = tmp_path_factory.mktemp("data") / "raw"
    for part in (["--tables"], ["--participant", "001"]):
        run("simulate", root, "--patients", 1, "--controls", 0, "--resolution", 6, "--seed", 3, *part)
    raw = RawLayout(root, root / "derivatives" / "lesions")
    plant(raw)
    return raw


def sphere(path, like, radius):
    """A ball in the middle of an image's grid, as a mask."""
    grid = load_volume(like, ndim=4 if "pet" in like.name or "dwi" in like.name else 3).grid
    index = np.indices(grid.shape).T - (np.array(grid.shape) - 1) / 2
    save_volume(path, ((index**2).sum(-1) < radius**2).T, Grid(grid.shape, grid.affine), np.uint8)
    return path


def test_the_marks_are_found_where_they_are(planted, tmp_path):
    found = leaks(planted.root)
    for place in ("T1w.nii.gz: ZQ^", "pet.json: ZQ^", "participants.tsv: 1970-01-02", "sessions.tsv: 2019-03-04"):
        assert any(line.endswith(place) for line in found), place
    packed = base64.b64encode(gzip.compress(b"ZQ^" + np.random.default_rng(0).bytes(300))).decode()
    (tmp_path / "page.html").write_text(f"<html><img src='data:image/png;base64,{packed}'>")
    with zipfile.ZipFile(tmp_path / "checkpoint.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.pkl", "ZQ^")
    assert leaks(tmp_path) == ["checkpoint.pt: ZQ^", "page.html: ZQ^"]


def test_no_command_hands_them_on(planted, tmp_path):
    """Images, sidecars, tables, transforms and a page, from every kind of raw file."""
    results, work = tmp_path / "results", tmp_path / "results" / "work"
    layout, sub, ses = Layout(results), "001", "t0"
    t1w, flair = planted.anat(sub, ses, "T1w"), planted.anat(sub, ses, "FLAIR")
    pet, dwi = planted.pet(sub, ses), planted.dwi(sub, ses)
    on, off = (planted.anat(sub, ses, "MTR", mt=state) for state in ("on", "off"))
    bvals, bvecs, frames = (
        planted.dwi(sub, ses, ".bval"),
        planted.dwi(sub, ses, ".bvec"),
        planted.pet(sub, ses, ".json"),
    )
    lesions, index = planted.lesion_mask(sub, ses), layout.table("index")
    said = run("check", planted.root, "--index", index)
    run("describe", results, "--raw", planted.root, "--lesions", planted.lesions)
    preproc, brain = layout.anat(sub, ses, "T1w"), layout.brain_mask(sub, ses)
    run("n4", t1w, preproc)
    ready = sphere(tmp_path / "ready" / "sub-001_ses-t0_desc-brain_mask.nii.gz", t1w, 9)
    run("use-ready", "brain", ready, brain, "--t1w", t1w, "--accept-failed", "--out-brain", work / "brain.nii.gz")
    rigid, on_t1w = layout.transform(sub, ses, "FLAIR", "T1w"), layout.label_mask(sub, ses, "L", desc="manual")
    run("register", flair, preproc, "--out-transform", rigid, "--out-image", work / "flair.nii.gz")
    run("transform", lesions, preproc, on_t1w, "--transform", rigid, "--labels")
    run("transform", flair, preproc, layout.anat(sub, ses, "FLAIR", space="T1w"), "--transform", rigid)
    run("fill-lesions", preproc, on_t1w, layout.anat(sub, ses, "T1w", desc="filled"))
    run("nawm", brain, on_t1w, layout.label_mask(sub, ses, "NAWM"))
    run("csf-distance", on_t1w, brain, layout.csf_distance(sub, ses))
    run("mtr", on, off, work / "mtr.nii.gz")
    run("mean-b0", dwi, work / "b0.nii.gz", "--bvals", bvals)
    mask = sphere(work / "dwi_mask.nii.gz", dwi, 5)
    run("fit-tensor", dwi, "--bvals", bvals, "--bvecs", bvecs, "--mask", mask, "--out-dir", work / "tensor")
    run("pet-reference", pet, work / "petref.nii.gz", "--frames", frames)
    reference = sphere(work / "reference.nii.gz", pet, 4)
    run("dvr", pet, layout.source(sub, ses, "DVR"), "--frames", frames, "--reference-mask", reference)
    where = ["--raw", planted.root, "--index", index, "--sub", sub]
    run("report", "session", results, *where, "--ses", ses, "--out", layout.page("qc/session"))
    assert len([path for path in results.rglob("*") if path.is_file()]) > 35
    assert leaks(results) == []
    assert MARK.decode() not in said
