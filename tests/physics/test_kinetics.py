"""Kinetic models against integrated compartments, closed forms and published answers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.physics.dvr import Analysis, group_means
from myelosynth.physics.frames import Frames
from myelosynth.physics.kinetics import (
    convolved_reference,
    cumulative_integral,
    linear_from,
    logan_dvr,
    srtm,
    srtm2,
    subject_k2prime,
)
from myelosynth.physics.tacs import FINE_RATES, regional_dvr

Tissue = Callable[[float, float], tuple[NDArray[np.float64], NDArray[np.float64]]]
REAL = Path(__file__).parents[3] / "shared" / "realdata" / "tacs" / "AD06_tacs.tsv"
TISSUES = [(0.58, 1.32), (0.58, 1.22), (0.58, 1.12), (1.0, 1.2), (0.75, 1.3), (0.35, 1.1)]


def test_integral_starts_at_zero_activity() -> None:
    """Trapezoids through (0, 0), (1, 2), (3, 4): 1, then 1 + 6."""
    np.testing.assert_allclose(cumulative_integral(np.array([[2.0, 4.0]]), np.array([1.0, 3.0])), [[1.0, 7.0]])


def test_convolution_of_a_ramp_has_its_closed_form(frames: Frames) -> None:
    """t (x) exp(-kt) = t/k - (1 - exp(-kt)) / k2, averaged over frames by its own integral."""
    k, edges = 0.08, frames.edges_min
    area = edges**2 / (2 * k) - edges / k**2 + (1 - np.exp(-k * edges)) / k**3
    reference, early = frames.mid_min, frames.edges_min[1:] < 80
    found = convolved_reference(reference, frames, np.array([k]))[0]
    np.testing.assert_allclose(found[early], (np.diff(area) / np.diff(edges))[early], rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize(("r1", "dvr"), TISSUES)
def test_srtm_recovers_two_compartments(tissue: Tissue, frames: Frames, r1: float, dvr: float) -> None:
    curve, reference = tissue(r1, dvr)
    fit = srtm(curve[None], reference, frames)
    assert fit.dvr[0] == pytest.approx(dvr, abs=0.004)
    assert fit.r1[0] == pytest.approx(r1, abs=0.002)
    assert fit.k2prime[0] == pytest.approx(0.07, abs=0.001)


@pytest.mark.parametrize(("r1", "dvr"), [*TISSUES, (1.0, 1.0)])
def test_srtm2_recovers_two_compartments(tissue: Tissue, frames: Frames, r1: float, dvr: float) -> None:
    curve, reference = tissue(r1, dvr)
    fit = srtm2(curve[None], reference, frames, 0.07)
    assert fit.dvr[0] == pytest.approx(dvr, abs=0.002)
    assert fit.r1[0] == pytest.approx(r1, abs=0.001)


@pytest.mark.parametrize(("r1", "dvr"), [*TISSUES, (1.0, 1.0)])
def test_logan_recovers_dvr_with_the_true_k2prime(tissue: Tissue, frames: Frames, r1: float, dvr: float) -> None:
    curve, reference = tissue(r1, dvr)
    found = logan_dvr(curve[None], reference, frames, frames.first_after(20), 0.07)
    assert found[0] == pytest.approx(dvr, abs=0.004)


def test_a_wrong_or_absent_k2prime_biases_poorly_perfused_tissue(tissue: Tissue, frames: Frames) -> None:
    curve, reference = tissue(0.58, 1.32)
    first = frames.first_after(20)
    found = [logan_dvr(curve[None], reference, frames, first, k2prime)[0] for k2prime in (0.07, 0.2, None)]
    assert found[0] - found[1] > 0.04
    assert found[1] - found[2] > 0.02


def test_automatic_t_star_is_where_the_plot_becomes_a_line(frames: Frames) -> None:
    """Cr = 1 gives the abscissa int Cr / C; a curve built so that its plot bends up to 30 minutes, then is a line."""
    mid = frames.mid_min
    reference = np.ones_like(mid)
    bend = np.where(mid < 30, 1.0 + 1.5 * (30 - mid) / 30, 1.0)  # tissue over equilibrium, early
    found, deviation = linear_from(bend[None], reference, frames)
    assert found is not None
    by_hand = []
    x, y = cumulative_integral(reference, mid) / bend, cumulative_integral(bend[None], mid)[0] / bend
    for first in range(mid.size - 2):
        line = np.polyval(np.polyfit(x[first:], y[first:], 1), x[first:])
        by_hand.append(np.abs((y[first:] - line) / line).max())
    assert found == int(np.argmax(np.array(by_hand) <= 0.1))
    assert deviation == pytest.approx(by_hand[found], rel=1e-6)
    assert 5 < mid[found] < 40
    strict, _ = linear_from(bend[None], reference, frames, limit=0.001)
    assert strict is not None
    assert strict > found
    assert linear_from(np.where(np.arange(34) == 32, 20.0, 1.0)[None], reference, frames)[0] is None


@pytest.mark.parametrize("model", ["logan", "srtm2"])
def test_automatic_settings_recover_two_compartments(tissue: Tissue, frames: Frames, model: str) -> None:
    curves = np.stack([tissue(0.58, dvr)[0] for dvr in (1.1, 1.2, 1.3)])
    analysis = Analysis(model, "auto", "auto")  # type: ignore[arg-type]
    found, settings = analysis.fit(curves, curves, tissue(1.0, 1.0)[1], frames, Path("tacs"))
    np.testing.assert_allclose(found["dvr"], [1.1, 1.2, 1.3], atol=0.02)
    assert settings["k2prime_per_min"] == pytest.approx(0.07, rel=0.03)
    assert settings.get("t_star_min", 0) < 30


def test_faults_of_an_analysis(tissue: Tissue, frames: Frames) -> None:
    curve, reference = tissue(0.58, 1.3)
    for worse, value in ((reference * 0, "0"), (-reference, "-"), (np.where(frames.mid_min > 80, 0, reference), "0")):
        with pytest.raises(InputError, match=f"reference region holds no tracer, tacs, mean activity {value}"):
            Analysis("srtm").fit(curve[None], curve[None], worse, frames, Path("tacs"))
    with pytest.raises(InputError, match="srtm2 needs k2'"):
        Analysis("srtm2").fit(curve[None], curve[None], reference, frames, Path("tacs"))
    bent = curve * np.where(np.arange(34) == 32, 20, 1)
    with pytest.raises(InputError, match="never becomes linear"):
        Analysis("logan", 0.07, "auto").fit(bent[None], bent[None], reference, frames, Path("tacs"))


def test_many_voxels_count_by_late_activity(frames: Frames) -> None:
    curves = np.outer(np.arange(400.0), np.ones(34))
    np.testing.assert_allclose(group_means(curves[::-1], frames)[:, 0], [49.5, 149.5, 249.5, 349.5])


def test_logan_does_not_depend_on_the_chunk(tissue: Tissue, frames: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    curves = np.stack([tissue(0.58, dvr)[0] for dvr in (1.1, 1.2, 1.3)])
    whole = logan_dvr(curves, tissue(1.0, 1.0)[1], frames, 25, 0.07)
    monkeypatch.setattr("myelosynth.physics.kinetics.CHUNK", 2)
    np.testing.assert_array_equal(logan_dvr(curves, tissue(1.0, 1.0)[1], frames, 25, 0.07), whole)


def test_logan_gives_nan_where_the_curve_is_not_positive(tissue: Tissue, frames: Frames) -> None:
    curve, reference = tissue(0.58, 1.3)
    empty = curve.copy()
    empty[-1] = -0.1
    found = logan_dvr(np.stack([curve, empty]), reference, frames, 25, 0.07)
    assert np.isfinite(found[0])
    assert np.isnan(found[1])


def test_logan_is_biased_low_by_noise_and_srtm2_is_not(tissue: Tissue, frames: Frames) -> None:
    curve, reference = tissue(0.58, 1.28)
    decay = np.exp(np.log(2) / 20.364 * frames.mid_min)
    spread = 0.4 * np.sqrt(curve * decay / (frames.duration_s / 60))
    noisy = curve + spread * np.random.default_rng(1).standard_normal((3000, curve.size))
    logan = logan_dvr(noisy, reference, frames, frames.first_after(20), 0.07)
    assert logan.mean() < 1.275
    assert srtm2(noisy, reference, frames, 0.07).dvr.mean() == pytest.approx(1.28, abs=0.005)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_subject_k2prime_ignores_tissue_that_equals_the_reference(tissue: Tissue, frames: Frames, noise: float) -> None:
    curves = [tissue(1.0, 1.0)[0]] * 600 + [tissue(0.58, dvr)[0] for dvr in (1.1, 1.2, 1.3)] * 200
    reference = tissue(1.0, 1.0)[1]
    noisy = np.stack(curves) + noise * np.random.default_rng(2).standard_normal((1200, reference.size))
    assert subject_k2prime(noisy, reference, frames) == pytest.approx(0.07, rel=0.05)


def test_subject_k2prime_is_nan_where_nothing_tells_it(tissue: Tissue, frames: Frames) -> None:
    curve, reference = tissue(1.0, 1.0)
    noisy = curve + 0.3 * np.random.default_rng(0).standard_normal((500, curve.size))
    assert np.isnan(subject_k2prime(noisy, reference, frames))


def closed_form_tacs(path: Path, frames: Frames, r1: float, k2prime: float, dvr: float) -> None:
    """A table of Cr = 20 (exp(-.03 t) - exp(-.8 t)) and its SRTM tissue, frame means from the integrals."""
    edges = frames.edges_min

    def mean_exponential(rate: float) -> NDArray[np.float64]:
        return np.diff(-np.exp(-rate * edges) / rate) / np.diff(edges)

    k2a = r1 * k2prime / dvr
    reference = 20 * (mean_exponential(0.03) - mean_exponential(0.8))
    convolved = sum(
        sign * 20 * (mean_exponential(rate) - mean_exponential(k2a)) / (k2a - rate)
        for sign, rate in ((1, 0.03), (-1, 0.8))
    )
    target = r1 * reference + (r1 * k2prime - r1 * k2a) * convolved
    rows = np.column_stack([edges[:-1] * 60, edges[1:] * 60, reference, target])
    np.savetxt(path, rows, delimiter="\t", header="frame_start\tframe_end\tcerebellum\twm", comments="")


@pytest.mark.parametrize("model", ["logan", "srtm", "srtm2"])
def test_regional_dvr_of_a_closed_form(tmp_path: Path, frames: Frames, model: str) -> None:
    closed_form_tacs(tmp_path / "tacs.tsv", frames, 0.58, 0.07, 1.3)
    analysis = Analysis(model, None if model == "srtm" else 0.07, 20.0, FINE_RATES)  # type: ignore[arg-type]
    table, _ = regional_dvr(tmp_path / "tacs.tsv", "cerebellum", analysis)
    assert table["region"].tolist() == ["wm"]
    assert table["dvr"][0] == pytest.approx(1.3, abs=0.005)
    if model != "logan":
        assert table["r1"][0] == pytest.approx(0.58, abs=0.003)
        assert table["bpnd"][0] == pytest.approx(table["dvr"][0] - 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("frame_start\tc\tx\n0\t1\t2\n", "lacking frame_end"),
        ("frame_start\tframe_end\tc\tx\n0\t60\t1\toops\n", "row 1, column x: 'oops'"),
        ("frame_start\tframe_end\tc\tx\n0\t60\t1\t1\n90\t120\t1\t1\n", "gap"),
        ("frame_start\tframe_end\tc\n0\t60\t1\n", "no other region"),
        ("", "not a TSV"),
    ],
)
def test_tac_table_faults(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "tacs.tsv").write_text(text)
    with pytest.raises(InputError, match=said):
        regional_dvr(tmp_path / "tacs.tsv", "c", Analysis("logan"))


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.is_file(), reason="needs ../shared/realdata/tacs")
@pytest.mark.parametrize("column", [0, 1])
def test_published_logan_answers(column: int) -> None:
    answers = {
        "leftfrontal": (1.7564, 1.7315),
        "rightfrontal": (1.8467, 1.8223),
        "thalamus": (1.4627, 1.4637),
        "corpus_callosum": (1.2145, 1.1923),
        "brainstem": (1.3001, 1.3013),
        "putamen": (1.7819, 1.7705),
    }
    table, _ = regional_dvr(REAL, "cerebellum", Analysis("logan", (0.2, None)[column], 20.0))
    found = table.set_index("region")["dvr"]
    for region, row in answers.items():
        assert found[region] == pytest.approx(row[column], abs=0.6e-4)


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.is_file(), reason="needs ../shared/realdata/tacs")
def test_srtm_on_the_real_brainstem() -> None:
    table, _ = regional_dvr(REAL, "cerebellum", Analysis("srtm", rates=FINE_RATES))
    row = table.set_index("region").loc["brainstem"]
    assert row["dvr"] == pytest.approx(1.300, abs=0.0025)
    assert row["r1"] == pytest.approx(0.731, abs=0.01)
    assert row["k2prime"] == pytest.approx(0.080, abs=0.004)
