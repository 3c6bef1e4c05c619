import numpy as np
import pytest
from scipy.integrate import solve_ivp

from myelosynth.phantom import pet
from myelosynth.physics.kinetics import logan_dvr


def test_schedule_has_34_frames_over_90_minutes():
    frames = pet.schedule()
    assert frames.start_s.size == 34
    assert frames.start_s[-1] + frames.duration_s[-1] == 5400


@pytest.mark.parametrize(("r1", "dvr"), [(0.58, 1.27), (0.58, 1.1), (1.0, 1.0), (0.8, 0.8)])
def test_curves_solve_the_reference_tissue_equation(r1, dvr):
    """dC/dt = R1 dCr/dt + k2 Cr - k2a C, integrated numerically through the same frame means."""
    shared = pet.kinetics()
    time = np.append(0.0, shared.frames.mid_min)
    reference = np.append(0.0, shared.reference)
    k2 = r1 * pet.K2PRIME

    def slope(t, rest):
        return k2 * np.interp(t, time, reference) - k2 / dvr * (rest + r1 * np.interp(t, time, reference))

    solved = solve_ivp(slope, (0, 90), [0.0], t_eval=shared.frames.mid_min, max_step=0.25).y[0] + r1 * shared.reference
    late = shared.frames.mid_min > 5
    assert np.allclose(pet.curves(np.array([r1]), np.array([dvr]), slice(None))[0, late], solved[late], rtol=0.01)


def test_voxel_noise_gives_the_tiers_spread_of_dvr():
    shape = (24, 24, 24)
    r1, dvr = np.full(shape, 0.58, np.float32), np.full(shape, 1.27, np.float32)
    series = pet.dynamic_series(r1, dvr, (2.0, 2.0, 2.0), np.random.default_rng(0), 0.03)
    shared = pet.kinetics()
    first = shared.frames.first_after(pet.T_STAR_MIN)
    found = logan_dvr(series.reshape(-1, 34).astype(float), shared.reference, shared.frames, first, pet.K2PRIME)
    assert found.std() == pytest.approx(0.03, rel=0.15)
    assert found.mean() == pytest.approx(1.27, abs=0.015)
    late = series[..., -1].astype(float) - series[..., -1].mean()
    neighbours = (late[:-1] * late[1:]).mean() / late.var()
    assert neighbours > 0.3
