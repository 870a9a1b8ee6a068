"""Each mistake fits and scores the images that its name says, and no other touches a test label."""

from dataclasses import replace

import numpy as np
import pytest

from fmbench import runners
from fmbench.analysis.forensics.plan import Plan
from fmbench.datasets import loading, specs
from fmbench.execution import measure as measuring
from fmbench.models import registry
from fmbench.models.registry import Runner, our_choice
from fmbench.records import protocols
from fmbench.records.cells import Cell
from fmbench.records.protocols import DIGITS, FULL, LEAK, QUICK, SEEN, SPLIT, VALIDATION

LENET5 = runners.get("lenet5")


class Memory:
    """Knows the images that it was fitted on by heart, and takes every other for a 0."""

    def fit(self, X, y):
        self.seen = dict(zip((image.tobytes() for image in X), y, strict=True))
        self.X, self.y = X, y
        return self

    def predict(self, X):
        self.scored = X
        return np.array([self.seen.get(image.tobytes(), 0) for image in X])


@pytest.fixture
def measure(source, tmp_path, monkeypatch):
    """Measure a memory under a protocol as execution does; returns it and its right answers."""

    def run(protocol, labels_allowed=False):
        memory = Memory()
        runner = Runner("memory", "For tests", lambda: memory, {}, 1, "seconds")

        def forbidden(_source):
            raise AssertionError("the test labels were read where a model runs")

        with monkeypatch.context() as patch:
            if not labels_allowed:
                patch.setattr(protocols, "load_test_labels", forbidden)
            [facts] = measuring.measure([Cell(runner, protocol, 0)], source, "cpu", tmp_path)
        arrays = measuring.collect(
            Cell(runner, protocol, 0), source, tmp_path / "0", facts["history"]
        ).arrays
        assert set(arrays) == {"y_pred"}
        labels = protocols.labels_by_part(protocol, source)
        assert np.array_equal(
            protocols.labels(protocol, source), np.concatenate([*labels.values()])
        )
        ends = np.cumsum([len(y) for y in labels.values()])
        y_pred = dict(zip(labels, np.split(arrays["y_pred"], ends[:-1]), strict=True))
        return memory, {part: (y_pred[part] == labels[part]).mean() for part in labels}

    return run


def sized(protocol):
    """The same mistake on few images."""
    return replace(
        protocol, name=f"small{protocol.name}", train_per_class=30, n_test=200,
        held_out_per_class=20 if protocol.held_out_per_class else 0,
    )  # fmt: skip


def test_the_keys_of_all_earlier_records_stay_as_they_are():
    for protocol, definition in [
        (FULL, ("full", None, None, 0)),
        (QUICK, ("quick", 300, 2000, 0)),
        (VALIDATION, ("validation", None, None, 1000)),
    ]:
        names = ("name", "train_per_class", "n_test", "held_out_per_class")
        assert protocol.definition() == dict(zip(names, definition, strict=True))
    assert "readings" not in Cell(LENET5, FULL, 0).definition()


def test_protocols_that_fit_or_score_other_images_have_other_keys():
    changed = [replace(FULL, fits_test=True)]
    changed += [replace(FULL, scored=parts) for parts in (("fitted",), ("fitted", "test"))]
    changed += [FULL, replace(FULL, scored=("test", "fitted"))]
    assert len({Cell(LENET5, protocol, 0).key for protocol in changed}) == 5
    assert Cell(LENET5, replace(FULL, detailed=False), 0).key == Cell(LENET5, FULL, 0).key


def test_an_honest_model_knows_no_test_image(measure, dataset):
    memory, right = measure(sized(FULL))
    assert np.array_equal(memory.scored, dataset.X_test[:200])
    assert right["test"] == (dataset.y_test[:200] == 0).mean()


def test_with_the_test_images_in_the_training_set_they_are_known(measure, dataset):
    memory, right = measure(sized(LEAK), labels_allowed=True)
    assert len(memory.X) == 300 + 200
    assert np.array_equal(memory.X[300:], dataset.X_test[:200])
    assert np.array_equal(memory.y[300:], dataset.y_test[:200])
    assert np.array_equal(memory.scored, dataset.X_test[:200])
    assert right == {"test": 1.0}


