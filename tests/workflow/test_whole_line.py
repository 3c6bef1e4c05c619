"""The whole line on a tiny cohort with gaps: what it leaves on disk, and what a change reruns."""

import json
import re
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from myelosynth.bids.layout import Layout
from myelosynth.bids.names import sidecar_path
from myelosynth.reports.systems import system

from .conftest import WARNINGS, bids_issues

pytestmark = pytest.mark.workflow

SYSTEMS = ("mean-atlas", "ridge", "residual-context", "cf-sagan-l1", "refiner-cf-sagan-nwl1")
DERIVATIVES = ("myelosynth", *SYSTEMS, "retest", "noise-free", "oracle", "null-scan")
WARNINGS_OF_RAW = {
    **WARNINGS,
    "SIDECAR_KEY_RECOMMENDED": "a simulated scanner has no coil, institution, software or serial number",
    "JSON_KEY_RECOMMENDED": "it comes from no other data set and has no events to tag",
}


@pytest.fixture
def results(tiny_study):
    return Layout(tiny_study.folder / "results")


def rerun_rules(study, *overlays):
    """Rules that a dry run would run."""
    output = study.snakemake("-n", "--quiet", "host", overlays=overlays).stdout
    return {match.removesuffix(":") for match in re.findall(r"^ *(?:local)?rule (\S+):", output, re.MULTILINE)}, output


def test_every_image_lies_on_the_grid_it_claims_and_says_how_it_was_made(results):
    images = sorted((results.root / "derivatives").rglob("*.nii.gz"))
    assert len(images) > 150
    for path in images:
        header = nib.load(path).header
        (qform, qcode), (sform, scode) = header.get_qform(coded=True), header.get_sform(coded=True)
        assert qcode == scode > 0, path
        np.testing.assert_allclose(qform, sform, atol=1e-4, err_msg=str(path))
        record = json.loads(sidecar_path(path).read_text())
        assert len(record["GeneratedBy"]) == 2, path
        assert record["GeneratedBy"][1]["Version"], path
        assert record["Sources"], path
        assert "Settings" in record, path
        if "space-dvrt0" in path.name:
            sub = re.search(r"sub-([0-9A-Za-z]+)", path.name)[1]
            grid = nib.load(results.source(sub, "t0", "DVR"))
            assert nib.load(path).shape == grid.shape, path
            np.testing.assert_allclose(nib.load(path).affine, grid.affine, atol=1e-3, err_msg=str(path))


def test_the_derivatives_are_those_of_the_validated_list(results):
    assert {path.name for path in (results.root / "derivatives").iterdir()} == set(DERIVATIVES)


@pytest.mark.parametrize("which", ["raw", "lesions", *DERIVATIVES])
def test_bids_validator_passes(tiny_study, results, which):
    raw = tiny_study.folder / "data" / "raw"
    folder = {"raw": raw, "lesions": raw / "derivatives" / "lesions"}.get(which, results.root / "derivatives" / which)
    assert not bids_issues(folder, WARNINGS_OF_RAW if which in ("raw", "lesions") else WARNINGS)


def test_floors_and_ceilings_stand_beside_the_models(results):
    summary = pd.read_csv(results.table("summary"), sep="\t")
    overlap = pd.read_csv(results.table("overlap"), sep="\t")
    assert {*SYSTEMS, "retest", "noise-free"} <= set(summary["system"])
    assert {*SYSTEMS, "retest", "noise-free", "all-positive"} <= set(overlap["system"])
    page = results.page("cohort").read_text()
    for name in (*SYSTEMS, "all-positive", "retest", "noise-free"):
        assert system(name).name in page, name


def test_every_page_says_that_the_data_are_simulated_and_loads_nothing(results):
    pages = sorted((results.root / "reports").rglob("*.html"))
    assert len(pages) >= 1 + 4 + 12
    for page in pages:
        text = page.read_text()
        assert "simulated data" in text.lower(), page
        assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", text), page


