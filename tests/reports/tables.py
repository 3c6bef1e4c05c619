"""Tables of the evaluation of a made-up study, with the columns of the real ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from myelosynth.bids.layout import Layout
from myelosynth.evaluation import clinical_columns, columns
from myelosynth.evaluation.clinical_summary import Model, summarise
from myelosynth.evaluation.ranking import ranking_rows, statements
from myelosynth.evaluation.scores import all_scores
from myelosynth.evaluation.summary import agreement_rows, comparison_rows, summary_rows
from myelosynth.evaluation.tables import cell, write_table
from myelosynth.myelin.indices import COLUMNS as INDICES

SYSTEMS = ("mean-atlas", "ridge", "unet-l1", "refiner-cf-sagan-nwl1")
MAIN = SYSTEMS[-1]
MAPS = [(ses, "demyelinated") for ses in ("ses-t0", "ses-t1")]
MAPS += [("change", which) for which in ("demyelinating", "remyelinating")]


@dataclass(frozen=True)
class Study:
    """Where the made-up study lies and who is in it."""

    raw: Path
    results: Path
    patients: tuple[str, ...]
    controls: tuple[str, ...]

    @property
    def layout(self) -> Layout:
        return Layout(self.results)

    @property
    def index(self) -> Path:
        return self.layout.table("index")


def write_tsv(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False, na_rep="n/a")


def tables(study: Study) -> None:
    """Every table of the evaluation, with numbers from one seeded generator."""
    random, layout = np.random.default_rng(3), study.layout
    everybody = [*((s, "patient") for s in study.patients), *((s, "control") for s in study.controls)]
    split = [
        {"participant_id": f"sub-{s}", "group": g, "fold": fold, "role": "test" if n % 3 + 1 == fold else "train"}
        for n, (s, g) in enumerate(everybody)
        for fold in (1, 2, 3)
    ]
    write_tsv(layout.table("split"), split)
    who = {f"sub-{s}": {"age": 25 + n, "sex": "FM"[n % 2], "group": g} for n, (s, g) in enumerate(everybody)}
    write_tsv(study.raw / "participants.tsv", [{"participant_id": label, **facts} for label, facts in who.items()])
    indices, clinical = [], []
    for n, sub in enumerate(study.patients[:-1]):
        base = random.uniform(0.1, 0.2, 2)
        for system in ("true", *SYSTEMS, "retest", "noise-free", "null-scan"):
            lost, gained = np.clip(base + 0.03 * random.standard_normal(2), 0.01, 1)
            row = {"percent_t0": 0.6, "percent_t1": 0.6 + lost - gained, "global": lost - gained}
            row |= {"demyelination": lost, "remyelination": gained, "coverage": 1.0}
            indices.append({"system": system, "replicate": 1, "participant_id": f"sub-{sub}", **row})
            if system == "null-scan":
                continue
            person = {"participant_id": f"sub-{sub}", "system": system, **who[f"sub-{sub}"]}
            scores = {"edss": None if n == 0 else 1.5 + n, "msss": 4.0 + n, "t2_lesion_load_ml": 10.0 + n}
            clinical.append({**person, **scores, "follow_up": True, **row, **{i: 100 * row[i] for i in INDICES}})
    gaps = [
        {"participant_id": f"sub-{study.patients[0]}", "session_id": "t0", "system": "n/a", "missing": "EDSS"},
        {"participant_id": "sub-004", "session_id": "t1", "system": "ridge", "missing": "predicted DVR"},
    ]
    write_table(layout.table("clinical_table"), clinical_columns.TABLE, clinical, [], Gaps=gaps)
    regressions(layout, clinical)
    _score_tables(study, random, everybody, indices)


def regressions(layout: Layout, clinical: list[dict]) -> None:
    """The tables of `clinical-summary` for rows of the clinical table."""
    cells = [{name: cell(row.get(name)) for name in clinical_columns.TABLE} for row in clinical]
    made = summarise(cells, Model(main=MAIN, resamples=100), "clinical_table")
    for name, described, rows in (
        ("clinical", clinical_columns.SUMMARY, made.terms),
        ("clinical_influence", clinical_columns.INFLUENCE, made.influence),
        ("clinical_checks", clinical_columns.CHECKS, made.checks),
        ("clinical_flow", clinical_columns.FLOW, made.flow),
    ):
        write_table(layout.table(name), described, rows, [])


def _score_tables(
    study: Study, random: np.random.Generator, everybody: list[tuple[str, str]], indices: list[dict]
) -> None:
    """Scores per subject are made up; everything that follows from them is made by the evaluation itself."""
    layout, scored = study.layout, (*SYSTEMS, "retest", "noise-free")
    images = [
        _image_row(random, system, n, who, ses, reference)
        for system in scored
        for n, who in enumerate(everybody)
        for ses in ("ses-t0", "ses-t1")
        for reference in ("measured", "noise-free")
        if ses == "ses-t0" or who[0] in study.patients[:-1]
    ]
    overlap = [
        _overlap_row(random, system, sub, when, which)
        for system in (*scored, "all-positive")
        for sub in study.patients[:-1]
        for when, which in MAPS
    ]
    scores = all_scores(images, overlap, indices, ["null-scan"])
    estimates = [row for row in indices if row["system"] != "null-scan"]
    rows = {
        "image_metrics": (columns.IMAGE_METRICS, images),
        "overlap": (columns.OVERLAP, overlap),
        "indices": (columns.INDICES, indices),
        "agreement": (columns.AGREEMENT, agreement_rows(estimates)),
        "summary": (columns.SUMMARY, summary_rows(scores, seed=1, resamples=100)),
        "comparisons": (columns.COMPARISONS, comparison_rows(scores, SYSTEMS, MAIN)),
    }
    rows["ceilings"] = (columns.CEILINGS, [])
    ranking = ranking_rows(scores, rows["comparisons"][1], SYSTEMS, MAIN, 1, 100)
    rows["ranking"] = (columns.RANKING, ranking)
    gaps = [{"participant_id": "sub-004", "session_id": "t1", "system": "ridge", "missing": "predicted DVR"}]
    settings = {"systems": list(SYSTEMS), "ceilings": ["retest", "noise-free"], "reference": MAIN, "seed": 1}
    settings |= {"resamples": 100, "test_subjects": len(everybody), "replicates": 1, "folds": [1, 2, 3]}
    words = {"OracleFaults": [], "CeilingNotes": ["a note"], "Statements": statements(ranking, MAIN)}
    for name, (described, content) in rows.items():
        write_table(layout.table(name), described, content, [], Gaps=gaps, Settings=settings, **words)


def _image_row(
    random: np.random.Generator, system: str, number: int, who: tuple[str, str], ses: str, reference: str
) -> dict:
    mse = float(random.uniform(0.001, 0.004))
    values = {"mse": mse, "psnr": 25.0 + number, "ssim": 0.9, "mae": mse**0.5}
    masked = {f"{key}_masked": value for key, value in values.items()}
    regions = {"nawm_mae": 0.03, "nawm_mean_difference": 0.01, "nawm_bias": 0.01}
    if who[1] == "patient":
        regions |= {"lesion_mae": 0.04, "lesion_mean_difference": 0.02, "lesion_bias": -0.02}
    head = {"system": system, "replicate": 1, "participant_id": f"sub-{who[0]}", "session_id": ses, "group": who[1]}
    ranges = {"data_range": 1.5, "ssim_range": 1.2}
    return {**head, "fold": number % 3 + 1, "reference": reference, **values, **masked, **ranges, **regions}


def _overlap_row(random: np.random.Generator, system: str, sub: str, when: str, which: str) -> dict:
    """One DICE; that of the retest's change in sub-002 is undefined."""
    defined = (system, sub, when) != ("retest", "002", "change")
    score = {"dice": float(random.uniform(0.5, 0.9)) if defined else None, "n_true": 100, "n_predicted": 110}
    head = {"system": system, "replicate": 1, "participant_id": f"sub-{sub}", "session_id": when, "map": which}
    return {**head, "fold": 1, **score, "defined": defined}
