"""Several GPUs share the batches of networks and of nothing else."""

import pytest

from .conftest import Study

pytestmark = pytest.mark.workflow
SHARED = "torchrun --standalone --nproc-per-node 2 -m myelosynth train "


def plan(repository, folder, learning, cohort="patients: 5"):
    overlay = folder / "overlay.yaml"
    overlay.write_text(f"learning: {{{learning}}}\nsimulate: {{{cohort}}}\n")
    study = Study(folder / "study", repository, repository / "tests/workflow/tiny.yaml")
    return study.snakemake("-n", "-p", overlays=(overlay,))


def test_torchrun_starts_the_networks_and_asks_for_their_gpus(repository, tmp_path):
    learning = "gpus: 2, device: cuda, sketches: out-of-fold, inner_folds: 2"
    result = plan(repository, tmp_path, learning, "patients: 9, controls: 7")
    assert result.returncode == 0, result.stdout[-3000:]
    jobs = [block for block in result.stdout.split("\n\n") if "myelosynth train " in block]
    networks = [block for block in jobs if "--model cf-sagan" in block or "--model refiner-cf-sagan" in block]
    assert any("rule train_inner:" in block for block in networks)
    assert any("--model refiner-cf-sagan" in block for block in networks)
    for block in jobs:
        shared = block in networks
        assert (SHARED in block) == shared, block
        assert ("gpu=2" in block) == shared, block
        assert " --threads 1 " in block, "each process has one"
    ours = [block for block in jobs if "--model residual-context" in block]
    assert ours
    assert all("gpu=1" in block for block in ours)
    predictions = [block for block in result.stdout.split("\n\n") if "myelosynth predict " in block]
    assert not any("gpu=2" in block or "torchrun" in block for block in predictions)


def test_one_gpu_needs_no_torchrun(repository, tmp_path):
    result = plan(repository, tmp_path, "device: cuda")
    assert result.returncode == 0, result.stdout[-3000:]
    assert "torchrun --standalone" not in result.stdout


@pytest.mark.parametrize(
    ("learning", "told"),
    [
        ("gpus: 2, device: cpu", "gpus is 2, device is cpu: set device to cuda or auto, or gpus to 1"),
        ("gpus: 7, device: cuda", "error: batch cannot be shared, learning.gpus, batch "),
    ],
)
def test_gpus_that_could_not_be_used_are_told_before_anything_runs(repository, tmp_path, learning, told):
    result = plan(repository, tmp_path, learning)
    assert result.returncode != 0
    assert told in result.stdout.splitlines()[-1]
