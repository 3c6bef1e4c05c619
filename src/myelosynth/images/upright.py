"""Voxels in closest RAS order: what depends on the order of voxels must not depend on how an image was stored."""

from dataclasses import dataclass
from functools import cached_property

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from myelosynth.images.grid import Grid


@dataclass(frozen=True, eq=False)
class Upright:
    """The way of an image's voxels to closest RAS order and back, by reversing and swapping axes alone.

    >>> las = Upright(Grid((2, 1, 1), np.diag([-1.0, 1, 1, 1])))
    >>> las.turn(np.array([7, 8]).reshape(2, 1, 1)).ravel()
    array([8, 7])
    """

    stored: Grid

    @cached_property
    def _orientation(self) -> NDArray:
        return nib.orientations.io_orientation(self.stored.affine)

    @cached_property
    def grid(self) -> Grid:
        """The grid of the turned voxels, in the same world."""
        shape = np.array(self.stored.shape)[np.argsort(self._orientation[:, 0])]
        turn = nib.orientations.inv_ornt_aff(self._orientation, self.stored.shape)
        return Grid((int(shape[0]), int(shape[1]), int(shape[2])), self.stored.affine @ turn)

    def turn(self, data: NDArray) -> NDArray:
        """Data (X, Y, Z[, N]) as stored, in closest RAS order."""
        return np.ascontiguousarray(nib.orientations.apply_orientation(data, self._orientation))

    def back(self, data: NDArray) -> NDArray:
        """Data (X, Y, Z[, N]) in closest RAS order, as stored."""
        order = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), self._orientation)
        return np.ascontiguousarray(nib.orientations.apply_orientation(data, order))
