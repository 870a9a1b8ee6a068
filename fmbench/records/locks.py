"""Locks between processes, each a file that says who holds it.

The lock is the kernel's own on the open file (flock), not the file's existence: it ends with its
process, however that ends. So a dead process's lock is taken over by construction, without asking
whether that process still lives. It works between machines where they share a file system whose
flock does (NFS since Linux 2.6.12).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from fmbench.errors import UserError

NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


@contextlib.contextmanager
def holding(path: Path) -> Iterator[bool]:
    """Hold the lock ``path`` during the block; false, at once, if another process or thread does.

    Raises:
        UserError: the file system has no locks.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, thread_local=False, fallback_to_soft=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except (Timeout, FileNotFoundError, FileExistsError):
        # Of the files: another process made or removed the folder at this moment, which it does
        # as it takes or gives back a lock in it.
        yield False
        return
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        raise UserError(
            f"{path.parent.parent}: this file system has no locks, which keep two runs from doing "
            "the same work: name a folder on another with --results"
        ) from None
    try:
        with contextlib.suppress(OSError):  # a full disk: the lock holds without the words
            path.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield True
    finally:
        # Removed while it is still locked: whoever opened it meanwhile finds, once the lock is
        # theirs, that the file has no name any more, and opens anew (filelock looks at st_nlink).
        try:
            path.unlink(missing_ok=True)
        finally:
            lock.release()
        with contextlib.suppress(OSError):  # not empty, or gone
            path.parent.rmdir()
            path.parent.parent.rmdir()


def holder(path: Path) -> str:
    """Who holds the lock, in words."""
    try:
        return path.read_text(encoding="utf-8") or "another run"
    except OSError:
        return "another run"
