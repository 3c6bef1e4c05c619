"""A bundle holds what it says, whole or not at all, and only parts that belong together."""

import hashlib
import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from myelosynth.bids.sidecar import read_json, write_json
from myelosynth.errors import InputError
from myelosynth.images.fields import FieldModel
from myelosynth.myelin.null import NullModel
from myelosynth.synthesis.bundle import build
from myelosynth.synthesis.bundle.card import load_bundle, read_card
from myelosynth.synthesis.checkpoints import load_checkpoint
from myelosynth.synthesis.data.folds import read_fold

from .conftest import write_curve


def test_every_file_is_hashed_and_nobody_named(bundle, card):
    names = {path.name for path in bundle.iterdir()}
    expected = {"checkpoint.pt", "weights.safetensors", "task.yaml", "curve.tsv", "curve.json", "statistics.json"}
    assert names == {*expected, "model_card.json", "model_card.md"}
    assert set(card["Files"]) == names - {"model_card.json"}
    for name, digest in card["Files"].items():
        assert hashlib.sha256((bundle / name).read_bytes()).hexdigest() == digest, name
    for name in ("model_card.json", "model_card.md", "statistics.json"):
        assert "sub-" not in (bundle / name).read_text(), name
    assert load_bundle(bundle).system == "ridge"


def test_the_card_counts_whom_it_learned_from(card, cohort):
    fold = read_fold(cohort.split, 1)
    assert sum(card["Data"]["Learned"].values()) == len(fold.participants("train")) + len(
        fold.participants("validation")
    )
    told = card["Data"]["Participants"]
    assert {role: sum(groups.values()) for role, groups in told.items()} == {
        role: len(fold.participants(role)) for role in ("train", "validation", "test")
    }
    assert card["Training"] == {"Folds": [1], "Seeds": [3], "SplitSha256": fold.sha256}
    assert card["Simulated"] is False
    assert any("too few to know" in line for line in card["Limits"])


def test_metrics_stand_between_floor_and_ceiling(bundle, card):
    rows = card["Metrics"]
    assert [(row["part"], row["system"], row["mean"]) for row in rows] == [
        ("model", "ridge", 0.01),
        ("floor", "mean-atlas", 0.03),
        ("ceiling", "retest", 0.005),
    ]
    text = (bundle / "model_card.md").read_text()
    assert "| mse_masked | ses-t0 | n/a | all | model | ridge | 7 | 0.01 | 0.008 to 0.012 |" in text
    assert all(line in text for line in card["Limits"])
    assert "The oracle bounds error scores against the noise-free DVR only" in text
    assert f"sha256 of the split that trained it: {card['Training']['SplitSha256']}" in text


def test_a_summary_alone_is_pooled_and_says_so(bundle, card):
    assert card["MetricsOf"]["Scope"] == "pooled over folds"
    assert "The metrics are pooled over folds: those of the system, not of this checkpoint alone." in card["Limits"]
    text = (bundle / "model_card.md").read_text()
    assert "Pooled over the test subjects of several folds" in text
    assert "Those of fold 1 alone, which this bundle holds, were not told." in text


@pytest.fixture
def tables(pieces, tmp_path):
    """Summary and tables of single subjects: in fold 1 the MSE counts 0.1, 0.2, ..., in the other folds it is 9."""
    folder = tmp_path / "tables"
    folder.mkdir()
    shutil.copy(pieces.folder / "summary.tsv", folder)
    images = ["system\tparticipant_id\tsession_id\tgroup\tfold\treference\tmse_masked\tlesion_mae"]
    for number in (1, 2):
        fold = read_fold(pieces.cohort.split, number)
        for count, sub in enumerate(fold.participants("test"), 1):
            error = count / 10 if number == 1 else 9
            group = fold.groups[sub]
            for system, factor in (("ridge", 1), ("mean-atlas", 2), ("unet-l1", 3)):
                lesion = error * factor if group == "patient" else "n/a"
                images.append(f"{system}\t{sub}\tses-t0\t{group}\t{number}\tmeasured\t{error * factor}\t{lesion}")
    (folder / "image_metrics.tsv").write_text("\n".join(images) + "\n")
    (folder / "overlap.tsv").write_text("system\tparticipant_id\tsession_id\tmap\tfold\tdice\n")
    names = ("percent_t0", "percent_t1", "global", "demyelination", "remyelination")
    (folder / "indices.tsv").write_text("\t".join(("system", "participant_id", "fold", *names)) + "\n")
    return folder


