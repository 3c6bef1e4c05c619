"""Ridge regressions of two folds of the tiny cohort, its control curve, and the bundle of both."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import myelosynth.cli.bundle  # noqa: F401  (registers the commands)
from myelosynth.bids.sidecar import write_json
from myelosynth.myelin.curve import Curve
from myelosynth.synthesis.data.folds import read_fold

SUMMARY = """system\tmetric\treference\tsession_id\tmap\tgroup\tn\tmean\tsd\tci_low\tci_high
ridge\tmse_masked\tmeasured\tses-t0\tn/a\tall\t7\t0.01\t0.002\t0.008\t0.012
ridge\tmse_masked\tnoise-free\tses-t0\tn/a\tall\t7\t0.001\t0.002\t0.008\t0.012
mean-atlas\tmse_masked\tmeasured\tses-t0\tn/a\tall\t7\t0.03\t0.002\tn/a\tn/a
retest\tmse_masked\tmeasured\tses-t0\tn/a\tall\t7\t0.005\t0.002\t0.004\t0.006
unet-l1\tmse_masked\tmeasured\tses-t0\tn/a\tall\t7\t0.02\t0.002\t0.018\t0.022
ridge\tssim\tmeasured\tses-t0\tn/a\tall\t7\t0.9\t0.002\t0.8\t0.95
"""


@dataclass(frozen=True)
class Pieces:
    """What a bundle is made of, and the command line that makes it."""

    cohort: Any
    folder: Path

    def checkpoint(self, fold: int) -> Path:
        return self.folder / f"fold-{fold}" / "checkpoint.pt"

    @property
    def curve(self) -> Path:
        return self.folder / "curve_fold-1.tsv"

    def options(self, out: Path, *folds: int) -> list[str]:
        members = [part for fold in folds for part in ("--checkpoint", str(self.checkpoint(fold)))]
        data = ["--data", str(self.cohort.manifest), "--split", str(self.cohort.split), "--task", str(self.cohort.task)]
        return ["bundle", *members, "--curve", str(self.curve), *data, "--out", str(out)]

    def sources(self, sub: str) -> list[str]:
        """Options of a prediction of one participant."""
        folder = self.cohort.folder / sub
        pairs = [part for name in ("MTR", "FA", "RD", "AD") for part in ("--source", f"{name}={folder / name}.nii.gz")]
        return [*pairs, "--mask", str(folder / "mask.nii.gz")]


def write_curve(path: Path, controls: list[str]) -> None:
    """A curve with the record of the controls behind it."""
    Curve(np.array([0.0, 5.0, 20.0]), np.array([200, 300]), np.array([1.2, 1.3]), np.array([0.1, 0.1])).write(path)
    sources = [f"bids:myelosynth:{sub}/ses-t0/pet/{sub}_ses-t0_desc-dvr_pet.nii.gz" for sub in controls]
    write_json(path.with_suffix(".json"), {"Sources": sources})


@pytest.fixture(scope="session")
def pieces(cohort: Any, run: Callable, tmp_path_factory: pytest.TempPathFactory) -> Pieces:
    folder = tmp_path_factory.mktemp("pieces")
    for fold in (1, 2):
        options = cohort.options("ridge", folder / f"fold-{fold}")
        options[options.index("--fold") + 1] = str(fold)
        run(options)
    fold = read_fold(cohort.split, 1)
    controls = [sub for sub, group in fold.groups.items() if group == "control" and fold.roles[sub] != "test"]
    write_curve(folder / "curve_fold-1.tsv", controls)
    (folder / "summary.tsv").write_text(SUMMARY)
    return Pieces(cohort, folder)


@pytest.fixture(scope="session")
def bundle(pieces: Pieces, run: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fold 1 alone, with metrics."""
    out = tmp_path_factory.mktemp("bundles") / "one"
    run([*pieces.options(out, 1), "--metrics", str(pieces.folder / "summary.tsv")])
    return out


@pytest.fixture(scope="session")
def ensemble(pieces: Pieces, run: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folds 1 and 2 together."""
    out = tmp_path_factory.mktemp("bundles") / "two"
    run(pieces.options(out, 1, 2))
    return out


@pytest.fixture
def card(bundle: Path) -> dict[str, Any]:
    return json.loads((bundle / "model_card.json").read_text())
