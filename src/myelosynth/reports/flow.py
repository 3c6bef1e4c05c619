"""Who is in the study: flow of subjects, gaps, demography."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from myelosynth.bids.index import BASELINE, COVERS, FOLLOW_UP, GROUPS, TARGET
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.ready import READY
from myelosynth.bids.sidecar import read_json
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.sidecars import record_of
from myelosynth.reports.tables import MISSING, Table, count, number, read_table, word


@dataclass(frozen=True)
class Stage:
    """One station of the flow: how many subjects of each group arrive."""

    words: str
    patients: int
    controls: int


def flow(cohort: CohortInputs, split: Path) -> list[Stage]:
    """Subjects from the data set to the regressions, counted from index, split and tables."""
    index, groups = cohort.index, cohort.index.groups

    def stage(words: str, labels: Iterable[str]) -> Stage:
        found = {str(label).removeprefix("sub-") for label in labels}
        counts = [sum(groups.get(label) == group for label in found) for group in GROUPS]
        return Stage(words, *counts)

    def having(ses: str, *contrasts: str) -> list[str]:
        return [sub for sub in groups if index.has(sub, ses, *contrasts)]

    def mapped(sub: str) -> bool:
        needed = {name: COVERS[name] for name in (*cohort.sources, TARGET)}
        return all(
            index.has(sub, BASELINE, name) or index.has(sub, BASELINE, *made_of) for name, made_of in needed.items()
        )

    raw = dict.fromkeys(image.removesuffix("on").removesuffix("off") for s in cohort.sources for image in COVERS[s])

    stages = [
        stage("in the data set", groups),
        stage("T1w at t0", having(BASELINE, "T1w")),
        stage(f"{', '.join(raw)} and PET at t0, or ready maps", filter(mapped, groups)),
    ]
    given = [sub for sub in groups for ses in index.sessions(sub) for kind in READY if index.has(sub, ses, kind)]
    if given:
        stages.append(stage("with masks or maps ready, given by the data set", given))
    table = read_table(split, ("participant_id", "fold", "role"))
    if table is not None:
        stages.append(stage("in the split", table["participant_id"]))
    images, indices, clinical = (cohort.table(name) for name in ("image_metrics", "indices", "clinical"))
    own = images[images["system"] == cohort.main]
    for ses in (BASELINE, FOLLOW_UP):
        stages.append(stage(f"predicted and measured at {ses}", own[own["session_id"] == f"ses-{ses}"].participant_id))
    known = indices[(indices["system"] == cohort.main) & indices["global"].notna()]
    stages.append(stage("with change indices", known.participant_id))
    explained = clinical[(clinical["system"] == cohort.main) & (clinical["response"] == "edss")]
    fitted = explained["n"].max() if len(explained) else None
    if fitted is not None and pd.notna(fitted):
        stages.append(Stage("in the EDSS regression", int(fitted), 0))
    return stages


def gap_table(cohort: CohortInputs) -> Table:
    """What the index lacks, one row per session; controls have no follow-up, so its absence is no gap."""
    missing: dict[tuple[str, str, str], list[str]] = {}
    for row in cohort.index.gaps():
        sub, ses = row.participant_id[4:], row.session_id[4:]
        if row.group != GROUPS[0] and ses != BASELINE and ses not in cohort.index.sessions(sub):
            continue
        missing.setdefault((row.participant_id, row.session_id, row.group), []).append(row.contrast)
    rows = [[who, ses.removeprefix("ses-"), group, ", ".join(what)] for (who, ses, group), what in missing.items()]
    return Table(("Participant", "Session", "Group", "Absent"), rows, "Gaps in the data set", text_columns=4)


def brain_faults(cohort: CohortInputs) -> Table:
    """Sessions whose brain mask did not pass its gate and was kept all the same, from the masks' sidecars."""
    rows = []
    for sub in cohort.index.groups:
        for ses in cohort.index.sessions(sub):
            quality = record_of(cohort.layout.brain_mask(sub, ses)).get("QualityControl", {})
            if quality and not quality.get("Passed"):
                rows.append([f"sub-{sub}", ses, "; ".join(quality.get("Faults", []))])
    heads = ("Participant", "Session", "Out of the limits")
    return Table(heads, rows, "Brain masks kept though implausible", ["warn"] * len(rows), text_columns=3)


