"""Reads the limits that a container or the system sets to this process: cores and memory.

On Linux such limits are set to control groups ("cgroups", version 1 or 2). The groups are nested,
and each limit holds for all below it, so those of the process's own group and of all above count.
Sources: the kernel's ``admin-guide/cgroup-v1`` and ``admin-guide/cgroup-v2.rst``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

V2 = ""  # the name of version 2 where version 1 has that of a controller
# Version 1 writes a number near 2**63 where there is no limit.
MAX_BYTES = 2**60


class Group(NamedTuple):
    """The folder of a control group, and whether it is one of version 2."""

    folder: Path
    is_v2: bool


def count_quota_cores(root: Path = Path("/")) -> int | None:
    """Return the whole cores that the quotas leave to this process; None without a quota.

    A part of a core counts as one core if it is all, and otherwise as none: 0.3 and 1.5 give 1.
    ``root`` is the folder that holds ``proc`` and ``sys``.
    """
    quotas = [quota for group in find_groups("cpu", root) if (quota := _read_quota(group))]
    return max(1, min(n // period for n, period in quotas)) if quotas else None


def read_free_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes that the limits leave to this process; None without a limit.

    What the group's processes use counts as taken, apart from files that the kernel keeps in memory
    until it needs the space. ``root`` is as in :func:`count_quota_cores`.
    """
    free = [bytes_ for group in find_groups("memory", root) for bytes_ in _read_free(group)]
    return max(0, min(free)) if free else None


def find_groups(controller: str, root: Path) -> Iterator[Group]:
    """Find the control groups of this process, from its own up to the highest that is visible.

    Those that a container does not show have no files, and so no limits here.
    """
    paths = _read_paths(root)
    for mounted, mount_point, version, controllers in _read_mounts(root):
        name = V2 if version == "cgroup2" else controller
        if name not in paths or (name and name not in controllers):
            continue
        top = root / mount_point.relative_to("/")
        try:
            own = top / paths[name].relative_to(mounted)
        except ValueError:  # in a container: the path is that of the host, of which it sees a part
            own = top
        for folder in (own, *own.parents):
            yield Group(folder, name == V2)
            if folder == top:
                break


def _read_paths(root: Path) -> dict[str, PurePosixPath]:
    """Read the path of this process's group by controller; lines are ``4:cpu,cpuacct:/path``."""
    paths: dict[str, PurePosixPath] = {}
    for line in _read_lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), PurePosixPath(path))
    return paths


def _read_mounts(root: Path) -> Iterator[tuple[PurePosixPath, PurePosixPath, str, list[str]]]:
    """Yield where groups are shown: the highest group, the folder, the version, the controllers."""
    for line in _read_lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        version, _, options = after.split(" ", 2)
        if version in ("cgroup", "cgroup2"):
            mounted, mount_point = map(_unescape, before.split(" ")[3:5])
            yield mounted, mount_point, version, options.split(",")


def _unescape(path: str) -> PurePosixPath:
    """Put a space back for ``\\040``, and so on."""
    return PurePosixPath(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), path))


def _read_quota(group: Group) -> tuple[int, int] | None:
    """Read the microseconds of processor time in each period, and the length of the period."""
    if group.is_v2:
        words = " ".join(_read_lines(group.folder / "cpu.max")).split()
    else:
        words = _read_lines(group.folder / "cpu.cfs_quota_us")
        words += _read_lines(group.folder / "cpu.cfs_period_us")
    if len(words) != 2 or not all(map(str.isdecimal, words)):  # "max" or -1: no quota
        return None
    quota, period = map(int, words)
    return (quota, period) if period else None


def _read_free(group: Group) -> Iterator[int]:
    """Yield what is free under each memory limit of a group, in bytes."""
    if group.is_v2:
        limits, usage, files = ["memory.max", "memory.high"], "memory.current", "inactive_file"
    else:
        limits, usage = ["memory.limit_in_bytes"], "memory.usage_in_bytes"
        files = "total_inactive_file"
    for name in limits:
        limit = _read_number(group.folder / name)
        if limit is not None and limit < MAX_BYTES:
            used = _read_number(group.folder / usage) or 0
            statistics = (line.split() for line in _read_lines(group.folder / "memory.stat"))
            kept = sum(int(words[1]) for words in statistics if words[0] == files)
            yield limit - max(0, used - kept)


def _read_number(path: Path) -> int | None:
    """Read a whole number; None if there is none: the file says "max", or there is no such file."""
    text = "".join(_read_lines(path)).strip()
    return int(text) if text.isdecimal() else None


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # the highest group has no limits; another system has no groups
        return []
