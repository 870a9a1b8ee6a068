"""Loads the libraries and the data when the fork server imports this module.

The server reads and checks the training set and the test images once. Each child process that is
forked from it shares them in memory; the arrays are read-only, so no process can change them. The
test labels are never read here. If a run uses a second data set, or if reading fails here, the
child process of a cell reads the data itself, and reports the error.

Nothing here may start a thread: a fork copies no thread, but it does copy the locks that a thread
holds.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from fmbench.datasets.loading import preload_files
from fmbench.datasets.specs import (
    TEST_IMAGES,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    LocatedDataset,
    get_dataset,
)
from fmbench.errors import UserError
from fmbench.models import accelerators

VARIABLE = "FMBENCH_FORK_SERVER"
LIBRARIES = (
    "fmbench.execution.measure", "fmbench.models.features", "sklearn.svm", "sklearn.ensemble",
    "threadpoolctl",
)  # fmt: skip
# PyTorch's optimizers import torch._dynamo at their first step: over a second of a cell's fit.
NEURAL_LIBRARIES = ("fmbench.models.nn.training", "torch._dynamo")


def make_variables(source: LocatedDataset, *, neural: bool) -> dict[str, str]:
    """Return the environment variables that make a fork server load ``source``.

    If ``neural``, they also make it load PyTorch.
    """
    return {VARIABLE: json.dumps([source.spec.name, str(source.folder), neural])}


def _load(dataset: str, folder: str, neural: bool) -> None:
    modules = [*LIBRARIES, *(NEURAL_LIBRARIES if neural else [])]
    if accelerators.is_installed():
        modules.append("daal4py")
    with _hide_pyarrow():
        for module in modules:
            importlib.import_module(module)
    with contextlib.suppress(UserError):  # the child process of the cell reports it
        source = LocatedDataset(get_dataset(dataset), Path(folder), "")
        preload_files(source, (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES))


@contextlib.contextmanager
def _hide_pyarrow() -> Iterator[None]:
    """Let no module find pyarrow, which starts a thread; pandas imports it where it is installed.

    A child process that needs it can import it.
    """
    if "pyarrow" in sys.modules:
        yield
        return
    sys.modules["pyarrow"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["pyarrow"]


# The process that imported this module: in a forked child, the fork server.
IMPORTED_BY = os.getpid()

if VARIABLE in os.environ:
    _load(*json.loads(os.environ[VARIABLE]))
