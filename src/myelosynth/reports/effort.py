"""What each system cost: training jobs with their seeds, devices and minutes, and the seconds of a prediction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myelosynth.bids.layout import Layout
from myelosynth.evaluation.cohort import Run
from myelosynth.reports.sidecars import record_of
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import MISSING, Table, number, read_table

NOTE = (
    "Times are wall clock of whole jobs as Snakemake recorded them (results/benchmarks), start of the program "
    "included, whatever else the machine did; a job that was resumed counts its last part only. A job trains a system "
    "on one fold with one seed. Inner folds: its further trainings for out-of-fold sketches, and the sketches "
    "themselves. Images: predictions that were timed, of any fold and seed."
)


@dataclass(frozen=True)
class Effort:
    """Cost of one system: training jobs (folds x replicates) found, seeds and devices of their records, seconds.

    train: seconds of every job that has a benchmark file; inner: of the trainings on inner folds and of the sketches
    that they make; predict: of every predicted image, with its spread or without.
    """

    system: str
    jobs: int
    seeds: tuple[str, ...]
    devices: tuple[str, ...]
    train: tuple[float, ...]
    inner: tuple[float, ...]
    predict: tuple[float, ...]

    @property
    def minutes(self) -> float | None:
        """Of all trainings, those on inner folds and their sketches included; None where nothing was timed."""
        return sum((*self.train, *self.inner)) / 60 if self.train or self.inner else None


def effort_of(layout: Layout, system: str, replicates: int, folds: Sequence[int]) -> Effort:
    """Read checkpoint sidecars and benchmark files of every fold and replicate."""
    records, train, inner, predict = [], list[float](), list[float](), list[float]()
    root = layout.root / "benchmarks"
    for key in (Run(system, replicate).key for replicate in range(1, replicates + 1)):
        for fold in folds:
            if record := record_of(layout.checkpoint(key, fold)):
                records.append(record)
            train += _seconds([root / "train" / f"{key}_fold-{fold}.tsv"])
            inner += _seconds((root / "train_inner").glob(f"{key}_fold-{fold}_inner-*.tsv"))
            inner += _seconds((root / "sketch").glob(f"{key}_fold-{fold}_sub-*.tsv"))
        # A prediction with its spread is recorded in the same folder.
        predict += _seconds((root / "predict").glob(f"{key}_sub-*_ses-*.tsv"))
    seeds, devices = (
        tuple(sorted({str(record[name]) for record in records if name in record})) for name in ("Seed", "Device")
    )
    return Effort(system, len(records), seeds, devices, tuple(train), tuple(inner), tuple(predict))


def efforts_of(layout: Layout, systems: Sequence[str], settings: Mapping[str, Any]) -> list[Effort]:
    """The cost of every system over the replicates and folds of an evaluation's settings."""
    return [effort_of(layout, key, settings["replicates"], settings["folds"]) for key in systems]


def _seconds(files: Iterable[Path]) -> list[float]:
    """Wall clock of each job that has a benchmark file; the mean where a file holds several runs of it."""
    tables = (read_table(path, ("s",)) for path in sorted(files))
    return [float(table["s"].mean()) for table in tables if table is not None and len(table)]


def effort_table(efforts: Sequence[Effort]) -> Table:
    """One row per system; the column of inner folds only where there are some."""
    nested, rows = any(one.inner for one in efforts), []
    for one in efforts:
        words = [", ".join(one.seeds) or MISSING, ", ".join(one.devices) or MISSING]
        further = [number(sum(one.inner) / 60 if one.inner else None, 1)] if nested else []
        times = [number(_mean(one.train, 60), 1), *further, number(one.minutes, 1)]
        images = [str(len(one.predict)), number(_mean(one.predict, 1), 1)]
        rows.append([named(one.system).name, str(one.jobs), *words, *times, *images])
    heads = ["System", "Jobs", "Seeds", "Device", "Minutes a job"]
    heads += [*(["Minutes, inner folds"] if nested else []), "Training minutes in all", "Images", "Seconds an image"]
    return Table(heads, rows, "Training and prediction: folds, seeds and time", notes=(NOTE,))


def _mean(seconds: Sequence[float], unit: float) -> float | None:
    return sum(seconds) / len(seconds) / unit if seconds else None
