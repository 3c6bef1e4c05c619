"""Files appear whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def part_path(path: Path) -> Path:
    """The hidden sibling that is written first; it keeps the suffixes that writers look at.

    >>> part_path(Path("a/b.nii.gz")).name
    '.part-b.nii.gz'
    """
    return path.with_name(f".part-{path.name}")


@contextmanager
def staged(*paths: Path) -> Iterator[list[Path]]:
    """Yield one temporary path per target; move all of them into place only if the body succeeds.

    On an exception every temporary file is removed and every target left as it was. Raises FileNotFoundError when the
    body left one of the temporary files unwritten.
    """
    parts = [part_path(Path(path)) for path in paths]
    try:
        for path in paths:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        yield parts
        for part, path in zip(parts, paths, strict=True):
            if not part.exists():
                raise FileNotFoundError(errno.ENOENT, "nothing was written", str(path))
        for part, path in zip(parts, paths, strict=True):
            os.replace(part, path)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step (UTF-8)."""
    with staged(path) as (part,):
        part.write_text(text, encoding="utf-8")
