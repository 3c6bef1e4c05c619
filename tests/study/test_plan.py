"""What can be learned, known before anything exists."""

from pathlib import Path

import pytest
import yaml

from myelosynth.bids.index import complete
from myelosynth.errors import InputError
from myelosynth.study.config import read_study
from myelosynth.study.plan import plan_split, read_task
from myelosynth.study.roster import MADE_OF, Roster

EVERYTHING = ("T1w", "FLAIR", "MTon", "MToff", "DWI", "PET", "lesions")


@pytest.fixture
def record(repository, monkeypatch):
    """The shipped configuration, read in its own folder."""
    monkeypatch.chdir(repository)
    return yaml.safe_load(Path("config/config.yaml").read_text())


def people(patients, controls):
    groups = {f"p{n}": "patient" for n in range(patients)} | {f"c{n}": "control" for n in range(controls)}
    return Roster(complete(Path("raw"), [(s, "t0", g, c, c) for s, g in groups.items() for c in EVERYTHING]), MADE_OF)


def test_everybody_is_tested_once_and_never_makes_the_own_curve(record):
    split = plan_split(read_study(record), people(6, 4))
    assert not split.obstacle
    assert sorted(split.fold_of) == [*(f"c{n}" for n in range(4)), *(f"p{n}" for n in range(6))]
    record["curve"]["roles"] = "not-test"
    wider = plan_split(read_study(record), people(6, 4))
    assert wider.rows == split.rows
    for fold in (1, 2, 3):
        roles = {row.participant: row.role for row in split.rows if row.fold == fold}
        assert {roles[sub] for sub in split.controls(fold)} == {"train"}
        assert {sub for sub in roles if sub[0] == "c" and roles[sub] == "train"} == set(split.controls(fold))
        assert {sub for sub in roles if sub[0] == "c" and roles[sub] != "test"} == set(wider.controls(fold))
        assert {sub for sub in roles if sub[0] == "p" and roles[sub] == "train"} == set(split.scanned_twice(fold))


@pytest.mark.parametrize(
    ("patients", "controls", "told"),
    [
        (1, 1, "too few participants for the folds, 2 participants, 3 folds; 2 of 2 participants"),
        (3, 0, "too few participants to validate, 2 in the training part"),
        (9, 0, "no control to make the curve of fold 1 from, 0 controls in the split"),
        (9, 1, "no control to make the curve of fold 1 from, 1 controls in the split"),
    ],
)
def test_too_few_people_are_an_obstacle_and_no_error(record, patients, controls, told):
    split = plan_split(read_study(record), people(patients, controls))
    assert split.rows == []
    assert told in split.obstacle
    assert "preprocessing" in split.obstacle
    assert "\n" not in split.obstacle


@pytest.mark.parametrize("fold", [1, 3])
def test_out_of_fold_sketches_are_planned_for_the_folds_that_run(record, fold):
    record["folds"]["only"] = [fold]
    record["learning"] |= {"sketches": "out-of-fold", "inner_folds": 2}
    split = plan_split(read_study(record), people(9, 6))
    assert list(split.inner) == [fold]
    roles = {row.participant: row.role for row in split.rows if row.fold == fold}
    training = [sub for sub, role in roles.items() if role == "train"]
    assert sorted(split.inner_fold_of(fold)) == sorted(training)
    assert split.learned(fold)[: len(training)] == training
    assert {roles[sub] for sub in split.learned(fold)} == {"train", "validation"}
    for sub, inner in split.inner_fold_of(fold).items():
        learned = split.learned(fold, inner)
        assert sub not in learned
        assert set(learned) < set(training)
    tested = split.tested([(sub, "t0") for sub in roles], [fold])
    assert [sub for sub, _ in tested] == [sub for sub, role in roles.items() if role == "test"]


def test_nothing_is_planned_within_a_fold_where_nothing_is_refined(record):
    record["learning"] |= {"sketches": "out-of-fold", "systems": ["ridge"], "main": "ridge"}
    assert plan_split(read_study(record), people(6, 4)).inner == {}


def test_too_few_people_for_inner_folds_are_an_obstacle(record):
    record["learning"]["sketches"] = "out-of-fold"
    split = plan_split(read_study(record), people(4, 3))
    assert "for out-of-fold sketches; 7 of 7 participants" in split.obstacle
    everybody = [("p0", "t0"), ("c1", "t0")]
    assert split.tested(everybody, [1]) == everybody


def test_replicates_follow_the_systems_and_count_seeds_on(record):
    record["learning"] |= {"systems": ["ridge", "unet-l1"], "main": "ridge", "replicates": 3, "seed": 7}
    learning = read_study(record).learning
    assert learning.trained == ["ridge", "unet-l1", "ridge@2", "unet-l1@2", "ridge@3", "unet-l1@3"]
    assert [learning.seed_of(name) for name in learning.trained] == [7, 7, 8, 8, 9, 9]


