"""The study, its roster and every path; all rules ask here."""

import gc
import sys
from functools import cache
from pathlib import Path

from snakemake.logging import logger

from myelosynth.bids.index import BASELINE, CONTRASTS, FOLLOW_UP, TARGET
from myelosynth.bids.layout import APPLIED_SPACE, MEASURED_SPACE, Layout
from myelosynth.bids.names import companion_path
from myelosynth.bids.ready import in_t1w
from myelosynth.errors import InputError
from myelosynth.interfaces.engines import ENGINES, find_engine
from myelosynth.sharing import share_with
from myelosynth.study.config import config_sha256, read_study
from myelosynth.study.plan import plan_split, read_task
from myelosynth.study.roster import Roster, raw_layout, session_index, simulated_cohort
from myelosynth.study.runs import LOOKS_ONLY, killed_jobs, stay_alone
from myelosynth.synthesis.bundle.card import read_card
from myelosynth.synthesis.config import TEMPLATE, load_preset
from myelosynth.synthesis.names import CALIBRATED, FLOORS, parse_system

# A plan is a large graph that lives to the end: to look for garbage in all of it again and again was a sixth of a dry run.
gc.set_threshold(200_000, 50, 1000)

try:
    study = read_study(config)
    # Of the jobs too: they read this file, and inherit the environment.
    share_with(study.share)
    # The bundle that is applied to patients without PET; None in a study of its own.
    applied = read_card(Path(study.apply.bundle)) if study.apply else None
    SOURCES = read_task(study).sources
    phantom = simulated_cohort(study)
    roster = Roster(session_index(study), SOURCES, bool(applied and applied.optional))
    # Field maps of every DWI that needs one, known and read before the first job; a simulated cohort has none.
    FIELDMAPS = {} if phantom else roster.fieldmaps(study.diffusion.distortion)
    if study.pet.reference == "given":
        roster.require_references()
    # Whose lesions were drawn on the T1w: a mask on no known grid is told here, not by an input function.
    DRAWN_ON_T1W = {
        sub: roster.index.lesions_in_t1w(sub) for sub in roster.index.participants()
    }
    # The same of those whose lesions were drawn again at the follow-up: new ones are told apart.
    LESIONS_AGAIN = {
        sub: roster.index.lesions_in_t1w(sub, FOLLOW_UP)
        for sub in roster.index.participants("patient")
        if roster.has_lesions(sub, FOLLOW_UP)
    }
    # Whom the target `preprocessing` serves; everybody's sessions are indexed all the same.
    PREPROCESSED = roster.sessions_of(study.dataset.participants)
    # The split that the rule `split` writes, known beforehand; an obstacle where there can be none.
    planned = plan_split(study, roster)
except InputError as fault:
    # One line, as every command tells a fault; an exception would bring its stack along.
    raise SystemExit(f"error: {fault}") from None

# Stands in every log; `myelosynth plan` records the configuration itself, by a logger plugin.
CONFIGURATION = study.model_dump(mode="json")
logger.info(
    f"Configuration: sha256 {config_sha256(CONFIGURATION)}",
    extra={
        "study": {
            "configuration": CONFIGURATION,
            "working_directory": str(Path.cwd()),
            "checkout": str(workflow.basedir),
        }
    },
)

raw = raw_layout(study)
# Options are lists of words: every field of a command is quoted ({...:q}), word by word.
READY_OPTION = ["--ready", str(raw.ready)] if raw.ready else []
FOLLOW_OPTION = ["--follow-symlinks"] if raw.follow_symlinks else []
layout = Layout(Path(study.output), APPLIED_SPACE if applied else MEASURED_SPACE)
# Further PET series of a simulated study: ceilings of every table, and the null of the indices.
CEILINGS = ["retest", "noise-free", "oracle"] if phantom else []
NULLS = ["null-scan"] if phantom else []
# What every job that reads raw images waits for: the check of the data set; where a bundle is applied that of the
# participant, so that a fault of one stops no other.
INDEX = layout.table("index_sub-{sub}" if applied else "index")
SYSTEMS = [applied.system] if applied else study.learning.systems
# The same and their further replicates, SYSTEM@2 and so on: trained, predicted and scored.
TRAINED = SYSTEMS if applied else study.learning.trained
FOLDS = study.folds.tested
OUT_OF_FOLD = study.learning.sketches == "out-of-fold"
# The transform and the native file behind each map.
NATIVE = {
    "MTR": ("MT", "mtr"),
    "FA": ("DWI", "tensor/fa"),
    "RD": ("DWI", "tensor/rd"),
    "AD": ("DWI", "tensor/ad"),
}
# The same for every map that may be ready.
MAPS = {**NATIVE, TARGET: ("PET", "dvr")}
# Image behind each transform to the T1w: the session's own contrast, or one that a rule makes.
MOVING = {"T2w": "T2w", "FLAIR": "FLAIR", "MT": "MToff", "DWI": "b0", "PET": "petref"}
BBR_IMAGES = [image for image in MOVING if getattr(study.registration, image) == "bbr"]
RIGID_IMAGES = [image for image in MOVING if image not in BBR_IMAGES]

# Engine of each command, as the configuration names it.
CHOSEN = {
    "n4": study.engines.n4,
    "extract-brain": study.engines.brain,
    "register": study.engines.registration,
    "register-bbr": study.engines.bbr,
    "segment-tissue": study.engines.tissue,
}

