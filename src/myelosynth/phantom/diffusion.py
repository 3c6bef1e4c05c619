"""Forward model of the diffusion series."""

import numpy as np
from numpy.typing import NDArray

from myelosynth.images.transform import LinearTransform
from myelosynth.phantom.anatomy import Anatomy
from myelosynth.phantom.geometry import Map, Sampler
from myelosynth.phantom.latents import Latents, regional_field
from myelosynth.phantom.mri import GREY_LEVEL, rician, scanner_units, spin_echo, white_relaxation
from myelosynth.phantom.tissues import CSF, GREY, HEAD

UNWEIGHTED, DIRECTIONS, B_VALUE = 5, 30, 1000.0
SNR = 25.0
_ECHO = spin_echo(8.0, 0.085)
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def gradient_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """b-values (35,), s/mm2, and unit directions (35, 3) in RAS world axes, spread over a half sphere by the golden
    angle; the unweighted volumes come first."""
    number = np.arange(DIRECTIONS)
    height = (number + 0.5) / DIRECTIONS
    angle = number * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(1 - height**2)
    directions = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    bvals = np.concatenate([np.zeros(UNWEIGHTED), np.full(DIRECTIONS, B_VALUE)])
    return bvals, np.concatenate([np.zeros((UNWEIGHTED, 3)), directions])


def fsl_directions(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """World directions (N, 3) along the axes of a RAS image as FSL files have them: the first one reversed."""
    return directions * np.array([-1.0, 1.0, 1.0])


def white_tensor(latents: Latents, inside: NDArray[np.bool_]) -> tuple[NDArray, NDArray]:
    """RD and AD (n,), 1e-3 mm2/s: .55 / 1.11 in health (FA .41), near .96 / 1.31 in lesions (FA .19)."""
    lost, thin = 1 - latents.myelin[inside], 1 - latents.axon[inside]
    water = latents.oedema[inside]
    return 0.55 + 0.22 * lost + 0.30 * thin + 0.40 * water, 1.11 - 0.20 * thin + 0.50 * water


def diffusion_series(
    anatomy: Anatomy, latents: Latents, sampler: Sampler, random: np.random.Generator
) -> NDArray[np.int16]:
    """The series (X, Y, Z, 35): the unweighted signal and the signal-weighted mean tensor of each voxel's tissues."""
    unweighted, tensor = _tensor_maps(anatomy, latents)
    base = np.maximum(sampler(unweighted), 1e-3)
    mean = [sampler(part) / base for part in tensor]
    bvals, directions = gradient_table()
    noise = float(base[sampler(anatomy.white) > 0.95].mean()) / SNR
    series = np.empty((*base.shape, bvals.size), np.int16, order="F")
    to_subject = _rotation(sampler.offset)
    for volume, (b, direction) in enumerate(zip(bvals, directions @ to_subject.T, strict=True)):
        exponent = np.zeros_like(base)
        if b > 0:
            for part, (row, column) in zip(mean, _PAIRS, strict=True):
                exponent += part * np.float32(direction[row] * direction[column] * (1 if row == column else 2))
        series[..., volume] = scanner_units(rician(random, base * np.exp(-b * 1e-3 * exponent), noise))
    return series


def _rotation(offset: LinearTransform) -> NDArray[np.float64]:
    """Rotation of a direction in the image's world into the anatomy's."""
    return offset.matrix[:3, :3]


def _tensor_maps(anatomy: Anatomy, latents: Latents) -> tuple[Map, list[Map]]:
    """Unweighted signal (X, Y, Z) and six signal-weighted tensor components, 1e-3 mm2/s, in the anatomy's axes."""

    def of(tissue: object) -> float:
        return float(_ECHO(*(np.array(value) for value in tissue[:3])))  # type: ignore[index]

    inside = anatomy.white > 0.003
    density, t1, t2 = white_relaxation(latents, inside)
    white = anatomy.white[inside] * _ECHO(density, t1, t2)
    head = np.array([of(tissue) for tissue in HEAD], np.float32)
    free = np.array([tissue.diffusivity for tissue in HEAD], np.float32)
    # Fat saturation leaves little of the scalp, as in every echo-planar series.
    head[[2, 3, 4, 5]] *= 0.25
    isotropic = {"grey": anatomy.grey * of(GREY), "csf": anatomy.csf * of(CSF)}
    outside = anatomy.outside * head[anatomy.head]
    scale = GREY_LEVEL / of(GREY)
    unweighted = isotropic["grey"] + isotropic["csf"] + outside
    trace = isotropic["grey"] * GREY.diffusivity + isotropic["csf"] * CSF.diffusivity + outside * free[anatomy.head]
    unweighted[inside] += white
    radial, axial = white_tensor(latents, inside)
    coherence = 1 + 0.2 * np.clip(regional_field(anatomy, "coherence", 20.0, inside), -2, 2)
    spread = (axial - radial) * coherence
    radial = (2 * radial + axial - spread) / 3
    fibre = np.stack([regional_field(anatomy, f"fibre {axis}", 45.0, inside) for axis in "xyz"])
    fibre /= np.linalg.norm(fibre, axis=0)
    parts = []
    for row, column in _PAIRS:
        part = trace.copy() if row == column else np.zeros_like(trace)
        part[inside] += white * (spread * fibre[row] * fibre[column] + (radial if row == column else 0))
        parts.append((part * scale).astype(np.float32))
    return (unweighted * scale).astype(np.float32), parts
