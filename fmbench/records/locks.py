"""Locks between processes. Each lock is a file that says which process holds it.

A lock is the kernel's lock on the open file (flock). It ends when its process ends, however that
happens, so the lock of a dead process never has to be cleared. Locks work between machines that
share a file system with flock (NFS since Linux 2.6.12).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from fmbench.errors import UserError
from fmbench.utils.files import find_link, read_regular_file

MAX_LOCK_BYTES = 1000
ERRORS_WITHOUT_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


@contextlib.contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold the lock ``path`` during the block, and yield whether it was free.

    Yields False at once if another process or another thread holds the lock.

    Raises:
        UserError: the file system has no locks.
        OSError: the lock cannot be made, or what has its name is no file of a run.
    """
    from filelock import FileLock, Timeout

    _refuse_other_files(path)

    lock = FileLock(path, thread_local=False, fallback_to_soft=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except (Timeout, FileNotFoundError, FileExistsError):
        # FileNotFoundError, FileExistsError: at this moment another process makes or removes the
        # folder, because it takes or gives back a lock in it.
        yield False
        return
    except OSError as error:
        if error.errno not in ERRORS_WITHOUT_LOCKS:
            raise
        raise UserError(
            f"{path.parent.parent}: this file system has no locks, so two runs could measure the "
            "same cell: name a folder on another file system with --results"
        ) from None
    try:
        # On a full disk the text cannot be written; the lock holds without it.
        with contextlib.suppress(OSError):
            path.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield True
    finally:
        # Remove the file while it is locked. A process that opened it meanwhile sees, once it has
        # the lock, that the file has no name any more, and opens a new one (filelock checks
        # st_nlink).
        try:
            path.unlink(missing_ok=True)
        finally:
            lock.release()
        # The folders stay while they hold other files.
        with contextlib.suppress(OSError):
            path.parent.rmdir()
            path.parent.parent.rmdir()


def _refuse_other_files(path: Path) -> None:
    """Raise OSError if a lock would be outside of the results folder, or is not a regular file."""
    if link := find_link(path.parents[2], path.parents[1].name, path.parents[0].name):
        raise OSError(errno.ELOOP, f"{link} is a symbolic link, which is not followed")
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(errno.EEXIST, f"{path} is not a regular file: remove it")


def describe_holder(path: Path) -> str:
    """Return a text that says which process holds the lock."""
    try:
        text = read_regular_file(path, MAX_LOCK_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        text = ""
    return " ".join(text.split()) or "another run"
