"""What lies beside the package: pins, make targets."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYTHON_311 = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="requirements.lock is for Python 3.11")


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def pins(repository):
    """Distribution -> version of every line of the lock that is no comment."""
    lines = (repository / "requirements.lock").read_text().splitlines()
    pinned = [re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.+]+)", line) for line in lines if not line.startswith("#")]
    assert all(pinned), "every line is NAME==VERSION"
    return {canonicalize_name(name): version for name, version in (found.groups() for found in pinned)}


def test_every_direct_requirement_is_pinned_within_its_range(project, pins):
    direct = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["dev"]]
    for requirement in map(Requirement, direct):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


@PYTHON_311
def test_the_lock_is_whole_and_has_nothing_else(project, pins):
    """What the pinned packages ask for is pinned within its range, and somebody asks for every pin."""
    known = {entry["name"]: entry["requires-dist"] for entry in project["tool"]["uv"]["dependency-metadata"]}
    tables = project["project"]
    waiting = [Requirement(text) for text in [*tables["dependencies"], *tables["optional-dependencies"]["dev"]]]
    seen, reached = set(), set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{requirement} is not in requirements.lock: make lock"
        assert requirement.specifier.contains(pins[name], prereleases=True), f"{requirement}, pinned {pins[name]}"
        reached.add(name)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            asked = map(Requirement, known.get(name) or distribution(name).requires or [])
            waiting += [one for one in asked if one.marker is None or one.marker.evaluate({"extra": extra})]
    assert set(pins) == reached


@PYTHON_311
def test_what_the_lock_says_of_torch_is_what_its_wheel_says(project):
    """Any build of the pinned version, but for the libraries of CUDA, which differ from build to build."""
    (told,) = project["tool"]["uv"]["dependency-metadata"]
    asked = [Requirement(text) for text in distribution("torch").requires]
    here = {str(one) for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})}
    assert {one for one in here if not re.match("nvidia|cuda|triton", one)} == set(told["requires-dist"])


def test_cleaning_leaves_the_users_data_and_results(repository):
    command = ["make", "--no-print-directory", "-n", "clean"]
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL")}
    told = subprocess.run(command, cwd=repository, env=environment, text=True, capture_output=True, check=True).stdout
    assert told.split() == ["rm", "-rf", ".venv", "data/simulated"]
