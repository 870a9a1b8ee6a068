"""Summarises the records of one runner: mean accuracy, spread, and the state of its measurement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from fmbench.analysis.statistics import prediction_interval
from fmbench.datasets.specs import records_have_labels
from fmbench.models.registry import Runner
from fmbench.records.cells import Cell
from fmbench.records.protocols import Protocol
from fmbench.records.record import Record, RecordName, flagged_array_name
from fmbench.records.store import Store, StoreContents
from fmbench.suites.configurations import Configuration

if TYPE_CHECKING:
    import numpy as np


class Status(Enum):
    """Whether a row was measured, and if not, what kind of reason there is."""

    MEASURED = "measured"
    NOT_RUN = "not run"
    FAILED = "failed"
    STALE = "stale"  # its records were made by another revision of the recipe
    CANNOT_BUILD = "cannot be built"  # the library that its estimator comes from is not there
    NO_RUNNER = "no runner yet"  # the suite names a runner that does not exist


@dataclass(frozen=True)
class Summary:
    """One runner under one protocol. Accuracies are in [0, 1], by seed in ``accuracies``.

    ``status`` and ``reason`` say whether it was measured, and why not. Some seeds may be measured
    even though others failed. ``low`` and ``high`` bound the accuracy of *one new run* at 95 %
    (Spence & Stanley 2016). A deterministic runner has no spread: both are its accuracy. They are
    ``None``, like ``sd``, for a stochastic runner with one seed. ``flagged`` holds the accuracies,
    by seed, of another way of scoring that the source used; its keys describe that way in words.
    """

    runner: str
    status: Status
    n: int = 0
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    fit_seconds: float | None = None  # mean over the seeds
    device: str = ""
    accuracies: tuple[float, ...] = ()
    warnings: tuple[str, ...] = ()  # each with the number of seeds that gave it
    flagged: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    reason: str = ""

    @property
    def status_text(self) -> str:
        """The status with its reason, as tables print it: ``failed: ran out of memory``."""
        return f"{self.status.value}: {self.reason}" if self.reason else self.status.value


def summarise(
    configuration: Configuration,
    protocol: Protocol,
    contents: StoreContents,
    store: Store,
    y_true: np.ndarray | None,
) -> Summary:
    """Summarise the records of a configuration.

    ``y_true`` holds the labels of the protocol's Fashion-MNIST images; it may be ``None`` only if
    there is no record to score. Records of another data set hold their own labels.
    """
    runner, name = configuration.runner, configuration.name
    cells = cells_with_records(configuration, protocol, contents)
    records = [record for cell in cells if (record := contents.finished_record(cell))]
    failure = _failure(cells, contents)
    if not records:
        status, reason = (
            (Status.FAILED, failure)
            if failure is not None
            else _why_not_measured(configuration, protocol, cells, contents)
        )
        return Summary(name, status, reason=reason)
    accuracies = [_accuracy(record, store, y_true) for record in records]
    mean, sd, low, high = prediction_interval(accuracies, deterministic=runner.deterministic)
    return Summary(
        runner=name,
        status=Status.MEASURED if failure is None else Status.FAILED,
        n=len(records),
        mean=mean,
        sd=sd,
        low=low,
        high=high,
        fit_seconds=sum(r.fit_seconds or 0.0 for r in records) / len(records),
        device=", ".join(sorted({r.device for r in records})),
        accuracies=tuple(accuracies),
        warnings=_count_warnings(records),
        flagged=_flagged_accuracies(runner, records, store, y_true),
        reason=failure or "",
    )


def cells_with_records(
    configuration: Configuration, protocol: Protocol, contents: StoreContents
) -> list[Cell]:
    """The cells of a configuration, by seed, that have any record: finished, failed or stale."""
    variant = configuration.cell(protocol, 0).variant
    wanted = (configuration.runner.name, configuration.dataset.name, protocol.name, variant)
    seeds = set()
    for record in (*contents.finished.values(), *contents.failed.values()):
        # Compare the name first: building an identity takes much longer.
        if record.cell["runner"] == configuration.runner.name:
            name, dataset, protocol_name, seed, recorded_variant = record.identity
            if (name, dataset, protocol_name, recorded_variant) == wanted:
                seeds.add(seed)
    return [configuration.cell(protocol, seed) for seed in sorted(seeds)]


def current_records(
    configuration: Configuration, protocol: Protocol, contents: StoreContents
) -> list[Record]:
    """The finished records, by seed, that today's code would make the same way."""
    cells = cells_with_records(configuration, protocol, contents)
    return [record for cell in cells if (record := contents.finished_record(cell))]


def _accuracy(record: Record, store: Store, y_true: np.ndarray | None) -> float:
    if not records_have_labels(record.cell["dataset"]):
        return float((store.load_y_pred(record) == y_true).mean())
    arrays = store.load_arrays(record, "y_pred", "y_true")
    return float((arrays["y_pred"] == arrays["y_true"]).mean())


def _failure(cells: Sequence[Cell], contents: StoreContents) -> str | None:
    """Why the first failed cell failed; None if none did."""
    for cell in cells:
        if failure := contents.failed.get(cell.key):
            seed = "" if cell.runner.deterministic else f" (seed {cell.seed})"
            return f"{failure.why}{seed}"
    return None


def _why_not_measured(
    configuration: Configuration, protocol: Protocol, cells: Sequence[Cell], contents: StoreContents
) -> tuple[Status, str]:
    """Why a configuration has no finished record; ``cells`` are those with any record."""
    for cell in cells:
        if why := contents.why_stale(cell):
            return Status.STALE, why
    for broken in contents.broken:
        name = RecordName.from_path(broken.path)
        if name is None or (name.runner, name.protocol) != (
            configuration.runner.name,
            protocol.name,
        ):
            continue
        # The recipe as registered has a folder of its own; variants of a runner share one.
        cell = configuration.cell(protocol, name.seed)
        if not cell.variant or name.key == cell.key:
            return Status.FAILED, f"the record {broken.path.name} is damaged"
    return Status.NOT_RUN, ""


def _count_warnings(records: Sequence[Record]) -> tuple[str, ...]:
    counts = Counter(warning for record in records for warning in record.warnings)
    return tuple(f"{text} ({n} of {len(records)} runs)" for text, n in sorted(counts.items()))


def _flagged_accuracies(
    runner: Runner, records: Sequence[Record], store: Store, y_true: np.ndarray | None
) -> dict[str, tuple[float, ...]]:
    if not runner.flagged:
        return {}
    names = [flagged_array_name(name) for name in runner.flagged]
    arrays_by_record = [store.load_arrays(record, *names) for record in records]
    return {
        description: tuple(
            float((arrays[flagged_array_name(name)] == y_true).mean())
            for arrays in arrays_by_record
            if flagged_array_name(name) in arrays  # older records may lack this array
        )
        for name, description in runner.flagged.items()
    }
