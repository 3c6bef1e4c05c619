"""Magnetisation transfer interface."""

from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, isdefined

from myelosynth import __version__
from myelosynth.bids.sidecar import Provenance
from myelosynth.images.volume import load_mask, load_volume, save_volume
from myelosynth.physics.magnetisation import magnetisation_transfer_ratio


class MtrMapInputs(BaseInterfaceInputSpec):
    on = File(mandatory=True, desc="image with the saturation pulse")
    off = File(mandatory=True, desc="image without it, same grid")
    mask = File(desc="domain of the map")
    out_file = File(mandatory=True, desc="MTR, 0-100 %")


class MtrMapOutputs(TraitedSpec):
    out_file = File()


class MtrMap(SimpleInterface):
    """Magnetisation transfer ratio, 0-100 %."""

    input_spec, output_spec = MtrMapInputs, MtrMapOutputs

    def _run_interface(self, runtime: Any) -> Any:
        sources = [Path(self.inputs.on), Path(self.inputs.off)]
        on, off = (load_volume(path) for path in sources)
        off.grid.require(on.grid, sources[0], sources[1])
        mask, masked = np.ones(off.data.shape, bool), isdefined(self.inputs.mask)
        if masked:
            sources.append(Path(self.inputs.mask))
            mask = load_mask(sources[2], off.grid, sources[1])
        out = Path(self.inputs.out_file)
        save_volume(out, magnetisation_transfer_ratio(on.data, off.data, mask), off.grid)
        fields = {"SkullStripped": masked, "Units": "percent"}
        Provenance("magnetisation transfer ratio", "myelosynth", __version__, sources, {}, fields).write(out)
        self._results["out_file"] = str(out)
        return runtime
