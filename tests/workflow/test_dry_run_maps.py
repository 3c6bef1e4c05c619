"""Dry runs of the choices behind the maps: distortion of the DWI, a given reference region, the CSF share."""

import json

import pytest
import yaml

from .conftest import Study
from .test_dry_run import scanned, write  # noqa: F401  (a fixture)

pytestmark = pytest.mark.workflow


def configure(study, **sections):
    record = yaml.safe_load(study.configfile.read_text())
    for name, fields in sections.items():
        record[name] = {**record.get(name, {}), **fields}
    study.configfile.write_text(yaml.safe_dump(record))


def planned(study):
    """Every command of a dry run of the preprocessing."""
    result = study.snakemake("-n", "--", "preprocessing")
    assert result.returncode == 0, result.stdout[-3000:]
    return [line.strip() for line in result.stdout.splitlines() if "myelosynth " in line]


def refused(study):
    """The last line of a dry run that must fail."""
    result = study.snakemake("-n", "--", "preprocessing")
    assert result.returncode != 0
    assert 'File "' not in result.stdout
    return result.stdout.splitlines()[-1]


def session(study):
    return study.folder / "data" / "mine" / "sub-A" / "ses-t0"


def tell(image, **record):
    """Write the sidecar of an image in a session, the image too where it is not there."""
    image.parent.mkdir(parents=True, exist_ok=True)
    image.touch()
    write(image.with_name(image.name.replace(".nii.gz", ".json")), json.dumps(record))


def test_a_field_map_straightens_b0_and_tensor(scanned):  # noqa: F811
    configure(scanned, diffusion={"distortion": "fieldmap"})
    assert refused(scanned).startswith("error: no field map, data/mine/sub-A/ses-t0/fmap, 0 files")
    for name in ("magnitude1.nii.gz", "magnitude2.nii.gz"):
        write(session(scanned) / "fmap" / f"sub-A_ses-t0_{name}")
    tell(session(scanned) / "fmap" / "sub-A_ses-t0_phasediff.nii.gz", EchoTime1=0.00492, EchoTime2=0.00738)
    dwi = session(scanned) / "dwi" / "sub-A_ses-t0_dir-AP_dwi.nii.gz"
    assert refused(scanned).startswith(
        "error: sidecar missing, data/mine/sub-A/ses-t0/dwi/sub-A_ses-t0_dir-AP_dwi.json"
    )
    tell(dwi, PhaseEncodingDirection="j-", TotalReadoutTime=0.05)
    commands = planned(scanned)
    (made,) = [line for line in commands if "myelosynth epi-shift " in line]
    assert "--method fieldmap --fieldmap data/mine/sub-A/ses-t0/fmap/sub-A_ses-t0_phasediff.nii.gz" in made
    assert "--magnitude data/mine/sub-A/ses-t0/fmap/sub-A_ses-t0_magnitude1.nii.gz" in made
    for step in ("mean-b0", "fit-tensor"):
        (line,) = [line for line in commands if f"myelosynth {step} " in line]
        assert "--shift results/work/sub-A/ses-t0/epi_shift.nii.gz" in line, step


def test_opposite_blips_are_found_by_direction(scanned):  # noqa: F811
    configure(scanned, diffusion={"distortion": "reverse"})
    tell(
        session(scanned) / "dwi" / "sub-A_ses-t0_dir-AP_dwi.nii.gz", PhaseEncodingDirection="j-", TotalReadoutTime=0.05
    )
    for name, direction in (("AP", "j-"), ("PA", "j")):
        epi = session(scanned) / "fmap" / f"sub-A_ses-t0_dir-{name}_epi.nii.gz"
        tell(epi, PhaseEncodingDirection=direction, TotalReadoutTime=0.05)
    (made,) = [line for line in planned(scanned) if "myelosynth epi-shift " in line]
    assert "--reverse data/mine/sub-A/ses-t0/fmap/sub-A_ses-t0_dir-PA_epi.nii.gz" in made


