"""Tasks and presets: shipped files are valid, a typo is named."""

import pytest
import yaml

from myelosynth.errors import InputError
from myelosynth.synthesis.config import load_preset, load_task
from myelosynth.synthesis.names import CALIBRATED, FLOORS
from myelosynth.synthesis.systems.registry import SYSTEMS


@pytest.mark.parametrize("name", ["demo", "paper", "tiny"])
def test_shipped_presets_train_every_network(name, repository, monkeypatch):
    monkeypatch.chdir(repository)
    preset = load_preset(name)
    for model in set(SYSTEMS) - {*FLOORS, *CALIBRATED}:
        assert preset.network(model).learning_rate > 0
    assert preset.own.members > 1


def test_later_stages_train_as_the_refiner_unless_they_have_their_own_entry(repository):
    preset = load_preset(str(repository / "config" / "presets" / "tiny.yaml"))
    assert preset.network("refiner2-cgan") == preset.networks["refiner-cgan"]
    own = preset.networks["unet"].model_copy(update={"steps": 99})
    deeper = preset.model_copy(update={"networks": {**preset.networks, "refiner2-cgan": own}})
    assert deeper.network("refiner2-cgan").steps == 99
    with pytest.raises(InputError, match=r"preset incomplete.*add refiner-unet"):
        preset.network("refiner2-unet")


def test_paper_preset_holds_the_published_numbers(repository):
    preset = load_preset(str(repository / "config" / "presets" / "paper.yaml"))
    assert (preset.width, preset.patch, preset.overlap, preset.batch, preset.dropout) == (16, 64, 0.5, 4, 0.5)
    assert (preset.betas, preset.image_loss_weight, preset.discriminator_updates) == ((0.5, 0.999), 100, 2)
    assert (preset.network("cf-sagan").learning_rate, preset.network("cf-sagan").epochs) == (1e-4, 370)
    assert (preset.network("refiner-cf-sagan").learning_rate, preset.network("refiner-cf-sagan").epochs) == (5e-5, 370)
    for sketcher in ("dnn", "unet", "cgan"):
        assert preset.network(sketcher) == preset.network("cf-sagan")
    assert preset.network("refiner-cgan") == preset.network("refiner-cf-sagan")
    assert preset.forest.trees == 60
    assert (preset.augmentation.rotations, preset.augmentation.scales) == ([90, 180, 270], [1.25, 0.75])


def test_a_name_means_a_file_below_the_working_directory(repository, monkeypatch, tmp_path):
    monkeypatch.chdir(repository)
    assert load_task("myelin") == load_task("config/tasks/myelin.yaml")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"config/tasks/myelin.yaml"):
        load_task("myelin")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("widht", 8, "widht"),
        ("patch", 40, "patch"),
        ("sampling", "grid", "needs `epochs`"),
        ("batch", "many", "batch"),
        ("networks", {"unet": {"learning_rate": 1, "steps": 1, "epochs": 1}}, "either `steps` or `epochs`"),
    ],
)
def test_typos_are_named(repository, tmp_path, key, value, words):
    record = yaml.safe_load((repository / "config" / "presets" / "tiny.yaml").read_text())
    record["training"][key] = value
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(record))
    with pytest.raises(InputError, match=words):
        load_preset(str(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [", "not valid YAML"), ("- 1", "YAML mapping needed"), ("network: {}", "preset without `training`")],
)
def test_broken_files(tmp_path, text, words):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        load_preset(str(path))


@pytest.mark.parametrize("kind", [load_task, load_preset], ids=["task", "preset"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: !!python/object/apply:os.system ['touch {ran}']", "not valid YAML, .*python/object/apply"),
        ("name: !!python/name:os.system", "not valid YAML, .*python/name"),
        ("__use_yte__: true\nname: ?open('{ran}', 'w')", "YAML asks to run code, .*nothing was run"),
    ],
)
def test_yaml_that_would_run_code_is_refused_in_one_line(tmp_path, kind, text, words):
    path = tmp_path / "p.yaml"
    path.write_text(text.replace("{ran}", str(tmp_path / "ran")))
    with pytest.raises(InputError, match=words) as told:
        kind(str(path))
    assert "\n" not in str(told.value)
    assert not (tmp_path / "ran").exists()


def test_source_and_target_must_differ(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text("{name: x, sources: [A, DVR], target: DVR, training_sessions: [t0]}")
    with pytest.raises(InputError, match="must differ"):
        load_task(str(path))
