from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fmbench import runners
from fmbench.execution import measure
from fmbench.models import contract
from fmbench.models.nn.gpu_errors import GpuStartError
from fmbench.models.nn.training import TorchClassifier
from fmbench.models.registry import BEST_EPOCH
from fmbench.records import protocols
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, QUICK, RANDOM_SPLIT
from tests.helpers import faulty

pytestmark = pytest.mark.slow

HELD_OUT = replace(FULL, held_out_per_class=1000, scored=("held out",))


class Spy:
    """A classifier that keeps what it is given, and counts the calls of its methods."""

    def __init__(self, clock):
        self.clock = clock
        self.seen = {}

    def compile_loops(self):
        self.clock.seconds += 50
        self.seen["compiled"] = "X" not in self.seen

    def fit(self, X, y, on_epoch=None):
        self.clock.seconds += 5
        self.seen.update(X=X, y=y)
        for epoch in (1, 2):
            report = SimpleNamespace(epoch=epoch, train_loss=1.0, train_accuracy=0.5)
            on_epoch(self, report)
        return self

    def predict_proba(self, X):
        self.clock.seconds += 100
        return np.full((len(X), 10), 0.1)

    def predict(self, X):
        self.clock.seconds += 3
        self.seen["X_score"] = X
        return np.zeros(len(X), np.uint8)


class Clock:
    """A clock that only the classifier moves."""

    seconds = 0.0

    def perf_counter(self):
        return self.seconds


@pytest.fixture
def run_spy(monkeypatch, source, tmp_path):
    """Measures a spy under a protocol, with the test labels out of reach."""

    def refuse(_source):
        raise AssertionError("the test labels were read where a model runs")

    def measure_spy(protocol):
        clock = Clock()
        spy, runner = Spy(clock), faulty.make_runner()
        with monkeypatch.context() as patch:
            patch.setattr(type(runner), "build", lambda *_, **__: spy)
            patch.setattr(protocols, "load_test_labels", refuse)
            patch.setattr(measure, "time", clock)
            cells = [Cell(runner, protocol, 0)]
            [measurement] = measure.measure_launch(cells, source, "cpu", tmp_path)
        return spy, measurement

    return measure_spy


def test_a_model_sees_training_images_and_test_images_and_no_test_label(run_spy, dataset):
    spy, _ = run_spy(FULL)
    assert np.array_equal(spy.seen["X"], dataset.X_train)
    assert np.array_equal(spy.seen["y"], dataset.y_train)
    assert np.array_equal(spy.seen["X_score"], dataset.X_test)


def test_the_time_of_callbacks_and_of_compiling_is_not_fit_time(run_spy):
    spy, measurement = run_spy(QUICK)
    assert (measurement.fit_seconds, measurement.predict_seconds) == (5, 3)
    assert spy.seen["compiled"], "the loops are compiled before the fit"


def test_epochs_are_scored_with_the_labels_after_the_model_has_run(run_spy, source, tmp_path):
    _, measurement = run_spy(QUICK)
    cell = Cell(faulty.make_runner(), QUICK, 0)
    scored = measure.add_predictions(cell, source, tmp_path / "0", measurement)
    y_true = protocols.load_labels(QUICK, source)
    assert [e["heldout_accuracy"] for e in scored.history] == [(y_true == 0).mean()] * 2
    assert scored.history[0]["heldout_loss"] == pytest.approx(np.log(10), abs=1e-5)


def test_quick_is_a_balanced_part_of_the_training_set_and_the_first_test_images(run_spy, dataset):
    spy, _ = run_spy(QUICK)
    assert np.bincount(spy.seen["y"]).tolist() == [300] * 10
    assert np.array_equal(spy.seen["X_score"], dataset.X_test[:2000])


