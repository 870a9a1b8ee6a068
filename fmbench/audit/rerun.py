"""Compares a record with a second measurement of its cell: how many predictions differ, and why.

On a CPU, the same versions, processor, number of threads and seed give exactly the same
predictions. On a GPU some kernels add up in no fixed order. For a neural row, fmbench's own version
matters too: it is raised when the training loop rounds differently, while a runner's revision is
raised only when its recipe changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fmbench.records.record import Record
from fmbench.records.store import Store
from fmbench.utils import environment


@dataclass(frozen=True)
class RerunComparison:
    """A record, and the record of a second measurement of its cell."""

    record: Record
    rerun: Record
    n: int = 0  # predictions
    n_differing: int = 0  # predictions that differ between the two

    @property
    def environment_changes(self) -> list[str]:
        """What differed between the two measurements that can change predictions, in words."""
        old, new = self.record, self.rerun
        changes = environment.describe_differences(
            old.versions, old.device, (new.versions, new.device)
        )
        if environment.INSTRUCTIONS not in old.versions:
            instructions = new.versions.get(environment.INSTRUCTIONS, "unknown")
            changes.append(f"{environment.INSTRUCTIONS} not noted, here {instructions}")
        versions = [record.package.get("version", "unknown") for record in (old, new)]
        if new.history and versions[0] != versions[1]:
            changes.append(f"fmbench {versions[0]}, here {versions[1]}")
        if old.threads != new.threads:
            changes.append(f"threads {old.threads}, here {new.threads}")
        return changes

    @property
    def on_gpu(self) -> bool:
        """Whether either was measured on a GPU."""
        return any(r.peak_gpu_memory_bytes is not None for r in (self.record, self.rerun))

    @property
    def is_bad(self) -> bool:
        """Whether the rerun failed, or predictions differ without an explanation."""
        explained = bool(self.environment_changes) or self.on_gpu
        return not self.rerun.finished or (self.n_differing > 0 and not explained)

    @property
    def is_explained_difference(self) -> bool:
        """Whether predictions differ and the environment or a GPU explains it."""
        return self.n_differing > 0 and not self.is_bad

    @property
    def description(self) -> str:
        """The comparison in one line."""
        if not self.rerun.finished:
            return f"failed: {self.rerun.why}"
        reasons = list(self.environment_changes)
        if self.on_gpu:
            reasons.append("a GPU adds up in no fixed order")
        made = f"made elsewhere: {'; '.join(reasons)}" if reasons else "same versions, same device"
        return f"{self.n_differing} of {self.n} predictions differ ({made})"

    def as_json(self) -> dict[str, Any]:
        """Return the comparison for a program."""
        return {
            "n": self.n,
            "differing": self.n_differing,
            "made_elsewhere": self.environment_changes,
            "failure": None if self.rerun.finished else self.rerun.why,
            "bad": self.is_bad,
        }


def compare_with_rerun(
    record: Record, store: Store, rerun: Record, rerun_store: Store
) -> RerunComparison:
    """Compare the predictions of a record with those of a second measurement of its cell."""
    if not rerun.finished:
        return RerunComparison(record, rerun)
    old, new = store.load_y_pred(record), rerun_store.load_y_pred(rerun)
    return RerunComparison(record, rerun, len(old), int((old != new).sum()))
