"""The table of training images follows the task."""

import csv
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from myelosynth.bids.index import complete
from myelosynth.bids.layout import Layout
from myelosynth.cli import commands  # noqa: F401
from myelosynth.cli.app import app


@pytest.mark.parametrize("sources", [["MTR", "FA", "RD", "AD"], ["FA"]])
def test_contrasts_are_the_sources_and_the_target_of_the_task(repository, tmp_path, sources):
    task = yaml.safe_load((repository / "config" / "tasks" / "myelin.yaml").read_text()) | {"sources": sources}
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(task))
    raw, results = tmp_path / "raw", Layout(tmp_path / "results")
    raw.mkdir()
    (raw / "participants.tsv").write_text("participant_id\tgroup\nsub-A\tpatient\nsub-B\tcontrol\n")
    people = [("A", "t0", "patient", "T1w", "a.nii.gz"), ("B", "t0", "control", "T1w", "b.nii.gz")]
    complete(raw, people).write(results.table("index"))
    out = results.table("manifest")
    words = [
        "manifest",
        results.root,
        "--index",
        results.table("index"),
        "--raw",
        raw,
        "--task",
        tmp_path / "task.yaml",
    ]
    words += ["--sub", "A", "--sub", "B", "--out", out, "--out-participants", results.table("participants")]
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(out.open(), delimiter="\t"))
    assert [row["contrast"] for row in rows] == [*sources, "DVR", "template"] * 2
    paths = {(row["participant_id"], row["contrast"]): Path(row["path"]) for row in rows}
    assert paths["sub-A", "FA"] == results.source("A", "t0", "FA")
    assert [row["lesions"] != "" for row in rows] == [row["participant_id"] == "sub-A" for row in rows]
