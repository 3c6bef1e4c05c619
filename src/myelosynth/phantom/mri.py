"""Forward models of the anatomical and magnetisation transfer images."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from myelosynth.images.grid import Grid
from myelosynth.phantom.anatomy import Anatomy
from myelosynth.phantom.geometry import Map, Sampler, smooth_field
from myelosynth.phantom.latents import Latents
from myelosynth.phantom.tissues import CSF, GREY, HEAD, WHITE, TissueConstants

Signal = Callable[[NDArray, NDArray, NDArray], NDArray]


def inversion_recovery(repetition: float, inversion: float, echo: float) -> Signal:
    """|1 - 2 exp(-TI/T1) + exp(-TR/T1)| exp(-TE/T2) PD (Bernstein, King & Zhou 2004, section 14.2); times in s."""

    def signal(density: NDArray, t1: NDArray, t2: NDArray) -> NDArray:
        relaxed = np.abs(1 - 2 * np.exp(-inversion / t1) + np.exp(-repetition / t1))
        return density * relaxed * np.exp(-echo / t2)

    return signal


def spin_echo(repetition: float, echo: float) -> Signal:
    """(1 - exp(-TR/T1)) exp(-TE/T2) PD; times in s."""

    def signal(density: NDArray, t1: NDArray, t2: NDArray) -> NDArray:
        return density * (1 - np.exp(-repetition / t1)) * np.exp(-echo / t2)

    return signal


def spoiled_gradient_echo(repetition: float, echo: float, flip_deg: float) -> Signal:
    """Ernst signal of a spoiled gradient echo; times in s."""
    sine, cosine = np.sin(np.radians(flip_deg)), np.cos(np.radians(flip_deg))

    def signal(density: NDArray, t1: NDArray, t2: NDArray) -> NDArray:
        decay = np.exp(-repetition / t1)
        return density * sine * (1 - decay) / (1 - cosine * decay) * np.exp(-echo / t2)

    return signal


SEQUENCES: dict[str, Signal] = {
    "T1w": inversion_recovery(2.5, 1.2, 0.003),
    "T2w": spin_echo(5.0, 0.09),
    "FLAIR": inversion_recovery(9.0, 2.37, 0.125),
}
MT_OFF = spoiled_gradient_echo(0.03, 0.005, 10.0)
SNR = {"T1w": 35.0, "T2w": 30.0, "FLAIR": 30.0, "MT": 80.0}
"""Signal-to-noise ratio of white matter at every voxel size."""
GREY_LEVEL = 400.0
"""Scanner units given to the grey matter."""
BIAS_SD, BIAS_FWHM_MM = 0.10, 110.0


def white_relaxation(latents: Latents, inside: NDArray[np.bool_]) -> tuple[NDArray, NDArray, NDArray]:
    """Proton density, T1 and T2 (s) of white matter voxels (n,): water and lost myelin lengthen both times."""
    lost, thin = 1 - latents.myelin[inside], 1 - latents.axon[inside]
    water = latents.oedema[inside]
    density = WHITE.proton_density + 0.05 * lost + 0.12 * water
    t1 = WHITE.t1 + 0.35 * lost + 0.25 * thin + 0.70 * water
    t2 = WHITE.t2 + 0.030 * lost + 0.015 * thin + 0.10 * water
    return density, t1, t2


def white_mtr(latents: Latents, inside: NDArray[np.bool_]) -> NDArray:
    """MTR (%) of white matter voxels (n,): 46 in health, 25-42 in lesions."""
    lost, thin = 1 - latents.myelin[inside], 1 - latents.axon[inside]
    return WHITE.mtr - 12 * lost - 4 * thin - 13 * latents.oedema[inside]


def signal_map(anatomy: Anatomy, latents: Latents, sequence: Signal, saturated: bool = False) -> Map:
    """Noise-free signal (X, Y, Z) on the working lattice: tissue signals weighed by their fractions.

    saturated: with the magnetisation transfer pulse, each tissue by its MTR.
    """

    def of(tissue: TissueConstants) -> float:
        value = sequence(np.array(tissue.proton_density), np.array(tissue.t1), np.array(tissue.t2))
        return float(value) * (1 - tissue.mtr / 100 * saturated)

    total = anatomy.grey * of(GREY) + anatomy.csf * of(CSF)
    total += anatomy.outside * np.array([of(tissue) for tissue in HEAD], np.float32)[anatomy.head]
    inside = anatomy.white > 0.003
    white = sequence(*white_relaxation(latents, inside))
    if saturated:
        white = white * (1 - white_mtr(latents, inside) / 100)
    total[inside] += anatomy.white[inside] * white
    return (total * (GREY_LEVEL / _unsaturated_grey(sequence))).astype(np.float32)


def anatomical_image(
    anatomy: Anatomy, latents: Latents, suffix: str, sampler: Sampler, random: np.random.Generator
) -> NDArray[np.int16]:
    """T1w, T2w or FLAIR (X, Y, Z) in scanner units, with bias field and Rician noise."""
    sequence = SEQUENCES[suffix]
    image = sampler(signal_map(anatomy, latents, sequence)) * bias_field(random, sampler.image)
    return scanner_units(rician(random, image, white_level(sequence) / SNR[suffix]))


def transfer_pair(
    anatomy: Anatomy, latents: Latents, sampler: Sampler, random: np.random.Generator, b1_spread: float
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """MT-on and MT-off images; the B1 field scales the saturation, the bias field is common to both."""
    off = sampler(signal_map(anatomy, latents, MT_OFF))
    on = sampler(signal_map(anatomy, latents, MT_OFF, saturated=True))
    bias = bias_field(random, sampler.image)
    b1 = 1 + b1_spread * smooth_field(random, sampler.image, 90.0)
    noise = white_level(MT_OFF) / SNR["MT"]
    saturated = (off - (off - on) * b1) * bias
    return scanner_units(rician(random, saturated, noise)), scanner_units(rician(random, off * bias, noise))


def white_level(sequence: Signal) -> float:
    """Signal of healthy white matter in scanner units."""
    value = sequence(np.array(WHITE.proton_density), np.array(WHITE.t1), np.array(WHITE.t2))
    return float(value) / _unsaturated_grey(sequence) * GREY_LEVEL


def _unsaturated_grey(sequence: Signal) -> float:
    return float(sequence(np.array(GREY.proton_density), np.array(GREY.t1), np.array(GREY.t2)))


def bias_field(random: np.random.Generator, grid: Grid) -> Map:
    """A smooth multiplicative receive field around 1."""
    return np.exp(BIAS_SD * smooth_field(random, grid, BIAS_FWHM_MM))


def rician(random: np.random.Generator, image: Map, sigma: float) -> Map:
    """Magnitude of the image plus complex Gaussian noise of standard deviation `sigma` per channel."""
    real = image + sigma * random.standard_normal(image.shape, dtype=np.float32)
    imaginary = sigma * random.standard_normal(image.shape, dtype=np.float32)
    return np.sqrt(real * real + imaginary * imaginary)


def scanner_units(image: Map) -> NDArray[np.int16]:
    """Whole numbers, as a scanner stores them."""
    return np.clip(np.round(image), 0, 32767).astype(np.int16)
