"""How the images of a patient were acquired, from the raw sidecars and headers."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from myelosynth.bids.index import BASELINE, CONTRASTS, FOLLOW_UP, SessionIndex, read_table
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid, edges_in_words
from myelosynth.images.volume import open_image
from myelosynth.reports.page import Gap
from myelosynth.reports.sidecars import record_of
from myelosynth.reports.tables import MISSING, Table

_MONTH = 30.4375  # days


def acquisition_table(index: SessionIndex, sub: str) -> Table | Gap:
    """One row an image of the raw data set: scanner, sequence, timing, voxels; dose and frames of the PET.

    index: read with the raw data set as its root.
    """
    rows = []
    for ses in index.sessions(sub):
        for contrast in CONTRASTS:
            if contrast == "lesions" or not index.has(sub, ses, contrast):
                continue
            path = index.path(sub, ses, contrast)
            if not path.is_file():
                continue
            record = record_of(path)
            cells = [_scanner(record), _sequence(record), _timing(record), _voxels(path)]
            rows.append([ses, contrast, *cells])
    if not rows:
        return Gap("acquisition", "the raw images are not there")
    heads = ("Session", "Image", "Scanner", "Sequence", "Timing", "Voxels")
    notes = (f"From the JSON sidecars and headers of the data set; {interval_words(index.root, sub)}",)
    return Table(heads, rows, "Images of the data set", notes=notes, text_columns=6)


def interval_words(raw: Path, sub: str) -> str:
    """How far t0 and t1 lie apart by sub-LABEL_sessions.tsv, in words."""
    path = raw / f"sub-{sub}" / f"sub-{sub}_sessions.tsv"
    unknown = "the time between t0 and t1 is not known (no sessions.tsv with acq_time)."
    if not path.is_file():
        return unknown
    try:
        rows = read_table(path, ("session_id", "acq_time"))
        days = {row["session_id"]: date.fromisoformat(row["acq_time"][:10]) for row in rows}
        months = (days[f"ses-{FOLLOW_UP}"] - days[f"ses-{BASELINE}"]).days / _MONTH
    except (InputError, ValueError, KeyError):
        return unknown
    return f"{months:.1f} months between t0 and t1."


def _scanner(record: Mapping[str, Any]) -> str:
    names = [record.get("Manufacturer"), record.get("ManufacturersModelName")]
    field = record.get("MagneticFieldStrength")
    parts = [" ".join(str(name) for name in names if name), f"{field:g} T" if _is_number(field) else ""]
    return ", ".join(part for part in parts if part) or MISSING


def _sequence(record: Mapping[str, Any]) -> str:
    if record.get("TracerName"):
        dose, unit = record.get("InjectedRadioactivity"), record.get("InjectedRadioactivityUnits", "")
        nuclide = str(record.get("TracerRadionuclide", ""))
        told = f"[{nuclide}]{record['TracerName']}" if nuclide else str(record["TracerName"])
        return told + (f", {dose:g} {unit} injected".rstrip() if _is_number(dose) else ", dose not recorded")
    known = [record.get(name) for name in ("PulseSequenceType", "ScanningSequence", "MRAcquisitionType")]
    parts = ["/".join(map(str, one)) if isinstance(one, list) else str(one) for one in known if one]
    parts += [f"b = {record['NominalBValue']:g} s/mm²"] if _is_number(record.get("NominalBValue")) else []
    parts += ["MT pulse " + ("on" if record["MTState"] else "off")] if "MTState" in record else []
    return ", ".join(parts) or MISSING


def _timing(record: Mapping[str, Any]) -> str:
    starts, lengths = record.get("FrameTimesStart"), record.get("FrameDuration")
    if isinstance(starts, Sequence) and isinstance(lengths, Sequence) and starts and lengths:
        return f"{len(starts)} frames, {(float(starts[-1]) + float(lengths[-1])) / 60:.0f} min"
    repetition = record.get("RepetitionTime", record.get("RepetitionTimeExcitation"))
    times = [("TR", repetition), ("TE", record.get("EchoTime")), ("TI", record.get("InversionTime"))]
    parts = [f"{name} {1000 * value:.4g} ms" for name, value in times if _is_number(value)]
    angle = record.get("FlipAngle")
    return ", ".join([*parts, f"flip {angle:g}°"] if _is_number(angle) else parts) or MISSING


def _voxels(path: Path) -> str:
    sizes = Grid.of(open_image(path)).voxel_sizes
    return edges_in_words([round(float(size), 2) for size in sizes])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
