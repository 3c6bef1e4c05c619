"""A made-up study with everything that an audit reads: Snakemake's records, logs, sidecars, a split, checkpoints."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from myelosynth.audit.record import parse, ran, seal, software
from myelosynth.audit.study import audit
from myelosynth.bids.index import IndexRow
from myelosynth.bids.names import sidecar_path
from myelosynth.study.manifest import COLUMNS as OF_MANIFEST

ROLES = {
    1: {"01": "test", "02": "test", "03": "train", "04": "validation", "05": "test", "06": "train"},
    2: {"01": "train", "02": "validation", "03": "test", "04": "test", "05": "train", "06": "test"},
}
FOLD_OF = {sub: fold for fold, roles in ROLES.items() for sub, role in roles.items() if role == "test"}
CURVE = {1: ["06"], 2: ["05"]}
DERIVED = "results/derivatives/myelosynth"


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def learners(fold):
    return [sub for sub, role in ROLES[fold].items() if role != "test"]


def raw(sub, ses="t0"):
    return f"data/raw/sub-{sub}/ses-{ses}/pet/sub-{sub}_ses-{ses}_trc-11CPIB_pet.nii.gz"


def dvr(sub, ses="t0"):
    return f"{DERIVED}/sub-{sub}/ses-{ses}/pet/sub-{sub}_ses-{ses}_space-dvrt0_desc-dvr_pet.nii.gz"


def reference(sub, ses="t0"):
    return f"results/work/sub-{sub}/ses-{ses}/pet_gm.nii.gz"


def predicted(sub, ses="t0"):
    return f"results/derivatives/ridge/sub-{sub}/ses-{ses}/pet/sub-{sub}_ses-{ses}_desc-predDvr_pet.nii.gz"


def indices(sub):
    return f"{DERIVED}/sub-{sub}/ses-t1/anat/sub-{sub}_ses-t1_seg-myelinChange_desc-true_indices.tsv"


def model(name, fold, inner=None):
    return f"results/models/{name}/fold-{fold}/{f'inner-{inner}/' if inner else ''}checkpoint.pt"


def sketch(sub):
    return f"results/models/ridge/fold-1/sketches/sub-{sub}_ses-t0.nii.gz"


def checkpoint(path, fold, train, validation=()):
    from myelosynth.synthesis.checkpoints import Checkpoint

    people = {"train": [f"sub-{s}" for s in train], "validation": [f"sub-{s}" for s in validation]}
    Checkpoint("ridge", "l2", "myelin", ["FA"], "DVR", fold, 1, "0" * 64, people, {}).save(path)


@dataclass
class MadeUp:
    """A study on disk; `inputs`, `reads`, `told`: what a job (by its first output) declares, opens, names besides.

    `options`: what stands on its command line besides; `ran`: what its log tells to have run.
    """

    root: Path
    inputs: dict[str, list[str]] = field(default_factory=dict)
    reads: dict[str, list[str]] = field(default_factory=dict)
    told: dict[str, dict] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    ran: dict[str, str] = field(default_factory=dict)
    recorded: bool = True

    @property
    def results(self):
        return self.root / "results"

    def audit(self):
        return audit(self.results, self.root)

    def violations(self):
        """What is violated, and where."""
        return {(one.what, one.where) for one in self.audit().violations}

    def path(self, name):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def text(self, name, text):
        self.path(name).write_text(text)
        return name

    def job(self, rule, inputs, outputs, **fields):
        """Run one job: outputs are names to text, or names of files that are there; `fields` of the first's sidecar."""
        for name, text in dict(outputs).items():
            if text is not None:
                self.text(name, text)
        first = next(iter(outputs))
        inputs = [*inputs, *self.inputs.get(first, [])]
        sidecar = str(sidecar_path(Path(first)))
        sources = {Path(name): sha(self.root / name) for name in inputs}
        up = len(Path(first).parts) - 1
        record = {f"{'../' * up}{name}": digest for name, digest in sources.items()}
        fields = {**fields, **self.told.get(first, {})}
        makers = [{"Name": "myelosynth", "Version": "0.1.0"}, {"Name": "antspyx", "Version": "0.6"}]
        if sidecar != first:
            self.text(sidecar, json.dumps({"GeneratedBy": makers, "SourcesSHA256": record, **fields}))
        log = f"results/logs/{rule}/{Path(first).name}-{hashlib.md5(first.encode()).hexdigest()[:6]}.log"
        command = " ".join(["myelosynth", rule, first, *filter(None, [self.options.get(first)]), f"> {log} 2>&1"])
        read = [*inputs, *self.reads.get(first, [])]
        told = [f"read sha256={sha(self.root / name)} {name}" for name in read]
        told += [f"wrote sha256={sha(self.root / name)} {name}" for name in dict.fromkeys([*outputs, sidecar])]
        told.append(f"ran {self.ran.get(first) or ran(command.partition(' > ')[0].split()[1:])}")
        told.append(f"with {' '.join(f'{key}={value}' for key, value in VERSIONS.items())}")
        self.text(log, seal(told, b"a word\n") if self.recorded else "a word\n")
        if self.recorded:
            self.path(log).write_bytes(b"a word\n" + self.path(log).read_bytes())
            assert parse(self.path(log).read_bytes()).faults == []
        self.text(log.replace("logs/", "benchmarks/").removesuffix(".log") + ".tsv", "s\n1\n")
        for output in outputs:
            entry = {"rule": rule, "shellcmd": command, "input": inputs, "log": [log], "starttime": 1.0, "endtime": 2.0}
            entry["input_checksums"] = {name: f"sha256:{sha(self.root / name)}" for name in inputs}
            self.write_metadata(output, entry)

    def write_metadata(self, output, entry):
        name = base64.urlsafe_b64encode(output.encode()).decode()
        parts = [name[start : start + 254] for start in range(0, len(name), 254)]
        folders = [f"@{part}" for part in parts[:-1]]
        self.text("/".join([".snakemake/metadata", *folders, parts[-1]]), json.dumps(entry))


