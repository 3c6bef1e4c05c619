"""Lesion by lesion, as planned for a data set in which one patient has no follow-up and one a lesion mask of it."""

import pytest
import yaml

from myelosynth.bids.layout import RawLayout

from .conftest import Study

pytestmark = pytest.mark.workflow


def test_tables_of_lesions_follow_what_each_patient_has(repository, tmp_path):
    study = Study(tmp_path / "study", repository, tmp_path / "study" / "my_study.yaml")
    root = study.folder / "data" / "mine"
    raw = RawLayout(root, root / "derivatives" / "lesions")
    people = dict.fromkeys("ABCD", "patient") | dict.fromkeys("KLMN", "control")
    files = [raw.lesion_mask("A", "t1")]
    for sub, group in people.items():
        sessions = ("t0", "t1") if sub in "ABC" else ("t0",)
        for ses in sessions:
            files += [raw.anat(sub, ses, name) for name in ("T1w", "FLAIR")]
            files += [raw.anat(sub, ses, "MTR", mt=mt) for mt in ("on", "off")]
            files += [raw.dwi(sub, ses, extension) for extension in (".nii.gz", ".json", ".bval", ".bvec")]
            files += [raw.pet(sub, ses, extension) for extension in (".nii.gz", ".json")]
        files += [raw.lesion_mask(sub, "t0")] if group == "patient" else []
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    rows = [f"sub-{sub}\t{group}\n" for sub, group in people.items()]
    (root / "participants.tsv").write_text("participant_id\tgroup\n" + "".join(rows))
    dataset = {"bids_dir": "data/mine", "lesions": "data/mine/derivatives/lesions"}
    settings = {"simulate": None, "dataset": dataset, "folds": {"number": 2}}
    settings |= {"learning": {"systems": ["ridge"], "main": "ridge"}, "lesions": {"changed": 0.3}}
    study.configfile.write_text(yaml.safe_dump(settings))
    result = study.snakemake("-n", "-p")
    assert result.returncode == 0, result.stdout[-3000:]
    commands = [line for line in result.stdout.splitlines() if "myelosynth " in line]
    tables = [line for line in commands if "myelosynth lesion-table " in line]
    assert len(tables) == 8, "four patients, measured and predicted"
    assert all(" --changed 0.3 --smallest-ml 0.5 " in line for line in tables)
    for line in tables:
        assert ("--lesions-t1" in line) == ("sub-A" in line)
        assert ("--change " in line) == ("sub-D" not in line)
        assert ("--demyelinated " in line) == ("sub-D" in line)
    again = [line for line in commands if line.endswith("/lesions_again_to_grid/sub-A.log 2>&1")]
    assert len(again) == 1
    assert "sub-A_ses-t1_from-FLAIR_to-T1w" in again[0]
    assert "ses-t1_space-FLAIR_label-L_desc-manual_mask.nii.gz" in again[0]
    assert sum("myelosynth agreement " in line for line in commands) == 1
