"""The pictures of one patient: DVR maps, agreement of demyelinated voxels, change classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.index import BASELINE, FOLLOW_UP
from myelosynth.bids.layout import Layout
from myelosynth.images.grid import Grid
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_mask, load_volume, open_image
from myelosynth.myelin.maps import CLASSES
from myelosynth.reports.mosaic import Bar, Row, mosaic
from myelosynth.reports.page import Gap, Picture
from myelosynth.reports.slices import Box, Cut, Layer, box_of, closest_ras, fullest_cuts, window
from myelosynth.reports.systems import system as named

AGREEMENT = (
    ("#FFD92F", "both demyelinated"),
    ("#FFFFFF", "neither"),
    ("#D7301F", "only in the predicted map"),
    ("#2171B5", "only in the measured map"),
)
DEMYELINATED = (("#D7301F", "demyelinated"), ("#FFFFFF", "other lesion voxels"))
CHANGE = tuple((colour, words) for words, _, colour in CLASSES.values())
_DIM = 1.8
_NO_LESIONS = "there is no baseline lesion, so nothing to map"
DIFFERENCE = 0.2  # DVR; limits of the difference map
MAPS, DIFFERENCES = "viridis", "PuOr_r"


@dataclass(frozen=True, eq=False)
class Analysis:
    """The analysis grid of a patient in closest RAS order: background, its name, brain and lesions (X, Y, Z)."""

    layout: Layout
    sub: str
    grid: Grid
    sizes: tuple[float, float, float]
    background: NDArray
    background_name: str
    brain: NDArray[np.bool_]
    lesions: NDArray[np.bool_]

    @classmethod
    def of(cls, layout: Layout, sub: str, system: str) -> "Analysis | None":
        """Load what the grid carries; None when there is neither a measured nor a predicted DVR at baseline."""
        references = (layout.source(sub, BASELINE, "DVR"), layout.prediction(system, sub, BASELINE))
        reference = next((path for path in references if path.is_file()), None)
        if reference is None:
            return None
        dvr = load_volume(reference)
        name, background = _background(layout, sub, dvr.grid, dvr.data)
        brain_path = layout.brain_mask(sub, BASELINE, space=layout.space)
        brain = load_mask(brain_path, dvr.grid, reference) if brain_path.is_file() else dvr.data > 0
        lesion_path = layout.label_mask(sub, BASELINE, "L", space=layout.space)
        lesions = np.zeros_like(brain)
        if lesion_path.is_file():
            lesions = load_mask(lesion_path, dvr.grid, reference, allow_empty=True, labels=True)
        _, sizes = closest_ras(brain, dvr.grid)
        shown = (closest_ras(data, dvr.grid)[0] for data in (brain, lesions))
        return cls(layout, sub, dvr.grid, sizes, closest_ras(background, dvr.grid)[0], name, *shown)

    def volume(self, path: Path) -> NDArray | None:
        """A map of this grid in RAS order; None when it is not there. Raises InputError for another grid."""
        if not path.is_file():
            return None
        volume = load_volume(path)
        self.grid.require(volume.grid, path, "the baseline DVR")
        return closest_ras(volume.data, self.grid)[0]

    def labels(self, path: Path) -> NDArray | None:
        """A mask or dseg of this grid in RAS order, perhaps empty; None when it is not there."""
        if not path.is_file():
            return None
        image = open_image(path)
        self.grid.require(Grid.of(image), path, "the baseline DVR")
        return closest_ras(np.asarray(image.dataobj).astype(np.uint8), self.grid)[0]

    def cuts(self, box: Box, number: int) -> list[Cut]:
        """Axial cuts with most lesion, at least 6 mm apart."""
        where = self.lesions if self.lesions.any() else self.brain
        return fullest_cuts(where[box], 2, number, gap=max(1, round(6 / self.sizes[2])))

    def base(self, box: Box, dim: float = 1.0) -> Layer:
        """The background; `dim` widens its grey window, so that white labels stand out."""
        low, high = window(self.background, self.brain)
        return Layer("image", self.background[box], low=low, high=low + dim * (high - low))

    def outline(self, box: Box, colour: str = "white") -> Layer:
        return Layer("outline", self.lesions[box], colour=colour, width=0.7)


def _background(layout: Layout, sub: str, grid: Grid, dvr: NDArray) -> tuple[str, NDArray]:
    """T1w pulled onto the analysis grid, else MTR, else the DVR itself."""
    t1w, xfm = layout.anat(sub, BASELINE, "T1w"), layout.transform(sub, BASELINE, "T1w", layout.space)
    if t1w.is_file() and xfm.is_file():
        volume = load_volume(t1w)
        return "T1w", resample(volume.data, volume.grid, grid, LinearTransform.read(xfm))
    mtr = layout.source(sub, BASELINE, "MTR")
    if mtr.is_file():
        volume = load_volume(mtr)
        grid.require(volume.grid, mtr, "the baseline DVR")
        return "MTR", volume.data
    return "DVR", dvr


def dvr_maps(analysis: Analysis, system: str) -> Picture | Gap:
    """Anatomy with lesions, then measured and predicted DVR of each session in one colour scale, and differences."""
    layout, sub = analysis.layout, analysis.sub
    measured = {s: analysis.volume(layout.source(sub, s, "DVR")) for s in (BASELINE, FOLLOW_UP)}
    predicted = {s: analysis.volume(layout.prediction(system, sub, s)) for s in (BASELINE, FOLLOW_UP)}
    images = [
        (f"{words} DVR, {ses}", found[ses])
        for ses in (BASELINE, FOLLOW_UP)
        for words, found in (("Measured", measured), ("Predicted", predicted))
    ]
    present = [(label, data) for label, data in images if data is not None]
    if not present:
        return Gap("DVR maps", "neither a measured nor a predicted DVR is there")
    box = box_of(analysis.brain, analysis.sizes, 3)
    cuts = analysis.cuts(box, 5)
    low, high = dvr_scale([data for _, data in present], analysis.brain)
    shown, outline = analysis.brain[box], analysis.outline(box)
    rows = [Row(f"{analysis.background_name} of t0 with lesion outline", cuts, [analysis.base(box), outline])]
    for label, data in present:
        rows.append(Row(label, cuts, [Layer("image", data[box], MAPS, low, high, shown), outline]))
    bars = [Bar("DVR (ratio, no unit)", MAPS, low, high, 1, len(rows) - 1)]
    first = len(rows)
    for ses in (BASELINE, FOLLOW_UP):
        a, b = measured[ses], predicted[ses]
        if a is not None and b is not None:
            layer = Layer("image", (b - a)[box], DIFFERENCES, -DIFFERENCE, DIFFERENCE, shown)
            rows.append(Row(f"Predicted minus measured DVR, {ses}", cuts, [layer, analysis.outline(box, "#00E676")]))
    if len(rows) > first:
        bars.append(Bar("difference in DVR", DIFFERENCES, -DIFFERENCE, DIFFERENCE, first, len(rows) - 1))
    caption = (
        f"Axial slices with most lesion. All DVR maps share one colour scale, {low:.2f} to {high:.2f}. "
        f"The outline is the baseline lesion mask."
    )
    alt = f"measured and predicted DVR maps; rows from top to bottom: {', '.join(row.label for row in rows)}"
    return Picture(mosaic(rows, analysis.sizes, bars=bars), alt, caption)


def dvr_scale(images: Sequence[NDArray], brain: NDArray[np.bool_]) -> tuple[float, float]:
    """10th to 99.5th percentile within the brain over all images, rounded outwards to .05.

    The lower end leaves out CSF and its edges, so that the colours are spent on tissue.
    """
    values = np.concatenate([image[brain & (image > 0)] for image in images])
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, (10, 99.5))
    return float(np.floor(low * 20) / 20), float(np.ceil(high * 20) / 20)


def agreement_maps(analysis: Analysis, systems: Sequence[str]) -> Picture | Gap:
    """Demyelinated voxels of each system against the measured PET, as figure 3B of wei2020."""
    if not analysis.lesions.any():
        return Gap("agreement of demyelinated voxels", _NO_LESIONS)
    rows: list[Row] = []
    told: list[str] = []
    box = box_of(analysis.lesions, analysis.sizes, 12)
    cuts = analysis.cuts(box, 4)
    for ses in (BASELINE, FOLLOW_UP):
        truth = analysis.labels(analysis.layout.demyelinated("true", analysis.sub, ses))
        for system in systems:
            found = analysis.labels(analysis.layout.demyelinated(system, analysis.sub, ses))
            if truth is None or found is None:
                continue
            classes = agreement_classes(truth > 0, found > 0, analysis.lesions)
            label = f"{named(system).name} against measured PET, {ses}"
            layer = Layer("labels", classes[box], palette=tuple(c for c, _ in AGREEMENT))
            rows.append(Row(label, cuts, [analysis.base(box, _DIM), layer]))
            told.append(f"{label}: {_counted(classes, AGREEMENT)}")
    if not rows:
        return Gap("agreement of demyelinated voxels", "maps from measured and predicted PET are not both there")
    alt = f"demyelinated voxels, measured against predicted; {'; '.join(told)}"
    return Picture(mosaic(rows, analysis.sizes, highest=2.2), alt)


def _counted(classes: NDArray, key: Sequence[tuple[str, str]]) -> str:
    """How many voxels have each label (from 1) of a colour key, in words."""
    counts = np.bincount(classes.ravel().astype(int), minlength=len(key) + 1)[1:]
    return ", ".join(f"{n} voxels {words}" for n, (_, words) in zip(counts, key, strict=False))


def agreement_classes(
    measured: NDArray[np.bool_], predicted: NDArray[np.bool_], lesions: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Labels (X, Y, Z) of lesion voxels in the order of AGREEMENT from 1; 0 elsewhere."""
    found = [measured & predicted, ~measured & ~predicted, predicted & ~measured, measured & ~predicted]
    return np.select([lesions & where for where in found], [1, 2, 3, 4], 0).astype(np.uint8)


def change_maps(analysis: Analysis, systems: Sequence[str]) -> Picture | Gap:
    """Change classes between t0 and t1 from each system, as figure 6 of wei2020."""
    if not analysis.lesions.any():
        return Gap("change between t0 and t1", _NO_LESIONS)
    box = box_of(analysis.lesions, analysis.sizes, 12)
    cuts = analysis.cuts(box, 4)
    rows, told = [Row(f"{analysis.background_name} of t0", cuts, [analysis.base(box)])], list[str]()
    for system in systems:
        classes = analysis.labels(analysis.layout.change(system, analysis.sub, FOLLOW_UP))
        if classes is not None:
            layer = Layer("labels", classes[box], palette=tuple(colour for colour, _ in CHANGE))
            rows.append(Row(named(system).name, cuts, [analysis.base(box, _DIM), layer]))
            told.append(f"{named(system).name}: {_counted(classes, CHANGE)}")
    if len(rows) == 1:
        return Gap("change between t0 and t1", "no change map: the follow-up PET or its prediction is not there")
    alt = f"demyelinating and remyelinating lesion voxels; {'; '.join(told)}"
    return Picture(mosaic(rows, analysis.sizes, highest=2.2), alt)
