"""The plan that is signed off before a run."""

import json
import subprocess

import pytest

from myelosynth.audit import signed_plan
from myelosynth.audit.signed_plan import PLAN, Plan, plan_run, plan_snakemake
from myelosynth.errors import InputError
from myelosynth.study.config import config_sha256
from myelosynth.study.workflow_run import WorkflowRun

SNAKEFILE = """
from pathlib import Path
from snakemake.logging import logger

configfile: "config/config.yaml"

study = {"configuration": config, "working_directory": str(Path.cwd()), "checkout": str(workflow.basedir)}
logger.info("Configuration", extra={"study": study})
out = config["output"]

rule all:
    input: out + "/b"

rule first:
    output: temp(out + "/a")
    log: out + "/a.log"
    group: "both"
    shell: "echo '{config[word]}' > {output} 2> {log}"

rule second:
    input: out + "/a"
    output: out + "/{name}"
    wildcard_constraints: name="b"
    group: "both"
    shell: "cp {input} {output}"
"""


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "config.yaml").write_text("output: results\nword: one\n")
    (folder / "Snakefile").write_text(SNAKEFILE)
    return folder


def run_of(checkout, out, options=()):
    settings = {"output": str(out), "word": "it's $HOME"}
    return WorkflowRun("group", "all", checkout, out, settings, [], ["--cores", "1", *options])


def test_a_run_is_planned_with_every_job_and_leaves_the_plan_alone(checkout, tmp_path):
    out = tmp_path / "out"
    planned = plan_run(run_of(checkout, out))
    assert not out.exists(), "a dry run writes nothing"
    path = planned.file("A. Auditor", replace=False)
    assert [one.relative_to(out) for one in sorted(out.rglob("*")) if one.is_file()] == [PLAN]
    record = json.loads(path.read_text())
    assert record["format"] == 1
    assert record["signed_off_by"] == "A. Auditor"
    assert record["targets"] == ["all"]
    assert record["config"]["word"] == "it's $HOME"
    assert record["config_sha256"] == config_sha256(record["config"])
    jobs = {job["rule"]: job for job in record["jobs"]}
    assert list(jobs) == ["all", "first", "second"]
    assert jobs["first"]["outputs"] == ["a"], "from the folder of the run on"
    assert jobs["first"]["log"] == ["a.log"]
    assert jobs["second"]["inputs"] == ["a"]
    assert jobs["second"]["wildcards"] == {"name": "b"}
    assert jobs["second"]["shell"] == f"cp {out}/a {out}/b"
    assert jobs["first"]["shell"] == f"echo 'it's $HOME' > {out}/a 2> {out}/a.log"


def test_a_plan_is_the_same_before_and_after_the_run_and_for_groups(checkout, tmp_path, monkeypatch):
    monkeypatch.chdir(checkout)
    before = plan_snakemake([])
    subprocess.run(["snakemake", "--cores", "1", "--quiet", "all"], check=True, stderr=subprocess.DEVNULL)
    assert (checkout / "results" / "b").is_file()
    for options in ([], ["--groups", "first=x", "second=x"]):
        after = plan_snakemake([*options, "--"] if options else [])
        assert sorted(after.jobs, key=str) == sorted(before.jobs, key=str)
    assert before.results == checkout / "results"
    assert [job["outputs"] for job in before.jobs if job["rule"] == "second"] == [["results/b"]]


def test_files_may_be_the_targets(checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    assert plan_snakemake(["--config", "word=two", "--", "results/a"]).targets == ["results/a"]


def test_a_dry_run_that_fails_is_one_line(checkout, monkeypatch, capfd):
    monkeypatch.chdir(checkout)
    with pytest.raises(InputError, match=r"nothing could be planned, .*Snakemake ended with 1, 0 jobs; .*told above"):
        plan_snakemake(["nobody"])
    assert "nobody" in capfd.readouterr().out


def test_a_filed_plan_is_replaced_only_when_asked_and_kept(tmp_path):
    job = {"rule": "all", "wildcards": {}, "inputs": [], "outputs": [], "log": [], "shell": None}
    plan = Plan({"output": "results"}, tmp_path, tmp_path, [job])
    path = plan.file("First", replace=False)
    first = path.read_bytes()
    with pytest.raises(InputError, match=r"a plan is filed, .*plan.json, of 20.*, signed off by First, .*--replace"):
        plan.file("Second", replace=False)
    assert path.read_bytes() == first
    plan.file("Second", replace=True)
    plan.file(None, replace=True)
    kept = sorted(path.parent.glob("plan-*Z*.json"))
    assert len(kept) == 2, "two plans of one second are two files"
    assert kept[-1].read_bytes() == first or kept[0].read_bytes() == first
    assert json.loads(path.read_text())["signed_off_by"] is None
    assert sorted(one.name for one in path.parent.iterdir() if one.name.startswith(".")) == []


def test_the_commit_is_that_of_the_checkout_and_of_nothing_around_it(checkout):
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@localhost"]
    assert signed_plan._version_control(checkout) == {"commit": None, "uncommitted": None}
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=checkout, check=True)
    told = signed_plan._version_control(checkout)
    assert len(told["commit"]) == 40
    assert told["uncommitted"] is False
    (checkout / "Snakefile").write_text("")
    assert signed_plan._version_control(checkout)["uncommitted"] is True
    assert signed_plan._version_control(checkout / "config")["commit"] is None
