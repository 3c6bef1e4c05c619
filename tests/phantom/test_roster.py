import subprocess
import sys

import pytest

from myelosynth.errors import InputError
from myelosynth.phantom.dataset import raw_layout
from myelosynth.phantom.roster import Cohort, roster


def test_patients_come_first_and_only_they_return():
    rows = roster(Cohort(patients=2, controls=1))
    assert {(r.participant, r.group, r.session) for r in rows} == {
        ("001", "patient", "t0"),
        ("001", "patient", "t1"),
        ("002", "patient", "t0"),
        ("002", "patient", "t1"),
        ("003", "control", "t0"),
    }
    assert [(r.participant, r.session) for r in rows if r.contrast == "lesions"] == [("001", "t0"), ("002", "t0")]


def test_missing_has_one_gap_of_each_kind_on_consecutive_patients():
    complete, gaps = (set(roster(Cohort(6, 4, scenario, 4))) for scenario in ("default", "missing"))
    lost = {(r.participant, r.session, r.contrast) for r in complete - gaps}
    t1 = {("005", "t1", c) for c in ("T1w", "T2w", "FLAIR", "MTon", "MToff", "DWI", "PET")}
    assert lost == t1 | {("006", "t1", "PET"), ("001", "t0", "MTon"), ("001", "t0", "MToff")}
    assert Cohort(6, 4, "missing", 4).gap(3) == "002"
    assert Cohort(2, 1, "missing").gap(2) is None


def test_controls_only_has_no_patients():
    assert {r.group for r in roster(Cohort(5, 2, "controls-only"))} == {"control"}


def test_answers_without_heavy_imports():
    code = "import sys; from myelosynth.phantom.roster import Cohort, roster; roster(Cohort())"
    code += "; sys.exit(bool({'numpy', 'scipy', 'nibabel', 'nilearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_lists_exactly_the_images_on_disk(settings, dataset):
    layout = raw_layout(dataset)
    paths = set()
    for row in roster(settings.cohort):
        who = (row.participant, row.session)
        paths.add(
            {
                "MTon": lambda who=who: layout.anat(*who, "MTR", mt="on"),
                "MToff": lambda who=who: layout.anat(*who, "MTR", mt="off"),
                "DWI": lambda who=who: layout.dwi(*who),
                "PET": lambda who=who: layout.pet(*who),
                "lesions": lambda who=who: layout.lesion_mask(*who),
            }.get(row.contrast, lambda who=who, row=row: layout.anat(*who, row.contrast))()
        )
    found = {p for p in dataset.rglob("*.nii.gz") if "sourcedata" not in p.parts}
    assert found == paths


@pytest.mark.parametrize(
    ("arguments", "told"),
    [((1, 1, "often"), "unknown scenario"), ((-1, 1), "negative"), ((3, 0, "controls-only"), "nobody")],
)
def test_refuses_impossible_cohorts(arguments, told):
    with pytest.raises(InputError, match=told):
        Cohort(*arguments)
    with pytest.raises(InputError, match="no such participant"):
        Cohort(1, 1).sessions("003")
