"""Columns of the clinical tables, in order, with their meaning and unit."""

from myelosynth.evaluation import clinical_checks, clinical_flow, diagnostics
from myelosynth.evaluation.clinical import COLUMNS as REGRESSION
from myelosynth.evaluation.columns import Columns
from myelosynth.myelin.indices import COLUMNS as INDICES
from myelosynth.myelin.indices import DESCRIPTIONS

POINTS = "percent points of the baseline lesion volume"
"""Unit of the indices in the clinical table, as in wei2020; everywhere else they are fractions."""

_SYSTEM: Columns = {"system": {"Description": "method or ceiling (derivative folder), `true` for the measured PET"}}
_HEAD: Columns = {
    "response": {"Description": "clinical score that is explained: edss or msss, at baseline"},
    **_SYSTEM,
    "predictor": {"Description": "index in the regression, in percent points as in clinical_table.tsv"},
}
_OTHER = "wei2020 appendix table 2, n = 15 patients of another data set: a comparison, not a target"

TABLE: Columns = {
    "participant_id": {"Description": "patient"},
    **_SYSTEM,
    "age": {"Description": "age", "Units": "years"},
    "sex": {"Description": "as in participants.tsv; the regressions take M and F"},
    "edss": {"Description": "Expanded Disability Status Scale, baseline"},
    "msss": {"Description": "MS severity score, baseline"},
    "t2_lesion_load_ml": {"Description": "T2 lesion load, baseline", "Units": "ml"},
    clinical_flow.FOLLOW_UP: {"Description": "true where the data set has a session t1 of the patient"},
    **{name: {"Description": DESCRIPTIONS[name], "Units": POINTS} for name in INDICES},
    "coverage": {"Description": DESCRIPTIONS["coverage"], "Units": "1"},
}
SUMMARY: Columns = {
    **_HEAD,
    **REGRESSION,
    "p_holm": {
        "Description": "p after Holm's correction over the indices of the measured PET and of the main system "
        "together; of any other system over its own indices; one family for each response, index row only"
    },
    "p_holm_tests": {"Description": "tests of that family"},
    "too_small": {
        "Description": "true with 6 or fewer patients, or no residual degree of freedom: no conclusion can be drawn"
    },
    "note": {"Description": "what limits the row"},
    "published_beta": {"Description": f"beta of {_OTHER}"},
    "published_p": {"Description": "p-value printed with it"},
    "published_coefficient": {"Description": "coefficient printed with it; that of the lesion load per ml"},
    "published_standard_error": {"Description": "its standard error"},
    "published_t": {"Description": "its t"},
}
INFLUENCE: Columns = {**_HEAD, **diagnostics.INFLUENCE}
CHECKS: Columns = {**_HEAD, **clinical_checks.COLUMNS}
FLOW: Columns = {**_HEAD, **clinical_flow.COLUMNS}
