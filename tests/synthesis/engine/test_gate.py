"""The gate: what passes, what does not, and what `auto` makes of it."""

import numpy as np
import pytest

from myelosynth.synthesis.engine.gate import Held, chosen_path, judge

RNG = np.random.default_rng(0)
MASK = np.ones((12, 12, 12), bool)
TARGET = (1 + RNG.random(MASK.shape)).astype(np.float32)
ERROR = RNG.standard_normal(MASK.shape).astype(np.float32)
ERROR /= np.sqrt((ERROR**2).mean())


def predictor(**errors):
    """Predictions whose error has this SD on a path."""
    return lambda images, mask, path: images[0] + np.float32(errors[path]) * ERROR


def held(count=2):
    return [Held(TARGET[None] + n, TARGET + n, MASK) for n in range(count)]


def test_the_loss_is_the_ratio_of_errors():
    gate = judge(predictor(window=0.1, few=0.1 * 10 ** (0.05 / 20), whole=0.1 * 10 ** (3 / 20)), held())
    assert gate["paths"]["few"]["loss_db"] == pytest.approx(0.05, abs=1e-3)
    assert gate["paths"]["whole"]["loss_db"] == pytest.approx(3, abs=1e-3)
    psnr = np.mean([20 * np.log10((TARGET + n).max() / 0.1) for n in range(2)])
    assert gate["psnr_window"] == pytest.approx(psnr, abs=1e-3)
    assert (gate["allowed"], gate["path"], gate["subjects"], gate["limit_db"]) == (True, "few", 2, 0.1)
    assert gate["psnr_fast"] == pytest.approx(psnr - 0.05, abs=2e-3)
    assert gate["mae_window"] == pytest.approx(0.1 * np.abs(ERROR).mean(), rel=1e-3)
    difference = 0.1 * (10 ** (0.05 / 20) - 1)
    against = np.mean([20 * np.log10((TARGET + n).max() / difference) for n in range(2)])
    assert gate["paths"]["few"]["psnr_against_window"] == pytest.approx(against, abs=0.05)


def test_the_path_with_the_least_work_wins():
    assert judge(predictor(window=0.1, few=0.09, whole=0.1005), held())["path"] == "whole"


def test_the_worst_subject_decides():
    def predict(images, mask, path):
        worse = images.mean() > 2
        return images[0] + ERROR * np.float32(0.1 * (1.02 if path != "window" and worse else 1.0))

    gate = judge(predict, held(2))
    assert not gate["allowed"]
    assert gate["path"] is None
    assert gate["loss_db"] == pytest.approx(20 * np.log10(1.02), abs=1e-3)
    assert chosen_path("auto", gate)[0] == "window"
    assert "limit 0.1 dB" in chosen_path("auto", gate)[1]


def test_without_validation_subjects_nothing_is_allowed():
    gate = judge(predictor(window=0.1, few=0.1, whole=0.1), [])
    assert not gate["allowed"]
    assert chosen_path("auto", gate) == ("window", "no validation subjects to compare the paths on")


def test_what_is_asked_for_is_done():
    gate = judge(predictor(window=0.1, few=0.2, whole=0.2), held())
    assert chosen_path("whole", gate) == ("whole", "asked for")
    assert chosen_path("auto", judge(predictor(window=0.1, few=0.1, whole=0.2), held()))[0] == "few"
    assert chosen_path("auto", None)[0] == "window"
    passed = judge(predictor(window=0.1, few=0.1, whole=0.2), held())
    assert chosen_path("auto", passed, bf16=True) == ("window", "the gate judged float32, not bfloat16")
