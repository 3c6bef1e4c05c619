"""Runs that are killed, that meet, and whose clock is wrong. The long campaign is benchmarks/kills.py."""

import os
import re
import time

import pytest

from .conftest import kill

pytestmark = pytest.mark.workflow
TEMPLATE, LOG = "results/work/mni152_brain.nii.gz", "results/logs/template/mni152.log"
TABLE, DESCRIPTION = "data/raw/participants.tsv", "results/derivatives/myelosynth/dataset_description.json"


def test_a_killed_run_is_taken_up_by_the_same_command_and_a_second_one_is_told_to_wait(line):
    first = line.start(TEMPLATE)
    line.wait_for(LOG)
    code, said = line.run(TEMPLATE)
    assert code == 1
    errors = [text for text in said.splitlines() if "error" in text.lower()]
    assert len(errors) == 1, errors
    assert re.fullmatch(
        rf"error: results in use, {line.folder}, another run is at work there \(process {first.pid} on .+\), .+",
        errors[0],
    )
    kill(first)
    assert not (line.folder / TEMPLATE).exists()
    assert list((line.folder / ".snakemake" / "locks").iterdir()), "Snakemake's own lock stays behind"
    code, said = line.run(TEMPLATE)
    assert code == 0, said[-3000:]
    assert said.count(f"The last run here (process {first.pid} on ") == 1
    made = (line.folder / TEMPLATE).read_bytes()
    assert not list(line.folder.rglob(".part-*"))
    code, said = line.run(TEMPLATE)
    assert "Nothing to be done" in said
    (line.folder / TEMPLATE).unlink()
    assert line.run(TEMPLATE)[0] == 0
    assert (line.folder / TEMPLATE).read_bytes() == made


def test_a_killed_job_is_told_in_one_line(line):
    # The job stops at once: it takes itself for one that the memory limit has met.
    (line.folder / "bin").mkdir()
    program = line.folder / "bin" / "myelosynth"
    program.write_text("#!/bin/sh\nkill -9 $$\n")
    program.chmod(0o755)
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{program.parent}:{path}"
    try:
        code, said = line.run(TEMPLATE)
    finally:
        os.environ["PATH"] = path
    assert code == 1
    wanted = f"error: job of rule template was killed, {LOG}, SIGKILL from outside, most often because memory ran out, "
    assert said.count(wanted) == 1
    assert line.run(TEMPLATE)[0] == 0


def test_a_changed_table_from_the_future_stops_the_run_and_is_not_taken_as_done(line):
    assert line.run(DESCRIPTION)[0] == 0
    table, made = line.folder / TABLE, line.folder / DESCRIPTION
    ahead = time.time() + 86400
    os.utime(table, (ahead, ahead))
    code, said = line.run(DESCRIPTION)
    assert (code, "Nothing to be done" in said) == (0, True), "the same bytes: no rerun without end"
    table.write_text(table.read_text() + "sub-900\t40\tF\tcontrol\n")
    os.utime(table, (ahead, ahead))
    code, said = line.run(DESCRIPTION)
    assert code == 1
    assert "clock skew" in said
    assert str(TABLE) in said
    assert not made.exists()
    os.utime(table)
    assert line.run(DESCRIPTION)[0] == 0
    assert "Nothing to be done" in line.run(DESCRIPTION)[1]
