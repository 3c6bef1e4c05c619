"""Which files a simulated cohort holds, known from counts, scenario and seed without simulating anything."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from myelosynth.errors import InputError

SCENARIOS = ("default", "no-change", "controls-only", "missing", "shifted")
CONTRASTS = ("T1w", "T2w", "FLAIR", "MTon", "MToff", "DWI", "PET", "lesions")


class RosterRow(NamedTuple):
    """One image of the data set (MTon, MToff: the pair behind the MTR; lesions: the expert mask at baseline)."""

    participant: str
    group: str
    session: str
    contrast: str


@dataclass(frozen=True)
class Cohort:
    """Counts, scenario and seed of a simulated study; participants are 001, 002, ..., patients first.

    Raises InputError for an unknown scenario or for counts that leave nobody to simulate.
    """

    patients: int = 6
    controls: int = 4
    scenario: str = "default"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.scenario not in SCENARIOS:
            cure = f"choose one of {', '.join(SCENARIOS)}"
            raise InputError("unknown scenario", "--scenario", f"got {self.scenario!r}", cure)
        for name, value in (("--patients", self.patients), ("--controls", self.controls), ("--seed", self.seed)):
            if value < 0:
                raise InputError("negative number", name, f"got {value}, expected 0 or more", "give a count")
        if not self.participants():
            values = f"{self.patients} patients, {self.controls} controls, scenario {self.scenario}"
            raise InputError("nobody to simulate", "cohort", values, "ask for at least one participant")

    def participants(self) -> list[tuple[str, str]]:
        """(label, group) of everyone; `controls-only` has no patients."""
        patients = 0 if self.scenario == "controls-only" else self.patients
        labels = [f"{number:03d}" for number in range(1, patients + self.controls + 1)]
        return [(label, "patient" if n < patients else "control") for n, label in enumerate(labels)]

    @cached_property
    def groups(self) -> dict[str, str]:
        """Label to group of everyone."""
        return dict(self.participants())

    def gap(self, kind: int) -> str | None:
        """The patient who has gap 0 (no t1), 1 (no PET at t1), 2 (no MT at t0) or 3 (no EDSS) in scenario `missing`.

        The gaps fall on consecutive patients, the first of them at position seed modulo the number of patients; with
        fewer than four patients the last gaps are left out.
        """
        if self.scenario != "missing" or kind >= self.patients:
            return None
        return f"{(self.seed + kind) % self.patients + 1:03d}"

    def sessions(self, participant: str) -> list[str]:
        """Patients are scanned at t0 and t1, controls at t0 only. Raises InputError for somebody who is not there."""
        if participant not in self.groups:
            values = f"got {participant!r}, the cohort has {', '.join(self.groups)}"
            raise InputError("no such participant", "--participant", values, "give one of these labels")
        if self.groups[participant] == "control" or participant == self.gap(0):
            return ["t0"]
        return ["t0", "t1"]

    def contrasts(self, participant: str, session: str) -> list[str]:
        """The images of one session, in the order of CONTRASTS."""
        absent = set()
        if participant not in self.groups or session not in self.sessions(participant):
            return []
        if self.groups[participant] == "control" or session != "t0":
            absent.add("lesions")
        if participant == self.gap(1) and session == "t1":
            absent.add("PET")
        if participant == self.gap(2) and session == "t0":
            absent |= {"MTon", "MToff"}
        return [contrast for contrast in CONTRASTS if contrast not in absent]

    def draws(self, participant: str, session: str) -> list[str]:
        """The further dynamic PET series of one session, those of which evaluation makes floors and ceilings.

        retest: a second draw of the noise; noise-free: none; oracle: none, and the terms that only PET sees at their
        mean; null-scan: at t1, the tissue of t0 scanned again, so that every apparent change is noise and processing.
        """
        if "PET" not in self.contrasts(participant, session):
            return []
        return ["retest", "noise-free", "oracle", *(["null-scan"] if session != "t0" else [])]


def roster(cohort: Cohort) -> list[RosterRow]:
    """Every image that `simulate` writes for this cohort, participant by participant.

    >>> roster(Cohort(patients=1, controls=1))[-1]
    RosterRow(participant='002', group='control', session='t0', contrast='PET')
    """
    return [
        RosterRow(participant, group, session, contrast)
        for participant, group in cohort.participants()
        for session in cohort.sessions(participant)
        for contrast in cohort.contrasts(participant, session)
    ]