# recon-all takes hours, and its subject serves bbregister too.
FREESURFER = study.engines.tissue == "freesurfer"
BBREGISTER = study.engines.bbr == "bbregister"


wildcard_constraints:
    sub="[0-9A-Za-z]+",
    ses="[0-9A-Za-z]+",
    fold="[0-9]+",
    inner="[0-9]+",
    image="|".join(MOVING),
    contrast="|".join(SOURCES),
    system="|".join([*TRAINED, *CEILINGS, *NULLS]),


def each(option, values):
    """Words of an option that is given once for each value; `{...:q}` quotes them one by one."""
    return [word for value in values for word in (option, str(value))]


def log_of(step, pattern="sub-{sub}_ses-{ses}"):
    return layout.root / "logs" / step / f"{pattern}.log"


def benchmark_of(step, pattern="sub-{sub}_ses-{ses}"):
    return layout.root / "benchmarks" / step / f"{pattern}.tsv"


def grown(amount):
    """Memory in MB or time in minutes: what a job asks for at first; every retry asks for that much more."""
    return lambda wildcards, attempt: amount * attempt


def passing(path):
    """An intermediate file: removed as soon as nothing needs it any more, where the configuration says so."""
    assert layout.passes(path), f"{path} is not among Layout.PASSING"
    return temp(path) if study.intermediates == "remove" else path


def is_floor(system):
    """Whether a system learns without a network, and so without a GPU."""
    return parse_system(system).model in FLOORS


def gpus(w):
    """What a system needs: `--resources gpu=N` keeps a machine with N of them from starting more jobs at once."""
    system = applied.system if applied else w.system
    return int(study.learning.device == "cuda" and not is_floor(system))


def is_network(system):
    """Whether several processes can share the training of a system."""
    return parse_system(system).model not in (*FLOORS, *CALIBRATED)


def training_processes(w):
    """Processes that share each batch of a training."""
    return study.learning.gpus if is_network(w.system) else 1


def training_gpus(w):
    """The GPUs of a training: one a process."""
    return gpus(w) * training_processes(w)


def engine_of(command):
    """The engine of a command, as the configuration names it; whether it can run is not asked."""
    return next(e for e in ENGINES[command] if e.name == CHOSEN[command])


def environment_of(command):
    """The conda environment with the programs of a command's engine; FreeSurfer itself comes from a module."""
    fsl = engine_of(command).suite == "fsl" and not modules_of(command)
    return "../../envs/fsl.yaml" if fsl else "../../envs/imaging.yaml"


def modules_of(command):
    """The environment modules with the programs of a command's engine, in the order in which they are loaded."""
    return study.modules.of(engine_of(command).suite)


def deployed_by(method):
    """Whether jobs get their software by this method: conda (the environments of `envs/`) or env-modules."""
    methods = workflow.deployment_settings.deployment_method
    return method in {str(method) for method in methods}


def require_environments():
    """Stop where jobs run in conda environments and an engine is in none of them, whatever machine they run on."""
    for command in CHOSEN:
        engine = engine_of(command)
        if deployed_by("conda") and engine.extra:
            values = f"the optional extra {engine.extra} is in no environment of envs/"
            cure = f"run without conda, or use the embedded engine {ENGINES[command][0].name}"
            fault = InputError(
                f"engine {engine.name} cannot run", command, values, cure
            )
            raise SystemExit(f"error: {fault}")


def require_modules(command):
    """Raises InputError where the configuration names modules for an engine that no job would load."""
    names = " ".join(modules_of(command))
    if names and not deployed_by("env-modules"):
        values = f"{names} in the configuration, jobs run without environment modules"
        cure = "add env-modules to --software-deployment-method, here or in the profile"
        raise InputError("modules would not be loaded", command, values, cure)


def require_alone():
    """Stop where another run is at work here, before Snakemake says so in many lines; a killed run's lock is removed."""
    looks = {word.split("=")[0] for word in sys.argv[1:]} & LOOKS_ONLY
    if looks or workflow.output_settings.dryrun or not workflow.is_main_process:
        return
    try:
        stay_alone(Path(".snakemake").absolute())
    except InputError as fault:
        raise SystemExit(f"error: {fault}") from None


def tell_killed(logs):
    """One line for every job that was killed: its own log cannot tell."""
    for path in logs:
        for fault in killed_jobs(Path(path).read_text(errors="replace")):
            print(f"error: {fault}", file=sys.stderr)


def require_engines():
    """Stop before the first job where an engine cannot run.

    With conda, with modules or on a cluster each job finds out by itself.
    """
    here = workflow.local_exec and not deployed_by("conda")
    try:
        for command, engine in CHOSEN.items():
            if command == "register-bbr" and not BBR_IMAGES:
                continue
            require_modules(command)
            if here and not modules_of(command):
                find_engine(command, engine)
    except InputError as fault:
        raise SystemExit(f"error: {fault}") from None


def fs_subject(sub, ses):
    """The FreeSurfer subject of a session, which the tissue engine makes."""
    return layout.work(sub, ses, "freesurfer")


def fs_subject_option(w):
    """The option that keeps FreeSurfer's subject; nothing for other tissue engines."""
    return each("--fs-subject", [fs_subject(w.sub, w.ses)] if FREESURFER else [])
