"""The comparison of all systems: page, figures as files, results document."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.pages import report  # noqa: F401  (registers the commands)
from myelosynth.errors import InputError
from myelosynth.evaluation import columns
from myelosynth.evaluation.tables import write_table
from myelosynth.reports.inputs import over_replicates
from myelosynth.reports.systems import system

SYSTEMS = ("mean-atlas", "ridge", "unet-l1", "refiner-cf-sagan-nwl1")
PLOTS = ("figure-3a", "figure-4", "figure-5")
SLICES = ("figure-3b", "figure-8a", "figure-8b", "figure-8c", "figure-6_1")


def run(command, study, out, *more):
    systems = [word for name in SYSTEMS for word in ("--system", name)]
    options = ["--index", study.index, "--ceiling", "retest", "--out", out, *more]
    if command == "comparison":
        options += ["--split", study.layout.table("split")]
    result = CliRunner().invoke(app, ["report", command, str(study.results), *systems, *map(str, options)])
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return out.read_text()


@pytest.fixture(scope="module")
def page(study):
    return run("comparison", study, study.layout.page("comparison"))


def test_the_page_stands_alone_and_says_what_it_shows(page, study):
    assert "Simulated data" in page
    assert 'class="banner synthetic" role="note">Synthetic PET: predicted from MRI.' in page
    assert 'src="http' not in page
    assert 'href="http' not in page
    for words in (
        "Who comes first",
        "4 systems, 7 pooled test subjects of folds 1, 2, 3",
        "a note",
        "There is no oracle",
    ):
        assert words in page, words
    assert 'role="alert"' not in page
    assert page.count("data:image/") >= len(PLOTS) + 4
    assert "All lesion voxels positive" in page
    assert "Wei et al. 2020" in page


def test_figures_are_files_with_their_notice(page, study):
    folder = study.layout.page("comparison").with_name("comparison_figures")
    for name in (*PLOTS, *SLICES):
        with Image.open(folder / f"{name}.png") as image:
            pixels = np.asarray(image.convert("RGB"), int)
        assert pixels.std() > 5, name
        if name in SLICES:  # the strip below slices: black, with the notice in yellow
            assert (np.abs(pixels[-26:] - (255, 213, 74)).sum(-1) < 30).any(), name
    for name in PLOTS:
        text = (folder / f"{name}.svg").read_text()
        assert text.startswith("<?xml")
    assert {path.stem for path in folder.glob("*.svg")} == set(PLOTS)


def test_bytes_repeat(page, study, tmp_path):
    again = run("comparison", study, tmp_path / "comparison.html")
    assert again == page
    first = study.layout.page("comparison").with_name("comparison_figures")
    for name in (*(f"{plot}.svg" for plot in PLOTS), "figure-8b.png", "figure-3a.png"):
        assert (first / name).read_bytes() == (tmp_path / "comparison_figures" / name).read_bytes(), name


def test_a_fault_is_a_visible_line(build_study, tmp_path):
    study = build_study(tmp_path / "study")
    sidecar = study.layout.table("ranking").with_suffix(".json")
    record = json.loads(sidecar.read_text()) | {"OracleFaults": ["unet-l1 passes the oracle in mse"]}
    sidecar.write_text(json.dumps(record))
    text = run("comparison", study, tmp_path / "page.html")
    assert 'role="alert"' in text
    assert text.index("unet-l1 passes the oracle in mse") < text.index("Who comes first")
    assert "scores does" not in text
    assert "**Fault: a score passes the oracle.**" in run("results", study, tmp_path / "results.md")


@pytest.mark.parametrize(("p", "words"), [(0.8, "None of 1 scores does."), (None, "subjects or fewer nothing was")])
def test_the_page_tells_over_how_many_scores_the_oracle_was_tested(build_study, tmp_path, p, words):
    study = build_study(tmp_path / "study")
    sidecar = study.layout.table("ranking").with_suffix(".json")
    record = json.loads(sidecar.read_text())
    record["Settings"]["ceilings"].append("oracle")
    sidecar.write_text(json.dumps(record))
    row = {"system": "ridge", "ceiling": "oracle", "metric": "mse", "bound": True, "p": p}
    write_table(study.layout.table("ceilings"), columns.CEILINGS, [row], [])
    assert words in run("comparison", study, tmp_path / "page.html")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--replicates", 3), "tables of another run.*replicates 3 asked for, the tables have 1"),
        (("--fold", 2), r"tables of another run.*folds \[2\] asked for"),
        (("--system", "cgan-l1"), "tables of another run.*cgan-l1 not among systems"),
        (("--main", "dnn"), "unknown main system"),
        (("--tables", "/nowhere"), "tables folder missing"),
    ],
)
def test_tables_of_another_run_are_refused(study, tmp_path, more, words):
    with pytest.raises(InputError, match=words):
        run("comparison", study, tmp_path / "page.html", *more)
    assert not list(tmp_path.iterdir())


def test_the_document_has_what_a_reader_asks_for(study, tmp_path):
    bench = study.results / "benchmarks" / "train"
    bench.mkdir(parents=True, exist_ok=True)
    for fold in (1, 2, 3):
        (bench / f"unet-l1_fold-{fold}.tsv").write_text("s\th:m:s\n120.0\t0:02:00\n")
    text = run("results", study, tmp_path / "results.md", "--hardware", "two cores", "--title", "A run")
    shutil.rmtree(bench.parent)
    assert text.startswith("# A run\n\n- Simulated data")
    summary = pd.read_csv(study.layout.table("summary"), sep="\t", na_values=["n/a"])
    row = summary[
        (summary.system == "unet-l1")
        & (summary.metric == "mse")
        & (summary.session_id == "ses-t0")
        & (summary.reference == "measured")
    ].iloc[0]
    (line,) = [part for part in text.splitlines() if part.startswith("| 3D U-Net, L1") and "MSE, whole: 0.0107" in part]
    assert f"{row['mean']:.5f} ({row['ci_low']:.5f} to {row['ci_high']:.5f})" in line
    assert "MSE, whole: 0.0107 (0.0041) [1]" in line
    assert "[1] Wei et al. 2020" in text
    assert "| 3D U-Net, L1 | 3 | 2.0 | 6.0 |" in text
    assert "Hardware: two cores" in text
    for table in text.split("### ")[1:]:
        widths = {line.count("|") for line in table.splitlines() if line.startswith("|")}
        assert len(widths) == 1, table


def test_scores_of_seeds_come_as_their_mean():
    head = {"participant_id": "sub-001", "session_id": "ses-t0", "map": "demyelinated", "fold": 1}
    rows = [
        {"system": s, "replicate": r, **head, "dice": d} for s, r, d in (("a", 1, 0.4), ("a", 2, 0.6), ("b", 1, 0.9))
    ]
    merged = over_replicates(pd.DataFrame(rows))
    assert merged[["system", "replicate", "dice"]].to_numpy().tolist() == [["a", 1, 0.5], ["b", 1, 0.9]]
    table = pd.DataFrame(rows[:1])
    assert over_replicates(table) is table


def test_every_system_has_a_name_of_its_own():
    keys = ["dnn", "random-forest", "regional-mean", "cgan-wl1", "refiner-cgan-wl1", "refiner2-cf-sagan-nwl1"]
    names = [system(key).name for key in keys]
    assert len(set(names)) == len(keys)
    assert not set(names) & set(keys)
    assert [system(key).kind for key in keys[:3]] == ["candidate", "floor", "floor"]
