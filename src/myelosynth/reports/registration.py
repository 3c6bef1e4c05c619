"""The registrations of one session: the moving image over the fixed outline, before and after, and their numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.index import BASELINE, SessionIndex
from myelosynth.bids.layout import APPLIED_SPACE, MEASURED_SPACE, Layout
from myelosynth.bids.names import entities_of, sidecar_path
from myelosynth.bids.ready import READY
from myelosynth.bids.sidecar import read_json
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_mask, load_volume, open_image
from myelosynth.reports.mosaic import Row, mosaic
from myelosynth.reports.page import Gap, Picture
from myelosynth.reports.sidecars import engine_of, record_of
from myelosynth.reports.slices import Box, Layer, box_of, closest_ras, even_cuts, window
from myelosynth.reports.strip import strip
from myelosynth.reports.tables import MISSING, Table, number, word

EARLY_SECONDS = 600.0
_LEAST = 1.9  # mm between the voxels that small pictures are drawn from
_CONTRASTS = {"flair": "FLAIR", "t2": "T2w", "mt": "MToff", "dwi": "DWI", "b0": "DWI", "pet": "PET", "dvr": "PET"}
_MADE = {"DWI": "b0", "PET": "petref"}
_WORDS = {"MToff": "MT off", "DWI": "DWI, mean of b = 0", "PET": f"PET, mean of the first {EARLY_SECONDS / 60:.0f} min"}


@dataclass(frozen=True)
class Pair:
    """One registration seen before (scanner headers only) and after."""

    label: str
    before: Picture
    after: Picture


@dataclass(frozen=True, eq=False)
class Fixed:
    """The fixed image's grid with its brain mask and, where there is one, its white matter (X, Y, Z)."""

    grid: Grid
    brain: NDArray[np.bool_]
    white: NDArray[np.bool_] | None

    def coarser(self, least_mm: float) -> "Fixed":
        """Every n-th voxel along each axis, so that they are about `least_mm` apart; itself where they are already."""
        steps = [max(1, round(least_mm / size)) for size in self.grid.voxel_sizes]
        every = tuple(slice(None, None, step) for step in steps)
        brain = self.brain[every]
        affine = self.grid.affine @ np.diag([*steps, 1.0])
        return Fixed(Grid(brain.shape, affine), brain, None if self.white is None else self.white[every])


def fixed_of(layout: Layout, sub: str, ses: str) -> Fixed | None:
    """The T1w space of a session, from its brain mask and WM mask; None without a brain mask."""
    path = layout.brain_mask(sub, ses)
    if not path.is_file():
        return None
    grid = Grid.of(open_image(path))
    white = layout.probseg(sub, ses, "WM")
    return Fixed(grid, load_mask(path), load_mask(white, grid, path) if white.is_file() else None)


def transforms(layout: Layout, sub: str, ses: str) -> list[Path]:
    """Every transform filed under the session, in name order; without the chain to the analysis grid.

    That is made after the session's page, or before it: the page is the same.
    """
    folder = layout.transform(sub, ses, "x", "y").parent
    chains = {layout.transform(sub, ses, "T1w", space) for space in (MEASURED_SPACE, APPLIED_SPACE)}
    return sorted(set(folder.glob(f"sub-{sub}_ses-{ses}_from-*_xfm.txt")) - chains)


def contrast_of(source: str) -> str | None:
    """The contrast of the session index that a transform's `from` label speaks of.

    >>> contrast_of("petref"), contrast_of("T2w"), contrast_of("T1wt1")
    ('PET', 'T2w', None)
    """
    return next((contrast for part, contrast in _CONTRASTS.items() if part in source.lower()), None)


def pairs(layout: Layout, index: SessionIndex, sub: str, ses: str, short: bool = False) -> tuple[list[Pair], list[Gap]]:
    """Before and after pictures of every registration of the session onto its T1w, and onto the baseline T1w.

    short: small pictures, drawn fast.
    """
    shown: list[Pair] = []
    gaps: list[Gap] = []
    here = fixed_of(layout, sub, ses)
    for path in transforms(layout, sub, ses):
        source, target = (entities_of(path)[key] for key in ("from", "to"))
        contrast = contrast_of(source)
        if target == "T1w" and contrast:
            fixed, image = here, made_image(layout, sub, ses, contrast, path)
            image = image or moving_image(index, sub, ses, contrast)
            label = f"{_WORDS.get(contrast, contrast)} to T1w"
            if image is None and (ready := ready_image(layout, sub, ses, path)):
                image, label = ready[1], f"Ready {ready[0]} to T1w"
        elif source == f"T1w{ses}" and target == f"T1w{BASELINE}":
            fixed, image = fixed_of(layout, sub, BASELINE), preprocessed_t1w(layout, sub, ses)
            label = f"T1w of {ses} to T1w of {BASELINE}"
        else:
            continue
        if fixed is None or image is None:
            what = "brain mask of the fixed T1w" if fixed is None else "moving image"
            gaps.append(Gap(f"picture of {source} to {target}", f"the {what} is not there"))
            continue
        shown.append(_pair(label, image, fixed.coarser(_LEAST) if short else fixed, LinearTransform.read(path), short))
    return shown, gaps


