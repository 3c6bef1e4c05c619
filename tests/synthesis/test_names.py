"""Names of systems stand for what the registry can train."""

import subprocess
import sys

import pytest

from myelosynth.synthesis.names import LOSSES, parse_system
from myelosynth.synthesis.systems.registry import SYSTEMS


def test_names_and_registry_agree():
    assert {name: system.losses for name, system in SYSTEMS.items()} == LOSSES
    for name, system in SYSTEMS.items():
        written = name if len(LOSSES[name]) == 1 else f"{name}-{LOSSES[name][0]}"
        assert (parse_system(written).sketcher is not None) == system.needs_sketches


@pytest.mark.parametrize(
    ("name", "options", "sketcher"),
    [
        ("mean-atlas", "--model mean-atlas", None),
        ("ridge", "--model ridge", None),
        ("unet-wl1", "--model unet --loss wl1", None),
        ("refiner-cf-sagan-nwl1", "--model refiner-cf-sagan --loss nwl1", "cf-sagan-l1"),
        ("refiner-cf-sagan-nwl1@2", "--model refiner-cf-sagan --loss nwl1", "cf-sagan-l1@2"),
        ("ridge@12", "--model ridge", None),
    ],
)
def test_a_name_is_model_and_loss(name, options, sketcher):
    system = parse_system(name)
    assert (str(system), system.options, system.sketcher) == (name, options, sketcher)


@pytest.mark.parametrize(
    "name", ["resnet-l1", "unet", "unet-l3", "ridge-l2", "refiner-unet-l1", "", "ridge@1", "ridge@02", "ridge@", "@2"]
)
def test_another_name_is_an_error(name):
    with pytest.raises(ValueError, match="unknown system"):
        parse_system(name)


def test_the_snakefile_starts_without_heavy_libraries():
    code = (
        "import sys, myelosynth.study.plan, myelosynth.study.roster;"
        "print([m for m in ('torch', 'numpy', 'pandas', 'nibabel', 'scipy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], text=True, capture_output=True).stdout.strip() == "[]"
