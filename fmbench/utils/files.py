"""Writes files so that each is complete or absent, and tells whether a file has changed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


@contextlib.contextmanager
def write_atomically(*paths: Path) -> Iterator[list[Path]]:
    """Yield a temporary path for each of ``paths``; if the block succeeds, rename each to its path.

    All files are written to the disk before the first is renamed; then they are renamed in the
    given order. A failure never leaves an incomplete file: each of ``paths`` is either the old file
    or the new one. All are old ones, unless the failure came between two of the renamings.
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
    with write_atomically(path) as [temporary]:
        temporary.write_text(text, encoding="utf-8")


class FileState(NamedTuple):
    """Tells whether a file has changed. Replacing a file by renaming changes its inode."""

    inode: int
    mtime_ns: int
    size: int

    @classmethod
    def from_stat(cls, status: os.stat_result) -> FileState:
        """Return the state of the file with this status."""
        return cls(status.st_ino, status.st_mtime_ns, status.st_size)

    @classmethod
    def from_path(cls, path: Path) -> FileState:
        """Return the state of a file; raises OSError if there is no such file."""
        return cls.from_stat(path.stat())


def find_user_cache() -> Path:
    """Return fmbench's folder in the user's cache directory. It may not exist yet."""
    import platformdirs

    return platformdirs.user_cache_path("fmbench")


def _sync(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
