"""What the fork server has before it forks: the libraries, by importing this, and the data.

The server reads and checks the training set and the test images once; each cell's process, forked
from it, has them in memory that they share until one writes to it, which read-only arrays prevent.
The test labels are never read here. Of another data set than the first of a run's, or where reading
fails, a cell's process reads for itself, and says what is wrong.

Nothing here may start a thread: a fork copies none, only the locks that they hold.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
from pathlib import Path

from fmbench.datasets.loading import keep
from fmbench.datasets.specs import SPECS, TEST_IMAGES, TRAIN_IMAGES, TRAIN_LABELS, Source
from fmbench.errors import UserError
from fmbench.models import accelerators

VARIABLE = "FMBENCH_FORK_SERVER"
LIBRARIES = (
    "fmbench.execution.measure", "fmbench.models.features", "sklearn.svm", "sklearn.ensemble", "threadpoolctl",
)  # fmt: skip
# The second is what PyTorch's optimizers load at their first step: over a second of a cell's fit.
NEURAL = ("fmbench.models.nn.training", "torch._dynamo")


def order(source: Source, *, neural: bool) -> dict[str, str]:
    """The environment in which a fork server has ``source``, and PyTorch if ``neural``."""
    return {VARIABLE: json.dumps([source.spec.name, str(source.folder), neural])}


def _prepare(name: str, folder: str, neural: bool) -> None:
    wanted = [*LIBRARIES, *(NEURAL if neural else [])]
    for module in [*wanted, *(["daal4py"] if accelerators.installed() else [])]:
        importlib.import_module(module)
    with contextlib.suppress(UserError):  # the cell's own process says it
        keep(Source(SPECS[name], Path(folder), ""), (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES))


if VARIABLE in os.environ:
    _prepare(*json.loads(os.environ[VARIABLE]))
