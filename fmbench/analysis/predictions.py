"""Reads every stored prediction of a results folder once, for the figures and the page.

Nothing is run. A runner with hundreds of seeds takes no more memory than one with five. Of rows
that fmbench's own measurement answers, there are the confusion matrices that travel with the
package.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fmbench.analysis.evaluation import JudgedRow, SuiteResults, find_filled
from fmbench.analysis.reference_matching import load_reference_matrices
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.metrics.compute import compute_class_metrics, confusion_matrix
from fmbench.metrics.registry import METRICS
from fmbench.records.record import Record
from fmbench.suites.configurations import Configuration


@dataclass(frozen=True)
class Curve:
    """One quantity after each epoch: the mean over ``n`` seeds, the lowest and the highest."""

    epochs: np.ndarray  # int (epochs,)
    mean: np.ndarray  # float (epochs,), and so are low and high
    low: np.ndarray
    high: np.ndarray
    n: int


@dataclass(frozen=True)
class RunnerPredictions:
    """The records of one configuration, ordered by seed, with their confusion matrices.

    ``confusions`` is ``int (seeds, n_classes, n_classes)``, rows are the true classes. Of fmbench's
    own measurement there are no records here, only the matrices.
    """

    configuration: Configuration
    records: tuple[Record, ...]
    confusions: np.ndarray

    @property
    def n(self) -> int:
        """The number of seeds."""
        return len(self.confusions)

    @property
    def from_reference(self) -> bool:
        """Whether it is fmbench's own measurement, of which there are no records here."""
        return not self.records

    @cached_property
    def rates(self) -> dict[str, np.ndarray]:
        """The metrics of the table "by-class", each ``float (seeds, n_classes)``."""
        values = compute_class_metrics(self.confusions)
        return {name: v for name, v in values.items() if METRICS[name].in_class_table}

    def curve(self, name: str) -> Curve | None:
        """Return the curve of ``name`` in the histories; None if any history lacks it."""
        histories = [record.history for record in self.records]
        n_epochs = min((len(history) for history in histories), default=0)
        if not n_epochs or any(name not in e for h in histories for e in h[:n_epochs]):
            return None
        values = np.array([[epoch[name] for epoch in h[:n_epochs]] for h in histories])
        epochs = np.array([epoch["epoch"] for epoch in histories[0][:n_epochs]])
        return Curve(epochs, values.mean(0), values.min(0), values.max(0), len(values))


@dataclass(frozen=True)
class HardImage:
    """A test image that many models get wrong; classes are numbers, shares are in [0, 1]."""

    index: int
    label: int
    predicted: int  # the wrong class that the models predict most often
    wrong: float  # share of the models that get it wrong; each seed counts as a part of its model
    agreement: float  # share of the models that predict ``predicted``


@dataclass(frozen=True)
class SuitePredictions:
    """The stored predictions of a results folder, as far as figures and page need them.

    ``against`` holds the results of another folder that the page compares with these.
    """

    results: SuiteResults
    by_name: dict[str, RunnerPredictions]  # by name of the configuration; only those with records
    own: dict[str, RunnerPredictions]  # fmbench's own measurement of those without a record
    shares: np.ndarray  # float (images, n_classes): share of the models that predict each class
    y_true: np.ndarray | None  # None if nothing was measured on the default data set
    against: SuiteResults | None = None

    @property
    def rows(self) -> list[JudgedRow]:
        """Every row with its verdict."""
        return self.results.rows

    @property
    def subject(self) -> JudgedRow | None:
        """The row whose figures the suite reports in detail, if any."""
        name = self.results.suite.subject
        return next((row for row in self.rows if row.runner == name), None)

    def find(self, name: str) -> RunnerPredictions | None:
        """Find what is known of a configuration: its records here, or fmbench's own measurement."""
        return self.by_name.get(name) or self.own.get(name)

    @property
    def on_default_dataset(self) -> list[RunnerPredictions]:
        """The predictions on the default data set."""
        return [p for p in self.by_name.values() if p.configuration.dataset == DEFAULT_DATASET]

    @property
    def n_records(self) -> int:
        """The number of records on the default data set, from which the figures are made."""
        return sum(predictions.n for predictions in self.on_default_dataset)

    @property
    def n_always_wrong(self) -> int:
        """The number of images that no run of any model gets right."""
        if self.y_true is None:
            return 0
        return int((self.shares[np.arange(len(self.y_true)), self.y_true] == 0).sum())

    def hardest_images(self, n: int) -> list[HardImage]:
        """Return the ``n`` images that the most models get wrong.

        If equally many models get two images wrong, the image for which more models predict the
        same wrong class comes first.
        """
        if self.y_true is None:
            return []
        image = np.arange(len(self.y_true))
        wrong = 1 - self.shares[image, self.y_true]
        others = self.shares.copy()
        others[image, self.y_true] = -1.0
        agreement = others.max(axis=1)
        # Rounded, so that rounding errors of the sums do not change the order.
        order = np.lexsort((image, -np.round(agreement, 9), -np.round(wrong, 9)))[:n]
        predicted = others.argmax(axis=1)
        return [
            HardImage(
                int(i), int(self.y_true[i]), int(predicted[i]), float(wrong[i]),
                float(agreement[i]),
            )
            for i in order
        ]  # fmt: skip


def load_predictions(
    results: SuiteResults, against: SuiteResults | None = None
) -> SuitePredictions:
    """Read the stored predictions of every record that is up to date.

    Of ``against``, the results of another folder, only the summaries are used.
    """
    y_true = results.y_true
    n_images = 0 if y_true is None else len(y_true)
    shares = np.zeros((n_images, DEFAULT_DATASET.n_classes))
    by_name: dict[str, RunnerPredictions] = {}
    n_models = 0
    for name, configuration in results.configurations.items():
        records = results.records_of(configuration)
        if not records:
            continue
        if configuration.dataset != DEFAULT_DATASET:
            confusions = results.confusion_matrices(configuration, records)
            by_name[name] = RunnerPredictions(configuration, tuple(records), confusions)
        elif y_true is not None:
            by_name[name], counts = _read_predictions(configuration, records, results, y_true)
            shares += counts / len(records)
            n_models += 1
    if n_models:
        shares /= n_models
    own = dict(_load_own_matrices(results))
    return SuitePredictions(results, by_name, own, shares, y_true if n_models else None, against)


def _load_own_matrices(results: SuiteResults) -> Iterator[tuple[str, RunnerPredictions]]:
    """Yield fmbench's own measurement of each configuration that is judged by it."""
    filled = find_filled(results.summaries, results.evidence)
    for name, configuration in results.configurations.items():
        if name not in filled:
            continue
        matrices = load_reference_matrices(results.suite, results.evidence[name])
        if matrices:
            yield name, RunnerPredictions(configuration, (), np.array(matrices))


def _read_predictions(
    configuration: Configuration, records: list[Record], results: SuiteResults, y_true: np.ndarray
) -> tuple[RunnerPredictions, np.ndarray]:
    """Read one configuration, and count the seeds for each class: ``(images, n_classes)``."""
    image = np.arange(len(y_true))
    n_classes = configuration.dataset.n_classes
    counts = np.zeros((len(y_true), n_classes))
    confusions = np.zeros((len(records), n_classes, n_classes), int)
    for i, record in enumerate(records):
        y_pred = results.store.load_y_pred(record)
        confusions[i] = confusion_matrix(y_true, y_pred, n_classes)
        counts[image, y_pred] += 1
    return RunnerPredictions(configuration, tuple(records), confusions), counts
