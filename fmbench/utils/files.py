"""Writing files that are whole or not there, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(*paths: Path) -> Iterator[list[Path]]:
    """Names to write to, each in its path's folder; they become ``paths`` if the block succeeds.

    All are on the disk before the first takes its place, in the order given. After a failure each
    of ``paths`` is whole, and unless it came while they were renamed, as it was.
    """
    temporaries: list[Path] = []
    try:
        for path in paths:
            descriptor, name = tempfile.mkstemp(
                dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
            )
            os.close(descriptor)
            temporaries.append(Path(name))
        yield temporaries
        for temporary in temporaries:
            sync(temporary)
        for temporary, path in zip(temporaries, paths, strict=True):
            temporary.chmod(0o644)
            temporary.replace(path)
            sync(path.parent)
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` in one step."""
    with replacing(path) as [temporary]:
        temporary.write_text(text, encoding="utf-8")


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