def test_scores_are_those_of_the_checkpoints_own_test_subjects(pieces, tables, run, tmp_path):
    run([*pieces.options(tmp_path / "b", 1), "--metrics", str(tables / "summary.tsv")])
    record = read_card(tmp_path / "b").record
    tested = len(read_fold(pieces.cohort.split, 1).participants("test"))
    whose = {"Scope": "test subjects of the members' folds", "Folds": [1], "TestSubjects": tested, "Trainings": 1}
    assert record["MetricsOf"] == whose
    rows = {(row["system"], row["metric"]): row for row in record["Metrics"]}
    assert rows["ridge", "mse_masked"]["n"] == tested
    assert rows["ridge", "mse_masked"]["mean"] == pytest.approx((tested + 1) / 20)
    assert rows["mean-atlas", "mse_masked"]["mean"] == pytest.approx((tested + 1) / 10)
    assert {system for system, _ in rows} == {"ridge", "mean-atlas"}
    assert not any("pooled" in line for line in record["Limits"])
    text = (tmp_path / "b" / "model_card.md").read_text()
    assert f"Test subjects of fold 1, {tested} participants, whom this checkpoint did not learn from." in text


def test_scores_of_another_split_are_refused(pieces, tables, run, tmp_path):
    stranger = read_fold(pieces.cohort.split, 1).participants("train")[0]
    path = tables / "image_metrics.tsv"
    lines = path.read_text().splitlines()
    lines.append(f"ridge\t{stranger}\tses-t0\tpatient\t1\tmeasured\t0.5\t0.5")
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=rf"metrics of another split, .*{stranger} as test subject of fold 1"):
        run([*pieces.options(tmp_path / "b", 1), "--metrics", str(tables / "summary.tsv")])


def test_an_ensemble_says_what_it_is(ensemble):
    card = read_card(ensemble)
    assert [path.name for path in card.checkpoints] == ["checkpoint_fold-1_seed-3.pt", "checkpoint_fold-2_seed-3.pt"]
    assert card.spread
    assert any("mean of 2 members" in line for line in card.limits)
    assert any("No metrics" in line for line in card.limits)


def test_the_weights_are_those_of_the_checkpoint(bundle):
    tensors, content = load_file(bundle / "weights.safetensors"), load_checkpoint(bundle / "checkpoint.pt").content
    held = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    assert set(tensors) == set(held)
    assert all(torch.equal(tensors[name], held[name]) for name in held)


def test_the_same_parts_give_the_same_bytes(bundle, pieces, run, tmp_path):
    run([*pieces.options(tmp_path / "again", 1), "--metrics", str(pieces.folder / "summary.tsv")])
    for path in bundle.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_studys_preprocessing_travels_with_it(pieces, run, repository, tmp_path):
    (tmp_path / "study.yaml").write_text("diffusion:\n  denoise: true\ncurve:\n  csf: all\n")
    configs = ["--config", str(repository / "config" / "config.yaml"), "--config", str(tmp_path / "study.yaml")]
    run([*pieces.options(tmp_path / "b", 1), *configs])
    text = read_card(tmp_path / "b").preprocessing.read_text()
    assert "denoise: true" in text
    assert "csf: all" in text
    assert "learning" not in text


