"""The methods of a page as text ready to paste, with its references."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myelosynth import __version__
from myelosynth.bids.index import BASELINE, FOLLOW_UP
from myelosynth.bids.layout import Layout
from myelosynth.reports.sidecars import record_of
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import read_table

WEI = "Wei et al. 2020"
REFERENCES = {
    WEI: """@article{wei2020,
  author  = {Wei, Wen and Poirion, Emilie and Bodini, Benedetta and Tonietto, Matteo and Durrleman, Stanley and
             Colliot, Olivier and Stankoff, Bruno and Ayache, Nicholas},
  title   = {Predicting {PET}-derived myelin content from multisequence {MRI} for individual longitudinal analysis in
             multiple sclerosis},
  journal = {NeuroImage}, year = {2020}, volume = {223}, pages = {117308},
  doi     = {10.1016/j.neuroimage.2020.117308}
}""",
    "Logan et al. 1996": """@article{logan1996,
  author  = {Logan, Jean and others},
  title   = {Distribution volume ratios without blood sampling from graphical analysis of {PET} data},
  journal = {Journal of Cerebral Blood Flow and Metabolism}, year = {1996}, volume = {16}, pages = {834--840}
}""",
    "Bland and Altman 1986": """@article{bland1986,
  author  = {Bland, J. Martin and Altman, Douglas G.},
  title   = {Statistical methods for assessing agreement between two methods of clinical measurement},
  journal = {The Lancet}, year = {1986}, volume = {327}, pages = {307--310}
}""",
    "Shrout and Fleiss 1979": """@article{shrout1979,
  author  = {Shrout, Patrick E. and Fleiss, Joseph L.},
  title   = {Intraclass correlations: uses in assessing rater reliability},
  journal = {Psychological Bulletin}, year = {1979}, volume = {86}, pages = {420--428}
}""",
}
SOFTWARE = f"""@software{{myelosynth,
  author  = {{{{The myelosynth developers}}}}, title = {{{{myelosynth}}}}, version = {{{__version__}}}, year = {{2026}}
}}"""


@dataclass(frozen=True)
class Methods:
    """Paragraphs of plain text, and the BibTeX entries of what they cite."""

    text: str
    bibtex: str


def patient_methods(layout: Layout, sub: str, system: str, simulated: bool, measured: bool = True) -> Methods:
    """What was done to one patient, with the settings that the sidecars record; unknown settings are left out."""
    record = record_of(layout.prediction(system, sub, BASELINE))
    curves = [layout.table(f"curve_fold-{record['Fold']}")] if "Fold" in record else []
    nulls = [record_of(layout.index_null(key, sub, FOLLOW_UP)) for key in ("true", system)]
    levels = [null["Settings"]["level"] for null in nulls if "level" in null.get("Settings", {})]
    parts = [_data(simulated, measured), _prediction(record, system), _maps(curves, _rules(layout, system, sub))]
    return _methods([*parts, *_nulls(levels)], [WEI, "Logan et al. 1996"] if measured else [WEI])


def cohort_methods(
    layout: Layout, tables: Path, system: str, simulated: bool, settings: Mapping[str, Any], people: Sequence[str]
) -> Methods:
    """What was done to a cohort; settings: those of the evaluation, from the sidecars of its tables; people: whose maps
    tell the rules, the first of them that has any."""
    curves = sorted(tables.glob("curve_fold-*.tsv"))
    folds = f" Models were trained and tested in {len(curves)} folds of subjects." if curves else ""
    resamples = settings.get("resamples")
    boot = f" ({resamples} resamples)" if resamples else ""
    agreement = (
        "Predicted and measured PET were compared in test subjects only, one value per subject, with bias and "
        f"95 % limits (Bland and Altman 1986), ICC(2,1) (Shrout and Fleiss 1979) and bootstrap intervals{boot}. "
        "Scores were regressed on each index by ordinary least squares with age, sex and T2 lesion load as covariates."
    )
    rules: Mapping[str, Any] = next(filter(None, (_rules(layout, system, sub) for sub in people)), {})
    nulls = read_table(tables / "nulls.tsv", ("level",))
    levels = [] if nulls is None else nulls["level"].dropna().astype(float).unique().tolist()
    parts = [_data(simulated, True), _prediction({}, system) + folds, _maps(curves, rules)]
    return _methods([*parts, *_nulls(levels), agreement], list(REFERENCES))


def _methods(parts: Sequence[str], cited: Sequence[str]) -> Methods:
    return Methods("\n\n".join(parts), "\n\n".join([SOFTWARE, *(REFERENCES[name] for name in cited)]))


def _data(simulated: bool, measured: bool) -> str:
    told = "The images are simulated; no person was scanned. " if simulated else ""
    if not measured:
        return f"{told}Images were processed with myelosynth {__version__}. No PET was acquired."
    return (
        f"{told}Images were processed with myelosynth {__version__}. The distribution volume ratio (DVR) of dynamic "
        "[11C]PIB PET was computed voxel by voxel with the Logan graphical method and a reference region (Logan et al. "
        f"1996); in white matter it follows the amount of myelin ({WEI})."
    )


def _prediction(record: Mapping[str, Any], system: str) -> str:
    names = {"Fold": "fold", "Seed": "seed"}
    facts = ", ".join(f"{words} {record[key]}" for key, words in names.items() if record.get(key) is not None)
    return f"DVR was predicted from MRI by {named(system).name}{f' ({facts})' if facts else ''}, after {WEI}."


def _rules(layout: Layout, system: str, sub: str) -> dict[str, Any]:
    """What the maps of one patient ask of a voxel beyond the threshold; empty without maps."""
    maps = (layout.demyelinated(system, sub, BASELINE), layout.change(system, sub, FOLLOW_UP))
    return {key: value for path in maps for key, value in record_of(path).get("Settings", {}).items()}


def _maps(curves: Sequence[Path], rules: Mapping[str, Any]) -> str:
    settings = [found for curve in curves if (found := record_of(curve).get("Settings"))]
    controls = sorted({int(found["controls"]) for found in settings if "controls" in found})
    facts = []
    if controls:
        facts.append(f"{' to '.join(str(n) for n in dict.fromkeys((controls[0], controls[-1])))} controls")
    first = settings[0] if settings else {}
    if "bin_width_mm" in first:
        facts.append(f"bins of {first['bin_width_mm']:g} mm")
    if "minimum_voxels" in first:
        facts.append(f"at least {first['minimum_voxels']} voxels a bin")
    facts += [f"{name} {first[name]}" for name in ("smoothing", "extrapolation") if name in first]
    told = ""
    if rules.get("minimum_cluster_ml"):
        told += f" Connected demyelinated voxels of less than {rules['minimum_cluster_ml']:g} ml were left out."
    if rules.get("change_threshold"):
        told += f" A voxel changed only where its DVR did so by {rules['change_threshold']:g} or more."
    settled = f": {', '.join(facts)}" if facts else ""
    return (
        "A voxel of a baseline lesion counted as demyelinated when its DVR was more than one standard deviation below "
        f"the mean of healthy controls' white matter at the same distance from the CSF ({WEI})"
        f"{settled}.{told} Demyelination is the share of the baseline lesion volume that "
        "was normal at t0 and demyelinated at t1, remyelination the reverse, and the global index their difference."
    )


def _nulls(levels: Sequence[float]) -> list[str]:
    """The paragraph of the null; none where no index has one."""
    if not levels:
        return []
    return [
        f"The indices were compared with a null: the {100 * levels[0]:g} % interval of what a second scan of the "
        "unchanged tissue gives, with the noise of both scans and the follow-up's interpolation."
    ]
