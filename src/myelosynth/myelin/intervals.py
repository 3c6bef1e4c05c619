"""Intervals of the indices from the spread of the predicted DVR."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.errors import InputError
from myelosynth.images.fields import FieldModel
from myelosynth.myelin.curve import Curve
from myelosynth.myelin.indices import COLUMNS, myelin_indices
from myelosynth.myelin.maps import PAPER, MapRules, change_classes, changed_enough, demyelinated, without_small_clusters


@dataclass(frozen=True)
class Session:
    """Predicted DVR and its SD, (X, Y, Z) on one grid, and how the errors of its voxels hang together."""

    dvr: NDArray
    std: NDArray
    errors: FieldModel


@dataclass(frozen=True)
class Patient:
    """Baseline lesions and distance to CSF in mm, (X, Y, Z); voxel sizes in mm; the control curve of the fold; what is
    asked of a voxel beyond the paper's rule."""

    lesions: NDArray[np.bool_]
    distance: NDArray
    voxel_sizes: Sequence[float]
    curve: Curve
    rules: MapRules = PAPER


def index_intervals(
    patient: Patient, before: Session, after: Session, draws: int, level: float, seed: int
) -> dict[str, tuple[float, float, float]]:
    """Value, lower and upper bound of each index: percentiles over `draws` of DVR + scale x SD x error field.

    The errors of neighbouring voxels hang together, so fields with the fitted correlation are drawn: independent voxels
    would average out and give intervals far too narrow. The errors of the two sessions are drawn independently, since
    training at baseline alone cannot tell how alike they are; where they are alike, the intervals of change are too
    wide. The scale takes the SD, which was widened until it covers nearly every subject, back to the usual error. It is
    that of the measured DVR around the prediction, so an interval is for the index from a measured PET,
    whose noise moves voxels across the threshold as well: it need not be centred on the value. Maps and indices follow
    the rules of `demyelinated`, `change_classes` and `myelin_indices`, on voxels with a DVR at both times.
    Raises InputError where an SD is negative or not finite in a lesion.
    """
    lesions, sessions = patient.lesions, (before, after)
    maps = [session.dvr[lesions] for session in sessions]
    spreads = [np.where(dvr > 0, session.std[lesions], 0.0) for dvr, session in zip(maps, sessions, strict=True)]
    for name, spread in zip(("t0", "t1"), spreads, strict=True):
        usable = np.isfinite(spread) & (spread >= 0)
        if not usable.all():
            values = f"{int((~usable).sum())} of {spread.size} lesion voxels have none or a negative one"
            raise InputError("SD not usable", f"session {name}", values, "predict again with --out-std")
    point = lesion_indices(patient, maps)
    inside = lesions[ndimage.find_objects(lesions.astype(np.uint8))[0]]
    random = [np.random.default_rng(np.random.SeedSequence((seed, number))) for number in (0, 1)]
    fields = [_fields(s.errors, r, inside, patient.voxel_sizes) for s, r in zip(sessions, random, strict=True)]
    # A DVR of 0 means no PET, which a draw must not turn into.
    least = np.finfo(np.float32).tiny
    drawn = []
    for _ in range(draws):
        others = [
            np.where(dvr > 0, np.maximum(dvr + session.errors.scale * spread * next(field), least), 0.0)
            for dvr, session, spread, field in zip(maps, sessions, spreads, fields, strict=True)
        ]
        drawn.append([lesion_indices(patient, others)[name] for name in COLUMNS])
    low, high = np.quantile(np.array(drawn), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {name: (point[name], float(low[n]), float(high[n])) for n, name in enumerate(COLUMNS)}


def _fields(
    errors: FieldModel, random: np.random.Generator, inside: NDArray[np.bool_], voxel_sizes: Sequence[float]
) -> Iterator[NDArray[np.float32]]:
    """Error fields at the voxels of a mask (V,), without end."""
    for pair in errors.pairs(random, inside.shape, voxel_sizes):
        yield from (field[inside] for field in pair)


def lesion_indices(patient: Patient, maps: Sequence[NDArray]) -> dict[str, float]:
    """The indices of DVR values (V,) of all lesion voxels at both times, 0 where there is none, by the rules of the
    real maps: clusters are of the voxels that one scan covers, classes of those that both do."""
    everywhere, distance = np.ones(len(maps[0]), bool), patient.distance[patient.lesions]
    masks = [_clustered(patient, demyelinated(values, distance, everywhere, patient.curve)) for values in maps]
    changed = changed_enough(maps[0], maps[1], patient.rules.change_threshold)
    covered = (maps[0] > 0) & (maps[1] > 0)
    return myelin_indices(change_classes(masks[0], masks[1], covered, changed), everywhere)


def _clustered(patient: Patient, called: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Demyelinated voxels (V,) of the lesions without small clusters."""
    if not patient.rules.minimum_cluster_ml:
        return called
    volume = np.zeros(patient.lesions.shape, bool)
    volume[patient.lesions] = called
    return without_small_clusters(volume, patient.rules.minimum_cluster_ml, patient.voxel_sizes)[patient.lesions]
