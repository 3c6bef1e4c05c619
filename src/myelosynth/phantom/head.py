"""Skull, scalp, face and neck: a drawing in template coordinates, realistic enough for brain extraction."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from myelosynth.phantom.geometry import Map


class Tissue(IntEnum):
    """What fills a voxel outside the brain."""

    AIR = 0
    CSF = 1
    BONE = 2
    MARROW = 3
    FAT = 4
    SKIN = 5
    MUSCLE = 6
    VITREOUS = 7
    CORD = 8


def head_labels(outside_mm: Map, where: Sequence[Map], thickness: Map) -> NDArray[np.uint8]:
    """Label every voxel (X, Y, Z) with a Tissue.

    outside_mm: distance to the brain surface; where: template coordinates, mm; thickness: smooth unit field that varies
    the layers from place to place and person to person.
    """
    x, y, z = where
    d = outside_mm
    low = np.clip((-20 - z) / 25, 0, 1)
    fluid = 1.6 + 0.5 * thickness
    skull = fluid + 6.0 + 0.8 * thickness + 1.5 * low
    fat = skull + 4.0 - 1.0 * thickness + 2.0 * np.clip((-y - 60) / 40, 0, 1)
    labels = np.full(d.shape, Tissue.AIR, np.uint8)
    labels[_soft_parts(x, y, z) > 0] = Tissue.SKIN
    labels[_soft_parts(x, y, z, inset=3) > 0] = Tissue.FAT
    labels[_soft_parts(x, y, z, inset=9) > 0] = Tissue.MUSCLE
    scalp = (z > -62) | (d < skull)
    labels[(d < fat + 2.0) & scalp & (labels == Tissue.AIR)] = Tissue.SKIN
    labels[(d < fat) & scalp & ((labels == Tissue.AIR) | (labels == Tissue.SKIN))] = Tissue.FAT
    temporal = (np.abs(x) > 52) & (np.abs(y - 5) < 42) & (z < 22) & (d < fat + 1) & (d > skull)
    labels[temporal] = Tissue.MUSCLE
    labels = _face(labels, x, y, z)
    labels[d < skull] = Tissue.BONE
    labels[(d < skull - 2.0) & (d > fluid + 2.0) & (z > -25)] = Tissue.MARROW
    labels[d < fluid] = Tissue.CSF
    return _canal(labels, x, y, z)


def _soft_parts(x: Map, y: Map, z: Map, inset: float = 0.0) -> Map:
    """Positive inside the face and neck, drawn `inset` mm smaller."""
    face = 1 - (x / (66 - inset)) ** 2 - ((y - 22) / (74 - inset)) ** 2 - ((z + 64) / (66 - inset)) ** 2
    nose = (
        1 - (x / (15 - inset)) ** 2 - ((y - 92) / (15 - inset)) ** 2 - ((z + 68) / (22 - inset)) ** 2
        if inset < 9
        else face
    )
    neck = 1 - (x / (64 - inset)) ** 2 - ((y + 38) / (66 - inset)) ** 2 - np.clip(z + 42, 0, None) / 20
    return np.maximum(np.maximum(face, nose), neck)


def _ball(x: Map, y: Map, z: Map, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> NDArray:
    """Both sides of a mirror-symmetric ellipsoid."""
    parts = ((np.abs(x) - centre[0]) / radii[0], (y - centre[1]) / radii[1], (z - centre[2]) / radii[2])
    return parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2 < 1


def _face(labels: NDArray[np.uint8], x: Map, y: Map, z: Map) -> NDArray[np.uint8]:
    inside = labels != Tissue.AIR
    for tissue, centre, radii in (
        (Tissue.FAT, (32.0, 56.0, -37.0), (19.0, 26.0, 18.0)),
        (Tissue.VITREOUS, (32.0, 68.0, -37.0), (12.0, 12.0, 12.0)),
        (Tissue.MUSCLE, (30.0, 45.0, -37.0), (4.0, 16.0, 4.0)),
        (Tissue.BONE, (30.0, 56.0, -66.0), (18.0, 20.0, 19.0)),
        (Tissue.AIR, (30.0, 56.0, -66.0), (15.0, 17.0, 16.0)),
        (Tissue.AIR, (6.0, 52.0, -62.0), (6.0, 32.0, 24.0)),
        (Tissue.AIR, (0.0, 22.0, -44.0), (11.0, 10.0, 9.0)),
        (Tissue.AIR, (0.0, 4.0, -80.0), (12.0, 10.0, 30.0)),
        (Tissue.BONE, (56.0, -28.0, -48.0), (16.0, 18.0, 18.0)),
        (Tissue.AIR, (56.0, -30.0, -50.0), (8.0, 10.0, 11.0)),
    ):
        labels[_ball(x, y, z, centre, radii) & inside] = tissue
    return labels


def _canal(labels: NDArray[np.uint8], x: Map, y: Map, z: Map) -> NDArray[np.uint8]:
    """The spine below the template's cut: cord, fluid and bone around it."""
    radius = np.hypot(x, y + 46 - 0.15 * (z + 70))
    below = z < -68
    for tissue, limit in ((Tissue.BONE, 15.0), (Tissue.CSF, 9.0), (Tissue.CORD, 6.0)):
        labels[below & (radius < limit)] = tissue
    return labels