def test_a_random_split_scores_training_images_that_were_not_fitted(run_spy, dataset, source):
    spy, _ = run_spy(RANDOM_SPLIT)
    assert np.bincount(spy.seen["y"]).tolist() == [5000] * 10
    labels = protocols.load_labels_by_subset(RANDOM_SPLIT, source)
    assert np.bincount(labels["held out"]).tolist() == [1000] * 10
    held_out = RANDOM_SPLIT.make_held_out_mask(dataset.y_train)
    assert np.array_equal(spy.seen["X_score"][:10_000], dataset.X_train[held_out])
    assert not held_out[RANDOM_SPLIT.find_fitted_indices(dataset.y_train)].any()


def test_predictions_that_are_whole_numbers_in_another_type_are_accepted():
    assert contract.validate_predictions([1.0, 9.0], 2, 10).dtype == np.uint8
    assert contract.validate_predictions(np.array([0, 3], np.int64), 2, 10).tolist() == [0, 3]


# ---------------------------------------------------------------- flagged figures


class Flagging:
    """Predicts class 1 in the first epoch, then 2; its scores are decision values."""

    def __init__(self, flagged=None):
        self.flagged_labels = {"sign": 3} if flagged is None else flagged

    def fit(self, X, y, on_epoch):
        for self.epoch in (1, 2):
            report = SimpleNamespace(epoch=self.epoch, train_loss=1.0, train_accuracy=0.5)
            on_epoch(self, report)
        return self

    def decision_function(self, X):
        return np.tile(np.where(np.arange(10) == self.epoch, 0.5, -1.0), (len(X), 1))

    def predict(self, X):
        return self.decision_function(X).argmax(1)

    def flagged(self, X):
        return {name: np.full(len(X), label) for name, label in self.flagged_labels.items()}


FLAGGED = {"sign": "scored by signs", BEST_EPOCH: "best epoch picked on the test set"}


@pytest.fixture
def run_flagging(monkeypatch, source, tmp_path):
    """Measures a cell whose recipe has two flagged figures."""

    def run(classifier, flagged=FLAGGED):
        runner = replace(faulty.make_runner(), flagged=flagged, scores="decision_function")
        monkeypatch.setattr(type(runner), "build", lambda *_, **__: classifier)
        cell = Cell(runner, QUICK, 0)
        [measurement] = measure.measure_launch([cell], source, "cpu", tmp_path)
        return measure.add_predictions(cell, source, tmp_path / "0", measurement)

    return run


def test_flagged_predictions_are_kept_beside_the_result(run_flagging, source):
    measurement = run_flagging(Flagging())
    assert set(measurement.arrays["y_pred"]) == {2}
    assert set(measurement.arrays["flagged_sign"]) == {3}
    assert measurement.arrays["flagged_sign"].dtype == np.uint8


def test_fmbench_finds_the_best_epoch_itself_from_the_training_curve(run_flagging, source):
    measurement = run_flagging(Flagging())
    accuracies = [epoch["heldout_accuracy"] for epoch in measurement.history]
    best = 1 + int(np.argmax(accuracies))
    assert accuracies[0] != accuracies[1]
    assert set(measurement.arrays["flagged_best_epoch"]) == {best}


def test_a_recipe_without_flagged_figures_keeps_none(run_flagging):
    assert not [n for n in run_flagging(Flagging(), {}).arrays if n.startswith("flagged")]


def test_the_held_out_loss_of_decision_values_is_the_squared_hinge(run_flagging, source):
    y_true = protocols.load_labels(QUICK, source)
    right = (y_true == 2).mean()
    # A right answer costs (1 - 0.5)^2; a wrong one 2^2 for the true class and 1.5^2 for the other.
    expected = (right * 0.25 + (1 - right) * (4 + 2.25)) / 10
    assert run_flagging(Flagging()).history[1]["heldout_loss"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [({}, "`flagged` returned"), ({"sign": 3, "more": 1}, "`flagged` returned"),
     ({"sign": 11}, "classes 11 to 11")],
)  # fmt: skip
def test_flagged_predictions_other_than_the_recipe_names_are_an_error(
    run_flagging, given, complaint
):
    with pytest.raises(contract.InvalidPredictions, match=complaint):
        run_flagging(Flagging(given))


