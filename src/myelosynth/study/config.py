"""The configuration of one study: one pydantic model, exported as JSON Schema for Snakemake."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Scenario = Literal["default", "no-change", "controls-only", "missing", "shifted"]


class Strict(BaseModel):
    """A section in which a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid")


class Simulate(Strict):
    """The simulated cohort; the roster follows from it, so a dry run needs no data."""

    patients: int = Field(ge=0)
    controls: int = Field(ge=0)
    resolution: float | None = Field(gt=0, description="isotropic voxel in mm; null for the native sizes")
    seed: int = Field(ge=0)
    scenario: Scenario
    noise: Literal["easy", "default", "hard", "clinical"]
    lesion_masks: str | None = Field(description="folder of real lesion masks; null for the parametric generator")


class Dataset(Strict):
    """Where the raw BIDS data set and its lesion masks lie."""

    bids_dir: str
    lesions: str


class Engines(Strict):
    """The engine of every imaging step, by name."""

    n4: Literal["antspyx", "ants"]
    brain: Literal["deepbet", "bet", "synthstrip"]
    registration: Literal["antspyx", "flirt"]
    bbr: Literal["myelosynth", "flirt"]
    tissue: Literal["dipy", "fast", "freesurfer"]


class Registration(Strict):
    """How each image reaches the T1w: boundary-based where its contrast has a grey-white edge."""

    T2w: Literal["rigid", "bbr"]
    FLAIR: Literal["rigid", "bbr"]
    MT: Literal["rigid", "bbr"]
    DWI: Literal["rigid", "bbr"]
    PET: Literal["rigid", "bbr"]


class Diffusion(Strict):
    """The tensor fit."""

    denoise: bool
    motion: bool


class Pet(Strict):
    """Kinetic modelling of the dynamic PET."""

    model: Literal["logan", "srtm", "srtm2"]
    k2prime: float | Literal["auto"] | None = Field(
        description="per minute; auto: estimated per subject; null: dropped"
    )
    t_star: float = Field(ge=0, description="minutes; the first frame that starts at or after it")
    reference: Literal["cerebellar-grey", "grey-matter", "clustering"]
    motion: bool
    early_minutes: float = Field(gt=0, description="frames up to here make the registration image")


class Curve(Strict):
    """The control curve of DVR by distance to CSF."""

    csf: Literal["ventricles", "all"]
    bin_width: float = Field(gt=0, description="mm")
    minimum_voxels: int = Field(ge=2)


class Folds(Strict):
    """Cross-validation over subjects."""

    number: int = Field(ge=2)
    validation: int = Field(ge=1)
    seed: int = Field(ge=0)


class Learning(Strict):
    """What is trained, and how."""

    task: str
    preset: str
    systems: list[str] = Field(min_length=1)
    main: str = Field(description="the system of the patient pages and of the paired comparisons")
    device: Literal["auto", "cpu", "cuda"]
    seed: int = Field(ge=0)


class StudyConfig(Strict):
    """One study."""

    output: str
    simulate: Simulate | None
    dataset: Dataset
    engines: Engines
    registration: Registration
    diffusion: Diffusion
    pet: Pet
    curve: Curve
    folds: Folds
    learning: Learning


def json_schema() -> dict:
    """The JSON Schema (draft 2020-12) that Snakemake validates the configuration with."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **StudyConfig.model_json_schema()}
