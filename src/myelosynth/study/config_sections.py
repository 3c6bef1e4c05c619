"""Sections of the configuration that decide what maps, indices and tables say."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from myelosynth.bids.guard import plain_path
from myelosynth.myelin.draws import least_draws

PlainPath = Annotated[str, AfterValidator(plain_path)]
"""A path that rules can name and shells cannot misread."""

Label = Annotated[str, Field(pattern="^[0-9A-Za-z]+$")]
"""A participant's label without sub-."""


class Strict(BaseModel):
    """A section in which a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid")


ModuleName = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._+/-]*$")]
"""NAME or NAME/VERSION; it reaches a shell, so nothing else."""


class Modules(Strict):
    """The site's environment modules with the programs of lab engines."""

    ants: list[ModuleName] = Field(default=[], description="loaded in this order for the ANTs programs")
    fsl: list[ModuleName] = Field(default=[], description="the same for FSL")
    freesurfer: list[ModuleName] = Field(default=[], description="the same for FreeSurfer")

    def of(self, suite: str) -> list[str]:
        """The modules of a suite of programs; none where it installs with pip."""
        return getattr(self, suite, [])


class Curve(Strict):
    """The control curve of DVR by distance to CSF."""

    csf: Literal["ventricles", "all"]
    bin_width: float = Field(gt=0, description="mm")
    edge: float = Field(ge=0, description="mm")
    minimum_voxels: int = Field(ge=2)
    roles: Literal["train", "not-test"] = Field(
        default="train", description="controls of a fold that make its curve; not-test: those of validation as well"
    )
    smoothing: Literal["none", "linear"] = Field(default="none", description="between the bins")
    extrapolation: Literal["hold", "refuse"] = Field(default="hold", description="of lesions beyond the last bin")


class Maps(Strict):
    """What is asked of a voxel beyond the paper's rule."""

    minimum_cluster_ml: float = Field(default=0.0, ge=0, description="smaller demyelinated clusters count as normal")
    change_threshold: Annotated[float, Field(ge=0)] | Literal["retest"] = Field(
        default=0.0, description="DVR; a voxel that changed by less keeps its state; retest: from second scans"
    )


class Lesions(Strict):
    """The table of a patient's lesions."""

    changed: float = Field(
        default=0.2, gt=0, le=1, description="least share of a lesion that changes before the lesion is said to change"
    )
    smallest_ml: float = Field(
        default=0.5, ge=0, description="least covered volume of a lesion that is given a state, ml"
    )


class Evaluation(Strict):
    """What the evaluation refuses."""

    oracle: Literal["stop", "tell"] = Field(
        default="stop",
        description="a score passes the oracle of a simulated study: stop ends the run, tell lists it in the tables",
    )


class Clinical(Strict):
    """The regressions of clinical scores on the indices."""

    responses: list[Literal["edss", "msss"]] = Field(
        default=["edss", "msss"], min_length=1, description="baseline scores that are explained"
    )
    bootstrap: Literal[0] | Annotated[int, Field(ge=100)] = Field(
        default=2000, description="resamples of the patients for the interval of beta; 0: no interval"
    )
    seed: int = Field(default=1, ge=0, description="of the resamples")

    @model_validator(mode="after")
    def _each_once(self) -> "Clinical":
        if len(set(self.responses)) < len(self.responses):
            raise ValueError(f"responses are {', '.join(self.responses)}, expected each score once")
        return self


class Nulls(Strict):
    """What noise alone does to the indices."""

    level: float = Field(default=0.95, ge=0.5, le=0.99, description="share of the draws inside an interval")
    draws: int = Field(default=500, ge=20, description="follow-ups that are drawn for each patient")
    models: dict[str, PlainPath] = Field(
        default={}, description="system, or true for the measured PET: its null model, JSON of `myelosynth null-fit`"
    )

    @model_validator(mode="after")
    def _draws_beyond_the_level(self) -> "Nulls":
        if self.draws < least_draws(self.level):
            least = least_draws(self.level)
            raise ValueError(f"draws is {self.draws}, level {self.level:g} needs {least} or more")
        return self
