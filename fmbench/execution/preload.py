"""Loads the libraries and the data in the fork server, and compiles the loops of models there.

The server reads and checks the training set and the test images once. Each child process that is
forked from it shares them in memory; the arrays are read-only, so no process can change them. The
test labels are never read here. If a run uses a second data set, or if reading fails here, the
child process of a cell reads the data itself, and reports the error.

Loops that numba compiles are compiled once for each recipe, before the first process of such a cell
is forked, and all later ones inherit the machine code. Compiling takes seconds; no fit contains
them. A runner whose classifier has such loops says ``compiles_loops``.

Nothing here may start a thread: a fork copies no thread, but it does copy the locks that a thread
holds.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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

LIBRARIES = (
    "fmbench.execution.measure", "sklearn.svm", "sklearn.ensemble", "threadpoolctl", "psutil",
)  # fmt: skip
# PyTorch's optimizers import torch._dynamo at their first step: over a second of a cell's fit.
NEURAL_LIBRARIES = ("torch._dynamo",)
# All code of fmbench that a cell can need: a run goes on with it if the files change.
PACKAGES = ("datasets", "metrics", "records", "runners", "models", "plugins", "execution")
NEURAL_PACKAGES = ("models.nn", "models.nn.convolutions", "models.evolution")
NOT_LOADED = ("fmbench.plugins.template",)  # a text that `fmbench new` copies


def load(dataset: str, folder: str, neural: bool) -> None:
    """Import the libraries, with PyTorch if ``neural``, and read the files of a data set.

    A library that cannot be imported is left to the process of a cell, which reports it.
    """
    modules = [*LIBRARIES, *(NEURAL_LIBRARIES if neural else [])]
    modules += [name for package in PACKAGES for name in _list_modules(package)]
    if neural:
        modules += [name for package in NEURAL_PACKAGES for name in _list_modules(package)]
    with _hide_pyarrow():
        for module in modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
        accelerators.has_intelex()  # imports it where it is installed
    with contextlib.suppress(UserError):  # the child process of the cell reports it
        source = LocatedDataset(get_dataset(dataset), Path(folder), "")
        preload_files(source, (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES))


_compiled: list[tuple[str, dict[str, Any]]] = []


def compile_loops(runner: str, hyperparameters: dict[str, Any]) -> None:
    """Compile the loops of a recipe's fit, unless that was done before.

    An error is left to the process of the cell, which does the same again and reports it.
    """
    from fmbench.runners import get_runner

    if (runner, hyperparameters) in _compiled:
        return
    _compiled.append((runner, hyperparameters))
    with _hide_pyarrow(), contextlib.suppress(Exception):  # whatever a library raises
        classifier = get_runner(runner).build(hyperparameters, seed=0, device="cpu")
        accelerators.compile_loops(classifier)


def _list_modules(package: str) -> list[str]:
    """List the modules of a package of fmbench; those of a package in it are not listed."""
    path = importlib.import_module(f"fmbench.{package}").__path__
    modules = pkgutil.iter_modules(path, f"fmbench.{package}.")
    return [m.name for m in modules if not m.ispkg and m.name not in NOT_LOADED]


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
