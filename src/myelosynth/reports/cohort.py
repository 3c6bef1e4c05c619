"""The page of the cohort."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from myelosynth.bids.index import BASELINE, GROUPS
from myelosynth.reports.clinical import clinical_table, edss_scatter
from myelosynth.reports.curves import control_curves, training_curves
from myelosynth.reports.flow import brain_faults, demography, evaluation_gaps, flow, gap_table
from myelosynth.reports.inputs import CohortInputs, patients_sorted
from myelosynth.reports.maps import CHANGE, FOLLOW_UP, Analysis, change_maps
from myelosynth.reports.names import patient_page, qc_page, relative
from myelosynth.reports.page import Gap, Picture, write_page
from myelosynth.reports.plots import dice_boxes, index_lines, percent_bars
from myelosynth.reports.scores import (
    agreement_table,
    comparison_table,
    dice_table,
    image_tables,
    index_table,
    published_table,
)
from myelosynth.reports.simulated import is_simulated
from myelosynth.reports.slices import CONVENTION
from myelosynth.reports.systems import system as named

_FIRST = ("ses-t0", "measured")  # session and reference of the tables that are not folded away


@dataclass(frozen=True)
class PersonLinks:
    """One participant with links to the patient page (empty when there is none) and the QC page of each session."""

    participant: str
    group: str
    page: str
    quality: Sequence[tuple[str, str]]


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
        brain_faults=brain_faults(cohort),
        pictures={name: item if isinstance(item, Picture) else None for name, item in drawn.items()},
        examples=examples,
        change_key=CHANGE,
        images=image_tables(cohort, *_FIRST),
        more_images=[table for which in others for table in image_tables(cohort, *which)],
        dice=dice_table(cohort),
        index_means=index_table(cohort),
        agreement=agreement_table(cohort),
        comparisons=comparison_table(cohort),
        clinical=clinical_table(cohort, lambda key: key in ("true", cohort.main)),
        more_clinical=clinical_table(cohort, lambda key: key not in ("true", cohort.main)),
        published=published_table(),
        pages=page_links(cohort, out),
        gaps=gaps,
    )


def change_examples(cohort: CohortInputs) -> list[tuple[str, Picture]]:
    """Change maps of up to three patients: least, middle and greatest measured global index; figure 6."""
    order = [
        participant
        for participant in patients_sorted(cohort.table("indices"), "global")
        if cohort.layout.change("true", participant.removeprefix("sub-"), FOLLOW_UP).is_file()
    ]
    if not order:
        return []
    chosen = {
        "remyelination prevails": order[0],
        "in between": order[len(order) // 2],
        "demyelination prevails": order[-1],
    }
    examples: list[tuple[str, Picture]] = []
    for participant, words in {participant: words for words, participant in reversed(chosen.items())}.items():
        sub = participant.removeprefix("sub-")
        analysis = Analysis.of(cohort.layout, sub, cohort.main)
        picture = change_maps(analysis, ["true", cohort.main]) if analysis else None
        if isinstance(picture, Picture):
            examples.insert(0, (f"{participant}: {words}", picture))
    return examples


def page_links(cohort: CohortInputs, out: Path) -> list[PersonLinks]:
    """Relative links to the pages that the workflow makes: QC of every session, pages of the predicted patients."""
    people = []
    for sub, group in cohort.index.groups.items():
        predicted = group == GROUPS[0] and cohort.layout.prediction(cohort.main, sub, BASELINE).is_file()
        page = relative(patient_page(cohort.layout, sub), out) if predicted else ""
        quality = [(ses, relative(qc_page(cohort.layout, sub, ses), out)) for ses in cohort.index.sessions(sub)]
        people.append(PersonLinks(f"sub-{sub}", group, page, quality))
    return people
