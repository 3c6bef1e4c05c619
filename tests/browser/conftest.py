"""One browser for all tests."""

import gzip
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .chromium import Chromium

# of axe.min.js in the npm package axe-core, release 4.14.1
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    """Headless Chromium; a test that needs it is skipped where it is not installed."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip("no browser: none of " + ", ".join(PROGRAMS) + " is installed (Debian: apt-get install chromium)")
    chromium = Chromium(found)
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def axe(repository: Path) -> str:
    """The script of axe-core, which checks a page for accessibility."""
    script = gzip.decompress((repository / "tests" / "browser" / "vendor" / "axe.min.js.gz").read_bytes())
    assert hashlib.sha256(script).hexdigest() == AXE_SHA256
    return script.decode()
