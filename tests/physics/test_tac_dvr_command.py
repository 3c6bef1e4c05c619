"""tac-dvr from table to table."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from myelosynth.errors import InputError
from myelosynth.physics.frames import Frames

from .conftest import call


def test_tac_dvr_files(tmp_path: Path, tissue: Callable, frames: Frames) -> None:
    curve, reference = tissue(0.58, 1.3)
    ends = frames.start_s + frames.duration_s
    table = {"frame_start": frames.start_s, "frame_end": ends, "cerebellum": reference, "wm": curve}
    pd.DataFrame(table).to_csv(tmp_path / "tacs.tsv", sep="\t", index=False)
    tacs, out = tmp_path / "tacs.tsv", tmp_path / "out.tsv"
    call("tac-dvr", tacs, out, "--reference", "cerebellum", "--model", "srtm")
    found = pd.read_csv(out, sep="\t")
    assert found.columns.tolist() == ["region", "dvr", "r1", "k2prime", "bpnd"]
    assert found["dvr"][0] == pytest.approx(1.3, abs=0.005)
    assert set(found.columns) <= set(json.loads(out.with_suffix(".json").read_text()))
    call("tac-dvr", tacs, out, "--reference", "cerebellum", "--k2prime", "auto", "--t-star", "auto")
    assert pd.read_csv(out, sep="\t")["dvr"][0] == pytest.approx(1.3, abs=0.02)
    settings = json.loads(out.with_suffix(".json").read_text())["Settings"]
    assert settings["k2prime_per_min"] == pytest.approx(0.07, rel=0.03)
    with pytest.raises(InputError, match="'pons' among"):
        call("tac-dvr", tacs, out, "--reference", "pons")


def test_tac_dvr_refuses_what_the_models_cannot_use(tmp_path: Path, tissue: Callable, frames: Frames) -> None:
    curve, reference = tissue(0.58, 1.3)
    ends = frames.start_s + frames.duration_s
    table = {"frame_start": frames.start_s, "frame_end": ends, "white": curve, "grey": reference, "empty": 0 * curve}
    pd.DataFrame(table).to_csv(tmp_path / "tacs.tsv", sep="\t", index=False)
    words = ["tac-dvr", tmp_path / "tacs.tsv", tmp_path / "out.tsv", "--reference"]
    with pytest.raises(InputError, match="srtm2 needs k2', --k2prime, not given, give a rate in 1/min, or auto"):
        call(*words, "grey", "--model", "srtm2")
    with pytest.raises(InputError, match="reference region holds no tracer"):
        call(*words, "empty", "--k2prime", 0.07)
    assert not (tmp_path / "out.tsv").exists()
