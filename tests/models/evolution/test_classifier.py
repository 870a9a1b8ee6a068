import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from fmbench.models.evolution.classifier import (
    SPLIT,
    EvolvedClassifier,
    TrainingSettings,
    derive_seed,
    split_images,
)
from fmbench.models.evolution.search import SearchBudget
from fmbench.models.nn.training import TorchClassifier
from tests.models.evolution.test_chromosome import SPACE

pytestmark = pytest.mark.slow

SMALL = replace(SPACE, max_work=300_000)
BUDGET = SearchBudget(
    population=3, generations=3, first_epochs=1, last_epochs=2,
    train_images=60, validation_images=40,
)  # fmt: skip
TRAINING = TrainingSettings(final_epochs=2, batch_size=20, optimizer="adam", scaling="unit")


@pytest.fixture(scope="module")
def images(dataset):
    return dataset.X_train[:300], dataset.y_train[:300]


def build_classifier(**changes):
    options = {"seed": 0, "workspace": None, **changes}
    return EvolvedClassifier(SMALL, BUDGET, TRAINING, **options)


class Log(list):
    """The images and epochs of each fit, and the images that were predicted after it."""

    def record(self, monkeypatch):
        fit, predict = TorchClassifier.fit, TorchClassifier.predict

        def logged_fit(self_, X, y, on_epoch=None):
            self.append(
                {"X": X, "y": y, "epochs": self_.config.epochs, "seed": self_.seed, "predicted": []}
            )
            return fit(self_, X, y, on_epoch)

        def logged_predict(self_, X):
            self[-1]["predicted"].append(X)
            return predict(self_, X)

        monkeypatch.setattr(TorchClassifier, "fit", logged_fit)
        monkeypatch.setattr(TorchClassifier, "predict", logged_predict)
        return self


def test_candidates_train_on_a_part_of_the_images_and_the_winner_on_all(images, monkeypatch):
    log = Log().record(monkeypatch)
    X, y = images
    build_classifier().fit(X, y)
    *candidates, winner = log
    assert len(candidates) == 9
    assert [c["epochs"] for c in candidates] == [1] * 3 + [2] * 6  # 1, 1.5 and 2
    for candidate in candidates:
        assert candidate["X"].shape == (60, 28, 28)
        assert candidate["X"] is candidates[0]["X"]
        [predicted] = candidate["predicted"]
        assert predicted.shape == (40, 28, 28)
        assert predicted is candidates[0]["predicted"][0]
    assert len({fit["seed"] for fit in log}) == 10
    assert winner["X"] is X
    assert winner["y"] is y
    assert winner["epochs"] == 2
    assert winner["predicted"] == []


def test_fitness_is_measured_on_training_images_that_no_candidate_was_trained_on(dataset):
    budget = SearchBudget(8, 10, 4, 13, train_images=3000, validation_images=2000)
    part = split_images(dataset.X_train, dataset.y_train, budget, seed=0)

    def as_set(X):
        return {image.tobytes() for image in X}

    train, validation = as_set(part.X_train), as_set(part.X_validation)
    known = {image.tobytes(): label for image, label in
             zip(dataset.X_train, dataset.y_train, strict=True)}  # fmt: skip
    assert len(train) == 3000
    assert len(validation) == 2000
    assert not train & validation
    assert train | validation <= known.keys()
    assert not (train | validation) & as_set(dataset.X_test)
    for X, y in ((part.X_train, part.y_train), (part.X_validation, part.y_validation)):
        assert [known[image.tobytes()] for image in X] == y.tolist()
        assert np.bincount(y).min() > len(y) * 0.07


def test_at_most_a_quarter_of_the_images_become_validation_images(images):
    X, y = images
    part = split_images(X, y, replace(BUDGET, train_images=1000, validation_images=1000), seed=0)
    assert len(part.X_validation) == 75
    assert len(part.X_train) == 225
    assert not np.array_equal(part.X_train, split_images(X, y, BUDGET, seed=1).X_train)


def test_fitness_is_the_accuracy_on_the_validation_images(images, monkeypatch):
    predicted = []
    monkeypatch.setattr(
        TorchClassifier,
        "predict",
        lambda self, X: predicted.append(X) or np.full(len(X), 7, np.uint8),
    )
    fitted = build_classifier().fit(*images)
    part = split_images(*images, BUDGET, derive_seed(0, SPLIT))
    share = (part.y_validation == 7).mean()
    assert all(np.array_equal(X, part.X_validation) for X in predicted)
    for generation in fitted.details_["search"]["generations"]:
        assert generation["best_fitness"] == pytest.approx(share)
        assert generation["mean_fitness"] == pytest.approx(share)