def evaluation_gaps(cohort: CohortInputs) -> Table:
    """What the evaluation and the regressions missed, from the sidecars of their tables."""
    keys = ("participant_id", "session_id", "system", "missing")
    rows: list[list[str]] = []
    for name in ("image_metrics", "clinical_table"):
        sidecar = sidecar_path(cohort.tables / f"{name}.tsv")
        listed = read_json(sidecar).get("Gaps", []) if sidecar.is_file() else []
        found = [[word(gap.get(key)) for key in keys] for gap in listed]
        rows += [row for row in found if row not in rows]
    return Table(("Participant", "Session", "System", "Missing"), rows, "Left out of the evaluation", text_columns=4)


def demography(cohort: CohortInputs) -> Table:
    """Age, sex, scores and lesion load of patients; age and sex of controls where the raw data set is given."""
    people = read_table(cohort.raw / "participants.tsv", ("participant_id",)) if cohort.raw else None
    clinical = cohort.table("clinical_table").drop_duplicates("participant_id")
    columns: list[pd.DataFrame] = []
    for group in GROUPS:
        ids = [f"sub-{sub}" for sub in cohort.index.participants(group)]
        known = people[people["participant_id"].isin(ids)] if people is not None else None
        frame = known if known is not None else clinical[clinical["participant_id"].isin(ids)]
        scores = clinical[clinical["participant_id"].isin(ids)]
        extra = [c for c in ("edss", "msss", "t2_lesion_load_ml") if c not in frame.columns]
        columns.append(frame.merge(scores[["participant_id", *extra]], on="participant_id", how="left"))
    rows = [["Listed in the index", *(count(len(cohort.index.participants(group))) for group in GROUPS)]]
    described: Sequence[tuple[str, str, Callable[[pd.Series], str]]] = (
        ("Women", "sex", _women),
        ("Age (years), mean ± SD (range)", "age", _mean),
        ("EDSS at t0 (points), median (range)", "edss", _median),
        ("MSSS at t0 (points), median (range)", "msss", _median),
        ("T2 lesion load at t0 (ml), median (quartiles)", "t2_lesion_load_ml", _quartiles),
    )
    for words, column, show in described:
        rows.append([words, *(show(frame[column].dropna()) if column in frame else MISSING for frame in columns)])
    notes = () if people is not None else ("Controls: age and sex are not shown, since no raw data set was given.",)
    return Table(("", "Patients", "Controls"), rows, "Cohort", notes=notes)


def _women(sex: pd.Series) -> str:
    if sex.empty:
        return MISSING
    women = int(sex.astype(str).str.upper().str.startswith("F").sum())
    return f"{women} of {len(sex)} ({100 * women / len(sex):.0f} %)"


def _mean(values: pd.Series) -> str:
    if values.empty:
        return MISSING
    told = (
        f"{number(values.mean(), 1)} ± {number(values.std(), 1)} ({number(values.min(), 0)}–{number(values.max(), 0)})"
    )
    return f"{told}, n = {len(values)}"


def _median(values: pd.Series) -> str:
    if values.empty:
        return MISSING
    return f"{number(values.median(), 1)} ({number(values.min(), 1)}–{number(values.max(), 1)}), n = {len(values)}"


def _quartiles(values: pd.Series) -> str:
    if values.empty:
        return MISSING
    low, middle, high = values.quantile([0.25, 0.5, 0.75])
    return f"{number(middle, 1)} ({number(low, 1)}–{number(high, 1)}), n = {len(values)}"
