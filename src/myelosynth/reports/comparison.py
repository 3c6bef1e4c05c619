"""The page that compares all systems, its figures as files beside it."""

from collections.abc import Sequence
from pathlib import Path

from myelosynth.reports.cohort import change_examples
from myelosynth.reports.dice_panels import dice_panels
from myelosynth.reports.effort import effort_table, efforts_of
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.maps import AGREEMENT, CHANGE
from myelosynth.reports.page import Gap, Picture, save_picture, write_page
from myelosynth.reports.plots import index_lines, percent_bars
from myelosynth.reports.qualitative import example_masks, image_comparison, typical_patient
from myelosynth.reports.scores import agreement_table, dice_table, image_tables, published_table
from myelosynth.reports.simulated import is_simulated
from myelosynth.reports.slices import CONVENTION
from myelosynth.reports.systems import System
from myelosynth.reports.systems import system as named
from myelosynth.reports.verdicts import Verdict, oracle_words, ranking_tables

_FIRST = ("ses-t0", "measured")
_CURVES = 4  # methods in the plot of the indices: more cannot be told apart


def write_comparison_page(cohort: CohortInputs, verdict: Verdict, ceilings: Sequence[str], out: Path) -> Path:
    """Write the page and the folder of its figures, PAGE_figures; returns that folder.

    What is not there is listed on the page. Raises InputError for a table that cannot be read or lacks columns.
    """
    missing = [name for name in cohort.missing_tables() if not name.startswith("clinical")]
    gaps = [Gap(f"table {name}", "it has not been made") for name in missing]
    shown = [*cohort.ordered(cohort.systems), *map(named, ceilings)]
    drawn = _drawn(cohort, shown, gaps)
    examples = change_examples(cohort)
    if not examples:
        gaps.append(Gap("examples of change maps", "no patient has maps at both sessions"))
    figures = out.with_name(f"{out.stem}_figures")
    simulated = is_simulated(cohort.layout.root, cohort.raw)
    for name, picture in drawn.items():
        save_picture(picture, figures, name, simulated, AGREEMENT if name == "figure-3b" else ())
    for number, (words, picture) in enumerate(examples, start=1):
        save_picture(picture, figures, f"figure-6_{number}", simulated, [*CHANGE, ("#000000", words)])
    others = [(s, r) for r in ("measured", "noise-free") for s in ("ses-t0", "ses-t1") if (s, r) != _FIRST]
    settings = verdict.settings
    write_page(
        out,
        "comparison.html",
        simulated,
        title="Comparison of systems",
        convention=CONVENTION,
        main=named(cohort.main),
        settings=settings,
        verdict=verdict,
        oracle=oracle_words(cohort, verdict),
        pictures=drawn,
        examples=examples,
        change_key=CHANGE,
        agreement_key=AGREEMENT,
        ranking=ranking_tables(cohort, True),
        more_ranking=ranking_tables(cohort, False),
        images=image_tables(cohort, *_FIRST),
        more_images=[table for which in others for table in image_tables(cohort, *which)],
        dice=dice_table(cohort),
        agreement=agreement_table(cohort),
        effort=effort_table(efforts_of(cohort.layout, cohort.systems, settings)),
        published=published_table(),
        gaps=gaps,
        figures=figures.name,
    )
    return figures


def _drawn(cohort: CohortInputs, shown: Sequence[System], gaps: list[Gap]) -> dict[str, Picture]:
    """Figures by file name; those that cannot be drawn go to the gaps."""
    found: dict[str, Picture | Gap] = {
        "figure-3a": dice_panels(cohort),
        "figure-4": percent_bars(cohort),
        "figure-5": index_lines(cohort, closest(cohort)),
    }
    sub = typical_patient(cohort)
    if sub is None:
        gaps.append(Gap("examples of one patient", "no patient has a DICE of the main system"))
    else:
        found["figure-3b"] = example_masks(cohort, sub, shown)
        images = image_comparison(cohort, sub, shown)
        found |= {"figure-8": images} if isinstance(images, Gap) else _lettered("figure-8", images)
    gaps += [item for item in found.values() if isinstance(item, Gap)]
    return {name: item for name, item in found.items() if isinstance(item, Picture)}


def _lettered(name: str, pictures: Sequence[Picture]) -> dict[str, Picture]:
    return {f"{name}{letter}": picture for letter, picture in zip("abc", pictures, strict=True)}


def closest(cohort: CohortInputs) -> list[str]:
    """The main system and the methods whose global index of change is closest to the measured PET's, four in all."""
    summary = cohort.table("summary")
    errors = summary[(summary["metric"] == "global_error") & summary["system"].isin(cohort.systems)]
    ordered = [str(key) for key in errors.sort_values("mean")["system"] if key != cohort.main]
    return [cohort.main, *[key for key in ordered if named(key).kind == "candidate"][: _CURVES - 1]]
