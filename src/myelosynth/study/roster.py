"""What a study can do with what each participant has; read by the Snakefile, so imports stay light."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from myelosynth.bids.fieldmaps import find_fieldmap
from myelosynth.bids.index import BASELINE, COVERS, FOLLOW_UP, OF_PET, TARGET, SessionIndex, expected, scan
from myelosynth.bids.layout import RawLayout
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.ready import in_t1w
from myelosynth.bids.sidecar import read_json
from myelosynth.errors import InputError
from myelosynth.phantom.ownership import require_simulated
from myelosynth.phantom.roster import Cohort, roster
from myelosynth.study.config import StudyConfig

MADE_OF = {name: images for name, images in COVERS.items() if name != TARGET}
"""Every map that a model can learn from, and the images it is made of."""


def simulated_cohort(config: StudyConfig) -> Cohort | None:
    """Counts, scenario and seed of a simulated study; None for a data set of its own."""
    s = config.simulate
    return None if s is None else Cohort(s.patients, s.controls, s.scenario, s.seed)


def raw_layout(config: StudyConfig) -> RawLayout:
    """Where the configuration says that the data set lies."""
    its = config.dataset
    ready = Path(its.ready) if its.ready else None
    return RawLayout(Path(its.bids_dir), Path(its.lesions), ready, its.follow_symlinks)


def session_index(config: StudyConfig) -> SessionIndex:
    """The index of the study: derived for a simulated cohort, scanned from disk otherwise.

    Raises InputError for faults of the data set, and for a simulated study whose folder holds other data.
    """
    raw = raw_layout(config)
    cohort = simulated_cohort(config)
    if cohort is None:
        return scan(raw, config.apply.participants, OF_PET) if config.apply else scan(raw)
    require_simulated(raw.root, "set `simulate: null` to use this data set, or name another bids_dir to simulate one")
    return expected(raw, roster(cohort))


@dataclass(frozen=True)
class Roster:
    """The sessions that can take each part of the line; labels are bare.

    sources: the maps that models see; optional: one of them is enough for a prediction (never for learning).
    """

    index: SessionIndex
    sources: Sequence[str]
    optional: bool = False

    @cached_property
    def mri(self) -> list[str]:
        """The images that a session needs for a prediction."""
        return ["T1w", *dict.fromkeys(image for source in self.sources for image in MADE_OF[source])]

    def has_map(self, sub: str, ses: str, name: str) -> bool:
        """Whether MTR, FA, RD, AD or DVR is ready or can be made."""
        return self.index.has(sub, ses, name) or self.index.has(sub, ses, *COVERS[name])

    def predictable(self, sub: str, ses: str) -> bool:
        """Whether a session has a T1w and every map that models see, or where that is enough one of them."""
        enough = any if self.optional else all
        return self.index.has(sub, ses, "T1w") and enough(self.has_map(sub, ses, name) for name in self.sources)

    def seen(self, sub: str, ses: str) -> list[str]:
        """The sources that a session has."""
        return [name for name in self.sources if self.has_map(sub, ses, name)]

    def ready(self, kind: str) -> list[tuple[str, str]]:
        """(sub, ses) for which the data set gives a ready file of a kind."""
        return [(sub, ses) for sub, ses in self.sessions if self.index.has(sub, ses, kind)]

    def follows_transform(self, sub: str, ses: str, name: str) -> bool:
        """Whether a map reaches the T1w by the transform of its image: not one that is ready in T1w space."""
        return not (self.index.has(sub, ses, name) and in_t1w(self.index.path(sub, ses, name)))

    @cached_property
    def sessions(self) -> list[tuple[str, str]]:
        """(sub, ses) with a T1w: these are preprocessed."""
        index = self.index
        return [(sub, ses) for sub in index.participants() for ses in index.sessions(sub) if index.has(sub, ses, "T1w")]

    def sessions_of(self, participants: Sequence[str] | None) -> list[tuple[str, str]]:
        """The sessions of some participants, by label; of all for None. Raises InputError for one who has none."""
        if participants is None:
            return self.sessions
        having = dict.fromkeys(sub for sub, _ in self.sessions)
        unknown = [f"sub-{sub}" for sub in participants if sub not in having]
        if unknown:
            values = f"{', '.join(unknown)}; the data set has T1w of {len(having)}: {', '.join(list(having)[:20])}"
            raise InputError("participant without a T1w", "dataset.participants", values, "name others")
        return [session for session in self.sessions if session[0] in participants]

    @cached_property
    def eligible(self) -> list[str]:
        """Participants with the sources' maps and a DVR at baseline, patients with lesions too: they are split."""
        groups = self.index.groups
        complete = [s for s in groups if self.predictable(s, BASELINE) and self.has_map(s, BASELINE, TARGET)]
        return [sub for sub in complete if groups[sub] == "control" or self.has_lesions(sub)]

    @cached_property
    def synthesised(self) -> list[tuple[str, str]]:
        """(sub, ses) of eligible participants whose MRI is complete: a DVR can be predicted there."""
        eligible = set(self.eligible)
        return [(s, t) for s, t in self.sessions if s in eligible and self.predictable(s, t)]

    @cached_property
    def applicable(self) -> list[tuple[str, str]]:
        """(sub, ses) that a bundle can be applied to: predictable there and at baseline, which carries the grid."""
        return [(s, t) for s, t in self.sessions if self.predictable(s, BASELINE) and self.predictable(s, t)]

    @cached_property
    def measured(self) -> list[tuple[str, str]]:
        """(sub, ses) of eligible participants with a T1w, and a PET or a ready DVR."""
        eligible = set(self.eligible)
        return [(s, t) for s, t in self.sessions if s in eligible and self.has_map(s, t, TARGET)]

    def patients(self, sessions: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Only the patients' sessions."""
        return [(sub, ses) for sub, ses in sessions if self.index.groups[sub] == "patient"]

    def followed(self, sessions: list[tuple[str, str]]) -> list[str]:
        """Patients with both time points in `sessions`: change can be told."""
        both = set(self.patients(sessions))
        return [sub for sub in self.eligible if (sub, BASELINE) in both and (sub, FOLLOW_UP) in both]

    def registered(self, sub: str, ses: str) -> list[str]:
        """Images of the session that are brought to its T1w, by the names of the transforms; not for ready T1w maps."""
        maps = {"MT": ("MTR",), "DWI": ("FA", "RD", "AD"), "PET": (TARGET,)}
        moved = [name for name in ("T2w", "FLAIR") if self.index.has(sub, ses, name)]
        for image, names in maps.items():
            if any(self.has_map(sub, ses, name) and self.follows_transform(sub, ses, name) for name in names):
                moved.append(image)
        return moved

    def fieldmaps(self, method: str) -> dict[tuple[str, str], dict[str, Path]]:
        """Files that tell the distortion of each session's DWI, by option of `epi-shift`; only where a map needs it.

        Raises InputError for the first DWI without them, or whose sidecars do not say what the method needs: one study
        does not mix corrected and uncorrected maps.
        """
        if method == "none":
            return {}
        from myelosynth.physics.distortion import PhaseEncoding, echo_times

        found = {}
        for sub, ses in self.sessions:
            if not self.index.has(sub, ses, "DWI") or not self.fits_tensor(sub, ses):
                continue
            dwi = self.index.path(sub, ses, "DWI")
            files = {} if method == "t1w" else find_fieldmap(dwi, method)
            for path in [dwi, *([files["reverse"]] if "reverse" in files else [])]:
                PhaseEncoding.from_sidecar(_own_sidecar(path), sidecar_path(path), timed=method != "t1w")
            if "fieldmap" in files:
                echo_times(_own_sidecar(files["fieldmap"]), files["fieldmap"], files.get("magnitude"))
            found[sub, ses] = files
        return found

    def fits_tensor(self, sub: str, ses: str) -> bool:
        """Whether FA, RD or AD is not ready."""
        return not self.index.has(sub, ses, "FA", "RD", "AD")

    def require_references(self) -> None:
        """Raise InputError for the first PET without a ready reference region, unless its DVR is ready."""
        for sub, ses in self.sessions:
            if self.index.has(sub, ses, "PET") and not (
                self.index.has(sub, ses, "reference") or self.index.has(sub, ses, "DVR")
            ):
                values = f"sub-{sub} ses-{ses} has a PET and no anat/*_label-reference_mask in dataset.ready"
                cure = "add the mask, or choose another pet.reference"
                raise InputError("no reference region given", "pet.reference", values, cure)

    def follows_baseline(self, sub: str, ses: str) -> bool:
        """Whether a later session can be brought to the baseline's T1w."""
        return ses != BASELINE and self.index.has(sub, BASELINE, "T1w")

    def has_lesions(self, sub: str, ses: str = BASELINE) -> bool:
        """Whether the lesion mask of a session lies in the T1w's space, or can be brought there."""
        there = self.index.has(sub, ses, "lesions", "T1w")
        return there and (self.index.has(sub, ses, "FLAIR") or self.index.lesions_in_t1w(sub, ses))


def _own_sidecar(image: Path) -> dict[str, Any]:
    """The sidecar of the image's own name; inherited ones are not read. Raises InputError where it is missing."""
    sidecar = sidecar_path(image)
    if not sidecar.is_file():
        raise InputError("sidecar missing", sidecar, f"{image.name} has none", "write it (inherited ones are not read)")
    return read_json(sidecar)
