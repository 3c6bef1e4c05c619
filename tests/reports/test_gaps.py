"""Pages survive what is not there, and name faults."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from myelosynth.bids.index import IndexRow, SessionIndex
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import write_json
from myelosynth.cli.app import app
from myelosynth.cli.pages import report  # noqa: F401  (registers the commands)
from myelosynth.errors import InputError
from myelosynth.images.volume import load_volume, save_volume
from myelosynth.myelin.indices import COLUMNS
from myelosynth.reports.cohort import write_cohort_page
from myelosynth.reports.flow import brain_faults, flow
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.patient import write_patient_page
from myelosynth.reports.provenance import independence
from myelosynth.reports.session import contrast_table, number_table, write_session_page
from myelosynth.reports.simulated import is_simulated

MAIN = "refiner-cf-sagan-nwl1"


@pytest.fixture(scope="module")
def lean(build_study, tmp_path_factory):
    """Real patients: T1w, T2w and FLAIR only; no lesion mask, no MT, DWI or PET."""
    study = build_study(tmp_path_factory.mktemp("lean"), simulated=False, scored=False)
    layout = study.layout
    index = SessionIndex.read(study.index, study.raw)
    kept = [
        row if row.contrast in ("T1w", "T2w", "FLAIR") else row._replace(path="", status="absent") for row in index.rows
    ]
    SessionIndex(study.raw, tuple(kept)).write(study.index)
    for image in ("MT", "DWI", "PET"):
        for suffix in (".txt", ".json"):
            layout.transform("001", "t0", image, "T1w").with_suffix(suffix).unlink(missing_ok=True)
    layout.label_mask("001", "t0", "L", desc="manual").unlink()
    layout.anat("001", "t0", "T1w", desc="filled").unlink()
    for path in (layout.source("001", "t0", "DVR"), *map(native, (layout, layout), ("mtr", "tensor/fa"))):
        path.unlink()
    return study


def native(layout, name):
    return layout.work("001", "t0", f"{name}.nii.gz")


def test_a_session_page_does_not_tell_whether_the_analysis_grid_was_there_before_it(lean, tmp_path):
    index, chain = SessionIndex.read(lean.index, lean.raw), lean.layout.transform("001", "t0", "T1w", "dvrt0")
    write_session_page(lean.layout, lean.raw, index, "001", "t0", tmp_path / "after.html")
    kept = chain.read_text()
    chain.unlink()
    write_session_page(lean.layout, lean.raw, index, "001", "t0", tmp_path / "before.html")
    chain.write_text(kept)
    assert (tmp_path / "before.html").read_bytes() == (tmp_path / "after.html").read_bytes()


def test_session_without_pet_mt_dwi_and_lesions(lean, tmp_path):
    out = tmp_path / "page.html"
    write_session_page(lean.layout, lean.raw, SessionIndex.read(lean.index, lean.raw), "001", "t0", out)
    text = out.read_text()
    assert text.count("absent from the data set") == 5
    assert "no lesion mask in T1w space" in text
    assert "FLAIR to T1w</h3>" in text
    assert "MT off to T1w</h3>" not in text


def test_an_image_that_was_registered_and_not_made_into_a_map_is_not_processed(build_study, tmp_path):
    study = build_study(tmp_path, scored=False)
    index = SessionIndex.read(study.index, study.raw)
    native(study.layout, "tensor/fa").unlink()
    assert study.layout.transform("001", "t0", "DWI", "T1w").is_file()
    rows = {row[0]: row[2] for row in contrast_table(study.layout, index, "001", "t0").rows}
    assert (rows["DWI"], rows["MTon"], rows["MToff"], rows["PET"]) == ("not processed", *["processed"] * 3)


def test_real_data_carry_no_banner(lean, tmp_path):
    out = tmp_path / "page.html"
    write_session_page(lean.layout, lean.raw, SessionIndex.read(lean.index, lean.raw), "001", "t0", out)
    assert "Simulated data." not in out.read_text()
    assert not is_simulated(lean.results, lean.raw)


def test_either_description_marks_data_as_simulated(tmp_path):
    raw, results = tmp_path / "raw", tmp_path / "results"
    raw.mkdir()
    (raw / "dataset_description.json").write_text(json.dumps({"Simulated": True}))
    assert is_simulated(results, raw)
    assert not is_simulated(results, None)
    description = results / "derivatives" / "myelosynth" / "dataset_description.json"
    description.parent.mkdir(parents=True)
    description.write_text(json.dumps({"Simulated": True}))
    assert is_simulated(results)


def test_session_that_was_not_processed_at_all(study, tmp_path):
    out = tmp_path / "page.html"
    write_session_page(study.layout, study.raw, SessionIndex.read(study.index, study.raw), "002", "t0", out)
    text = out.read_text()
    assert "the preprocessed T1w or its brain mask is not there" in text
    assert "No registration to show" in text


def test_patient_without_followup_or_maps(study, tmp_path):
    out = tmp_path / "page.html"
    index = SessionIndex.read(study.index, study.raw)
    write_patient_page(study.layout, index, "004", MAIN, study.results / "tables", out, None)
    text = out.read_text()
    assert "this patient has no session t1" in text
    assert "no DVR, measured or predicted, at baseline" in text
    assert text.count("not predicted") == 5


def test_patient_with_prediction_only(build_study, tmp_path):
    study = build_study(tmp_path, scored=False)
    for ses in ("t0", "t1"):
        study.layout.source("001", ses, "DVR").unlink()
        study.layout.demyelinated("true", "001", ses).unlink()
    study.layout.change("true", "001", "t1").unlink()
    index, tables = SessionIndex.read(study.index, study.raw), study.results / "tables"
    write_patient_page(study.layout, index, "001", MAIN, tables, tmp_path / "p.html", None)
    text = (tmp_path / "p.html").read_text()
    assert "measured and predicted DVR maps" in text
    assert "maps from measured and predicted PET are not both there" in text
    assert "the table indices.tsv has not been made" in text


def test_patient_without_lesions(build_study, tmp_path):
    """Empty masks and indices of n/a, as the commands write them: every page is made and says why."""
    study = build_study(tmp_path)
    layout = study.layout
    for image in layout.derivatives.parent.rglob("sub-001*_mask.nii.gz"):
        if "label-L" in image.name or "emyel" in image.name.lower():
            volume = load_volume(image, allow_empty=True)
            save_volume(image, np.zeros(volume.grid.shape), volume.grid, np.uint8)
    for image in layout.derivatives.parent.rglob("sub-001*_dseg.nii.gz"):
        save_volume(image, np.zeros(load_volume(image).grid.shape), load_volume(image).grid, np.uint8)
    for name in ("indices", "clinical_table"):
        table = pd.read_csv(layout.table(name), sep="\t", na_values="n/a")
        table.loc[table["participant_id"] == "sub-001", [*COLUMNS, "coverage"]] = None
        table.to_csv(layout.table(name), sep="\t", index=False, na_rep="n/a")
    index = SessionIndex.read(study.index, study.raw)
    write_patient_page(layout, index, "001", MAIN, study.results / "tables", tmp_path / "p.html", None)
    text = (tmp_path / "p.html").read_text()
    assert text.count("the baseline lesion mask is empty: there is nothing to count") == 2
    assert text.count("there is no baseline lesion, so nothing to map") == 2
    assert text.count("not predicted") == 5
    assert "measured and predicted DVR maps" in text
    inputs = CohortInputs(layout, index, study.results / "tables", (MAIN,), MAIN, None)
    write_cohort_page(inputs, layout.table("split"), tmp_path / "c.html")
    stages = {stage.words: stage.patients for stage in flow(inputs, layout.table("split"))}
    assert stages["with change indices"] == 2
    write_session_page(layout, study.raw, index, "001", "t0", tmp_path / "s.html")
    assert "The mask is empty: no lesion voxel in this session." in (tmp_path / "s.html").read_text()


def test_independence_is_read_from_the_checkpoint(build_study, tmp_path):
    study = build_study(tmp_path, images=(), scored=False)
    prediction = sidecar_path(study.layout.prediction(MAIN, "001", "t0"))
    assert independence(study.layout, "001", MAIN).state == "unknown"
    write_json(prediction, {"Fold": 1, "CheckpointSha256": "ab" * 32})
    assert independence(study.layout, "001", MAIN).state == "proven"
    record = sidecar_path(study.layout.checkpoint(MAIN, 1))
    training = json.loads(record.read_text())
    write_json(record, {**training, "Participants": {"train": ["sub-001"], "validation": [], "test": ["sub-002"]}})
    found = independence(study.layout, "001", MAIN)
    assert found.state == "broken"
    assert found.words.startswith("Warning: this subject was in the train part of fold 1")
    write_json(record, {**training, "CheckpointSha256": "0" * 64})
    assert independence(study.layout, "001", MAIN).state == "unknown"


def test_cohort_without_any_table(study, tmp_path):
    out = tmp_path / "page.html"
    index = SessionIndex.read(study.index, study.raw)
    cohort = CohortInputs(study.layout, index, tmp_path, (MAIN,), MAIN, None)
    write_cohort_page(cohort, tmp_path / "split.tsv", out)
    text = out.read_text()
    assert "table summary: it has not been made" in text
    assert "control curves: no table curve_fold-K.tsv" in text
    assert "no patient has both an EDSS and indices" in text
    assert "Controls: age and sex are not shown" in text


def test_table_without_its_columns_is_named(study, tmp_path):
    (tmp_path / "overlap.tsv").write_text("system\tdice\nridge\t0.5\n")
    cohort = CohortInputs(study.layout, SessionIndex.read(study.index, study.raw), tmp_path, (MAIN,), MAIN, None)
    with pytest.raises(InputError, match=r"columns missing.*overlap\.tsv.*no replicate, participant_id"):
        cohort.table("overlap")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("index", "nowhere", "--system", MAIN), "results folder missing, nowhere"),
        (("index", "RESULTS", "--system", "other"), "system not in the table"),
        (("patient", "RESULTS", "--sub", "999", "--system", MAIN), "participant not in the index"),
        (("cohort", "RESULTS", "--system", "ridge", "--main", MAIN), "unknown main system"),
        (("cohort", "RESULTS", "--system", "ridge", "--raw", "nowhere"), "raw data set missing"),
        (("patient", "RESULTS", "--sub", "001", "--system", MAIN, "--raw", "nowhere"), "raw data set missing"),
    ],
)
def test_faults_are_one_line_and_leave_no_page(study, tmp_path, arguments, message):
    words = [str(study.results) if word == "RESULTS" else word for word in arguments]
    tables, out = study.results / "tables", tmp_path / "page.html"
    if words[0] != "index":
        words += ["--index", str(study.index), "--tables", str(tables), "--out", str(out)]
    if words[0] == "cohort":
        words += ["--split", str(tables / "split.tsv")]
    result = CliRunner().invoke(app, ["report", *words])
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert not out.exists()
    assert not list(tmp_path.iterdir())


def test_ready_maps_and_masks_kept_though_implausible_are_told(build_study, tmp_path):
    study = build_study(tmp_path / "study")
    index = SessionIndex.read(study.index, study.raw)
    kept = [row for row in index.rows if (row.participant_id, row.contrast) != ("sub-001", "DWI")]
    kept += [IndexRow("sub-001", "ses-t0", "patient", name, f"{name}.nii.gz", "present") for name in ("FA", "RD", "AD")]
    study.layout.work("001", "t0", "tensor/fa.nii.gz").unlink()
    table = contrast_table(study.layout, SessionIndex(study.raw, tuple(kept)), "001", "t0")
    rows = {row[0]: row for row in table.rows}
    assert rows["DWI"][2:] == ["not needed", "FA, RD, AD ready, given by the data set"]
    assert rows["FA"][3] == "ready, given by the data set: its step was skipped"
    dvr = [*kept, IndexRow("sub-001", "ses-t0", "patient", "DVR", "dvr.nii.gz", "present")]
    table = contrast_table(study.layout, SessionIndex(study.raw, tuple(dvr)), "001", "t0")
    assert table.rows[-1][3] == "ready, given by the data set: its step was skipped; partial volume: unknown"
    beside = [*kept, IndexRow("sub-001", "ses-t0", "patient", "DWI", "dwi.nii.gz", "present")]
    partly = [row for row in beside if row.contrast != "RD"]  # a tensor to fit still, and no result of it
    for listed, told, colour in ((beside, "ready FA, RD, AD used", ""), (partly, "not processed", "warn")):
        table = contrast_table(study.layout, SessionIndex(study.raw, tuple(listed)), "001", "t0")
        (place,) = [n for n, row in enumerate(table.rows) if row[0] == "DWI"]
        assert (*table.rows[place][1:3], table.class_of(place)) == ("present", told, colour)
    kept.append(IndexRow("sub-001", "ses-t0", "patient", "reference", "reference.nii.gz", "present"))
    mask = study.layout.work("001", "t0", "pet_reference_mask.nii.gz")
    for method, used in (("clustering", "not used"), ("given", "used")):
        write_json(sidecar_path(mask), {"Settings": {"method": method}})
        table = contrast_table(study.layout, SessionIndex(study.raw, tuple(kept)), "001", "t0")
        assert {row[0]: row for row in table.rows}["reference"][2] == used
    del kept[-1]
    cohort = CohortInputs(
        study.layout, SessionIndex(study.raw, tuple(kept)), study.layout.root, ("ridge",), "ridge", None
    )
    stages = {stage.words: stage.patients for stage in flow(cohort, study.layout.table("split"))}
    assert stages["with masks or maps ready, given by the data set"] == 1
    assert stages["MT, DWI and PET at t0, or ready maps"] == 4
    stages = {stage.words for stage in flow(replace(cohort, sources=("FA",)), study.layout.table("split"))}
    assert "DWI and PET at t0, or ready maps" in stages, "a task without MTR does without MT"
    quality = {"Faults": ["Holes 0.02, expected 0 to 0.01 of the mask"], "Passed": False}
    write_json(sidecar_path(study.layout.brain_mask("001", "t0")), {"QualityControl": quality})
    assert brain_faults(cohort).rows == [["sub-001", "t0", quality["Faults"][0]]]
    told = number_table(study.layout, "001", "t0").rows[-1][1]
    assert told == "NOT passed, kept as configured: Holes 0.02, expected 0 to 0.01 of the mask"
