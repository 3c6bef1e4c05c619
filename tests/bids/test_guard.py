"""Labels, names and paths from outside: what may pass, and what is refused in one line."""

import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myelosynth.bids.guard import plain_name, plain_path, require_image_name, require_inside, require_label
from myelosynth.errors import InputError

HOSTILE = ["a b", "a'b", 'a"b', "a;id", "..", "../a", "a\n", "a\tb", "é", "٣", "a`id`", "$(id)"]
HOSTILE += ["a\u202eb", "", "-a", "a/b"]


def refusal(look, *arguments):
    """What is told where the arguments are refused, one line that prints; None where they pass."""
    try:
        look(*arguments)
    except (InputError, ValueError) as fault:
        told = str(fault)
        assert told.isprintable()
        return told


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_are_refused_in_one_line(label):
    with pytest.raises(InputError, match="not a BIDS label") as told:
        require_label("sub", label, "participants.tsv line 2")
    assert str(told.value).isprintable()


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_a_label_that_passes_is_the_same_word_in_a_shell_a_path_and_a_pattern(label):
    if refusal(require_label, "sub", label, "here"):
        return
    assert label.isascii()
    assert label.isalnum()
    assert shlex.split(label) == [label]
    assert Path("folder", f"sub-{label}").name == f"sub-{label}"


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab01-_. /;'\"\n$`\\{}~é\u202e")))
def test_a_path_that_passes_is_one_word_once_quoted_and_no_wildcard(text):
    if refusal(plain_path, text):
        return
    assert shlex.split(shlex.quote(text)) == [text]
    # As a cluster's submission nests it: in double quotes, with only these escaped.
    nested = f'sh -c "{shlex.quote(text).replace(chr(34), chr(92) + chr(34))}"'
    assert shlex.split(shlex.split(nested)[2]) == [text]
    assert text.isprintable()
    assert not set(text) & set("{}$`\\")


@pytest.mark.parametrize("path", ["my data/raw", "O'Brien", "données", "a;b&c (1)", "../up", "/abs/#1", "データ"])
def test_paths_that_people_have_are_welcome(path):
    assert plain_path(path) == path


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("a\nb", r"U\+000A"),
        ("a{b", "{"),
        ("$HOME/a", r"\$"),
        ("~/a", "home folder"),
        ("-rf", "begin with -"),
        ("", "empty"),
        ("a\u202eb", r"U\+202E"),
    ],
)
def test_paths_that_a_shell_or_snakemake_would_misread_are_refused(path, told):
    with pytest.raises(ValueError, match=told):
        plain_path(path)


@pytest.mark.parametrize(
    "name",
    [
        "sub-B_ses-t0_T1w.nii.gz",
        "sub-A_ses-t1_T1w.nii.gz",
        "sub-A_T1w.nii.gz",
        "sub-A_ses-t0_acq-a b_T1w.nii.gz",
        "sub-A_ses-t0_acq-a;id_T1w.nii.gz",
        "sub-A_ses-t0_$(id)_T1w.nii.gz",
        "sub-A_ses-t0_T1w.nii.gz\n",
    ],
)
def test_an_image_tells_its_folder_and_nothing_but_labels(name):
    require_image_name(Path("sub-A_ses-t0_acq-mp2rage_run-1_T1w.nii.gz"), "A", "t0")
    with pytest.raises(InputError, match="not a BIDS name") as told:
        require_image_name(Path("sub-A/ses-t0/anat", name), "A", "t0")
    assert str(told.value).isprintable()


def test_a_name_in_a_folder_leads_nowhere_else():
    assert plain_name("weights_fold-1.safetensors")
    assert not any(plain_name(name) for name in ("../a", "a/b", "/a", "..", ".", "", "a\\b", "a\nb"))


def test_links_stay_within_the_folders_that_were_named(tmp_path):
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    for folder in (data / "sub-A", data / ".git" / "annex", elsewhere):
        folder.mkdir(parents=True)
    (data / ".git" / "annex" / "key").write_text("x")
    (elsewhere / "secret").write_text("x")
    (data / "sub-A" / "annexed").symlink_to("../.git/annex/key")
    require_inside(data / "sub-A" / "annexed", (data,), "")
    (tmp_path / "way").symlink_to(data)
    require_inside(tmp_path / "way" / "sub-A" / "annexed", (tmp_path / "way",), "")
    (data / "sub-A" / "out").symlink_to(elsewhere / "secret")
    (data / "sub-B").symlink_to(elsewhere)
    (data / "sub-A" / "broken").symlink_to("/nowhere/at/all")
    for path in (data / "sub-A" / "out", data / "sub-B" / "secret", data / "sub-A" / "broken"):
        with pytest.raises(InputError, match="link leaves the data set"):
            require_inside(path, (data,), "copy it")
    require_inside(data / "sub-A" / "out", (data, elsewhere), "")
