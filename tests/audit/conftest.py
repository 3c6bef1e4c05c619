"""The made-up study, clean and to be tampered with."""

import shutil

import pytest

from .made_up import MadeUp, build


@pytest.fixture(scope="session")
def clean_study(tmp_path_factory):
    return build(MadeUp(tmp_path_factory.mktemp("audit") / "study"))


@pytest.fixture
def study(clean_study, tmp_path):
    """A copy of the clean study, to be tampered with."""
    shutil.copytree(clean_study.root, tmp_path / "study")
    return MadeUp(tmp_path / "study")


@pytest.fixture
def changed_study(tmp_path):
    """`changed_study(inputs=, reads=, told=, recorded=)`: a study that was run otherwise."""
    return lambda **changes: build(MadeUp(tmp_path / "changed", **changes))
