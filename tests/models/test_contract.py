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
        with pytest.raises(contract.Remark, match="little better than guessing"):
            contract.check_learning(subject)


@pytest.mark.parametrize(("share", "is_true"), [(0.94, True), (0.95, False), (1.0, False)])
def test_an_accuracy_that_is_too_good_to_be_true_breaks_a_rule(share, is_true):
    subject = make_subject(share=share)
    if is_true:
        contract.check_learning(subject)
    else:
        with pytest.raises(contract.RuleBroken, match="too good to be true"):
            contract.check_learning(subject)


@pytest.fixture(scope="module")
def hidden_sample(source):
    return contract.make_hidden_sample(source, np.random.default_rng(0))


@pytest.mark.slow
def test_a_hidden_sample_has_the_images_of_the_files_under_other_labels(
    source, dataset, hidden_sample
):
    sample, hidden = hidden_sample
    assert (len(sample.X_train), len(sample.X_new), sample.y_new) == (1000, 500, None)
    label_on_disk = dict(zip(map(bytes, dataset.X_train), dataset.y_train.tolist(), strict=True))
    numbers = {
        (label_on_disk[bytes(image)], label)
        for image, label in zip(sample.X_train, sample.y_train.tolist(), strict=True)
    }
    assert len(numbers) == 10  # every class has one new number
    assert all(old != new for old, new in numbers)
    assert {new for _, new in numbers} == set(range(10))
    assert np.array_equal(hidden.file_order, dataset.y_test)
    assert sorted(map(bytes, hidden.images)) == sorted(map(bytes, dataset.X_test))
    assert not np.array_equal(hidden.images, dataset.X_test)
    assert set(zip(hidden.on_disk.tolist(), hidden.labels.tolist(), strict=True)) == numbers
    first = {bytes(image): label for image, label in zip(dataset.X_test, dataset.y_test)}  # noqa: B905
    assert all(first[bytes(i)] == k for i, k in zip(hidden.images[:200], hidden.on_disk[:200]))  # noqa: B905


def make_hidden_labels(n=1000):
    """Labels of ten classes, where every class has the next number."""
    random = np.random.default_rng(1)
    file_order = random.integers(10, size=n).astype(np.uint8)
    on_disk = random.permutation(file_order)
    images = np.zeros((n, 28, 28), np.uint8)
    return contract.HiddenLabels(images, (on_disk + 1) % 10, on_disk, file_order)


@pytest.mark.parametrize(
    ("labels", "share", "message"),
    [
        ("on_disk", 1.0, "the label on disk, in the images' order"),
        ("on_disk", 0.6, "the label on disk, in the images' order"),
        ("file_order", 1.0, "the label on disk, in the file's order"),
        ("labels", 1.0, "too good to be true"),
        ("labels", 0.96, "too good to be true"),
    ],
)
def test_predictions_that_know_the_labels_on_disk_break_a_rule(labels, share, message):
    hidden = make_hidden_labels()
    y_pred = getattr(hidden, labels).copy()
    y_pred[int(share * len(y_pred)) :] = 0
    with pytest.raises(contract.RuleBroken, match=message):
        contract.judge_hidden_predictions(y_pred, hidden, 10)


@pytest.mark.parametrize("share", [0.51, 0.7, 0.94])
def test_errors_that_meet_the_labels_on_disk_by_chance_break_no_rule(share):
    """As if every error were between two classes that have swapped their numbers."""
    hidden = make_hidden_labels()
    wrong = np.arange(len(hidden.labels)) >= share * len(hidden.labels)
    y_pred = np.where(wrong, hidden.on_disk, hidden.labels)
    contract.judge_hidden_predictions(y_pred, hidden, 10)


def test_guesses_break_no_rule_but_are_remarked():
    y_pred = np.random.default_rng(2).integers(10, size=1000)
    with pytest.raises(contract.Remark, match="little better than guessing"):
        contract.judge_hidden_predictions(y_pred, make_hidden_labels(), 10)


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
        "", "it makes no valid predictions", "it stores no scores",
        "it states no numbers of parameters",
    }  # fmt: skip


class Diverged(MajorityClassifier):
    """What fmbench's training leaves of a network whose weights are no numbers."""

    network_ = object()

    def decision_function(self, X):
        return np.full((len(X), 3), np.nan)


def test_a_network_whose_training_diverged_breaks_a_rule_though_it_predicts_classes():
    tested = make_subject()
    contract.check_predictions(tested)
    tested.fitted.network_ = object()  # without scores there is nothing to look at
    contract.check_predictions(tested)
    tested.fitted.__class__ = Diverged
    with pytest.raises(contract.RuleBroken, match="its training diverged: the scores of the net"):
        contract.check_predictions(tested)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["bag", "shirt"], "texts"),
        (np.array(["bag", 3], dtype=object), "Python objects"),
        ([True, False], "True and False"),
        (np.zeros(2, "datetime64[s]"), r"values of the type datetime64\[s\]"),
    ],
)
def test_predictions_of_another_kind_are_named_in_plain_words(given, found):
    expected = f"^predict returned {found}, expected whole numbers 0 to 9$"
    with pytest.raises(contract.InvalidPredictions, match=expected):
        contract.validate_predictions(given, 2, 10)
