"""What a page says of one patient's indices, and the tables that the patient and cohort pages gained."""

import pandas as pd
import pytest

from myelosynth.bids.index import SessionIndex
from myelosynth.bids.layout import Layout
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import write_json
from myelosynth.evaluation.null_table import COLUMNS as NULLS
from myelosynth.reports.acquisition import acquisition_table, interval_words
from myelosynth.reports.cards import cards, null_lines, rank_words, sign_words
from myelosynth.reports.indices import INDICES
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.methods import cohort_methods, patient_methods
from myelosynth.reports.names import neighbours, predicted_patients
from myelosynth.reports.nulls import NullRange, null_rows_table, null_table
from myelosynth.reports.page import Gap, Picture
from myelosynth.reports.runtime import runtime_table
from myelosynth.reports.standing import standing

from .tables import MAIN, SYSTEMS, write_tsv

GLOBAL = next(index for index in INDICES if index.key == "global")
INSIDE, BEYOND = NullRange(0.01, -0.05, 0.07, 0.95, 0.4, False), NullRange(0.01, -0.05, 0.07, 0.95, 0.01, True)


def table_of(measured: float, predicted: float) -> pd.DataFrame:
    rows = {"true": measured, MAIN: predicted, "null-scan": 0.056}
    return pd.DataFrame({index.key: rows for index in INDICES})


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ((0.084, -0.049), "measured PET says that demyelination prevails, the prediction says remyelination."),
        ((-0.1, 0.02), "measured PET says that remyelination prevails, the prediction says demyelination."),
        ((0.1, 0.02), ""),
        ((0.0, -0.02), ""),
    ],
)
def test_another_sign_is_told_in_words(pair, told):
    assert sign_words(table_of(*pair), MAIN, GLOBAL, {}).endswith(told)
    assert bool(sign_words(table_of(*pair), MAIN, GLOBAL, {})) == bool(told)
    assert not sign_words(table_of(*pair), MAIN, INDICES[0], {}), "a share has no sign"


def test_a_change_inside_its_null_has_no_sign_to_miss():
    told = sign_words(table_of(0.02, -0.01), MAIN, GLOBAL, {"global": INSIDE})
    assert told.endswith("neither direction is a finding.")
    assert "prevails" in sign_words(table_of(0.2, -0.01), MAIN, GLOBAL, {"global": BEYOND})


def test_every_index_of_change_stands_beside_its_null():
    table = table_of(0.084, -0.049)
    made = cards(table, MAIN, None, None, {"true": {"global": BEYOND}, MAIN: {"global": INSIDE}})
    card = next(card for card in made if card.index is GLOBAL)
    assert [side.value for side in card.sides] == ["+8.4", "−4.9"]
    assert card.sides[0].lines[0] == "95 % null interval −5.0 to +7.0: beyond it"
    assert card.sides[1].lines[0] == "95 % null interval −5.0 to +7.0: inside it, so not a finding"
    assert null_lines(GLOBAL, 0.1, {}, True, table) == ["one scan without change: +5.6 (no null interval)"]
    assert null_lines(GLOBAL, 0.1, {}) == ["no null: how much of it is noise is not known"]
    assert null_lines(INDICES[0], 0.1, {}) == [], "the baseline needs none"
    assert null_lines(INDICES[1], 0.1, {"percent_t1": INSIDE}) == [], "the global index says it already"


def test_ranks_count_from_the_greatest():
    everybody = pd.DataFrame({"system": ["true"] * 3, "participant_id": list("abc"), "global": [0.1, -0.2, 0.3]})
    assert rank_words(everybody, "true", GLOBAL, 0.3).startswith("rank 1 of 3")
    assert rank_words(everybody, "true", GLOBAL, -0.2).startswith("rank 3 of 3")
    assert rank_words(everybody[:1], "true", GLOBAL, 0.1) == ""


def test_the_place_among_the_cohort_is_drawn():
    everybody = pd.DataFrame({"system": ["true", MAIN], "participant_id": ["a", "a"]} | {i.key: 0.1 for i in INDICES})
    picture = standing(table_of(0.1, 0.2), MAIN, {"true": {"global": INSIDE}}, everybody)
    assert isinstance(picture, Picture)
    assert "the 1 patients" in picture.caption
    assert isinstance(standing(None, MAIN, {}, None), Gap)


