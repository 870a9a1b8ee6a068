"""What a results folder says of each row and each runner, in numbers: what figures and page show.

Everything comes from stored predictions and histories, read once; nothing is run. A runner with
hundreds of seeds costs no more room than one with five.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fmbench.analysis.evaluation import Results
from fmbench.analysis.metrics import N_CLASSES, confusion_matrix, rates
from fmbench.analysis.summary import Summary, current
from fmbench.analysis.verdicts import Verdict, on_rows
from fmbench.datasets.specs import FASHION_MNIST, TEST_SET
from fmbench.records.protocols import labels
from fmbench.records.record import Record
from fmbench.suites.claims import Row
from fmbench.suites.entries import Entry
from fmbench.suites.rounding import parse_figure


@dataclass(frozen=True)
class Line:
    """A row of the suite (or a runner beside it), what was measured of it, and the verdict.

    ``claimed`` is in [0, 1]. ``summary`` is that of a runner without a record where there is none,
    and ``None`` where the suite names a runner that does not exist.
    """

    row: Row
    summary: Summary | None
    verdict: Verdict

    @property
    def claimed(self) -> float | None:
        """The claimed accuracy; None where the paper prints none."""
        return (
            None if self.row.claimed is None else float(parse_figure(self.row.claimed, "accuracy"))
        )

    @property
    def mean(self) -> float | None:
        """The mean accuracy over the seeds; None where nothing was measured."""
        return self.summary.mean if self.summary else None

    @property
    def gap(self) -> float | None:
        """Measured minus claimed; None where either is missing."""
        return None if self.claimed is None or self.mean is None else self.mean - self.claimed

    @property
    def n(self) -> int:
        """Seeds that were measured."""
        return self.summary.n if self.summary else 0


@dataclass(frozen=True)
class Curve:
    """One quantity after each epoch: the mean over ``n`` seeds, the lowest and the highest."""

    epochs: np.ndarray  # int (epochs,)
    mean: np.ndarray  # float (epochs,), as are low and high
    low: np.ndarray
    high: np.ndarray
    n: int


@dataclass(frozen=True)
class Measured:
    """One entry's records by seed, and their confusion matrices ``int (seeds, 10, 10)``."""

    entry: Entry
    records: tuple[Record, ...]
    confusions: np.ndarray

    @property
    def n(self) -> int:
        """Seeds."""
        return len(self.records)

    @cached_property
    def rates(self) -> dict[str, np.ndarray]:
        """Precision, recall and F1, each ``float (seeds, 10)``."""
        return rates(self.confusions)

    def curve(self, name: str) -> Curve | None:
        """What the histories hold under ``name``; None where any of them lacks it."""
        histories = [record.history for record in self.records]
        n_epochs = min(len(history) for history in histories)
        if not n_epochs or any(name not in e for h in histories for e in h[:n_epochs]):
            return None
        values = np.array([[epoch[name] for epoch in h[:n_epochs]] for h in histories])
        epochs = np.array([epoch["epoch"] for epoch in histories[0][:n_epochs]])
        return Curve(epochs, values.mean(0), values.min(0), values.max(0), len(values))


@dataclass(frozen=True)
class Hard:
    """A test image that many models get wrong; classes are numbers, shares in [0, 1]."""

    index: int
    label: int
    predicted: int  # what they most often say instead
    wrong: float  # share of the models that get it wrong; a model counts by its seeds
    agreement: float  # share that says ``predicted``


@dataclass(frozen=True)
class Details:
    """A results folder, read as far as figures and page need it."""

    outcome: Results
    lines: list[Line]
    measured: dict[str, Measured]  # by entry, those with records
    shares: np.ndarray  # float (images, 10): share of the models that predict each class
    y_true: np.ndarray | None  # None where nothing was measured on Fashion-MNIST

    @property
    def subject(self) -> Line | None:
        """The row whose figures the suite reports in detail, if any."""
        name = self.outcome.suite.subject
        return next((line for line in self.lines if line.row.runner == name), None)

    @property
    def here(self) -> list[Measured]:
        """What was measured on Fashion-MNIST."""
        return [m for m in self.measured.values() if m.entry.dataset == FASHION_MNIST]

    @property
    def n_records(self) -> int:
        """Records on Fashion-MNIST, which the figures are made of."""
        return sum(measured.n for measured in self.here)

    @property
    def n_always_wrong(self) -> int:
        """Images that no run of any model gets right."""
        if self.y_true is None:
            return 0
        return int((self.shares[np.arange(len(self.y_true)), self.y_true] == 0).sum())

    def hardest(self, n: int) -> list[Hard]:
        """The ``n`` images that the most models get wrong.

        Where as many do, those come first on whose wrong label the most agree.
        """
        if self.y_true is None:
            return []
        image = np.arange(len(self.y_true))
        wrong = 1 - self.shares[image, self.y_true]
        others = self.shares.copy()
        others[image, self.y_true] = -1.0
        agreement = others.max(axis=1)
        # Rounded, so that how the shares were summed does not decide between equals.
        order = np.lexsort((image, -np.round(agreement, 9), -np.round(wrong, 9)))[:n]
        predicted = others.argmax(axis=1)
        return [
            Hard(int(i), int(self.y_true[i]), int(predicted[i]), float(wrong[i]),
                 float(agreement[i]))
            for i in order
        ]  # fmt: skip


def gather(outcome: Results) -> Details:
    """Read every prediction of ``outcome`` once."""
    suite = outcome.suite
    own = [Row("", name, name) for name in outcome.summaries if name not in suite.runners]
    asked = [*suite.rows, *own]
    verdicts = on_rows(asked, outcome.summaries, same_images=suite.n_per_class == TEST_SET)
    lines = [
        Line(row, outcome.summaries.get(row.runner), verdict)
        for row, verdict in zip(asked, verdicts, strict=True)
    ]
    y_true = labels(outcome.protocol, outcome.source) if outcome.source else None
    shares = np.zeros((0 if y_true is None else len(y_true), N_CLASSES))
    measured: dict[str, Measured] = {}
    n_shared = 0
    for name, entry in outcome.entries.items():
        records = current(entry, outcome.protocol, outcome.contents)
        if not records:
            continue
        if entry.dataset != FASHION_MNIST:
            measured[name] = _elsewhere(entry, records, outcome)
        elif y_true is not None:
            measured[name], counts = _read(entry, records, outcome, y_true)
            shares += counts / len(records)
            n_shared += 1
    if n_shared:
        shares /= n_shared
    return Details(outcome, lines, measured, shares, y_true if n_shared else None)


def _read(
    entry: Entry, records: list[Record], outcome: Results, y_true: np.ndarray
) -> tuple[Measured, np.ndarray]:
    """An entry's confusion matrices, and how many seeds predict each class ``(images, 10)``."""
    image = np.arange(len(y_true))
    counts = np.zeros((len(y_true), N_CLASSES))
    confusions = np.zeros((len(records), N_CLASSES, N_CLASSES), int)
    for i, record in enumerate(records):
        y_pred = outcome.store.y_pred(record)
        confusions[i] = confusion_matrix(y_true, y_pred)
        counts[image, y_pred] += 1
    return Measured(entry, tuple(records), confusions), counts


def _elsewhere(entry: Entry, records: list[Record], outcome: Results) -> Measured:
    """The same of records on another data set, which hold their own labels."""
    arrays = [outcome.store.arrays(record, "y_true", "y_pred") for record in records]
    confusions = [confusion_matrix(a["y_true"], a["y_pred"]) for a in arrays]
    return Measured(entry, tuple(records), np.array(confusions))
