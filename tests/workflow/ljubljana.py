"""The longitudinal patient of the Ljubljana data set (Lesjak 2018) as a BIDS data set."""

import json
import shutil
from pathlib import Path

from myelosynth.bids.layout import RawLayout


def convert(realdata: Path, root: Path) -> RawLayout:
    """Copy both studies of patient01 (T1w, T2w, FLAIR, with skull) to sub-01, ses-t0 and ses-t1, unchanged."""
    raw = RawLayout(root, root / "derivatives" / "lesions")
    for study, ses in (("study1", "t0"), ("study2", "t1")):
        for theirs, ours in (("T1W", "T1w"), ("T2W", "T2w"), ("FLAIR", "FLAIR")):
            target = raw.anat("01", ses, ours)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(realdata / "ms_longitudinal" / "patient01" / f"{study}_{theirs}.nii.gz", target)
            target.with_name(target.name.replace(".nii.gz", ".json")).write_text('{"MagneticFieldStrength": 3}\n')
    (root / "participants.tsv").write_text("participant_id\tgroup\nsub-01\tpatient\n")
    description = {
        "Name": "3D MR image database of MS patients, Ljubljana",
        "BIDSVersion": "1.10.0",
        "License": "CC-BY",
    }
    (root / "dataset_description.json").write_text(json.dumps(description, indent=1))
    (root / "README").write_text("Lesjak et al., Neuroinformatics 2018, doi 10.1007/s12021-017-9348-7\n")
    return raw
