"""Names of systems stand for what the registry can train."""

import subprocess
import sys

import pytest

from myelosynth.evaluation.published import FIGURES
from myelosynth.synthesis.names import (
    CALIBRATED,
    FLOORS,
    LOSSES,
    OPTIONAL_SOURCES,
    parse_system,
    registry_line,
    stages,
)
from myelosynth.synthesis.systems.networks import NetworkSystem
from myelosynth.synthesis.systems.registry import SYSTEMS, find_system


def test_names_and_registry_agree():
    assert {name: system.losses for name, system in SYSTEMS.items()} == LOSSES
    for name, system in SYSTEMS.items():
        written = name if len(LOSSES[name]) == 1 else f"{name}-{LOSSES[name][0]}"
        assert (parse_system(written).sketcher is not None) == system.needs_sketches
        assert isinstance(system, NetworkSystem) == (name not in (*FLOORS, *CALIBRATED))


def test_every_system_with_a_published_figure_has_a_name():
    assert {str(parse_system(figure.system)) for figure in FIGURES} == {figure.system for figure in FIGURES}


@pytest.mark.parametrize(
    ("name", "options", "sketcher"),
    [
        ("mean-atlas", "--model mean-atlas", None),
        ("ridge", "--model ridge", None),
        ("unet-wl1", "--model unet --loss wl1", None),
        ("dnn", "--model dnn", None),
        ("refiner-cf-sagan-nwl1", "--model refiner-cf-sagan --loss nwl1", "cf-sagan-l1"),
        ("refiner-cf-sagan-learned", "--model refiner-cf-sagan --loss learned", "cf-sagan-l1"),
        ("refiner2-cf-sagan-nwl1", "--model refiner2-cf-sagan --loss nwl1", "refiner-cf-sagan-nwl1"),
        ("refiner12-cgan-wl1", "--model refiner12-cgan --loss wl1", "refiner11-cgan-wl1"),
        ("cf-sagan-l1@2", "--model cf-sagan --loss l1", None),
        ("ridge@3", "--model ridge", None),
        ("refiner-cgan-wl1@10", "--model refiner-cgan --loss wl1", "cgan-l1@10"),
        ("refiner2-cgan-wl1@2", "--model refiner2-cgan --loss wl1", "refiner-cgan-wl1@2"),
    ],
)
def test_a_name_is_model_and_loss(name, options, sketcher):
    system = parse_system(name)
    assert (str(system), system.options, system.sketcher) == (name, options, sketcher)


FOREIGN = """resnet-l1 unet unet-l3 ridge-l2 refiner-unet-l1 unet-learned dnn-l1 ridge@1 ridge@0 ridge@ ridge@02
@2 ridge@2@3 refiner1-cgan-l1 refiner02-cgan-l1 refiner2-ridge refiner2-unet-l1"""


@pytest.mark.parametrize("name", ["", *FOREIGN.split()])
def test_another_name_is_an_error(name):
    with pytest.raises(ValueError, match="unknown system"):
        parse_system(name)


def test_a_cascade_has_as_many_stages_as_its_number_says():
    assert [stages(model) for model in ("unet", "refiner-cgan", "refiner2-cgan", "refiner3-cgan")] == [1, 2, 3, 4]
    assert registry_line("refiner3-cf-sagan") == "refiner-cf-sagan"
    assert find_system("refiner3-cgan") is SYSTEMS["refiner-cgan"]
    assert parse_system("refiner3-cgan-l1").replicate == 1
    assert parse_system("refiner3-cgan-l1@4").replicate == 4


def test_the_snakefile_starts_without_heavy_libraries():
    code = (
        "import sys, myelosynth.study.plan, myelosynth.study.roster;"
        "print([m for m in ('torch', 'numpy', 'pandas', 'nibabel', 'scipy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], text=True, capture_output=True).stdout.strip() == "[]"


def test_who_takes_any_of_its_sources():
    assert set(OPTIONAL_SOURCES) == {name for name, system in SYSTEMS.items() if system.optional_sources}
