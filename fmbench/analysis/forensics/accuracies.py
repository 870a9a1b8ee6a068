"""The accuracy that a record holds for a variant: which predictions count, and which epoch's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fmbench.analysis.forensics.plan import Quoted
from fmbench.datasets.specs import FASHION_MNIST, Source
from fmbench.records.cells import Cell
from fmbench.records.protocols import Part, Protocol, labels_by_part
from fmbench.records.store import Contents, Store

if TYPE_CHECKING:
    import numpy as np


class Evidence:
    """The accuracies that a results folder holds. ``source`` has the Fashion-MNIST labels."""

    def __init__(self, store: Store, contents: Contents, source: Source) -> None:
        self.contents = contents
        self._store, self._source = store, source
        self._labels: dict[Protocol, dict[Part, np.ndarray]] = {}
        self._known: dict[tuple[str, tuple[Part, ...], Quoted], float] = {}

    def accuracy(
        self, cell: Cell, parts: tuple[Part, ...] = ("test",), quoted: Quoted = "last epoch"
    ) -> float | None:
        """The figure of one cell; None without a finished record, or without epochs in it."""
        record = self.contents.of(cell)
        if record is None or (quoted != "last epoch" and not record.history):
            return None
        if quoted == "while training":
            return record.history[-1]["train_accuracy"]
        question = (cell.key, parts, quoted)
        if question not in self._known:
            arrays = self._store.arrays(record)
            y_pred = arrays["epoch_y_pred"] if quoted == "best epoch" else arrays["y_pred"][None]
            if cell.dataset == FASHION_MNIST:
                y_true, counts = self._truth(cell.protocol, parts)
                right = (y_pred == y_true)[:, counts]
            else:  # the record has its own labels
                right = y_pred == arrays["y_true"]
            self._known[question] = float(right.mean(axis=1).max())
        return self._known[question]

    def failure(self, cell: Cell) -> str | None:
        """Why a cell failed; None if it did not."""
        record = self.contents.failed.get(cell.key)
        return f"failed: {record.why}" if record else None

    def is_open(self, cell: Cell) -> bool:
        """Whether a cell has neither finished nor failed."""
        return self.contents.of(cell) is None and self.failure(cell) is None

    def _truth(self, protocol: Protocol, parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
        """Labels of all images that a protocol scores, and a mask of those in ``parts``."""
        import numpy as np

        if protocol not in self._labels:
            self._labels[protocol] = labels_by_part(protocol, self._source)
        labels = self._labels[protocol]
        mask = [np.full(len(y), part in parts) for part, y in labels.items()]
        return np.concatenate(list(labels.values())), np.concatenate(mask)
