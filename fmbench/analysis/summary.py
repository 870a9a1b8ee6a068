"""Summarises the records of one runner: mean accuracy, spread, and the state of its measurement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from fmbench.analysis.statistics import compute_prediction_interval
from fmbench.datasets.specs import DATASETS, records_have_labels
from fmbench.models.registry import BEST_EPOCH, Runner
from fmbench.records.cells import Cell
from fmbench.records.protocols import DIGITS, FULL, Protocol
from fmbench.records.record import (
    EPOCH_Y_PRED,
    Y_PRED,
    Y_TRUE,
    Record,
    RecordName,
    clean_warnings,
    flagged_array_name,
)
from fmbench.records.store import Store, StoreContents
from fmbench.suites.configurations import Configuration, identify_configuration

if TYPE_CHECKING:
    import numpy as np


NO_RECORD = "no record"  # what tables and figures say if nothing was measured
# How a flagged figure is described that is computed for a claim, not stored by the runner.
BEST_EPOCH_TEXT = "best epoch picked on the test set"


class Status(Enum):
    """Whether a row was measured, and if not, the kind of reason."""

    MEASURED = "measured"
    NOT_RUN = "not run"
    FAILED = "failed"
    STALE = "stale"  # its records were made by another revision of the recipe
    CANNOT_BUILD = "cannot be built"  # the library of its estimator is not installed
    NO_RUNNER = "no runner"  # the suite names a runner that does not exist, or none


@dataclass(frozen=True)
class FlaggedFigure:
    """The accuracies by seed of another way of scoring, which ``description`` says in words."""

    description: str
    accuracies: tuple[float, ...] = ()


@dataclass(frozen=True)
class Summary:
    """One runner under one protocol. Accuracies are in [0, 1], by seed in ``accuracies``.

    ``status`` and ``reason`` say whether it was measured, and why not. Some seeds may be measured
    even though others failed. ``low`` and ``high`` are the ends of the prediction interval for *one
    new run* (Spence & Stanley 2016). For a deterministic runner, both are its accuracy. For a
    stochastic runner with one seed, they are ``None``, and so is ``sd``. ``flagged`` holds
    the figures of the recipe that are scored in another way, by their names in the recipe, and the
    best epoch where a row of the suite asks for it; a row says whether its source used one.
    ``controls`` holds the accuracies by seed on other data sets, by their names, where a row of the
    suite compares them. ``n_looked_at``: how many seeds, from seed 0 without a gap, the looks of
    :mod:`~fmbench.analysis.sequential` may use; None if the number of seeds was fixed in advance,
    so that there were no looks.
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
    flagged: Mapping[str, FlaggedFigure] = field(default_factory=dict)
    reason: str = ""
    controls: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    n_looked_at: int | None = None

    @property
    def deterministic(self) -> bool:
        """Whether it is measured, and of a runner without spread over seeds."""
        return self.n == 1 and self.sd == 0.0

    @property
    def has_looks(self) -> bool:
        """Whether the number of its seeds depends on what they gave: it is judged by looks."""
        return self.n_looked_at is not None and not self.deterministic

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
    *,
    picks_epoch: bool = False,
    control_datasets: Iterable[str] = (),
    until_decided: bool = False,
) -> Summary:
    """Summarise the records of a configuration.

    ``y_true`` holds the labels of the default data set that the protocol scores. It may be ``None``
    if there is no record to score. Records of other data sets contain their own labels.
    ``picks_epoch``: also give the best epoch on the test set, because a source picked it.
    ``control_datasets``: data sets on which a row of the suite compares the same recipe.
    ``until_decided``: it was measured until it was decided, so it is judged by looks.
    """
    runner, name = configuration.runner, configuration.name
    cells = find_cells_with_records(configuration, protocol, contents)
    seeds = [cell.seed for cell in cells if contents.find_finished(cell)]
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
        flagged=_compute_flagged_figures(runner, records, store, y_true, picks_epoch),
        reason=failure or "",
        controls={
            name: found
            for name in control_datasets
            if (found := _compute_control_accuracies(configuration, name, contents, store))
        },
        n_looked_at=count_leading_seeds(seeds) if until_decided else None,
    )


def count_leading_seeds(seeds: Iterable[int]) -> int:
    """Count the seeds 0, 1, 2, ... up to the first one that is missing; ``seeds`` are sorted."""
    n = 0
    for seed in seeds:
        if seed != n:
            break
        n += 1
    return n


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
            return f"{failure.why or 'for an unknown reason'}{seed}"
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
    counts = Counter(text for record in records for text in clean_warnings(record.warnings))
    return tuple(f"{text} ({n} of {len(records)} runs)" for text, n in sorted(counts.items()))


def _compute_flagged_figures(
    runner: Runner,
    records: Sequence[Record],
    store: Store,
    y_true: np.ndarray | None,
    picks_epoch: bool,
) -> dict[str, FlaggedFigure]:
    descriptions = dict(runner.flagged)
    array_names = {name: flagged_array_name(name) for name in descriptions}
    if picks_epoch and BEST_EPOCH not in descriptions:
        descriptions[BEST_EPOCH], array_names[BEST_EPOCH] = BEST_EPOCH_TEXT, EPOCH_Y_PRED
    if not descriptions:
        return {}
    wanted = (Y_TRUE, *array_names.values())
    found: dict[str, list[float]] = {name: [] for name in descriptions}
    for record in records:
        arrays = store.load_arrays(record, *wanted)
        labels = arrays[Y_TRUE] if records_have_labels(record.cell["dataset"]) else y_true
        for name, array_name in array_names.items():
            if array_name in arrays:  # older records may lack this array
                # One row of predictions for each epoch, or a single one.
                right = (arrays[array_name] == labels).mean(axis=-1)
                found[name].append(float(right.max()))
    return {name: FlaggedFigure(descriptions[name], tuple(a)) for name, a in found.items()}


def _compute_control_accuracies(
    configuration: Configuration, dataset: str, contents: StoreContents, store: Store
) -> tuple[float, ...]:
    """Compute the accuracies by seed of the same recipe on another data set."""
    elsewhere = replace(configuration, dataset=DATASETS[dataset])
    for protocol in (FULL, DIGITS):  # `fmbench forensics` measures the digits under the second
        if records := find_current_records(elsewhere, protocol, contents):
            return tuple(_compute_accuracy(record, store, None) for record in records)
    return ()
