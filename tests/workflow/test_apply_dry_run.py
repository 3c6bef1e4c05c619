"""What `myelosynth apply` plans for a data set, before anything of it exists."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from myelosynth.bids.layout import RawLayout
from myelosynth.bids.sidecar import write_json
from myelosynth.images.grid import Grid
from myelosynth.images.volume import save_volume
from myelosynth.synthesis.bundle.card import CARD, CURVE, STATISTICS, TASK
from myelosynth.synthesis.bundle.statistics import MEASURES, Channel, TrainingStatistics

pytestmark = pytest.mark.workflow
SOURCES = ["MTR", "FA", "RD", "AD"]


@pytest.fixture
def bundle(tmp_path, repository):
    """A bundle of our own system: it takes any of its sources; only its files are there."""
    folder = tmp_path / "bundle"
    channels = {name: Channel(1.0, 0.1, {m: [1.0] for m in MEASURES}, 2.0) for name in SOURCES}
    write_json(folder / STATISTICS, TrainingStatistics((2.0, 2.0, 2.0), "RAS", [1400.0], channels).record())
    shutil.copy(repository / "config" / "tasks" / "myelin.yaml", folder / TASK)
    (folder / CURVE).write_text("")
    record = {"Format": 1, "System": "residual-context", "Sources": SOURCES, "Inputs": SOURCES, "Target": "DVR"}
    record |= {"Members": [{}], "Spread": True, "Files": {}, "Limits": [], "Simulated": True}
    write_json(folder / CARD, record)
    return folder


@pytest.fixture
def raw(tmp_path):
    """A: complete, with a PET that is no image; B: no DWI; C: nothing but a FLAIR that is no image."""
    root = tmp_path / "data"
    raw = RawLayout(root, root / "derivatives" / "lesions")
    write_json(root / "dataset_description.json", {"Name": "Mine", "BIDSVersion": "1.10.0"})
    (root / "participants.tsv").write_text("participant_id\tgroup\nsub-A\tpatient\nsub-B\tpatient\nsub-C\tpatient\n")
    grid = Grid((2, 2, 2), np.diag([2.0, 2, 2, 1]))
    for sub in "AB":
        images = [raw.anat(sub, "t0", "T1w"), *(raw.anat(sub, "t0", "MTR", mt=mt) for mt in ("on", "off"))]
        for path in [*images, raw.dwi(sub, "t0")] if sub == "A" else images:
            save_volume(path, np.ones(grid.shape), grid)
    for extension in (".bval", ".bvec", ".json"):
        raw.dwi("A", "t0", extension).write_text("{}")
    for path in (raw.pet("A", "t0"), raw.anat("C", "t0", "FLAIR")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no image")
    return root


@pytest.fixture
def dry_run(bundle, raw, repository, tmp_path):
    """`myelosynth apply --dry-run` with options: its return code and what it said."""

    def run(*options):
        words = [sys.executable, "-c", "from myelosynth.cli.app import main; main()", "apply", bundle, raw]
        words += [tmp_path / "out", "--dry-run", "--workflow", repository, *options]
        return subprocess.run(
            list(map(str, words)), cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    return run


def test_each_is_checked_alone_without_pet_and_predicted_from_what_he_has(dry_run, repository, tmp_path):
    locked = repository / ".snakemake" / "locks"
    before = sorted(locked.iterdir()) if locked.is_dir() else None
    done = dry_run()
    assert done.returncode == 0, done.stdout[-4000:]
    assert (sorted(locked.iterdir()) if locked.is_dir() else None) == before
    assert "residual-context: 2 participants, 2 sessions to predict" in done.stdout
    told = [line.partition("myelosynth ") for line in done.stdout.splitlines()]
    lines = [f"myelosynth {command}" for _, found, command in told if found]
    checks = [line for line in lines if line.startswith("myelosynth check ")]
    assert len(checks) == 2
    for sub, check in zip("AB", sorted(checks, key=lambda line: line.partition("--sub ")[2]), strict=True):
        assert f" --sub {sub} --without-pet --index " in check
        assert f"index_sub-{sub}.tsv" in check
    predictions = {
        line.partition("sub-")[2][0]: line for line in lines if line.startswith("myelosynth bundle-predict ")
    }
    assert set(predictions) == {"A", "B"}
    assert predictions["A"].count("--source ") == 4
    assert predictions["B"].count("--source ") == 1
    assert "--source MTR=" in predictions["B"]
    assert not any("sub-C" in line for line in lines)
    assert not (tmp_path / "out").exists()


def test_sessions_without_change_make_the_null_of_the_predictions(dry_run, raw):
    """Of everybody with lesions and both sessions; without `--unchanged` there is none."""
    layout = RawLayout(raw, raw / "derivatives" / "lesions")
    for path in sorted(raw.glob("sub-A/ses-t0/*/*")):
        copy = Path(str(path).replace("ses-t0", "ses-t1"))
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    assert "nobody to make a null of" in dry_run("--unchanged").stdout, "lesions are missing"
    grid = Grid((2, 2, 2), np.diag([2.0, 2, 2, 1]))
    for path in (layout.anat("A", "t0", "FLAIR"), layout.lesion_mask("A", "t0")):
        save_volume(path, np.ones(grid.shape), grid)
    assert "null-fit" not in dry_run().stdout
    done = dry_run("--unchanged")
    assert done.returncode == 0, done.stdout[-4000:]
    (fit,) = [line for line in done.stdout.splitlines() if "myelosynth null-fit " in line]
    assert fit.count("--before ") == fit.count("--after ") == fit.count("--lesions ") == 1
    assert "--system residual-context" in fit
    assert "bundle/curve.tsv" in fit


def test_on_a_cluster_participants_share_jobs_but_for_their_preprocessing(dry_run, repository):
    done = dry_run("--profile", repository / "profiles" / "slurm")
    assert done.returncode == 0, done.stdout[-4000:]
    groups = Counter(re.findall(r"Group job (\S+)", done.stdout))
    assert groups == {"check": 1, "subject": 2, "apply_predict": 1, "pages": 1}
