"""How `profiles/slurm` deals a study out over cluster jobs, told from a dry run."""

import re
from collections import Counter
from dataclasses import dataclass
from math import ceil

import pytest

from .conftest import Study

pytestmark = pytest.mark.workflow

PATIENTS, CONTROLS, SYSTEMS = 9, 4, 5
# As `group-components` of the profile says.
SIMULATED, PREDICTED, PAGES = 10, 20, 25
# Rules that run where Snakemake runs.
LOCAL = {"all", "describe", "describe_system", "manifest", "split", "inner_split"}


@dataclass(frozen=True)
class ClusterJob:
    """One job as Slurm would see it: its group (empty for a rule of its own), its rules, the GPUs each asks for."""

    group: str
    rules: tuple[str, ...]
    gpus: frozenset[int]


@pytest.fixture(scope="module")
def planned(repository, tmp_path_factory):
    """The cluster jobs of the demo's systems on a GPU and a cohort of 13, in a dry run."""
    folder = tmp_path_factory.mktemp("cluster")
    overlay = folder / "overlay.yaml"
    overlay.write_text(f"simulate: {{patients: {PATIENTS}, controls: {CONTROLS}}}\nlearning: {{device: cuda}}\n")
    return dealt_out(Study(folder / "study", repository, overlay))


def dealt_out(study: Study, *targets: str) -> list[ClusterJob]:
    """The cluster jobs of a dry run, without the steps that run where Snakemake runs."""
    said = study.snakemake("-n", "--profile", "slurm", "--nocolor", "--", *targets).stdout
    assert "This was a dry-run" in said, said[-3000:]
    plan = []
    for block in re.split(r"^\[[^\]\n]+\] *\n?", said, flags=re.MULTILINE)[1:]:
        group = re.match(r"Group job (\S+)", block)
        rules = re.findall(r"^ *(?:local)?rule (\S+):$", block, re.MULTILINE)
        gpus = frozenset(int(number) for number in re.findall(r"\bgpu=(\d+)", block))
        plan.append(ClusterJob(group[1] if group else "", tuple(rules), gpus))
    steps = int(re.search(r"^total +(\d+)", said, re.MULTILINE)[1])
    assert sum(len(job.rules) for job in plan) == steps, "a group that waits for itself is never planned"
    return [job for job in plan if job.group or job.rules[0] not in LOCAL]


def test_five_hundred_participants_with_two_sessions_make_fewer_than_1500_jobs(planned):
    groups = Counter(re.sub(r"_.*", "", job.group) for job in planned)
    everybody = PATIENTS + CONTROLS
    assert groups["subject"] == everybody, "both sessions of a participant in one job"
    assert groups["maps"] == PATIENTS, "all systems of a patient in one job"
    assert groups["simulate"] == ceil(everybody / SIMULATED)
    images = 2 * PATIENTS + CONTROLS
    # The main system predicts the controls of each fold besides.
    assert SYSTEMS * ceil(images / PREDICTED) <= groups["predict"] <= SYSTEMS * ceil(images / PREDICTED) + 1
    assert groups["pages"] == ceil(PATIENTS / PAGES)
    others = groups[""]
    assert others < 60, "what does not grow with the number of participants"
    people = 500
    predictions = SYSTEMS * ceil(2 * people / PREDICTED) + 3 * ceil(people / PREDICTED)
    total = 2 * people + ceil(people / SIMULATED) + predictions + ceil(people / PAGES) + others
    assert total < 1500, total


def test_preprocessing_alone_makes_one_job_a_participant(repository, tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("simulate: {patients: 2, controls: 1}\n")
    jobs = Counter(
        job.group or job.rules[0] for job in dealt_out(Study(tmp_path / "study", repository, overlay), "preprocessing")
    )
    assert sum(count for name, count in jobs.items() if name.startswith("subject")) == 3
    assert set(jobs) - {name for name in jobs if name.startswith("subject")} <= {
        "simulate",
        "simulate_tables",
        "check",
        "template",
        "preprocessing",
    }


def test_a_job_asks_for_a_gpu_as_a_whole_or_not_at_all(planned):
    asking = {job for job in planned if 1 in job.gpus}
    assert all(job.gpus == {1} for job in asking)
    kinds = {job.group or job.rules[0] for job in asking}
    assert kinds == {
        "train",
        *(f"predict_{name}" for name in ("residual-context", "cf-sagan-l1", "refiner-cf-sagan-nwl1")),
    }
    floors = {job.group for job in planned if job.gpus == {0} and job.group}
    assert floors == {"predict_mean-atlas", "predict_ridge"}


def test_memory_and_time_of_every_rule_grow_with_each_attempt(repository):
    asked = [
        line.strip()
        for path in (repository / "workflow" / "rules").glob("*.smk")
        for line in path.read_text().splitlines()
        if re.match(r" +(mem_mb|runtime)=", line)
    ]
    assert len(asked) > 100
    assert not [line for line in asked if "=grown(" not in line]
