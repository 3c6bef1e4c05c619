"""Violations planted in a finished study, each found in one line; the clean study has none."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from myelosynth.audit.record import seal
from myelosynth.audit.study import audit

from . import made_up as made
from .made_up import dvr, indices, model, predicted, raw, reference, sketch

SPLIT = "results/tables/split.tsv"
HEAD = b"participant_id\tgroup\tfold\trole"
CURVE_1 = "results/tables/curve_fold-1.tsv"


def test_a_clean_study_has_no_violation_though_everybody_is_in_its_bookkeeping(study):
    found = study.audit()
    assert found.violations == []
    (line,) = found.gaps
    assert line.startswith("no plan is filed")
    assert set(found.checks.values()) == {0}
    by_file = {one.file: one for one in found.proof}
    curve, best = by_file[CURVE_1], by_file[model("ridge", 1)]
    assert (curve.reached, curve.opened, curve.told) == (["sub-06"], ["sub-06"], ["sub-06"])
    assert best.reached == best.opened == best.told == ["sub-03", "sub-04", "sub-06"]
    assert (best.fitted, best.chosen) == (["sub-03", "sub-06"], ["sub-04"])
    assert by_file[model("refiner", 1)].reached == best.reached
    assert by_file[sketch("03")].reached == ["sub-03", "sub-06"]
    assert {one.kind for one in found.proof} == {
        "checkpoint",
        "checkpoint of an inner fold",
        "control curve",
        "sketch for a Refiner",
        "threshold of change",
    }


def test_an_edited_split(study):
    path = study.root / SPLIT
    rows = path.read_text().replace("sub-01\tpatient\t1\ttest", "sub-01\tpatient\t1\ttrain")
    path.write_text(rows.replace("sub-06\tpatient\t1\ttrain", "sub-06\tpatient\t1\ttest"))
    found = study.violations()
    assert ("file changed after it was written", SPLIT) in found
    assert ("leak: control curve of test subjects", CURVE_1) in found
    assert ("leak: checkpoint of test subjects", model("ridge", 1)) in found
    assert ("split does not keep subjects apart", SPLIT) in found


def test_a_swapped_checkpoint(study):
    shutil.copy(study.root / model("ridge", 2), study.root / model("ridge", 1))
    found = study.violations()
    assert ("file changed after it was written", model("ridge", 1)) in found
    assert ("checkpoint of another fold", model("ridge", 1)) in found
    assert ("leak: checkpoint of test subjects", model("ridge", 1)) in found


def test_a_checkpoint_that_is_none(study):
    (study.root / model("ridge", 1)).write_bytes(b"no zip")
    assert ("checkpoint cannot be read", model("ridge", 1)) in study.violations()


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("results/tables/summary.tsv", "file changed after it was written"),
        ("results/reports/cohort.html", "file changed after it was written"),
        (indices("01"), "file changed after it was written"),
        (dvr("03"), "file changed after it was written"),
        ("results/tables/summary.json", "file changed after it was written"),
        (raw("03"), "file changed after it was read"),
    ],
)
def test_a_file_that_was_touched_after_the_run(study, path, what):
    with (study.root / path).open("a") as stream:
        stream.write(" ")
    assert study.violations() == {(what, path)}
    (one,) = study.audit().violations
    assert "SHA-256 now" in one.values


def rewritten(study, rule, before, after):
    """The record of the job of a rule that tells one checksum tells another."""
    log = next(log for log in (study.root / "results/logs" / rule).iterdir() if before in log.read_text())
    body = [line.removeprefix("record: ") for line in log.read_text().replace(before, after).splitlines()[1:-1]]
    log.write_text("a word\n" + made.seal(body, b"a word\n"))


def test_a_file_that_was_touched_with_its_log_rewritten(study):
    """Whoever read the file, its sidecars and Snakemake's own records still tell what it was."""
    path = dvr("03")
    before = made.sha(study.root / path)
    (study.root / path).write_text("another")
    after = made.sha(study.root / path)
    rewritten(study, "dvr", before, after)
    assert study.violations() == {("file was another when it was read", path)}


@pytest.mark.parametrize("how", ["inputs", "reads", "told"])
def test_a_test_subject_in_a_control_curve(changed_study, how):
    """Declared, opened without being declared, or named by the sidecar alone."""
    more = {"Participants": ["sub-06", "sub-01"]} if how == "told" else [dvr("01")]
    found = changed_study(**{how: {CURVE_1: more}}).violations()
    assert ("leak: control curve of test subjects", CURVE_1) in found
    others = {what for what, where in found if where != CURVE_1}
    assert others <= {"leak: result of a subject who was learned from"}


