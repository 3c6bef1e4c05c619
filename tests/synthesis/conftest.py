"""A tiny cohort: seven participants on 36^3 grids whose target follows their sources."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import save_volume

SOURCES = ("MTR", "FA", "RD", "AD")
SIDE = 36


@dataclass(frozen=True)
class Cohort:
    """Paths of a cohort and the options that every `train` of it needs."""

    folder: Path
    task: Path
    preset: Path

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.tsv"

    @property
    def split(self) -> Path:
        return self.folder / "split.tsv"

    def options(self, model: str, out: Path, *more: str) -> list[str]:
        """The command line of `train`, fold 1."""
        where = ["--task", str(self.task), "--preset", str(self.preset), "--device", "cpu", "--seed", "3"]
        data = ["--split", str(self.split), "--data", str(self.manifest), "--fold", "1"]
        return ["train", "--model", model, *where, *data, "--out", str(out), *more]


def write_cohort(folder: Path) -> None:
    """Images, masks, transforms, participants.tsv, split.tsv and manifest.tsv."""
    from myelosynth.synthesis.data.folds import split_table
    from myelosynth.synthesis.data.split import assign_folds

    groups = {f"sub-{n:03d}": "patient" if n <= 4 else "control" for n in range(1, 8)}
    grid = Grid((SIDE,) * 3, np.array([[-5.0, 0, 0, 90], [0, 5, 0, -110], [0, 0, 5, -75], [0, 0, 0, 1]]))
    index = np.indices(grid.shape) - SIDE / 2
    mask = (index**2).sum(0) < 13**2
    lines = ["participant_id\tsession_id\tcontrast\tpath\tmask\tlesions\tnawm"]
    for number, (participant, group) in enumerate(groups.items()):
        rng = np.random.default_rng(number)
        scan = folder / participant
        fields = [ndimage.gaussian_filter(rng.standard_normal(grid.shape), 2) * 10 for _ in SOURCES]
        images = {
            name: (n + 1) * (3 + field) * mask for n, (name, field) in enumerate(zip(SOURCES, fields, strict=True))
        }
        noise = 0.02 * rng.standard_normal(grid.shape)
        images["DVR"] = np.maximum(1.2 + 0.1 * fields[0] - 0.05 * fields[1] + noise, 0) * mask
        for name, image in images.items():
            save_volume(scan / f"{name}.nii.gz", image, grid)
        lesions = ((index - rng.integers(-5, 6, 3)[:, None, None, None]) ** 2).sum(0) < 9
        save_volume(scan / "mask.nii.gz", mask, grid, np.uint8)
        save_volume(scan / "lesions.nii.gz", lesions, grid, np.uint8)
        save_volume(scan / "nawm.nii.gz", (fields[1] > 0) & mask & ~lesions, grid, np.uint8)
        LinearTransform.identity().write(scan / "xfm.txt")
        masks = [
            scan / "mask.nii.gz",
            *([scan / "lesions.nii.gz", scan / "nawm.nii.gz"] if group == "patient" else ["", ""]),
        ]
        paths = {name: scan / f"{name}.nii.gz" for name in images} | {"template": scan / "xfm.txt"}
        lines += ["\t".join(map(str, (participant, "ses-t0", name, path, *masks))) for name, path in paths.items()]
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    people = "".join(f"{participant}\t{group}\n" for participant, group in groups.items())
    (folder / "participants.tsv").write_text("participant_id\tgroup\n" + people)
    split_table(assign_folds(groups, 3, 1, 0)).to_csv(folder / "split.tsv", sep="\t", index=False)


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Cohort:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder)
    return Cohort(
        folder, repository / "config" / "tasks" / "myelin.yaml", repository / "config" / "presets" / "tiny.yaml"
    )


@pytest.fixture(scope="session")
def run() -> Callable[[list[str]], str]:
    """Run the command line in this process; an InputError comes out as itself; returns stdout."""
    from typer.testing import CliRunner

    import myelosynth.cli.commands  # noqa: F401
    from myelosynth.cli.app import app

    def invoke(arguments: list[str]) -> str:
        result = CliRunner().invoke(app, arguments)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return invoke


@pytest.fixture(scope="session")
def trained(
    cohort: Cohort, run: Callable[[list[str]], str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The training folder of every system on fold 1, each trained when it is first asked for."""
    root = tmp_path_factory.mktemp("trained")
    plan = {
        "mean-atlas": [],
        "regional-mean": [],
        "ridge": [],
        "random-forest": [],
        "residual-context": [],
        "dnn": [],
        "unet": ["--loss", "l1"],
        "cgan": ["--loss", "l1"],
        "cf-sagan": ["--loss", "l1"],
        "refiner-cgan": ["--loss", "wl1", "--sketches", "cgan"],
        "refiner-cf-sagan": ["--loss", "nwl1", "--sketches", "cf-sagan"],
        "refiner2-cf-sagan": ["--loss", "nwl1", "--sketches", "refiner-cf-sagan"],
    }

    class Trainings(dict[str, Path]):
        def __missing__(self, model: str) -> Path:
            more = list(plan[model])
            if "--sketches" in more:
                more[-1] = str(self[more[-1]])
            run(cohort.options(model, root / model, *more))
            self[model] = root / model
            return self[model]

    return Trainings()


def same(first: Any, second: Any) -> bool:
    """Whether two nested records of tensors and values agree in every bit."""
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


@pytest.fixture(scope="session", name="same")
def same_fixture() -> Callable[[Any, Any], bool]:
    return same
