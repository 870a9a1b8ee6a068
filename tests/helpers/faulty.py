"""Runners that fail, each with another fault. They are not registered."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from fmbench.models.registry import Runner, our_choice


class Fatal(BaseException):
    """An error that is no Exception, and has no text."""

    def __str__(self):
        raise ValueError("no text")


def start_daemon(note, n_arrays):
    """Start a process that leaves its session and its parent; write its number into a file."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            arrays = [np.ones(2**24) for _ in range(n_arrays)]
            Path(note).write_text(str(os.getpid()))
            time.sleep(3600)
            del arrays
        os._exit(0)
    os.wait()


class Faulty:
    """A classifier that predicts 0 for every image, with one fault in ``fit`` or ``predict``."""

    def __init__(self, fault, note=None):
        self.fault, self.note = fault, note

    def fit(self, X, y):
        match self.fault:
            case "raises":
                raise ValueError("the matrix\nis singular")
            case "loses the GPU":
                raise RuntimeError(
                    "CUDA error: unspecified launch failure\nCUDA kernel errors might be "
                    "asynchronously reported at some other API call."
                )
            case "raises BaseException":
                raise Fatal
            case "closes everything":
                os.closerange(0, 1000)
            case "removes its folder":
                shutil.rmtree(self.note)
            case "leaves a daemon":
                start_daemon(self.note, n_arrays=0)
                while not Path(self.note).exists():
                    time.sleep(0.01)
            case "starts a daemon that needs much memory":
                start_daemon(self.note, n_arrays=16)  # 2 GiB
                time.sleep(3600)
            case "leaves a copy of itself":
                if (pid := os.fork()) == 0:
                    time.sleep(3600)
                Path(self.note).write_text(str(pid))
            case "exits":
                sys.exit(3)
            case "exits without a result":
                os._exit(7)
            case "segfaults":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "never returns":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(3600)
            case "needs much memory":
                self.arrays = [np.ones(2**24) for _ in range(20)]  # 2.5 GiB
            case "writes":
                print("chatter on stdout", flush=True)
                print("chatter on stderr", file=sys.stderr, flush=True)
            case "leaves children":
                child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
                Path(self.note).write_text(str(child.pid))
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
    """Counts its attempts in its workspace; every attempt but the last one has the fault."""

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


def make_faulty(*, fault):
    return Faulty(fault)


def make_stochastic(*, fault, seed):
    return Faulty(fault)


def make_parent(*, fault, note):
    """Writes the process id of the child that it leaves into the file ``note``."""
    return Faulty(fault, note)


def make_resumable(*, fault, workspace):
    return Resumable(fault, workspace)


def make_runner(fault="none", name="faulty", factory=make_faulty, **hyperparameters):
    values = {"fault": fault, **hyperparameters}
    return Runner(
        name=name,
        title=f"A runner that {fault}",
        factory=factory,
        hyperparameters={key: our_choice(value, "for a test") for key, value in values.items()},
        revision=1,
        cost="seconds",
    )
