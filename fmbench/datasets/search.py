"""Finds files in a folder that a user names, and reads them with a limit on their size.

People keep data sets in many layouts: a folder of four files, torchvision's root folder, a folder
for each file. So the folders below the named one are searched too. The search is limited in depth
and in entries, leaves out hidden folders, and takes only regular files, so that no loop of links,
no pipe and no device can stop it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from fmbench.datasets.specs import DatasetSpec
from fmbench.errors import UserError

MAX_DEPTH = 4  # folders below the named one; the data hub's cache has its files at depth 3
MAX_ENTRIES = 5000


def is_regular_file(path: Path) -> bool:
    """Whether ``path`` is a regular file, or a link to one."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def read_file(path: Path, max_bytes: int) -> bytes:
    """Read a regular file of at most ``max_bytes``.

    Raises:
        UserError: it cannot be read, is larger, or is no regular file.
    """
    try:
        # A pipe without a writer would make a plain open() wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:  # noqa: PTH123
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UserError(f"{path} is not a regular file")
            content = file.read(max_bytes + 1) if status.st_size <= max_bytes else None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if content is None or len(content) > max_bytes:
        raise UserError(
            f"{path} is larger than {max_bytes:,} bytes, so it is no file of a known data set"
        )
    return content


def list_folders(spec: DatasetSpec, folder: Path) -> list[Path]:
    """List ``folder`` and the folders below it; those named like the data set come first."""
    found, seen, n_entries = [folder], set(), 0
    level = [folder]
    for _ in range(MAX_DEPTH):
        below = []
        for parent in level:
            for entry in _scan(parent):
                n_entries += 1
                if n_entries > MAX_ENTRIES:
                    break
                if not entry.name.startswith(".") and (identity := _identify_folder(entry)):
                    if identity not in seen:
                        below.append(Path(entry.path))
                    seen.add(identity)
        below.sort()
        found += below
        level = below
    return [folder, *sorted(found[1:], key=lambda path: not is_named_like(spec, path, folder))]


def list_files(folder: Path) -> list[Path]:
    """List the regular files in ``folder``, sorted by name."""
    files = []
    for number, entry in enumerate(_scan(folder)):
        if number >= MAX_ENTRIES:
            break
        path = Path(entry.path)
        if not entry.name.startswith(".") and is_regular_file(path):
            files.append(path)
    return sorted(files)


def is_named_like(spec: DatasetSpec, path: Path, folder: Path) -> bool:
    """Whether a part of ``path`` below ``folder`` is the data set's name, however written."""
    parts = path.relative_to(folder).parts
    return _simplify(spec.name) in {_simplify(part.removesuffix(path.suffix)) for part in parts}


def _simplify(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:  # not a folder, or closed to this user: nothing can be found in it
        return


def _identify_folder(entry: os.DirEntry[str]) -> tuple[int, int] | None:
    """Return what tells a folder from all others; None if the entry is no folder."""
    try:
        status = entry.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None
