"""Every command of every rule says the same words in a folder with odd characters as in any other."""

import re
import shlex

import pytest
import yaml

from .conftest import Study

FIELD = re.compile(r"\{([^{}]+)\}")


def shell_parts(text):
    """The lines of a rule file inside `shell:` sections, and the others."""
    inside, outside, within = [], [], False
    for line in text.splitlines():
        within = line.strip() == "shell:" or (within and line.strip().startswith('"'))
        (inside if within else outside).append(line)
    return inside, outside


def test_every_field_is_quoted_and_every_option_a_list_of_words(repository):
    files = sorted((repository / "workflow" / "rules").glob("*.smk"))
    commands = 0
    for file in files:
        inside, outside = shell_parts(file.read_text())
        fields = [field for line in inside for field in FIELD.findall(line)]
        bare = [field for field in fields if field != "threads" and not field.endswith(":q")]
        glued = [line.strip() for line in outside if re.search(r'" ?--[\w-]+ [^"]*"', line)]
        assert not bare, f"{file.name}: write {{{bare[0]}:q}}"
        assert not glued, f"{file.name}: a list of words instead of {glued[0]}"
        commands += sum("myelosynth " in line for line in inside)
    assert commands > 60


def commands_of(study, overlay):
    """Words of every command of a dry run."""
    result = study.snakemake("-n", overlays=(overlay,))
    assert result.returncode == 0, result.stdout[-3000:]
    lines = [line.removeprefix("Shell command: ") for line in result.stdout.splitlines() if "Shell command: " in line]
    return [shlex.split(line) for line in lines]


@pytest.mark.workflow
def test_folders_with_blanks_quotes_and_shell_characters(repository, tmp_path):
    """The words of each command are those of a plain folder, with the odd names in their place."""
    names = {"out": "O'Brien's results; touch ran &(1)", "raw": "raw *data/été #2 -rf", "task": "my task.yaml"}
    words = {}
    for kind in ("plain", "odd"):
        study = Study(tmp_path / f"{kind} lab", repository, repository / "tests/workflow/tiny.yaml")
        given = names if kind == "odd" else {"out": "PLAIN-OUT", "raw": "PLAIN-RAW", "task": "PLAIN-TASK.yaml"}
        (study.folder / given["task"]).write_bytes((repository / "config" / "tasks" / "myelin.yaml").read_bytes())
        overlay = study.folder / "my overlay.yaml"
        record = {
            "output": given["out"],
            "dataset": {"bids_dir": given["raw"], "lesions": f"{given['raw']}/derivatives/lesions"},
            "simulate": {"patients": 6, "controls": 6, "scenario": "default"},
            "learning": {"task": given["task"], "sketches": "out-of-fold"},
            "maps": {"change_threshold": "retest"},
        }
        overlay.write_text(yaml.safe_dump(record))
        words[kind] = commands_of(study, overlay)
        assert not (study.folder / "ran").exists()
    for command in words["plain"]:
        for place, name in zip(("PLAIN-OUT", "PLAIN-RAW", "PLAIN-TASK.yaml"), names.values(), strict=True):
            command[:] = [word.replace(place, name) for word in command]
    assert sorted(words["odd"]) == sorted(words["plain"])
    kinds = {tuple(command[:2]) for command in words["odd"]}
    assert len(kinds) > 30


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("path", "told"), [("a$(touch ran)", r"cannot hold \$"), ("a\nb", r"U\+000A"), ("a{sub}", "hold {")]
)
def test_what_cannot_be_quoted_everywhere_stops_before_the_first_job(repository, tmp_path, path, told):
    study = Study(tmp_path / "study", repository, repository / "tests/workflow/tiny.yaml")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"output": path}))
    result = study.snakemake("--cores", "1", overlays=(overlay,))
    assert result.returncode != 0
    last = result.stdout.splitlines()[-1]
    assert last.startswith("error: settings not valid, configuration, output: ")
    assert re.search(told, last)
    assert not (study.folder / "ran").exists()
