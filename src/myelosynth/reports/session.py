"""The QC page of one session."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.index import BASELINE, CONTRASTS, COVERS, TARGET, SessionIndex
from myelosynth.bids.layout import Layout
from myelosynth.bids.ready import READY
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume, open_image
from myelosynth.reports.mosaic import Row, mosaic
from myelosynth.reports.page import Gap, Picture, write_page
from myelosynth.reports.registration import pairs, transform_table
from myelosynth.reports.sidecars import engine_of, partial_volume_of, record_of
from myelosynth.reports.simulated import is_simulated
from myelosynth.reports.slices import (
    CONVENTION,
    Layer,
    box_of,
    closest_ras,
    even_cuts,
    fullest_cuts,
    window,
)
from myelosynth.reports.strip import strip
from myelosynth.reports.tables import Table, number

TISSUES = (("CSF", "#56B4E9"), ("GM", "#D55E00"), ("WM", "#F0E442"))
LESION_COLOUR = "#F0E442"
USUAL = {  # wide on purpose: what falls outside deserves a look, not a verdict
    "Brain volume": (1000.0, 1700.0),
    "Left-right symmetry of the brain mask": (0.9, 1.0),
    "CSF volume": (50.0, 450.0),
    "Grey matter volume": (400.0, 900.0),
    "White matter volume": (300.0, 750.0),
}


def write_session_page(layout: Layout, raw_root: Path, index: SessionIndex, sub: str, ses: str, out: Path) -> None:
    """Write the QC page of a session; what is missing is listed on the page. Raises InputError for unreadable files."""
    pictures: dict[str, Picture | None] = {}
    gaps: list[Gap] = []
    for name, draw in (("brain", brain_outline), ("tissue", tissue_contours), ("lesions", _lesions)):
        drawn = draw(layout, sub, ses)
        if isinstance(drawn, Gap):
            gaps.append(drawn)
            pictures[name] = None
        else:
            pictures[name] = drawn
    registrations, missing = pairs(layout, index, sub, ses)
    write_page(
        out,
        "session.html",
        is_simulated(layout.root, raw_root),
        title=f"Quality control: sub-{sub}, ses-{ses}",
        convention=CONVENTION,
        pictures=pictures,
        registrations=registrations,
        gaps=[*gaps, *missing],
        contrasts=contrast_table(layout, index, sub, ses),
        transforms=transform_table(layout, sub, ses),
        numbers=number_table(layout, sub, ses),
    )


def mirror_dice(mask: NDArray[np.bool_]) -> float:
    """Left-right symmetry of a mask (X, Y, Z) in RAS order: the best DICE with its mirror image over sagittal planes.

    1 is symmetric; a mask that lost or gained a piece on one side falls below.
    """
    columns = mask.reshape(mask.shape[0], -1).astype(np.float32)
    overlaps = columns @ columns.T
    # the mirror about plane s/2 maps column i to s - i: sum the overlap of all such pairs
    size = mask.shape[0]
    best = max(float(np.trace(overlaps[::-1], offset=s)) for s in range(-size + 1, size))
    return best / float(columns.sum()) if columns.any() else 0.0


def number_table(layout: Layout, sub: str, ses: str) -> Table:
    """Volumes of brain, tissues and lesions, and the brain mask's symmetry; rows out of the usual range are marked."""
    found: list[tuple[str, float, str]] = []
    quality: dict[str, Any] = {}
    path = layout.brain_mask(sub, ses)
    if path.is_file():
        brain, grid = load_mask(path), Grid.of(open_image(path))
        found.append(("Brain volume", brain.sum() * grid.voxel_volume / 1000, "ml"))
        found.append(("Left-right symmetry of the brain mask", mirror_dice(closest_ras(brain, grid)[0]), "DICE"))
        quality = record_of(path).get("QualityControl", {})
    for label, words in (("CSF", "CSF volume"), ("GM", "Grey matter volume"), ("WM", "White matter volume")):
        path = layout.probseg(sub, ses, label)
        if path.is_file():
            volume = load_volume(path)
            found.append((words, float(volume.data.sum()) * volume.grid.voxel_volume / 1000, "ml"))
    path = layout.label_mask(sub, ses, "L", desc="manual")
    if path.is_file():
        lesions, grid = load_mask(path, allow_empty=True, labels=True), Grid.of(open_image(path))
        found.append(("Lesion load in T1w space", lesions.sum() * grid.voxel_volume / 1000, "ml"))
    rows, classes = [], []
    for words, value, unit in found:
        low, high = USUAL.get(words, (0.0, float("inf")))
        usual = f"{low:g} to {high:g}" if words in USUAL else ""
        rows.append([words, number(value, 1 if unit == "ml" else 3), unit, usual])
        classes.append("" if low <= value <= high else "warn")
    if quality:
        faults = "; ".join(quality.get("Faults", []))
        told = "passed" if quality.get("Passed") else f"NOT passed, kept as configured: {faults}"
        rows.append(["Plausibility gate of the brain mask", told, "", "passed"])
        classes.append("" if quality.get("Passed") else "warn")
    return Table(("Quantity", "Value", "Unit", "Usual in adults"), rows, "Numbers of this session", classes)


