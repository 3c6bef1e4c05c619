"""What a derivative folder says of itself."""

import csv
import json
import re

import pytest

from myelosynth.study.derivatives import DESCRIPTIONS, describe_derivatives


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "dataset_description.json").write_text('{"Name": "raw", "Simulated": true}')
    describe_derivatives(tmp_path / "results", tmp_path / "raw", tmp_path / "raw" / "derivatives", ["ridge"])
    return tmp_path / "results" / "derivatives"


@pytest.mark.parametrize("name", ["myelosynth", "ridge"])
def test_a_folder_says_who_made_it_and_what_its_names_mean(folder, name):
    record = json.loads((folder / name / "dataset_description.json").read_text())
    assert record["Authors"]
    assert record["HowToAcknowledge"]
    assert "10.1016/j.neuroimage.2020.117308" in record["ReferencesAndLinks"][0]
    readme = (folder / name / "README").read_text()
    assert len(readme.strip().splitlines()) >= 5
    assert "simulated: no person was scanned" in readme
    rows = list(csv.DictReader((folder / name / "descriptions.tsv").open(), delimiter="\t"))
    assert {row["desc_id"]: row["description"] for row in rows} == {
        f"desc-{key}": DESCRIPTIONS[key] for key in DESCRIPTIONS
    }
    assert {"desc_id", "description"} <= set(json.loads((folder / name / "descriptions.json").read_text()))
    for pattern in (folder / name / ".bidsignore").read_text().split():
        suffix = re.search(r"_[a-z]+", pattern).group()
        assert suffix in readme, f"README does not say what {pattern} is"


def test_every_desc_of_the_layout_is_described(tmp_path):
    import inspect

    from myelosynth.bids import layout

    used = set(re.findall(r'desc(?:: str(?: \| None)?)? ?= ?"([A-Za-z]+)"', inspect.getsource(layout)))
    assert used
    assert used <= set(DESCRIPTIONS)
