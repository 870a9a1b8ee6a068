"""Summarises the records of one runner: mean accuracy, spread, and the state of its measurement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from fmbench.analysis.statistics import compute_prediction_interval
from fmbench.datasets.specs import records_have_labels
from fmbench.models.registry import Runner
from fmbench.records.cells import Cell
from fmbench.records.protocols import Protocol
from fmbench.records.record import Y_PRED, Y_TRUE, Record, RecordName, flagged_array_name
from fmbench.records.store import Store, StoreContents
from fmbench.suites.configurations import Configuration, identify_configuration

if TYPE_CHECKING:
    import numpy as np


NO_RECORD = "no record"  # what tables and figures say if nothing was measured


class Status(Enum):
    """Whether a row was measured, and if not, the kind of reason."""

    MEASURED = "measured"
    NOT_RUN = "not run"
    FAILED = "failed"
    STALE = "stale"  # its records were made by another revision of the recipe
    CANNOT_BUILD = "cannot be built"  # the library of its estimator is not installed
    NO_RUNNER = "no runner yet"  # the suite names a runner that does not exist


@dataclass(frozen=True)
class Summary:
    """One runner under one protocol. Accuracies are in [0, 1], by seed in ``accuracies``.

    ``status`` and ``reason`` say whether it was measured, and why not. Some seeds may be measured
    even though others failed. ``low`` and ``high`` are the ends of the prediction interval for *one
    new run* (Spence & Stanley 2016). For a deterministic runner, both are its accuracy. For a
    stochastic runner with one seed, they are ``None``, and so is ``sd``. ``flagged`` holds the
    accuracies by seed of another way of scoring that the source used; its keys describe that way.
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

    ``y_true`` holds the labels of the default data set that the protocol scores. It may be ``None``
    if there is no record to score. Records of other data sets contain their own labels.
    """
    runner, name = configuration.runner, configuration.name
    cells = find_cells_with_records(configuration, protocol, contents)
    records = [record for cell in cells if (record := contents.find_finished(cell))]
    failure = _find_failure(cells, contents)
    if not records:
        status, reason = (
            (Status.FAILED, failure)
            if failure is not None
            else _explain_missing_measurement(configuration, protocol, cells, contents)
        )
        return Summary(name, status, reason=reason)
    accuracies = [_compute_accuracy(record, store, y_true) for record in records]
    mean, sd, low, high = compute_prediction_interval(
        accuracies, deterministic=runner.deterministic
    )
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
        flagged=_compute_flagged_accuracies(runner, records, store, y_true),
        reason=failure or "",
    )


def find_cells_with_records(
    configuration: Configuration, protocol: Protocol, contents: StoreContents
) -> list[Cell]:
    """Find the cells of a configuration, by seed, with any record: finished, failed or stale."""
    wanted, seeds = configuration.identity, set()
    for record in (*contents.finished.values(), *contents.failed.values()):
        # Compare the name first, because building an identity takes much longer.
        if record.cell["runner"] == configuration.runner.name:
            identity = record.identity
            if identity.protocol == protocol.name and identify_configuration(record) == wanted:
                seeds.add(identity.seed)
    return [configuration.cell(protocol, seed) for seed in sorted(seeds)]


def find_current_records(
    configuration: Configuration, protocol: Protocol, contents: StoreContents
) -> list[Record]:
    """Find the finished records, by seed, that are up to date: today's code would make the same."""
    cells = find_cells_with_records(configuration, protocol, contents)
    return [record for cell in cells if (record := contents.find_finished(cell))]


def _compute_accuracy(record: Record, store: Store, y_true: np.ndarray | None) -> float:
    if not records_have_labels(record.cell["dataset"]):
        return float((store.load_y_pred(record) == y_true).mean())
    arrays = store.load_arrays(record, Y_PRED, Y_TRUE)
    return float((arrays[Y_PRED] == arrays[Y_TRUE]).mean())


def _find_failure(cells: Sequence[Cell], contents: StoreContents) -> str | None:
    """Return why the first failed cell failed; None if no cell failed."""
    for cell in cells:
        if failure := contents.failed.get(cell.key):
            seed = "" if cell.runner.deterministic else f" (seed {cell.seed})"
            return f"{failure.why}{seed}"
    return None


def _explain_missing_measurement(
    configuration: Configuration, protocol: Protocol, cells: Sequence[Cell], contents: StoreContents
) -> tuple[Status, str]:
    """Return why a configuration has no finished record; ``cells`` are those with any record."""
    for cell in cells:
        if why := contents.explain_stale(cell):
            return Status.STALE, why
    for broken in contents.broken:
        name = RecordName.from_path(broken.path)
        if name is None or (name.runner, name.protocol) != (
            configuration.runner.name,
            protocol.name,
        ):
            continue
        # Variants of a runner share one folder, so the file must have the cell's key.
        cell = configuration.cell(protocol, name.seed)
        if not cell.variant or name.key == cell.key:
            return Status.FAILED, f"the record {broken.path.name} is damaged"
    return Status.NOT_RUN, ""


def _count_warnings(records: Sequence[Record]) -> tuple[str, ...]:
    counts = Counter(warning for record in records for warning in record.warnings)
    return tuple(f"{text} ({n} of {len(records)} runs)" for text, n in sorted(counts.items()))


def _compute_flagged_accuracies(
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