def test_a_simulated_cohort_is_planned_before_its_sidecars_exist(repository, tmp_path):
    study = Study(tmp_path / "study", repository, repository / "tests/workflow/tiny.yaml")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("diffusion:\n  distortion: t1w\n")
    result = study.snakemake("-n", "--", "preprocessing", overlays=(overlay,))
    assert result.returncode == 0, result.stdout[-3000:]
    assert "--method t1w" in result.stdout
    assert not (study.folder / "data").exists()


def test_without_a_field_map_the_distorted_b0_is_registered_first(scanned):  # noqa: F811
    assert not any("epi-shift" in line or "--shift" in line for line in planned(scanned))
    configure(scanned, diffusion={"distortion": "t1w"})
    tell(session(scanned) / "dwi" / "sub-A_ses-t0_dir-AP_dwi.nii.gz")
    assert refused(scanned).startswith("error: phase encoding unknown, data/mine/sub-A/ses-t0/dwi/sub-A_ses-t0_dir-AP")
    tell(session(scanned) / "dwi" / "sub-A_ses-t0_dir-AP_dwi.nii.gz", PhaseEncodingDirection="j-")
    commands = planned(scanned)
    (made,) = [line for line in commands if "myelosynth epi-shift " in line]
    assert "--transform results/work/sub-A/ses-t0/b0_distorted_rigid.txt" in made
    (first,) = [line for line in commands if "--out-transform results/work/sub-A/ses-t0/b0_distorted_rigid" in line]
    assert "--shift" not in first
    assert any("from-DWI_to-T1w" in line and "work/sub-A/ses-t0/b0.nii.gz" in line for line in commands)


def test_a_given_reference_region(scanned):  # noqa: F811
    configure(scanned, pet={"reference": "given"})
    assert "pet.reference is given, dataset.ready is null" in refused(scanned)
    ready = scanned.folder / "data" / "mine" / "derivatives" / "ready"
    write(ready / "sub-A" / "ses-t0" / "anat" / "sub-A_ses-t0_label-reference_mask.nii.gz")
    configure(scanned, dataset={"ready": "data/mine/derivatives/ready"})
    assert refused(scanned).startswith("error: no reference region given, pet.reference, sub-B ses-t1 has a PET and no")
    write(ready / "sub-B" / "ses-t1" / "anat" / "sub-B_ses-t1_space-T1w_label-reference_mask.nii.gz")
    # A follow-up without a baseline has no grid for its DVR: its region is asked for by name.
    wanted = [
        "results/work/sub-A/ses-t0/pet_reference_mask.nii.gz",
        "results/work/sub-B/ses-t1/pet_reference_mask.nii.gz",
    ]
    result = scanned.snakemake("-n", "--", *wanted)
    assert result.returncode == 0, result.stdout[-3000:]
    made = [line for line in result.stdout.splitlines() if "--method given" in line]
    assert len(made) == 2
    assert not any("--gm" in line for line in made)
    (on_pet,) = [line for line in made if "sub-A" in line]
    assert "use-ready reference data/mine/derivatives/ready/sub-A/ses-t0/anat/" in on_pet
    assert "from-PET_to-T1w" not in on_pet
    (on_t1w,) = [line for line in made if "sub-B" in line]
    assert "--transform inverse:results/derivatives/myelosynth/sub-B/ses-t1/anat/sub-B_ses-t1_from-PET_to-T1w" in on_t1w
    baseline = "\n".join(planned(scanned))
    assert "--reference-mask results/work/sub-A/ses-t0/pet_reference_mask.nii.gz" in baseline


def test_the_csf_share_is_made_beside_the_dvr(scanned):  # noqa: F811
    configure(scanned, pet={"fwhm": 4.5})
    (made,) = [line for line in planned(scanned) if "myelosynth dvr " in line and "ses-t0" in line]
    assert "--csf results/work/sub-A/ses-t0/pet_csf.nii.gz --fwhm 4.5 --out-csf" in made
    assert "sub-A_ses-t0_space-dvrt0_label-CSF_desc-petshare_probseg.nii.gz" in made
