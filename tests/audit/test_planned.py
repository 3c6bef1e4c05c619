"""The signed-off plan against what was executed."""

import json

from myelosynth.study.config import config_sha256

from . import made_up as made

PLAN = "results/audit/plan.json"
SPLIT = "results/tables/split.tsv"


def plan(study, change=lambda jobs: None, **head):
    jobs = {}
    for path in sorted((study.root / ".snakemake/metadata").rglob("*")):
        if path.is_file():
            entry = json.loads(path.read_text())
            name = "".join(part.lstrip("@") for part in path.relative_to(study.root / ".snakemake/metadata").parts)
            one = {"rule": entry["rule"], "inputs": entry["input"], "outputs": [], "shell": entry["shellcmd"]}
            jobs.setdefault(entry["shellcmd"], one)["outputs"].append(made.base64.urlsafe_b64decode(name).decode())
    jobs = sorted(jobs.values(), key=lambda job: job["outputs"])
    change(jobs)
    record = {"format": 1, "created": "1970-01-01T00:00:00+00:00", "signed_off_by": "A", "targets": ["all"]}
    record |= {"config": {"folds": 2}, "config_sha256": config_sha256({"folds": 2}), "jobs": jobs, **head}
    study.text(PLAN, json.dumps(record))


def test_a_run_as_planned(study):
    plan(study)
    found = study.audit()
    assert (found.violations, found.gaps) == ([], [])
    assert found.plan.agreeing == found.plan.planned == found.plan.executed


def test_a_plan_that_was_filed_after_the_run_signs_nothing_off(study):
    plan(study, created="1970-01-01T00:00:02+00:00")
    assert study.violations() == {("run before the plan was filed", PLAN)}
    study.text("results/audit/plan-1970.json", "{}")
    found = study.audit()
    assert found.violations == []
    assert [gap for gap in found.gaps if gap.startswith("run before the plan was filed: ")]


def test_a_plan_whose_configuration_was_edited(study):
    plan(study, config={"folds": 3})
    assert study.violations() == {("plan edited", PLAN)}


def test_a_plan_of_a_checkout_that_nobody_can_get_back(study):
    plan(study, commit="1bb", uncommitted=True)
    found = study.audit()
    assert (found.violations, found.gaps) == ([], ["the plan is of commit 1bb with changes that were not committed"])


def test_other_inputs_another_rule_and_jobs_that_were_put_together(study):
    def change(jobs):
        by_rule = {job["rule"]: job for job in jobs}
        by_rule["evaluate"]["inputs"].pop()
        by_rule["split"]["rule"] = "divide"
        by_rule["cohort_page"]["outputs"].append(jobs[0]["outputs"][0])
        del jobs[0]

    plan(study, change)
    assert {what for what, _ in study.violations()} == {
        "other inputs than planned",
        "another rule than planned",
        "another job than planned",
    }


def test_a_run_other_than_planned(study):
    def change(jobs):
        summary = next(job for job in jobs if job["rule"] == "evaluate")
        summary["shell"] = summary["shell"].replace("evaluate", "evaluate --strict")
        jobs.remove(next(job for job in jobs if job["rule"] == "cohort_page"))
        jobs.append({"rule": "clinical", "inputs": [], "outputs": ["results/tables/clinical.tsv"], "shell": "x"})

    plan(study, change)
    found = {(one.what, one.where): one.values for one in study.audit().violations}
    assert set(found) == {
        ("another command than planned", "results/tables/indices.tsv"),
        ("executed, not planned", "results/reports/cohort.html"),
        ("planned, not executed", "results/tables/clinical.tsv"),
    }
    told = found["another command than planned", "results/tables/indices.tsv"]
    assert "--strict" in told.split("executed")[0]
    assert "--strict" not in told.split("executed")[1]
