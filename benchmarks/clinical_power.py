"""How often a table of 18 simulated patients shows that remyelination goes with less disability.

Usage: clinical_power.py RESULTS --seed SEED [--main SYSTEM] [--tables 20] [--patients 18] [--out clinical_power.md]

Truth is the generator's. Measured and predicted indices are the truth put through how the systems of a finished
simulated study (RESULTS, a development study; --seed is its cohort's) follow it: a line, and its residuals by patient.
"""

import argparse
from pathlib import Path

from myelosynth.bids.index import read_table
from myelosynth.evaluation.simulated_tables import INDEX, Donors, measured_with, recovery, simulated_table
from myelosynth.phantom.clinic import person
from myelosynth.phantom.roster import Cohort
from myelosynth.phantom.settings import Settings

FIRST_SEED = 101


def donors_of(results: Path, seed: int) -> tuple[dict[str, Donors], int]:
    """How every system of a study follows the courses that were simulated, and from how many patients."""
    rows = read_table(results / "tables" / "indices.tsv", ("participant_id", "system", INDEX))
    known = [row for row in rows if row[INDEX] != "n/a" and row.get("replicate", "1") == "1"]
    labels = sorted({row["participant_id"].removeprefix("sub-") for row in known if row["system"] == "true"})
    settings = Settings(Cohort(patients=max(map(int, labels)), controls=0, seed=seed))
    courses = {label: person(settings, label).course for label in labels}
    truth = {label: course.remyelination for label, course in courses.items() if course is not None}
    found = {}
    for system in dict.fromkeys(row["system"] for row in known):
        values = {
            row["participant_id"].removeprefix("sub-"): float(row[INDEX]) for row in known if row["system"] == system
        }
        if set(labels) <= set(values) and len(set(values.values())) > 1:
            found[system] = Donors.of([truth[label] for label in labels], [values[label] for label in labels])
    return found, len(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--seed", type=int, required=True, help="seed of the cohort of RESULTS")
    parser.add_argument("--tables", type=int, default=20)
    parser.add_argument("--patients", type=int, default=18)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    systems, n_donors = donors_of(options.results, options.seed)
    seeds = range(FIRST_SEED, FIRST_SEED + options.tables)
    if options.seed in seeds:
        parser.error(f"--seed {options.seed} is one of the tables' own, {FIRST_SEED} to {seeds[-1]}")
    tables = [simulated_table(options.patients, seed) for seed in seeds]
    estimated = [measured_with(table, systems, seed) for table, seed in zip(tables, seeds, strict=True)]
    lines = ["| indices from | slope on truth | negative | negative, p < .05 | median β |", "|---|---|---|---|---|"]
    for system in ("truth", *systems):
        found = recovery(tables if system == "truth" else [table[system] for table in estimated])
        slope = "1" if system == "truth" else f"{systems[system].slope:.2f}"
        shares = f"{found.negative} of {found.tables} | {found.significant}"
        lines.append(f"| {system} | {slope} | {shares} | {found.beta:.2f} |")
    lines.append(f"\n{options.tables} tables of {options.patients} patients, seeds {seeds[0]} to {seeds[-1]};")
    lines.append(f"errors from {n_donors} patients of the study of seed {options.seed}.")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
