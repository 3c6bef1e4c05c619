"""The model card in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from myelosynth.synthesis.bundle.check import FLAG, REFUSE
from myelosynth.synthesis.bundle.metrics import POOLED, Metrics
from myelosynth.synthesis.bundle.parts import Parts

_FEW = 20


def limits_of(parts: Parts, metrics: Metrics | None, preprocessing: bool) -> list[str]:
    """What the model cannot do, in plain words; the first ones matter most."""
    learned = sum(parts.learned.values())
    lines = []
    if parts.simulated:
        lines.append("Trained on simulated data: it has never seen a real brain. Nothing it predicts is a finding.")
    lines += [
        "A predicted DVR is an estimate from MRI, not a measurement of myelin. Where the MRI does not show a loss, the "
        "prediction cannot either.",
        "The threshold of demyelination comes from "
        f"{parts.controls} healthy controls of the training study and its scanners. It does not carry over to other "
        "scanners or protocols: calibrate before comparing patients of different sites.",
        f"Images whose intensities lie beyond the training subjects' by a robust z above {FLAG:g} are flagged as out "
        f"of distribution, above {REFUSE:g} refused. Images that pass may still differ in ways that this does not see.",
    ]
    if learned < _FEW:
        lines.append(f"It learned from {learned} participants: too few to know how it does on people unlike them.")
    if metrics is None or not metrics.rows:
        lines.append("No metrics came with this bundle: how well it predicts is not known.")
    if len(parts.members) > 1:
        lines.append(
            f"The prediction is the mean of {len(parts.members)} members; the metrics are those of single members on "
            "the test subjects of their folds. The mean was not tested: the other members learned from these subjects."
        )
    if metrics and metrics.rows and not metrics.own:
        lines.append("The metrics are pooled over folds: those of the system, not of this checkpoint alone.")
    if not preprocessing:
        lines.append("How the training images were preprocessed is not recorded: the default settings are used.")
    if parts.null is None:
        lines.append(
            "No null came with this bundle: how much its indices of change are off by noise alone is not known."
        )
    lines.append("Lesions are those given as a mask at baseline; new lesions are not counted.")
    return lines


def card_text(record: Mapping[str, Any]) -> str:
    """model_card.md of a card's record."""
    data, training = record["Data"], record["Training"]
    voxel = " x ".join(f"{size:g}" for size in record["VoxelSize"])
    lines = [
        f"# Model card: {record['System']}",
        "",
        f"Predicts {record['Target']} from {', '.join(record['Sources'])} (task {record['Task']}), on voxels of "
        f"{voxel} mm.",
        "",
        "## Limits",
        "",
        *(f"- {line}" for line in record["Limits"]),
        "",
        "## Data",
        "",
        f"{'Simulated' if record['Simulated'] else 'Real'} data: {data['Scans']} scans of {_groups(data['Learned'])} "
        "to learn from. Participants who had each role in one of the members (one participant may have several):",
        "",
        "| role | participants |",
        "|---|---|",
        *(f"| {role} | {_groups(groups)} |" for role, groups in data["Participants"].items()),
        "",
        f"Control curve: {data['Controls']} controls. Folds: {', '.join(map(str, training['Folds']))}; seeds: "
        f"{', '.join(map(str, training['Seeds']))}; sha256 of the split that trained it: {training['SplitSha256']}.",
        "",
        "## Metrics",
        "",
        *_metrics(record),
        "",
        "## Files",
        "",
        "| file | sha256 |",
        "|---|---|",
        *(f"| {name} | {digest} |" for name, digest in record["Files"].items()),
        "",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in record["Versions"].items()) + ".",
        "",
        "Research software: not a medical device, not for diagnosis.",
    ]
    return "\n".join(lines) + "\n"


def _groups(groups: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {group}{'s' if number > 1 else ''}" for group, number in groups.items()) or "none"


def _whose(record: Mapping[str, Any]) -> str:
    """Whom the metrics were found on, and under which checkpoints."""
    of = record["MetricsOf"]
    folds = ", ".join(map(str, of["Folds"])) or "not told by the table"
    people = "" if of["TestSubjects"] is None else f", {of['TestSubjects']} participants"
    seeds = f" Mean over {of['Trainings']} trainings with different seeds." if of["Trainings"] > 1 else ""
    if of["Scope"] == POOLED:
        own = ", ".join(map(str, record["Training"]["Folds"]))
        told = (
            f"Pooled over the test subjects of several folds ({folds}{people}), each under the checkpoint of its fold"
        )
        return (
            f"{told}: scores of the system. Those of fold {own} alone, which this bundle holds, were not told.{seeds}"
        )
    several = len(record["Members"]) > 1
    under = "each under the member of its fold" if several else "whom this checkpoint did not learn from"
    return f"Test subjects of fold {folds}{people}, {under}.{seeds}"


def _metrics(record: Mapping[str, Any]) -> list[str]:
    rows: Sequence[Mapping[str, Any]] = record["Metrics"]
    if not rows:
        return ["None came with this bundle."]
    told = [
        _whose(record),
        "",
        "Against the measured target: mean and 95 % interval over subjects, beside floors that any model must beat and",
        "ceilings. The oracle bounds error scores against the noise-free DVR only, which are not in this table: the",
        "measured DVR has a noise bias that methods may learn. A smooth image may pass the retest.",
        "",
        "| metric | session | map | group | part | system | n | mean | 95 % interval |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        words = [row[key] for key in ("metric", "session_id", "map", "group", "part", "system")]
        interval = f"{_value(row['ci_low'])} to {_value(row['ci_high'])}"
        told.append("| " + " | ".join([*words, _value(row["n"]), _value(row["mean"]), interval]) + " |")
    return told


def _value(number: float | None) -> str:
    return "n/a" if number is None else f"{number:.4g}"
