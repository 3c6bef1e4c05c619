"""The three pages, made by the commands from one made-up study."""

import re
from html.parser import HTMLParser
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.pages import report  # noqa: F401  (registers the commands)
from myelosynth.errors import InputError
from myelosynth.reports.cards import verdict
from myelosynth.reports.indices import INDICES

SYSTEMS = ("mean-atlas", "ridge", "unet-l1", "refiner-cf-sagan-nwl1")
MAIN = SYSTEMS[-1]
LIMIT_BYTES = 6_000_000


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["report", *map(str, arguments)])
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def session_page(study, out: Path, sub="001", ses="t0") -> str:
    options = ("--raw", study.raw, "--index", study.index, "--out", out)
    run("session", study.results, "--sub", sub, "--ses", ses, *options)
    return out.read_text()


def patient_page(study, out: Path, sub="001") -> str:
    options = ("--index", study.index, "--system", MAIN, "--tables", study.results / "tables", "--out", out)
    run("patient", study.results, "--sub", sub, *options)
    return out.read_text()


def cohort_page(study, out: Path, *more: object) -> str:
    tables = study.results / "tables"
    systems = [word for name in SYSTEMS for word in ("--system", name)]
    options = ("--index", study.index, "--split", tables / "split.tsv", "--tables", tables, "--out", out)
    run("cohort", study.results, *systems, *options, *more)
    return out.read_text()


@pytest.fixture(scope="module")
def pages(study) -> dict[str, str]:
    return {
        "session": session_page(study, study.layout.page("qc/sub-001_ses-t0")),
        "followup": session_page(study, study.layout.page("qc/sub-001_ses-t1"), ses="t1"),
        "patient": patient_page(study, study.layout.page("sub-001")),
        "cohort": cohort_page(study, study.layout.page("cohort"), "--raw", study.raw),
    }


