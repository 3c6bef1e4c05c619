"""What a study can do with what each participant has; read by the Snakefile, so imports stay light."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from myelosynth.bids.index import BASELINE, SessionIndex, expected, scan
from myelosynth.bids.layout import RawLayout
from myelosynth.phantom.roster import Cohort, roster
from myelosynth.study.config import StudyConfig

MRI = ("T1w", "MTon", "MToff", "DWI")
FOLLOW_UP = "t1"


def session_index(config: StudyConfig) -> SessionIndex:
    """The index of the study: derived for a simulated cohort, scanned from disk otherwise."""
    raw = RawLayout(Path(config.dataset.bids_dir), Path(config.dataset.lesions))
    if config.simulate is None:
        return scan(raw)
    s = config.simulate
    return expected(raw, roster(Cohort(s.patients, s.controls, s.scenario, s.seed)))


@dataclass(frozen=True)
class Roster:
    """The sessions that can take each part of the line; labels are bare."""

    index: SessionIndex

    @cached_property
    def sessions(self) -> list[tuple[str, str]]:
        """(sub, ses) with a T1w: these are preprocessed."""
        index = self.index
        return [(sub, ses) for sub in index.participants() for ses in index.sessions(sub) if index.has(sub, ses, "T1w")]

    @cached_property
    def eligible(self) -> list[str]:
        """Participants with baseline MTR, DTI and PET, and for patients lesions: they are split into folds."""
        index = self.index
        complete = [sub for sub in index.participants() if index.has(sub, BASELINE, *MRI, "PET")]
        return [
            sub for sub in complete if index.groups[sub] == "control" or index.has(sub, BASELINE, "lesions", "FLAIR")
        ]

    @cached_property
    def synthesised(self) -> list[tuple[str, str]]:
        """(sub, ses) of eligible participants whose MRI is complete: a DVR can be predicted there."""
        return [(s, t) for s, t in self.sessions if s in self.eligible and self.index.has(s, t, *MRI)]

    @cached_property
    def measured(self) -> list[tuple[str, str]]:
        """(sub, ses) of eligible participants with a PET and a T1w."""
        return [(s, t) for s, t in self.sessions if s in self.eligible and self.index.has(s, t, "PET")]

    def patients(self, sessions: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Only the patients' sessions."""
        return [(sub, ses) for sub, ses in sessions if self.index.groups[sub] == "patient"]

    def followed(self, sessions: list[tuple[str, str]]) -> list[str]:
        """Patients with both time points in `sessions`: change can be told."""
        both = self.patients(sessions)
        return [sub for sub in self.eligible if (sub, BASELINE) in both and (sub, FOLLOW_UP) in both]

    def registered(self, sub: str, ses: str) -> list[str]:
        """Images of the session that are brought to its T1w, by the names of the transforms."""
        wanted = {"T2w": ("T2w",), "FLAIR": ("FLAIR",), "MT": ("MTon", "MToff"), "DWI": ("DWI",), "PET": ("PET",)}
        return [name for name, needs in wanted.items() if self.index.has(sub, ses, *needs)]

    def has_lesions(self, sub: str) -> bool:
        """Whether a baseline lesion mask can be brought to the T1w."""
        return self.index.has(sub, BASELINE, "lesions", "FLAIR", "T1w")
