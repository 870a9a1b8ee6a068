"""Writes files so that each is complete or absent, and reads files that may hold anything."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fmbench.errors import UserError

DEFAULT_RESULTS = Path("results/local")
RESULTS_VARIABLE = "FMBENCH_RESULTS"  # of the environment: another default for the command line


def is_default_results(folder: Path) -> bool:
    """Whether commands use this results folder if they name none."""
    return folder == Path(os.environ.get(RESULTS_VARIABLE) or DEFAULT_RESULTS)


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


def read_regular_file(path: Path, max_bytes: int) -> bytes:
    """Read a file that may be anything: a pipe, a device, or larger than the memory.

    Raises:
        OSError: it cannot be opened or read.
        ValueError: it is not a regular file, or has more than ``max_bytes`` bytes.
    """
    return read_file_and_state(path, max_bytes)[0]


def read_file_and_state(path: Path, max_bytes: int) -> tuple[bytes, FileState]:
    """Read a file as :func:`read_regular_file` does; also return its state at that moment."""
    # Without O_NONBLOCK, opening a pipe waits until somebody writes into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        content = b""
        if status.st_size <= max_bytes:
            content = _read_bytes(descriptor, status.st_size, max_bytes)
    finally:
        os.close(descriptor)
    if status.st_size > max_bytes or len(content) > max_bytes:
        size = f"{max_bytes >> 20} MiB" if max_bytes >= 2**20 else f"{max_bytes} bytes"
        raise ValueError(f"it is larger than {size}")
    return content, FileState.from_stat(status)


def _read_bytes(descriptor: int, n_expected: int, max_bytes: int) -> bytes:
    """Read to the end of a file, or a little more than ``max_bytes`` bytes of one that grows."""
    # A file object would reserve `max_bytes` bytes of memory for every small file.
    content = os.read(descriptor, n_expected + 1)
    while len(content) <= max_bytes and (more := os.read(descriptor, 2**20)):
        content += more
    return content


def find_link(folder: Path, *parts: str) -> Path | None:
    """Go down from ``folder`` along ``parts``; return the first symbolic link, or None.

    ``folder`` itself may be one: the user named it.
    """
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            return path
    return None


def refuse_links(folder: Path, *parts: str) -> None:
    """Check before something is written that ``folder`` along ``parts`` is a folder itself.

    Raises:
        OSError: one of the parts is a symbolic link.
    """
    if link := find_link(folder, *parts):
        raise OSError(
            errno.ELOOP,
            "it is a symbolic link, and nothing outside of the results folder is changed: put the "
            "folder itself in its place",
            str(link),
        )


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
    """Return fmbench's folder in the user's cache directory. It may not exist yet.

    Raises:
        UserError: the user has no home folder, as in some containers.
    """
    import platformdirs

    try:
        return platformdirs.user_cache_path("fmbench")
    except RuntimeError:
        raise UserError(
            "this user has no home folder: set the variable XDG_CACHE_HOME to a folder for caches"
        ) from None


def _sync(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
