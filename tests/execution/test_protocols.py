"""Each protocol fits and scores the right images, and only one of them reads test labels."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fmbench import runners
from fmbench.datasets import loading, specs
from fmbench.execution import measure
from fmbench.models.registry import Runner
from fmbench.records import protocols
from fmbench.records.cells import Cell
from fmbench.records.protocols import (
    DIGITS,
    FULL,
    QUICK,
    RANDOM_SPLIT,
    SCORED_ON_TRAINING,
    TEST_IN_TRAINING,
)

pytestmark = pytest.mark.slow

LENET5 = runners.get_runner("lenet5")


class Memory:
    """Knows the labels of the images that it was fitted on, and predicts 0 for every other."""

    def fit(self, X, y):
        self.seen = dict(zip((image.tobytes() for image in X), y, strict=True))
        self.X, self.y = X, y
        return self

    def predict(self, X):
        self.scored = X
        return np.array([self.seen.get(image.tobytes(), 0) for image in X])


@pytest.fixture
def measure_protocol(source, tmp_path, monkeypatch):
    """Measures a Memory as a run would; returns it and its accuracy on each subset of images."""

    def measure_memory(protocol, labels_allowed=False):
        memory = Memory()
        cell = Cell(Runner("memory", "For tests", lambda: memory, {}, 1, "seconds"), protocol, 0)

        def refuse(_source):
            raise AssertionError("the test labels were read where a model runs")

        with monkeypatch.context() as patch:
            if not labels_allowed:
                patch.setattr(protocols, "load_test_labels", refuse)
            [measurement] = measure.measure_launch([cell], source, "cpu", tmp_path)
        arrays = measure.add_predictions(cell, source, tmp_path / "0", measurement).arrays
        assert set(arrays) == {"y_pred"}
        labels = protocols.load_labels_by_subset(protocol, source)
        assert np.array_equal(
            protocols.load_labels(protocol, source), np.concatenate([*labels.values()])
        )
        ends = np.cumsum([len(y) for y in labels.values()])
        y_pred = dict(zip(labels, np.split(arrays["y_pred"], ends[:-1]), strict=True))
        return memory, {subset: (y_pred[subset] == labels[subset]).mean() for subset in labels}

    return measure_memory


def resize(protocol):
    """The same protocol on few images."""
    return replace(
        protocol, name=f"small{protocol.name}", train_per_class=30, n_test=200,
        held_out_per_class=20 if protocol.held_out_per_class else 0,
    )  # fmt: skip


def test_the_keys_of_older_records_do_not_change():
    for protocol, definition in [
        (FULL, ("full", None, None, 0)),
        (QUICK, ("quick", 300, 2000, 0)),
    ]:
        names = ("name", "train_per_class", "n_test", "held_out_per_class")
        assert protocol.to_definition() == dict(zip(names, definition, strict=True))
    assert "readings" not in Cell(LENET5, FULL, 0).to_definition()


def test_protocols_that_fit_or_score_other_images_have_other_keys():
    changed = [replace(FULL, fits_test=True)]
    changed += [replace(FULL, scored=parts) for parts in (("fitted",), ("fitted", "test"))]
    changed += [FULL, replace(FULL, scored=("test", "fitted"))]
    assert len({Cell(LENET5, protocol, 0).key for protocol in changed}) == 5
    assert Cell(LENET5, replace(FULL, detailed=False), 0).key == Cell(LENET5, FULL, 0).key


def test_in_a_correct_protocol_the_model_is_not_fitted_on_test_images(measure_protocol, dataset):
    memory, right = measure_protocol(resize(FULL))
    assert np.array_equal(memory.scored, dataset.X_test[:200])
    assert right["test"] == (dataset.y_test[:200] == 0).mean()


def test_a_model_fitted_on_the_test_images_has_seen_every_test_image(measure_protocol, dataset):
    memory, right = measure_protocol(resize(TEST_IN_TRAINING), labels_allowed=True)
    assert len(memory.X) == 300 + 200
    assert np.array_equal(memory.X[300:], dataset.X_test[:200])
    assert np.array_equal(memory.y[300:], dataset.y_test[:200])
    assert np.array_equal(memory.scored, dataset.X_test[:200])
    assert right == {"test": 1.0}


def test_only_the_mistake_of_fitting_on_test_images_reads_test_labels(measure_protocol):
    with pytest.raises(AssertionError, match="the test labels were read"):
        measure_protocol(resize(TEST_IN_TRAINING))


def test_a_model_scored_on_training_images_was_fitted_on_all_of_them(measure_protocol, dataset):
    memory, right = measure_protocol(resize(SCORED_ON_TRAINING))
    assert np.array_equal(memory.scored[:300], memory.X)
    assert np.array_equal(memory.scored[300:], dataset.X_test[:200])
    assert right == {"fitted": 1.0, "test": (dataset.y_test[:200] == 0).mean()}


def test_a_random_split_scores_training_images_that_were_not_fitted(measure_protocol, dataset):
    memory, right = measure_protocol(resize(RANDOM_SPLIT))
    held_out = resize(RANDOM_SPLIT).make_held_out_mask(dataset.y_train)
    assert held_out.sum() == 200
    assert np.array_equal(memory.scored[:200], dataset.X_train[held_out])
    assert np.array_equal(memory.scored[200:], dataset.X_test[:200])
    assert (
        right["held out"] == 0.1
    )  # every unknown image is called 0, which is right for one of ten classes


@pytest.mark.parametrize(
    "protocol", [SCORED_ON_TRAINING, RANDOM_SPLIT, TEST_IN_TRAINING, DIGITS], ids=lambda p: p.name
)
def test_the_record_of_a_mistake_holds_predictions_and_neither_scores_nor_epochs(
    protocol, source, tmp_path
):
    class Trained(Memory):
        def fit(self, X, y, on_epoch):
            on_epoch(self, SimpleNamespace(epoch=1, train_loss=1.0, train_accuracy=0.5))
            return super().fit(X, y)

        def predict_proba(self, X):
            raise AssertionError("not asked for")

    runner = Runner("m", "x", lambda: Trained(), {}, 1, "seconds", scores="predict_proba")
    cell = Cell(runner, resize(protocol), 0)
    [measurement] = measure.measure_launch([cell], source, "cpu", tmp_path)
    complete = measure.add_predictions(cell, source, tmp_path / "0", measurement)
    assert set(complete.arrays) == {"y_pred"}
    assert complete.history == [{"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5}]


def test_predictions_for_another_data_set_are_stored_with_their_labels(source, tmp_path):
    other = specs.LocatedDataset(replace(source.spec, name="other"), source.folder, "for a test")
    runner = Runner("m", "x", lambda: Memory(), {}, 1, "seconds")
    cell = Cell(runner, resize(DIGITS), 0, other.spec)
    [measurement] = measure.measure_launch([cell], other, "cpu", tmp_path)
    arrays = measure.add_predictions(cell, other, tmp_path / "0", measurement).arrays
    assert np.array_equal(arrays["y_true"], loading.load_test_labels(source)[:200])
