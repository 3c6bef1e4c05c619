"""EPI distortion interfaces: the shift map of a diffusion series, from a field map, opposite blips or the T1w alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, isdefined, traits
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth import __version__
from myelosynth.bids.names import companion_path, sidecar_path
from myelosynth.bids.sidecar import Provenance, read_json
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import Volume, load_mask, load_volume, open_image, save_volume
from myelosynth.interfaces.base import use_our_threads
from myelosynth.interfaces.linear import require_contrast
from myelosynth.physics.distortion import (
    AXES,
    HERTZ,
    PhaseEncoding,
    continued,
    echo_times,
    field_of_phases,
    in_radians,
    unwarp,
)
from myelosynth.physics.gradients import B0_THRESHOLD, read_bvals

DISTORTION, UNCORRECTED = "EPIDistortion", "uncorrected"
"""The sidecar field of everything made of a diffusion series; the session page repeats it."""
METHODS = {
    "fieldmap": "corrected by a field map",
    "reverse": "corrected by reverse phase encoding",
    "t1w": "corrected without a field map, b0 to T1w: large shifts only",
}
NEEDS = {"fieldmap": ("fieldmap",), "reverse": ("reverse",), "t1w": ("t1w", "t1w_mask", "transform")}
COVERED, FEWEST = 0.5, 1000
Estimate = tuple[NDArray[np.float32], dict[str, Any], tuple[str, str]]
"""Shift (X, Y, Z) in voxels, settings for the sidecar, engine and version."""


@dataclass(frozen=True, eq=False)
class Shift:
    """A shift map: voxels (X, Y, Z) along an axis of the series' grid, and what it was made of."""

    voxels: NDArray[np.float32]
    axis: int
    words: str

    def undo(self, data: NDArray) -> NDArray[np.float32]:
        """An image (X, Y, Z) or series (X, Y, Z, N) without its distortion."""
        return unwarp(data, self.voxels, self.axis)

    @classmethod
    def read(cls, path: Path, grid: Grid, reference: Path) -> "Shift":
        """Read what `EpiShift` wrote. Raises InputError for another grid, or a file that is no shift map."""
        volume, record = load_volume(path, allow_empty=True), read_json(sidecar_path(path))
        grid.require(volume.grid, path, reference)
        axis, words = record.get("PhaseAxis"), record.get(DISTORTION)
        if axis not in AXES or not words:
            values = f"PhaseAxis {axis!r} in its sidecar, expected i, j or k"
            raise InputError("not a shift map", path, values, "make it with `myelosynth epi-shift`")
        number = AXES.index(axis)
        return cls(volume.data / grid.voxel_sizes[number], number, words)


class EpiShiftInputs(BaseInterfaceInputSpec):
    in_file = File(mandatory=True, desc="diffusion series with its BIDS sidecar")
    bvals = File(mandatory=True, desc="FSL b-values")
    method = traits.Enum(*METHODS, mandatory=True)
    fieldmap = File(desc="field map, or phase difference of two echoes (fieldmap)")
    magnitude = File(desc="its magnitude image; needed with a phase difference (fieldmap)")
    reverse = File(desc="b0 of opposite phase encoding on the grid of the series (reverse)")
    t1w = File(desc="T1w (method t1w)")
    t1w_mask = File(desc="its brain mask (method t1w)")
    transform = File(desc="ITK text transform, moving b0, fixed T1w (method t1w)")
    out_file = File(mandatory=True, desc="shift along the phase axis, mm")


class EpiShiftOutputs(TraitedSpec):
    out_file = File()


