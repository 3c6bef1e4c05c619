"""`myelosynth run` on a data set of empty files: the plan of one participant."""

import json
import subprocess
import sys

import pytest

from myelosynth.bids.layout import RawLayout

pytestmark = pytest.mark.workflow


@pytest.fixture
def raw(tmp_path):
    root = tmp_path / "data"
    raw = RawLayout(root, root / "derivatives" / "lesions")
    for path in [raw.anat(sub, "t0", name) for sub in ("01", "02") for name in ("T1w", "FLAIR")]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / "participants.tsv").write_text("participant_id\tgroup\nsub-01\tpatient\nsub-02\tpatient\n")
    (root / "dataset_description.json").write_text(json.dumps({"Name": "Mine", "BIDSVersion": "1.10.0"}))
    return root


def test_one_participant_is_planned_and_nobody_runs(raw, repository, tmp_path):
    def run(*options):
        words = [sys.executable, "-c", "from myelosynth.cli.app import main; main()", "run", str(raw), "out"]
        words += ["participant", "--workflow", str(repository), *options]
        return subprocess.run(words, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    done = run("--participant-label", "sub-02", "--plan", "--signed-off-by", "me")
    assert done.returncode == 0, done.stdout[-3000:]
    told = done.stdout.splitlines()[-1]
    assert told.endswith(f" jobs for preprocessing, signed off by me: {tmp_path}/out/audit/plan.json")
    plan = json.loads((tmp_path / "out/audit/plan.json").read_text())
    outputs = [path for job in plan["jobs"] for path in job["outputs"]]
    assert "reports/qc/sub-02_ses-t0.html" in outputs
    assert not any("sub-01" in path for path in outputs)
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["audit", "plan.json"]
    again = run("--plan")
    assert again.returncode == 1
    assert again.stdout.startswith("error: a plan is filed, ")
    nobody = run("--participant-label", "03", "-n")
    assert nobody.returncode == 1
    assert "error: participant without a T1w, dataset.participants, sub-03; the data set has T1w of 2" in nobody.stdout
