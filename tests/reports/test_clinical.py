"""The clinical part of the cohort page: figure 7, tables .2, and what stands behind them."""

import numpy as np
import pytest

from myelosynth.bids.index import SessionIndex
from myelosynth.bids.layout import Layout
from myelosynth.evaluation import clinical_columns as columns
from myelosynth.evaluation.clinical_summary import Model, summarise
from myelosynth.evaluation.tables import cell, write_table
from myelosynth.reports.clinical import TERMS, clinical_part
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.page import Gap, Picture

MAIN = "refiner-cf-sagan-nwl1"


def cohort(folder, n, ageless=None):
    """The tables of n patients; the fourth has no EDSS, the second no follow-up in the predicted PET's rows; ageless:
    place of a patient without an age."""
    random, layout = np.random.default_rng(4), Layout(folder)
    lost, gained = random.uniform(2, 12, n), random.uniform(8, 22, n)
    rows = []
    for system in ("true", MAIN, "ridge"):
        for i in range(n):
            change = {"demyelination": lost[i], "remyelination": gained[i] + random.normal()}
            change |= {"global": lost[i] - gained[i]}
            scores = {"edss": None if i == 3 else 7 - 0.25 * gained[i], "msss": 5 + random.normal()}
            if (system, i) == (MAIN, 1):
                change = {}
            person = {
                "age": None if i == ageless else 25 + 3 * i % 20,
                "sex": "FFM"[i % 3],
                "t2_lesion_load_ml": 2 + (7 * i) % 23,
            }
            who = {"participant_id": f"sub-{i + 1:03d}", "system": system, "follow_up": bool(change)}
            rows.append({**who, **person, **scores, **change})
    cells = [{name: cell(row.get(name)) for name in columns.TABLE} for row in rows]
    made = summarise(cells, Model(main=MAIN, resamples=200), "t")
    for name, described, content in (
        ("clinical_table", columns.TABLE, rows),
        ("clinical", columns.SUMMARY, made.terms),
        ("clinical_influence", columns.INFLUENCE, made.influence),
        ("clinical_checks", columns.CHECKS, made.checks),
        ("clinical_flow", columns.FLOW, made.flow),
    ):
        write_table(layout.table(name), described, content, [])
    index = SessionIndex(folder, ())
    return CohortInputs(layout, index, layout.table("clinical").parent, (MAIN, "ridge"), MAIN, None), made


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return cohort(tmp_path_factory.mktemp("many"), 18)


def index_row(made, system, predictor, response="edss"):
    wanted = (response, system, predictor, predictor)
    return next(r for r in made.terms if (r["response"], r["system"], r["predictor"], r["term"]) == wanted)


def test_measured_and_predicted_stand_side_by_side(many):
    inputs, made = many
    part = clinical_part(inputs)
    measured, predicted, *published = part.sides
    assert measured.caption.startswith("(a) EDSS and the indices from measured PET")
    assert predicted.caption.startswith("(b) EDSS and the indices from PET predicted by Refiner CF-SAGAN")
    assert measured.columns == predicted.columns
    assert len(measured.rows) == len(predicted.rows) == 3 * 4
    row, found = index_row(made, "true", "remyelination"), None
    for place, cells in enumerate(measured.rows):
        if cells[0] == TERMS["remyelination"]:
            found, kind = cells, measured.class_of(place)
    assert found is not None
    assert (found[1], found[6]) == tuple(f"{row[key]:.3f}".replace("-", "−") for key in ("coefficient", "beta"))
    assert found[-2:] == ["17", "12"]
    assert kind == "truth"
    assert "p (Holm): corrected over the 6 tests of both tables." in measured.notes
    assert not any("ml)" in cells[0] and "points" in cells[0] for cells in measured.rows)
    assert [table.rows[4][0] for table in published] == [TERMS["remyelination"]] * 2
    assert published[0].rows[4][1:] == ["−0.2330", "0.0850", "−2.75", "0.021", "−0.703"]
    assert published[0].rows[3][1] == "0.0101", "the printed lesion load is in mm3, ours in ml"


