"""What a finished study took, for 100 participants: jobs, core hours and disk, read from its benchmark files.

python benchmarks/scale.py RESULTS [--raw RAW] [--least 0.01]

Rules with a participant in the name of their benchmark count per participant and are scaled to 100 of them; the others
(training, tables, pages of the cohort) are told as they were. Wall hours are of jobs with one thread: on a machine that
did something else meanwhile they are too long. CPU hours are what Snakemake sampled: it misses the last moments of each
job, and most of a job of a second. --least: rules below this share of the wall hours are one row together.
"""

import argparse
import csv
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

PEOPLE = 100


@dataclass
class Rule:
    """The jobs of one rule: seconds of wall and CPU, highest memory in MB."""

    wall: list[float] = field(default_factory=list)
    cpu: float = 0.0
    memory: float = 0.0

    def add(self, path: Path) -> None:
        with path.open() as file:
            for row in csv.DictReader(file, delimiter="\t"):
                self.wall.append(float(row["s"]))
                self.cpu += _number(row["cpu_time"])
                self.memory = max(self.memory, _number(row["max_rss"]))

    def row(self, name: str, scale: float) -> str:
        hours = [f"{scale * value / 3600:.2f}" for value in (sum(self.wall), self.cpu)]
        return f"| {name} | {scale * len(self.wall):.0f} | {hours[0]} | {hours[1]} | {self.memory:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--raw", type=Path, help="the raw data set, for its bytes")
    parser.add_argument("--least", type=float, default=0.01)
    arguments = parser.parse_args()
    derivative = arguments.results / "derivatives" / "myelosynth"
    people = [path for path in derivative.glob("sub-*") if path.is_dir()]
    sessions = [path for person in people for path in person.glob("ses-*")]
    each, cohort = read(arguments.results / "benchmarks")
    print(f"{len(people)} participants with {len(sessions)} sessions were measured.\n")
    table(f"for {PEOPLE} participants", each, PEOPLE / len(people), arguments.least)
    table("of the cohort, as it was", cohort, 1.0, arguments.least)
    print("| disk | MB per session | GB for 100 participants |\n|---|---|---|")
    systems = [path for path in derivative.parent.iterdir() if path.is_dir() and path != derivative]
    sizes = {
        "preprocessed images and measured maps": megabytes(derivative),
        "intermediates (`work`)": megabytes(arguments.results / "work"),
        "one system or ceiling, the mean of all": sum(map(megabytes, systems)) / max(len(systems), 1),
        "pages": megabytes(arguments.results / "reports"),
    }
    if arguments.raw:
        sizes["raw data"] = megabytes(arguments.raw)
    for name, size in sizes.items():
        print(f"| {name} | {size / len(sessions):.1f} | {size / 1024 * PEOPLE / len(people):.2f} |")
    print(f"\nModels of the whole cohort: {megabytes(arguments.results / 'models'):.0f} MB.")


def read(benchmarks: Path) -> tuple[dict[str, Rule], dict[str, Rule]]:
    """Rules of a participant or session, and rules of the cohort."""
    each: dict[str, Rule] = defaultdict(Rule)
    cohort: dict[str, Rule] = defaultdict(Rule)
    for path in sorted(benchmarks.rglob("*.tsv")):
        (each if "sub-" in path.name else cohort)[path.parent.name].add(path)
    return each, cohort


def table(title: str, rules: dict[str, Rule], scale: float, least: float) -> None:
    """A row for each rule that took a share of the wall hours, one for the rest and one for all."""
    total, rest = Rule(), Rule()
    for rule in rules.values():
        _join(total, rule)
    print(f"| rule, {title} | jobs | wall, h | CPU, h | peak memory, MB |\n|---|---|---|---|---|")
    small = 0
    for name, rule in sorted(rules.items(), key=lambda pair: -sum(pair[1].wall)):
        if sum(rule.wall) >= least * sum(total.wall):
            print(rule.row(f"`{name}`", scale))
        else:
            small += 1
            _join(rest, rule)
    if small:
        print(rest.row(f"{small} more", scale))
    print(total.row("**all**", scale) + "\n")


def megabytes(folder: Path) -> float:
    """Bytes of the files of a folder, in MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def _join(whole: Rule, part: Rule) -> None:
    whole.wall += part.wall
    whole.cpu += part.cpu
    whole.memory = max(whole.memory, part.memory)


def _number(text: str) -> float:
    """A sampled value; NA (or -) where the job ended before the first sample."""
    try:
        return float(text)
    except ValueError:
        return 0.0


if __name__ == "__main__":
    main()
