"""Published numbers of wei2020 and its predecessor, to print beside ours.

They come from clinical data that is not public. Ours come from other subjects (simulated ones in the demo), so these
figures are a comparison column and never something to beat.
"""

from typing import NamedTuple

WEI2020 = "Wei et al. 2020, CF-SAGAN"
WEI2019 = "Wei et al. 2019, Sketcher-Refiner, as quoted in Colliot's course on generative models"
T0, T1, CHANGE = "ses-t0", "ses-t1", "change"


class Published(NamedTuple):
    """One printed figure: our system key, our metric, session, map or region (empty for the whole image)."""

    system: str
    metric: str
    session: str
    region: str
    mean: float
    sd: float | None
    source: str


class PublishedTerm(NamedTuple):
    """One row of wei2020's appendix table 2; indices in per cent, T2 lesion load in mm3, EDSS as response, n = 15."""

    system: str
    predictor: str
    term: str
    coefficient: float
    standard_error: float
    t: float
    p: float
    beta: float

    @property
    def per_unit(self) -> float:
        """The coefficient in our units: that of the lesion load per ml."""
        return round(self.coefficient * self._unit, 9)

    @property
    def error_per_unit(self) -> float:
        """The standard error in our units."""
        return round(self.standard_error * self._unit, 9)

    @property
    def _unit(self) -> float:
        return 1000.0 if self.term == "t2_lesion_load_ml" else 1.0


REFINER = "refiner-cf-sagan-nwl1"

_IMAGES = (  # system, MSE, its SD, PSNR, its SD, source of the PSNR
    ("dnn", 0.0136, 0.0048, 27.767, 1.214, WEI2020),
    ("unet-l1", 0.0107, 0.0041, 29.297, 0.986, WEI2020),
    ("unet-wl1", 0.0113, 0.0043, 28.606, 1.007, WEI2019),
    ("unet-nwl1", 0.0111, 0.0047, None, None, WEI2020),
    ("cgan-l1", 0.0094, 0.0038, 29.475, 0.981, WEI2020),
    ("cgan-wl1", 0.0103, 0.0042, 29.077, 0.995, WEI2019),
    ("cgan-nwl1", 0.0098, 0.0044, None, None, WEI2020),
    ("cf-sagan-l1", 0.0085, 0.0042, 29.942, 1.065, WEI2020),
    ("cf-sagan-wl1", 0.0097, 0.0039, None, None, WEI2020),
    ("cf-sagan-nwl1", 0.0089, 0.0041, None, None, WEI2020),
    ("refiner-cgan-wl1", 0.0083, 0.0037, 30.044, 1.095, WEI2020),
    (REFINER, 0.0078, 0.0038, 30.285, 0.0993, WEI2020),
)

_LESIONS = (  # "mean absolute difference between the ground truth and the predicted PET" within MS lesions
    ("dnn", 0.131, 0.051, WEI2019),
    ("unet-l1", 0.035, 0.027, WEI2020),
    ("unet-wl1", 0.032, 0.029, WEI2020),
    ("unet-nwl1", 0.031, 0.032, WEI2020),
    ("cgan-l1", 0.030, 0.017, WEI2020),
    ("cgan-wl1", 0.027, 0.022, WEI2020),
    ("cgan-nwl1", 0.028, 0.019, WEI2020),
    ("cf-sagan-l1", 0.027, 0.020, WEI2020),
    ("cf-sagan-wl1", 0.024, 0.016, WEI2020),
    ("cf-sagan-nwl1", 0.022, 0.017, WEI2020),
    ("refiner-cgan-wl1", 0.022, 0.015, WEI2019),
)

_WHITE_MATTER = (  # system; controls' WM, SD; patients' NAWM, SD
    ("dnn", 0.059, 0.040, 0.041, 0.036),
    ("unet-l1", 0.053, 0.034, 0.039, 0.033),
    ("unet-wl1", 0.054, 0.034, 0.038, 0.031),
    ("cgan-l1", 0.053, 0.041, 0.034, 0.022),
    ("cgan-wl1", 0.052, 0.037, 0.035, 0.027),
    ("refiner-cgan-wl1", 0.048, 0.026, 0.029, 0.021),
)

_DICE = (  # system, session or change, map, mean, SD
    (REFINER, T0, "demyelinated", 0.91, 0.06),
    (REFINER, T1, "demyelinated", 0.89, 0.08),
    ("refiner-cgan-wl1", T0, "demyelinated", 0.83, 0.12),
    ("refiner-cgan-wl1", T1, "demyelinated", 0.80, 0.08),
    (REFINER, CHANGE, "demyelinating", 0.71, 0.11),
    (REFINER, CHANGE, "remyelinating", 0.69, 0.12),
    ("refiner-cgan-wl1", CHANGE, "demyelinating", 0.62, 0.18),
    ("refiner-cgan-wl1", CHANGE, "remyelinating", 0.56, 0.12),
    ("cf-sagan-l1", CHANGE, "demyelinating", 0.59, 0.17),
    ("cf-sagan-l1", CHANGE, "remyelinating", 0.58, 0.09),
)

