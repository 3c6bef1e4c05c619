"""Seconds and megabytes of the pages of a finished study: the cohort's, every patient's, and one at the paper's voxels.

    python benchmarks/pages.py RESULTS --raw RAW --main SYSTEM --out FOLDER [--fine-mm 1.22] [--table pages.md]

Run in the folder of the study: its tables name files relative to it. The pages go to FOLDER; RESULTS is only read. One
process makes them one after the other, seconds are of its processor and of the wall clock. For --fine-mm the images
that a patient's page shows are laid on a finer lattice (linear, labels nearest) in FOLDER/fine: more voxels, no more
detail, and the noise of the coarse ones, so that the megabytes are about those of real images of that size. 0: none.
"""

import argparse
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from myelosynth.bids.index import SessionIndex
from myelosynth.bids.layout import Layout
from myelosynth.images.grid import Grid
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_volume, save_volume
from myelosynth.reports.cohort import write_cohort_page
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.names import predicted_patients
from myelosynth.reports.patient import write_patient_page

LABELS = ("_mask.", "_dseg.")
LIMIT_S, LIMIT_MB = 120.0, 8.0


@dataclass(frozen=True)
class Made:
    """One page: what it is of, seconds of processor and wall, megabytes."""

    name: str
    cpu: float
    wall: float
    mb: float


def timed(name: str, out: Path, write: Callable[[Path], None]) -> Made:
    """Write a page and tell what it cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    write(out)
    made = Made(name, time.process_time() - cpu, time.perf_counter() - wall, out.stat().st_size / 1e6)
    print(f"{name}: {made.cpu:.1f} s of processor, {made.wall:.1f} s, {made.mb:.2f} MB", flush=True)
    return made


def finer(path: Path, target: Path, mm: float) -> None:
    """An image of three dimensions on a lattice of `mm` over the same box; anything else as it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not path.name.endswith(".nii.gz") or nib.load(path).ndim != 3:
        shutil.copy(path, target)
        return
    volume = load_volume(path)
    ratio = mm / np.array(volume.grid.voxel_sizes)
    shape = tuple(int(n) for n in np.ceil(np.array(volume.grid.shape) / ratio))
    affine = volume.grid.affine @ np.diag([*ratio, 1.0])
    affine[:3, 3] += volume.grid.affine[:3, :3] @ ((ratio - 1) / 2)
    label = any(word in path.name for word in LABELS)
    grid = Grid((shape[0], shape[1], shape[2]), affine)
    moved = resample(volume.data, volume.grid, grid, LinearTransform.identity(), "nearest" if label else "linear")
    save_volume(target, moved, grid, np.uint8 if label else np.float32)


def fine_study(results: Path, sub: str, out: Path, mm: float) -> Path:
    """A copy of the results that holds this patient alone, on the finer lattice; tables as they are."""
    for kind in ("derivatives", "work"):
        for folder in sorted((results / kind).rglob(f"sub-{sub}")):
            for path in sorted(file for file in folder.rglob("*") if file.is_file()):
                finer(path, out / path.relative_to(results), mm)
    for path in sorted((results / "derivatives").glob("*/dataset_description.json")):
        finer(path, out / path.relative_to(results), mm)
    shutil.copytree(results / "tables", out / "tables", dirs_exist_ok=True)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--main", required=True, help="the system that the pages show")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fine-mm", type=float, default=1.22)
    parser.add_argument("--table", type=Path, default=None, help="Markdown to write")
    options = parser.parse_args()
    results, tables = options.results.absolute(), options.results.absolute() / "tables"
    layout, index = Layout(results), SessionIndex.read(tables / "index.tsv", options.raw.absolute())
    systems = tuple(sorted(path.parent.name for path in (results / "models").glob("*/fold-1")))
    cohort = CohortInputs(layout, index, tables, systems, options.main, options.raw.absolute())
    patients = predicted_patients(layout, index.groups, options.main)
    options.out.mkdir(parents=True, exist_ok=True)

    def patient(where: Path, sub: str) -> Callable[[Path], None]:
        return lambda out: write_patient_page(
            Layout(where), index, sub, options.main, where / "tables", out, options.raw.absolute()
        )

    made = [
        timed("cohort", options.out / "cohort.html", lambda out: write_cohort_page(cohort, tables / "split.tsv", out))
    ]
    made += [timed(f"sub-{sub}", options.out / f"sub-{sub}.html", patient(results, sub)) for sub in patients]
    fine = None
    if options.fine_mm:
        where = fine_study(results, patients[0], options.out / "fine", options.fine_mm)
        name = f"sub-{patients[0]} at {options.fine_mm:g} mm"
        fine = timed(name, options.out / "fine.html", patient(where, patients[0]))
    text = report(made, fine, len(index.groups))
    print(text)
    if options.table:
        options.table.write_text(text)


def report(made: list[Made], fine: Made | None, subjects: int) -> str:
    """The numbers as a Markdown table, and whether both bars hold."""
    rows = [(f"cohort page, {subjects} subjects", made[:1]), (f"{len(made) - 1} patient pages", made[1:])]
    rows += [("all of them", made)] + ([(fine.name, [fine])] if fine else [])
    lines = ["| pages | processor, s | wall, s | largest, MB |", "|---|---|---|---|"]
    for name, pages in rows:
        sums = [f"{sum(getattr(page, field) for page in pages):.1f}" for field in ("cpu", "wall")]
        lines.append(f"| {name} | {' | '.join(sums)} | {max((page.mb for page in pages), default=0):.2f} |")
    seconds, largest = sum(page.cpu for page in made), max(page.mb for page in [*made, *([fine] if fine else [])])
    lines.append(f"\nWithin {LIMIT_S:.0f} s of one processor: {'yes' if seconds <= LIMIT_S else 'NO'}; ")
    lines[-1] += f"each below {LIMIT_MB:g} MB: {'yes' if largest < LIMIT_MB else 'NO'}."
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