def test_a_best_epoch_needs_epochs(run_flagging):
    class Silent(Flagging):
        def fit(self, X, y):
            self.epoch = 2
            return self

    with pytest.raises(contract.InvalidPredictions, match="never called `on_epoch`"):
        run_flagging(Silent())


N_STACKED = 5


def measure_together(source, folder, n_seeds=N_STACKED):
    runner = runners.get_runner("three-layer-nn")
    cells = [Cell(runner, QUICK, seed) for seed in range(n_seeds)]
    found = measure.measure_launch(cells, source, "cpu", folder)
    return [
        measure.add_predictions(cell, source, folder / str(n), each)
        for n, (cell, each) in enumerate(zip(cells, found, strict=True))
    ]


@pytest.fixture(scope="module")
def measured_in_one_stack(source, tmp_path_factory):
    return measure_together(source, tmp_path_factory.mktemp("stack"))


OUT_OF_SHARE = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
OUT_OF_CARD = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate")


@pytest.mark.parametrize(
    ("error", "most", "attempts"),
    [
        (OUT_OF_SHARE, 2, [5, 3, 2, 1, 2]),
        (OUT_OF_SHARE, 1, [5, 3, 2, 1, 1, 1, 2, 1, 1]),
        (OUT_OF_CARD, 3, [5, 3, 2]),
    ],
)
def test_a_stack_too_large_for_the_gpu_is_halved_and_goes_on(
    source, tmp_path, monkeypatch, measured_in_one_stack, error, most, attempts
):
    plain, seen = TorchClassifier.fit_together, []

    def fit_together(classifiers, X, y, on_epoch=()):
        seen.append(len(classifiers))
        if len(classifiers) <= most:
            plain(classifiers, X, y, on_epoch)
            return
        # The memory may suffice for an epoch and not for the predictions after it.
        on_epoch[0](SimpleNamespace(predict_proba=lambda X: np.zeros((len(X), 10))),
                    SimpleNamespace(epoch=1, train_loss=9.0, train_accuracy=0.0))  # fmt: skip
        raise error

    monkeypatch.setattr(TorchClassifier, "fit_together", staticmethod(fit_together))
    halved = measure_together(source, tmp_path)
    assert seen == attempts
    for one, other in zip(measured_in_one_stack, halved, strict=True):
        assert [epoch["epoch"] for epoch in other.history] == [1, 2]
        assert (one.arrays["y_pred"] == other.arrays["y_pred"]).mean() > 0.99
    assert (
        "RuntimeWarning: the GPU has too little memory for 5 networks together: "
        "3 are trained at a time" in halved[0].warnings
    )


def test_a_network_too_large_for_the_gpu_fails(source, tmp_path, monkeypatch):
    def fit_together(classifiers, X, y, on_epoch=()):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(TorchClassifier, "fit_together", staticmethod(fit_together))
    with pytest.raises(torch.cuda.OutOfMemoryError):
        measure_together(source, tmp_path, 3)


@pytest.mark.parametrize("kind", [RuntimeError, AssertionError, torch.cuda.DeferredCudaCallError])
def test_a_process_that_cannot_start_cuda_says_so_before_it_reads_data(
    monkeypatch, source, tmp_path, kind
):
    def fail():
        raise kind("CUDA error: busy\nCUDA kernel errors")

    monkeypatch.setattr(torch.cuda, "synchronize", fail)
    monkeypatch.setattr(measure, "load_images", lambda *_: pytest.fail("it went on"))
    cell = Cell(runners.get_runner("three-layer-nn"), QUICK, 0)
    with pytest.raises(GpuStartError, match="CUDA error: busy"):
        measure.measure_launch([cell], source, "cuda", tmp_path)


def test_a_process_may_take_its_share_of_the_gpus_memory(monkeypatch):
    shares = []
    card = SimpleNamespace(total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", shares.append)
    measure.limit_gpu_memory(4 * 2**30)
    measure.limit_gpu_memory(100 * 2**30)
    measure.limit_gpu_memory(None)
    assert shares == [0.05, 1.0]
