"""One tiny cohort, simulated once for the room."""

from pathlib import Path

import pytest

from myelosynth.phantom.dataset import write_participants, write_tables
from myelosynth.phantom.roster import Cohort
from myelosynth.phantom.settings import Settings

SETTINGS = Settings(Cohort(patients=1, controls=1, seed=3), resolution=6.0)


@pytest.fixture(scope="session")
def settings() -> Settings:
    return SETTINGS


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("simulated")
    write_tables(SETTINGS, root)
    list(write_participants(SETTINGS, root, jobs=1))
    return root
