"""The page of the cohort."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from myelosynth.bids.index import FOLLOW_UP
from myelosynth.reports.agreement_plots import bland_altman_plots, index_scatter, strata_dots
from myelosynth.reports.agreement_tables import hallucination_table, interval_table
from myelosynth.reports.clinical import SCORES, ClinicalPart, clinical_part
from myelosynth.reports.curve_tables import curve_check_bins, curve_check_table, threshold_table
from myelosynth.reports.curves import control_curves, training_curves
from myelosynth.reports.flow import brain_faults, demography, evaluation_gaps, flow, gap_table
from myelosynth.reports.inputs import CohortInputs, patients_sorted
from myelosynth.reports.maps import CHANGE, Analysis, change_maps
from myelosynth.reports.methods import cohort_methods
from myelosynth.reports.names import patient_page, predicted_patients, qc_page, relative
from myelosynth.reports.nulls import null_rows_table, null_table
from myelosynth.reports.page import Gap, Picture, write_page
from myelosynth.reports.plots import dice_boxes, index_lines, percent_bars
from myelosynth.reports.runtime import runtime_table
from myelosynth.reports.scores import (
    agreement_table,
    comparison_table,
    dice_table,
    image_tables,
    index_table,
    published_table,
)
from myelosynth.reports.sidecars import record_of
from myelosynth.reports.simulated import is_simulated
from myelosynth.reports.slices import CONVENTION
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import Table

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
        "training": training_curves(cohort),
        "scatter": index_scatter(cohort),
        "bland": bland_altman_plots(cohort),
        "strata": strata_dots(cohort),
    }
    further = {
        "intervals": interval_table(cohort),
        "hallucination": hallucination_table(cohort),
        "nulls": null_table(cohort),
        "check": curve_check_table(cohort),
        "thresholds": threshold_table(cohort),
        "runtime": runtime_table(cohort.layout),
    }
    clinical = _clinical_parts(cohort)
    gaps += [item for item in further.values() if isinstance(item, Gap)]
    gaps += [part.scatter for part in clinical if isinstance(part.scatter, Gap)]
    gaps += [item for item in drawn.values() if isinstance(item, Gap)]
    examples = change_examples(cohort)
    if not examples:
        gaps.append(Gap("examples of change maps", "no patient has maps at both sessions"))
    others = [(s, r) for r in ("measured", "noise-free") for s in ("ses-t0", "ses-t1") if (s, r) != _FIRST]
    simulated = is_simulated(cohort.layout.root, cohort.raw)
    settings = record_of(cohort.tables / "summary.tsv").get("Settings", {})
    write_page(
        out,
        "cohort.html",
        simulated,
        title="Cohort report",
        convention=CONVENTION,
        main=named(cohort.main),
        stages=flow(cohort, split),
        demography=demography(cohort),
        dataset_gaps=gap_table(cohort),
        evaluation_gaps=evaluation_gaps(cohort),
        brain_faults=brain_faults(cohort),
        pictures={name: picture_of(item) for name, item in drawn.items()},
        examples=examples,
        change_key=CHANGE,
        images=image_tables(cohort, *_FIRST),
        more_images=[table for which in others for table in image_tables(cohort, *which)],
        dice=dice_table(cohort),
        index_means=index_table(cohort),
        agreement=agreement_table(cohort),
        comparisons=comparison_table(cohort),
        further={name: item if isinstance(item, Table) else None for name, item in further.items()},
        each_null=null_rows_table(cohort),
        check_bins=curve_check_bins(cohort),
        clinical=[(SCORES[part.response], part, picture_of(part.scatter)) for part in clinical],
        methods=cohort_methods(
            cohort.layout, cohort.tables, cohort.main, simulated, settings, sorted(cohort.index.groups)
        ),
        published=published_table(),
        pages=page_links(cohort, out),
        gaps=gaps,
    )


def picture_of(item: Picture | Gap) -> Picture | None:
    """A picture, None for a gap: it stands in the list of gaps."""
    return item if isinstance(item, Picture) else None


def _clinical_parts(cohort: CohortInputs) -> list[ClinicalPart]:
    """The part of EDSS, and of every other score that was regressed."""
    regressed = set(cohort.table("clinical")["response"])
    return [clinical_part(cohort, score) for score in SCORES if score == "edss" or score in regressed]


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
    people, predicted = [], predicted_patients(cohort.layout, cohort.index.groups, cohort.main)
    for sub, group in cohort.index.groups.items():
        page = relative(patient_page(cohort.layout, sub), out) if sub in predicted else ""
        quality = [(ses, relative(qc_page(cohort.layout, sub, ses), out)) for ses in cohort.index.sessions(sub)]
        people.append(PersonLinks(f"sub-{sub}", group, page, quality))
    return people
