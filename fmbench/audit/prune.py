"""Removing records from a results folder: what was listed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from fmbench.audit.verify import Finding
from fmbench.records import locks
from fmbench.records.record import Name
from fmbench.records.store import Store


@dataclass(frozen=True)
class Removable:
    """The files of one record, as they were when they were listed, and why it may go."""

    files: tuple[Path, ...]
    state: str
    why: str
    _seen: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, path: Path, state: str, why: str) -> Removable:
        """A record or what is left of one: the file ``path`` and its predictions, if any.

        The facts go first: predictions alone are no record to anybody.
        """
        beside = path.with_suffix(".npz")
        files = (path, beside) if beside.exists() and path.suffix == ".json" else (path,)
        return cls(files, state, why, tuple(map(_looks, files)))

    @property
    def unchanged(self) -> bool:
        """Whether the files are still those that were listed."""
        try:
            return tuple(map(_looks, self.files)) == self._seen
        except OSError:
            return False


def removable(store: Store, findings: Iterable[Finding], states: set[str]) -> Iterator[Removable]:
    """What of a folder is in one of the states ``stale``, ``failed`` and ``broken``.

    What failed is so whether or not it is stale, too. With what is broken goes what a run has set
    aside because it was. What another version of fmbench wrote is not broken.
    """
    for finding in findings:
        record = finding.record
        if "failed" in states and record is not None and not record.finished:
            yield Removable.of(finding.path, "failed", record.why or "")
        elif finding.state in states:
            yield Removable.of(finding.path, finding.state, finding.why)
    if "broken" in states:
        for path in sorted(store.records.glob("*/*.broken*")):
            yield Removable.of(path, "broken", "set aside by a run")


def remove(store: Store, one: Removable) -> bool:
    """Remove the files; false, and nothing is, if a run has changed them or is about to."""
    path = one.files[0]
    with ExitStack() as held:
        name = Name.parse(path)
        free = name is None or held.enter_context(locks.holding(store.lock(name)))
        if not free or not one.unchanged:
            return False
        for file in one.files:
            file.unlink()
    with suppress(OSError):  # other records are there
        path.parent.rmdir()
    return True


def _looks(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