def contrast_table(layout: Layout, index: SessionIndex, sub: str, ses: str) -> Table:
    """What the session has, what became of it, and what was skipped and why."""
    listed = {r.contrast: r for r in index.rows if r.participant_id == f"sub-{sub}" and r.session_id == f"ses-{ses}"}
    maps = {"MTon": "MTR", "MToff": "MTR", "DWI": "FA", "PET": "DVR"}
    products = {
        "T1w": layout.anat(sub, ses, "T1w"),
        "T2w": layout.anat(sub, ses, "T2w", "T1w"),
        "FLAIR": layout.anat(sub, ses, "FLAIR", "T1w"),
        "lesions": layout.label_mask(sub, ses, "L", desc="manual"),
        **dict.fromkeys(("MTon", "MToff"), layout.work(sub, ses, "mtr.nii.gz")),
        "DWI": layout.work(sub, ses, "tensor/fa.nii.gz"),
        "PET": layout.source(sub, ses, "DVR") if ses == BASELINE else layout.work(sub, ses, "dvr.nii.gz"),
    }
    rows, classes = [], []
    for contrast in CONTRASTS:
        product = products[contrast]
        there = contrast in listed and listed[contrast].status == "present"
        covering = [name for name, images in COVERS.items() if contrast in images]
        given = [name for name in covering if name in listed]
        if product.is_file():
            carried = " (from the baseline)" if contrast == "lesions" and not there else ""
            record = record_of(product)
            state, why = "processed" + carried, engine_of(record)
            if record.get("Ready"):
                state, why = f"ready {maps[contrast]} map", "given by the data set"
            if contrast == "lesions" and index.lesions_in_t1w(sub):
                why += "; drawn on the T1w: no transform of the FLAIR"
            if "EPIDistortion" in record:
                why += f"; EPI distortion: {record['EPIDistortion']}"
            if record.get("PartialVolumeCorrected") is False:
                why += f"; partial volume: {partial_volume_of(record)}"
        elif contrast in maps and not there and layout.source(sub, ses, maps[contrast]).is_file():
            state, why = f"ready {maps[contrast]} map", engine_of(record_of(layout.source(sub, ses, maps[contrast])))
        elif given and (not there or given == covering):
            state = f"ready {', '.join(given)} used" if there else "not needed"
            why = f"{', '.join(given)} ready, given by the data set"
        elif there:
            state, why = "not processed", "the image is in the data set, its result is not in the results folder"
        else:
            state = "skipped"
            why = "absent from the data set" if contrast in listed else "not expected of this session"
        rows.append([contrast, "present" if there else "absent", state, why])
        classes.append({"skipped": "skipped", "not processed": "warn"}.get(state, ""))
    for kind in READY:
        if kind in listed:
            used = kind != "reference" or _reference_given(layout, sub, ses)
            told = "its step was skipped" if used else "the configuration has another pet.reference"
            told += "; partial volume: unknown" if kind == TARGET else ""
            rows.append([kind, "ready", "used" if used else "not used", f"ready, given by the data set: {told}"])
            classes.append("" if used else "skipped")
    heads = ("Contrast", "In the data set", "Result", "Engine, or why it was skipped")
    return Table(heads, rows, "What was processed and what was skipped", classes, text_columns=4)


def _reference_given(layout: Layout, sub: str, ses: str) -> bool:
    """Whether the PET's reference region of the session is a given one."""
    record = record_of(layout.work(sub, ses, "pet_reference_mask.nii.gz"))
    return record.get("Settings", {}).get("method") == "given"


def brain_outline(layout: Layout, sub: str, ses: str, short: bool = False) -> Picture | Gap:
    """The brain mask over the T1w, a row for each plane, or all planes in one small row."""
    t1w, mask = layout.anat(sub, ses, "T1w"), layout.brain_mask(sub, ses)
    if not (t1w.is_file() and mask.is_file()):
        return Gap("brain mask over T1w", "the preprocessed T1w or its brain mask is not there")
    volume = load_volume(t1w)
    brain, sizes = closest_ras(load_mask(mask, volume.grid, t1w), volume.grid)
    box = box_of(brain, sizes, 18)
    brain, data = brain[box], closest_ras(volume.data, volume.grid)[0][box]
    low, high = window(data, brain)
    layers = [Layer("image", data, low=low, high=high), Layer("outline", brain, colour=LESION_COLOUR)]
    rows = [
        Row(words, even_cuts(brain, axis, number), layers)
        for words, axis, number in (("Axial", 2, 7), ("Coronal", 1, 7), ("Sagittal", 0, 5))
    ]
    few = [*even_cuts(brain, 2, 3), *even_cuts(brain, 1, 2), *even_cuts(brain, 0, 1)]
    drawn = strip(few, layers, sizes) if short else mosaic(rows, sizes, highest=1.9)
    caption = "Brain-mask outline (yellow) over the bias-corrected T1w."
    return Picture(drawn, "brain mask outline over T1w in three planes", caption)


