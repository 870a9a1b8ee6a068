"""The rules are checked in a process with limits, on labels that are on no disk."""

from __future__ import annotations

import numpy as np
import pytest

from fmbench import runners
from fmbench.execution import runner_checks
from fmbench.models import contract
from fmbench.suites.configurations import resolve_configuration
from tests.helpers.commands import call_fmbench

pytestmark = pytest.mark.slow

GIB = 2**30
N_TEST = 400

PLUG_IN = """
import ctypes, time
import numpy as np

class Nearest:
    \"\"\"Predicts the class whose mean image is nearest.\"\"\"
    def fit(self, X, y):
        self.X, self.y = X, y
        self.classes_ = np.unique(y)
        self.means_ = np.stack([X[y == k].mean(0).ravel() for k in self.classes_])
        return self
    def predict(self, X):
        X = X.reshape(len(X), -1).astype(float)
        distances = ((X[:, None] - self.means_) ** 2).sum(2)
        return self.classes_[distances.argmin(1)]

class InFileOrder(Nearest):
    def predict(self, X):
        labels = np.load("labels.npy")
        return labels if len(X) == len(labels) else super().predict(X)

class ByImage(Nearest):
    def look_up(self, X):
        labels = dict(zip(map(bytes, np.load("images.npy")), np.load("labels.npy")))
        return np.array([labels.get(bytes(image), 0) for image in X])
    def predict(self, X):
        return self.look_up(X)

class ByImageInNewNumbers(ByImage):
    def predict(self, X):
        numbers = dict(zip(self.look_up(self.X).tolist(), self.y.tolist()))
        return np.array([numbers[k] for k in self.look_up(X).tolist()])

class Crashes(Nearest):
    def predict(self, X): ctypes.string_at(0)

class Hangs(Nearest):
    def fit(self, X, y):
        while True: time.sleep(1)

class Interrupts(Nearest):
    def predict(self, X): raise KeyboardInterrupt

def make(*, name="Nearest"):
    return globals()[name]()
"""


@pytest.fixture(scope="module")
def data():
    """Images of ten classes, each with its own square, and the files that a plug-in can read."""
    random = np.random.default_rng(0)

    def draw(n):
        labels = random.integers(10, size=n).astype(np.uint8)
        images = random.integers(200, size=(n, 28, 28)).astype(np.uint8)
        # One image in five looks like another class.
        shown = np.where(random.random(n) < 0.2, random.integers(10, size=n), labels)
        images[np.arange(n), 2 * shown] = 255
        return images, labels

    X, y = draw(1500)
    X_test, y_test = draw(N_TEST)
    numbers = np.roll(np.arange(10, dtype=np.uint8), 3)
    order = random.permutation(N_TEST)
    sample = contract.SampleData(X[:1000], numbers[y[:1000]], X[1000:1200], None, 10)
    hidden = contract.HiddenLabels(X_test[order], numbers[y_test[order]], y_test[order], y_test)
    return sample, hidden, np.concatenate([X[:1000], X_test]), np.concatenate([y[:1000], y_test])


@pytest.fixture
def check(data, tmp_path, monkeypatch):
    """``check("Nearest")``: the results for a class of the plug-in."""
    sample, hidden, images, labels = data
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(PLUG_IN)

    def check(name, *, seconds=3600.0, memory=8 * GIB):
        # The file of the plug-in that goes by its order has the test labels alone.
        kept = slice(1000, None) if name == "InFileOrder" else slice(None)
        np.save("labels.npy", labels[kept])
        np.save("images.npy", images[kept])
        entry = resolve_configuration("./model.py:make", [f"name={name}"])
        results = runner_checks.check_runner(
            entry.runner, entry.parameters, sample, hidden, seconds=seconds, memory=memory
        )
        return list(results)

    return check


def list_problems(results):
    return [result.problem for result in results if result.problem]


