"""Commands of the negative controls: permuted-manifest, permuted-scores, negative-controls."""

from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import output

Results = Annotated[Path, typer.Argument(help="results of the study")]
Split = Annotated[Path, typer.Option(help="TSV of `myelosynth split`")]


@app.command("permuted-manifest")
def permuted_manifest(
    results: Results,
    manifest: Annotated[Path, typer.Argument(help="TSV of `myelosynth manifest`")],
    out: Annotated[Path, typer.Argument(help="the same with another participant's PET as everybody's target, TSV")],
    split: Split,
    seed: Annotated[int, typer.Option(min=0, help="whose PET goes to whom")] = 1,
) -> None:
    """The table of training images for a negative control: each MRI beside the PET of somebody else."""
    from myelosynth.study.manifest import write_permuted_manifest

    out = output(out, [manifest, split], ".tsv")
    write_permuted_manifest(results, manifest, split, seed, out)


@app.command("permuted-scores")
def permuted_scores(
    results: Results,
    split: Split,
    system: Annotated[str, typer.Option(help="the system that learned permuted pairs, and real ones")],
    sub: Annotated[list[str], typer.Option(help="test patient with PET, label; repeat")],
    out: Annotated[Path, typer.Option(help="one row per patient and way to train, TSV")],
    floor: Annotated[str | None, typer.Option(help="system that looks at no MRI, to stand beside the two")] = None,
) -> None:
    """Lesion error and correlation of each test patient: real pairs, permuted pairs and a floor."""
    from myelosynth.bids.layout import Layout
    from myelosynth.evaluation.pair_scores import COLUMNS, pair_scores
    from myelosynth.evaluation.tables import write_table

    out = output(out, [split], ".tsv")
    rows, images = pair_scores(Layout(results), split, sub, system, floor)
    write_table(out, COLUMNS, rows, [split, *images])


@app.command("negative-controls")
def negative_controls(
    out: Annotated[Path, typer.Argument(help="one row per control, system and measure, TSV")],
    pairs: Annotated[Path | None, typer.Option(help="table of `myelosynth permuted-scores`")] = None,
    clinical: Annotated[Path | None, typer.Option(help="table of `myelosynth clinical-table`")] = None,
    nulls: Annotated[Path | None, typer.Option(help="table of `myelosynth null-table`")] = None,
    response: Annotated[list[str] | None, typer.Option(help="clinical score; repeat; default: edss, msss")] = None,
    permutations: Annotated[int, typer.Option(min=100, help="how often the scores are dealt out anew")] = 1000,
    bootstrap: Annotated[int, typer.Option(min=100, help="resamples of the patients for an interval")] = 9999,
    seed: Annotated[int, typer.Option(min=0, help="of the permutations and resamples")] = 1,
) -> None:
    """What the study says where there is nothing to find, beside what it says of the real data."""
    from myelosynth.bids.index import read_table
    from myelosynth.evaluation import negative_controls as controls
    from myelosynth.evaluation.clinical_summary import RESPONSES, Model
    from myelosynth.evaluation.null_table import read_null_table
    from myelosynth.evaluation.pair_scores import read_pair_scores
    from myelosynth.evaluation.tables import write_table

    sources = [path for path in (pairs, clinical, nulls) if path]
    out = output(out, sources, ".tsv")
    scores = read_pair_scores(pairs) if pairs else []
    if scores:
        rows = controls.pair_rows(scores, seed, bootstrap)
    else:
        rows = [controls.unmade(controls.PAIRS, "no test patient of a system that learned permuted pairs")]
    table = read_table(clinical, ("participant_id", "system")) if clinical else []
    if clinical and table:
        model = Model(response or RESPONSES, resamples=permutations, seed=seed)
        rows += controls.permuted_score_rows(table, model, clinical)
    else:
        rows.append(controls.unmade(controls.EDSS, "no clinical scores"))
    rows += controls.unchanged_rows(read_null_table(nulls) if nulls else [])
    settings = {"permutations": permutations, "bootstrap": bootstrap, "seed": seed}
    write_table(out, controls.COLUMNS, rows, sources, Settings=settings)
    for row in rows:
        if row["verdict"] in (controls.UNEXPECTED, controls.UNSHOWN):
            typer.echo(f"warning: {row['control']} {row['system']} {row['measure']}: {row['verdict']}", err=True)
