"""Where lesions lie: a parametric generator, or real masks scaled to the template's brain."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, open_image
from myelosynth.phantom.anatomy import Anatomy
from myelosynth.phantom.geometry import Map, smooth_field, world_axes
from myelosynth.phantom.settings import Settings
from myelosynth.phantom.template import load_template

MASK_SHAPE = (182, 218, 182)
MASK_CENTRE_MM, MASK_EXTENT_MM = (0.5, -23.0, 6.0), (128.0, 155.0, 122.0)
TEMPLATE_CENTRE_MM, TEMPLATE_EXTENT_MM = (0.0, -17.0, 5.0), (144.0, 180.0, 154.0)
"""Brain boxes: patients of the open MS database lie rigidly in MNI space, smaller than the template's brain."""

_KINDS = {"periventricular": 0.5, "juxtacortical": 0.2, "deep": 0.3}
_REACH = 2.0
_LEAST_WHITE = 0.3


@dataclass(frozen=True, eq=False)
class Lesions:
    """Baseline lesions on the working lattice: mask, component number (0 outside) and depth, 0 at the rim, 1 in the
    core, all (X, Y, Z)."""

    mask: NDArray[np.bool_]
    component: NDArray[np.int32]
    depth: Map
    count: int


def draw_lesions(settings: Settings, participant: str, anatomy: Anatomy, load_ml: float) -> Lesions:
    """Lesions of one patient: `load_ml` millilitres by the generator, or the patient's mask of the folder."""
    if settings.lesion_masks is not None:
        mask = _real_mask(mask_of(settings.lesion_masks, participant), anatomy)
        component, count = ndimage.label(mask)
    else:
        mask, component, count = _parametric(settings.random(participant, "lesions"), anatomy, load_ml)
    distance = ndimage.distance_transform_edt(mask, sampling=anatomy.grid.voxel_sizes)
    highest = np.zeros(count + 1)
    highest[1:] = ndimage.maximum(distance, component, np.arange(1, count + 1))
    depth = distance / np.maximum(highest[component], 1e-3)
    return Lesions(mask, component.astype(np.int32), np.where(mask, depth, 0).astype(np.float32), count)


def _parametric(
    random: np.random.Generator, anatomy: Anatomy, load_ml: float
) -> tuple[NDArray[np.bool_], NDArray[np.int32], int]:
    """Ellipsoids of every kind, grown together until their white matter holds the load."""
    count = int(np.clip((20 + 10 * load_ml) * np.exp(0.3 * random.standard_normal()), 15, 400))
    grid, voxel = anatomy.grid, anatomy.grid.affine[0, 0]
    level = np.full(grid.shape, np.inf, np.float32)
    owner = np.zeros(grid.shape, np.int32)
    centres = _centres(random, anatomy, count)
    size = (load_ml * 1000 / count * 3 / (4 * np.pi)) ** (1 / 3)
    axes = world_axes(grid)
    for number, centre in enumerate(centres, start=1):
        radii = size * np.exp(0.45 * random.standard_normal()) * random.uniform(0.7, 1.4, 3)
        reach = np.ceil(radii * _REACH / voxel).astype(int) + 1
        low, high = np.maximum(centre - reach, 0), np.minimum(centre + reach + 1, grid.shape)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        local = [axes[a].ravel()[box[a]] - axes[a].ravel()[centre[a]] for a in range(3)]
        parts = [(v / r) ** 2 for v, r in zip(local, radii, strict=True)]
        radius = np.sqrt(parts[0][:, None, None] + parts[1][None, :, None] + parts[2][None, None, :])
        nearer = radius < level[box]
        level[box][nearer] = radius[nearer]
        owner[box][nearer] = number
    level *= 1 + 0.18 * smooth_field(random, grid, 7.0).clip(-2.5, 2.5)
    allowed = (anatomy.white > 0.55) & (level < _REACH)
    wanted = round(load_ml * 1000 / grid.voxel_volume)
    limit = np.sort(level[allowed])[: max(wanted, 1)][-1]
    mask = allowed & (level <= limit)
    return mask, np.where(mask, owner, 0), count