def test_a_model_that_learns_keeps_the_rules(check):
    results = check("Nearest")
    assert [r.rule for r in results] == [contract.get_rule(c) for c in contract.CONTRACT_CHECKS]
    assert not list_problems(results)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("InFileOrder", "it predicts the label on disk, in the file's order"),
        ("ByImage", "it predicts the label on disk, in the images' order"),
        ("ByImageInNewNumbers", "of 400 new images right, which is too good to be true"),
    ],
)
def test_a_model_that_reads_the_labels_on_disk_breaks_a_rule(check, name, problem):
    [found] = list_problems(check(name))
    assert problem in found


@pytest.mark.parametrize(
    ("name", "limits", "problem"),
    [
        ("Crashes", {}, "its process was killed by signal 11 (SIGSEGV)"),
        ("Interrupts", {}, "its process was killed by signal 2 (SIGINT): KeyboardInterrupt"),
        ("Hangs", {"seconds": 0.5}, "it took more than 0.5 s"),
    ],
)
def test_the_end_of_its_process_is_a_finding_and_not_the_end(check, name, limits, problem):
    results = check(name, **limits)
    assert list_problems(results) == [problem] * runner_checks.MAX_ENDED
    assert len(results) == len(contract.CONTRACT_CHECKS)
    assert {r.not_checked for r in results[-2:]} == {"its process has ended 2 times"}


def answer(monkeypatch, messages):
    """Let these messages be those of the process; returns the list of requests that it gets."""
    requests = []

    def keep(target, request, **options):
        requests.append(request)
        yield from messages

    monkeypatch.setattr(runner_checks, "call_in_process", keep)
    return requests


def check_gaussian_nb(data):
    sample, hidden, *_ = data
    runner = runners.get_runner("gaussian-nb")
    return list(runner_checks.check_runner(runner, {}, sample, hidden, seconds=1.0, memory=1))


KEPT = {"problem": "", "not_checked": "", "remark": "", "y_pred": []}


def test_the_process_of_the_model_gets_no_label_of_the_images_that_it_predicts(data, monkeypatch):
    requests = answer(monkeypatch, [KEPT] * 99)
    check_gaussian_nb(data)
    [request] = requests
    sent = [shape for shape, _ in request["arrays"]]
    assert sent == [(1000, 28, 28), (1000,), (200, 28, 28), (N_TEST, 28, 28)]


@pytest.mark.parametrize(
    "message", [None, 1, [], {}, {"problem": 1}, KEPT, KEPT | {"y_pred": [1] * (N_TEST + 1)},
                KEPT | {"y_pred": [10**30] * N_TEST}, KEPT | {"y_pred": ["a"] * N_TEST}],
)  # fmt: skip
def test_a_process_that_sends_no_predictions_has_not_shown_that_it_learns(
    data, monkeypatch, message
):
    answer(monkeypatch, [message] * 99)
    results = check_gaussian_nb(data)
    assert len(results) == len(contract.CONTRACT_CHECKS)
    learning = results[contract.CONTRACT_CHECKS.index(contract.check_learning)]
    assert learning.problem == "its process sent no result of this check"


def test_a_process_that_stops_early_is_a_finding(data, monkeypatch):
    answer(monkeypatch, [KEPT])
    results = check_gaussian_nb(data)
    assert len(results) == len(contract.CONTRACT_CHECKS)
    assert list_problems(results) == ["it stopped before this check"] * runner_checks.MAX_ENDED


def test_check_runner_gives_a_verdict_on_a_model_of_scikit_learn_and_on_one_that_crashes(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    done = call_fmbench("check-runner", "sklearn.svm:SVC", "-p", "C=10")
    assert (done.returncode, "WRONG" in done.stdout) == (0, False)
    result = next(line for line in done.stdout.splitlines() if "Remark: " in line)
    assert result.startswith("ok ") and "500 predictions" in done.stdout
    assert done.stdout.endswith("sklearn.svm:SVC C=10: keeps the rules; 1 remark\n")
    (tmp_path / "model.py").write_text(PLUG_IN)
    done = call_fmbench("check-runner", "./model.py:make", "-p", "name=Crashes")
    assert done.returncode == 1
    assert done.stdout.endswith("./model.py:make name=Crashes: 2 rules are broken\n")
