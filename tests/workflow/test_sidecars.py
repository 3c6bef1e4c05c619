"""What the sidecar of every image of a finished study says, suffix by suffix."""

import os
import re

import nibabel as nib
import pytest

from myelosynth.bids.layout import Layout
from myelosynth.bids.names import entities_of, sidecar_path
from myelosynth.bids.sidecar import read_json

pytestmark = pytest.mark.workflow

UNITS = {"MTRmap": "percent", "FA": "1", "dwimap": "mm2/s", "pet": "1", "distmap": "mm", "probseg": "1"}
PICTURES = {"T1w", "T2w", "FLAIR", "MTRmap", "FA", "dwimap", "pet"}
LABELS = {"mask", "dseg"}
SUFFIXES = sorted({*UNITS, *PICTURES, *LABELS})
CEILINGS = {"retest", "noise-free", "oracle", "null-scan"}
PERSONAL = re.compile("Patient|AcquisitionDate|AcquisitionTime|SeriesDate|StudyDate|Birth")


@pytest.fixture(scope="module")
def images(tiny_study):
    """Every image below derivatives/, by its suffix."""
    found: dict[str, list] = {}
    for path in sorted((tiny_study.folder / "results" / "derivatives").rglob("*.nii.gz")):
        found.setdefault(entities_of(path)["suffix"], []).append(path)
    return found


def dataset_of(path, root):
    return root / "derivatives" / path.relative_to(root / "derivatives").parts[0]


def resolved(uri, dataset):
    """The path that a BIDS URI of a data set names; one outside every data set is relative to it."""
    scheme, _, rest = uri.partition(":")
    if scheme != "bids":
        return dataset / uri
    name, _, inside = rest.partition(":")
    links = read_json(dataset / "dataset_description.json")["DatasetLinks"]
    return dataset / (links[name] if name else "") / inside


def test_no_other_kind_of_image_is_there(images):
    assert sorted(images) == SUFFIXES


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_says_who_made_it_from_what_and_how(tiny_study, images, suffix):
    root = tiny_study.folder / "results"
    for path in images[suffix]:
        record, dataset = read_json(sidecar_path(path)), dataset_of(path, root)
        ours, engine = record["GeneratedBy"]
        assert (ours["Name"], bool(ours["Version"]), bool(ours["Description"])) == ("myelosynth", True, True), path
        assert engine["Name"], path
        assert engine["Version"], path
        assert isinstance(record["Settings"], dict), path
        assert record["Description"], path
        assert record["Sources"], path
        for uri in record["Sources"]:
            assert not os.path.isabs(uri), path
            if uri.startswith("bids:"):
                assert resolved(uri, dataset).is_file(), (path, uri)
        assert not PERSONAL.search(" ".join(record)), path
        header = nib.load(path).header
        assert header["descrip"].item() == header["db_name"].item() == b"", path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_names_the_image_that_defines_its_space(tiny_study, images, suffix):
    """Of `space-T1w` the preprocessed T1w of its session, of `space-dvrt0` the baseline DVR."""
    root = tiny_study.folder / "results"
    layout = Layout(root)
    for path in images[suffix]:
        names, record = entities_of(path), read_json(sidecar_path(path))
        if "space" not in names and suffix != "mask":
            continue
        t1w = layout.anat(names["sub"], names["ses"], "T1w")
        expected = layout.analysis_grid(names["sub"]) if names.get("space") == "dvrt0" else t1w
        named = resolved(record["SpatialReference"], dataset_of(path, root))
        assert named.resolve() == expected.resolve(), (path, record["SpatialReference"])
        assert nib.load(path).shape[:3] == nib.load(named).shape[:3], path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_says_what_its_values_are(images, suffix):
    for path in images[suffix]:
        names, record = entities_of(path), read_json(sidecar_path(path))
        assert record.get("Units") == UNITS.get(suffix), path
        assert isinstance(record.get("SkullStripped"), bool) == (suffix in PICTURES), path
        if suffix == "mask":
            lesion = {"L", "demyelinated"}
            kind = "Brain" if names.get("desc") == "brain" else "Lesion" if names["label"] in lesion else "ROI"
            assert record["Type"] == kind, path
        if suffix in LABELS:
            assert nib.load(path).get_data_dtype() == "uint8", path
        if suffix == "dseg":
            table = path.with_name(path.name.replace(".nii.gz", ".tsv")).read_text().splitlines()
            assert table[0].split("\t")[:2] == ["index", "name"], path
            assert len(table) == 5, path
        if suffix == "probseg":
            assert record["Label"] == names["label"], path


def test_what_was_predicted_is_called_synthetic_and_nothing_else(tiny_study, images):
    """Predicted DVR, its spread, and the maps made of them; the measured PET and draws of it are not."""
    root = tiny_study.folder / "results"
    seen = set()
    for path in (one for group in images.values() for one in group):
        record, owner = read_json(sidecar_path(path)), dataset_of(path, root).name
        predicted = owner not in CEILINGS | {"myelosynth"}
        assert record.get("Synthetic", False) is predicted, path
        if predicted:
            seen.add(entities_of(path)["suffix"])
        if predicted and entities_of(path)["suffix"] == "pet":
            for key in ("CheckpointSha256", "SplitSha256"):
                assert re.fullmatch("[0-9a-f]{64}", record[key]), path
            assert {"Model", "Fold", "Seed"} <= set(record), path
    assert seen == {"pet", "mask", "dseg"}


def test_every_transform_and_table_says_where_it_comes_from(tiny_study):
    root = tiny_study.folder / "results" / "derivatives"
    transforms = sorted(root.rglob("*_xfm.txt"))
    tables = [path for path in root.rglob("sub-*.tsv") if not path.name.endswith("_dseg.tsv")]
    assert transforms
    assert tables
    for path in [*transforms, *tables]:
        record = read_json(sidecar_path(path))
        assert len(record["GeneratedBy"]) == 2, path
        if path.suffix == ".tsv":
            columns = path.read_text().splitlines()[0].split("\t")
            assert set(columns) <= set(record), path
