"""PET interfaces: registration image, reference region, DVR."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, isdefined, traits
from numpy.typing import NDArray

from myelosynth import __version__
from myelosynth.bids.sidecar import Provenance, bids_uri, read_json
from myelosynth.errors import InputError
from myelosynth.images.transform import LinearTransform
from myelosynth.images.upright import Upright
from myelosynth.images.volume import Volume, load_mask, load_volume, save_volume
from myelosynth.interfaces.motion import realign, rigid_motion, summary
from myelosynth.physics.dvr import Analysis, require_tracer
from myelosynth.physics.frames import Frames
from myelosynth.physics.partial_volume import at_resolution
from myelosynth.physics.reference_region import (
    CEREBELLUM_CENTRE_MM,
    CEREBELLUM_RADII_MM,
    cerebellar_grey,
    clustered_grey,
    eroded_grey,
)

DVR_LIMIT = 5.0
DOMAIN_FRACTION = 0.1
SHORTEST_REGISTERED_S = 60.0
CSF_LIMIT = 0.1
"""Share of CSF from which a voxel counts as touched: its DVR is low by a tenth."""


def read_dynamic(pet: Path, sidecar: Path) -> tuple[Volume, Frames]:
    """A dynamic PET series and its frames; raises InputError where they disagree or cannot be analysed."""
    series = load_volume(pet, 4)
    return series, Frames.from_sidecar(read_json(sidecar), series.data.shape[3], sidecar)


def weighted_mean(series: NDArray[np.float32], frames: Frames, chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Duration-weighted mean (X, Y, Z) of the chosen frames of a series (X, Y, Z, F)."""
    return np.average(series[..., chosen], axis=3, weights=frames.duration_s[chosen]).astype(np.float32)


class PetReferenceInputs(BaseInterfaceInputSpec):
    in_file = File(mandatory=True, desc="dynamic PET")
    frames = File(mandatory=True, desc="its sidecar")
    out_file = File(mandatory=True, desc="mean of early frames")
    from_min = traits.Float(0.0, usedefault=True, desc="start of the window, minutes")
    to_min = traits.Float(10.0, usedefault=True, desc="end of the window, minutes")


class PetReferenceOutputs(TraitedSpec):
    out_file = File()


class PetReference(SimpleInterface):
    """Duration-weighted mean of early frames: a perfusion image, which registers well to T1w."""

    input_spec, output_spec = PetReferenceInputs, PetReferenceOutputs

    def _run_interface(self, runtime: Any) -> Any:
        source, sidecar, out = (Path(getattr(self.inputs, n)) for n in ("in_file", "frames", "out_file"))
        series, frames = read_dynamic(source, sidecar)
        chosen = frames.between(self.inputs.from_min, self.inputs.to_min, sidecar)
        save_volume(out, weighted_mean(series.data, frames, chosen), series.grid)
        settings = {"from_min": self.inputs.from_min, "to_min": self.inputs.to_min, "frames": int(chosen.sum())}
        fields = {"SkullStripped": False, "Units": read_json(sidecar)["Units"]}
        Provenance("PET reference", "myelosynth", __version__, [source, sidecar], settings, fields).write(out)
        self._results["out_file"] = str(out)
        return runtime


class ReferenceRegionInputs(BaseInterfaceInputSpec):
    in_file = File(mandatory=True, desc="dynamic PET")
    frames = File(mandatory=True, desc="its sidecar")
    gm = File(desc="grey-matter fraction on the PET grid, 0-1; all but given")
    mask = File(desc="the region itself on the PET grid (given)")
    method = traits.Enum("cerebellar-grey", "grey-matter", "clustering", "given", mandatory=True)
    template_transform = File(desc="ITK text affine, moving PET, fixed MNI152 (cerebellar-grey)")
    gm_threshold = traits.Float(0.5, usedefault=True, desc="grey-matter fraction")
    erosions = traits.Int(1, usedefault=True, desc="voxel layers taken off")
    clusters = traits.Int(4, usedefault=True, desc="k of k-means (clustering)")
    minimum_ml = traits.Float(1.0, usedefault=True, desc="smallest acceptable region")
    out_file = File(mandatory=True, desc="reference mask")


class ReferenceRegionOutputs(TraitedSpec):
    out_file = File()


