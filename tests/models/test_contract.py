"""The rules of the contract that do not need a real runner."""

import numpy as np
import pytest

from fmbench.models import contract
from fmbench.models.registry import Hyperparameter, Runner, our_choice


class MajorityClassifier:
    """Predicts the most frequent class of the training set, or what it is told to predict."""

    def __init__(self, always=None):
        self.always = always

    def fit(self, X, y):
        self.class_ = np.bincount(y).argmax() if self.always is None else self.always
        return self

    def predict(self, X):
        return np.full(len(X), self.class_)


def make_subject(hyperparameters=None, *, n_classes=3, share=0.5, **fields):
    """A runner under test whose majority class has the given share of the new images."""
    n_new = 100
    y_new = np.where(np.arange(n_new) < share * n_new, 0, 1).astype(np.uint8)
    sample = contract.SampleData(
        X_train=np.zeros((30, 28, 28), np.uint8),
        y_train=np.repeat(np.uint8([0, 0, 1]), 10),
        X_new=np.zeros((n_new, 28, 28), np.uint8),
        y_new=y_new,
        n_classes=n_classes,
    )

    def factory(**values):
        return MajorityClassifier(**values)

    runner = Runner("toy", "A toy", factory, hyperparameters or {}, 1, "seconds", **fields)
    return contract.RunnerUnderTest(runner, sample)


@pytest.mark.parametrize("y_pred", [[0, 2, 1], [0.0, 2.0, 1.0], np.array([0, 2, 1], np.int64)])
def test_whole_numbers_of_any_type_are_valid_predictions(y_pred):
    valid = contract.validate_predictions(y_pred, 3, n_classes=3)
    assert valid.dtype == np.uint8
    assert valid.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("y_pred", "message"),
    [
        ([0, 1], r"shape \(2,\), expected \(3,\)"),
        ([[0], [1], [2]], r"shape \(3, 1\)"),
        (["a", "b", "c"], "expected whole numbers 0 to 2"),
        ([0.5, 1, 2], "not whole numbers"),
        ([np.nan, 1, 2], "not whole numbers"),
        ([-1, 0, 1], "classes -1 to 1, not 0-2"),
        ([0, 1, 3], "classes 0 to 3, not 0-2"),
    ],
)
def test_anything_else_is_refused_with_the_reason(y_pred, message):
    with pytest.raises(contract.InvalidPredictions, match=message):
        contract.validate_predictions(y_pred, 3, n_classes=3)


@pytest.mark.parametrize(
    ("n_classes", "share", "learns"),
    [(10, 0.30, False), (10, 0.31, True), (3, 0.48, False), (3, 0.49, True), (2, 0.61, False)],
)
def test_the_accuracy_that_counts_as_learning_depends_on_the_number_of_classes(
    n_classes, share, learns
):
    subject = make_subject(n_classes=n_classes, share=share)
    if learns:
        contract.check_learning(subject)
    else:
        with pytest.raises(contract.RuleBroken, match="little better than chance"):
            contract.check_learning(subject)


def test_a_hyperparameter_needs_a_reason_and_a_value_that_json_can_hold():
    with pytest.raises(contract.RuleBroken, match="always does not say where its value comes from"):
        contract.check_hyperparameter_origins(
            make_subject({"always": Hyperparameter(1, "our choice", "")})
        )
    with pytest.raises(contract.RuleBroken, match="JSON cannot hold the value"):
        contract.check_hyperparameter_origins(
            make_subject({"always": our_choice({1, 2}, "for this test")})
        )


def test_the_results_name_each_rule_and_its_problem():
    results = list(contract.check_contract(make_subject({"always": our_choice(7, "a test value")})))
    assert [result.rule for result in results] == [
        " ".join(check.__doc__.split()) for check in contract.CONTRACT_CHECKS
    ]
    problems = [result.problem for result in results if result.problem]
    assert problems == ["predict returned classes 7 to 7, not 0-2"]
    assert {result.not_checked for result in results} == {
        "", "it stores no scores", "it states no numbers of parameters",
    }  # fmt: skip
