"""A backend that measures no cell: its predictions are right for a share of the images."""

from __future__ import annotations

import numpy as np

from fmbench.execution.backend import LaunchQueue, LaunchResult, Measurement
from fmbench.records.protocols import load_labels
from fmbench.records.record import Y_PRED
from fmbench.utils import environment


class SimulatedBackend:
    """Runs launches in no time, without a process. ``accuracies`` are by seed, the last for more.

    ``before_launch`` is called with each launch, and may raise what ends the run.
    """

    shares_jobs = True

    def __init__(self, *accuracies, before_launch=lambda launch: None):
        self.accuracies = accuracies or (0.5,)
        self.before_launch = before_launch
        self.cells = []

    def split_into_queues(self, launches, limits):
        return [LaunchQueue(launches, 1)]

    def discard_progress(self, launch):
        pass

    def run_launch(self, launch, source, limits, workspaces, on_start, stop):
        on_start()
        self.before_launch(launch)
        self.cells += launch
        y_true = load_labels(launch[0].protocol, source)
        measurements = []
        for cell in launch:
            share = self.accuracies[min(cell.seed, len(self.accuracies) - 1)]
            right = np.arange(len(y_true)) < share * len(y_true)
            y_pred = np.where(right, y_true, (y_true + 1) % 10).astype(np.uint8)
            measurements.append(
                Measurement(2.0, 0.1, [], {}, [], environment.cpu_name(), arrays={Y_PRED: y_pred})
            )
        return LaunchResult(limits.threads, len(launch), measurements=measurements)
