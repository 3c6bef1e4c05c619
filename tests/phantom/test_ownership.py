"""`simulate` never writes into a data set that it did not make."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from myelosynth.errors import InputError
from myelosynth.phantom.dataset import write_participant, write_tables
from myelosynth.phantom.ownership import require_simulated
from myelosynth.phantom.roster import Cohort
from myelosynth.phantom.settings import Settings

OURS = {"Simulated": True, "GeneratedBy": [{"Name": "myelosynth", "Description": "simulate", "Version": "0.0.1"}]}
OTHERS = {
    "scanned": {"Name": "Hospital", "BIDSVersion": "1.10.0"},
    "simulated by others": {"Simulated": True, "GeneratedBy": [{"Name": "BrainWeb"}]},
    "derived by us": {"Simulated": True, "GeneratedBy": [{"Name": "myelosynth"}]},
    "odd": {"Simulated": True, "GeneratedBy": "myelosynth"},
}


@pytest.mark.parametrize("record", OTHERS.values(), ids=OTHERS)
def test_a_described_data_set_of_somebody_is_refused(tmp_path, record):
    (tmp_path / "dataset_description.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"not simulated.*do this instead"):
        require_simulated(tmp_path, "do this instead")


def test_files_without_a_description_are_refused(tmp_path):
    image = tmp_path / "sub-1" / "ses-t0" / "anat" / "sub-1_ses-t0_T1w.nii.gz"
    image.parent.mkdir(parents=True)
    require_simulated(tmp_path, "empty folders, such as Snakemake makes, are free")
    image.write_bytes(b"scanned")
    with pytest.raises(InputError, match=r"holds sub-1/ses-t0/anat/sub-1_ses-t0_T1w.nii.gz"):
        require_simulated(tmp_path, "")


def test_new_empty_and_own_folders_are_free(tmp_path):
    require_simulated(tmp_path / "new", "")
    require_simulated(tmp_path, "")
    (tmp_path / "dataset_description.json").write_text(json.dumps(OURS))
    (tmp_path / "participants.tsv").write_text("participant_id\n")
    require_simulated(tmp_path, "")
    assert {path.name for path in tmp_path.iterdir()} == {"dataset_description.json", "participants.tsv"}


@pytest.mark.parametrize("option", [["--tables"], ["--participant", "001"], []])
def test_the_command_leaves_real_data_as_they_are(tmp_path, option):
    from myelosynth.cli import commands  # noqa: F401
    from myelosynth.cli.app import app

    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tgroup\nsub-A\tpatient\n")
    done = CliRunner().invoke(app, ["simulate", str(tmp_path), "--resolution", "8", *option])
    assert isinstance(done.exception, InputError)
    assert "new or empty folder" in str(done.exception)
    assert table.read_text() == "participant_id\tgroup\nsub-A\tpatient\n"
    assert list(tmp_path.iterdir()) == [table]


def test_tables_are_written_again_after_snakemake_removed_them(tmp_path):
    settings = Settings(Cohort(1, 1), 8.0)
    write_tables(settings, tmp_path)
    first = (tmp_path / "participants.tsv").read_bytes()
    for name in ("participants.tsv", "phenotype/edss.tsv"):
        (tmp_path / name).unlink()
    write_tables(settings, tmp_path)
    assert (tmp_path / "participants.tsv").read_bytes() == first


def test_participants_one_by_one_describe_the_data_set(tmp_path, monkeypatch):
    monkeypatch.setattr("myelosynth.phantom.dataset._scan", lambda *_: (tmp_path / "sub").touch())
    settings = Settings(Cohort(1, 1), 8.0)
    for participant in ("001", "002"):
        write_participant(settings, tmp_path, participant)
    assert json.loads((tmp_path / "dataset_description.json").read_text())["Simulated"] is True


def test_the_check_is_light_enough_for_the_snakefile():
    code = "import sys, myelosynth.phantom.ownership; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], text=True, capture_output=True).stdout.strip() == "False"
