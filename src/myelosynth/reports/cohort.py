"""The page of the cohort."""

from pathlib import Path

from myelosynth.bids.index import GROUPS
from myelosynth.reports.curves import control_curves, edss_scatter, training_curves
from myelosynth.reports.flow import demography, evaluation_gaps, flow, gap_table
from myelosynth.reports.inputs import CohortInputs, patients_sorted
from myelosynth.reports.maps import CHANGE, Analysis, change_maps
from myelosynth.reports.names import patient_page, qc_page, relative
from myelosynth.reports.page import Gap, Picture, write_page
from myelosynth.reports.plots import dice_boxes, index_lines, percent_bars
from myelosynth.reports.scores import (
    agreement_table,
    clinical_table,
    comparison_table,
    dice_table,
    image_tables,
    published_table,
)
from myelosynth.reports.simulated import is_simulated
from myelosynth.reports.slices import CONVENTION
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import Table

__all__ = ["CohortInputs", "write_cohort_page"]


def write_cohort_page(cohort: CohortInputs, split: Path, out: Path) -> None:
    """Write the cohort page; tables, figures or sessions that are not there are listed on it.

    Raises InputError for a table that cannot be read or lacks columns.
    """
    gaps = [Gap(f"table {name}", "it has not been made") for name in cohort.missing_tables()]
    drawn = {
        "curves": control_curves(cohort),
        "dice": dice_boxes(cohort),
        "percent": percent_bars(cohort),
        "indices": index_lines(cohort),
        "edss": edss_scatter(cohort),
        "training": training_curves(cohort),
    }
    gaps += [item for item in drawn.values() if isinstance(item, Gap)]
    examples = change_examples(cohort)
    if not examples:
        gaps.append(Gap("examples of change maps", "no patient has maps at both sessions"))
    others = [(s, r) for r in ("measured", "noise-free") for s in ("ses-t0", "ses-t1") if (s, r) != _FIRST]
    write_page(
        out,
        "cohort.html",
        is_simulated(cohort.layout.root, cohort.raw),
        title="Cohort report",
        convention=CONVENTION,
        main=named(cohort.main),
        stages=flow(cohort, split),
        demography=demography(cohort),
        dataset_gaps=gap_table(cohort),
        evaluation_gaps=evaluation_gaps(cohort),
        pictures={name: item if isinstance(item, Picture) else None for name, item in drawn.items()},
        examples=examples,
        change_key=CHANGE,
        images=image_tables(cohort, *_FIRST),
        more_images=[table for which in others for table in image_tables(cohort, *which)],
        dice=dice_table(cohort),
        agreement=agreement_table(cohort),
        comparisons=comparison_table(cohort),
        clinical=clinical_table(cohort, lambda key: key in ("true", cohort.main)),
        more_clinical=clinical_table(cohort, lambda key: key not in ("true", cohort.main)),
        published=published_table(),
        pages=page_links(cohort, out),
        gaps=gaps,
    )


_FIRST = ("ses-t0", "measured")


def change_examples(cohort: CohortInputs) -> list[tuple[str, Picture]]:
    """Change maps of up to three patients: least, middle and greatest measured global index; figure 6."""
    order = list(patients_sorted(cohort.table("indices"), "global"))
    if not order:
        return []
    chosen = {"remyelination prevails": order[0], "in between": order[len(order) // 2], "demyelination prevails": order[-1]}
    examples: dict[str, tuple[str, Picture]] = {}
    for words, participant in chosen.items():
        sub = participant.removeprefix("sub-")
        analysis = Analysis.of(cohort.layout, sub, cohort.main)
        picture = change_maps(analysis, ["true", cohort.main]) if analysis else None
        if isinstance(picture, Picture) and participant not in examples:
            examples[participant] = (f"{participant}: {words}", picture)
    return list(examples.values())


def page_links(cohort: CohortInputs, out: Path) -> Table:
    """Relative links to patient and quality-control pages, as (group, [(words, link)]) rows per participant."""
    raise NotImplementedError
