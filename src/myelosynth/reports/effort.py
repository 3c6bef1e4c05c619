"""What the training of each system cost: jobs, seeds, devices, minutes."""

from collections.abc import Sequence
from dataclasses import dataclass

from myelosynth.bids.layout import Layout
from myelosynth.evaluation.cohort import Run
from myelosynth.reports.sidecars import record_of
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import MISSING, Table, number, read_table

NOTE = (
    "Minutes are wall clock of the training jobs as Snakemake recorded them (results/benchmarks/train), whatever else "
    "the machine did; a job that was resumed counts its last part only."
)


@dataclass(frozen=True)
class Effort:
    """Training of one system: jobs (folds x replicates) found, seeds and devices of their records, minutes in all.

    minutes: None where no job has a benchmark file; timed: how many have one.
    """

    system: str
    jobs: int
    seeds: tuple[str, ...]
    devices: tuple[str, ...]
    minutes: float | None
    timed: int


def effort_of(layout: Layout, system: str, replicates: int, folds: Sequence[int]) -> Effort:
    """Read checkpoint sidecars and benchmark files of every fold and replicate."""
    records, minutes = [], []
    for replicate in range(1, replicates + 1):
        key = Run(system, replicate).key
        for fold in folds:
            if record := record_of(layout.checkpoint(key, fold)):
                records.append(record)
            table = read_table(layout.root / "benchmarks" / "train" / f"{key}_fold-{fold}.tsv", ("s",))
            if table is not None and len(table):
                minutes.append(float(table["s"].mean()) / 60)
    seeds, devices = (
        tuple(sorted({str(record[name]) for record in records if name in record})) for name in ("Seed", "Device")
    )
    return Effort(system, len(records), seeds, devices, sum(minutes) if minutes else None, len(minutes))


def effort_table(layout: Layout, systems: Sequence[str], replicates: int, folds: Sequence[int]) -> Table:
    """One row per system."""
    rows = []
    for one in (effort_of(layout, key, replicates, folds) for key in systems):
        each = None if one.minutes is None else one.minutes / one.timed
        words = [", ".join(one.seeds) or MISSING, ", ".join(one.devices) or MISSING]
        rows.append([named(one.system).name, str(one.jobs), *words, number(each, 1), number(one.minutes, 1)])
    heads = ("System", "Jobs", "Seeds", "Device", "Minutes a job", "Minutes in all")
    return Table(heads, rows, "Training: folds and seeds", notes=(NOTE,))
