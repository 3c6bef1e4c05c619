"""The choices of one simulation: who, how fine, how noisy, and where randomness comes from."""

import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from myelosynth.errors import InputError
from myelosynth.phantom.roster import Cohort

NOISE_TIERS = {"easy": 0.015, "default": 0.03, "hard": 0.05, "clinical": 0.08}
"""Standard deviation of the Logan DVR of one white-matter voxel."""

NATIVE_VOXELS = {
    "T1w": (1.0, 1.0, 1.1),
    "T2w": (0.9, 0.9, 3.0),
    "FLAIR": (0.9, 0.9, 3.0),
    "MT": (1.2, 1.2, 2.0),
    "DWI": (2.0, 2.0, 2.0),
    "PET": (1.22, 1.22, 1.22),
}
"""Voxel sizes in mm; T1w, T2w and FLAIR after wei2019 section 2.4, PET after wei2020 section 2.4."""


@dataclass(frozen=True)
class Settings:
    """Cohort, isotropic voxel size in mm (None: native sizes), noise tier and an optional folder of lesion masks.

    Raises InputError for an unknown tier or a voxel size outside 0.5-8 mm.
    """

    cohort: Cohort = field(default_factory=Cohort)
    resolution: float | None = None
    tier: str = "default"
    lesion_masks: Path | None = None

    def __post_init__(self) -> None:
        if self.tier not in NOISE_TIERS:
            cure = f"choose one of {', '.join(NOISE_TIERS)}"
            raise InputError("unknown noise tier", "--noise", f"got {self.tier!r}", cure)
        if self.resolution is not None and not 0.5 <= self.resolution <= 8:
            values = f"got {self.resolution:g} mm, expected 0.5-8 mm"
            raise InputError("voxel size out of range", "--resolution", values, "give an isotropic size in mm")

    @property
    def shifted(self) -> bool:
        """Scenario `shifted`: the next noisier tier, twice the B1 spread and 1.6 times the lesion load."""
        return self.cohort.scenario == "shifted"

    @property
    def dvr_noise(self) -> float:
        """Standard deviation of the Logan DVR in one white-matter voxel."""
        tiers = list(NOISE_TIERS.values())
        position = list(NOISE_TIERS).index(self.tier)
        return tiers[min(position + 1, len(tiers) - 1)] if self.shifted else tiers[position]

    @property
    def b1_spread(self) -> float:
        """Standard deviation of the relative B1 field."""
        return 0.06 if self.shifted else 0.03

    @property
    def change(self) -> bool:
        """Whether myelin differs between t0 and t1."""
        return self.cohort.scenario != "no-change"

    @property
    def working_voxel(self) -> float:
        """Spacing in mm of the lattice on which the anatomy is computed: finer than every image made from it."""
        return 1.0 if self.resolution is None else max(1.0, 0.65 * self.resolution)

    def voxel(self, image: str) -> tuple[float, float, float]:
        """Voxel size in mm of one kind of image."""
        return NATIVE_VOXELS[image] if self.resolution is None else (self.resolution,) * 3

    def random(self, participant: str, purpose: str) -> np.random.Generator:
        """An independent stream for one participant and purpose: nobody's numbers depend on who else is simulated."""
        entropy = [self.cohort.seed, int(participant), zlib.crc32(purpose.encode())]
        return np.random.default_rng(np.random.SeedSequence(entropy))
