"""The hidden state of the white matter: myelin, axons, oedema, and what only PET sees."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.phantom.anatomy import Anatomy
from myelosynth.phantom.clinic import Course
from myelosynth.phantom.geometry import FWHM_PER_SIGMA, Map, box_grid, smooth_field
from myelosynth.phantom.lesions import Lesions
from myelosynth.phantom.settings import Settings
from myelosynth.phantom.tissues import HEAD

WHITE_BINDING = 0.275
"""BP of healthy white matter, so that its DVR is about 1.22-1.32."""
BIOLOGY_SD, BIOLOGY_FWHM_MM = 0.03, 8.0
SCANNER_FWHM_MM = 2.5
DEMYELINATED_BELOW = 0.08
"""A lesion voxel is demyelinated where its blurred DVR lies this far below what health has there: about one standard
deviation of control white matter at one distance to CSF."""
_GREY_DVR, _CSF_DVR = 1.0, 0.6


@dataclass(frozen=True, eq=False)
class Latents:
    """Maps (X, Y, Z) of one session: myelin, axon (1 in health), oedema (0 in health) of the white matter."""

    myelin: Map
    axon: Map
    oedema: Map


@dataclass(frozen=True, eq=False)
class Disease:
    """Latents at t0 and t1 of one participant, with the terms of DVR that MRI does not see.

    binding: BP of normally myelinated white matter of this person; biology: PET-only DVR term; expected: myelin of the
    healthy population; lesions: None for controls.
    """

    sessions: dict[str, Latents]
    binding: float
    biology: Map
    expected: Map
    lesions: Lesions | None


def healthy(settings: Settings, participant: str, anatomy: Anatomy) -> Disease:
    """A control: regional myelin shared by everybody, a little of one's own, and PET-only biology."""
    random = settings.random(participant, "white matter")
    white = anatomy.white > 0
    expected = _replace(
        np.ones(white.shape, np.float32), white, 1 + 0.04 * regional_field(anatomy, "myelin", 30.0, white)
    )
    myelin = expected + 0.03 * smooth_field(random, anatomy.grid, 25.0)
    axon = 1 + 0.03 * smooth_field(random, anatomy.grid, 20.0)
    oedema = np.abs(smooth_field(random, anatomy.grid, 20.0)) * np.float32(0.03)
    biology = BIOLOGY_SD * smooth_field(random, anatomy.grid, BIOLOGY_FWHM_MM)
    binding = WHITE_BINDING * (1 + 0.03 * random.standard_normal())
    return Disease({"t0": Latents(myelin, axon, oedema)}, binding, biology, expected, None)


def diseased(
    settings: Settings, participant: str, anatomy: Anatomy, lesions: Lesions, course: Course, pet_voxel_mm: float
) -> Disease:
    """A patient: periventricular loss, lesions that lost myelin from the rim to the core, and their course until t1.

    Oedema and axonal loss are drawn for each lesion independently of myelin. Thresholds are found by bisection so that
    the shares of `course` hold in the blurred DVR on a PET voxel of `pet_voxel_mm`.
    """
    base = healthy(settings, participant, anatomy)
    start = base.sessions["t0"]
    random = settings.random(participant, "disease")
    normal = start.myelin * (1 - np.exp(-anatomy.ventricle_distance / 6) * np.float32(0.08))
    inside = lesions.mask
    deficit = _deficit(anatomy, base, inside, pet_voxel_mm)

    severity = _lesion_values(random, lesions, anatomy) + 0.5 * (lesions.depth[inside] - 0.4)
    myelin0 = _reach(lambda s: _with_loss(normal, inside, severity, s), course.demyelinated, deficit.share, (-4, 4))
    below0 = deficit.below(myelin0)

    order = _ranks(_lesion_values(random, lesions, anatomy) - 0.3 * lesions.depth[inside])
    latents0 = _with_tissue_damage(random, start, lesions, anatomy, myelin0)
    if not settings.change:
        return Disease({"t0": latents0, "t1": latents0}, base.binding, base.biology, base.expected, lesions)

    def repaired(limit: float) -> Map:
        gain = _step((limit - order) / 0.03)
        return _replace(myelin0, inside, myelin0[inside] + 0.94 * gain * (normal[inside] - myelin0[inside]))

    def healed(myelin: Map) -> float:
        return float((below0 & ~deficit.below(myelin)).mean())

    better = _reach(repaired, course.remyelination, healed, (0, 1))

    def worsened(limit: float) -> Map:
        loss = _step((limit - (1 - order)) / 0.03)
        return _replace(better, inside, (1 - loss) * better[inside] + loss * np.minimum(better, 0.15 * normal)[inside])

    def lost(myelin: Map) -> float:
        return float((~below0 & deficit.below(myelin)).mean())

    myelin1 = _reach(worsened, course.demyelination, lost, (0, 1))
    drift = 0.08 * random.standard_normal(lesions.count + 1).astype(np.float32)[lesions.component]
    oedema1 = np.clip(latents0.oedema + drift * inside * lesions.depth, 0, 1).astype(np.float32)
    latents1 = Latents(myelin1, latents0.axon, oedema1)
    return Disease({"t0": latents0, "t1": latents1}, base.binding, base.biology, base.expected, lesions)


