"""The L2-SVM: its loss, its training, and how its source scored the predictions."""

import numpy as np
import pytest
import torch
from torch import nn

from fmbench.models.nn.layers import Pixels, build_sequential
from fmbench.models.nn.losses import SquaredHinge
from fmbench.models.nn.svm import SVMClassifier
from fmbench.models.nn.training import TrainConfig


def build_network():
    return build_sequential(
        ("pixels", Pixels("unit")), ("flatten", nn.Flatten()), ("output", nn.Linear(784, 10))
    )


def compute_by_definition(W, f, target, C):
    y = np.where(np.arange(10) == target[:, None], 1, -1)
    return (W**2).mean() + C * (np.maximum(0, 1 - y * f) ** 2).mean()


@pytest.mark.parametrize("C", [1.0, 2.5])
def test_the_loss_is_a_mean_over_weights_and_a_mean_over_images_and_classes(C):
    generator = np.random.default_rng(0)
    W, f = generator.normal(size=(10, 30)), 2 * generator.normal(size=(7, 10))
    target = generator.integers(0, 10, 7)
    loss = SquaredHinge(C)({"output.weight": torch.tensor(W)}, *map(torch.tensor, (f, target)))
    assert float(loss) == pytest.approx(compute_by_definition(W, f, target, C))


@pytest.mark.slow
def test_training_reports_the_whole_loss_and_learns(dataset):
    config = TrainConfig(4, 32, "adam", 0.001, loss=SquaredHinge(1.0))
    X, y = dataset.X_train[:1000], dataset.y_train[:1000]
    still = TrainConfig(1, 1000, "sgd", 0.0, loss=SquaredHinge(1.0))
    reports = []
    untrained = SVMClassifier(build_network, still).fit(
        X, y, lambda _, report: reports.append(report)
    )
    W = untrained.network_.output.weight.detach().numpy()
    expected = compute_by_definition(W, untrained.decision_function(X), y, 1.0)
    assert reports[0].train_loss == pytest.approx(expected, rel=1e-5)
    trained = SVMClassifier(build_network, config).fit(X, y)
    assert (trained.predict(X) == y).mean() > 0.7


def test_the_flagged_scoring_takes_the_first_class_with_the_largest_sign(dataset, monkeypatch):
    classifier = SVMClassifier(build_network, TrainConfig(1, 32, "adam", 0.001))
    decisions = np.full((4, 10), -1.0, np.float32)
    decisions[0, 7] = 0.5  # one positive value: both ways agree
    decisions[1, [2, 5]] = 0.1, 0.9  # two: it takes the first, not the larger
    decisions[2, 4] = -0.1  # none: it takes class 0, not the largest
    decisions[3, 6] = 0.0  # zero is larger than every negative value
    monkeypatch.setattr(classifier, "decision_function", lambda X: decisions)
    assert classifier.flagged(dataset.X_train[:4])["sign"].tolist() == [7, 2, 0, 6]
    assert decisions.argmax(1).tolist() == [7, 5, 4, 6]
