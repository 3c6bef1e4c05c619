"""The page of an audit: audit.json for people, verdicts first."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from myelosynth.bids.names import participant_of
from myelosynth.reports.page import write_page
from myelosynth.reports.simulated import is_simulated
from myelosynth.reports.tables import MISSING, Table, number, read_table, word

_EACH = 5
_CONTROLS = ("control", "system", "measure", "real", "control_value", "ci_low", "ci_high", "n", "verdict")
_MAIN = ("image_metrics", "overlap", "indices", "agreement", "summary", "comparisons", "ranking", "clinical", "nulls")


@dataclass(frozen=True)
class Chains:
    """Files and jobs of audit.json, and the jobs behind a file."""

    files: Sequence[Mapping[str, Any]]
    jobs: Sequence[Mapping[str, Any]]

    @cached_property
    def makers(self) -> dict[int, int]:
        """File to the job that made it, both by number."""
        return {file: job for job, one in enumerate(self.jobs) for file in one["outputs"] if isinstance(file, int)}

    def behind(self, file: int) -> list[int]:
        """The jobs behind a file, the last step first."""
        start = self.makers.get(file)
        found, queue = dict[int, None](), [] if start is None else [start]
        for job in queue:
            if job not in found:
                found[job] = None
                queue += [self.makers[one] for one in self.jobs[job]["inputs"] if one in self.makers]
        return list(found)

    def number(self, path: str) -> int | None:
        return self._numbers.get(path)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {file["path"]: number for number, file in enumerate(self.files)}


def write_audit_page(audit: Path, results: Path, out: Path) -> None:
    """Write the page of an audit.json. Raises InputError for a table of negative controls without its columns."""
    record = json.loads(audit.read_text(encoding="utf-8"))
    chains, top = Chains(record["files"], record["jobs"]), record["results"]
    ends = _indices(chains)
    patient = participant_of(chains.files[ends[0]]["path"]) if ends else None
    steps = _own_steps(chains, ends, patient) if patient else []
    write_page(
        out,
        "audit.html",
        is_simulated(results),
        title="Audit of the study",
        violations=_violations(record["violations"]),
        count=len(record["violations"]),
        gaps=[_Gap(*line.partition(": ")[::2]) for line in record["gaps"]],
        checks=_checks(record),
        proof=_proof(record),
        evidence=_evidence(record),
        books=Table(
            ("Table", "What is read of it"),
            [[one["path"], one["read"]] for one in record["bookkeeping"]],
            text_columns=2,
        ),
        plan=_plan(record["plan"]),
        controls=_controls(results / "tables" / "negative_controls.tsv"),
        software=_software(record["software"]),
        tables=_tables(chains, top),
        patient=patient,
        steps=_steps(chains, steps, patient),
        commands="\n\n".join(chains.jobs[job]["command"] for job in steps),
    )


@dataclass(frozen=True)
class _Gap:
    what: str
    why: str


def _violations(violations: Sequence[Mapping[str, str]]) -> list[str]:
    """The first lines of every kind of violation, and how many more there are."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for one in violations:
        kinds[one["what"]].append(", ".join(one.values()))
    shown = []
    for what, lines in kinds.items():
        more = [f"{what}: {len(lines) - _EACH} more, in audit.json"] if len(lines) > _EACH else []
        shown += [*lines[:_EACH], *more]
    return shown


def _checks(record: Mapping[str, Any]) -> Table:
    rows = [[name, str(found), "violated" if found else "holds"] for name, found in record["checks"].items()]
    classes = ["warn" if found else "" for found in record["checks"].values()]
    notes = (f"{len(record['files'])} files and {len(record['jobs'])} jobs, looked at on {record['created'][:10]}.",)
    return Table(("Check", "Violations", "Verdict"), rows, "Verdicts", classes, notes)


def _proof(record: Mapping[str, Any]) -> Table:
    """A row for each fold and kind of learned file."""
    groups: dict[tuple[int, str], list[Mapping[str, Any]]] = defaultdict(list)
    for one in record["proof"]:
        groups[one["fold"], one["kind"]].append(one)
        if one["fitted"]:
            groups[one["fold"], "weights and normalisation of its checkpoints"].append(one | {"reached": one["fitted"]})
        if one["chosen"]:
            groups[one["fold"], "early stop and choice of its checkpoints"].append(one | {"reached": one["chosen"]})
    rows, classes = [], []
    for (fold, kind), ones in sorted(groups.items()):
        test = set(record["split"].get(str(fold), {}).get("test", []))
        reached = set().union(*(one["reached"] for one in ones))
        shared = test & (reached | set().union(*(one["overlap"] for one in ones)))
        verdict = f"leak: {', '.join(sorted(shared))}" if shared else "disjoint"
        rows.append([str(fold), kind, str(len(ones)), _people(reached), _people(test), verdict])
        classes.append("warn" if shared else "")
    heads = ("Fold", "Learned", "Files", "Participants behind", "Test subjects of the fold", "Verdict")
    return Table(heads, rows, "Participants behind what each fold learned", classes, text_columns=6)


def _evidence(record: Mapping[str, Any]) -> Table:
    rows, classes = [], []
    for one in record["proof"]:
        opened = MISSING if one["opened"] is None else _people(one["opened"])
        verdict = f"leak: {', '.join(one['overlap'])}" if one["overlap"] else "disjoint"
        rows.append([one["file"], _people(one["reached"]), opened, _people(one["told"]), verdict])
        classes.append("warn" if one["overlap"] else "")
    heads = ("File", "By its inputs, back to raw", "Files seen opened", "Told by sidecar and checkpoint", "Verdict")
    return Table(heads, rows, "", classes, text_columns=5)


