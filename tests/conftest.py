"""What every test may use: the repository, real data where it is, and one anatomy in four orientations."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
REALDATA = REPOSITORY.parent / "shared" / "realdata"


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def realdata() -> Path:
    if not REALDATA.is_dir():
        pytest.skip(f"real images are not here: no folder {REALDATA}")
    return REALDATA


def reoriented(image: nib.Nifti1Image, orientation: str) -> nib.Nifti1Image:
    """The same anatomy in another voxel order (RAS, LAS, LPS), or on an oblique lattice of the same voxels."""
    if orientation == "oblique":
        angle = np.deg2rad(12)
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        return nib.Nifti1Image(np.asanyarray(image.dataobj), turn @ image.affine)
    codes = nib.orientations.axcodes2ornt(tuple(orientation))
    return image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), codes))


@pytest.fixture(params=["RAS", "LAS", "LPS", "oblique"])
def orientation(request: pytest.FixtureRequest) -> str:
    return request.param
