import numpy as np

from myelosynth.phantom.clinic import person
from myelosynth.phantom.roster import Cohort
from myelosynth.phantom.settings import Settings


def test_edss_follows_remyelination_and_not_demyelination():
    settings = Settings(Cohort(300, 0))
    people = [person(settings, label) for label, _ in settings.cohort.participants()]
    edss = [one.edss["t0"] for one in people]
    assert -0.8 < np.corrcoef(edss, [one.course.remyelination for one in people])[0, 1] < -0.65
    assert abs(np.corrcoef(edss, [one.course.demyelination for one in people])[0, 1]) < 0.12
    assert {score % 0.5 for score in edss} == {0.0}


def test_lesion_loads_have_the_cohorts_quartiles():
    settings = Settings(Cohort(400, 0))
    loads = [person(settings, label).course.load_ml for label, _ in settings.cohort.participants()]
    assert np.allclose(np.percentile(loads, [25, 50, 75]), [2, 14, 28], rtol=0.35)


def test_nobody_depends_on_who_else_is_there():
    assert person(Settings(Cohort(2, 0)), "002") == person(Settings(Cohort(9, 5)), "002")
    assert person(Settings(Cohort(2, 0, seed=1)), "002") != person(Settings(Cohort(2, 0)), "002")
