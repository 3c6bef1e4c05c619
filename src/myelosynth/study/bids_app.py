"""What `myelosynth run` makes of a data set, a folder of results and the user's own configuration."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from myelosynth.bids.layout import RawLayout
from myelosynth.errors import InputError
from myelosynth.study.config import read_study
from myelosynth.study.workflow_run import WorkflowRun
from myelosynth.synthesis.config import config_path, read_yaml

TARGETS = {"participant": "preprocessing", "group": "all"}
"""The target of the workflow behind each level of analysis."""


def bids_run(
    level: str,
    raw: RawLayout,
    out: Path,
    participants: list[str] | None,
    workflow: Path,
    configfiles: list[Path],
    options: list[str],
) -> WorkflowRun:
    """One level of analysis of a data set.

    The command line's own settings lie over the configuration files; files that these name are absolute, since the
    workflow works in `out`. Raises InputError for participants at the level of the group, a configuration that applies
    a bundle, or one that is not valid.
    """
    if level == "group" and participants:
        values = f"--participant-label {' '.join(participants)}"
        raise InputError("a group is everybody", "group", values, "leave it out, or run the level participant")
    from snakemake.utils import update_config

    run = WorkflowRun(level, TARGETS[level], workflow, out, {}, configfiles, options)
    merged = dict[str, Any]()
    for path in run.all_configfiles:
        update_config(merged, read_yaml(path))
    if merged.get("apply"):
        raise InputError("configuration applies a bundle", "apply", "expected null", "use `myelosynth apply`")
    dataset = {"bids_dir": raw.root, "lesions": raw.lesions, "ready": raw.ready}
    settings: dict[str, Any] = {
        "output": str(out.absolute()),
        "simulate": None,
        "dataset": {
            **{key: str(path.absolute()) if path else None for key, path in dataset.items()},
            "participants": participants,
        },
        "learning": _located(merged["learning"], run.checkout),
        "nulls": {"models": {name: str(Path(path).absolute()) for name, path in merged["nulls"]["models"].items()}},
    }
    update_config(merged, settings)
    read_study(merged)
    return replace(run, settings=settings)


def _located(learning: dict[str, Any], checkout: Path) -> dict[str, str]:
    """Task and preset as absolute paths: from where the user stands, else from the checkout."""
    folders = (Path.cwd(), checkout)
    return {
        "task": str(config_path(learning["task"], "tasks", folders)),
        "preset": str(config_path(learning["preset"], "presets", folders)),
    }
