"""The signed-off plan against what was executed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from myelosynth.audit.findings import Violation
from myelosynth.audit.lineage import Lineage
from myelosynth.bids.sidecar import read_json
from myelosynth.errors import InputError

PLAN = Path("audit", "plan.json")
"""Below the results, where `myelosynth run --plan` files it."""
_CONTEXT = 60
_CURE = "run what was signed off, or have a new plan signed off before the run"


@dataclass
class Comparison:
    """The head of the plan; numbers of jobs planned and executed, and those that agree in files and command."""

    plan: dict[str, Any]
    planned: int = 0
    executed: int = 0
    agreeing: int = 0
    violations: list[Violation] = field(default_factory=list)


def compare(lineage: Lineage, path: Path) -> Comparison | None:
    """Every planned job against the one that made its outputs; None where no plan is filed.

    Raises InputError for a file that is no plan.
    """
    if not path.is_file():
        return None
    plan = read_json(path)
    if plan.get("format") != 1 or not isinstance(plan.get("jobs"), list):
        values = f"format {plan.get('format')}, expected 1 with a list of jobs"
        raise InputError("not a plan", path, values, "file it with `myelosynth run --plan`")
    jobs = [job for job in plan["jobs"] if job.get("outputs")]
    told = {key: value for key, value in plan.items() if key not in ("jobs", "config")}
    done = Comparison(told, len(jobs), len(lineage.jobs))
    for job in jobs:
        fault = _fault(lineage, job)
        done.violations += [fault] if fault else []
        done.agreeing += fault is None
    done.violations += _unplanned(lineage, jobs)
    return done


def _fault(lineage: Lineage, job: Mapping[str, Any]) -> Violation | None:
    outputs = [lineage.told(path) for path in job["outputs"]]
    missing = [path for path in outputs if lineage.makers.get(path) is None]
    where = outputs[0]
    if missing:
        values = f"rule {job.get('rule')} planned, {len(missing)} of {len(outputs)} outputs made by no job"
        return Violation("planned, not executed", missing[0], values, "run the study to its end")
    done = lineage.makers[where]
    planned, executed = (" ".join(text.split()) for text in (str(job.get("shell") or ""), done.command))
    if planned != executed:
        values = f"planned {_around(planned, executed)}, executed {_around(executed, planned)}"
        return Violation("another command than planned", where, values, _CURE)
    return None


def _around(text: str, other: str) -> str:
    """The text from shortly before it begins to differ from the other."""
    pairs = zip(text, other, strict=False)
    first = next((place for place, (one, two) in enumerate(pairs) if one != two), min(len(text), len(other)))
    start = max(0, first - _CONTEXT // 3)
    part = text[start : first + _CONTEXT]
    return repr(f"{'…' if start else ''}{part}{'…' if len(text) > first + _CONTEXT else ''}")


def _unplanned(lineage: Lineage, jobs: Sequence[Mapping[str, Any]]) -> list[Violation]:
    outputs = {lineage.told(path) for job in jobs for path in job["outputs"]}
    found = []
    for job in lineage.jobs:
        extra = [path for path in job.outputs if path not in outputs]
        if extra:
            values = f"made by rule {job.rule}, in no job of the plan"
            found.append(Violation("executed, not planned", extra[0], values, _CURE))
    return found
