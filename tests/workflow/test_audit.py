"""The audit of a study that the workflow itself made: every file in a record, nobody tested who was learned from."""

import json
import re
import shutil

import pytest

from myelosynth.audit.study import audit
from myelosynth.bids.layout import Layout

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def finished(tiny_study, tmp_path_factory):
    """A copy of the finished study; the results stay as the workflow left them."""
    folder = tmp_path_factory.mktemp("audited") / "study"
    shutil.copytree(tiny_study.folder, folder, symlinks=True)
    return folder


def test_a_finished_study_has_no_violation(finished):
    found = audit(finished / "results", finished)
    assert [str(one) for one in found.violations] == []
    assert [gap.partition(":")[0] for gap in found.gaps] == ["no plan is filed"]


def test_every_output_of_every_job_is_in_its_record_and_every_command_told_its_versions(finished):
    lineage = audit(finished / "results", finished).lineage
    for job in lineage.jobs:
        assert job.record is not None, job.name
        assert job.record.commands == len(re.findall(r"(?:^|\(|&& )myelosynth ", job.command)), job.name
        assert set(job.outputs) <= set(job.record.written), job.name
        assert all("code" in software for software in job.record.software), job.name


def test_a_training_opens_the_images_of_its_own_participants_alone(finished):
    found = audit(finished / "results", finished)
    folds = {one.fold for one in found.proof}
    assert folds == {1, 2}
    for one in found.proof:
        assert one.overlap == [], one.file
        assert set(one.opened) <= set(one.reached), one.file
        assert not set(one.reached) & found.split.test(one.fold), one.file
    kinds = {one.kind for one in found.proof}
    assert {"checkpoint", "control curve"} <= kinds


def test_a_checkpoint_of_another_fold_is_found(finished):
    layout = Layout(finished / "results")
    ours, theirs = (layout.checkpoint("ridge", fold) for fold in (1, 2))
    kept = ours.read_bytes()
    ours.write_bytes(theirs.read_bytes())
    try:
        found = {one.what for one in audit(finished / "results", finished).violations}
    finally:
        ours.write_bytes(kept)
    assert "file changed after it was written" in found
    assert "leak: checkpoint of test subjects" in found


def test_what_is_printed_and_kept_of_a_command_does_not_change(finished):
    for path in (finished / ".snakemake" / "metadata").rglob("*"):
        if path.is_file():
            assert "MYELOSYNTH_RECORD" not in json.loads(path.read_text())["shellcmd"]
