"""Tasks and training presets: YAML files, checked to the last key."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from myelosynth.errors import InputError
from myelosynth.synthesis.names import registry_line

TEMPLATE = "template"
_TEMPLATES = "__use_yte__"
MASK_WORDS = {"lesion", "lesions", "mask", "masks", "nawm", "dseg", "seg", "segmentation", "label", "labels", "roi"}
"""Contrasts that a generator must never see: drawn by an expert who had the truth before him."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Task(_Strict):
    """What is predicted from what: a file of config/tasks."""

    name: str
    sources: list[str] = Field(min_length=1)
    target: str
    training_sessions: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> "Task":
        names = [*self.sources, self.target, TEMPLATE]
        if len(set(names)) != len(names):
            raise ValueError(f"sources, target and `{TEMPLATE}` must differ, got {names}")
        masks = [name for name in self.sources if MASK_WORDS & set(re.split(r"[^a-z]+", name.lower()))]
        if masks:
            raise ValueError(
                f"leak: source {masks[0]} is a mask by its name; masks may weigh a loss, never be a source"
            )
        return self


class Augmentation(_Strict):
    """A share of the samples gets one of these, drawn evenly: rotations in degrees about a random axis, scalings."""

    share: float = Field(ge=0, le=1)
    rotations: list[Literal[90, 180, 270]]
    scales: list[float]


class Optimisation(_Strict):
    """How long one network trains and how fast: steps of random patches, or epochs over the patch grid."""

    learning_rate: float = Field(gt=0)
    steps: int | None = Field(default=None, gt=0)
    epochs: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_length(self) -> "Optimisation":
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either `steps` or `epochs`")
        return self


class Ridge(_Strict):
    """Settings of the ridge regression."""

    alpha: float = Field(ge=0)


class Forest(_Strict):
    """Settings of the random forest; `voxels` are drawn from all training scans together."""

    trees: int = Field(ge=1)
    voxels: int = Field(ge=1)
    min_leaf: int = Field(ge=1)
    features: float = Field(gt=0, le=1)


class LearnedAttention(_Strict):
    """The network that learns the voxel weights of the loss `learned`: filters, steps, learning rate."""

    width: int = Field(ge=1)
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)


class ResidualContext(_Strict):
    """Settings of our own system, `residual-context`.

    members: parts of the training participants, each unseen by one member; radius: reach of the context, voxels; alpha:
    ridge; voxels: sampled in a scan; hidden: width of the network; batch: voxels per step; confidence: wanted of the
    spread's calibration by subject; interval: steps between rows of the log.
    """

    members: int = Field(ge=2)
    radius: int = Field(ge=0)
    alpha: float = Field(gt=0)
    voxels: int = Field(gt=0)
    hidden: int = Field(ge=1)
    steps: int = Field(ge=1)
    batch: int = Field(ge=2)
    learning_rate: float = Field(gt=0)
    lesion_share: float = Field(ge=0, le=1)
    confidence: float = Field(gt=0, lt=1)
    interval: int = Field(ge=1)


