"""A record against a second measurement of its cell: how many predictions differ, and whether
they may.

On a CPU the same versions, processor, threads and seed give the same predictions, to the last one.
On a GPU some kernels add up in no fixed order. For a neural row, fmbench's own version is one of
these: it is raised when the training loop rounds differently, a runner's revision only when its
recipe changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fmbench.records.record import Record
from fmbench.records.store import Store
from fmbench.utils import environment


@dataclass(frozen=True)
class Repetition:
    """A record and what measuring its cell ``again`` gave, of ``n`` predictions."""

    record: Record
    again: Record
    n: int = 0
    n_differing: int = 0

    @property
    def elsewhere(self) -> list[str]:
        """How the two were made differently, in words."""
        old, new = self.record, self.again
        found = environment.differences(old.versions, old.device, (new.versions, new.device))
        if environment.INSTRUCTIONS not in old.versions:
            here = new.versions.get(environment.INSTRUCTIONS, "unknown")
            found.append(f"{environment.INSTRUCTIONS} not noted, here {here}")
        fmbenches = [record.package.get("version", "unknown") for record in (old, new)]
        if new.history and fmbenches[0] != fmbenches[1]:
            found.append(f"fmbench {fmbenches[0]}, here {fmbenches[1]}")
        if old.threads != new.threads:
            found.append(f"threads {old.threads}, here {new.threads}")
        return found

    @property
    def on_gpu(self) -> bool:
        """Whether either was measured on a GPU."""
        return any(r.peak_gpu_memory_bytes is not None for r in (self.record, self.again))

    @property
    def bad(self) -> bool:
        """Whether it failed, or predictions differ and nothing accounts for it."""
        explained = bool(self.elsewhere) or self.on_gpu
        return not self.again.finished or (self.n_differing > 0 and not explained)

    @property
    def excused(self) -> bool:
        """Whether predictions differ, and may: it was made elsewhere, or on a GPU."""
        return self.n_differing > 0 and not self.bad

    @property
    def in_words(self) -> str:
        """One line."""
        if not self.again.finished:
            return f"failed: {self.again.why}"
        how = "; ".join(self.elsewhere)
        if self.on_gpu:
            how = "; ".join(filter(None, [how, "a GPU adds up in no fixed order"]))
        made = f" (made elsewhere: {how})" if how else " (same versions, same device)"
        return f"{self.n_differing} of {self.n} predictions differ{made}"

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return {
            "n": self.n, "differing": self.n_differing, "made_elsewhere": self.elsewhere,
            "failure": None if self.again.finished else self.again.why, "bad": self.bad,
        }  # fmt: skip


def compare(record: Record, store: Store, again: Record, place: Store) -> Repetition:
    """The predictions of a record in ``store`` against those made again, in ``place``."""
    if not again.finished:
        return Repetition(record, again)
    old, new = store.y_pred(record), place.y_pred(again)
    return Repetition(record, again, len(old), int((old != new).sum()))
