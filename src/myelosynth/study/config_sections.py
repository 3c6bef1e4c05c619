"""Sections of the configuration that decide what maps and indices say."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """A section in which a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid")


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