class ReferenceRegion(SimpleInterface):
    """Reference region for Logan and SRTM."""

    input_spec, output_spec = ReferenceRegionInputs, ReferenceRegionOutputs

    def _run_interface(self, runtime: Any) -> Any:
        sources = [Path(self.inputs.in_file), Path(self.inputs.frames)]
        series, frames = read_dynamic(sources[0], sources[1])
        method = self.inputs.method
        needed = "mask" if method == "given" else "gm"
        if not isdefined(getattr(self.inputs, needed)):
            cure = f"give --{needed} or choose another --method"
            raise InputError(f"no {needed} for the region", sources[0], f"{method} needs one", cure)
        sources.append(Path(getattr(self.inputs, needed)))
        settings: dict[str, Any]
        if method == "given":
            region, settings = load_mask(sources[2], series.grid, sources[0]), {}
        else:
            region, settings = self._found(series, frames, sources)
        volume_ml = float(region.sum() * series.grid.voxel_volume / 1000)
        if volume_ml < self.inputs.minimum_ml:
            values = f"{volume_ml:.2f} ml by {method}, needed {self.inputs.minimum_ml:g}"
            cure = "check grey matter and transform, lower --gm-threshold or --erosions, or give another mask"
            raise InputError("reference region too small", sources[2], values, cure)
        out = Path(self.inputs.out_file)
        save_volume(out, region, series.grid, "uint8")
        fields = {"Type": "ROI", "VolumeML": round(volume_ml, 3)}
        engine = ("scikit-learn", version("scikit-learn")) if method == "clustering" else ("myelosynth", __version__)
        record = Provenance("reference region", *engine, sources, {"method": method, **settings}, fields)
        record.write(out)
        self._results["out_file"] = str(out)
        return runtime

    def _found(self, series: Volume, frames: Frames, sources: list[Path]) -> tuple[NDArray[np.bool_], dict[str, Any]]:
        """The region in grey matter (X, Y, Z) and its settings; a transform that was read joins the sources."""
        gm = load_volume(sources[2])
        series.grid.require(gm.grid, sources[2], sources[0])
        method, settings = self.inputs.method, dict[str, Any](gm_threshold=self.inputs.gm_threshold)
        if method == "clustering":
            threshold, clusters = self.inputs.gm_threshold, self.inputs.clusters
            upright = Upright(series.grid)  # k-means starts from voxels by their order
            data, grey = upright.turn(series.data), upright.turn(gm.data)
            region = upright.back(clustered_grey(data, frames, grey, threshold, clusters, sources[2]))
            return region, settings | {"clusters": clusters}
        region = eroded_grey(gm.data, self.inputs.gm_threshold, self.inputs.erosions)
        settings |= {"erosions": self.inputs.erosions}
        if method == "cerebellar-grey":
            if not isdefined(self.inputs.template_transform):
                cure = "give --template-transform or choose another --method"
                raise InputError("no template transform", sources[0], "cerebellar-grey needs one", cure)
            sources.append(Path(self.inputs.template_transform))
            region = cerebellar_grey(region, series.grid, LinearTransform.read(sources[-1]))
            settings |= {"centre_mni_mm": CEREBELLUM_CENTRE_MM, "radii_mm": CEREBELLUM_RADII_MM, "mirrored": True}
        return region, settings


class DvrMapInputs(BaseInterfaceInputSpec):
    in_file = File(mandatory=True, desc="dynamic PET")
    frames = File(mandatory=True, desc="its sidecar")
    reference_mask = File(mandatory=True, desc="reference region on the PET grid")
    mask = File(desc="domain of the map on the PET grid")
    model = traits.Enum("logan", "srtm", "srtm2", usedefault=True)
    k2prime = traits.Either(None, traits.Float, traits.Enum("auto"), usedefault=True, desc="per minute, or auto")
    k2prime_mask = File(desc="voxels that auto looks at, on the PET grid; default: the domain")
    t_star = traits.Either(traits.Float, traits.Enum("auto"), default=20.0, usedefault=True, desc="minutes, or auto")
    motion = traits.Bool(False, usedefault=True, desc="register frames first")
    csf = File(desc="CSF fraction on the PET grid, 0-1")
    fwhm = traits.Float(5.0, usedefault=True, desc="resolution of the PET, mm")
    out_file = File(mandatory=True, desc="distribution volume ratio")
    out_csf = File(desc="CSF fraction at the resolution of the PET; needs csf")


class DvrMapOutputs(TraitedSpec):
    out_file, out_csf = File(), File()


