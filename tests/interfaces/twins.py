"""Lossless twins of an image: axes reversed or swapped in data and affine alike, or (oblique) the header turned."""

from dataclasses import dataclass, field

import numpy as np
from typer.testing import CliRunner

from myelosynth.cli import commands  # noqa: F401
from myelosynth.cli.app import app
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_volume, save_volume

from .conftest import rigid

COARSE = Grid((40, 46, 38), np.diag([2.5, 2.5, 2.5, 1]) + np.outer((-48.8, -56.3, -46.3, 0), (0, 0, 0, 1)))
TURNED = rigid((4.0, -6.0, 8.0), (3.0, -2.0, 5.0))


@dataclass(frozen=True)
class Twin:
    """How a twin is stored: its axis n is the first one's axis `order[n]`, reversed where `flips[n]`; then the header
    is `moved`.
    """

    order: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)
    moved: LinearTransform = field(default_factory=LinearTransform.identity)

    def data(self, first):
        """The twin's array of the first one's (X, Y, Z[, N])."""
        turned = np.transpose(first, (*self.order, *range(3, first.ndim)))
        return np.ascontiguousarray(np.flip(turned, [axis for axis in range(3) if self.flips[axis]]))

    def back(self, data):
        turned = np.flip(data, [axis for axis in range(3) if self.flips[axis]])
        return np.transpose(turned, (*np.argsort(self.order), *range(3, data.ndim)))

    def grid(self, first):
        shape = tuple(first.shape[axis] for axis in self.order)
        voxels = np.zeros((4, 4))
        voxels[3, 3] = 1
        for ours, theirs in enumerate(self.order):
            voxels[theirs, ours] = -1 if self.flips[ours] else 1
            voxels[theirs, 3] = first.shape[theirs] - 1 if self.flips[ours] else 0
        return Grid(shape, self.moved.matrix @ first.affine @ voxels)

    def save(self, path, first, grid, dtype=np.float32):
        save_volume(path, self.data(np.asarray(first)), self.grid(grid), dtype)

    def load(self, path):
        """An output of the twin in the first one's voxels."""
        volume = load_volume(path, 4 if "series" in path.name else 3, allow_empty=True)
        return self.back(volume.data)


TWINS = {
    "LAS": Twin(flips=(True, False, False)),
    "LPS": Twin(flips=(True, True, False)),
    "oblique": Twin(moved=TURNED),
    "PSR": Twin(order=(1, 2, 0), flips=(True, False, False)),
}
FIRST = Twin()


def command(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception:
        raise result.exception
