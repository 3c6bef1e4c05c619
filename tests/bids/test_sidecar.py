"""Sidecars name their sources the BIDS way."""

import json

from myelosynth.bids.names import bids_name, entities_of
from myelosynth.bids.sidecar import Provenance, bids_uri, dataset_root, is_synthetic, spatial_reference


def dataset(folder, **fields):
    folder.mkdir(parents=True)
    (folder / "dataset_description.json").write_text(json.dumps({"Name": folder.name, **fields}))
    return folder


def test_sources_become_bids_uris(tmp_path):
    dataset_root.cache_clear()
    raw = dataset(tmp_path / "rawdata")
    out = dataset(tmp_path / "out", DatasetLinks={"raw": "../rawdata"})
    assert bids_uri(raw / "sub-1" / "a.nii.gz", out / "sub-1" / "b.nii.gz") == "bids:raw:sub-1/a.nii.gz"
    assert bids_uri(out / "sub-1" / "a.nii.gz", out / "sub-1" / "b.nii.gz") == "bids::sub-1/a.nii.gz"
    assert bids_uri(tmp_path / "work" / "x.txt", out / "sub-1" / "b.nii.gz") == "../work/x.txt"


def test_a_record_holds_engine_version_sources_and_settings(tmp_path):
    dataset_root.cache_clear()
    record = Provenance("n4", "antspyx", "0.6", [tmp_path / "in.nii.gz"], {"shrink": 4}, {"SkullStripped": False})
    record.write(tmp_path / "out.nii.gz", Units="arbitrary")
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["GeneratedBy"][1] == {"Name": "antspyx", "Version": "0.6"}
    assert written["Sources"] == ["in.nii.gz"]
    assert (written["Settings"], written["SkullStripped"], written["Units"]) == ({"shrink": 4}, False, "arbitrary")


def test_entities_come_in_the_order_of_bids_whatever_the_call():
    name = bids_name("xfm", ".txt", mode="image", to="T1w", from_="PET", ses="t0", sub="1")
    assert name == "sub-1_ses-t0_from-PET_to-T1w_mode-image_xfm.txt"
    assert entities_of(name) == {"sub": "1", "ses": "t0", "from": "PET", "to": "T1w", "mode": "image", "suffix": "xfm"}


def test_the_grid_is_that_of_the_image_which_the_sidecar_names(tmp_path):
    """Within a data set, across a link of it, and the image itself where nothing usable is named."""
    dataset_root.cache_clear()
    main = dataset(tmp_path / "main")
    system = dataset(tmp_path / "system", DatasetLinks={"main": "../main"})
    out = system / "out.nii.gz"
    for name, reference in (
        ("a", "bids::grid.nii.gz"),
        ("b", "MNI152"),
        ("c", "bids:other:grid.nii.gz"),
    ):
        (main / f"{name}.json").write_text(json.dumps({"SpatialReference": reference}))
    (system / "d.json").write_text(json.dumps({"SpatialReference": "bids:main:grid.nii.gz"}))
    assert spatial_reference(main / "a.nii.gz", out) == "bids:main:grid.nii.gz"
    assert spatial_reference(main / "a.nii.gz", main / "out.nii.gz") == "bids::grid.nii.gz"
    assert spatial_reference(main / "b.nii.gz", out) == "bids:main:b.nii.gz"
    assert spatial_reference(main / "c.nii.gz", out) == "bids:main:c.nii.gz"
    assert spatial_reference(main / "silent.nii.gz", out) == "bids:main:silent.nii.gz"
    assert spatial_reference(system / "d.nii.gz", out) == "bids:main:grid.nii.gz"
    assert spatial_reference(system / "d.nii.gz", main / "out.nii.gz") == "bids::grid.nii.gz"


def test_only_what_says_so_is_synthetic(tmp_path):
    (tmp_path / "a.json").write_text('{"Synthetic": true}')
    (tmp_path / "b.json").write_text("{}")
    assert [is_synthetic(tmp_path / f"{name}.nii.gz") for name in "abc"] == [True, False, False]