def test_a_network_that_diverges_has_a_low_fitness_and_does_not_end_the_search(images):
    space = replace(SMALL, learning_rate=(1e20, 1e21), activation=("relu",), max_layers=3)
    fitted = EvolvedClassifier(space, BUDGET, TRAINING).fit(*images)
    assert fitted.predict(images[0]).shape == (300,)
    assert fitted.details_["search"]["generations"][0]["mean_fitness"] < 0.6


def test_the_details_describe_the_search_and_the_winner(images):
    fitted = build_classifier().fit(*images)
    details = json.loads(json.dumps(fitted.details_))
    generations = details["search"]["generations"]
    assert [g["generation"] for g in generations] == [1, 2, 3]
    assert [g["epochs"] for g in generations] == [1, 2, 2]
    assert details["search"]["networks"] == 9
    assert details["search"]["taken_from_an_interrupted_run"] == 0
    winner = details["winner"]
    assert winner["learning_rate"] == fitted.classifier_.config.learning_rate
    assert {"kind", "filters", "kernel", "activation"} in [set(x) for x in winner["layers"]]
    trained = fitted.classifier_.network_
    assert winner["n_parameters"] == sum(p.numel() for p in trained.parameters())
    assert winner["n_parameters"] == sum(winner["parameters"].values())


def test_only_the_epochs_of_the_winners_training_are_reported(images):
    reports = []
    fitted = build_classifier().fit(
        *images, on_epoch=lambda c, report: reports.append((c.predict(images[0]), report.epoch))
    )
    assert [epoch for _, epoch in reports] == [1, 2]
    assert np.array_equal(reports[-1][0], fitted.predict(images[0]))


def test_the_result_depends_only_on_the_seed(images):
    X, y = images
    first, again, other = (build_classifier(seed=s).fit(X, y) for s in (0, 0, 1))
    assert first.details_ == again.details_
    assert np.array_equal(first.predict_proba(X), again.predict_proba(X))
    assert first.details_["winner"] != other.details_["winner"]


@pytest.mark.parametrize("after", [1, 4, 8])
def test_an_interrupted_search_continues_and_finds_the_same_network(
    images, tmp_path, monkeypatch, after
):
    X, y = images
    whole = build_classifier().fit(X, y)
    with monkeypatch.context() as patch:
        fit, fits = TorchClassifier.fit, []

        def interrupted_fit(self, *arguments):
            if len(fits) == after:
                raise KeyboardInterrupt
            fits.append(self)
            return fit(self, *arguments)

        patch.setattr(TorchClassifier, "fit", interrupted_fit)
        with pytest.raises(KeyboardInterrupt):
            build_classifier(workspace=tmp_path).fit(X, y)
    log = Log().record(monkeypatch)
    resumed = build_classifier(workspace=tmp_path).fit(X, y)
    assert len(log) == 9 - after + 1
    assert resumed.details_["search"].pop("taken_from_an_interrupted_run") == after
    assert whole.details_["search"].pop("taken_from_an_interrupted_run") == 0
    assert resumed.details_ == whole.details_
    assert np.array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    assert resumed.earlier_seconds_ > 0
    assert whole.earlier_seconds_ == 0


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"seed": 1}, "seed"),
        ({"budget": replace(BUDGET, last_epochs=3)}, "budget"),
        ({"space": replace(SMALL, units=(5,))}, "space"),
        ({"training": replace(TRAINING, batch_size=30)}, "training"),
    ],
)
def test_the_journal_of_a_different_search_is_not_used(images, tmp_path, change, name):
    X, y = images
    build_classifier(workspace=tmp_path).fit(X, y)
    other = build_classifier(workspace=tmp_path).set_params(**change)
    with pytest.warns(UserWarning, match=f"not used: it was made with different values of {name}$"):
        other.fit(X, y)
    assert other.details_["search"]["taken_from_an_interrupted_run"] == 0


def test_the_journal_of_a_search_on_other_images_or_threads_is_not_used(
    images, tmp_path, monkeypatch
):
    X, y = images
    build_classifier(workspace=tmp_path).fit(X[:200], y[:200])
    with pytest.warns(UserWarning, match="different values of images$"):
        build_classifier(workspace=tmp_path).fit(X, y)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    with pytest.warns(UserWarning, match="different values of threads$"):
        build_classifier(workspace=tmp_path).fit(X, y)
