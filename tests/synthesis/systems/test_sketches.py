"""Leaks through a Sketcher: every stage of a cascade is checked."""

import json

import pytest

from myelosynth.errors import InputError
from myelosynth.images.volume import load_volume, save_volume
from myelosynth.synthesis.checkpoints import load_checkpoint


def refine(cohort, out, sketches, model="refiner-cf-sagan", *more):
    return cohort.options(model, out, "--loss", "nwl1", "--sketches", str(sketches), *more)


def test_a_sketcher_of_another_fold_is_a_leak(cohort, trained, run, tmp_path):
    with pytest.raises(InputError, match="leak: Sketcher of another fold"):
        run(refine(cohort, tmp_path / "out", trained["cf-sagan"], "refiner-cf-sagan", "--fold", "2"))


@pytest.mark.parametrize("role", ["train", "validation"])
def test_a_sketcher_that_saw_a_test_subject_is_a_leak(cohort, trained, run, tmp_path, role):
    checkpoint = load_checkpoint(trained["cf-sagan"] / "checkpoint.pt")
    checkpoint.participants[role].append(checkpoint.participants["test"][0])
    checkpoint.save(tmp_path / "sketcher" / "checkpoint.pt")
    with pytest.raises(InputError, match="leak: test participant in the training data"):
        run(refine(cohort, tmp_path / "out", tmp_path / "sketcher"))


@pytest.mark.parametrize(("field", "value"), [("task", "another"), ("target", "MTR"), ("sources", ["FA", "MTR"])])
def test_a_sketcher_of_another_task_or_channel_order_is_refused(cohort, trained, run, tmp_path, field, value):
    checkpoint = load_checkpoint(trained["cf-sagan"] / "checkpoint.pt")
    object.__setattr__(checkpoint, field, value)
    checkpoint.save(tmp_path / "sketcher" / "checkpoint.pt")
    with pytest.raises(InputError, match=rf"Sketcher of another fold or task.*{field} .* against"):
        run(refine(cohort, tmp_path / "out", tmp_path / "sketcher"))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("fold", 2, "another fold or task.*fold 2 of cf-sagan against 1"),
        ("split sha256", "0", "another fold or task"),
        ("participants", None, "test participant in the training data.*cf-sagan learned from"),
    ],
)
def test_the_first_stage_behind_a_third_is_checked_too(cohort, trained, run, tmp_path, key, value, words):
    checkpoint = load_checkpoint(trained["refiner-cf-sagan"] / "checkpoint.pt")
    (first,) = checkpoint.content["lineage"]
    first[key] = value or {**first["participants"], "train": first["participants"]["test"]}
    checkpoint.save(tmp_path / "refiner" / "checkpoint.pt")
    with pytest.raises(InputError, match=words):
        run(refine(cohort, tmp_path / "out", tmp_path / "refiner", "refiner2-cf-sagan"))


@pytest.mark.parametrize(
    ("model", "sketcher"),
    [("refiner-cf-sagan", "ridge"), ("refiner-cf-sagan", "refiner-cf-sagan"), ("refiner2-cf-sagan", "cf-sagan")],
)
def test_the_stage_before_must_have_its_number_of_stages(cohort, trained, run, tmp_path, model, sketcher):
    with pytest.raises(InputError, match="not a Sketcher"):
        run(refine(cohort, tmp_path / "out", trained[sketcher], model))


def test_incomplete_out_of_fold_sketches(cohort, trained, run, tmp_path):
    checkpoint = load_checkpoint(trained["cf-sagan"] / "checkpoint.pt")
    checkpoint.save(tmp_path / "sketcher" / "checkpoint.pt")
    first = checkpoint.participants["train"][0]
    target = load_volume(cohort.folder / first / "DVR.nii.gz")
    told = refine(cohort, tmp_path / "out", tmp_path / "sketcher", "refiner-cf-sagan", "--out-of-fold")
    with pytest.raises(InputError, match="out-of-fold sketches incomplete"):
        run(told)
    save_volume(tmp_path / "sketcher" / "sketches" / f"{first}_ses-t0.nii.gz", target.data, target.grid)
    with pytest.raises(InputError, match="out-of-fold sketches incomplete"):
        run(told)


def test_a_third_stage_carries_and_names_the_two_before(trained):
    two, three = (load_checkpoint(trained[f"{name}-cf-sagan"] / "checkpoint.pt") for name in ("refiner", "refiner2"))
    names = ["cf-sagan", "refiner-cf-sagan", "refiner2-cf-sagan"]
    assert [stage["network"] for stage in three.content["architecture"]["stages"]] == names
    assert [stage["model"] for stage in three.content["lineage"]] == names[:2]
    for key, value in two.content["weights"].items():
        assert (three.content["weights"][f"sketcher.{key}"] == value).all()
    record = json.loads((trained["refiner2-cf-sagan"] / "checkpoint.json").read_text())
    assert record["Stages"] == names
