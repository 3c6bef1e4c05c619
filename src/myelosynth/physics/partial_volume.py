"""Partial volume: what a scanner of finite resolution mixes into a voxel."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.images.grid import Grid

FWHM_PER_SIGMA = 2.354820045030949


def at_resolution(fraction: NDArray[np.float32], grid: Grid, fwhm_mm: float) -> NDArray[np.float32]:
    """A tissue fraction (X, Y, Z), 0-1, blurred by a Gaussian of `fwhm_mm`: its share of each voxel's signal.

    CSF holds next to no tracer, so a share f of it scales the curve by 1 - f, and with it the Logan slope: near CSF the
    DVR is low by that share (Meltzer et al. 1990, J Comput Assist Tomogr 14:561). Nothing is corrected here.
    """
    sigma = fwhm_mm / FWHM_PER_SIGMA / np.array(grid.voxel_sizes)
    return np.clip(ndimage.gaussian_filter(fraction.astype(np.float32), sigma, mode="nearest"), 0, 1)
