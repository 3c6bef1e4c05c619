"""Who may run, and what a killed run leaves."""

import os
import platform
import signal
import subprocess
import sys

import pytest

from myelosynth.errors import InputError
from myelosynth.study.runs import killed_jobs, stay_alone

STAY = """
import sys, os
from pathlib import Path
from myelosynth.study.runs import stay_alone
stay_alone(Path(sys.argv[1]))
print("alone", flush=True)
input()
"""
SAID = """
RuleException:
CalledProcessError in file "x.smk", line 50:
Command 'set -euo pipefail;  myelosynth n4 a b > c 2>&1' returned non-zero exit status {}.
[Sun Nov 22 00:36:06 2026]
Error in rule n4:
    jobid: 0
    log: results/logs/n4/sub-001_ses-t0.log (check log file(s) for error details)
"""


def run(folder):
    process = subprocess.Popen([sys.executable, "-c", STAY, str(folder)], stdin=-1, stdout=-1, stderr=-1, text=True)
    assert process.stdout.readline() == "alone\n"
    return process


@pytest.fixture
def locked(tmp_path):
    """Snakemake's own lock in the folder of its records."""
    folder = tmp_path / ".snakemake"
    (folder / "locks").mkdir(parents=True)
    (folder / "locks" / "0.input.lock").write_text("x\n")
    return folder


def test_the_second_is_told_who_the_first_is_and_may_run_after_it(tmp_path):
    first = run(tmp_path / ".snakemake")
    with pytest.raises(InputError, match=rf"results in use.*process {first.pid} on {platform.node()}\), wait"):
        stay_alone(tmp_path / ".snakemake")
    first.communicate("\n")
    run(tmp_path / ".snakemake").communicate("\n")


def test_the_lock_of_a_killed_run_is_removed_and_told(locked):
    (locked / "locks" / "0.input.lock").unlink()
    first = run(locked)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    (locked / "locks" / "0.input.lock").write_text("x\n")
    second = run(locked)
    _, told = second.communicate("\n")
    assert told.startswith(f"The last run here (process {first.pid} on ")
    assert told.count("\n") == 1
    assert not list((locked / "locks").iterdir())


@pytest.mark.parametrize(("owner", "words"), [("process 1 on elsewhere", "process 1 on elsewhere"), ("", "not known")])
def test_a_lock_whose_owner_may_live_stays(locked, owner, words):
    (locked / "run.lock").write_text(owner)
    with pytest.raises(InputError, match=f"results locked.*{words}.*--unlock"):
        stay_alone(locked)
    assert list((locked / "locks").iterdir())


def test_killed_jobs_are_named_and_failed_ones_are_not():
    (told,) = killed_jobs(SAID.format(137) + SAID.format(1))
    assert str(told).startswith("job of rule n4 was killed, results/logs/n4/sub-001_ses-t0.log, SIGKILL")
    assert not killed_jobs(SAID.format(1))
