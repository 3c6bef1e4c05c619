"""What every test may use: the repository, real data where it is, and one anatomy in four orientations."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
REALDATA = REPOSITORY.parent / "shared" / "realdata"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole line, the longest, starts first."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Tests of a folder share what its fixtures make, so one worker runs them."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.split("::")[0].rpartition("/")[0]

    return ByFolder(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew-golden", action="store_true", help="write the lists of tests/golden anew")


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def realdata() -> Path:
    if not REALDATA.is_dir():
        pytest.skip(f"real images are not here: no folder {REALDATA}")
    return REALDATA


@pytest.fixture(params=["RAS", "LAS", "LPS", "oblique"])
def orientation(request: pytest.FixtureRequest) -> str:
    return request.param
