"""How `profiles/slurm` deals a study out over cluster jobs, told from a dry run."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from math import ceil

import pytest
import yaml

from .conftest import Study

pytestmark = pytest.mark.workflow

PATIENTS, CONTROLS = 9, 4
# Participants of a simulated cohort in one job (`group-components`), and tasks of one array (the executor's default).
SIMULATED, TASKS = 10, 1000
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


@pytest.fixture(scope="module")
def arrays(repository):
    """The rules whose jobs go out together."""
    profile = yaml.safe_load((repository / "profiles" / "slurm" / "config.yaml").read_text())
    return {name.strip() for name in profile["slurm-array-jobs"].split(",")}


def test_five_hundred_participants_with_two_sessions_make_fewer_than_1500_jobs(planned, arrays):
    groups = Counter(job.group for job in planned)
    assert groups["subject"] == PATIENTS + CONTROLS, "both sessions of a participant in one job"
    assert groups["simulate"] == ceil((PATIENTS + CONTROLS) / SIMULATED)
    alone = Counter(job.rules[0] for job in planned if not job.group)
    people = 500
    tasks = {rule: ceil(number * people / PATIENTS) for rule, number in alone.items() if rule in arrays}
    assert {"predict", "predict_network", "demyelination", "change", "lesion_table", "patient_page"} <= set(tasks)
    others = sum(number for rule, number in alone.items() if rule not in arrays)
    assert others < 40, "what does not grow with the number of participants"
    # As if the tasks of a rule were ready at once; those that are not make further arrays.
    total = people + ceil(people / SIMULATED) + others + sum(ceil(number / TASKS) for number in tasks.values())
    assert total < 700, total


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


def test_the_jobs_of_an_array_and_of_a_group_ask_for_the_same_gpus(planned, arrays):
    asked = defaultdict(set)
    for job in planned:
        assert not job.group or 1 not in job.gpus, "no group takes a GPU"
        asked[job.rules[0]] |= job.gpus
    assert asked["predict"] == {0}
    assert asked["predict_network"] == asked["predict_with_spread"] == {1}
    assert all(len(asked[rule]) <= 1 for rule in arrays)
    assert asked["train"] == {0, 1}, "not an array"


def test_memory_and_time_of_every_rule_grow_with_each_attempt(repository):
    asked = [
        line.strip()
        for path in (repository / "workflow" / "rules").glob("*.smk")
        for line in path.read_text().splitlines()
        if re.match(r" +(mem_mb|runtime)=", line)
    ]
    assert len(asked) > 100
    assert not [line for line in asked if "=grown(" not in line]
