"""The signed-off plan against what was executed."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from myelosynth.audit.findings import Violation
from myelosynth.audit.lineage import Lineage
from myelosynth.study.config import config_sha256

PLAN = Path("audit", "plan.json")
"""Below the results, where `myelosynth run --plan` files it."""
_CONTEXT = 60
_CURE = "run what was signed off, or have a new plan signed off before the run"


@dataclass
class Comparison:
    """The head of the plan; numbers of jobs planned and executed, and those that agree in rule, files and command."""

    plan: dict[str, Any]
    planned: int = 0
    executed: int = 0
    agreeing: int = 0
    violations: list[Violation] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)


def compare(lineage: Lineage, path: Path) -> Comparison | None:
    """Every planned job against the one that made its outputs; None where no plan is filed."""
    if not path.is_file():
        return None
    plan, fault = _read(path)
    if fault:
        where, cure = lineage.told(path.absolute()), "file it with `myelosynth run --plan`"
        return Comparison({}, executed=len(lineage.jobs), violations=[Violation("not a plan", where, fault, cure)])
    jobs = [job for job in plan["jobs"] if job["outputs"]]
    told = {key: value for key, value in plan.items() if key not in ("jobs", "config")}
    done = Comparison(told, len(jobs), len(lineage.jobs))
    for job in jobs:
        unlike = _fault(lineage, job)
        done.violations += [unlike] if unlike else []
        done.agreeing += unlike is None
    done.violations += _unplanned(lineage, jobs)
    _hold(done, lineage, path, plan)
    return done


def _read(path: Path) -> tuple[dict[str, Any], str | None]:
    """A plan, and what is wrong with the file where it is none."""
    try:
        plan = json.loads(path.read_bytes())
        if not isinstance(plan, dict) or plan.get("format") != 1:
            return {}, f"format {plan.get('format') if isinstance(plan, dict) else None}, expected 1"
        if datetime.fromisoformat(plan["created"]).tzinfo is None:
            return {}, f"created {plan['created']}, expected a time with its zone"
        for job in plan["jobs"]:
            words = [job["rule"], *job["inputs"], *job["outputs"], job["shell"] or ""]
            if not all(isinstance(word, str) for word in words):
                return {}, f"a job that is none: {str(job)[:_CONTEXT]}"
    except (ValueError, KeyError, TypeError) as fault:
        return {}, f"{type(fault).__name__}: {str(fault)[:_CONTEXT]}"
    return plan, None


def _hold(done: Comparison, lineage: Lineage, path: Path, plan: Mapping[str, Any]) -> None:
    """A plan that was edited, that was filed after the run, or that is of a checkout nobody can get back."""
    where = lineage.told(path.absolute())
    digest = config_sha256(plan["config"]) if isinstance(plan.get("config"), dict) else "none"
    if digest != plan.get("config_sha256"):
        values = f"configuration of SHA-256 {digest[:12]}, the plan says {str(plan.get('config_sha256'))[:12]}"
        done.violations.append(Violation("plan edited", where, values, "put the plan back as it was filed"))
    filed = datetime.fromisoformat(plan["created"])
    outputs = {lineage.told(output) for job in plan["jobs"] for output in job["outputs"]}
    covered = [job for job in lineage.jobs if job.start is not None and not outputs.isdisjoint(job.outputs)]
    early = sorted((job.start, job.name) for job in covered if job.start is not None and job.start < filed.timestamp())
    if early:
        start = datetime.fromtimestamp(early[0][0], UTC).isoformat(timespec="seconds")
        values = f"{len(early)} of {len(covered)} jobs, first {early[0][1]} at {start}, plan of {plan['created']}"
        if older := sorted(path.parent.glob("plan-*.json")):
            done.gaps.append(f"run before the plan was filed: {values}; {len(older)} older plans lie beside it")
        else:
            cure = "have a plan filed before the run"
            done.violations.append(Violation("run before the plan was filed", where, values, cure))
    if plan.get("uncommitted"):
        done.gaps.append(f"the plan is of commit {plan.get('commit')} with changes that were not committed")


def _fault(lineage: Lineage, job: Mapping[str, Any]) -> Violation | None:
    outputs = [lineage.told(path) for path in job["outputs"]]
    missing = [path for path in outputs if lineage.makers.get(path) is None]
    where = outputs[0]
    if missing:
        values = f"rule {job['rule']} planned, {len(missing)} of {len(outputs)} outputs made by no job"
        return Violation("planned, not executed", missing[0], values, "run the study to its end")
    done = lineage.makers[where]
    others = [path for path in outputs if lineage.makers[path] is not done]
    if others:
        values = f"planned as one with {others[0]}, which {lineage.makers[others[0]].name} made"
        return Violation("another job than planned", where, values, _CURE)
    if job["rule"] != done.rule:
        return Violation("another rule than planned", where, f"planned {job['rule']}, executed {done.rule}", _CURE)
    planned, executed = (" ".join(text.split()) for text in (job["shell"] or "", done.command))
    if planned != executed:
        values = f"planned {_around(planned, executed)}, executed {_around(executed, planned)}"
        return Violation("another command than planned", where, values, _CURE)
    before, now = ({lineage.told(path) for path in paths} for paths in (job["inputs"], done.inputs))
    if before != now:
        values = f"planned alone {_few(before - now)}, executed alone {_few(now - before)}"
        return Violation("other inputs than planned", where, values, _CURE)
    return None


def _few(paths: Collection[str]) -> str:
    first = sorted(paths)[:1]
    return f"{first[0]} and {len(paths) - 1} more" if len(paths) > 1 else "".join(first) or "none"


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
