"""Writes files so that each is complete or absent, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_write(*paths: Path) -> Iterator[list[Path]]:
    """Yield a temporary path for each of ``paths``; if the block succeeds, rename each to its path.

    Every file is on the disk before the first is renamed, and they are renamed in the given order.
    After a failure each of ``paths`` is complete. Unless it happened between two renamings, each is
    as it was before.
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
            _sync(temporary)
        for temporary, path in zip(temporaries, paths, strict=True):
            temporary.chmod(0o644)
            temporary.replace(path)
            _sync(path.parent)
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    """Replace the content of ``path`` by ``text`` in one step."""
    with atomic_write(path) as [temporary]:
        temporary.write_text(text, encoding="utf-8")


def _sync(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
