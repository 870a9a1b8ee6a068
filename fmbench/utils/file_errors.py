"""Says in an error of the operating system which file it is about."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def name_file(path: Path) -> Iterator[None]:
    """Let an error of the operating system inside the block name the file that is written there.

    On a full disk it would name none, or a temporary file.

    Raises:
        OSError: with ``path`` as its file.
    """
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def describe_os_error(error: OSError) -> str:
    """Return an error of the operating system in one line that begins with the file, if known."""
    where = error.filename2 or error.filename  # when a file is renamed: its new name
    return f"{f'{where}: ' if where else ''}{error.strerror or error}"
