"""What has been measured of a runner, and how sure it is: records to numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fmbench.analysis.statistics import spread
from fmbench.datasets.specs import FASHION_MNIST
from fmbench.models.registry import Runner
from fmbench.records.cells import Cell
from fmbench.records.protocols import Protocol
from fmbench.records.record import Name, Record, flagged_array
from fmbench.records.store import Contents, Store
from fmbench.suites.entries import Entry

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Summary:
    """One runner under one protocol. Accuracies are in [0, 1], by seed in ``accuracies``.

    ``low`` and ``high`` bound the accuracy of *one new run* at 95 % (Spence & Stanley 2016). A
    deterministic runner has no spread: both are its accuracy. They are ``None``, as ``sd`` is,
    for a stochastic runner with one seed. ``flagged`` holds the accuracies, by seed, under another
    way of scoring that the source used, by that way in words.
    """

    runner: str
    status: str  # measured | not run | failed: why | stale: why
    n: int = 0
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    fit_seconds: float | None = None  # mean over the seeds
    device: str = ""
    accuracies: tuple[float, ...] = ()
    warnings: tuple[str, ...] = ()  # what the libraries said, and of how many seeds
    flagged: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def summarise(
    entry: Entry, protocol: Protocol, contents: Contents, store: Store, y_true: np.ndarray | None
) -> Summary:
    """Summary of an entry's records.

    ``y_true`` holds the labels of the protocol's images of Fashion-MNIST; ``None`` only where no
    record exists. Records of another data set have their own.
    """
    runner = entry.runner
    cells = answered(entry, protocol, contents)
    records = [record for cell in cells if (record := contents.of(cell))]
    status = _failure(cells, contents)
    if status is None:
        status = "measured" if records else _why_none(entry, protocol, cells, contents)
    if not records:
        return Summary(entry.name, status)
    accuracies = [_accuracy(record, store, y_true) for record in records]
    mean, sd, low, high = spread(accuracies, deterministic=runner.deterministic)
    return Summary(
        runner=entry.name,
        status=status,
        n=len(records),
        mean=mean,
        sd=sd,
        low=low,
        high=high,
        fit_seconds=sum(r.fit_seconds or 0.0 for r in records) / len(records),
        device=", ".join(sorted({r.device for r in records})),
        accuracies=tuple(accuracies),
        warnings=_warnings(records),
        flagged=_flagged(runner, records, store, y_true),
    )


def _accuracy(record: Record, store: Store, y_true: np.ndarray | None) -> float:
    if record.cell["dataset"] == FASHION_MNIST.name:
        return float((store.y_pred(record) == y_true).mean())
    arrays = store.arrays(record, "y_pred", "y_true")
    return float((arrays["y_pred"] == arrays["y_true"]).mean())


def _failure(cells: Sequence[Cell], contents: Contents) -> str | None:
    for cell in cells:
        if failure := contents.failed.get(cell.key):
            seed = "" if cell.runner.deterministic else f" (seed {cell.seed})"
            return f"failed: {failure.why}{seed}"
    return None


def _why_none(entry: Entry, protocol: Protocol, cells: Sequence[Cell], contents: Contents) -> str:
    """Why no record answers for an entry, though ``cells`` may have had one."""
    for cell in cells:
        if why := contents.stale(cell):
            return f"stale: {why}"
    for broken in contents.broken:
        name = Name.parse(broken.path)
        if name is None or (name.runner, name.protocol) != (entry.runner.name, protocol.name):
            continue
        # A runner's own recipe has its folder; entries with parameters share one.
        cell = entry.cell(protocol, name.seed)
        if not cell.variant or name.key == cell.key:
            return f"failed: the record {broken.path.name} is damaged"
    return "not run"


def _warnings(records: Sequence[Record]) -> tuple[str, ...]:
    said = Counter(warning for record in records for warning in record.warnings)
    return tuple(f"{text} ({n} of {len(records)} runs)" for text, n in sorted(said.items()))


def _flagged(
    runner: Runner, records: Sequence[Record], store: Store, y_true: np.ndarray | None
) -> dict[str, tuple[float, ...]]:
    if not runner.flagged:
        return {}
    names = [flagged_array(name) for name in runner.flagged]
    arrays = [store.arrays(record, *names) for record in records]
    return {
        words: tuple(
            float((of[flagged_array(name)] == y_true).mean())
            for of in arrays
            if flagged_array(name) in of  # the recipe may have got this figure later
        )
        for name, words in runner.flagged.items()
    }


def answered(entry: Entry, protocol: Protocol, contents: Contents) -> list[Cell]:
    """The cells of an entry, by seed, that any record is about: finished, failed or stale."""
    variant = entry.cell(protocol, 0).variant
    question = (entry.runner.name, entry.dataset.name, protocol.name, variant)
    seeds = set()
    for record in (*contents.finished.values(), *contents.failed.values()):
        # The name first: an identity is made anew for each record that is asked for it.
        if record.cell["runner"] == entry.runner.name:
            name, dataset, protocol_name, seed, recorded_variant = record.identity
            if (name, dataset, protocol_name, recorded_variant) == question:
                seeds.add(seed)
    return [entry.cell(protocol, seed) for seed in sorted(seeds)]


def current(entry: Entry, protocol: Protocol, contents: Contents) -> list[Record]:
    """The finished records that answer for an entry today, by seed."""
    found = (contents.of(cell) for cell in answered(entry, protocol, contents))
    return [record for record in found if record]
