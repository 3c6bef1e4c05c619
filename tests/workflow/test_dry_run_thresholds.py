"""Dry runs of the control curve, the other thresholds and the noise that a change has to pass."""

import re

import pytest

from .conftest import Study

pytestmark = pytest.mark.workflow
MAPS = "maps: {minimum_cluster_ml: 0.02, change_threshold: retest}\n"
CURVE = "curve: {roles: not-test, smoothing: linear, extrapolation: refuse}\n"


def commands(repository, folder, text):
    """Every command of a dry run of the tiny study, its configuration changed by `text`."""
    overlay = folder / "overlay.yaml"
    overlay.write_text(text)
    study = Study(folder / "study", repository, repository / "tests/workflow/tiny.yaml")
    result = study.snakemake("-n", "-p", overlays=(overlay,))
    assert result.returncode == 0, result.stdout[-3000:]
    return [line.strip() for line in result.stdout.splitlines() if "myelosynth " in line], result.stdout


def people(command, option):
    return re.findall(rf"--{option} \S*?sub-(\w+?)[/_]", command)


def test_curves_thresholds_and_noise_of_each_fold(repository, tmp_path):
    lines, text = commands(repository, tmp_path, MAPS + CURVE)
    curves = [line for line in lines if "myelosynth myelin-curve " in line]
    measured = [line for line in curves if "curve_fold-" in line and "predicted_curve" not in line]
    predicted = [line for line in curves if "predicted_curve_fold-" in line]
    assert len(measured) == 2
    assert predicted  # of the folds that test somebody with both scans
    assert all("--smoothing linear --extrapolation refuse" in line and "--out-check " in line for line in curves)
    assert all("/controls/sub-" in line for line in predicted)
    for made in predicted:
        (fold,) = re.findall(r"--fold (\d)", made)
        (true,) = [line for line in measured if f"--fold {fold} " in line]
        assert people(true, "dvr") == people(made, "wm") != []
        assert made.count(f"/fold-{fold}/controls/sub-") == len(people(made, "dvr"))
    assert all("--minimum-cluster 0.02" in line for line in lines if "myelosynth demyelination " in line)
    changes = [line for line in text.splitlines() if "myelosynth change " in line]
    assert changes
    assert all("--change-threshold results/tables/retest_noise_fold-" in line for line in changes)
    noise = [line for line in lines if "myelosynth retest-noise " in line]
    assert len(noise) == 2
    assert all(people(line, "dvr") == people(line, "retest") == people(line, "mask") != [] for line in noise)
    (compared,) = [line for line in lines if "myelosynth threshold-comparison " in line]
    assert people(compared, "measured") == people(compared, "predicted") != []


def test_the_papers_rule_is_the_default(repository, tmp_path):
    lines, text = commands(repository, tmp_path, "evaluation: {oracle: stop}\n")
    assert not any("retest-noise" in line for line in lines)
    assert all("--minimum-cluster 0.0 " in line for line in lines if "myelosynth demyelination " in line)
    assert all("--change-threshold 0.0" in line for line in text.splitlines() if "myelosynth change " in line)
    assert all("--smoothing none --extrapolation hold" in line for line in lines if "myelosynth myelin-curve " in line)