def made_image(layout: Layout, sub: str, ses: str, contrast: str, transform: Path) -> tuple[NDArray, Grid] | None:
    """What was registered itself where it was made of a raw series: the mean b = 0, the early PET; None if absent."""
    made = layout.work(sub, ses, f"{_MADE.get(contrast)}.nii.gz")
    straight = record_of(made).get("EPIDistortion", "").startswith("corrected")
    if not made.is_file() or not (straight or record_of(transform).get("Moving") == made.name):
        return None
    volume = load_volume(made)
    return volume.data, volume.grid


def moving_image(index: SessionIndex, sub: str, ses: str, contrast: str) -> tuple[NDArray, Grid] | None:
    """The raw image that was registered: one volume (X, Y, Z); b = 0 mean of DWI, early mean of PET; None if absent."""
    if not index.has(sub, ses, contrast) or not index.path(sub, ses, contrast).is_file():
        return None
    path = index.path(sub, ses, contrast)
    if contrast not in ("DWI", "PET"):
        volume = load_volume(path)
        return volume.data, volume.grid
    image = open_image(path)
    chosen = _b0_volumes(path) if contrast == "DWI" else _early_frames(path)
    inside = [n for n in chosen if n < image.shape[3]] or [0]
    data = np.mean([np.asarray(image.dataobj[..., n], np.float32) for n in inside], axis=0)
    return data, Grid.of(image)


def ready_image(layout: Layout, sub: str, ses: str, transform: Path) -> tuple[str, tuple[NDArray, Grid]] | None:
    """The ready map that was registered itself, its raw image being absent: its kind, values (X, Y, Z) and grid."""
    moved = record_of(transform).get("Moving")
    for kind in READY:
        path = layout.work(sub, ses, f"ready/{kind}.nii.gz")
        if path.name == moved and path.is_file():
            volume = load_volume(path)
            return kind, (volume.data, volume.grid)
    return None


def preprocessed_t1w(layout: Layout, sub: str, ses: str) -> tuple[NDArray, Grid] | None:
    """The preprocessed T1w (X, Y, Z) with its grid; None if absent."""
    path = layout.anat(sub, ses, "T1w")
    if not path.is_file():
        return None
    volume = load_volume(path)
    return volume.data, volume.grid


def _b0_volumes(path: Path) -> list[int]:
    bvals = path.with_name(path.name.replace(".nii.gz", ".bval"))
    if not bvals.is_file():
        return [0]
    try:
        return [n for n, b in enumerate(bvals.read_text().split()) if float(b) < 50]
    except ValueError as fault:
        raise InputError("b-values unreadable", bvals, str(fault), "write numbers separated by blanks") from fault


def _early_frames(path: Path) -> list[int]:
    sidecar = sidecar_path(path)
    starts = read_json(sidecar).get("FrameTimesStart", [0.0]) if sidecar.is_file() else [0.0]
    return [n for n, start in enumerate(starts) if float(start) < EARLY_SECONDS]


def _pair(label: str, image: tuple[NDArray, Grid], fixed: Fixed, transform: LinearTransform, short: bool) -> Pair:
    brain, sizes = closest_ras(fixed.brain, fixed.grid)
    box = box_of(brain, sizes, 8)
    uris = []
    for pull in (LinearTransform.identity(), transform):
        uris.append(_over(resample(image[0], image[1], fixed.grid, pull), fixed, box, sizes, short))
    return Pair(
        label,
        Picture(uris[0], f"{label}, before registration: image with the outline of the fixed brain"),
        Picture(uris[1], f"{label}, after registration: image with the outline of the fixed brain"),
    )


def _over(moving: NDArray, fixed: Fixed, box: Box, sizes: Sequence[float], short: bool) -> str:
    data, brain = closest_ras(moving, fixed.grid)[0][box], closest_ras(fixed.brain, fixed.grid)[0][box]
    low, high = window(data)
    layers = [Layer("image", data, low=low, high=high)]
    if fixed.white is not None:
        layers.append(Layer("outline", closest_ras(fixed.white, fixed.grid)[0][box], colour="#56B4E9", width=0.6))
    layers.append(Layer("outline", brain, colour="#F0E442"))
    cuts = [*even_cuts(brain, 2, 2, 0.35), *even_cuts(brain, 1, 2, 0.35), *even_cuts(brain, 0, 1, 0.35)]
    return strip(cuts, layers, sizes) if short else mosaic([Row("", cuts, layers)], sizes, highest=2.0)


def transform_table(layout: Layout, sub: str, ses: str) -> Table:
    """Engine, costs and fallback of every transform of the session, from their sidecars."""
    rows, classes = [], []
    for path in transforms(layout, sub, ses):
        record = record_of(path)
        fallback = record.get("Fallback")
        told = f"yes: {record.get('FallbackReason') or 'no reason recorded'}" if fallback else "no"
        rows.append(
            [
                f"{entities_of(path)['from']} to {entities_of(path)['to']}",
                engine_of(record) or "not recorded",
                MISSING if fallback is None else told,
                word(record.get("Cost")),
                number(record.get("CostBefore"), 4),
                number(record.get("CostAfter"), 4),
            ]
        )
        classes.append("warn" if fallback else "")
    notes = (
        "Lower cost is better. Fallback: the boundary-based result was rejected and the rigid start was kept. "
        "Transforms without costs are chains of others.",
    )
    heads = ("Transform", "Engine", "Fallback", "Cost", "Cost before", "Cost after")
    return Table(heads, rows, "Registrations of this session", classes, notes, text_columns=4)
