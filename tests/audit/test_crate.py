"""The audit as an RO-Crate."""

import json

import pytest

from myelosynth.audit.crate import write_crate
from myelosynth.errors import InputError

JOBS = [
    {"rule": "n4", "command": "myelosynth n4 a b", "log": [], "inputs": [0], "opened": [3, "gone.tsv"], "outputs": [1]},
    {"rule": "evaluate", "command": "myelosynth evaluate b", "log": [], "inputs": [1], "opened": [], "outputs": [2]},
]
PATHS = ["/data/raw/sub-01/sub-01_T1w.nii.gz", "results/b c.nii.gz", "results/tables/summary.tsv", "config/my.yaml"]


@pytest.fixture
def results(tmp_path):
    """The audit of two jobs; its images are there to be left alone."""
    times = {"start": "2026-01-01T00:00:00+00:00", "end": "2026-01-01T00:00:05+00:00"}
    audit = {
        "format": 1,
        "created": "2026-01-02T00:00:00+00:00",
        "myelosynth": "0.1.0",
        "verdict": "clean",
        "software": [
            {"name": "numpy", "version": "2.3", "commands": 2},
            {"name": "fast", "version": "6.0 b", "commands": 1},
        ],
        "files": [
            {"path": p, "sha256": f"{i}" * 64, "size": i, "rule": None, "role": "image"} for i, p in enumerate(PATHS)
        ],
        "jobs": [job | times for job in JOBS],
    }
    folder = tmp_path / "results"
    (folder / "audit").mkdir(parents=True)
    (folder / "audit" / "audit.json").write_text(json.dumps(audit))
    (folder / "b c.nii.gz").write_text("a patient")
    return folder


@pytest.fixture
def graph(results, repository, tmp_path):
    assert write_crate(results, repository, tmp_path / "crate", "Mine", "ours alone") == len(PATHS)
    metadata = json.loads((tmp_path / "crate" / "ro-crate-metadata.json").read_text())
    assert "https://w3id.org/ro/terms/workflow-run/context" in metadata["@context"]
    return {entity["@id"]: entity for entity in metadata["@graph"]}


def references(value):
    if isinstance(value, dict) and set(value) == {"@id"}:
        yield value["@id"]
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from references(one)


def test_every_name_leads_to_an_entity_and_every_file_has_its_sha256(graph):
    missing = {name for entity in graph.values() for name in references(entity)} - set(graph)
    assert [name for name in missing if not name.startswith("http")] == []
    files = {entity["name"]: entity for entity in graph.values() if entity["@id"].startswith("arcp://uuid,")}
    assert sorted(files) == sorted(PATHS)
    assert [files[path]["sha256"][0] for path in PATHS] == list("0123")
    assert files["results/b c.nii.gz"]["@id"].endswith("/results/b%20c.nii.gz")
    parts = {one["@id"] for one in graph["./"]["hasPart"]}
    assert {one["@id"] for one in files.values()} <= parts


def test_jobs_are_actions_of_tools_started_by_the_engine(graph):
    file = {entity["name"]: {"@id": entity["@id"]} for entity in graph.values() if entity["@id"].startswith("arcp")}
    first, run = graph["#job-0"], graph["#run"]
    assert first["@type"] == run["@type"] == "CreateAction"
    assert first["description"] == "myelosynth n4 a b"
    assert first["object"] == [file[PATHS[0]], file[PATHS[3]]], "what it was seen to open besides; not what is gone"
    assert first["result"] == file[PATHS[1]]
    assert graph[first["instrument"]["@id"]]["name"] == "n4"
    assert run["instrument"] == graph["./"]["mainEntity"] == {"@id": "Snakefile"}
    assert run["object"] == [file[PATHS[0]], file[PATHS[3]]]
    assert run["result"] == file[PATHS[2]]
    assert {one["@id"] for one in graph["Snakefile"]["hasPart"]} == {"#rule-n4", "#rule-evaluate"}
    assert graph["#start-1"]["object"] == {"@id": "#job-1"}
    assert graph["#engine-run"]["object"] == [{"@id": "#start-0"}, {"@id": "#start-1"}]
    assert graph["#fast-6.0%20b"]["softwareVersion"] == "6.0 b"


def test_no_image_is_copied(graph, tmp_path):
    held = {path.suffix for path in (tmp_path / "crate").rglob("*") if path.is_file()}
    assert held == {"", ".json", ".smk", ".yaml"}
    assert (tmp_path / "crate" / "audit" / "audit.json").is_file()


def test_the_same_audit_gives_the_same_crate(graph, results, repository, tmp_path):
    write_crate(results, repository, tmp_path / "again", "Mine", "ours alone")
    one, other = (tmp_path / name / "ro-crate-metadata.json" for name in ("crate", "again"))
    assert one.read_bytes() == other.read_bytes()


def test_refusals(results, repository, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match=r"folder exists, .*there, .*give a new one"):
        write_crate(results, repository, tmp_path / "there", "Mine", "ours alone")
    with pytest.raises(InputError, match=r"file missing, .*audit.json"):
        write_crate(tmp_path, repository, tmp_path / "new", "Mine", "ours alone")
    (results / "audit" / "audit.json").write_text("{}")
    with pytest.raises(InputError, match=r"not an audit, .*format None, expected 1"):
        write_crate(results, repository, tmp_path / "new", "Mine", "ours alone")
    assert not (tmp_path / "new").exists()