def test_only_that_mistake_reads_a_test_label(measure):
    with pytest.raises(AssertionError, match="the test labels were read"):
        measure(sized(LEAK))


def test_scored_on_what_was_fitted_all_of_it_is_known(measure, dataset):
    memory, right = measure(sized(SEEN))
    assert np.array_equal(memory.scored[:300], memory.X)
    assert np.array_equal(memory.scored[300:], dataset.X_test[:200])
    assert right == {"fitted": 1.0, "test": (dataset.y_test[:200] == 0).mean()}


def test_a_random_split_scores_training_images_that_were_not_fitted(measure, dataset):
    memory, right = measure(sized(SPLIT))
    held_out = sized(SPLIT).held_out(dataset.y_train)
    assert held_out.sum() == 200
    assert np.array_equal(memory.scored[:200], dataset.X_train[held_out])
    assert np.array_equal(memory.scored[200:], dataset.X_test[:200])
    assert right["held out"] == 0.1  # as many zeros as of any class; none is known


@pytest.mark.parametrize("protocol", [SEEN, SPLIT, LEAK, DIGITS], ids=lambda p: p.name)
def test_a_mistake_keeps_its_predictions_and_nothing_bulky(protocol, source, tmp_path):
    class Trained(Memory):
        def fit(self, X, y, on_epoch):
            from types import SimpleNamespace

            on_epoch(self, SimpleNamespace(epoch=1, train_loss=1.0, train_accuracy=0.5))
            return super().fit(X, y)

        def predict_proba(self, X):
            raise AssertionError("not asked for")

    runner = Runner("m", "x", lambda: Trained(), {}, 1, "seconds", scores="predict_proba")
    cell = Cell(runner, sized(protocol), 0)
    [facts] = measure.measure([cell], source, "cpu", tmp_path)
    outcome = measuring.collect(cell, source, tmp_path / "0", facts["history"])
    assert set(outcome.arrays) == {"y_pred"}
    assert outcome.history == [{"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5}]


def test_predictions_of_digits_are_kept_with_their_labels(source, tmp_path):
    other = specs.Source(replace(source.spec, name="other"), source.folder, "for a test")
    runner = Runner("m", "x", lambda: Memory(), {}, 1, "seconds")
    cell = Cell(runner, sized(DIGITS), 0, other.spec)
    measure.measure([cell], other, "cpu", tmp_path)
    arrays = measuring.collect(cell, other, tmp_path / "0", []).arrays
    assert np.array_equal(arrays["y_true"], loading.load_test_labels(source)[:200])


# ---------------------------------------------------------------- the plan


def test_every_mistake_of_the_list_is_planned_with_every_seed():
    plan = Plan(LENET5, 5)
    assert {v.what.split(",")[0] for v in plan.variants} == {
        "none: as it should be", "best epoch picked on the test set", "training accuracy quoted",
        "MNIST digits in place of Fashion-MNIST", "scored on training and test images together",
        "scored on a random split of the training images", "test images in the training set",
    }  # fmt: skip
    assert all([c.seed for c in v.cells] == [0, 1, 2, 3, 4] for v in plan.variants)
    protocols = {c.protocol.name for c in plan.cells}
    assert protocols == {"full", "digits", "seen", "split", "leak"}
    assert {c.dataset.name for c in plan.cells if c.protocol.name == "digits"} == {"mnist"}
    assert len({c.key for c in plan.cells}) == len(plan.cells)


def test_the_honest_cells_are_those_of_an_ordinary_run():
    for plan, protocol in [(Plan(LENET5, 2), FULL), (Plan(LENET5, 2, quick=True), QUICK)]:
        honest = plan.variants[0].cells
        assert [c.key for c in honest] == [Cell(LENET5, protocol, seed).key for seed in (0, 1)]
        assert all(v.cells == honest for v in plan.variants if v.quoted != "last epoch")


def test_what_is_cheap_and_telling_comes_first():
    plan = Plan(LENET5, 2)
    order = [c.protocol.name for c in plan.cells]
    assert order[:2] == ["digits", "digits"]
    assert [c.seed for c in plan.cells[2:10]] == [0] * 4 + [1] * 4
    assert set(order[10:]) == {"split"} and len(order) == 10 + 95


def test_every_combination_of_readings_is_tried_once():
    readings = Plan(LENET5, 5).readings
    assert len(readings) == 4 * 3 * 2 * 2 * 2
    assert len({r.cell.key for r in readings}) == len(readings)
    assert {r.cell.seed for r in readings} == {0}
    resolved = {tuple(sorted(r.cell.hyperparameters.items())) for r in readings}
    assert len(resolved) == len(readings)
    own = [r for r in readings if not r.cell.overrides]
    assert [r.cell.key for r in own] == [Plan(LENET5, 5).random_split.cells[0].key]


def test_a_reading_is_confirmed_as_the_recipe_is_measured():
    plan = Plan(LENET5, 3)
    own = next(r for r in plan.readings if not r.cell.overrides)
    assert [c.key for c in plan.confirmation(own)] == [c.key for c in plan.variants[0].cells]
    other = plan.readings[0]
    for seed, cell in enumerate(plan.confirmation(other)):
        assert (cell.protocol, cell.seed) == (FULL, seed)
        assert cell.hyperparameters == other.cell.hyperparameters


def test_a_quick_plan_shares_no_cell_with_a_whole_one_and_says_its_sizes():
    whole, quick = Plan(LENET5, 2), Plan(LENET5, 2, quick=True)
    assert not {c.key for c in whole.cells} & {c.key for c in quick.cells}
    assert len(whole.cells) == len(quick.cells)
    assert all(c.hyperparameters["epochs"] == 2 for c in quick.cells)
    assert whole.random_split.fitted == "50,000 training images"
    assert quick.random_split.fitted == "3,000 training images"


@pytest.mark.parametrize("quick", [False, True])
def test_the_sizes_in_words_are_those_of_the_protocols(quick, source, dataset):
    for variant in Plan(LENET5, 1, quick).variants:
        protocol = variant.cells[0].protocol
        n_fit = len(protocol.fitted(dataset.y_train))
        assert variant.fitted.startswith(f"{n_fit:,} ")
        labels = protocols.labels_by_part(protocol, source)
        n_scored = n_fit if variant.quoted == "while training" else sum(
            len(labels[part]) for part in variant.parts
        )  # fmt: skip
        assert f"{n_scored:,}" in variant.scored
        assert protocol.name.isalpha()


def test_a_runner_without_epochs_or_readings_has_the_other_mistakes():
    plan = Plan(runners.get("gaussian-nb"), 5)
    assert {v.quoted for v in plan.variants} == {"last epoch"}
    assert len(plan.variants) == 6 and not plan.readings
    assert all(len(v.cells) == 1 for v in plan.variants)


def test_readings_can_be_left_out():
    assert Plan(LENET5, 5, with_readings=False).readings == []


# ---------------------------------------------------------------- how a runner declares them


@pytest.mark.parametrize(
    "readings",
    [
        {"k": ({"k": 2}, {"k": 3})},  # not the recipe's own
        {"k": ({"k": 1}, {"m": 3})},
        {"k": ({"unknown": 1},)},
        {"k": ()},
        {"k": ({"k": 1}, {"k": 2}), "again": ({"k": 1}, {"k": 3})},
    ],
)
def test_readings_that_do_not_fit_the_recipe_are_refused(readings):
    hyperparameters = {"k": our_choice(1, "for a test"), "m": our_choice(1, "for a test")}
    with pytest.raises(ValueError, match="one must be the recipe's own"):
        registry.register(
            "misread", title="x", hyperparameters=hyperparameters, revision=1, cost="seconds",
            readings=readings,
        )(lambda *, k, m: None)  # fmt: skip
    assert "misread" not in runners.runners()
