"""Fixtures for the tests of the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fmbench import runners
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, load_labels
from fmbench.records.store import Store


@pytest.fixture
def folder(tmp_path, record_of, source) -> Callable[[dict[str, list[float]]], Path]:
    """``make({"lenet5": [0.9, 0.8]})`` makes a results folder with these accuracies, by seed."""

    def make(shares: dict[str, list[float]]) -> Path:
        store, known = Store(tmp_path / "results"), runners.load_runners()
        y_true = load_labels(FULL, source)
        for name, seeds in shares.items():
            for seed, share in enumerate(seeds):
                right = np.arange(len(y_true)) < share * len(y_true)
                y_pred = np.where(right, y_true, (y_true + 1) % 10).astype(np.uint8)
                store.save(record_of(Cell(known[name], FULL, seed)), {"y_pred": y_pred})
        return store.folder

    return make
