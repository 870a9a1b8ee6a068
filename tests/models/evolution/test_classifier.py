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

SMALL = replace(SPACE, max_work=300_000)
BUDGET = SearchBudget(
    population=3, generations=3, first_epochs=1, last_epochs=2,
    train_images=60, validation_images=40,
)  # fmt: skip
TRAINING = TrainingSettings(final_epochs=2, batch_size=20, optimizer="adam", scaling="unit")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def images(dataset):
    return dataset.X_train[:300], dataset.y_train[:300]


def classifier(**changes):
    options = {"seed": 0, "workspace": None, **changes}
    return EvolvedClassifier(SMALL, BUDGET, TRAINING, **options)


class Log(list):
    """Every fit of a network: images, epochs, and what it was then asked to predict."""

    def record(self, monkeypatch):
        fit, predict = TorchClassifier.fit, TorchClassifier.predict

        def logged_fit(self_, X, y, on_epoch=None):
            self.append(
                {"X": X, "y": y, "epochs": self_.config.epochs, "seed": self_.seed, "asked": []}
            )
            return fit(self_, X, y, on_epoch)

        def logged_predict(self_, X):
            self[-1]["asked"].append(X)
            return predict(self_, X)

        monkeypatch.setattr(TorchClassifier, "fit", logged_fit)
        monkeypatch.setattr(TorchClassifier, "predict", logged_predict)
        return self


def test_the_search_sees_a_part_of_the_training_images_and_the_winner_all_of_them(
    images, monkeypatch
):
    log = Log().record(monkeypatch)
    X, y = images
    classifier().fit(X, y)
    *candidates, winner = log
    assert len(candidates) == 9
    assert [c["epochs"] for c in candidates] == [1] * 3 + [2] * 6  # 1, 1.5 and 2
    for candidate in candidates:
        assert candidate["X"].shape == (60, 28, 28)
        assert candidate["X"] is candidates[0]["X"]
        [asked] = candidate["asked"]
        assert asked.shape == (40, 28, 28)
        assert asked is candidates[0]["asked"][0]
    assert len({fit["seed"] for fit in log}) == 10
    assert winner["X"] is X
    assert winner["y"] is y
    assert winner["epochs"] == 2
    assert winner["asked"] == []


def test_fitness_sees_no_test_image_only_training_images_it_was_not_trained_on(dataset):
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


def test_of_a_small_set_a_quarter_is_for_judging(images):
    X, y = images
    part = split_images(X, y, replace(BUDGET, train_images=1000, validation_images=1000), seed=0)
    assert len(part.X_validation) == 75
    assert len(part.X_train) == 225
    assert not np.array_equal(part.X_train, split_images(X, y, BUDGET, seed=1).X_train)


def test_fitness_is_the_accuracy_on_the_validation_images(images, monkeypatch):
    asked = []
    monkeypatch.setattr(
        TorchClassifier, "predict", lambda self, X: asked.append(X) or np.full(len(X), 7, np.uint8)
    )
    fitted = classifier().fit(*images)
    part = split_images(*images, BUDGET, derive_seed(0, SPLIT))
    share = (part.y_validation == 7).mean()
    assert all(np.array_equal(X, part.X_validation) for X in asked)
    for generation in fitted.details_["search"]["generations"]:
        assert generation["best_fitness"] == pytest.approx(share)
        assert generation["mean_fitness"] == pytest.approx(share)


def test_a_network_that_diverges_is_unfit_and_no_failure(images):
    space = replace(SMALL, learning_rate=(1e20, 1e21), activation=("relu",), max_layers=3)
    fitted = EvolvedClassifier(space, BUDGET, TRAINING).fit(*images)
    assert fitted.predict(images[0]).shape == (300,)
    assert fitted.details_["search"]["generations"][0]["mean_fitness"] < 0.6


def test_the_details_say_what_the_search_did_and_what_it_found(images):
    fitted = classifier().fit(*images)
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


def test_each_epoch_of_the_winners_training_is_reported_and_none_of_the_search(images):
    reports = []
    fitted = classifier().fit(
        *images, on_epoch=lambda c, report: reports.append((c.predict(images[0]), report.epoch))
    )
    assert [epoch for _, epoch in reports] == [1, 2]
    assert np.array_equal(reports[-1][0], fitted.predict(images[0]))


def test_the_seed_alone_decides(images):
    X, y = images
    first, again, other = (classifier(seed=s).fit(X, y) for s in (0, 0, 1))
    assert first.details_ == again.details_
    assert np.array_equal(first.predict_proba(X), again.predict_proba(X))
    assert first.details_["winner"] != other.details_["winner"]


@pytest.mark.parametrize("after", [1, 4, 8])
def test_an_interrupted_search_goes_on_and_comes_to_the_same_network(
    images, tmp_path, monkeypatch, after
):
    X, y = images
    whole = classifier().fit(X, y)
    with monkeypatch.context() as patch:
        fit, fits = TorchClassifier.fit, []

        def interrupted_fit(self, *arguments):
            if len(fits) == after:
                raise KeyboardInterrupt
            fits.append(self)
            return fit(self, *arguments)

        patch.setattr(TorchClassifier, "fit", interrupted_fit)
        with pytest.raises(KeyboardInterrupt):
            classifier(workspace=tmp_path).fit(X, y)
    log = Log().record(monkeypatch)
    resumed = classifier(workspace=tmp_path).fit(X, y)
    assert len(log) == 9 - after + 1
    assert resumed.details_["search"].pop("taken_from_an_interrupted_run") == after
    assert whole.details_["search"].pop("taken_from_an_interrupted_run") == 0
    assert resumed.details_ == whole.details_
    assert np.array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    assert resumed.earlier_seconds_ > 0
    assert whole.earlier_seconds_ == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"budget": replace(BUDGET, last_epochs=3)}, "budget"),
        ({"space": replace(SMALL, units=(5,))}, "space"),
        ({"training": replace(TRAINING, batch_size=30)}, "training"),
    ],
)
def test_what_another_search_left_is_not_used(images, tmp_path, change, named):
    X, y = images
    classifier(workspace=tmp_path).fit(X, y)
    other = classifier(workspace=tmp_path).set_params(**change)
    with pytest.warns(UserWarning, match=f"not used: it was made with another {named}$"):
        other.fit(X, y)
    assert other.details_["search"]["taken_from_an_interrupted_run"] == 0


def test_what_a_search_on_other_images_or_threads_left_is_not_used(images, tmp_path, monkeypatch):
    X, y = images
    classifier(workspace=tmp_path).fit(X[:200], y[:200])
    with pytest.warns(UserWarning, match="another images$"):
        classifier(workspace=tmp_path).fit(X, y)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    with pytest.warns(UserWarning, match="another threads$"):
        classifier(workspace=tmp_path).fit(X, y)
