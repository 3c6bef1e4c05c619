"""The configuration of one study: one pydantic model, exported as JSON Schema for Snakemake."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema, model_validator

from myelosynth.study.config_sections import (
    Clinical,
    Curve,
    Evaluation,
    Label,
    Lesions,
    Maps,
    Modules,
    Nulls,
    PlainPath,
    Strict,
)
from myelosynth.synthesis.config import TrainingPreset, validated
from myelosynth.synthesis.names import parse_system

Scenario = Literal["default", "no-change", "controls-only", "missing", "shifted"]


class Simulate(Strict):
    """The simulated cohort; the roster follows from it, so a dry run needs no data."""

    patients: int = Field(ge=0)
    controls: int = Field(ge=0)
    resolution: Annotated[float, Field(ge=0.5, le=8)] | None = Field(
        description="isotropic voxel in mm; null for the native sizes"
    )
    seed: int = Field(ge=0)
    scenario: Scenario
    noise: Literal["easy", "default", "hard", "clinical"]
    lesion_masks: PlainPath | None = Field(description="folder of real lesion masks; null for the parametric generator")


class Dataset(Strict):
    """Where the raw BIDS data set, its lesion masks and its ready maps lie."""

    bids_dir: PlainPath
    lesions: PlainPath
    ready: PlainPath | None = Field(
        default=None, description="BIDS derivative with ready masks and maps; null without any"
    )
    follow_symlinks: bool = Field(default=False, description="follow links that lead out of these folders")
    participants: list[Label] | None = Field(
        default=None, min_length=1, description="labels without sub- that are preprocessed; null for all"
    )


class Engines(Strict):
    """The engine of every imaging step, by name."""

    n4: Literal["antspyx", "ants"]
    brain: Literal["deepbet", "hdbet", "robex", "bet", "synthstrip"]
    registration: Literal["antspyx", "flirt"]
    bbr: Literal["myelosynth", "flirt", "bbregister"]
    tissue: Literal["myelosynth", "dipy", "fast", "freesurfer"]

    @model_validator(mode="after")
    def _bbregister_has_a_subject(self) -> "Engines":
        if self.bbr == "bbregister" and self.tissue != "freesurfer":
            raise ValueError(f"bbr is bbregister, tissue is {self.tissue}: bbregister needs tissue: freesurfer")
        return self


class Brain(Strict):
    """The gate on every brain mask."""

    accept_failed: bool = Field(description="keep a mask of implausible volume, symmetry, holes or edge")


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
    gibbs: bool
    motion: bool
    distortion: Literal["none", "fieldmap", "reverse", "t1w"] = Field(
        description="where EPI distortion is read from; none: it stays, and the sidecars say so"
    )


class Magnetisation(Strict):
    """The magnetisation transfer ratio."""

    register_on: bool = Field(description="move the image with the pulse rigidly onto the one without it")


class Pet(Strict):
    """Kinetic modelling of the dynamic PET."""

    model: Literal["logan", "srtm", "srtm2"]
    k2prime: Annotated[float, Field(gt=0, lt=10)] | Literal["auto"] | None = Field(
        description="per minute; auto: estimated per subject; null: dropped"
    )
    t_star: Annotated[float, Field(ge=0)] | Literal["auto"] = Field(
        description="minutes; the first frame that starts at or after it; auto: the earliest with a linear Logan plot"
    )
    reference: Literal["cerebellar-grey", "grey-matter", "clustering", "given"]
    motion: bool
    fwhm: float = Field(gt=0, le=20, description="resolution of the PET, mm; for the map of CSF shares")
    early_minutes: float = Field(gt=0, description="frames up to here make the registration image")

    @model_validator(mode="after")
    def _clearance_is_known(self) -> "Pet":
        if self.model == "srtm2" and self.k2prime is None:
            raise ValueError("model srtm2 with k2prime null, expected a rate per minute or auto")
        return self


class Folds(Strict):
    """Cross-validation over subjects."""

    number: int = Field(ge=2)
    only: list[int] | None = Field(description="folds that are trained and tested; null: all of them")
    validation: int = Field(ge=1)
    seed: int = Field(ge=0)

    @property
    def tested(self) -> list[int]:
        """The folds that are trained and tested."""
        return list(range(1, self.number + 1)) if self.only is None else sorted(self.only)

    @model_validator(mode="after")
    def _only_has_folds(self) -> "Folds":
        if len(set(self.tested) & set(range(1, self.number + 1))) < max(len(self.tested), 1):
            raise ValueError(f"only is {self.only}, expected null or some of the folds 1 to {self.number}, each once")
        return self


class Learning(Strict):
    """What is trained, and how."""

    task: PlainPath
    preset: PlainPath
    systems: list[str] = Field(min_length=1)
    main: str = Field(description="the system of the patient pages and of the paired comparisons")
    sketches: Literal["fold", "out-of-fold"] = Field(description="what a Refiner learns to refine")
    inner_folds: int = Field(ge=2, description="Sketchers of a fold that make its out-of-fold sketches")
    inner_validation: int = Field(ge=0, description="validation participants of each inner fold")
    device: Literal["auto", "cpu", "cuda"]
    gpus: int = Field(default=1, ge=1, description="GPUs that share each batch of a network's training, by torchrun")
    seed: int = Field(ge=0)
    replicates: int = Field(ge=1, description="trainings of every system, each with a seed of its own")

    @property
    def trained(self) -> list[str]:
        """Every system, then every further replicate of it: SYSTEM@2, SYSTEM@3, ..."""
        further = [f"{system}@{number}" for number in range(2, self.replicates + 1) for system in self.systems]
        return [*self.systems, *further]

    def seed_of(self, system: str) -> int:
        """The training seed of a system: replicates count on from the first."""
        return self.seed + parse_system(system).replicate - 1

    @model_validator(mode="after")
    def _gpus_are_used(self) -> "Learning":
        if self.gpus > 1 and self.device == "cpu":
            raise ValueError(f"gpus is {self.gpus}, device is cpu: set device to cuda or auto, or gpus to 1")
        return self

    @model_validator(mode="after")
    def _systems_fit(self) -> "Learning":
        for system in self.systems:
            if parse_system(system).replicate > 1:
                raise ValueError(f"systems name {system}: give {system.partition('@')[0]} and set `replicates`")
            sketcher = parse_system(system).sketcher
            if sketcher and sketcher not in self.systems:
                raise ValueError(f"{system} refines {sketcher}, systems are {', '.join(self.systems)}: add it")
            if self.sketches == "out-of-fold" and sketcher and parse_system(sketcher).sketcher:
                told = f"{system} refines {sketcher}, which refines itself"
                raise ValueError(f"{told}: out-of-fold sketches go one stage deep, set `sketches: fold`")
        if len(set(self.systems)) < len(self.systems):
            raise ValueError(f"systems are {', '.join(self.systems)}, expected each one once")
        if self.main not in self.systems:
            raise ValueError(f"main is {self.main}, expected one of the systems {', '.join(self.systems)}")
        return self


Training = Annotated[
    TrainingPreset | None,
    # Loose: Snakemake's reader takes 2e-3 for text, and the model has checked every key before the schema is asked.
    WithJsonSchema(
        {"type": ["object", "null"], "description": "the training settings of the preset that this overlay is"}
    ),
]


class Apply(Strict):
    """A bundle that is applied to a data set without PET."""

    bundle: PlainPath = Field(description="folder that `myelosynth bundle` wrote")
    # No defaults: Snakemake would set them in the section although it is null.
    participants: list[Label] | None = Field(description="labels without sub-; null for all")
    allow_intensity: bool = Field(description="predict although a source is far from the training's")
    unchanged: bool = Field(description="nothing changed between the sessions: fit the null of the predictions")


class StudyConfig(Strict):
    """One study."""

    output: PlainPath
    share: Literal["private", "group"] = Field(default="private", description="who may read what is written")
    intermediates: Literal["keep", "remove"] = Field(
        default="keep", description="whether `work` keeps what no page shows and nothing needs any more"
    )
    simulate: Simulate | None
    dataset: Dataset
    engines: Engines
    modules: Modules = Modules()
    brain: Brain
    registration: Registration
    diffusion: Diffusion
    magnetisation: Magnetisation
    pet: Pet
    curve: Curve
    maps: Maps = Maps()
    folds: Folds
    learning: Learning
    lesions: Lesions = Lesions()
    evaluation: Evaluation = Evaluation()
    clinical: Clinical = Clinical()
    nulls: Nulls = Nulls()
    negative_controls: bool = Field(
        default=False, description="make their table with everything else; a target of that name makes it on request"
    )
    training: Training = None
    apply: Apply | None = None

    @model_validator(mode="after")
    def _applied_to_a_data_set(self) -> "StudyConfig":
        if self.apply is not None and self.simulate is not None:
            raise ValueError("apply names a bundle and simulate a cohort: set `simulate: null` and name the data set")
        return self

    @model_validator(mode="after")
    def _second_scan_is_there(self) -> "StudyConfig":
        if self.maps.change_threshold == "retest" and self.simulate is None:
            told = "maps.change_threshold is retest, only a simulated cohort is scanned twice"
            raise ValueError(f"{told}: give a DVR, such as that of `myelosynth retest-noise`")
        return self

    @model_validator(mode="after")
    def _nulls_of_systems(self) -> "StudyConfig":
        known = ("true", *self.learning.systems)
        unknown = [name for name in self.nulls.models if name not in known]
        if unknown:
            raise ValueError(f"nulls.models names {', '.join(unknown)}, expected some of {', '.join(known)}")
        return self

    @model_validator(mode="after")
    def _lesions_are_simulated_too(self) -> "StudyConfig":
        written = PurePath(self.dataset.bids_dir, "derivatives", "lesions")
        if self.simulate is not None and PurePath(self.dataset.lesions) != written:
            told = f"dataset.lesions is {self.dataset.lesions}, a simulated cohort has them in {written}"
            raise ValueError(f"{told}; for a data set of your own set `simulate: null`")
        if self.simulate is not None and self.diffusion.distortion in ("fieldmap", "reverse"):
            told = f"diffusion.distortion is {self.diffusion.distortion}, a simulated cohort has no field maps"
            raise ValueError(f"{told}: set it to none or t1w")
        if self.pet.reference == "given" and self.dataset.ready is None:
            raise ValueError("pet.reference is given, dataset.ready is null: name the derivative with its masks")
        if self.simulate is not None and self.dataset.ready is not None:
            raise ValueError(f"dataset.ready is {self.dataset.ready}, a simulated cohort has none: set it to null")
        return self


def read_study(record: Mapping[str, Any]) -> StudyConfig:
    """The study of a configuration. Raises InputError for the first key that is not valid."""
    return validated(StudyConfig, record, "configuration")


def config_sha256(record: Mapping[str, Any]) -> str:
    """SHA-256 over a configuration as JSON: keys in order, no white space."""
    return hashlib.sha256(json.dumps(record, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def json_schema() -> dict:
    """The JSON Schema (draft 2020-12) that Snakemake validates the configuration with."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **StudyConfig.model_json_schema()}
