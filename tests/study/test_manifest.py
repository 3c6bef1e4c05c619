"""The table of training images follows the task."""

import csv
import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from myelosynth.bids.index import complete
from myelosynth.bids.layout import Layout
from myelosynth.cli import commands  # noqa: F401
from myelosynth.cli.app import app
from myelosynth.synthesis.data.manifest import read_manifest


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


def test_the_manifest_of_permuted_pairs_says_whose_pet_it_shows(tmp_path):
    results = Layout(tmp_path)
    results.table("manifest").parent.mkdir()
    head = "participant_id\tsession_id\tcontrast\tpath\tmask\tlesions\tnawm"
    rows = [
        f"sub-{sub}\tses-t0\t{contrast}\tsub-{sub}_{contrast}.nii\tm_{sub}.nii\t\t"
        for sub in "ABCD"
        for contrast in ("MTR", "DVR", "template")
    ]
    results.table("manifest").write_text("\n".join([head, *rows]) + "\n")
    folds = [
        f"sub-{sub}\tpatient\t{fold}\t{'test' if (sub in 'AB') == (fold == 1) else 'train'}"
        for fold in (1, 2)
        for sub in "ABCD"
    ]
    results.table("split").write_text("\n".join(["participant_id\tgroup\tfold\trole", *folds]) + "\n")
    out = results.table("permuted_manifest")
    words = ["permuted-manifest", results.root, results.table("manifest"), out, "--split", results.table("split")]
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    made = list(csv.DictReader(out.open(), delimiter="\t"))
    assert {row["participant_id"]: row["target_of"] for row in made if row["contrast"] == "DVR"} == {
        "sub-A": "sub-B",
        "sub-B": "sub-A",
        "sub-C": "sub-D",
        "sub-D": "sub-C",
    }
    assert {Path(row["path"]) for row in made if row["contrast"] == "DVR"} == set(map(results.permuted_target, "ABCD"))
    assert {row["target_of"] for row in made if row["contrast"] != "DVR"} == {"n/a"}
    assert all(row["path"] == f"{row['participant_id']}_MTR.nii" for row in made if row["contrast"] == "MTR")
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["Permuted"] is True
    assert "NEGATIVE CONTROL" in record["Description"]
    scans = read_manifest(out)
    assert [scan.paths["DVR"] for scan in scans] == [results.permuted_target(sub) for sub in "ABCD"]
