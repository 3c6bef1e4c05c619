"""The audit of dependencies: exact pins, installed as locked, and an honest line where no advisories are known."""

import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

CLEAN = {"dependencies": [{"name": "jinja2", "version": "3", "vulns": []}]}
FLAWED = {"dependencies": [{"name": "jinja2", "version": "3", "vulns": [{"id": "PYSEC-1", "fix_versions": ["4"]}]}]}
SKIPPED = {"dependencies": [{"name": "jinja2", "skip_reason": "Dependency not found on PyPI"}]}


@pytest.fixture
def audit(repository, tmp_path):
    """The script with a stand-in for pip-audit that gives this answer; its exit status and what it says."""

    def run(answer="", lock=None):
        program = tmp_path / "pip-audit"
        text = answer if isinstance(answer, str) else json.dumps(answer)
        program.write_text(
            f"#!/bin/sh\ncat <<'EOF'\n{text}\nEOF\n[ -n '{text}' ] || {{ echo no network >&2; exit 1; }}\n"
        )
        program.chmod(0o755)
        path = tmp_path / "requirements.lock"
        path.write_text(f"# pins\njinja2=={version('jinja2')}\n" if lock is None else lock)
        environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        command = [sys.executable, str(repository / ".ci" / "audit_dependencies.py"), str(path)]
        done = subprocess.run(command, env=environment, text=True, capture_output=True)
        return done.returncode, (done.stdout + done.stderr).splitlines()[-1]

    return run


def test_what_is_known_fails_and_what_is_not_known_is_said(audit):
    assert audit(CLEAN) == (0, "dependencies: no known vulnerability in 1 of 1 pins")
    status, told = audit(FLAWED)
    assert (status, "jinja2 3: PYSEC-1, mended in 4" in told) == (1, True)
    assert audit("") == (0, "dependencies: NOT looked up for known vulnerabilities, no network")
    status, told = audit(SKIPPED)
    assert status == 0
    assert told.startswith(
        "dependencies: NOT looked up for known vulnerabilities, the registry that is set up here has no"
    )


@pytest.mark.parametrize(
    ("lock", "told"),
    [
        ("jinja2>=3\n", "error: not one exact pin"),
        ("jinja2\n", "error: not one exact pin"),
        ("jinja2==0.1\n", "jinja2==0.1, installed 3"),
        ("no-such-package==1\n", "no-such-package==1, installed not"),
    ],
)
def test_a_lock_that_is_not_what_is_installed_fails(audit, lock, told):
    status, line = audit(CLEAN, lock)
    assert status == 1
    assert told in line


def test_every_line_of_the_lock_is_an_exact_pin(repository):
    lines = [line for line in (repository / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 and not set(line) & set("<>~*;@ ") for line in lines)
