"""Physical constants of every tissue at 3 T."""

from typing import NamedTuple


class TissueConstants(NamedTuple):
    """Proton density (water 1), T1 and T2 in s, MTR in per cent, diffusivity in 1e-3 mm2/s, relative perfusion R1 and
    DVR of [11C]PIB."""

    proton_density: float
    t1: float
    t2: float
    mtr: float
    diffusivity: float
    r1: float
    dvr: float


GREY = TissueConstants(0.82, 1.33, 0.100, 33.0, 0.92, 1.0, 1.0)
CSF = TissueConstants(1.0, 4.0, 1.2, 2.0, 3.0, 0.15, 0.6)
WHITE = TissueConstants(0.70, 0.83, 0.075, 46.0, 0.74, 0.58, 1.275)

HEAD = (
    TissueConstants(0.0, 1.0, 0.1, 0.0, 1.0, 0.0, 0.0),  # air
    CSF,
    TissueConstants(0.10, 0.90, 0.004, 5.0, 0.5, 0.12, 0.7),  # compact bone
    TissueConstants(0.60, 0.50, 0.045, 5.0, 0.5, 0.20, 0.8),  # marrow
    TissueConstants(0.75, 0.32, 0.055, 1.0, 0.3, 0.15, 0.8),  # fat
    TissueConstants(0.60, 0.90, 0.030, 12.0, 0.8, 0.30, 0.8),  # skin
    TissueConstants(0.75, 1.20, 0.035, 38.0, 1.3, 0.30, 0.8),  # muscle
    TissueConstants(1.0, 3.50, 0.600, 2.0, 2.8, 0.10, 0.6),  # vitreous
    WHITE,  # spinal cord
)
"""In the order of head.Tissue."""