@pytest.mark.parametrize(
    ("learned", "more"),
    [
        (model("ridge", 1), dvr("02", "t1")),  # the other session of a test subject is the subject
        (model("ridge", 1, 2), dvr("01")),
        (sketch("03"), raw("05")),
        ("results/tables/retest_noise_fold-1.tsv", raw("01")),
        (model("ridge", 1), "data/raw/phenotype/edss.tsv"),
        (model("ridge", 1), "data/raw/participants.tsv"),
    ],
)
@pytest.mark.parametrize("how", ["inputs", "reads"])
def test_a_test_subject_in_anything_else_that_a_fold_learns(changed_study, how, learned, more):
    found = changed_study(**{how: {learned: [more]}}).violations()
    assert any(what.startswith("leak: ") and where == learned for what, where in found)
    downstream = model("refiner", 1)
    assert ("leak: checkpoint of test subjects", downstream) in found or "retest" in learned or "data/raw" in more


def test_a_sketch_by_a_sketcher_that_saw_its_participant(changed_study):
    nested = model("ridge", 1, 1)
    found = changed_study(reads={nested: [dvr("03")]}).violations()
    assert found == {("leak: result of a subject who was learned from", sketch("03"))}


def test_a_prediction_by_the_model_of_another_fold(changed_study):
    found = changed_study(inputs={predicted("01", "t1"): [model("ridge", 2)]}).violations()
    assert found == {("leak: result of a subject who was learned from", predicted("01", "t1"))}


def test_a_manifest_that_calls_one_participants_image_anothers(study):
    path = study.root / "results/tables/manifest.tsv"
    path.write_text(path.read_text().replace(f"DVR\t{dvr('03')}", f"DVR\t{dvr('01')}"))
    assert ("row of one participant names a file of another", "results/tables/manifest.tsv") in study.violations()


def test_a_bookkeeping_table_with_a_measurement(study):
    path = study.root / "results/tables/participants.tsv"
    path.write_text("".join(f"{line}\t40\n" for line in path.read_text().splitlines()))
    assert ("bookkeeping table with other columns", "results/tables/participants.tsv") in study.violations()


def test_one_image_under_two_participants(study):
    (study.root / raw("03")).write_bytes((study.root / raw("01")).read_bytes())
    assert ("one image under two participants", raw("01")) in study.violations()


def test_one_uncompressed_image_under_two_participants(study):
    images = [raw(sub).removesuffix(".gz") for sub in ("01", "03")]
    for image in images:
        study.text(image, "the same")
    study.job("look", images, {"results/tables/look.tsv": "x\n"})
    assert study.violations() == {("one image under two participants", images[0])}


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("results/tables/extra.tsv", "file that no rule made"),
        (f"{made.DERIVED}/sub-01/notes.txt", "file that no rule made"),
        ("results/tables/.part-node-12-x/summary.tsv", "leftover of an interrupted job"),
    ],
)
def test_an_extra_file(study, path, what):
    study.text(path, "extra")
    assert study.violations() == {(what, path)}


@pytest.mark.parametrize(
    "path", ["results/tables/summary.tsv", dvr("04"), "results/tables/summary.json", model("ridge", 2)]
)
def test_a_missing_file(study, path):
    (study.root / path).unlink()
    assert ("file missing", path) in study.violations()


def test_intermediates_that_are_not_kept_are_told_and_their_checksums_compared(study):
    before = made.sha(study.root / reference("03"))
    for sub in made.FOLD_OF:
        (study.root / reference(sub)).unlink()
    found = study.audit()
    assert found.violations == []
    assert "6 intermediate files are not kept: of their bytes the recorded checksums tell" in found.gaps
    rewritten(study, "reference_region", before, "0" * 64)
    assert ("file was another when it was read", reference("03")) in study.violations()


@pytest.mark.parametrize("name", ["permuted_dvr.nii.gz", "pet_gm.json", "petref.nii.gz"])
def test_a_missing_intermediate_that_no_setting_removes(study, name):
    path = str(Path(reference("03")).with_name(name))
    if name != "pet_gm.json":
        study.job("another", [raw("03")], {path: "bytes"})
    (study.root / path).unlink()
    assert ("file missing", path) in study.violations()


def test_a_missing_intermediate_of_a_study_without_records(changed_study):
    study = changed_study(recorded=False)
    (study.root / reference("03")).unlink()
    assert ("file missing", reference("03")) in study.violations()