def test_msss_has_a_part_of_its_own_and_nothing_published(many):
    part = clinical_part(many[0], "msss")
    assert [table.caption[:8] for table in part.sides] == ["(a) MSSS", "(b) MSSS"]
    assert part.sides[0].rows[-1][-2] == "18"
    assert isinstance(part.scatter, Picture)
    assert "MSSS points per percent point" in part.others.notes[0]


def test_other_systems_influence_checks_and_flow(many):
    inputs, made = many
    part = clinical_part(inputs)
    assert {row[0] for row in part.others.rows} == {"Ridge regression"}
    assert len(part.others.rows) == 3
    assert part.others.notes[-1] == "p (Holm): corrected over the 3 tests of the row's own system."
    assert len(part.influence.rows) == len(part.checks.rows) == 6
    remyelination = part.influence.rows[2]
    assert remyelination[1] == TERMS["remyelination"]
    wanted = ("edss", "true", "remyelination")
    without = [r for r in made.influence if (r["response"], r["system"], r["predictor"]) == wanted][1:]
    least = min(without, key=lambda row: row["beta"])
    assert remyelination[3] == f"−{-least['beta']:.2f} ({least['left_out']})"
    assert remyelination[5] == "0 of 17"
    assert part.checks.rows[0][2] == "17"
    assert "what 16 to 17 patients could have shown" in part.checks.caption
    told = {(row[0][:8], row[1]): row[2:] for row in part.flow.rows}
    assert told["measured", "with edss"] == ["sub-004", "17"]
    assert told["PET pred", "with a follow-up"] == ["sub-002", "17"]
    assert told["PET pred", "in the regression"] == ["", "16"]


def test_six_patients_have_no_line_no_p_and_no_interval(tmp_path, monkeypatch):
    from myelosynth.reports import clinical

    drawn = []
    monkeypatch.setattr(clinical, "svg_uri", lambda figure: drawn.append(figure) or "data:image/svg+xml;base64,")
    few, many_ = cohort(tmp_path / "few", 7)[0], cohort(tmp_path / "many", 18)[0]
    part = clinical_part(few)
    for table in part.sides[:2]:
        assert {cells[place] for cells in table.rows for place in (2, 3, 4, 5, 7)} == {"–"}
        assert any("is too small" in note for note in table.notes)
    clinical_part(many_)
    small, large = (figure.axes[1] for figure in drawn)
    assert [len(ax.lines) for ax in (small, large)] == [2, 4], "points of both sides, and lines of many patients alone"
    assert [len(ax.collections) for ax in (small, large)] == [0, 2], "bands"
    assert [text.get_text() for text in small.get_legend().get_texts()] == ["measured, n = 6", "predicted, n = 5"]
    first = large.get_legend().get_texts()[0].get_text()
    assert first.startswith("measured, n = 17: β −")
    assert first.endswith("p < 0.001")
    assert large.get_xlabel() == "remyelination (% of lesion volume)"
    assert 5 < large.lines[0].get_xdata().mean() < 25


def test_the_legend_tells_the_n_of_the_regression(tmp_path, monkeypatch):
    """17 patients have an EDSS and an index, one of them no age: 17 points, beta and p of 16."""
    from myelosynth.reports import clinical

    drawn = []
    monkeypatch.setattr(clinical, "svg_uri", lambda figure: drawn.append(figure) or "data:image/svg+xml;base64,")
    clinical.edss_scatter(cohort(tmp_path, 18, ageless=5)[0])
    first, second = (text.get_text() for text in drawn[0].axes[1].get_legend().get_texts())
    assert first.startswith("measured, n = 17: β −")
    assert first.endswith(" (n = 16)")
    assert second.startswith("predicted, n = 16: ")
    assert second.endswith(" (n = 15)")


def test_without_tables_there_are_gaps_and_empty_tables(tmp_path):
    inputs = CohortInputs(Layout(tmp_path), SessionIndex(tmp_path, ()), tmp_path, (MAIN,), MAIN, None)
    part = clinical_part(inputs)
    assert isinstance(part.scatter, Gap)
    tables = [*part.sides[:2], part.others, part.influence, part.checks, part.flow]
    assert [list(table.rows) for table in tables] == [[]] * 6