def test_acquisition_comes_from_the_sidecars(study, tmp_path):
    index = SessionIndex.read(study.index, study.raw)
    path = index.path("001", "t0", "T1w")
    record = {"Manufacturer": "A", "MagneticFieldStrength": 3, "RepetitionTime": 2.5, "EchoTime": 0.003}
    sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
    write_json(sidecar, record)
    try:
        table = acquisition_table(index, "001")
        assert table.rows[0] == ["t0", "T1w", "A, 3 T", "–", "TR 2500 ms, TE 3 ms", "3 x 3 x 3 mm"]
    finally:
        sidecar.unlink()
    assert isinstance(acquisition_table(index, "002"), Gap)
    write_tsv(
        tmp_path / "sub-1" / "sub-1_sessions.tsv",
        [
            {"session_id": "ses-t0", "acq_time": "2020-01-01T10:00:00"},
            {"session_id": "ses-t1", "acq_time": "2020-07-01"},
        ],
    )
    assert interval_words(tmp_path, "1") == "6.0 months between t0 and t1."
    assert "not known" in interval_words(tmp_path, "2")


def test_methods_name_the_method_and_its_references(study):
    one = patient_methods(study.layout, "001", MAIN, True)
    assert "simulated; no person was scanned" in one.text
    assert "fold 1" in one.text
    assert "wei2020" in one.bibtex
    assert "No PET was acquired" in patient_methods(study.layout, "001", MAIN, False, measured=False).text
    whole = cohort_methods(study.layout, study.layout.root / "tables", MAIN, True, {"resamples": 100}, ["001"])
    assert "3 folds" in whole.text
    assert "(100 resamples)" in whole.text
    assert whole.bibtex.count("@article") == 4
    assert "null" not in one.text + whole.text, "none was made"
    assert whole.bibtex.count("{") == whole.bibtex.count("}")


def test_methods_tell_the_rules_of_the_maps_and_the_null(study, tmp_path):
    """Rules beyond the paper's, the null's own level, and how many controls the folds had."""
    layout, tables = Layout(tmp_path), tmp_path / "tables"
    tables.mkdir()
    for fold, controls in ((1, 5), (2, 7)):
        write_json(tables / f"curve_fold-{fold}.json", {"Settings": {"controls": controls, "bin_width_mm": 2.0}})
        (tables / f"curve_fold-{fold}.tsv").write_text("")
    write_json(sidecar_path(layout.demyelinated(MAIN, "001", "t0")), {"Settings": {"minimum_cluster_ml": 0.05}})
    write_json(sidecar_path(layout.change(MAIN, "001", "t1")), {"Settings": {"change_threshold": 0.06}})
    write_json(sidecar_path(layout.index_null("true", "001", "t1")), {"Settings": {"level": 0.9}})
    (tables / "nulls.tsv").write_text("level\n0.9\n")
    whole = cohort_methods(layout, tables, MAIN, False, {}, ["000", "001"])
    for text in (patient_methods(layout, "001", MAIN, False).text, whole.text):
        assert "less than 0.05 ml were left out" in text
        assert "did so by 0.06 or more" in text
        assert "the 90 % interval" in text
    assert "5 to 7 controls" in whole.text


def test_neighbours(study, tmp_path):
    layout = study.layout
    index = SessionIndex.read(study.index, study.raw)
    assert predicted_patients(layout, index.groups, MAIN) == ["001"]
    page = layout.page("sub-002")
    people = ["001", "002", "003"]
    assert neighbours(layout, people, "002", page) == [
        ("previous: sub-001", "sub-001.html"),
        ("next: sub-003", "sub-003.html"),
    ]
    assert neighbours(layout, people, "001", page) == [("next: sub-002", "sub-002.html")]
    assert neighbours(layout, people, "009", page) == []


def test_the_nulls_of_the_cohort_are_counted(study, tmp_path):
    index = SessionIndex.read(study.index, study.raw)
    cohort = CohortInputs(study.layout, index, tmp_path, SYSTEMS, MAIN, None)
    assert isinstance(null_table(cohort), Gap)
    values = dict.fromkeys(NULLS, 0.1) | {"system": "true", "index": "global", "level": 0.95}
    rows = [{**values, "participant_id": f"sub-{n}", "outside": n == 1} for n in range(3)]
    write_tsv(tmp_path / "nulls.tsv", [*rows, {**rows[0], "participant_id": "sub-9", "outside": "n/a"}])
    table = null_table(cohort)
    assert [row[-1] for row in table.rows] == ["1 of 3"]
    assert [row[-1] for row in null_rows_table(cohort).rows] == ["inside", "beyond", "inside"]


def test_runtime_adds_up(study):
    folder = study.layout.root / "benchmarks"
    assert isinstance(runtime_table(study.layout), Gap)
    try:
        write_tsv(folder / "n4" / "a.tsv", [{"s": 60.0, "max_rss": 100.0, "cpu_time": 30.0}])
        write_tsv(folder / "n4" / "b.tsv", [{"s": 180.0, "max_rss": 300.0, "cpu_time": "-"}])
        table = runtime_table(study.layout)
    finally:
        import shutil

        shutil.rmtree(folder)
    assert table.rows[0] == ["n4", "2", "4.0", "120.0", "180.0", "0.5", "300"]
    assert table.rows[-1] == ["all steps", *table.rows[0][1:]]
