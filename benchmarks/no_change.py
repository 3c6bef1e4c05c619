"""Whether the null of the indices holds: patients without change, the null fitted on some and tested on others.

    python benchmarks/no_change.py OUT --patients 48 --controls 12 --fit-seed 5101 --test-seed 5202

Two simulated cohorts of scenario `no-change` at 2.5 mm, seeds apart: the first makes the control curve and the null,
the second is only measured against it. Every scan is one file in OUT/scans: a stopped run goes on where it stood.
OUT/no_change_SEED.tsv has a row for each tested patient and index; the shares of patients inside are printed, beside
those of a null without regression to the mean, and of nulls fitted on FEW patients, as many as a small study has.
--develop leaves one patient out at a time within the first cohort, and looks at nothing of the second.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
from no_change_scans import VOXEL_MM, Scans, scan

from myelosynth.myelin.curve import Curve, fit_curve
from myelosynth.myelin.intervals import Patient
from myelosynth.myelin.null import NullModel, Pair, index_nulls
from myelosynth.myelin.null_fit import fit_null

FEW, DRAWS, LEVEL, SEED = 4, 500, 0.95, 0
BIN_MM, MINIMUM_VOXELS = 2.0, 200


def simulate(out: Path, jobs: Sequence[tuple[int, int, int, int]], tier: str) -> None:
    """Write the scans that are not there yet; jobs: number, patients, controls and seed."""
    for number, patients, controls, seed in jobs:
        path = place(out, seed, number)
        if not path.is_file():
            start = time.process_time()
            scan(number, patients, controls, seed, tier).save(path)
            print(f"{path.name}: {time.process_time() - start:.1f} s", flush=True)


def place(out: Path, seed: int, number: int) -> Path:
    return out / "scans" / f"{seed}-{number:03d}.npz"


def control_curve(out: Path, seed: int, numbers: Sequence[int]) -> Curve:
    """Of the first cohort's controls, as a study makes it."""
    found = [Scans.load(place(out, seed, number)) for number in numbers]
    maps = ([one.dvr[0] for one in found], [one.distance for one in found], [one.lesions for one in found])
    return fit_curve(*maps, BIN_MM, MINIMUM_VOXELS)


def pairs(out: Path, seed: int, numbers: Sequence[int], curve: Curve) -> list[Pair]:
    """Patients of a cohort; one without a lesion voxel on the PET grid has no index and is left out."""
    found = []
    for number in numbers:
        one = Scans.load(place(out, seed, number))
        patient = Patient(one.lesions, one.distance, (VOXEL_MM,) * 3, curve)
        pair = Pair(patient, *one.dvr)
        if pair.covered.any():
            found.append(pair)
    return found


def judged(tested: Sequence[tuple[Pair, NullModel]]) -> Iterator[dict[str, object]]:
    """A row for each patient and index."""
    for number, (pair, model) in enumerate(tested, 1):
        for name, row in index_nulls(pair, model, DRAWS, LEVEL, SEED).items():
            yield {"patient": number, "voxels": int(pair.covered.sum()), "index": name, **asdict(row)}


def shares(rows: pd.DataFrame) -> str:
    """Share of patients inside by index, and with all of them inside."""
    inside = (~rows.pivot_table(index="patient", columns="index", values="outside", aggfunc="any")).astype(float)
    told = [f"{name} {inside[name].mean():.3f}" for name in inside.columns]
    return f"n {len(inside)}: {', '.join(told)}, all {inside.all(axis=1).mean():.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--patients", type=int, default=48, help="of each cohort")
    parser.add_argument("--controls", type=int, default=12)
    parser.add_argument("--fit-seed", type=int, default=5101)
    parser.add_argument("--test-seed", type=int, default=5202)
    parser.add_argument("--test-patients", type=int, help="of the second cohort, where it is of another size")
    parser.add_argument("--noise", default="default", help="noise tier")
    parser.add_argument("--develop", action="store_true", help="leave one out within the first cohort")
    given = parser.parse_args()
    people = range(1, given.patients + 1)
    controls = range(given.patients + 1, given.patients + given.controls + 1)
    jobs = [(n, given.patients, given.controls, given.fit_seed) for n in (*controls, *people)]
    others = range(1, (given.test_patients or given.patients) + 1)
    tests = [] if given.develop else [(n, len(others), 0, given.test_seed) for n in others]
    simulate(given.out, [*jobs, *tests], given.noise)
    curve = control_curve(given.out, given.fit_seed, controls)
    fitted = pairs(given.out, given.fit_seed, people, curve)
    if given.develop:
        left_out = [(pair, fit_null([other for other in fitted if other is not pair])) for pair in fitted]
        print(shares(pd.DataFrame(judged(left_out))))
        return
    model = fit_null(fitted)
    print(model)
    tested = pairs(given.out, given.test_seed, others, curve)
    rows = pd.DataFrame(judged([(pair, model) for pair in tested]))
    rows.to_csv(given.out / f"no_change_{given.test_seed}.tsv", sep="\t", index=False)
    print(f"null of {model.patients} patients, {shares(rows)}")
    flat = replace(model, slope=0.0)
    print(f"the same without slope, {shares(pd.DataFrame(judged([(pair, flat) for pair in tested])))}")
    groups = [fitted[n : n + FEW] for n in range(0, len(fitted) - FEW + 1, FEW)]
    few = [fit_null(group) for group in groups]
    spread = [(pair, few[n % len(few)]) for n, pair in enumerate(tested)]
    print(f"nulls of {FEW} patients, {shares(pd.DataFrame(judged(spread)))}")


if __name__ == "__main__":
    main()