class DvrMap(SimpleInterface):
    """Voxelwise distribution volume ratio against a reference region."""

    input_spec, output_spec = DvrMapInputs, DvrMapOutputs

    def _run_interface(self, runtime: Any) -> Any:
        sources = [Path(getattr(self.inputs, name)) for name in ("in_file", "frames", "reference_mask")]
        series, frames = read_dynamic(sources[0], sources[1])
        data, fields = series.data, dict[str, Any](MotionCorrected=self.inputs.motion, Units="1")
        reference_mask = load_mask(sources[2], series.grid, sources[0])
        if self.inputs.motion:
            motion = frame_motion(series, frames)
            data = realign(data, series.grid, motion)
            fields |= {"Motion": summary(motion, series.grid)}
        if isdefined(self.inputs.mask):
            sources.append(Path(self.inputs.mask))
            domain = load_mask(sources[3], series.grid, sources[0])
        else:
            mean = np.average(data, axis=3, weights=frames.duration_s)
            domain = mean > DOMAIN_FRACTION * mean[reference_mask].mean()
        reference = data[reference_mask].mean(0, dtype=float)
        require_tracer(reference, frames, sources[2])
        curves = brain = data[domain]
        if isdefined(self.inputs.k2prime_mask):
            sources.append(Path(self.inputs.k2prime_mask))
            brain = data[load_mask(sources[-1], series.grid, sources[0])]
        analysis = Analysis(self.inputs.model, self.inputs.k2prime, self.inputs.t_star)
        found, settings = analysis.fit(curves, brain, reference, frames, sources[0])
        dvr = found["dvr"]
        fields |= {"PartialVolumeCorrected": False}
        if isdefined(self.inputs.out_csf):
            within = load_mask(sources[-1], series.grid, sources[0]) if isdefined(self.inputs.k2prime_mask) else domain
            fields |= self._write_csf(series, sources[0], within)
        usable = np.isfinite(dvr)
        image = np.zeros(series.grid.shape, np.float32)
        image[domain] = np.clip(np.where(usable, dvr, 0), 0, DVR_LIMIT)
        out = Path(self.inputs.out_file)
        save_volume(out, image, series.grid)
        fields |= {
            "SkullStripped": isdefined(self.inputs.mask),
            "SpatialReference": bids_uri(out, out),
            "ReferenceVoxels": int(reference_mask.sum()),
            "ReferenceTAC": [round(float(value), 6) for value in reference],
            "VoxelsWithoutFit": int((~usable).sum()),
            "VoxelsOutsideLimits": int(((dvr[usable] < 0) | (dvr[usable] > DVR_LIMIT)).sum()),
            "Limits": [0, DVR_LIMIT],
        }
        Provenance("distribution volume ratio", "myelosynth", __version__, sources, settings, fields).write(out)
        self._results["out_file"] = str(out)
        return runtime

    def _write_csf(self, series: Volume, pet: Path, brain: NDArray[np.bool_]) -> dict[str, Any]:
        """Write the CSF fraction as the scanner sees it; its URI and how much of the brain (X, Y, Z) it touches."""
        source, out = Path(self.inputs.csf), Path(self.inputs.out_csf)
        csf = load_volume(source)
        series.grid.require(csf.grid, source, pet)
        share = at_resolution(csf.data, series.grid, self.inputs.fwhm)
        save_volume(out, share, series.grid)
        fields = {
            "Units": "1",
            "Label": "CSF",
            "SpatialReference": str(bids_uri(Path(self.inputs.out_file), out)),
            "Description": "share of each voxel's signal from CSF: the DVR is low by about it",
        }
        settings = {"fwhm_mm": self.inputs.fwhm}
        Provenance("CSF at PET resolution", "myelosynth", __version__, [source], settings, fields).write(out)
        self._results["out_csf"] = str(out)
        mostly = share[brain] > CSF_LIMIT
        return {"CSFFractionMap": str(bids_uri(out, out)), "BrainVoxelsAboveCSFLimit": round(float(mostly.mean()), 4)}


def frame_motion(series: Volume, frames: Frames) -> list[LinearTransform]:
    """Pull transforms, reference position to each frame; the reference is the mean of 5-30 minutes.

    Frames shorter than a minute hold too few counts: they take the transform of the nearest longer frame.
    """
    end = float(frames.edges_min[-1])
    fixed = weighted_mean(series.data, frames, frames.between(min(5.0, end / 4), min(30.0, end)))
    long = np.flatnonzero(frames.duration_s >= SHORTEST_REGISTERED_S)
    if not long.size:
        return [LinearTransform.identity() for _ in frames.start_s]
    found = {int(n): rigid_motion(series.data[..., n], fixed, series.grid) for n in long}
    return [found[int(long[np.abs(long - n).argmin()])] for n in range(frames.start_s.size)]
