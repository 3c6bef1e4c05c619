"""The simulated data set as a whole: its tables, and its participants one by one or in parallel."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from threadpoolctl import threadpool_limits

from myelosynth import __version__
from myelosynth.bids.layout import RawLayout
from myelosynth.bids.sidecar import write_json
from myelosynth.images.atomic import write_text
from myelosynth.phantom.anatomy import build_anatomy
from myelosynth.phantom.clinic import Person, person
from myelosynth.phantom.latents import diseased, healthy
from myelosynth.phantom.lesions import draw_lesions
from myelosynth.phantom.ownership import DESCRIPTION, GENERATOR, require_simulated
from myelosynth.phantom.session import Session, Subject
from myelosynth.phantom.settings import Settings
from myelosynth.phantom.sidecars import SIMULATED

_NAME = "Simulated multiple sclerosis cohort (myelosynth phantom)"
_README = """# Simulated cohort

No person was scanned: every image, age and score in this data set is SIMULATED by `myelosynth simulate`.

Scenario {scenario}, seed {seed}, {patients} patients and {controls} controls, voxel size {resolution},
standard deviation of the DVR of one white-matter voxel {noise:g}.

Patients come first and are scanned at t0 and t1, controls at t0. `derivatives/lesions` holds the lesion masks of the
baseline session on the FLAIR grid. `sourcedata/truth` holds the ground truth, which no training or inference may read.

The anatomy derives from the MNI152 2009a template (Fonov et al. 2011, NeuroImage 54:313), bundled with nilearn.
"""
_LESIONS_README = """# Lesion masks of a simulated cohort

No person was scanned: these masks are SIMULATED by `myelosynth simulate`. Each one lies on the grid of the FLAIR image
of the baseline session that its sidecar names and stands for an expert's drawing: voxels at least half filled by
lesion. Masks of the follow-up session do not exist: the baseline mask is carried along.
"""
_ELSEWHERE = "give `simulate` a new or empty folder"
_COLUMNS = {
    "participant_id": {"Description": "Participant, patients first"},
    "age": {"Description": "Age at t0 (simulated)", "Units": "year"},
    "sex": {"Description": "Sex (simulated)", "Levels": {"M": "male", "F": "female"}},
    "group": {"Description": "Group", "Levels": {"patient": "multiple sclerosis", "control": "healthy volunteer"}},
}
_SCORES = {
    "participant_id": {"Description": "Participant"},
    "session_id": {"Description": "Session"},
    "edss": {"Description": "Expanded Disability Status Scale (simulated)", "Range": "0-10 in steps of 0.5"},
    "msss": {"Description": "Multiple Sclerosis Severity Score (simulated)", "Range": "0-10"},
    "t2_lesion_load_ml": {"Description": "T2 lesion load at baseline (simulated)", "Units": "mL"},
}


def raw_layout(root: Path) -> RawLayout:
    """Where `simulate` puts raw images and lesion masks."""
    return RawLayout(root, root / "derivatives" / "lesions")


def _describe(root: Path) -> None:
    """Say that the data set is simulated, before anything else is written: folders that do not say so are let alone."""
    write_json(root / DESCRIPTION, {"Name": _NAME, "DatasetType": "raw", **_common(), **SIMULATED})


def _common() -> dict[str, object]:
    return {
        "BIDSVersion": "1.10.0",
        "License": "CC0",
        "Authors": ["The myelosynth developers", "Nobody was scanned"],
        "GeneratedBy": [{**GENERATOR, "Version": __version__}],
    }


def write_tables(settings: Settings, root: Path) -> None:
    """Write the files of the data set as a whole: descriptions, README, participants and scores.

    Raises InputError for a folder that holds a data set that was not simulated.
    """
    require_simulated(root, _ELSEWHERE)
    everyone = [person(settings, label) for label, _ in settings.cohort.participants()]
    _describe(root)
    common = _common()
    lesions = {"Name": f"{_NAME}: lesion masks", "DatasetType": "derivative", **common}
    links = {"SourceDatasets": [{"URL": "../.."}], "DatasetLinks": {"raw": "../.."}}
    write_json(root / "derivatives" / "lesions" / "dataset_description.json", {**lesions, **links, **SIMULATED})
    cohort = settings.cohort
    counts = [group for _, group in cohort.participants()]
    readme = _README.format(
        scenario=cohort.scenario,
        seed=cohort.seed,
        patients=counts.count("patient"),
        controls=counts.count("control"),
        resolution="native" if settings.resolution is None else f"{settings.resolution:g} mm",
        noise=settings.dvr_noise,
    )
    write_text(root / "README.md", readme)
    write_text(
        root / "derivatives" / "lesions" / "README.md",
        _LESIONS_README,
    )
    write_text(root / ".bidsignore", "phenotype\n")
    _write_table(root / "participants.tsv", _COLUMNS, [_participant_row(one) for one in everyone])
    rows = [row for one in everyone for row in _score_rows(settings, one)]
    _write_table(root / "phenotype" / "edss.tsv", _SCORES, rows)


def write_participant(settings: Settings, root: Path, participant: str) -> None:
    """Simulate one participant and write every session; the bytes depend on the settings and the label alone.

    Raises InputError for a folder that holds a data set that was not simulated.
    """
    require_simulated(root, _ELSEWHERE)
    if not (root / DESCRIPTION).is_file():
        _describe(root)
    with threadpool_limits(1):
        _scan(settings, root, participant)


def _scan(settings: Settings, root: Path, participant: str) -> None:
    one = person(settings, participant)
    anatomy = build_anatomy(settings, participant)
    if one.course is None:
        disease = healthy(settings, participant, anatomy)
    else:
        lesions = draw_lesions(settings, participant, anatomy, one.course.load_ml)
        disease = diseased(settings, participant, anatomy, lesions, one.course, settings.voxel("PET")[0])
    for session in settings.cohort.sessions(participant):
        Session(settings, raw_layout(root), Subject(one, anatomy, disease), session).write()


def write_participants(settings: Settings, root: Path, jobs: int) -> Iterator[str]:
    """Simulate everyone in `jobs` processes; yields each label when its files are there."""
    labels = [label for label, _ in settings.cohort.participants()]
    if jobs == 1:
        for label in labels:
            write_participant(settings, root, label)
            yield label
        return
    with ProcessPoolExecutor(min(jobs, len(labels)), mp_context=get_context("spawn")) as pool:
        running = {pool.submit(write_participant, settings, root, label): label for label in labels}
        for done in as_completed(running):
            done.result()
            yield running[done]


def _participant_row(one: Person) -> list[str]:
    return [f"sub-{one.participant}", str(one.age), one.sex, one.group]


def _score_rows(settings: Settings, one: Person) -> list[list[str]]:
    """A row per session of a patient; the scores of gap 3 are missing."""
    if one.course is None:
        return []
    missing = one.participant == settings.cohort.gap(3)
    return [
        [
            f"sub-{one.participant}",
            f"ses-{session}",
            "n/a" if missing else f"{one.edss[session]:.1f}",
            "n/a" if missing else f"{one.msss[session]:.2f}",
            f"{one.course.load_ml:.3f}",
        ]
        for session in settings.cohort.sessions(one.participant)
    ]


def _write_table(path: Path, columns: Mapping[str, object], rows: list[list[str]]) -> None:
    lines = ["\t".join(columns), *("\t".join(row) for row in rows)]
    write_text(path, "\n".join(lines) + "\n")
    write_json(path.with_suffix(".json"), columns)
