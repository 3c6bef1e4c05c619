"""The engine table: every factory exists, and what is missing is said in one line."""

import tomllib
from importlib import import_module

import pytest
from nipype.interfaces.base import SimpleInterface

from myelosynth.errors import InputError
from myelosynth.interfaces.engines import ENGINES, find_engine


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """A machine without lab programs."""
    for name in ("FSLDIR", "FREESURFER_HOME", "FS_LICENSE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_every_factory_is_a_nipype_interface():
    for engines in ENGINES.values():
        for engine in engines:
            module, name = engine.factory.split(":")
            assert issubclass(getattr(import_module(f"myelosynth.interfaces.{module}"), name), SimpleInterface)


def test_the_default_takes_every_input_of_the_other_engines():
    for engines in ENGINES.values():
        first, *others = (set(engine.interface().inputs.copyable_trait_names()) for engine in engines)
        assert all(names <= first for names in others)
        assert all(names == others[0] for names in others)


def test_defaults_are_embedded_and_versioned():
    for step in ENGINES:
        engine = find_engine(step)
        assert engine.embedded
        assert engine.version()[0].isdigit()


def test_unknown_engine_lists_the_known():
    with pytest.raises(InputError, match="unknown engine for n4, --engine, spm, known: antspyx, ants"):
        find_engine("n4", "spm")


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    with pytest.raises(InputError, match="FSLDIR is not set"):
        find_engine("extract-brain", "bet")
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    with pytest.raises(InputError, match="not on the PATH: bet"):
        find_engine("extract-brain", "bet")
    with pytest.raises(InputError, match="FREESURFER_HOME is not set"):
        find_engine("extract-brain", "synthstrip")
    monkeypatch.setenv("FREESURFER_HOME", str(tmp_path))
    monkeypatch.setenv("FS_LICENSE", str(tmp_path / "license.txt"))
    with pytest.raises(InputError, match=r"no FreeSurfer licence at .*FS_LICENSE"):
        find_engine("extract-brain", "synthstrip")
    with pytest.raises(InputError, match="not on the PATH: N4BiasFieldCorrection"):
        find_engine("n4", "ants")


def test_extras_stand_in_pyproject(repository):
    extras = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    optional = [engine for engines in ENGINES.values() for engine in engines if engine.extra]
    assert {engine.extra for engine in optional} == set(extras) - {"dev", "tensorboard"}
    for engine in optional:
        assert any(requirement.startswith(f"{engine.suite}>=") for requirement in extras[engine.extra])


def test_a_lab_engine_with_its_program_is_ready(monkeypatch, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "fslversion").write_text("6.0.7.4\n")
    (tmp_path / "bet").write_text("#!/bin/sh\n")
    (tmp_path / "bet").chmod(0o755)
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    assert find_engine("extract-brain", "bet").version() == "6.0.7.4"