def test_nothing_is_left_of_a_bundle_that_failed(pieces, run, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(build, "export_safetensors", fail)
    with pytest.raises(OSError, match="disk full"):
        run(pieces.options(tmp_path / "b", 1))
    assert not list(tmp_path.iterdir())


def test_a_bundle_is_not_written_over(bundle, pieces, run):
    with pytest.raises(InputError, match="output exists"):
        run(pieces.options(bundle, 1))


def test_parts_that_do_not_belong_together(pieces, run, tmp_path):
    fold = read_fold(pieces.cohort.split, 1)

    def refused(words, **changed):
        options = pieces.options(tmp_path / "b", *changed.pop("folds", [1]))
        for name, value in changed.items():
            options[options.index(f"--{name}") + 1] = str(value)
        with pytest.raises(InputError, match=words):
            run(options)
        assert not (tmp_path / "b").exists()

    other = tmp_path / "split.tsv"
    other.write_text(pieces.cohort.split.read_text() + "\n")
    refused("checkpoint of another task or split.*split sha256 .* against ", split=other)
    other = tmp_path / "manifest.tsv"
    other.write_text(pieces.cohort.manifest.read_text() + "\n")
    refused("checkpoint of another manifest", data=other)
    task = tmp_path / "task.yaml"
    task.write_text(pieces.cohort.task.read_text().replace("[MTR, FA", "[FA, MTR").replace("- MTR", "- XX"))
    refused("checkpoint of another task or split.*sources MTR, FA, RD, AD of the checkpoint", task=task)
    tested = next(sub for sub in fold.participants("test") if fold.groups[sub] == "control")
    write_curve(tmp_path / "tested.tsv", [tested])
    refused(f"curve of another fold.*{tested}, test subject in fold 1", curve=tmp_path / "tested.tsv")
    write_curve(tmp_path / "strangers.tsv", ["sub-999"])
    refused("curve of other participants.*sub-999 is no control", curve=tmp_path / "strangers.tsv")
    write_curve(tmp_path / "patient.tsv", ["sub-001"])
    refused("curve of other participants.*sub-001 is no control", curve=tmp_path / "patient.tsv")
    refused("checkpoint given twice", folds=[1, 1])
    copied = tmp_path / "copied"
    shutil.copytree(pieces.folder / "fold-1", copied)
    write_json(copied / "checkpoint.json", read_json(copied / "checkpoint.json") | {"CheckpointSha256": "0" * 64})
    refused("record of another checkpoint", checkpoint=copied / "checkpoint.pt")


def test_systems_are_not_mixed(pieces, run, tmp_path):
    other = tmp_path / "checkpoint.pt"
    replace(load_checkpoint(pieces.checkpoint(2)), model="mean-atlas", loss="mean").save(other)
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    record = read_json(pieces.checkpoint(2).with_suffix(".json"))
    write_json(tmp_path / "checkpoint.json", record | {"CheckpointSha256": digest})
    options = [*pieces.options(tmp_path / "b", 1), "--checkpoint", str(other)]
    with pytest.raises(InputError, match=r"checkpoints of different systems.*mean-atlas mean against ridge l2"):
        run(options)


@pytest.mark.parametrize("name", ["curve.tsv", "checkpoint.pt", "model_card.md"])
def test_a_changed_file_is_one_line_that_names_it(bundle, tmp_path, name):
    changed = tmp_path / "b"
    shutil.copytree(bundle, changed)
    (changed / name).write_bytes((changed / name).read_bytes() + b" ")
    with pytest.raises(InputError, match=f"file of the bundle was changed, .*{name}, sha256 .* expected ") as told:
        load_bundle(changed)
    assert "\n" not in str(told.value)
    (changed / name).unlink()
    with pytest.raises(InputError, match=f"file of the bundle missing, .*{name}"):
        load_bundle(changed)


def test_what_is_no_bundle(bundle, tmp_path):
    with pytest.raises(InputError, match=r"not a bundle, .*no such folder"):
        read_card(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"not a bundle, .*no model_card\.json"):
        read_card(tmp_path)
    record = json.loads((bundle / "model_card.json").read_text())
    write_json(tmp_path / "model_card.json", record | {"Format": 99})
    with pytest.raises(InputError, match=r"bundle not understood, .*format 99, expected 1"):
        read_card(tmp_path)


def test_a_null_comes_along_and_that_of_another_system_does_not(pieces, run, tmp_path):
    null = tmp_path / "n.json"
    model = NullModel(0.0, -0.2, 0.0, 0.0, 0.03, 0.0, FieldModel((0.0,), (1.0,), 0.0), 4).record()
    write_json(null, {"System": "ridge", "VoxelSize": [2, 2, 2], "Null": model})
    run([*pieces.options(tmp_path / "out", 1), "--null", str(null)])
    card = load_bundle(tmp_path / "out")
    assert card.null is not None
    assert card.null.read_bytes() == null.read_bytes()
    assert not any(line.startswith("No null") for line in card.limits)
    old = {"System": "ridge", "Null": {"shift": 0.0, **{name: model[name] for name in model if name != "change"}}}
    for record, told in (
        ({"System": "true", "Null": {}}, "null not of this bundle.*system true"),
        ({"System": "ridge", "Null": None}, "null not of this bundle.*pairs"),
        (old, "not a null model.*'change'"),
    ):
        write_json(null, record)
        with pytest.raises(InputError, match=told):
            run([*pieces.options(tmp_path / "other", 1), "--null", str(null)])
    assert not (tmp_path / "other").exists()