def dvr_maps(anatomy: Anatomy, disease: Disease, session: str) -> tuple[Map, Map, Map]:
    """Unblurred DVR (X, Y, Z) of a session: the truth, the oracle (PET-only terms at their mean) and what the healthy
    population would have."""
    rest = anatomy.grey * _GREY_DVR + anatomy.csf * _CSF_DVR
    rest += anatomy.outside * np.array([tissue.dvr for tissue in HEAD], np.float32)[anatomy.head]
    myelin = disease.sessions[session].myelin
    truth = rest + anatomy.white * (1 + disease.binding * myelin + disease.biology)
    oracle = rest + anatomy.white * (1 + WHITE_BINDING * myelin)
    health = rest + anatomy.white * (1 + WHITE_BINDING * disease.expected)
    return truth.astype(np.float32), oracle.astype(np.float32), health.astype(np.float32)


@lru_cache(maxsize=4)
def _shared_field(name: str, fwhm_mm: float) -> Map:
    seed = np.frombuffer(name.encode(), np.uint8).tolist()
    return smooth_field(np.random.default_rng(np.random.SeedSequence(seed)), box_grid((4.0,) * 3), fwhm_mm)


def regional_field(anatomy: Anatomy, name: str, fwhm_mm: float, inside: NDArray[np.bool_]) -> Map:
    """A smooth unit field fixed in template space, the same regional pattern in everybody, at the voxels (n,) of a
    mask."""
    grid = box_grid((4.0,) * 3)
    where = [(part[inside] - grid.affine[a, 3]) / 4.0 for a, part in enumerate(anatomy.template)]
    return ndimage.map_coordinates(_shared_field(name, fwhm_mm), where, order=1, mode="nearest")


@dataclass(frozen=True, eq=False)
class _Deficit:
    """How far the blurred DVR of lesion voxels lies below health, evaluated in the lesions' box only."""

    box: tuple[slice, ...]
    inside: NDArray[np.bool_]
    weight: Map
    offset: Map
    sigma: float

    def below(self, myelin: Map) -> NDArray[np.bool_]:
        """Demyelinated lesion voxels (n,) for a myelin map (X, Y, Z)."""
        blurred = ndimage.gaussian_filter(self.offset - self.weight * myelin[self.box], self.sigma, truncate=3)
        return blurred[self.inside] > DEMYELINATED_BELOW

    def share(self, myelin: Map) -> float:
        """Share of the lesion volume that is demyelinated."""
        return float(self.below(myelin).mean())


def _deficit(anatomy: Anatomy, base: Disease, inside: NDArray[np.bool_], pet_voxel_mm: float) -> _Deficit:
    (found,) = ndimage.find_objects(inside.astype(np.uint8))
    box = tuple(slice(max(part.start - 6, 0), part.stop + 6) for part in found)
    voxel = anatomy.grid.affine[0, 0]
    spread = (SCANNER_FWHM_MM / FWHM_PER_SIGMA) ** 2 + max(pet_voxel_mm**2 - voxel**2, 0) / 12
    white = anatomy.white[box]
    offset = white * (WHITE_BINDING * base.expected[box] - base.biology[box])
    return _Deficit(box, inside[box], white * np.float32(base.binding), offset, float(np.sqrt(spread)) / voxel)


def _lesion_values(random: np.random.Generator, lesions: Lesions, anatomy: Anatomy) -> NDArray[np.float32]:
    """A value per lesion voxel (n,): mostly the lesion's own, partly a field, so that large lesions are mixed."""
    own = random.standard_normal(lesions.count + 1)[lesions.component[lesions.mask]]
    field = smooth_field(random, anatomy.grid, 10.0)[lesions.mask]
    return (0.7 * own + 0.7 * field).astype(np.float32)


def _with_loss(normal: Map, inside: NDArray[np.bool_], severity: NDArray[np.float32], shift: float) -> Map:
    loss = 0.06 + 0.92 * _step((severity + shift) / 0.25)
    return _replace(normal, inside, normal[inside] * (1 - loss))


def _with_tissue_damage(
    random: np.random.Generator, start: Latents, lesions: Lesions, anatomy: Anatomy, myelin: Map
) -> Latents:
    """Axonal loss and oedema of each lesion, independent of its myelin."""
    inside, number = lesions.mask, lesions.component[lesions.mask]
    depth = lesions.depth[inside]
    texture = smooth_field(random, anatomy.grid, 8.0)[inside]
    axonal = random.uniform(0.1, 0.6, lesions.count + 1)[number] * np.sqrt(depth)
    water = random.uniform(0.05, 0.85, lesions.count + 1)[number] * (0.6 + 0.4 * depth) + 0.06 * texture
    axon = _replace(start.axon, inside, start.axon[inside] * (1 - axonal))
    return Latents(myelin, axon, _replace(start.oedema, inside, np.clip(water, 0.05, 1)))


def _replace(values: Map, inside: NDArray[np.bool_], new: NDArray) -> Map:
    changed = values.astype(np.float32, copy=True)
    changed[inside] = new
    return changed


def _step(values: NDArray) -> NDArray:
    """A soft step from 0 to 1."""
    return 1 / (1 + np.exp(-np.clip(values, -30, 30)))


def _ranks(values: NDArray) -> NDArray[np.float32]:
    """Ranks scaled to 0-1."""
    ranks = np.empty(values.size, np.float32)
    ranks[np.argsort(values, kind="stable")] = (np.arange(values.size) + 0.5) / values.size
    return ranks


def _reach(
    make: Callable[[float], Map], wanted: float, measure: Callable[[Map], float], limits: tuple[float, float]
) -> Map:
    """The map made(x) whose increasing measure reaches `wanted`, by bisection over x."""
    low, high = limits
    for _ in range(9):
        middle = (low + high) / 2
        if measure(make(middle)) < wanted:
            low = middle
        else:
            high = middle
    return make((low + high) / 2)