VERSIONS = software()


def build(study):
    """Everything from raw images to a page."""
    people = list(FOLD_OF)
    roster = "participant_id\tgroup\tage\n" + "".join(f"sub-{sub}\tpatient\t40\n" for sub in people)
    study.text("data/raw/participants.tsv", roster)
    study.text("data/raw/phenotype/edss.tsv", "participant_id\tedss\n")
    images = [study.text(raw(sub, ses), f"raw {sub} {ses}") for sub in people for ses in ("t0", "t1")]
    rows = [("sub-" + sub, "ses-t0", "patient", "PET", raw(sub).removeprefix("data/raw/"), "present") for sub in people]
    index, split = "results/tables/index.tsv", "results/tables/split.tsv"
    manifest, listed = "results/tables/manifest.tsv", "results/tables/participants.tsv"
    study.job("check", ["data/raw/participants.tsv", *images], {index: table(IndexRow._fields, rows)})
    description = f"{DERIVED}/dataset_description.json"
    links = json.dumps({"Name": "made up", "DatasetLinks": {"raw": "../../../data/raw"}})
    study.job("describe", ["data/raw/participants.tsv"], {description: links})
    for sub in people:
        for ses in ("t0", "t1"):
            early = reference(sub, ses)
            study.job("reference_region", [raw(sub, ses)], {early: f"early {sub} {ses}"})
            study.job("dvr", [index, raw(sub, ses), early], {dvr(sub, ses): f"dvr {sub} {ses}"})
    rows = [(f"sub-{sub}", "ses-t0", "DVR", dvr(sub), dvr(sub), "", "") for sub in people]
    people_table = table(("participant_id", "group"), [(f"sub-{sub}", "patient") for sub in people])
    made = {manifest: table(OF_MANIFEST, rows), listed: people_table}
    study.job("manifest", [index, "data/raw/participants.tsv", *map(dvr, people)], made)
    rows = [(f"sub-{sub}", "patient", fold, role) for fold, roles in ROLES.items() for sub, role in roles.items()]
    study.job("split", [listed], {split: table(("participant_id", "group", "fold", "role"), rows)})
    learn(study, split, manifest)
    for sub in people:
        for ses in ("t0", "t1"):
            best = model("ridge", FOLD_OF[sub])
            record = {"CheckpointSha256": sha(study.root / best)}
            study.job("predict", [best, index, dvr(sub)], {predicted(sub, ses): f"predicted {sub} {ses}"}, **record)
        curve = f"results/tables/curve_fold-{FOLD_OF[sub]}.tsv"
        study.job("change", [dvr(sub), dvr(sub, "t1"), curve], {indices(sub): f"global\n0.{sub}\n"})
    inputs = [split, index, *map(indices, people), *map(predicted, people)]
    study.job("evaluate", inputs, {"results/tables/summary.tsv": "mean\n1\n", "results/tables/indices.tsv": "x\n1\n"})
    study.job("cohort_page", ["results/tables/summary.tsv"], {"results/reports/cohort.html": "<p>page</p>"})
    return study


def learn(study, split, manifest):
    """Checkpoints, inner ones with their sketches, curves, thresholds."""
    for fold in (1, 2):
        train = [sub for sub in learners(fold) if ROLES[fold][sub] == "train"]
        chosen = [sub for sub in learners(fold) if ROLES[fold][sub] == "validation"]
        scans = {
            "TrainingScans": [f"sub-{s}_ses-t0" for s in train],
            "ValidationScans": [f"sub-{s}_ses-t0" for s in chosen],
        }
        images = [dvr(sub) for sub in learners(fold)]
        best = model("ridge", fold)
        checkpoint(study.path(best), fold, train, chosen)
        told = {**scans, "CheckpointSha256": sha(study.root / best), "SplitSha256": sha(study.root / split)}
        study.job("train", [split, manifest, *images], {best: None}, **told)
        curve = f"results/tables/curve_fold-{fold}.tsv"
        named = {"Participants": [f"sub-{sub}" for sub in CURVE[fold]], "SplitSha256": sha(study.root / split)}
        study.job("myelin_curve", [split, *map(dvr, CURVE[fold])], {curve: f"mean\n1.{fold}\n"}, **named)
        noise = f"results/tables/retest_noise_fold-{fold}.tsv"
        study.job(
            "retest_noise",
            [split, *map(dvr, train)],
            {noise: f"sd\n.{fold}\n"},
            Participants=[f"sub-{s}" for s in train],
        )
    for inner, (sub, other) in enumerate((("03", "06"), ("06", "03")), 1):
        nested = model("ridge", 1, inner)
        checkpoint(study.path(nested), inner, [other])
        study.job("train_inner", [split, manifest, dvr(other)], {nested: None}, TrainingScans=[f"sub-{other}_ses-t0"])
        study.job(
            "sketch", [nested, dvr(sub)], {sketch(sub): f"sketch {sub}"}, Participants={"train": [f"sub-{other}"]}
        )
    refiner = model("refiner", 1)
    checkpoint(study.path(refiner), 1, ["03", "06"], ["04"])
    images = [dvr(sub) for sub in learners(1)]
    study.job("train", [split, manifest, model("ridge", 1), sketch("03"), sketch("06"), *images], {refiner: None})


def table(columns, rows):
    return "".join("\t".join(map(str, row)) + "\n" for row in (columns, *rows))