class EpiShift(SimpleInterface):
    """Shift of every voxel along the phase-encoding axis."""

    input_spec, output_spec = EpiShiftInputs, EpiShiftOutputs

    def _run_interface(self, runtime: Any) -> Any:
        source, method = Path(self.inputs.in_file), self.inputs.method
        missing = [name for name in NEEDS[method] if not isdefined(getattr(self.inputs, name))]
        if missing:
            option = "--" + missing[0].replace("_", "-")
            raise InputError(f"method {method} needs more", source, f"{option} not given", f"give {option}")
        b0, sources = mean_b0(source, Path(self.inputs.bvals)), [*told(source), Path(self.inputs.bvals)]
        encoding = phase_encoding(source, timed=method != "t1w")
        estimate = {"fieldmap": self._fieldmap, "reverse": self._reverse, "t1w": self._t1w}[method]
        voxels, settings, engine = estimate(b0, encoding, sources)
        head = b0.data > 0.1 * np.percentile(b0.data, 99)
        size = b0.grid.voxel_sizes[encoding.axis]
        within = np.abs(voxels[head]) * size
        fields = {
            "Units": "mm",
            "PhaseAxis": AXES[encoding.axis],
            "PhaseEncodingDirection": encoding.direction,
            **({"TotalReadoutTime": encoding.readout_s} if encoding.readout_s else {}),
            DISTORTION: METHODS[method],
            "MeanShiftMm": round(float(within.mean()), 3),
            "MaximumShiftMm": round(float(within.max()), 3),
            "FoldedVoxels": int((1 + np.gradient(voxels, axis=encoding.axis)[head] <= 0).sum()),
        }
        out = Path(self.inputs.out_file)
        save_volume(out, voxels * size, b0.grid)
        Provenance("shift map of EPI distortion", *engine, sources, {"method": method, **settings}, fields).write(out)
        self._results["out_file"] = str(out)
        return runtime

    def _fieldmap(self, b0: Volume, encoding: PhaseEncoding, sources: list[Path]) -> Estimate:
        magnitude = Path(self.inputs.magnitude) if isdefined(self.inputs.magnitude) else None
        sources += [*told(Path(self.inputs.fieldmap)), *([magnitude] if magnitude else [])]
        field, kind = field_on(b0, Path(self.inputs.fieldmap), magnitude)
        return encoding.shift(field), {"fieldmap": kind}, ("myelosynth", __version__)

    def _reverse(self, b0: Volume, encoding: PhaseEncoding, sources: list[Path]) -> Estimate:
        from myelosynth.physics.blips import shift_of_pair

        path = Path(self.inputs.reverse)
        other, opposite, bvals = mean_volume(path), phase_encoding(path), series_bvals(path)
        sources += [*told(path), *([bvals] if bvals else [])]
        if (opposite.axis, opposite.sign) != (encoding.axis, -encoding.sign):
            values = f"{opposite.direction}, the series {encoding.direction}; expected the opposite direction"
            raise InputError("phase encodings are not opposite", path, values, "give the b0 of the other direction")
        b0.grid.require(other.grid, path, b0.path)
        require_contrast(other)
        use_our_threads()
        found = shift_of_pair(b0.data, other.data, (encoding, opposite), b0.grid)
        return found.shift, {"difference_left": round(found.difference_left, 4)}, ("myelosynth", __version__)

    def _t1w(self, b0: Volume, encoding: PhaseEncoding, sources: list[Path]) -> Estimate:
        from myelosynth.physics.blips import shift_to_t1w

        paths = [Path(getattr(self.inputs, name)) for name in NEEDS["t1w"]]
        sources += paths
        t1w = load_volume(paths[0])
        require_contrast(t1w)
        mask, back = load_mask(paths[1], t1w.grid, paths[0]), ~LinearTransform.read(paths[2])
        inside = resample(mask.astype(np.float32), t1w.grid, b0.grid, back) > 0.5
        if inside.sum() < FEWEST:
            values = f"{int(inside.sum())} voxels of the brain mask fall into the series, needed {FEWEST}"
            raise InputError("moving and fixed do not overlap", paths[2], values, "check the transform")
        use_our_threads()
        found = shift_to_t1w(b0.data, resample(t1w.data, t1w.grid, b0.grid, back), inside, encoding.axis, b0.grid)
        return found.shift, {"difference_left": round(found.difference_left, 4)}, ("myelosynth", __version__)


def mean_b0(path: Path, bvals: Path) -> Volume:
    """Mean of the unweighted volumes of a diffusion series, (X, Y, Z)."""
    series = load_volume(path, 4)
    chosen = read_bvals(bvals, series.data.shape[3]) <= B0_THRESHOLD
    return Volume(series.data[..., chosen].mean(-1), series.grid, path)


def mean_volume(path: Path) -> Volume:
    """A b0 image, or the mean of several; of a series with b-values the unweighted ones."""
    if not is_series(path):
        return load_volume(path)
    if bvals := series_bvals(path):
        return mean_b0(path, bvals)
    series = load_volume(path, 4)
    return Volume(series.data.mean(-1), series.grid, path)


def is_series(path: Path) -> bool:
    """Whether an image has several volumes."""
    return len([n for n in open_image(path).shape if n > 1]) >= 4


def series_bvals(path: Path) -> Path | None:
    """The b-values that lie beside a series of several volumes."""
    bvals = companion_path(path, ".bval")
    return bvals if is_series(path) and bvals.is_file() else None


def told(path: Path) -> list[Path]:
    """An image and the sidecar that tells how it was measured: both are sources."""
    return [path, sidecar_path(path)]


def phase_encoding(path: Path, timed: bool = True) -> PhaseEncoding:
    """Phase encoding of an image by its own sidecar."""
    sidecar = sidecar_path(path)
    return PhaseEncoding.from_sidecar(read_json(sidecar), sidecar, timed)


def field_on(b0: Volume, fieldmap: Path, magnitude: Path | None) -> tuple[NDArray[np.float32], str]:
    """The field (X, Y, Z) in Hz on the grid of b0, placed by the headers, and the kind of field map.

    Raises InputError for unknown units or phases, a phase difference without magnitude or echo times, a magnitude of
    another grid, and a field map that covers less than half of the head.
    """
    measured, record = load_volume(fieldmap), read_json(sidecar_path(fieldmap))
    times = echo_times(record, fieldmap, magnitude)
    require_contrast(measured)
    weight = measured.data != 0
    if magnitude:
        from skimage.filters import threshold_otsu

        strength = load_volume(magnitude)
        measured.grid.require(strength.grid, magnitude, fieldmap)
        weight = ndimage.binary_fill_holes(strength.data > 0.5 * threshold_otsu(strength.data))
    if times:
        radians = in_radians(measured.data, record.get("Units"), fieldmap)
        field, kind = field_of_phases(radians, weight, times), "phase difference of two echoes, unwrapped"
    else:
        field, kind = measured.data * HERTZ[record["Units"]], f"in {record['Units']}"
    head = b0.data > 0.1 * np.percentile(b0.data, 99)
    within = resample(weight.astype(np.float32), measured.grid, b0.grid, LinearTransform.identity()) > 0.5
    covered = float(within[head].mean())
    if covered < COVERED:
        values = f"{covered:.0%} of the head in {b0.path.name}, expected {COVERED:.0%} or more"
        raise InputError("field map covers too little", fieldmap, values, "check both headers")
    to_voxel = np.linalg.inv(measured.grid.affine) @ b0.grid.affine
    smooth = continued(field, weight, measured.grid)
    places = (to_voxel[:3, :3], to_voxel[:3, 3], b0.grid.shape)
    return ndimage.affine_transform(smooth, *places, order=1, mode="nearest"), kind