def test_a_missing_edited_or_emptied_log(study):
    logs = sorted((study.root / "results/logs/dvr").iterdir())
    logs[0].unlink()
    logs[1].write_bytes(logs[1].read_bytes().replace(b"a word", b"a work"))
    logs[2].write_text("a word\n")
    names = [str(log.relative_to(study.root)) for log in logs]
    whats = ("log missing", "record edited", "no record in the log")
    assert study.violations() == set(zip(whats, names, strict=False))


def test_a_study_without_records_says_what_it_cannot_prove(changed_study):
    study = changed_study(recorded=False)
    study.text("results/tables/extra.tsv", "who knows")
    found = study.audit()
    assert found.violations == []
    assert any("ran without records" in gap for gap in found.gaps)
    summary = "results/tables/summary.tsv"
    with (study.root / summary).open("a") as stream:
        stream.write("x")
    assert study.violations() == {("file changed after it was read", summary)}


def test_a_job_that_was_touched_and_never_ran(study):
    summary = "results/tables/summary.tsv"
    name = made.base64.urlsafe_b64encode(summary.encode()).decode()
    path = study.root / ".snakemake/metadata" / name
    path.write_text(path.read_text().replace('"endtime": 2.0', '"endtime": 1.0'))
    assert study.violations() == {("touched, not run", summary)}


def test_a_record_of_another_command_than_snakemake_says(changed_study):
    study = changed_study(ran={CURVE_1: f"myelin-curve {CURVE_1} --smooth 3"})
    assert study.violations() == {("another command than recorded", CURVE_1)}
    (one,) = study.audit().violations
    assert "the log tells myelin-curve" in one.values


def test_records_from_before_they_told_their_commands(changed_study, monkeypatch):
    monkeypatch.setattr(
        made, "seal", lambda lines, before: seal([one for one in lines if not one.startswith("ran ")], before)
    )
    study = changed_study()
    assert not any(job.record.ran for job in study.audit().lineage.jobs)
    assert study.violations() == set()


def test_a_chain_of_files_that_depend_on_each_other_hides_nobody(changed_study):
    """Two jobs that each read what the other wrote: whoever is behind one is behind both."""
    first, second = "results/work/a.nii.gz", "results/work/b.nii.gz"
    study = changed_study()
    for name in (first, second):
        study.text(name, "x")
    study.job("one", [second], {first: None})
    study.job("two", [first, dvr("01")], {second: None})
    study = made.build(made.MadeUp(study.root, inputs={CURVE_1: [second], model("ridge", 1): [first]}))
    found = study.violations()
    assert ("leak: control curve of test subjects", CURVE_1) in found
    assert ("leak: checkpoint of test subjects", model("ridge", 1)) in found


@pytest.mark.parametrize("how", ["inputs", "reads"])
def test_a_file_of_nobody_knows_whom_behind_what_is_learned(changed_study, how):
    study = changed_study()
    path = study.text("data/average.nii.gz", "of everybody")
    made.build(made.MadeUp(study.root, **{how: {sketch("03"): [path]}}))
    found = study.violations()
    assert found == {("origin not known", sketch("03")), ("origin not known", model("refiner", 1))}


def test_a_manifest_with_a_path_that_names_nobody(study):
    path = study.root / "results/tables/manifest.tsv"
    path.write_text(path.read_text().replace(f"DVR\t{dvr('03')}", "DVR\tdata/average.nii.gz"))
    assert ("row of one participant names a file of nobody", "results/tables/manifest.tsv") in study.violations()


def test_learned_files_without_a_split(study):
    for end in ("tsv", "json"):
        (study.root / f"results/tables/split.{end}").unlink()
    assert ("learned without a split", SPLIT) in study.violations()


def test_a_raw_image_that_is_gone(study):
    (study.root / raw("03")).unlink()
    assert study.violations() == {("input missing", raw("03"))}