def tissue_contours(layout: Layout, sub: str, ses: str, short: bool = False) -> Picture | Gap:
    """The edges of CSF, grey and white matter over the T1w, a row for each of two planes, or one small row."""
    t1w, mask = layout.anat(sub, ses, "T1w"), layout.brain_mask(sub, ses)
    found = [(layout.probseg(sub, ses, label), colour) for label, colour in TISSUES]
    if not (t1w.is_file() and mask.is_file() and all(path.is_file() for path, _ in found)):
        return Gap("tissue contours over T1w", "the T1w, its brain mask or a tissue fraction is not there")
    volume = load_volume(t1w)
    brain, sizes = closest_ras(load_mask(mask, volume.grid, t1w), volume.grid)
    box = box_of(brain, sizes, 6)
    data = closest_ras(volume.data, volume.grid)[0][box]
    low, high = window(data, brain[box])
    layers = [Layer("image", data, low=low, high=high)]
    for path, colour in found:
        fraction = load_volume(path)
        volume.grid.require(fraction.grid, path, t1w)
        layers.append(Layer("outline", closest_ras(fraction.data, volume.grid)[0][box], colour=colour, width=0.6))
    rows = [
        Row("Axial", even_cuts(brain[box], 2, 4, 0.5), layers),
        Row("Coronal", even_cuts(brain[box], 1, 4, 0.5), layers),
    ]
    few = [*even_cuts(brain[box], 2, 3, 0.5), *even_cuts(brain[box], 1, 2, 0.4)]
    drawn = strip(few, layers, sizes) if short else mosaic(rows, sizes)
    caption = "Tissue contours where a fraction is 0.5: CSF blue, grey matter vermilion, white matter yellow."
    return Picture(drawn, "CSF, grey and white matter contours over T1w", caption)


def _lesions(layout: Layout, sub: str, ses: str) -> Picture | Gap:
    mask, t1w = layout.label_mask(sub, ses, "L", desc="manual"), layout.anat(sub, ses, "T1w")
    if not (mask.is_file() and t1w.is_file()):
        return Gap("lesions over FLAIR and T1w", "no lesion mask in T1w space for this session")
    volume = load_volume(t1w)
    grid = volume.grid
    lesions, sizes = closest_ras(load_mask(mask, grid, t1w, allow_empty=True, labels=True), grid)
    frame = layout.brain_mask(sub, ses)
    brain = closest_ras(load_mask(frame, grid, t1w), grid)[0] if frame.is_file() else np.ones_like(lesions)
    box = box_of(brain, sizes, 6)
    cuts = fullest_cuts(lesions[box], 2, 5, gap=max(1, round(6 / sizes[2])))
    outline = Layer("outline", lesions[box], colour=LESION_COLOUR, width=0.7)
    rows, t1w_window = [], None
    for words, path, with_outline in _lesion_images(layout, sub, ses):
        image = load_volume(path)
        grid.require(image.grid, path, t1w)
        data = closest_ras(image.data, grid)[0][box]
        low, high = window(data, brain[box])
        if "T1w" in words:  # both T1w rows share one window, or filling would look like a change of contrast
            t1w_window = t1w_window or (low, high)
            low, high = t1w_window
        rows.append(Row(words, cuts, [Layer("image", data, low=low, high=high), *([outline] if with_outline else [])]))
    empty = "" if lesions.any() else " The mask is empty: no lesion voxel in this session."
    return Picture(mosaic(rows, sizes), "lesion outlines", f"Lesion outline (yellow), slices with most lesion.{empty}")


def _lesion_images(layout: Layout, sub: str, ses: str) -> list[tuple[str, Path, bool]]:
    t1w = layout.anat(sub, ses, "T1w")
    rows = [("FLAIR with lesion outline", layout.anat(sub, ses, "FLAIR", "T1w"), True)]
    rows.append(("T1w with lesion outline", t1w, True))
    rows.append(("Lesion-filled T1w", layout.anat(sub, ses, "T1w", desc="filled"), False))
    return [row for row in rows if row[1].is_file()]
