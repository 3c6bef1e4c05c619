import numpy as np
import pytest

from myelosynth.phantom.latents import Latents
from myelosynth.phantom.mri import SEQUENCES, rician, white_mtr, white_relaxation
from myelosynth.phantom.tissues import CSF, GREY, WHITE


def latents(myelin: float, axon: float, oedema: float) -> tuple[Latents, np.ndarray]:
    maps = [np.full((1, 1, 1), value, np.float32) for value in (myelin, axon, oedema)]
    return Latents(*maps), np.ones((1, 1, 1), bool)


def of(suffix, tissue):
    return float(SEQUENCES[suffix](*(np.array(value) for value in tissue[:3])))


def test_contrasts_are_ordered_as_in_a_scanner():
    assert of("T1w", WHITE) > of("T1w", GREY) > 3 * of("T1w", CSF)
    assert of("T2w", CSF) > of("T2w", GREY) > of("T2w", WHITE)
    assert of("FLAIR", CSF) < 0.05 * of("FLAIR", WHITE)
    lesion = SEQUENCES["FLAIR"](*white_relaxation(*latents(0.4, 0.7, 0.45)))
    assert 1.3 < float(lesion[0]) / of("FLAIR", WHITE) < 1.8


def test_mtr_of_health_and_of_lesions():
    assert white_mtr(*latents(1, 1, 0))[0] == pytest.approx(46)
    for state in ((0.1, 0.5, 0.5), (0.4, 0.7, 0.45), (0.9, 0.9, 0.2)):
        assert 25 <= white_mtr(*latents(*state))[0] <= 42


def test_air_follows_the_rayleigh_distribution():
    air = rician(np.random.default_rng(0), np.zeros((40, 40, 40), np.float32), 5.0)
    assert air.mean() == pytest.approx(5 * np.sqrt(np.pi / 2), rel=0.01)