class Reader(HTMLParser):
    """Cells of every table by caption, links, and tags that were not closed."""

    VOID = ("meta", "img", "input", "br", "link", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.open: list[str] = []
        self.targets: list[str] = []
        self.caption, self.rows = "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.targets += [value for key, value in attrs if key in ("src", "href", "action", "data")]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.caption, self.rows = "", []
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"{tag} closes another tag"
        if tag == "table":
            self.tables[self.caption] = self.rows

    def handle_data(self, data):
        if self.open and self.open[-1] == "caption":
            self.caption += data
        elif self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


@pytest.mark.parametrize("name", ["session", "followup", "patient", "cohort"])
def test_page_is_self_contained_and_small(pages, name):
    text = pages[name]
    reader = Reader(text)
    assert not reader.open
    for target in reader.targets:
        assert target.startswith(("data:image/", "#")) or target.endswith(".html"), target[:80]
        assert "://" not in target.split("base64", 1)[0]
    assert not re.search(r"@import|url\(|<script[^>]+src|<link|<iframe", text)
    assert len(text.encode()) < LIMIT_BYTES


@pytest.mark.parametrize("name", ["session", "patient", "cohort"])
def test_every_page_of_simulated_data_says_so(pages, name):
    assert 'class="banner" role="note">Simulated data.' in pages[name]


def test_same_inputs_give_the_same_bytes(study, pages, tmp_path):
    out = study.layout.page("again")
    assert cohort_page(study, out, "--raw", study.raw) == pages["cohort"]
    out.unlink()


def test_links_between_pages_lead_to_files(study, pages):
    patient, cohort = Reader(pages["patient"]).targets, Reader(pages["cohort"]).targets
    assert {"qc/sub-001_ses-t0.html", "qc/sub-001_ses-t1.html"} <= set(patient)
    assert "sub-001.html" in cohort
    assert "qc/sub-001_ses-t0.html" in cohort
    assert (study.layout.page("cohort").parent / "sub-001.html").is_file()
    assert "sub-002.html" not in cohort  # no prediction, so no page


def test_patient_indices_equal_the_table(study, pages):
    table = pd.read_csv(study.layout.table("indices"), sep="\t")
    mine = table[table["participant_id"] == "sub-001"].set_index("system")
    rows = Reader(pages["patient"]).tables["Indices, measured and predicted, beside null and retest"][1:]
    for row, key in zip(rows, ("percent_t0", "percent_t1", "global", "demyelination", "remyelination"), strict=True):
        cells = [cell.replace("−", "-") for cell in row[1:7]]
        true, predicted, retest, null = (100 * mine.loc[name, key] for name in ("true", MAIN, "retest", "null-scan"))
        if key.startswith("percent"):
            assert cells.pop(3) == "–"  # without change there is nothing for a null to say
            expected = (true, predicted, predicted - true, retest, retest - true)
        else:
            expected = (true, predicted, predicted - true, null, retest, retest - true)
        shown = [float(cell) for cell in cells]
        assert shown == pytest.approx(expected, abs=0.051)
    assert "% of baseline lesion volume" in rows[0][0]


def test_patient_page_checks_that_the_model_never_saw_the_subject(study, pages):
    assert "model of fold 1, fitted on 2 other subjects" in pages["patient"]
    assert f"checkpoint sha256 {'ab' * 32}" in pages["patient"]
    assert "torch 2.13" in pages["patient"]


def test_cohort_numbers_equal_the_tables(study, pages):
    summary = pd.read_csv(study.layout.table("summary"), sep="\t", na_values="n/a")
    tables = Reader(pages["cohort"]).tables
    row = summary[
        (summary["system"] == "ridge")
        & (summary["metric"] == "mse_masked")
        & (summary["reference"] == "measured")
        & (summary["session_id"] == "ses-t0")
    ].iloc[0]
    shown = {cells[0]: cells for cells in tables["Image metrics, brain mask, t0, against the measured DVR"]}
    cell = f"{row['mean']:.5f} ± {row['sd']:.5f}\n({row['ci_low']:.5f} to {row['ci_high']:.5f})"
    assert shown["Ridge regression"][1:4] == ["floor", str(row["n"]), cell]
    dice = {cells[0]: cells for cells in tables["DICE with the maps of the measured PET"]}
    mean = summary[(summary["system"] == "retest") & (summary["map"] == "remyelinating")].iloc[0]
    assert dice["Retest (second noise draw)"][1] == "ceiling"
    assert dice["Retest (second noise draw)"][5].startswith(f"{mean['mean']:.3f}")
    assert dice["Retest (second noise draw)"][5].endswith("n = 2, 1 undefined")
    assert dice["All lesion voxels positive"][1] == "floor"
    assert "demyelinated, t0: 0.91 (0.06)" in dice["Refiner CF-SAGAN, NWL1"][-1]


def test_cohort_flow_counts_subjects(pages):
    stages = re.findall(r"<div><b>(\d+)</b><small>(.*?)<br>(\d+) patients, (\d+) controls", pages["cohort"])
    counts = {words: (int(total), int(p), int(c)) for total, words, p, c in stages}
    assert counts["in the data set"] == (7, 4, 3)
    assert counts["predicted and measured at t1"] == (3, 3, 0)
    assert counts["with change indices"] == (3, 3, 0)


def test_cohort_gaps_demography_and_small_n(pages):
    tables = Reader(pages["cohort"]).tables
    assert ["sub-005", "t0", "control", "T2w"] in tables["Gaps in the data set"]
    left_out = tables["Left out of the evaluation"]
    assert left_out.count(["sub-004", "t1", "ridge", "predicted DVR"]) == 1, "listed by two tables, told once"
    assert ["sub-001", "t0", "n/a", "EDSS"] in left_out, "gaps of the regressions stand beside those of the evaluation"
    cohort = {row[0]: row[1:] for row in tables["Cohort"]}
    assert cohort["Women"] == ["2 of 4 (50 %)", "2 of 3 (67 %)"]
    assert cohort["Age (years), mean ± SD (range)"][0] == "26.5 ± 1.3 (25–28), n = 4"
    assert "n = 2 is too small for 5 terms" in pages["cohort"]
    assert "not tested: n = 3 is too small" in pages["cohort"]


def test_session_page_lists_what_was_skipped_and_the_fallback(pages):
    reader = Reader(pages["session"])
    rows = {row[0]: row for row in reader.tables["What was processed and what was skipped"]}
    assert rows["PET"][1:3] == ["present", "processed"]
    assert rows["lesions"][1:3] == ["present", "processed"]
    assert rows["DWI"][1:] == ["present", "processed", "dipy 1.0; EPI distortion: uncorrected"]
    costs = {row[0]: row for row in reader.tables["Registrations of this session"]}
    assert costs["DWI to T1w"][2:] == ["yes: cost rose", "boundary contrast", "0.9123", "0.5123"]
    assert costs["FLAIR to T1w"][2] == "no"
    assert costs["MT to T1w"][2:] == ["–", "–", "–", "–"]
    assert pages["followup"].count("T1w of t1 to T1w of t0") > 0
    assert "processed (from the baseline)" in pages["followup"]
    assert "partial volume: not corrected; 21 % of the brain has more than 10 % CSF in a voxel" in pages["followup"]


def test_index_command_prints_the_table_and_the_page(study, pages):
    printed = run("index", study.results, "--system", MAIN)
    table = pd.read_csv(study.layout.table("indices"), sep="\t")
    mine = table[(table["participant_id"] == "sub-002") & (table["system"].isin(["true", MAIN]))].set_index("system")
    pair = f"{100 * mine.loc['true', 'remyelination']:.1f} / {100 * mine.loc[MAIN, 'remyelination']:.1f}"
    assert pair in next(line for line in printed.splitlines() if "sub-002" in line)
    assert str(study.layout.page("cohort")) in printed
    assert "Simulated data" in printed


def test_session_numbers_come_from_the_images(study, pages):
    mask = nib.load(study.layout.brain_mask("001", "t0"))
    volume = np.asarray(mask.dataobj).sum() * abs(np.linalg.det(mask.affine[:3, :3])) / 1000
    rows = {row[0]: row for row in Reader(pages["session"]).tables["Numbers of this session"]}
    assert rows["Brain volume"][1:] == [f"{volume:.1f}", "ml", "1000 to 1700"]
    assert rows["Left-right symmetry of the brain mask"][1] == "1.000"
    assert re.search(r'<tr class="warn"><td class="text">Brain volume', pages["session"])  # a small made-up brain


def test_too_few_patients_are_not_judged(pages):
    assert "the retest limits come from 3 patients, too few to judge it by" in pages["patient"]
    assert "n = 3 is too small: limits of agreement and ICC" in pages["cohort"]


@pytest.mark.parametrize(("predicted", "words"), [(0.53, "within"), (0.58, "beyond")])
def test_verdict_weighs_the_error_against_the_retest(predicted, words):
    index = next(index for index in INDICES if index.key == "percent_t0")
    indices = pd.DataFrame({"percent_t0": {"true": 0.5, MAIN: predicted}})
    row = {"system": "retest", "index": "percent_t0", "n": 12, "bias": 0.0, "loa_low": -0.05, "loa_high": 0.05}
    told = verdict(indices, MAIN, index, pd.DataFrame([row]))
    assert told.endswith(f"{words} what a second PET scan would change")
    assert told.startswith(f"prediction off by +{100 * (predicted - 0.5):.1f} points")
