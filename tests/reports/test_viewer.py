"""What the viewer of a page holds: the right values at the right places, nothing outside the brain, few bytes."""

import base64
import gzip
import hashlib
import json
import re
from importlib.resources import files

import nibabel as nib
import numpy as np
import pytest

from myelosynth.bids.layout import Layout
from myelosynth.images.grid import Grid
from myelosynth.reports.maps import AGREEMENT, CHANGE, Analysis
from myelosynth.reports.overlays import overlays_of
from myelosynth.reports.page import Gap
from myelosynth.reports.slices import closest_ras
from myelosynth.reports.viewer import Overlay, Viewer, library, licences, viewer

# of dist/niivue.umd.js in the npm package @niivue/niivue, release 0.69.0
LIBRARY_SHA256 = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"
AFFINES = {
    "RAS": np.diag([2.0, 2, 2, 1]),
    "LAS": np.diag([-2.0, 2, 2, 1]),
    "LPS": np.diag([-2.0, -2, 2, 1]),
    "oblique": np.array([[2, 0.2, 0, 0], [-0.2, 2, 0.1, 0], [0, -0.1, 2, 0], [0, 0, 0, 1.0]]),
}


def analysis_of(orientation: str = "RAS", lesion=(-8.0, 6.0, 10.0), size: int = 24) -> Analysis:
    """A ball of brain in a head, with one lesion of a few voxels at world mm `lesion`."""
    affine = AFFINES[orientation].copy()
    affine[:3, 3] = -affine[:3, :3] @ np.full(3, (size - 1) / 2)
    grid = Grid((size, size, size), affine)
    index = np.indices(grid.shape).reshape(3, -1)
    world = (affine[:3, :3] @ index + affine[:3, 3:]).reshape(3, *grid.shape)
    brain = (world**2).sum(0) < 18**2
    lesions = ((world - np.array(lesion)[:, None, None, None]) ** 2).sum(0) < 3**2
    background = np.where(brain, 100 + world[0], 50.0)
    shown = (closest_ras(data, grid)[0] for data in (background, brain, lesions))
    background, brain, lesions = shown
    return Analysis(Layout("none"), "001", grid, (2.0, 2.0, 2.0), background, "T1w", brain, lesions)


def decoded(image: dict) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(image["data"])))


def by_kind(item: Viewer, kind: str) -> list[dict]:
    return [image for image in item.record["images"] if image["kind"] == kind]


def test_the_vendored_library_is_the_release_and_its_licences_are_here():
    script = gzip.decompress(base64.b64decode(library()))
    assert hashlib.sha256(script).hexdigest() == LIBRARY_SHA256
    assert b"</script" not in script
    for name in ("NiiVue", "gl-matrix", "nifti-reader-js", "fflate", "uuid", "structured-clone", "array-equal"):
        assert name in licences()
    for name in ("zarrita", "numcodecs", "c-blosc", "LZ4", "Zstandard", "Snappy", "zlib", "Roboto"):
        assert name in licences()


def test_every_licence_names_its_holder_and_has_a_source():
    told = (files("myelosynth.reports") / "vendor" / "NOTICE.txt").read_text()
    sourced = re.findall(r"^(\S+) {2,}\S", told, re.MULTILINE)
    parts = re.split(r"^=+\n(.+)\n-+\n", licences(), flags=re.MULTILINE)[1:]
    heads, texts = parts[::2], parts[1::2]
    assert len(heads) == 19
    assert [re.split(r"[ ,/]", head)[0] for head in heads] == [name.split("/")[0] for name in sourced]
    for head, text in zip(heads, texts, strict=True):
        assert re.search(r"Copyright (\([Cc]\) )?(\d{4}|Meta|Luke)", text), head
        assert "Permission" in text or "Redistribution" in text or "Apache License" in text, head


@pytest.mark.parametrize("orientation", sorted(AFFINES))
def test_a_lesion_lies_where_it_is_in_the_world(orientation):
    analysis = analysis_of(orientation)
    overlay = Overlay("Change", "measured", analysis.lesions.astype(np.uint8) * 2, palette=CHANGE)
    item = viewer(analysis, [overlay])
    image = decoded(by_kind(item, "overlay")[0])
    found = np.argwhere(np.asarray(image.dataobj) == 2)
    assert len(found) == analysis.lesions.sum()
    centre = image.affine @ [*found.mean(axis=0), 1]
    assert np.allclose(centre[:3], (-8, 6, 10), atol=0.8)
    assert np.allclose(item.record["start"], (-8, 6, 10), atol=2)
    for (low, high), value in zip(item.record["box"], (-8, 6, 10), strict=True):
        assert low < value < high