@pytest.mark.parametrize(
    ("path", "broken", "what"),
    [
        (SPLIT, HEAD + b"\nsub-01\tpatient\tone\ttest\n", "split does not keep subjects apart"),
        (SPLIT, HEAD + b"s\nsub-01\tpatient\t1\ttest\n", "split does not keep subjects apart"),
        (SPLIT, b"\xff\xfe", "bookkeeping table that cannot be read"),
        ("results/tables/manifest.tsv", b"\xff\xfe", "bookkeeping table that cannot be read"),
        ("results/tables/curve_fold-1.json", b'{"SourcesSHA256": ["x"]}', "sidecar malformed"),
        ("results/tables/curve_fold-1.json", b'{"Participants": 1, "GeneratedBy": ["x"]}', "sidecar malformed"),
        ("results/tables/curve_fold-1.json", b'{"Participants": {"train": 1}}', "file changed after it was written"),
        (f"{made.DERIVED}/dataset_description.json", b'{"DatasetLinks": ["x"]}', "file changed after it was written"),
        ("results/audit/plan.json", b'{"format": 1, "jobs": ["x"]}', "not a plan"),
        ("results/audit/plan.json", b"[]", "not a plan"),
        ("results/audit/plan.json", b"\xff", "not a plan"),
    ],
)  # fmt: skip
def test_a_file_that_nobody_can_read_is_a_violation_and_no_crash(study, path, broken, what):
    study.path(path).write_bytes(broken)
    assert (what, path) in study.violations()
    study.audit().write(study.path("results/audit/audit.json"))


def test_what_grows_with_the_study_is_not_held_against_who_read_it_before(changed_study):
    """The index, names of data sets, a comment in a preset; a task, and every other table, are."""
    names = ["config/presets/mine.yaml", "config/tasks/mine.yaml", "data/raw/dataset_description.json"]
    best = model("ridge", 1)
    study = changed_study()
    for name in names:
        study.text(name, "{}")
    study = made.build(made.MadeUp(study.root, inputs={best: names}, options={best: f"--preset {names[0]}"}))
    index = "results/tables/index.tsv"
    text = (study.root / index).read_text()
    row = text.splitlines()[-1].replace("sub-06", "sub-07")
    study.job("check", ["data/raw/participants.tsv"], {index: f"{text}{row}\n"})
    for name in names:
        study.text(name, "{} # more")
    found = study.audit()
    assert [(one.what, one.where) for one in found.violations] == [("file changed after it was read", names[1])]
    assert [gap for gap in found.gaps if names[0] in gap]


def test_a_working_directory_that_is_named_by_a_detour(study):
    assert audit(study.results, study.root / "results" / "..").violations == []


def test_results_with_absolute_paths_that_were_moved(tmp_path):
    """As `myelosynth run` leaves them: the working directory is the folder of results."""
    study, there = made.MadeUp(tmp_path / "there"), tmp_path / "there"
    image, mean = str(study.path("derivatives/sub-01/sub-01_pet.nii.gz")), str(study.path("tables/mean.tsv"))
    source = made.MadeUp(tmp_path).text("raw/sub-01_T1w.nii.gz", "raw")
    study.job("one", [str(tmp_path / source)], {image: "x"})
    study.job("two", [image], {mean: "y\n"})
    there.rename(tmp_path / "moved")
    (tmp_path / "moved" / "results").rename(tmp_path / "moved" / "aside")
    assert audit(tmp_path / "moved", tmp_path / "moved").lineage.makers["tables/mean.tsv"].inputs == (
        "derivatives/sub-01/sub-01_pet.nii.gz",
    )


def test_the_command_writes_both_files_and_ends_with_one_where_something_is_wrong(study):
    from myelosynth.cli import commands  # noqa: F401
    from myelosynth.cli.app import app

    def run():
        return CliRunner().invoke(app, ["audit", str(study.results), "--workdir", str(study.root)])

    clean = run()
    assert (clean.exit_code, "0 violations" in clean.output) == (0, True), clean.output
    study.text("results/tables/extra.tsv", "extra")
    controls = (
        "control system measure real control_value ci_low ci_high n verdict\nshuffled ridge psnr 30 20 19 21 3 holds\n"
    )
    study.text("results/tables/negative_controls.tsv", controls.replace(" ", "\t"))
    done = run()
    assert done.exit_code == 1
    assert "violation: file that no rule made, results/tables/extra.tsv, " in done.output
    record = json.loads((study.results / "audit/audit.json").read_text())
    assert record["verdict"] == "violations"
    paths = [file["path"] for file in record["files"]]
    best = next(job for job in record["jobs"] if job["rule"] == "train" and "ridge/fold-1" in job["command"])
    assert dvr("03") in [paths[number] for number in best["inputs"]]
    assert {"path", "sha256", "rule", "role", "size"} == set(record["files"][0])
    page = (study.results / "audit/audit.html").read_text()
    for words in ("do not use the results", "Participants behind what each fold learned", "shuffled", "extra.tsv"):
        assert words in page