class TrainingPreset(_Strict):
    """The `training` part of a preset file: size of the networks, patches, optimisation and validation."""

    width: int = Field(ge=4)
    dropout: float = Field(ge=0, lt=1)
    attention_pool: int = Field(ge=1)
    attention_pooling: Literal["max", "average", "global-max"]
    patch: int = Field(ge=32, multiple_of=16)
    overlap: float = Field(ge=0, lt=1)
    sampling: Literal["grid", "random"]
    lesion_share: float = Field(ge=0, le=1)
    batch: int = Field(ge=1)
    betas: tuple[float, float]
    decay: Literal["constant", "cosine"]
    image_loss_weight: float = Field(gt=0)
    discriminator_updates: int = Field(ge=1)
    label_smoothing: float = Field(ge=0, lt=0.5)
    interval: int = Field(ge=1)
    patience: int | None = Field(default=None, ge=1)
    ema: float | None = Field(default=None, gt=0, lt=1)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    gradient_checkpointing: bool = False
    compile: bool = False
    channels_last: bool = False
    deterministic: bool = True
    augmentation: Augmentation
    networks: dict[str, Optimisation]
    ridge: Ridge
    forest: Forest
    learned_attention: LearnedAttention
    residual_context: ResidualContext | None = None

    @model_validator(mode="after")
    def _lengths_fit_sampling(self) -> "TrainingPreset":
        key = "epochs" if self.sampling == "grid" else "steps"
        for name, network in self.networks.items():
            if getattr(network, key) is None:
                raise ValueError(f"networks.{name}: sampling `{self.sampling}` needs `{key}`")
        return self

    def network(self, model: str) -> Optimisation:
        """The optimisation of one network, later stages of a cascade as the Refiner unless they have their own entry.

        Raises InputError when the preset has none for it.
        """
        entry = model if model in self.networks else registry_line(model)
        if entry not in self.networks:
            values = f"no entry {entry!r}, found {', '.join(self.networks) or 'none'}"
            raise InputError("preset incomplete", "training.networks", values, f"add {entry} to the preset")
        return self.networks[entry]

    @property
    def own(self) -> ResidualContext:
        """The settings of `residual-context`. Raises InputError when the preset has none."""
        if self.residual_context is None:
            raise InputError("preset incomplete", "training", "no entry `residual_context`", "add it to the preset")
        return self.residual_context


def load_task(name: str) -> Task:
    """The task of config/tasks/NAME.yaml below the working directory, or of a path. Raises InputError."""
    path = config_path(name, "tasks")
    return validated(Task, read_yaml(path), path)


def load_preset(name: str) -> TrainingPreset:
    """The `training` part of config/presets/NAME.yaml below the working directory, or of a path. Raises InputError."""
    path = config_path(name, "presets")
    record = read_yaml(path)
    if "training" not in record:
        values = f"found keys {', '.join(map(str, record)) or 'none'}"
        raise InputError("preset without `training`", path, values, "add the training settings")
    return validated(TrainingPreset, record["training"], path)


def config_path(name: str, kind: Literal["tasks", "presets"], folders: Sequence[Path] = (Path(),)) -> Path:
    """The file that `name` means, in the first of the folders that has it; the working directory by default.

    A path when it looks like one, else config/KIND/NAME.yaml. Raises InputError.
    """
    is_path = "/" in name or name.endswith((".yaml", ".yml"))
    path = Path(name) if is_path else Path("config", kind, f"{name}.yaml")
    for folder in folders:
        if (folder / path).is_file():
            return folder / path
    cure = f"run in the folder that holds config/{kind}, or give the path of a YAML file"
    raise InputError("file missing", path, f"no such file for {name!r}", cure)


def read_yaml(path: Path) -> dict[Any, Any]:
    """Read a YAML mapping, plain data alone. Raises InputError when it is not one, or asks to run code.

    Tags of Python are refused by the safe loader; `__use_yte__` is refused because Snakemake, which reads
    configurations too, evaluates the expressions of such a file.
    """
    try:
        record = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise InputError("not valid YAML", path, str(fault), "repair the file") from fault
    if not isinstance(record, dict):
        raise InputError("YAML mapping needed", path, f"found {type(record).__name__}", "repair the file")
    if _TEMPLATES in record:
        values = f"it has the key {_TEMPLATES}, by which Snakemake evaluates expressions in it; nothing was run"
        raise InputError("YAML asks to run code", path, values, "write the values themselves")
    return record


class _Loader(yaml.SafeLoader):
    """Reads 1e-4 as a number, as YAML 1.2 does."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)

_Model = TypeVar("_Model", bound=BaseModel)


def validated(model: type[_Model], record: Any, where: object) -> _Model:
    """The model of a record read from `where`. Raises InputError for the first key that is not valid."""
    try:
        return model.model_validate(record)
    except ValidationError as fault:
        first = fault.errors()[0]
        key = ".".join(map(str, first["loc"]))
        told = first["msg"].removeprefix("Value error, ")
        got = first.get("input")
        # A check of a whole section tells its own values.
        told = told if isinstance(got, Mapping | BaseModel) else f"{told}, got {got!r}"
        values = f"{key}: {told}" if key else told
        raise InputError("settings not valid", where, values, "mend this key") from fault
