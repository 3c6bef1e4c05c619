"""Magnetisation transfer interface."""

from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, isdefined, traits

from myelosynth import __version__
from myelosynth.bids.sidecar import Provenance
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_mask, load_volume, save_volume
from myelosynth.interfaces.linear import foreground, require_contrast, require_overlap
from myelosynth.interfaces.motion import rigid_motion, summary
from myelosynth.physics.magnetisation import magnetisation_transfer_ratio


class MtrMapInputs(BaseInterfaceInputSpec):
    on = File(mandatory=True, desc="image with the saturation pulse")
    off = File(mandatory=True, desc="image without it")
    mask = File(desc="domain of the map")
    register = traits.Bool(False, usedefault=True, desc="move `on` rigidly onto `off` first; else one grid is asked")
    out_file = File(mandatory=True, desc="MTR, 0-100 %")


class MtrMapOutputs(TraitedSpec):
    out_file = File()


class MtrMap(SimpleInterface):
    """Magnetisation transfer ratio, 0-100 %."""

    input_spec, output_spec = MtrMapInputs, MtrMapOutputs

    def _run_interface(self, runtime: Any) -> Any:
        sources = [Path(self.inputs.on), Path(self.inputs.off)]
        on, off = (load_volume(path) for path in sources)
        fields: dict[str, Any] = {"Units": "percent", "Registered": self.inputs.register}
        if self.inputs.register:
            for volume in (on, off):
                require_contrast(volume)
            require_overlap(foreground(off), on, LinearTransform.identity(), "before registration")
            motion = rigid_motion(on.data, off.data, off.grid, on.grid)
            saturated = resample(on.data, on.grid, off.grid, motion)
            fields |= {"Motion": summary([motion], off.grid)}
        else:
            off.grid.require(on.grid, sources[0], sources[1])
            saturated = on.data
        mask, masked = np.ones(off.data.shape, bool), isdefined(self.inputs.mask)
        if self.inputs.register:  # beyond the field of view of ON there is no ratio
            mask = resample(np.ones(on.data.shape, np.float32), on.grid, off.grid, motion) > 0.99
            fields |= {"VoxelsWithoutMTon": int((~mask).sum())}
        if masked:
            sources.append(Path(self.inputs.mask))
            mask &= load_mask(sources[2], off.grid, sources[1])
        out = Path(self.inputs.out_file)
        save_volume(out, magnetisation_transfer_ratio(saturated, off.data, mask), off.grid)
        fields |= {"SkullStripped": masked}
        settings = {"registration": "ANTs rigid, ON to OFF, linear"} if self.inputs.register else {}
        Provenance("magnetisation transfer ratio", "myelosynth", __version__, sources, settings, fields).write(out)
        self._results["out_file"] = str(out)
        return runtime