def test_values_come_back_to_a_hundredth_and_nothing_is_outside_the_brain():
    analysis = analysis_of()
    dvr = np.linspace(0.5, 2.0, analysis.brain.size).reshape(analysis.brain.shape)
    item = viewer(analysis, [Overlay("DVR", "measured", dvr, analysis.brain, low=0.8, high=1.4)])
    told = by_kind(item, "overlay")[0]
    image = decoded(told)
    back = np.asarray(image.dataobj)
    start = np.rint(np.linalg.inv(np.diag([2.0, 2, 2, 1])) @ (image.affine[:, 3] - analysis.grid.affine[:, 3])).astype(
        int
    )
    part = tuple(slice(a, a + n) for a, n in zip(start[:3], back.shape, strict=True))
    inside = analysis.brain[part]
    assert inside.sum() == analysis.brain.sum()
    assert np.abs(back - np.clip(dvr[part], 0.8, None))[inside].max() < 0.01
    assert (back[~inside] < told["least"]).all()
    assert (back[inside] > told["least"]).all()
    anatomy = decoded(by_kind(item, "anatomy")[0])
    assert (np.asarray(anatomy.dataobj)[~inside] < by_kind(item, "anatomy")[0]["least"]).all(), "a head could be a face"
    assert anatomy.header["descrip"].item() == b""


def test_what_does_not_fit_becomes_coarser_and_then_a_gap():
    analysis = analysis_of(size=32)
    noise = 1 + 0.1 * np.random.default_rng(0).standard_normal(analysis.brain.shape)
    overlay = Overlay("DVR", "measured", noise, analysis.brain, low=0.8, high=1.4)
    classes = Overlay("Change", "measured", analysis.lesions * 3, palette=CHANGE)
    whole = viewer(analysis, [overlay, classes])
    assert not whole.coarser
    assert whole.voxels == "2 x 2 x 2 mm"
    largest = int(whole.size_mb * 1e6) - 1
    small = viewer(analysis, [overlay, classes], largest=largest)
    assert small.coarser
    assert small.voxels == "2.5 x 2.5 x 2.5 mm"
    assert small.size_mb * 1e6 <= largest
    labels = np.unique(np.asarray(decoded(by_kind(small, "overlay")[1]).dataobj))
    assert labels.tolist() == [0, 3], "labels are never averaged"
    nothing = viewer(analysis, [overlay], largest=1000)
    assert isinstance(nothing, Gap)
    assert "more than the 0.0 MB" in nothing.why


def test_one_lesion_voxel_and_none():
    one = analysis_of(lesion=(-9.0, 7.0, 9.0))
    one.lesions[:] = False
    one.lesions[8, 15, 16] = True
    item = viewer(one, [])
    assert decoded(by_kind(item, "outline")[0]).get_fdata().sum() == 6
    one.lesions[:] = False
    assert not by_kind(viewer(one, []), "outline")


def test_a_patients_overlays_are_the_maps_of_the_page(study):
    analysis = Analysis.of(study.layout, "001", "refiner-cf-sagan-nwl1")
    overlays = overlays_of(analysis, "refiner-cf-sagan-nwl1")
    names = [(overlay.group, overlay.name) for overlay in overlays]
    assert len(set(names)) == len(names)
    assert {("DVR", f"{side}, {ses}") for side in ("measured", "predicted") for ses in ("t0", "t1")} <= set(names)
    assert {("Change", "measured"), ("Change", "predicted"), ("Demyelinated", "both, t1")} <= set(names)
    both = next(overlay for overlay in overlays if overlay.name == "both, t0")
    assert both.palette == AGREEMENT
    assert set(np.unique(both.data[analysis.lesions])) <= {1, 2, 3, 4}
    assert not both.data[~analysis.lesions].any()
    first, again = (json.dumps(viewer(analysis, overlays).record) for _ in range(2))
    assert first == again
