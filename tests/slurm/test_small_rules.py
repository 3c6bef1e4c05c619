"""Short rules on a real Slurm: groups, arrays, a GPU, a job killed for its memory, an interrupted run."""

import os
import signal
import time

import pytest

from .cluster import GPUS
from .conftest import CI

pytestmark = pytest.mark.slurm


def submitted(cluster, before):
    """The jobs that the cluster got since there were `before`."""
    return cluster.jobs()[before:]


def test_groups_arrays_and_gpus_are_what_the_profile_says(small, cluster):
    before = len(cluster.jobs())
    small.run(*CI)
    for sub in ("001", "002"):
        first, second = (small.folder / "maps" / f"{sub}.txt").read_text().split()
        assert first == second, "both rules of a participant in one cluster job"
    curves = {(small.folder / f"curve_{fold}.txt").read_text().strip() for fold in (1, 2, 3)}
    assert len(curves) == 1, "three folds in one array"
    assert curves != {"alone"}
    gpu, node = (small.folder / "trained.txt").read_text().split()
    assert gpu in ("0", "1"), "what CUDA would see"
    assert node in GPUS
    both, node = (small.folder / "trained_by_two.txt").read_text().split()
    assert both == "0,1"
    assert node in GPUS, "both of one node"
    jobs = submitted(cluster, before)
    assert len({job.get("ArrayJobId", job["JobId"]) for job in jobs}) == 5, "two groups, one array, two trainings"
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    asked = [job["TresPerJob"] for job in jobs if "TresPerJob" in job]
    assert sorted(asked) == ["gres:gpu:1", "gres:gpu:2"]
    assert {job["Partition"] for job in jobs if "TresPerJob" not in job} == {"cpu"}


def test_a_job_killed_for_its_memory_gets_more_and_ends_well(small, cluster):
    before = len(cluster.jobs())
    said = small.run(*CI, "greedy.txt")
    assert (small.folder / "greedy.txt").read_text() == "done\n"
    assert (small.folder / "attempts.txt").read_text().split() == ["attempt"] * 2
    first, second = sorted(submitted(cluster, before), key=lambda job: int(job["JobId"]))
    assert (first["JobState"], second["JobState"]) == ("FAILED", "COMPLETED")
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("450M", "1800M")
    assert "Trying to restart job" in said


def test_an_interrupted_run_leaves_no_job_behind_and_the_next_one_completes(small, cluster):
    before = len(cluster.jobs())
    process = small.start(*CI, "slowly")
    halves = [small.folder / "slow" / f"{i}.txt" for i in (1, 2)]
    deadline = time.monotonic() + 120
    while not all(half.exists() for half in halves):
        assert time.monotonic() < deadline, "no job started"
        assert process.poll() is None, process.communicate()[0][-3000:]
        time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=90)
    assert process.returncode != 0
    left = {"RUNNING", "PENDING", "COMPLETING", "CONFIGURING"}
    deadline = time.monotonic() + 30
    while any(job["JobState"] in left for job in submitted(cluster, before)):
        assert time.monotonic() < deadline, f"jobs go on after the interrupt\n{said[-3000:]}"
        time.sleep(0.5)
    assert "CANCELLED" in {job["JobState"] for job in submitted(cluster, before)}
    (small.folder / "awake").touch()
    small.run(*CI, "slowly")
    assert [half.read_text() for half in halves] == ["whole\n"] * 2
    assert "Nothing to be done" in small.run(*CI, "slowly")
