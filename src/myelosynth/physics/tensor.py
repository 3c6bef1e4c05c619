"""Diffusion tensor maps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myelosynth.physics.gradients import B0_THRESHOLD, Gradients


@dataclass(frozen=True, eq=False)
class TensorMaps:
    """Fractional anisotropy, and radial, axial and mean diffusivity in mm2/s, each (X, Y, Z); 0 outside the mask."""

    fa: NDArray[np.float32]
    rd: NDArray[np.float32]
    ad: NDArray[np.float32]
    md: NDArray[np.float32]


def fit_tensor(data: NDArray[np.float32], gradients: Gradients, mask: NDArray[np.bool_]) -> TensorMaps:
    """Weighted least-squares tensor of a diffusion series (X, Y, Z, N) inside the mask (X, Y, Z), with dipy.

    AD is the largest eigenvalue, RD the mean of the other two; negative eigenvalues count as 0.
    """
    from dipy.core.gradients import gradient_table
    from dipy.reconst.dti import TensorModel

    table = gradient_table(gradients.bvals, bvecs=gradients.bvecs, b0_threshold=B0_THRESHOLD)
    model = TensorModel(table, fit_method="WLS")
    values = np.clip(model.fit(data[mask]).evals, 0, None)
    axial, radial, mean = values[:, 0], values[:, 1:].mean(1), values.mean(1)
    spread = ((values - mean[:, None]) ** 2).sum(1)
    power = (values**2).sum(1)
    anisotropy = np.sqrt(1.5 * spread / np.where(power > 0, power, 1))
    return TensorMaps(*(_spread_out(item, mask) for item in (anisotropy, radial, axial, mean)))


def denoise(data: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Marchenko-Pastur PCA denoising of a diffusion series (X, Y, Z, N), with dipy (Veraart et al. 2016)."""
    from dipy.denoise.localpca import mppca

    with np.errstate(divide="ignore", invalid="ignore"):  # voxels that no patch of the mask covers
        denoised = mppca(data, mask=mask, patch_radius=2)
    return np.nan_to_num(np.asarray(denoised, np.float32))


def unring(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """A diffusion series (X, Y, Z, N) without Gibbs ringing in its X-Y slices, by sub-voxel shifts, with dipy.

    Kellner et al. 2016, Magn Reson Med 76:1574. It holds for slices that were acquired whole, across the third axis.
    """
    from dipy.denoise.gibbs import gibbs_removal

    return np.asarray(gibbs_removal(data, slice_axis=2, inplace=False, num_processes=1), np.float32)


def _spread_out(values: NDArray, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    image = np.zeros(mask.shape, np.float32)
    image[mask] = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    return image
