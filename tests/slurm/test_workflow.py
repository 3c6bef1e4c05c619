"""The whole line through `snakemake --profile slurm` on a real Slurm with accounting."""

import re

import pytest

from myelosynth.bids.layout import Layout

from .cluster import ACCOUNTS, Cluster
from .conftest import place

pytestmark = pytest.mark.slurm

# The profile waits longer before its first look, as a queue does.
SOON = ("--slurm-init-seconds-before-status-checks", "3")


@pytest.fixture(scope="module")
def study(slurm_here, tmp_path_factory, repository):
    """A folder for a study beside a cluster with accounting."""
    with Cluster(tmp_path_factory.mktemp("accounting"), accounting=True) as cluster:
        yield place(tmp_path_factory.mktemp("study") / "study", repository, cluster, repository / "Snakefile")


def accounted(study):
    """Submission, account and state of every job that sacct knows, their steps left out: tasks share a submission."""
    listed = study.cluster.run("sacct", "-n", "-X", "-P", "-S", "now-1days", "-o", "jobid,account,state").splitlines()
    return [(number.partition("_")[0], account, state) for number, account, state in (row.split("|") for row in listed)]


def test_an_unknown_account_is_refused(study, repository, tmp_path):
    small = place(tmp_path / "small", repository, study.cluster, repository / "tests" / "slurm" / "Snakefile")
    process = small.start("--retries", "0", "trained.txt", SBATCH_ACCOUNT="nobody")
    said, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "Invalid account" in said
    assert not accounted(study)


def test_the_whole_line_ends_in_pages_through_few_jobs_of_the_account(study, repository):
    options = ("--configfile", str(repository / "tests" / "slurm" / "study.yaml"))
    said = study.run(*options, *SOON, seconds=1800, SBATCH_ACCOUNT=ACCOUNTS[1])
    results = Layout(study.folder / "results")
    assert "simulated data" in results.page("cohort").read_text().lower()
    for name in ("summary", "index", "clinical", "nulls", "threshold_comparison"):
        assert len(results.table(name).read_text().splitlines()) > 1, name
    kept = [path for path in (results.root / Layout.WORK).rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if results.passes(path)], "intermediates: remove"
    rows = accounted(study)
    assert {account for _, account, _ in rows} == {ACCOUNTS[1]}
    assert {state for _, _, state in rows} == {"COMPLETED"}
    steps = said.count("Finished jobid: ")
    assert steps > 200
    assert len({number for number, _, _ in rows}) < 80, "short rules share cluster jobs"
    assert "Nothing to be done" in study.run("-n", *options)
    more = study.folder / "more.yaml"
    more.write_text("learning: {systems: [ridge, regional-mean]}\n")
    planned = study.run("-n", *options, str(more)).split("Job stats:")[1]
    assert re.search(r"^train +1$", planned, re.MULTILINE), "what was removed is not made again for one more system"
    assert not re.search(r"^(extract_brain|tissue_to_pet|dvr_baseline) ", planned, re.MULTILINE)
