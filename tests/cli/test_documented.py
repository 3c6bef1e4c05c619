"""docs/commands.md names every command with what it cannot do without."""

import re

import typer.main

from myelosynth.cli import commands  # noqa: F401  (registers every command)
from myelosynth.cli.app import app


def leaves(command, name=""):
    if hasattr(command, "commands"):
        for word, child in command.commands.items():
            yield from leaves(child, f"{name} {word}".strip())
    else:
        yield name, command


def signature(name, command):
    """Arguments first, then required options, as the table writes them."""
    words = [name]
    for parameter in (p for p in command.params if p.required):
        if parameter.param_type_name == "argument":
            words.append(parameter.name.upper())
        else:
            option = parameter.opts[0]
            words += [option, option.lstrip("-").upper().replace("-", "_")]
            words += ["..."] if parameter.multiple else []
    return " ".join(words)


def test_every_command_is_in_the_table(repository):
    text = (repository / "docs" / "commands.md").read_text().partition("\n## The systems")[0]
    written = re.findall(r"^\| `([^`]+)` \| ", text, re.MULTILINE)
    registered = [signature(name, command) for name, command in leaves(typer.main.get_command(app))]
    assert sorted(written) == sorted(registered)
    assert "(docs/commands.md)" in (repository / "README.md").read_text()
