"""Runners that misbehave, each in its own way. They are in no registry."""

import os
import signal
import subprocess
import sys
import time

import numpy as np

from fmbench.models.registry import Runner


class Faulty:
    """A classifier whose fit does nothing and whose predict answers 0, but for one thing."""

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def fit(self, X, y):
        match self.fault:
            case "raises":
                raise ValueError("the matrix\nis singular")
            case "exits":
                sys.exit(3)
            case "vanishes":
                os._exit(7)
            case "segfaults":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "never returns":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(600)
            case "eats memory":
                self.hoard = [np.ones(2**24) for _ in range(100)]
            case "writes":
                print("chatter on stdout", flush=True)
                print("chatter on stderr", file=sys.stderr, flush=True)
            case "leaves children":
                subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # orphan"])
        return self

    def predict(self, X):
        y_pred = np.zeros(len(X), np.int64)
        match self.fault:
            case "raises on predict":
                raise RuntimeError("no such kernel")
            case "too few":
                return y_pred[:-1]
            case "wrong shape":
                return y_pred[:, None]
            case "out of range":
                return y_pred + 10
            case "negative":
                return y_pred - 1
            case "nan":
                return np.full(len(X), np.nan)
            case "fractions":
                return y_pred + 0.5
            case "strings":
                return y_pred.astype(str)
        return y_pred


class Resumable(Faulty):
    """Counts its attempts in its workspace; fails with its fault until the last of them."""

    def __init__(self, fault, workspace, attempts=3):
        super().__init__(fault)
        self.workspace = workspace
        self.attempts = attempts

    def fit(self, X, y):
        mark = self.workspace / "attempts"
        earlier = int(mark.read_text()) if mark.exists() else 0
        mark.write_text(str(earlier + 1))
        if earlier + 1 < self.attempts:
            super().fit(X, y)
        self.details_ = {"earlier_attempts": earlier}
        self.earlier_seconds_ = 100.0 * earlier
        return self


def faulty(*, fault: str) -> Faulty:
    return Faulty(fault)


def stochastic(*, fault: str, seed: int) -> Faulty:
    return Faulty(fault)


def resumable(*, fault, workspace):
    return Resumable(fault, workspace)


def runner(fault: str = "none", name: str = "faulty", factory=faulty) -> Runner:
    from fmbench.models.registry import our_choice

    return Runner(
        name=name,
        title=f"A runner that {fault}",
        factory=factory,
        hyperparameters={"fault": our_choice(fault, "for a test")},
        revision=1,
        cost="seconds",
    )
