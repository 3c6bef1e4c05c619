"""What every test may use: the repository, real data where it is, and one anatomy in four orientations."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
REALDATA = REPOSITORY.parent / "shared" / "realdata"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a folder share what its fixtures make, so one worker runs them; the whole line, the longest, starts first."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(str(item.path.parent)))
    items.sort(key=lambda item: "workflow" not in item.path.parts)


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