def _centres(random: np.random.Generator, anatomy: Anatomy, count: int) -> NDArray[np.int64]:
    """Voxel indices (count, 3) of lesion centres, by kind, in the cerebral white matter."""
    cerebrum = (anatomy.white > 0.7) & (anatomy.template[2] > -25)
    cortex = ndimage.gaussian_filter(anatomy.grey, 3.0 / anatomy.grid.affine[0, 0])
    near = anatomy.ventricle_distance
    weights = {
        "periventricular": np.exp(-((near - 3) ** 2) / 18) * (near > 1),
        "juxtacortical": np.clip(cortex - 0.15, 0, None) * (near > 12),
        "deep": np.exp(-((near - 14) ** 2) / 120) * (cortex < 0.25),
    }
    chosen = []
    split = random.multinomial(count, list(_KINDS.values()))
    for kind, amount in zip(_KINDS, split, strict=True):
        flat = np.flatnonzero(cerebrum & (weights[kind] > 1e-3))
        chance = weights[kind].ravel()[flat].astype(np.float64)
        chosen.append(random.choice(flat, amount, p=chance / chance.sum()))
    return np.stack(np.unravel_index(np.concatenate(chosen), cerebrum.shape), axis=1)


def mask_of(folder: Path, participant: str) -> Path:
    """The mask of a participant: the files of the folder by name, in turn. Raises InputError for an empty folder."""
    files = sorted(Path(folder).glob("*.nii.gz"))
    if not files:
        raise InputError("no lesion masks", folder, "0 files *.nii.gz, expected at least 1", "check --lesion-masks")
    return files[(int(participant) - 1) % len(files)]


def mask_load_ml(path: Path) -> float:
    """Lesion load in ml of a real mask scaled to the template's brain, without its voxels in template grey or CSF."""
    shared = load_template()
    where = [np.broadcast_to(axis, shared.grid.shape) for axis in world_axes(shared.grid)]
    inside = _at_template(*_open_mask(path), where) & (shared.white > _LEAST_WHITE)
    return float(inside.sum() * shared.grid.voxel_volume / 1000)


def _open_mask(path: Path) -> tuple[NDArray[np.float32], Grid]:
    """The mask (X, Y, Z) as 0 and 1, and its grid."""
    image = open_image(path)
    if image.shape != MASK_SHAPE:
        values = f"shape {image.shape}, expected {MASK_SHAPE}"
        raise InputError("lesion mask on another lattice", path, values, "give masks on FSL's 1 mm MNI152 lattice")
    return load_mask(path, labels=True).astype(np.float32), Grid.of(image)


def _real_mask(path: Path, anatomy: Anatomy) -> NDArray[np.bool_]:
    """The mask at every working voxel, through template coordinates, kept where there is white matter."""
    lesions = _at_template(*_open_mask(path), anatomy.template) & (anatomy.white > _LEAST_WHITE)
    if not lesions.any():
        raise InputError("lesion mask misses the white matter", path, "0 voxels left", "check that it is in MNI space")
    return lesions


def _at_template(mask: NDArray[np.float32], grid: Grid, where: Sequence[Map]) -> NDArray[np.bool_]:
    """The mask (X, Y, Z) at template coordinates (three maps, mm), through the scaling between the two brain boxes."""
    scale = np.divide(MASK_EXTENT_MM, TEMPLATE_EXTENT_MM)
    world = [(where[a] - TEMPLATE_CENTRE_MM[a]) * scale[a] + MASK_CENTRE_MM[a] for a in range(3)]
    inverse = np.linalg.inv(grid.affine)
    voxels = [
        inverse[a, 0] * world[0] + inverse[a, 1] * world[1] + inverse[a, 2] * world[2] + inverse[a, 3] for a in range(3)
    ]
    return np.asarray(ndimage.map_coordinates(mask, voxels, order=1, mode="constant") > 0.5)
