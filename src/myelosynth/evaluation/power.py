"""What a regression of this size could have found: power of the t test of one coefficient."""

import numpy as np
from scipy import optimize, stats

LEVEL, ENOUGH = 0.05, 0.8
_QUANTILES = (np.arange(400) + 0.5) / 400


def power_of(beta: float, df: int, terms: int, vif: float = 1.0) -> float | None:
    """Power of the two-sided test at .05 of a standardised coefficient `beta` of the population.

    df: residual degrees of freedom; terms: of the model with its intercept; vif: variance inflation factor of the term
    in the sample, of which the part that so few participants give by chance is taken away as in an adjusted R2. The
    response follows the term alone; covariates cost degrees of freedom and hide what they share with it. Patients are
    drawn with their covariates, so the noncentrality is chi-squared (Gatsonis and Sampson 1989): with fixed covariates,
    as in Cohen's tables, 15 patients would seem to have .93 instead of .78. None without a residual degree of freedom.

    >>> round(power_of(0.7, 10, 5), 2), power_of(0.7, 0, 5)
    (0.78, None)
    """
    if df <= 0 or not abs(beta) < 1:
        return None
    inflation = max(1.0, vif * (df + 1) / (df + terms - 1))
    f2 = beta**2 / inflation / (1 - beta**2)
    noncentrality = f2 * stats.chi2.ppf(_QUANTILES, df + 1)
    return float(stats.ncf.sf(stats.f.ppf(1 - LEVEL, 1, df), 1, df, noncentrality).mean())


def smallest_beta(df: int, terms: int, vif: float = 1.0) -> float | None:
    """The standardised coefficient that the test finds with 80 % power; None where not even one of almost 1 is found.

    >>> round(smallest_beta(10, 5), 2)
    0.71
    """
    largest = 1 - 1e-9
    if (power_of(largest, df, terms, vif) or 0.0) < ENOUGH:
        return None
    return float(optimize.brentq(lambda beta: (power_of(beta, df, terms, vif) or 0.0) - ENOUGH, 1e-3, largest))