SIGN_ERRORS = {REFINER: 1, "refiner-cgan-wl1": 6, "cf-sagan-l1": 4}  # of the global index, wei2020 Fig. 5 (A), n = 15

CLINICAL = (
    PublishedTerm("true", "demyelination", "demyelination", 0.090, 0.157, 0.58, 0.578, 0.216),
    PublishedTerm("true", "demyelination", "age", -0.019, 0.090, -0.21, 0.840, -0.065),
    PublishedTerm("true", "demyelination", "male", -0.893, 1.126, -0.79, 0.446, -0.269),
    PublishedTerm("true", "demyelination", "t2_lesion_load_ml", 1.01e-5, 1.75e-5, 0.58, 0.577, 0.207),
    PublishedTerm("true", "remyelination", "remyelination", -0.233, 0.085, -2.75, 0.021, -0.703),
    PublishedTerm("true", "remyelination", "age", -0.047, 0.067, -0.70, 0.498, -0.164),
    PublishedTerm("true", "remyelination", "male", -0.062, 0.869, -0.07, 0.944, -0.019),
    PublishedTerm("true", "remyelination", "t2_lesion_load_ml", 5.22e-6, 1.16e-5, 0.45, 0.661, 0.107),
    PublishedTerm(REFINER, "demyelination", "demyelination", 0.071, 0.165, 0.43, 0.676, 0.173),
    PublishedTerm(REFINER, "demyelination", "age", -0.014, 0.091, -0.15, 0.882, -0.048),
    PublishedTerm(REFINER, "demyelination", "male", -0.980, 1.120, -0.87, 0.402, -0.295),
    PublishedTerm(REFINER, "demyelination", "t2_lesion_load_ml", 9.99e-6, 1.92e-5, 0.52, 0.614, 0.205),
    PublishedTerm(REFINER, "remyelination", "remyelination", -0.258, 0.084, -3.07, 0.012, -0.734),
    PublishedTerm(REFINER, "remyelination", "age", -0.050, 0.064, -0.78, 0.452, -0.017),
    PublishedTerm(REFINER, "remyelination", "male", -0.063, 0.816, -0.08, 0.940, -0.019),
    PublishedTerm(REFINER, "remyelination", "t2_lesion_load_ml", 7.47e-6, 1.1e-5, 0.68, 0.513, 0.153),
)


def _figures() -> list[Published]:
    figures = []
    for system, mse, mse_sd, psnr, psnr_sd, source in _IMAGES:
        figures.append(Published(system, "mse", T0, "", mse, mse_sd, WEI2020))
        if psnr is not None:
            figures.append(Published(system, "psnr", T0, "", psnr, psnr_sd, source))
    for system, mean, sd, source in _LESIONS:
        # the text does not tell which of the two readings was computed, so the figure stands beside both
        figures.append(Published(system, "lesion_mae", T0, "", mean, sd, source))
        figures.append(Published(system, "lesion_mean_difference", T0, "", mean, sd, source))
    for system, controls, controls_sd, patients, patients_sd in _WHITE_MATTER:
        figures.append(Published(system, "nawm_mean_difference", T0, "control", controls, controls_sd, WEI2019))
        figures.append(Published(system, "nawm_mean_difference", T0, "patient", patients, patients_sd, WEI2019))
    figures += [Published(name, "dice", when, which, mean, sd, WEI2020) for name, when, which, mean, sd in _DICE]
    return figures


FIGURES = tuple(_figures())
_BY_KEY = {(f.system, f.metric, f.session, f.region): f for f in FIGURES}
_TERMS = {(t.system, t.predictor, t.term): t for t in CLINICAL}


def published(system: str, metric: str, session: str, region: str = "") -> Published | None:
    """The printed figure of a system, None where the papers have none.

    region: the map for DICE, the group for white matter, empty otherwise.

    >>> published("cf-sagan-l1", "mse", "ses-t0").mean
    0.0085
    """
    return _BY_KEY.get((system, metric, session, region))


def published_term(system: str, predictor: str, term: str) -> PublishedTerm | None:
    """The printed regression row of the true PET or of the Refiner CF-SAGAN, None elsewhere."""
    return _TERMS.get((system, predictor, term))
