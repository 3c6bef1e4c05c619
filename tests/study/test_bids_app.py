"""What `myelosynth run` makes of its command line."""

from pathlib import Path

import pytest
import yaml

from myelosynth.bids.layout import RawLayout
from myelosynth.errors import InputError
from myelosynth.study.bids_app import bids_run
from myelosynth.study.workflow_run import parallel

RAW = RawLayout(Path("data"), Path("data/derivatives/lesions"))


def overlay(tmp_path, **settings):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(settings))
    return [path]


def test_the_command_line_lies_over_the_configuration(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = overlay(
        tmp_path, dataset={"bids_dir": "other"}, pet={"t_star": 25}, nulls={"models": {"ridge": "null.json"}}
    )
    run = bids_run("participant", RAW, Path("out"), ["01"], repository, files, ["--cores", "2"])
    assert (run.target, run.name) == ("preprocessing", "participant")
    assert run.settings["output"] == str(tmp_path / "out")
    assert run.settings["simulate"] is None
    assert run.settings["dataset"] == {
        "bids_dir": str(tmp_path / "data"),
        "lesions": str(tmp_path / "data/derivatives/lesions"),
        "ready": None,
        "participants": ["01"],
    }
    assert run.settings["learning"]["preset"] == str(repository / "config/presets/demo.yaml"), "of the checkout"
    assert run.settings["nulls"]["models"] == {"ridge": str(tmp_path / "null.json")}
    command = run.command(tmp_path / "keep", dry=True)
    assert command[-2:] == ["--", "preprocessing"]
    assert command[-4:-2] == [str(files[0]), str(tmp_path / "keep" / "participant.yaml")], "the last one wins"


def test_a_preset_beside_the_user_comes_first(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "config/presets/demo.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text((repository / "config/presets/demo.yaml").read_text())
    run = bids_run("group", RAW, Path("out"), None, repository, [], [])
    assert run.target == "all"
    assert run.settings["learning"] == {
        "task": str(repository / "config/tasks/myelin.yaml"),
        "preset": str(mine),
    }


def test_refusals(repository, tmp_path):
    with pytest.raises(InputError, match=r"a group is everybody, group, --participant-label 01, "):
        bids_run("group", RAW, tmp_path, ["01"], repository, [], [])
    bundle = {"bundle": "b", "participants": None, "allow_intensity": False, "unchanged": False}
    with pytest.raises(InputError, match=r"configuration applies a bundle, .*myelosynth apply"):
        bids_run("group", RAW, tmp_path, None, repository, overlay(tmp_path, apply=bundle), [])
    with pytest.raises(InputError, match=r"settings not valid, configuration, pet.t_stra"):
        bids_run("group", RAW, tmp_path, None, repository, overlay(tmp_path, pet={"t_stra": 2}), [])
    with pytest.raises(InputError, match=r"file missing, .*nowhere.yaml"):
        bids_run("group", RAW, tmp_path, None, repository, overlay(tmp_path, learning={"preset": "nowhere"}), [])


def test_a_profile_says_how_many_jobs_run_unless_the_user_does(tmp_path):
    assert parallel(None, None) == ["--cores", "1"]
    assert parallel(3, None) == ["--cores", "3"]
    assert parallel(None, tmp_path) == ["--profile", str(tmp_path)], "a cluster would be held to one core"
    assert parallel(3, tmp_path) == ["--profile", str(tmp_path), "--cores", "3"]
