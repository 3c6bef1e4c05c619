"""Simulated patients scanned twice, for the tests of the null."""

import numpy as np

from myelosynth.images.fields import LENGTHS_MM, FieldModel
from myelosynth.myelin.curve import Curve
from myelosynth.myelin.intervals import Patient
from myelosynth.myelin.null import NullModel, Pair
from myelosynth.myelin.null_fit import fit_null

SHAPE, VOXEL = (16, 14, 12), (2.0, 2.0, 2.0)
CURVE = Curve(np.array([0.0, 50.0]), np.array([1000]), np.array([1.2]), np.array([0.1]))
FIELD = FieldModel(LENGTHS_MM, (0.5, 0.5, 0.0, 0.0, 0.0), 0.0)
TRUE = NullModel(0.01, -0.3, 0.015, 0.05, 0.03, 0.0024, FIELD, 40)


def lesions(random, blocks=4):
    mask = np.zeros(SHAPE, bool)
    for _ in range(blocks):
        x, y, z = (int(random.integers(1, n - 6)) for n in SHAPE)
        mask[x : x + 5, y : y + 5, z : z + 4] = True
    return mask


def pair(seed, model=TRUE, blocks=4):
    """A patient scanned twice: the baseline's DVR about the threshold of 1.1, the follow-up as the model says."""
    random = np.random.default_rng(seed)
    patient = Patient(lesions(random, blocks), np.full(SHAPE, 5.0), VOXEL, CURVE)
    before = 1.08 + 0.08 * random.standard_normal(SHAPE)
    noise = next(model.field.pairs(random, SHAPE, VOXEL))[0]
    offset = model.change + model.between * random.standard_normal()
    slope = model.slope + model.slope_between * random.standard_normal()
    x = before - before[patient.lesions].mean()
    return Pair(patient, before, before + offset + slope * x + model.sd * noise)


def fitted_on(pairs):
    return fit_null(list(pairs))
