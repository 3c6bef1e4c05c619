"""The page of everybody to whom a bundle was applied."""

import re

import pandas as pd
import pytest
from typer.testing import CliRunner

from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import read_json, write_json
from myelosynth.cli.app import app
from myelosynth.cli.pages import report  # noqa: F401  (registers the commands)
from myelosynth.errors import InputError
from myelosynth.reports.applied_cohort import baseline_share

from .test_applied import SYSTEM, card_of, mri_only  # noqa: F401  (a fixture)

NULL = "index\tvalue\tnull\tlow\thigh\tlevel\tp\toutside\n"


def build(study, card, out, *more):
    """The page by its command, of the made-up index alone."""
    words = ["report", "applied-cohort", study.results, "--index", study.index, "--bundle", card.folder, "--out", out]
    result = CliRunner().invoke(app, [str(word) for word in (*words, *more)])
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return out.read_text()


def row_of(text, sub):
    row = next(line for line in text.splitlines() if f">sub-{sub}</a>" in line and "<tr" in line)
    return row, re.findall(r"<td[^>]*>(.*?)</td>", row.replace("\n", " "), re.DOTALL)


@pytest.fixture
def applied_study(mri_only, monkeypatch):  # noqa: F811
    """The made-up patient without PET under the names of an applied bundle's grid."""
    monkeypatch.setattr("myelosynth.bids.layout.APPLIED_SPACE", mri_only.layout.space)
    rows = "".join(f"sub-{sub}\tpatient\n" for sub in (*mri_only.patients, *mri_only.controls))
    (mri_only.raw / "participants.tsv").write_text(f"participant_id\tgroup\n{rows}")
    return mri_only


def card(folder, **changed):
    return card_of(folder, Format=1, Sources=[], Inputs=[], Target="DVR", Members=[{}], **changed)


def test_a_row_has_the_indices_and_the_way_to_the_page(applied_study, tmp_path):
    layout = applied_study.layout
    text = build(applied_study, card(tmp_path / "bundle"), layout.page("applied_cohort"), "--raw", applied_study.raw)
    row, cells = row_of(text, "001")
    assert cells[2:7] == ["25.0", "50.0", "+25.0", "31.2", "6.2"]
    assert cells[7:9] == ["–", "none"]
    assert {'href="sub-001.html"', 'href="qc/sub-001_ses-t1.html"'} <= set(re.findall(r'href="[^"]+"', row))
    assert "Synthetic PET: predicted from MRI." in text
    assert 'role="note">Simulated data.' in text
    assert "The bundle has no null" in text
    assert "It has &lt;limits&gt;." in text
    assert "<li>sub-002: there is no prediction at t0: refused, or not made yet.</li>" in text
    assert "1 participant without PET, 1 with a follow-up" in text
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", text)


def test_null_interval_and_alarms_stand_in_the_row(applied_study, tmp_path):
    layout, made = applied_study.layout, card(tmp_path / "bundle", Files={"null.json": "0"})
    write_text = layout.index_null(SYSTEM, "001", "t1").write_text
    write_text(NULL + "global\t.25\t0\t-.3\t.3\t.95\t.2\tfalse\nremyelination\t.06\t.2\t.1\t.3\t.95\t.01\ttrue\n")
    layout.index_intervals(SYSTEM, "001", "t1").write_text("index\tlow\thigh\tlevel\nglobal\t.1\t.4\t.9\n")
    path = sidecar_path(layout.prediction(SYSTEM, "001", "t1"))
    write_json(path, read_json(path) | {"OutOfDistribution": True, "MissingSources": ["FA"]})
    out = layout.page("applied_cohort")
    text = build(applied_study, made, out, "--raw", applied_study.raw)
    row, cells = row_of(text.replace("+25.0\n", "+25.0 "), "001")
    assert cells[4] == "+25.0 (+10.0 to +40.0)"
    assert cells[7:9] == ["beyond: Remyelination", "t1: out of distribution; t1: without FA"]
    assert 'class="warn"' in row
    assert "1 of 1 with an alarm" in text
    assert "inside it, a change is not a finding" in text


def test_those_left_out_are_named(applied_study, tmp_path):
    table = applied_study.raw / "participants.tsv"
    table.write_text(table.read_text() + "sub-<b>\tpatient\n")
    text = build(applied_study, card(tmp_path / "bundle"), tmp_path / "page.html", "--raw", applied_study.raw)
    assert "<li>sub-&lt;b&gt;: not asked for, or images are missing;" in text


def test_one_scan_has_its_share_and_no_lesions_none():
    rows = {"kind": ["baseline", "baseline", "baseline", "new"], "voxels": [10, 30, 5, 40], "coverage": [1, 0.5, 0, 1]}
    lesions = pd.DataFrame(rows | {"percent_t0": [0.5, 1.0, None, 0.0]})
    assert baseline_share(lesions) == pytest.approx((5 + 15) / 25)
    assert baseline_share(lesions.iloc[2:]) is None
    assert baseline_share(None) is None


def test_nobody_is_a_fault(applied_study, tmp_path):
    applied_study.layout.prediction(SYSTEM, "001", "t0").unlink()
    with pytest.raises(InputError, match="0 of 7 participants have a prediction"):
        build(applied_study, card(tmp_path / "bundle"), tmp_path / "page.html")