@pytest.mark.parametrize("name", ["cpu", "demo", "paper", "tiny"])
def test_a_preset_is_an_overlay_and_the_file_that_it_names(record, name):
    preset = yaml.safe_load(Path(f"config/presets/{name}.yaml").read_text())
    for key, value in preset.items():
        record[key] = {**record[key], **value} if isinstance(value, dict) and key in record else value
    study = read_study(record)
    assert study.learning.preset == f"config/presets/{name}.yaml"
    read_task(study)
    record["training"]["width"] += 4
    with pytest.raises(InputError, match=f"two training settings.*differs from that of learning.preset, .*{name}.yaml"):
        read_task(read_study(record))


@pytest.mark.parametrize(
    ("section", "change", "told"),
    [
        ("learning", {"systems": ["resnet-l1"], "main": "resnet-l1"}, "unknown system 'resnet-l1'"),
        ("learning", {"main": "foo"}, "main is foo, expected one of the systems mean-atlas"),
        ("learning", {"systems": ["refiner-cf-sagan-l1"]}, "refiner-cf-sagan-l1 refines cf-sagan-l1"),
        ("learning", {"systems": ["ridge", "ridge"], "main": "ridge"}, "each one once"),
        ("learning", {"systems": ["ridge@2"], "main": "ridge@2"}, "give ridge and set `replicates`"),
        ("learning", {"replicates": 0}, "learning.replicates"),
        (
            "learning",
            {
                "systems": ["cgan-l1", "refiner-cgan-wl1", "refiner2-cgan-wl1"],
                "main": "cgan-l1",
                "sketches": "out-of-fold",
            },
            "refiner2-cgan-wl1 refines refiner-cgan-wl1, which refines itself: out-of-fold sketches go one stage deep",
        ),
        ("folds", {"only": [4]}, "some of the folds 1 to 3"),
        ("folds", {"only": []}, "some of the folds 1 to 3"),
        ("folds", {"only": [1, 1]}, "each once"),
        ("curve", {"roles": "test"}, "curve.roles"),
        ("curve", {"smoothing": "spline"}, "curve.smoothing"),
        ("maps", {"minimum_cluster_ml": -1}, "maps.minimum_cluster_ml"),
        ("maps", {"change_threshold": "auto"}, "maps.change_threshold"),
        ("pet", {"model": "srtm2", "k2prime": None}, "model srtm2 with k2prime null"),
        ("pet", {"k2prime": 20}, "less than 10, got 20"),
        ("pet", {"t_stra": 20}, "pet.t_stra"),
        ("dataset", {"lesions": "elsewhere"}, "for a data set of your own set `simulate: null`"),
        ("dataset", {"bids_dir": "data/mine"}, "for a data set of your own set `simulate: null`"),
    ],
)
def test_faults_of_the_configuration_are_one_line(record, section, change, told):
    record[section] |= change
    with pytest.raises(InputError) as caught:
        read_study(record)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 500


def test_second_scans_are_a_simulated_cohorts(record):
    record["maps"]["change_threshold"] = "retest"
    assert read_study(record).maps.change_threshold == "retest"
    record["simulate"] = None
    with pytest.raises(InputError, match="only a simulated cohort is scanned twice"):
        read_study(record)


def test_a_data_set_of_its_own_may_have_its_masks_anywhere(record):
    record["simulate"] = None
    record["dataset"] = {"bids_dir": "data/mine", "lesions": "elsewhere"}
    assert read_study(record).dataset.lesions == "elsewhere"


@pytest.mark.parametrize(
    "change", [{"sources": ["T1w"]}, {"target": "FLAIR"}, {"training_sessions": ["t0", "t1"]}], ids=str
)
def test_a_task_that_no_rule_serves_is_told(record, tmp_path, change):
    task = yaml.safe_load(Path("config/tasks/myelin.yaml").read_text()) | change
    record["learning"]["task"] = str(tmp_path / "other.yaml")
    Path(record["learning"]["task"]).write_text(yaml.safe_dump(task))
    with pytest.raises(InputError, match="task without rules"):
        read_task(read_study(record))


def test_a_preset_must_have_every_network(record, tmp_path):
    preset = yaml.safe_load(Path("config/presets/tiny.yaml").read_text())
    del preset["training"]["networks"]["cf-sagan"]
    record["learning"]["preset"] = str(tmp_path / "lean.yaml")
    Path(record["learning"]["preset"]).write_text(yaml.safe_dump(preset))
    with pytest.raises(InputError, match="no entry 'cf-sagan'"):
        read_task(read_study(record))
