"""Who is behind a curve, a null and retest noise: nobody twice, nobody whom the fold tests."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from myelosynth.cli import commands  # noqa: F401  (registers every command)
from myelosynth.cli.app import app
from myelosynth.errors import InputError
from myelosynth.myelin.controls import checked_against, distinct_participants

IMAGES = {"myelin-curve": ("--dvr", "--distance", "--wm"), "retest-noise": ("--dvr", "--retest", "--mask")}


def test_nobody_counts_twice():
    paths = [Path("a/sub-002_pet.nii.gz"), Path("map.nii.gz"), Path("a/sub-001_pet.nii.gz")]
    assert distinct_participants(paths, "here") == ["sub-002", "sub-001"]
    with pytest.raises(InputError, match=r"image given twice, here, \S*map.nii.gz 2 times"):
        distinct_participants([*paths, Path("map.nii.gz")], "here")
    with pytest.raises(InputError, match="participant given twice, here, sub-001 2 times"):
        distinct_participants([*paths, Path("b/sub-001_pet.nii.gz")], "here")


def test_fold_0_is_no_missing_option(tmp_path):
    split = tmp_path / "split.tsv"
    split.write_text("participant_id\tgroup\tfold\trole\nsub-001\tcontrol\t1\ttest\n")
    assert checked_against(["sub-001"], None, None, "here", "null", "patients") == {}
    for given, told in (((None, 0), "--split not given, --fold 0"), ((split, None), "--fold not given")):
        with pytest.raises(InputError, match=f"options belong together, here.*{told}"):
            checked_against(["sub-001"], *given, "here", "null", "patients")
    with pytest.raises(InputError, match=r"no such fold.*fold 0 has no row"):
        checked_against(["sub-001"], split, 0, "here", "null", "patients")
    with pytest.raises(InputError, match=r"leak: null of test subjects.*sub-001 among the patients, test in fold 1"):
        checked_against(["sub-001"], split, 1, "here", "null", "patients")
    assert checked_against(["sub-002"], split, 1, "here", "null", "patients")["Roles"] == {"not in the split": 1}


@pytest.mark.parametrize("name", IMAGES)
def test_the_commands_ask(tmp_path, name):
    """Before they read an image."""

    def call(*people, fold=1):
        images = [word for who in people for option in IMAGES[name] for word in (option, f"{who}_{option[2:]}.nii.gz")]
        words = [name, *images, "--split", str(split), "--fold", str(fold), "--out", str(tmp_path / "o.tsv")]
        CliRunner().invoke(app, words, catch_exceptions=False, standalone_mode=False)

    split = tmp_path / "split.tsv"
    split.write_text("participant_id\tgroup\tfold\trole\nsub-001\tcontrol\t1\ttest\n")
    with pytest.raises(InputError, match=f"image given twice, {name}"):
        call("sub-002", "sub-002")
    with pytest.raises(InputError, match="no such fold"):
        call("sub-002", fold=0)
    with pytest.raises(InputError, match="test in fold 1"):
        call("sub-001", "sub-002")
