"""Our own system: ridge regression on the local context, and its residual by a cross-fitted ensemble of networks."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from myelosynth.images.fields import FieldModel, fit_field
from myelosynth.models.residual import CHUNK, Context, subsets
from myelosynth.synthesis.calibration import Calibration, calibrate, subject_score
from myelosynth.synthesis.checkpoints import Checkpoint, load_state, save_state
from myelosynth.synthesis.config import ResidualContext
from myelosynth.synthesis.data.manifest import Scan
from myelosynth.synthesis.data.split import assign_folds
from myelosynth.synthesis.data.subjects import Statistics, Subject, load_subject
from myelosynth.synthesis.engine.logs import write_log
from myelosynth.synthesis.engine.reproducibility import derived_seed, fingerprint_of, make_deterministic
from myelosynth.synthesis.fitness import voxel_mm
from myelosynth.synthesis.systems.base import Prediction, PredictionInputs, System, Trained, TrainingJob
from myelosynth.synthesis.systems.residual_members import HeldOut, Member, fit_member, key_of, sample_voxels


class ResidualContextSystem(System):
    """K members, each trained without one part of the training participants; their mean is the prediction.

    A member predicts a voxel from its neighbourhood: a ridge regression with products of sources, and a small network
    for what is left. Any subset of the sources will do. How much of the network's correction is used with a subset
    (`trust`, 0 to 1), and the factor of the SD, are found on participants that a member never saw: those of its own
    part and, since nobody learns from them, the validation participants, dealt over the members.
    """

    losses = ("huber",)
    spread = True
    optional_sources = True

    def train(self, job: TrainingJob) -> Trained:
        """Raises InputError for a preset without `residual_context`."""
        make_deterministic(job.device)
        settings = job.preset.own
        training = [(scan, load_subject(scan, job.task)) for scan in job.scans.training]
        parts = inner_parts(job, settings.members)
        members = _train_members(job, settings, training, parts)
        held_out = _held_out(job, settings, training, parts, members)
        choices = subsets(len(job.task.sources))
        trust = {key_of(present): _trust(held_out, key_of(present)) for present in choices}
        calibration = {key: _calibrate(held_out, key, share, settings.confidence) for key, share in trust.items()}
        whole = key_of(choices[-1])
        correlation = _correlation(held_out, trust[whole], calibration[whole])
        content = {
            "sources": len(job.task.sources),
            "radius": settings.radius,
            "hidden": settings.hidden,
            "members": [member.state() for member in members],
            "trust": trust,
            "calibration": {key: found.record() for key, found in calibration.items()},
            "correlation": correlation.record(),
            "voxel_mm": voxel_mm([subject for _, subject in training]),
        }
        report = {
            "Members": len(members),
            "MemberParameters": sum(p.numel() for p in members[0].network.parameters()),
            "InnerParts": {participant: part + 1 for participant, part in parts.items()},
            "Trust": trust[whole],
            "Calibration": calibration[whole].record(),
            "ErrorCorrelation": correlation.record(),
            "HeldOutMSE": _mean_square(held_out, trust[whole]),
        }
        return Trained(job.checkpoint(content), report)

    def predict(self, checkpoint: Checkpoint, inputs: PredictionInputs, device: torch.device) -> Prediction:
        """The members' mean and the calibrated SD from the sources that are there; others may be missing."""
        make_deterministic(device)
        content = checkpoint.content
        context = Context(content["sources"], content["radius"])
        present = tuple(number for number, name in enumerate(checkpoint.sources) if name in inputs.images)
        key = key_of(present)
        nothing = np.zeros(inputs.mask.shape, np.float32)
        sources = np.stack([inputs.images.get(name, nothing) for name in checkpoint.sources])
        voxels = np.argwhere(inputs.mask)
        means, variances = [], []
        for state in content["members"]:
            member = Member.of_state(context, content["hidden"], state, device)
            images = member.normalise(sources, inputs.mask, present, device)
            found = []
            for chunk in np.array_split(voxels, -(-len(voxels) // CHUNK)):
                ridge, residual, std = member.parts(context.of(images, inputs.mask, chunk), present)
                found.append(torch.stack((ridge + content["trust"][key] * residual, std.square())))
            mean, variance = torch.cat(found, 1)
            means.append(mean)
            variances.append(variance)
        together = torch.stack(means)
        # Without the members' differences: the error of an unseen subject, to which the SD was fitted, holds them.
        variance = torch.stack(variances).mean(0)
        predicted, spread = nothing.copy(), nothing.copy()
        # Negative distribution volumes do not exist.
        predicted[inputs.mask] = together.mean(0).clamp(min=0).cpu().numpy()
        spread[inputs.mask] = (content["calibration"][key]["factor"] * variance.sqrt()).cpu().numpy()
        record = {"Calibration": content["calibration"][key], "ErrorCorrelation": content["correlation"]}
        return Prediction(predicted, spread, spread_record=record)


def inner_parts(job: TrainingJob, members: int) -> dict[str, int]:
    """The part (from 0) of every training participant, dealt by group; a member a part, fewer where people are few."""
    people = list(dict.fromkeys(scan.participant for scan in job.scans.training))
    groups = {participant: job.fold.groups[participant] for participant in people}
    rows = assign_folds(groups, min(members, len(people)), 0, job.seed)
    return {row.participant: row.fold - 1 for row in rows if row.role == "test"}


def _train_members(
    job: TrainingJob, settings: ResidualContext, training: list[tuple[Scan, Subject]], parts: dict[str, int]
) -> list[Member]:
    """Train the members in turn; those that `last.pt` holds from the same training are taken from it."""
    context = Context(len(job.task.sources), settings.radius)
    arrays = [array for _, s in training for array in (s.sources, s.target, s.mask, s.regions)]
    origin = {"residual": settings.model_dump(), "seed": job.seed, "split": job.fold.sha256, "parts": parts}
    fingerprint = fingerprint_of({**origin, "device": job.device.type}, arrays)
    last = job.out / "last.pt"
    states, rows = list[dict[str, Any]](), list[dict[str, Any]]()
    if job.resume and last.is_file() and (saved := load_state(last)).get("fingerprint") == fingerprint:
        states, rows = saved["members"], saved["log"]
    for number in range(len(states), max(parts.values()) + 1):
        seen = [subject for scan, subject in training if parts[scan.participant] != number]
        statistics = Statistics.of(seen, job.task.sources)
        seed = derived_seed(job.seed, number)
        samples = [
            sample_voxels(subject, statistics, context, settings.voxels, (seed, count), job.device)
            for count, subject in enumerate(seen)
        ]
        member, curve = fit_member(context, settings, statistics, samples, seed)
        states.append(member.state())
        rows += [{**row, "step": row["step"] + number * settings.steps} for row in curve]
        save_state(last, {"fingerprint": fingerprint, "members": states, "log": rows})
        write_log(job.out / "log.tsv", rows)
    return [Member.of_state(context, settings.hidden, state, job.device) for state in states]


def _held_out(
    job: TrainingJob,
    settings: ResidualContext,
    training: list[tuple[Scan, Subject]],
    parts: dict[str, int],
    members: list[Member],
) -> dict[str, list[HeldOut]]:
    """Training participants under the member of their part, validation participants under one member each."""
    order = {p: n for n, p in enumerate(dict.fromkeys(scan.participant for scan in job.scans.validation))}
    owners = {**parts, **{participant: number % len(members) for participant, number in order.items()}}
    everybody = [*training, *((scan, load_subject(scan, job.task)) for scan in job.scans.validation)]
    found: dict[str, list[HeldOut]] = {}
    for number, (scan, subject) in enumerate(everybody):
        seed = derived_seed(job.seed, number)
        checked = HeldOut.of(members[owners[scan.participant]], subject, settings.voxels, seed, job.device)
        found.setdefault(scan.participant, []).append(checked)
    return found


def _trust(held_out: dict[str, list[HeldOut]], key: str) -> float:
    """The share of the correction, 0 to 1, with the least squared error on unseen participants."""
    parts = [scan.some[key] for scans in held_out.values() for scan in scans]
    wanted = sum(float(-(error * residual).mean()) for error, residual, _ in parts)
    made = sum(float(residual.square().mean()) for _, residual, _ in parts)
    return min(max(wanted / made, 0.0), 1.0) if made > 0 else 0.0


def _calibrate(held_out: dict[str, list[HeldOut]], key: str, trust: float, confidence: float) -> Calibration:
    """The conformal factor; a participant with several scans has the score of its worst."""
    scores = []
    for scans in held_out.values():
        parts = [scan.some[key] for scan in scans]
        scores.append(max(subject_score((e + trust * r).numpy(), std.numpy()) for e, r, std in parts))
    return calibrate(scores, confidence)


def _standardised(scan: HeldOut, trust: float, factor: float) -> NDArray[np.float32]:
    """Errors (X, Y, Z) of a whole brain in units of the calibrated SD."""
    error, residual, std = scan.whole
    image = np.zeros(scan.subject.mask.shape, np.float32)
    image[scan.subject.mask] = ((error + trust * residual) / (factor * std)).numpy()
    return image


def _correlation(held_out: dict[str, list[HeldOut]], trust: float, calibration: Calibration) -> FieldModel:
    """How errors of neighbouring voxels hang together, in mm; all scans are taken to have the first one's voxels."""
    scans = [scan for scans in held_out.values() for scan in scans]
    errors = [_standardised(scan, trust, calibration.factor) for scan in scans]
    return fit_field(errors, [scan.subject.mask for scan in scans], scans[0].subject.grid.voxel_sizes)


def _mean_square(held_out: dict[str, list[HeldOut]], trust: float) -> float:
    """Mean squared error of unseen participants' brains, each scan weighing the same."""
    parts = [scan.whole for scans in held_out.values() for scan in scans]
    return float(np.mean([float((error + trust * residual).square().mean()) for error, residual, _ in parts]))
