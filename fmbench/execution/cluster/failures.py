"""What became of an order that no worker has answered, and the record's words for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fmbench.execution.backend import Measured, not_started
from fmbench.execution.cluster.worker import Order

A_WORKER = "a worker"  # the device of a launch of which no worker lives to tell


@dataclass(frozen=True)
class Lost:
    """The workers that an order was sent to are gone, or never came to start it."""

    times: int
    why: str = ""

    def in_words(self, n_lost: int, retries: int) -> str:
        """The reason of a failure after ``n_lost`` losses, this one included."""
        last = f" (the last time: {self.why})" if self.why else ""
        return f"its worker was lost, {n_lost} times in all, and --retries is {retries}{last}"


def what_happened(error: BaseException, order: Order, starts: Sequence[str]) -> Measured | Lost:
    """What is behind an order that ended in an error of Dask's, or of a worker's.

    ``starts`` are the workers that it was started on. Where it never was, the error says something
    of a worker, that it has no fmbench for instance, and nothing of the cells.
    """
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):  # more often than the scheduler allows
        return Lost(max(1, len(starts)))
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    if not starts:
        return Lost(1, said)
    why = f"the worker {starts[-1]} could not run it: {said}"
    return not_started(order.launch, order.limits, why, A_WORKER)
