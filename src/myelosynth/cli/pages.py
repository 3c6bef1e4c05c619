"""Commands: pages."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import output

if TYPE_CHECKING:
    from myelosynth.reports.inputs import CohortInputs
    from myelosynth.reports.verdicts import Verdict

report = typer.Typer(no_args_is_help=True, help="Self-contained HTML pages: one session, one patient, the cohort.")
app.add_typer(report, name="report")

Results = Annotated[Path, typer.Argument(help="results folder of the study")]
Index = Annotated[Path, typer.Option(help="session index, TSV of `myelosynth check --index`")]
Tables = Annotated[Path, typer.Option(help="folder of the tables of `myelosynth evaluate`")]
Out = Annotated[Path, typer.Option(help="HTML page to write")]
Sub = Annotated[str, typer.Option(help="participant label without `sub-`")]
Split = Annotated[Path, typer.Option(help="TSV of `myelosynth split`")]
Systems = Annotated[list[str], typer.Option(help="a system of the tables; repeat for more")]
MaybeSimulated = Annotated[Path | None, typer.Option(help="raw data set, asked only whether it is simulated")]
# Of the comparison and the results document, which show one evaluation.
Ceilings = Annotated[list[str] | None, typer.Option(help="retest, noise-free, oracle; repeat")]
Replicates = Annotated[int, typer.Option(min=1, help="seeds of each system, as evaluated")]
Folds = Annotated[list[int] | None, typer.Option(help="folds, as evaluated; repeat")]
Evaluated = Annotated[Path | None, typer.Option(help="folder of `myelosynth evaluate`; default: RESULTS/tables")]
Main = Annotated[str | None, typer.Option(help="the system that is marked; default: the tables' reference")]


def _folder(path: Path, what: str) -> Path:
    """The absolute path of a folder. Raises InputError when it is not there."""
    from myelosynth.errors import InputError

    if not path.is_dir():
        raise InputError(f"{what} missing", path, "no such folder", "check the path")
    return path.absolute()


@report.command("session")
def session(
    results: Results,
    sub: Sub,
    ses: Annotated[str, typer.Option(help="session label without `ses-`")],
    raw: Annotated[Path, typer.Option(help="raw BIDS data set")],
    index: Index,
    out: Out,
) -> None:
    """Quality control of one session: masks, registrations before and after, tissue, lesions, what was skipped."""
    from myelosynth.bids.index import SessionIndex
    from myelosynth.bids.layout import Layout
    from myelosynth.reports.session import write_session_page

    root, data = _folder(results, "results folder"), _folder(raw, "raw data set")
    write_session_page(Layout(root), data, SessionIndex.read(index, data), sub, ses, output(out, [index], ".html"))


@report.command("patient")
def patient(
    results: Results,
    sub: Sub,
    index: Index,
    system: Annotated[str, typer.Option(help="system whose predictions are shown")],
    tables: Tables,
    out: Out,
    raw: MaybeSimulated = None,
) -> None:
    """One patient: indices beside their null, measured and predicted maps, change, limits, provenance."""
    from myelosynth.bids.index import SessionIndex
    from myelosynth.bids.layout import Layout
    from myelosynth.reports.patient import write_patient_page

    out = output(out, [index], ".html")
    root, folder = _folder(results, "results folder"), _folder(tables, "tables folder")
    data = _folder(raw, "raw data set") if raw else None
    write_patient_page(Layout(root), SessionIndex.read(index, data or root), sub, system, folder, out, data)


@report.command("applied")
def applied(
    results: Results,
    sub: Sub,
    index: Index,
    bundle: Annotated[Path, typer.Option(help="bundle that made the predictions")],
    out: Out,
    raw: MaybeSimulated = None,
) -> None:
    """One patient without PET: predicted maps and indices, what lies beyond training, limits of the model."""
    from myelosynth.bids.index import SessionIndex
    from myelosynth.bids.layout import APPLIED_SPACE, Layout
    from myelosynth.reports.applied import write_applied_page
    from myelosynth.synthesis.bundle.card import read_card

    out = output(out, [index], ".html")
    root, card = _folder(results, "results folder"), read_card(bundle)
    data = _folder(raw, "raw data set") if raw else None
    write_applied_page(Layout(root, APPLIED_SPACE), SessionIndex.read(index, data or root), sub, card, out, data)


@report.command("applied-cohort")
def applied_cohort(
    results: Results,
    index: Annotated[list[Path], typer.Option(help="session index of `myelosynth check --index`; repeat for more")],
    bundle: Annotated[Path, typer.Option(help="bundle that made the predictions")],
    out: Out,
    raw: Annotated[Path | None, typer.Option(help="raw data set: who else is in it, whether it is simulated")] = None,
) -> None:
    """Everybody without PET: predicted indices with intervals and null, alarms, and links to the pages of each."""
    from myelosynth.bids.index import SessionIndex
    from myelosynth.bids.layout import APPLIED_SPACE, Layout
    from myelosynth.reports.applied_cohort import write_applied_cohort_page
    from myelosynth.synthesis.bundle.card import read_card

    out = output(out, index, ".html")
    root, card = _folder(results, "results folder"), read_card(bundle)
    data = _folder(raw, "raw data set") if raw else None
    found = [SessionIndex.read(path, data or root) for path in index]
    write_applied_cohort_page(Layout(root, APPLIED_SPACE), found, card, out, data)


@report.command("cohort")
def cohort(
    results: Results,
    index: Index,
    split: Split,
    tables: Tables,
    system: Systems,
    out: Out,
    main: Annotated[str | None, typer.Option(help="the system of the figures; default: the last --system")] = None,
    raw: Annotated[Path | None, typer.Option(help="raw data set: demography of the controls")] = None,
    task: Annotated[str | None, typer.Option(help="its sources are the maps that count; default: every map")] = None,
) -> None:
    """The cohort: flow of subjects, tables with floors and ceilings, figures 3 to 7 of wei2020, regressions."""
    from myelosynth.bids.index import SessionIndex
    from myelosynth.bids.layout import Layout
    from myelosynth.errors import InputError
    from myelosynth.reports.cohort import write_cohort_page
    from myelosynth.reports.inputs import CohortInputs
    from myelosynth.synthesis.config import load_task

    out = output(out, [index, split], ".html")
    root, folder = _folder(results, "results folder"), _folder(tables, "tables folder")
    chosen = main or system[-1]
    if chosen not in system:
        raise InputError("unknown main system", "--main", f"{chosen}, systems {', '.join(system)}", "name one of them")
    data = _folder(raw, "raw data set") if raw else None
    found = SessionIndex.read(index, root)
    sources = {"sources": tuple(load_task(task).sources)} if task else {}
    inputs = CohortInputs(Layout(root), found, folder, tuple(system), chosen, data, **sources)
    write_cohort_page(inputs, split, out)


@report.command("comparison")
def comparison(
    results: Results,
    index: Index,
    split: Split,
    system: Systems,
    out: Out,
    ceiling: Ceilings = None,
    replicates: Replicates = 1,
    fold: Folds = None,
    tables: Evaluated = None,
    main: Main = None,
    raw: MaybeSimulated = None,
) -> None:
    """All systems: ranking, tables beside the published ones, figures 3 to 6 and 8 of wei2020 (also as files)."""
    from myelosynth.reports.comparison import write_comparison_page

    out = output(out, [index, split], ".html")
    inputs, verdict = _compared(results, index, system, ceiling or [], replicates, fold or [], tables, main, raw)
    write_comparison_page(inputs, verdict, ceiling or [], out)


@report.command("results")
def results_document(
    results: Results,
    index: Index,
    system: Systems,
    out: Annotated[Path, typer.Option(help="Markdown document to write")],
    ceiling: Ceilings = None,
    replicates: Replicates = 1,
    fold: Folds = None,
    tables: Evaluated = None,
    main: Main = None,
    raw: MaybeSimulated = None,
    title: Annotated[str, typer.Option(help="heading of the document")] = "Measured results",
    hardware: Annotated[str | None, typer.Option(help="what the systems were trained on, in words")] = None,
) -> None:
    """The measured tables as Markdown: mean, interval, n, floors, ceilings, published values, seeds, minutes."""
    from myelosynth.images.atomic import write_text
    from myelosynth.reports.results import results_markdown

    out = output(out, [index], ".md")
    inputs, verdict = _compared(results, index, system, ceiling or [], replicates, fold or [], tables, main, raw)
    write_text(out, results_markdown(inputs, verdict, title, hardware))


def _compared(
    results: Path,
    index: Path,
    systems: list[str],
    ceilings: list[str],
    replicates: int,
    folds: list[int],
    tables: Path | None,
    main: str | None,
    raw: Path | None,
) -> "tuple[CohortInputs, Verdict]":
    """Results, tables and what they say, checked to be of the run that is asked for. Raises InputError."""
    from myelosynth.bids.index import SessionIndex
    from myelosynth.bids.layout import Layout
    from myelosynth.errors import InputError
    from myelosynth.reports.inputs import CohortInputs
    from myelosynth.reports.verdicts import Verdict

    root = _folder(results, "results folder")
    folder = _folder(tables or root / "tables", "tables folder")
    verdict = Verdict.of(folder)
    verdict.require(folder, systems, ceilings, replicates, folds)
    chosen = main or str(verdict.settings["reference"])
    if chosen not in systems:
        raise InputError("unknown main system", "--main", f"{chosen}, systems {', '.join(systems)}", "name one of them")
    data = _folder(raw, "raw data set") if raw else None
    return CohortInputs(Layout(root), SessionIndex.read(index, root), folder, tuple(systems), chosen, data), verdict


@report.command("index")
def index_table(
    results: Results,
    system: Annotated[str, typer.Option(help="system to show beside the measured PET")],
    tables: Annotated[Path | None, typer.Option(help="folder of indices.tsv; default: RESULTS/tables")] = None,
    page: Annotated[Path | None, typer.Option(help="cohort page to name; default: RESULTS/reports/cohort.html")] = None,
) -> None:
    """Print the indices of every patient, measured and predicted, and where the cohort page is."""
    from myelosynth.bids.layout import Layout
    from myelosynth.reports.terminal import print_indices

    layout = Layout(_folder(results, "results folder"))
    print_indices(layout, system, tables or layout.root / "tables", page)