def _people(names: Sequence[str] | set[str]) -> str:
    """How many, and who where they are few."""
    labels = [name.removeprefix("sub-") for name in sorted(names)]
    shown = labels if len(labels) <= 12 else [*labels[:10], "…"]
    return f"{len(labels)}: {' '.join(shown)}" if labels else "nobody"


def _plan(plan: Mapping[str, Any] | None) -> Table | None:
    if plan is None:
        return None
    rows = [
        ["Filed", word(plan.get("created"))],
        ["Signed off by", word(plan.get("signed_off_by"))],
        ["Commit", word(plan.get("commit"))],
        ["SHA-256 of the configuration", word(plan.get("config_sha256"))],
        ["Targets", ", ".join(plan.get("targets") or []) or MISSING],
        ["Jobs planned", str(plan["planned"])],
        ["Jobs executed", str(plan["executed"])],
        ["Executed as planned, files and command", str(plan["agreeing"])],
    ]
    return Table(("Plan", ""), rows, text_columns=2)


def _controls(path: Path) -> Table | None:
    table = read_table(path, _CONTROLS)
    if table is None:
        return None
    rows = []
    for row in table.to_dict("records"):
        numbers = [number(row[name], 0 if name == "n" else 3) for name in _CONTROLS[3:8]]
        rows.append([*(word(row[name]) for name in _CONTROLS[:3]), *numbers, word(row["verdict"])])
    heads = ("Control", "System", "Measure", "Real", "Control", "Interval, low", "high", "n", "Verdict")
    return Table(heads, rows, "Beside the real results", text_columns=3)


def _software(software: Sequence[Mapping[str, Any]]) -> Table:
    versions = Counter(one["name"] for one in software)
    rows = [[one["name"], one["version"], str(one["commands"])] for one in software]
    classes = ["warn" if versions[one["name"]] > 1 else "" for one in software]
    notes = ("Marked: more than one version took part.",) if any(classes) else ()
    return Table(("Name", "Version", "Commands or outputs"), rows, "Versions that took part", classes, notes, 2)


def _tables(chains: Chains, top: str) -> Table:
    rows, known = [], dict[str, str]()
    for name in _MAIN:
        path = f"{top}/tables/{name}.tsv".lstrip("/")
        file = chains.number(path)
        if file is not None and (jobs := chains.behind(file)):
            rules = Counter(_rule(chains.jobs[job]) for job in jobs)
            read = {one for job in jobs for one in chains.jobs[job]["inputs"] if isinstance(one, int)}
            people = {who for one in read if (who := participant_of(chains.files[one]["path"]))}
            steps = " ← ".join(f"{rule}{f' ({times})' if times > 1 else ''}" for rule, times in rules.items())
            first = known.setdefault(steps, name)
            words = steps if first == name else f"as {first}.tsv"
            digest = chains.files[file]["sha256"][:12]
            rows.append([f"{name}.tsv", digest, words, str(len(jobs)), str(len(read)), str(len(people))])
    return Table(("Table", "SHA-256", "Steps", "Jobs", "Files read", "Participants"), rows, text_columns=3)


def _rule(job: Mapping[str, Any]) -> str:
    """The rule of a job; everybody in a simulated cohort has one of his own."""
    return re.sub(r"^simulate_(?!tables).*", "simulate", job["rule"])


def _indices(chains: Chains) -> list[int]:
    """Indices of change of the first participant who has them: by the measured PET and by the main system."""
    mains = [main[1] for job in chains.jobs if (main := re.search(r" --main (\S+)", job["command"]))]
    wanted = ("/myelosynth/", f"/{mains[0]}/" if mains else "/myelosynth/")
    found = [number for number, file in enumerate(chains.files) if file["path"].endswith("_indices.tsv")]
    shown = [number for number in found if any(part in chains.files[number]["path"] for part in wanted)]
    first = participant_of(chains.files[shown[0]]["path"]) if shown else None
    return [number for number in shown if participant_of(chains.files[number]["path"]) == first]


def _own_steps(chains: Chains, ends: Sequence[int], patient: str) -> list[int]:
    """The jobs behind a patient's indices that made files of the patient, in the order in which they ended."""
    jobs = {job for end in ends for job in chains.behind(end)}
    own = [job for job in jobs if any(patient == participant_of(path) for path in _outputs(chains, job))]
    return sorted(own, key=lambda job: (chains.jobs[job]["end"] or "", job))


def _outputs(chains: Chains, job: int) -> list[str]:
    return [chains.files[one]["path"] if isinstance(one, int) else one for one in chains.jobs[job]["outputs"]]


def _steps(chains: Chains, steps: Sequence[int], patient: str | None) -> Table:
    rows = []
    for job in steps:
        outputs = [one for one in chains.jobs[job]["outputs"] if isinstance(one, int)]
        made = "\n".join(Path(chains.files[one]["path"]).name for one in outputs[:4])
        digests = "\n".join(chains.files[one]["sha256"][:12] for one in outputs[:4])
        more = f"\nand {len(outputs) - 4} more" if len(outputs) > 4 else ""
        ended = (chains.jobs[job]["end"] or MISSING)[:19].replace("T", " ")
        rows.append([chains.jobs[job]["rule"], made + more, digests, str(len(chains.jobs[job]["inputs"])), ended])
    heads = ("Rule", "Made", "SHA-256", "Inputs", "Ended (UTC)")
    return Table(heads, rows, f"Steps of {patient}" if patient else "", text_columns=3)
