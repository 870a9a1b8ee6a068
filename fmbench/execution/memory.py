"""Estimates how much memory cells need, and starts no more of them at a time than fit into it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from fmbench.execution.backend import Launch, Limits
from fmbench.execution.schedule import (
    CELL_GIB,
    count_most_workers,
    group_into_launches,
    split_by_device,
)
from fmbench.records.cells import Cell
from fmbench.records.record import Record
from fmbench.records.store import StoreContents

GIB = 2**30
# GiB that a cell with one worker needs if nothing more is known. In fmbench's own runs each runner
# needs less, apart from those that declare what a worker needs.
DEFAULT_GIB, DEFAULT_QUICK_GIB = 1.3, 0.8
MAX_WORKERS = 1024
# What CUDA itself takes of a GPU's memory for each process.
CUDA_BYTES = GIB // 2


class MemoryEstimate:
    """Estimates the memory of a cell: the most that a similar cell has needed.

    ``contents`` are the records that are there. Without a similar record it is what the runner
    declares. Records count memory that several cells share in each of them, so several cells need
    less than the sum.
    """

    def __init__(self, contents: StoreContents) -> None:
        # By runner and protocol, and by runner, protocol and variant.
        self._measured: dict[tuple[str, ...], int] = {}
        for record in contents.finished.values():
            recipe = (record.cell["runner"], record.cell["protocol"]["name"])
            if bytes_ := _measure_with_one_worker(record):
                for similar in ((*recipe, record.cell["variant"]), recipe):
                    self._measured[similar] = max(bytes_, self._measured.get(similar, 0))

    def expected_bytes(self, cell: Cell) -> int:
        """Estimate the bytes that the cell needs with one worker."""
        least = 0
        if cell.runner.max_workers > 1 and not cell.protocol.quick:
            least = int((CELL_GIB + cell.runner.worker_gib) * GIB)
        recipe = (cell.runner.name, cell.protocol.name)
        for similar in ((*recipe, cell.variant), recipe):
            if similar in self._measured:
                return max(least, self._measured[similar])
        return least or int((DEFAULT_QUICK_GIB if cell.protocol.quick else DEFAULT_GIB) * GIB)


def _measure_with_one_worker(record: Record) -> int:
    """Return the bytes that a recorded cell would have needed with one worker."""
    peak, n_workers = record.peak_memory_bytes or 0, record.details.get("workers")
    if not isinstance(n_workers, int) or not 1 <= n_workers <= MAX_WORKERS:
        n_workers = 1  # it is among a plug-in's own details, and means something else
    shared = min(peak, int(CELL_GIB * GIB))
    return shared + (peak - shared) // n_workers


class FittedLimits(NamedTuple):
    """Limits with as many launches at a time as memory allows; the lines say what was changed."""

    limits: Limits
    lines: tuple[str, ...]


def fit_into_memory(
    limits: Limits, cells: Sequence[Cell], estimate: MemoryEstimate, free: int
) -> FittedLimits:
    """Lower the launches at a time until even the largest of these cells fit into ``free`` bytes.

    One launch at a time is always allowed. Launches on a GPU come first, because they take
    memory of the machine, too, but only one core.
    """
    launches = group_into_launches(cells, limits.together)
    on_gpu = [launch for launch in launches if limits.get_device(launch[0]) == "cuda"]
    on_cpu = [launch for launch in launches if limits.get_device(launch[0]) != "cuda"]
    needs = sorted((estimate.expected_bytes(launch[0]) for launch in on_gpu), reverse=True)
    gpu_jobs = _count_fitting(needs, limits.gpu_jobs, free)
    lines = _describe_fewer(gpu_jobs, limits.gpu_jobs, needs, free, " on the GPU")
    left = free - sum(needs[:gpu_jobs])
    needs = sorted(_list_needs(on_cpu, limits, estimate), reverse=True)
    jobs = _count_fitting(needs, limits.jobs, left)
    lines += _describe_fewer(jobs, limits.jobs, needs, left)
    return FittedLimits(replace(limits, jobs=jobs, gpu_jobs=gpu_jobs), tuple(lines))


def fit_into_gpu_memory(limits: Limits, cells: Iterable[Cell], free: int) -> FittedLimits:
    """Lower the launches at a time on a GPU until all that they may take is free there.

    One launch at a time is always allowed. Fewer launches share the memory that all may take.
    """
    asked, share = limits.gpu_jobs, limits.gpu_memory
    if share is None or (fitting := free // (share + CUDA_BYTES)) >= asked:
        return FittedLimits(limits, ())
    gpu_jobs = max(1, fitting)
    most = min(asked * share, free - gpu_jobs * CUDA_BYTES) // gpu_jobs
    fitted = replace(limits, gpu_jobs=gpu_jobs, gpu_memory=max(share, most))
    _, on_gpu = split_by_device(cells, limits)
    possible = min(asked, len(group_into_launches(on_gpu, limits.together)))
    if possible <= gpu_jobs:
        return FittedLimits(fitted, ())
    line = (
        f"{gpu_jobs} {'launch' if gpu_jobs == 1 else 'launches'} at a time on the GPU instead of "
        f"{possible}: {_format_gib(free)} of its memory are free, and each may take "
        f"{_format_gib(share + CUDA_BYTES)}; a smaller --gpu-memory allows more"
    )
    return FittedLimits(fitted, (line,))


def _list_needs(
    launches: Iterable[Launch], limits: Limits, estimate: MemoryEstimate
) -> Iterator[int]:
    """Yield the bytes for each job that the launches can take: one for each worker of a fit."""
    for launch in launches:
        first = estimate.expected_bytes(launch[0])
        yield first
        for _ in range(count_most_workers(launch[0], limits) - 1):
            yield max(0, first - int(CELL_GIB * GIB))


def _count_fitting(needs: Sequence[int], at_most: int, free: int) -> int:
    """Count how many of these needs, the largest first, fit into the free bytes: at least one."""
    total = 0
    for n, need in enumerate(needs[:at_most]):
        total += need
        if total > free:
            return max(1, n)
    return at_most


def _describe_fewer(
    n: int, asked: int, needs: Sequence[int], free: int, where: str = ""
) -> list[str]:
    if n < asked:
        possible = min(asked, len(needs))
        return [
            f"{n} {'cell' if n == 1 else 'cells'} at a time{where} instead of {possible}: "
            f"{_format_gib(free)} of memory are free here, and a cell may need "
            f"{_format_gib(needs[0])}"
        ]
    if needs and needs[0] > free:
        return [
            f"a cell{where} may need {_format_gib(needs[0])} of memory, and only "
            f"{_format_gib(free)} are free here: the system may end it"
        ]
    return []


def _format_gib(bytes_: int) -> str:
    return f"{max(0, bytes_) / GIB:.1f} GiB"
