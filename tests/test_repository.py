"""What lies beside the package: pins, environments, make targets."""

import os
import re
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def test_every_direct_requirement_is_pinned_within_its_range(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    direct = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lines = (repository / "requirements.lock").read_text().splitlines()
    pins = {canonicalize_name(name): version for name, version in re.findall(r"(\S+)==(\S+)", "\n".join(lines))}
    for requirement in map(Requirement, direct):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("name", ["core", "imaging", "fsl"])
def test_an_environment_names_no_path_and_its_script_installs_the_checkout(repository, tmp_path, name):
    """Snakemake copies both files to .snakemake/conda; the script runs in the working directory."""
    text = (repository / "envs" / f"{name}.yaml").read_text()
    assert all(isinstance(entry, str) for entry in yaml.safe_load(text)["dependencies"]), "pip has no section"
    script = tmp_path / "0123_.post-deploy.sh"
    script.write_text((repository / "envs" / f"{name}.post-deploy.sh").read_text())
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    python.chmod(0o755)
    environment = {**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}"}
    elsewhere = subprocess.run(["bash", script], cwd=tmp_path, env=environment, text=True, capture_output=True)
    assert elsewhere.returncode == 1
    assert "error: not the top of the repository" in elsewhere.stderr
    assert not (tmp_path / "calls").exists()
    subprocess.run(["bash", script], cwd=repository, env=environment, check=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split()[-2:] for call in calls] == [["-r", "requirements.lock"], ["-e", "."]]


def test_every_environment_of_a_rule_exists(repository):
    rules = "".join(path.read_text() for path in (repository / "workflow" / "rules").glob("*.smk"))
    named = set(re.findall(r'"\.\./\.\./(envs/\S+)"', rules))
    assert named == {path.relative_to(repository).as_posix() for path in (repository / "envs").glob("*.yaml")}


def test_cleaning_leaves_the_users_data_and_results(repository):
    command = ["make", "--no-print-directory", "-n", "clean"]
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL")}
    told = subprocess.run(command, cwd=repository, env=environment, text=True, capture_output=True, check=True).stdout
    assert told.split() == ["rm", "-rf", ".venv", "data/simulated"]
