"""Clinical tables of simulated patients without an image: true indices from the generator, and errors of an estimate.

They answer one question: does a table of this size show that less remyelination goes with more disability, which the
simulation holds to be so (`phantom.clinic`)?
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.evaluation.clinical import regress
from myelosynth.phantom.clinic import person
from myelosynth.phantom.roster import Cohort
from myelosynth.phantom.settings import Settings

INDEX, COVARIATES = "remyelination", ("age", "sex", "t2_lesion_load_ml")
LEVEL = 0.05


@dataclass(frozen=True)
class Donors:
    """How an estimated index follows the true one, from patients of whom both are known.

    intercept, slope: of the estimate on the truth by least squares; residuals: (N,) one per donor, widened by
    sqrt(N / (N - 2)) since the line was fitted to them.
    """

    intercept: float
    slope: float
    residuals: NDArray[np.float64]

    @classmethod
    def of(cls, truth: Sequence[float], estimate: Sequence[float]) -> "Donors":
        """Raises InputError with fewer than four patients or truth that does not vary."""
        x, y = np.asarray(truth, np.float64), np.asarray(estimate, np.float64)
        if len(x) < 4 or np.ptp(x) == 0:
            values = f"{len(x)} donors, spread of the truth {np.ptp(x) if len(x) else 0:g}"
            raise InputError("errors cannot be learned", "donors", values, "give four patients or more who differ")
        slope, intercept = np.polyfit(x, y, 1)
        residuals = (y - intercept - slope * x) * np.sqrt(len(x) / (len(x) - 2))
        return cls(float(intercept), float(slope), residuals)

    def estimates(self, truth: NDArray[np.float64], donor: NDArray[np.int64]) -> NDArray[np.float64]:
        """Estimates (M,) of true indices (M,), each with the residual of its donor (M,), not below 0."""
        return np.clip(self.intercept + self.slope * truth + self.residuals[donor], 0, None)


def simulated_table(patients: int, seed: int) -> list[dict[str, str]]:
    """A clinical table of one cohort in text cells, indices in percent points: truth of the generator, no noise."""
    settings = Settings(Cohort(patients=patients, controls=0, seed=seed))
    rows = []
    for label, _ in settings.cohort.participants():
        one = person(settings, label)
        assert one.course is not None
        rows.append(
            {
                "participant_id": f"sub-{label}",
                "age": str(one.age),
                "sex": one.sex,
                "edss": str(one.edss["t0"]),
                "t2_lesion_load_ml": repr(one.course.load_ml),
                INDEX: repr(100 * one.course.remyelination),
            }
        )
    return rows


def measured_with(
    table: Sequence[Mapping[str, str]], systems: Mapping[str, Donors], seed: int
) -> dict[str, list[dict]]:
    """The table as each system would have estimated it; one patient has the same donor in every system."""
    truth = np.array([float(row[INDEX]) for row in table]) / 100
    smallest = min(len(donors.residuals) for donors in systems.values())
    donor = np.random.default_rng([seed, 5]).integers(0, smallest, len(table))
    return {
        system: [
            {**row, INDEX: repr(float(100 * value))}
            for row, value in zip(table, donors.estimates(truth, donor), strict=True)
        ]
        for system, donors in systems.items()
    }


@dataclass(frozen=True)
class Recovery:
    """Tables in which beta of remyelination is negative, and negative with p < .05; its median; how many had one."""

    tables: int
    negative: int
    significant: int
    beta: float


def recovery(tables: Sequence[Sequence[Mapping[str, str]]]) -> Recovery:
    """How often the sign of remyelination against EDSS is recovered, with age, sex and T2 lesion load."""
    rows = [regress(table, "edss", INDEX, COVARIATES).rows[1] for table in tables]
    found = [row for row in rows if row.get("beta") is not None]
    negative = [row for row in found if row["beta"] < 0]
    return Recovery(
        len(found),
        len(negative),
        sum(row["p"] < LEVEL for row in negative),
        float(np.median([row["beta"] for row in found])) if found else float("nan"),
    )
