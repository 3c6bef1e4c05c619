"""Who a participant is: age, sex, scores and the disease course to simulate, drawn without simulating an image."""

from dataclasses import dataclass

import numpy as np

from myelosynth.phantom.lesions import mask_load_ml, mask_of
from myelosynth.phantom.settings import Settings

LOAD_QUARTILES_ML = ((0.0, 1.0), (0.25, 2.0), (0.5, 14.0), (0.75, 28.0), (1.0, 50.0))
DEMYELINATED_SHARE = (0.55, 0.70)
REMYELINATION = (0.08, 0.22)
DEMYELINATION = (0.02, 0.12)
_EDSS_MEAN, _EDSS_PER_SD, _EDSS_PER_AGE_SD, _EDSS_NOISE = 3.2, -1.1, 0.25, 1.05
_AGE = {"patient": (31.4, 5.6, 12 / 18), "control": (29.4, 6.3, 8 / 10)}


@dataclass(frozen=True)
class Course:
    """The disease to simulate: lesion load in ml, and shares of the lesion volume that are demyelinated at t0, that
    remyelinate and that demyelinate until t1."""

    load_ml: float
    demyelinated: float
    remyelination: float
    demyelination: float


@dataclass(frozen=True)
class Person:
    """One participant: age in years, sex M or F, group; for patients the course, EDSS and MSSS per session."""

    participant: str
    group: str
    age: int
    sex: str
    course: Course | None
    edss: dict[str, float]
    msss: dict[str, float]


def person(settings: Settings, participant: str) -> Person:
    """Draw one participant; ages and sexes follow wei2020 section 2.4, scores follow remyelination, not demyelination.

    EDSS = 3.2 - 1.1 z(remyelination) + .25 z(age) + noise of 1.05, in steps of .5, with z over the fixed population, so
    that one participant's score depends on nobody else.
    """
    group = dict(settings.cohort.participants())[participant]
    random = settings.random(participant, "clinic")
    mean, sd, women = _AGE[group]
    age = int(np.clip(round(mean + sd * random.standard_normal()), 18, 60))
    sex = "F" if random.random() < women else "M"
    if group == "control":
        return Person(participant, group, age, sex, None, {}, {})
    low, high = REMYELINATION
    remyelination = random.uniform(low, high)
    position, load = zip(*LOAD_QUARTILES_ML, strict=True)
    load_ml = float(np.exp(np.interp(random.random(), position, np.log(load)))) * (1.6 if settings.shifted else 1.0)
    if settings.lesion_masks is not None:
        load_ml = mask_load_ml(mask_of(settings.lesion_masks, participant))
    course = Course(load_ml, random.uniform(*DEMYELINATED_SHARE), remyelination, random.uniform(*DEMYELINATION))
    z = (remyelination - (low + high) / 2) / ((high - low) / np.sqrt(12))
    first = (
        _EDSS_MEAN + _EDSS_PER_SD * z + _EDSS_PER_AGE_SD * (age - mean) / sd + _EDSS_NOISE * random.standard_normal()
    )
    scores = {"t0": first, "t1": first + random.choice([-0.5, 0.0, 0.0, 0.0, 0.5])}
    edss = {session: float(np.clip(round(score * 2) / 2, 0, 8)) for session, score in scores.items()}
    severity = 1.3 + 0.2 * random.standard_normal()
    msss = {session: round(float(np.clip(0.4 + severity * score, 0.05, 9.95)), 2) for session, score in edss.items()}
    return Person(participant, group, age, sex, course, edss, msss)