def test_gaps_are_counted_and_skipped(tiny_study, results):
    index = pd.read_csv(results.table("index"), sep="\t")
    absent = index[index["status"] == "absent"]
    assert {"PET", "MTon"} <= set(absent["contrast"])
    page = results.page("cohort").read_text()
    for sub in set(absent.loc[absent["contrast"].isin(["PET", "MTon"]), "participant_id"]):
        assert sub in page
    scores = pd.read_csv(tiny_study.folder / "data" / "raw" / "phenotype" / "edss.tsv", sep="\t")
    unscored = set(scores.loc[scores["edss"].isna(), "participant_id"])
    assert unscored
    for sub in unscored:
        assert re.search(rf">{sub}</td><td[^>]*>t0</td><td[^>]*>n/a</td><td[^>]*>EDSS, MSSS</td>", page), sub
    log = (results.root / "logs" / "check" / "cohort.log").read_text()
    assert "has no baseline EDSS" in log
    assert re.search(r"\d+ gaps, 0 faults", log)


def test_snakemakes_own_report_files_every_page_with_its_caption(tiny_study, results, tmp_path):
    out = tmp_path / "report.zip"
    result = tiny_study.snakemake("--report", str(out))
    assert result.returncode == 0, result.stdout[-3000:]
    with zipfile.ZipFile(out) as report:
        names = report.namelist()
        text = report.read(next(name for name in names if name.endswith("report.html"))).decode()
    pages = {path.name for path in (results.root / "reports").rglob("*.html")}
    assert len(pages) > 10
    assert {Path(name).name for name in names if "/data/" in name} >= pages
    for words in ("Cohort", "Patients", "Quality control", "Open the page of the cohort first", "indices measured and"):
        assert words in text, words
    assert not re.search(r"""(?:src|href)=["']https?://[^"']+\.(?:js|css)""", text), "loads something"


def test_rerunning_does_nothing(tiny_study):
    rules, output = rerun_rules(tiny_study)
    assert not rules, output[-3000:]
    assert "Nothing to be done" in output


def test_the_same_input_gives_the_same_bytes(tiny_study, results):
    """Every baseline DVR and, from them, a control curve once more (training has its own test)."""
    kept = {path: path.read_bytes() for path in (results.source("002", "t0", "DVR"), results.table("curve_fold-1"))}
    targets = [str(path.relative_to(tiny_study.folder)) for path in kept]
    result = tiny_study.snakemake("--cores", "2", "--forcerun", "dvr_baseline", "--", *targets)
    assert result.returncode == 0, result.stdout[-3000:]
    assert "rule dvr_baseline" in result.stdout
    for path, content in kept.items():
        assert path.read_bytes() == content, path


def test_another_t_star_reruns_what_depends_on_the_dvr_and_nothing_else(tiny_study, tmp_path):
    overlay = tmp_path / "t_star.yaml"
    overlay.write_text("pet:\n  t_star: 20\n")
    rules, _ = rerun_rules(tiny_study, overlay)
    assert {"dvr_baseline", "dvr_followup", "dvr_draw", "DVR_to_grid", "train", "predict", "myelin_curve"} <= rules
    assert {"demyelination", "demyelination_true", "change", "evaluate", "clinical", "cohort_page"} <= rules
    untouched = {"n4", "extract_brain", "segment_tissue", "register_rigid", "register_boundary", "fit_tensor", "mtr"}
    untouched |= {"reference_region", "pet_reference_image", "register_template", "check", "fill_lesions"}
    assert not rules & untouched, rules & untouched
    assert not any(rule.startswith("simulate") for rule in rules)


def test_the_raw_truth_is_read_by_no_training_or_inference_rule(tiny_study):
    result = tiny_study.snakemake("-n", "--forceall", "--quiet", "host")
    assert result.returncode == 0, result.stdout[-3000:]
    inputs = re.findall(r"^ *(?:local)?rule (\S+):\n((?: +.*\n)*?) +output:", result.stdout, re.MULTILINE)
    rules = {rule for rule, _ in inputs}
    assert {"manifest", "train", "predict", "dvr_baseline", "evaluate"} <= rules
    assert {rule for rule, text in inputs if "/truth/" in text} == {"dvr_draw"}
    commands = [line for line in result.stdout.splitlines() if "myelosynth " in line and "/truth/" in line]
    assert commands
    assert all("myelosynth dvr " in line for line in commands)
