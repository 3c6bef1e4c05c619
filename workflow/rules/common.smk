"""The study, its roster and every path; all rules ask here."""

from pathlib import Path

from myelosynth.bids.index import BASELINE
from myelosynth.bids.layout import Layout, RawLayout
from myelosynth.study.config import StudyConfig
from myelosynth.study.roster import FOLLOW_UP, Roster, session_index
from myelosynth.synthesis.split import assign_folds

study = StudyConfig.model_validate(config)
raw = RawLayout(Path(study.dataset.bids_dir), Path(study.dataset.lesions))
layout = Layout(Path(study.output))
roster = Roster(session_index(study))
simulated = study.simulate is not None

SOURCES = ["MTR", "FA", "RD", "AD"]
CEILINGS = ["retest", "noise-free"] if simulated else []
SYSTEMS = study.learning.systems
FOLDS = range(1, study.folds.number + 1)
# The split that the rule `split` writes, known beforehand; empty where too few participants can be split.
learnable = len(roster.eligible) >= study.folds.number
assignment = (
    assign_folds(
        {sub: roster.index.groups[sub] for sub in roster.eligible},
        folds=study.folds.number,
        validation=study.folds.validation,
        seed=study.folds.seed,
    )
    if learnable
    else []
)
FOLD_OF = {row.participant: row.fold for row in assignment if row.role == "test"}
# Image behind each transform to the T1w: the session's own contrast, or one that a rule makes.
MOVING = {"T2w": "T2w", "FLAIR": "FLAIR", "MT": "MToff", "DWI": "b0", "PET": "petref"}
BBR_IMAGES = [image for image in MOVING if getattr(study.registration, image) == "bbr"]
RIGID_IMAGES = [image for image in MOVING if image not in BBR_IMAGES]


wildcard_constraints:
    sub="[0-9A-Za-z]+",
    ses="[0-9A-Za-z]+",
    fold="[0-9]+",
    image="|".join(MOVING),
    contrast="|".join(SOURCES),
    system="|".join([*SYSTEMS, *CEILINGS]),


def log_of(step, pattern="sub-{sub}_ses-{ses}"):
    return layout.root / "logs" / step / f"{pattern}.log"


def benchmark_of(step, pattern="sub-{sub}_ses-{ses}"):
    return layout.root / "benchmarks" / step / f"{pattern}.tsv"
