"""Every metric agrees with pycm, which shares no code with scikit-learn, and with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycm import ConfusionMatrix

from fmbench.metrics.compute import (
    compute_class_metrics,
    compute_metrics,
    compute_overall_value,
)
from fmbench.metrics.registry import METRICS

N = 10
PYCM = {"precision": "PPV", "recall": "TPR", "f1": "F1", "specificity": "TNR",
        "informedness": "BM", "one-vs-rest accuracy": "ACC"}  # fmt: skip


@st.composite
def predictions(draw, sizes=None) -> tuple[np.ndarray, np.ndarray]:
    """``(y_true, y_pred)``: each class has images, some classes may never be predicted."""
    n_each = st.integers(1, 30)
    if sizes is None:
        sizes = draw(st.lists(n_each, min_size=N, max_size=N) | n_each.map(lambda n: [n] * N))
    predicted = sorted(draw(st.sets(st.integers(0, N - 1), min_size=1)))
    skill = draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    y_true = np.repeat(np.arange(N), sizes).astype(np.uint8)
    guessed = generator.choice(np.array(predicted, np.uint8), len(y_true))
    knows = generator.random(len(y_true)) < skill
    return y_true, np.where(knows, y_true, guessed)


def number(value) -> float:
    """Pycm gives the text "None" for 0/0, fmbench gives 0."""
    return 0.0 if value == "None" else value


@settings(max_examples=50)
@given(predictions())
def test_every_metric_agrees_with_pycm(answers):
    y_true, y_pred = answers
    found = compute_metrics(y_true, y_pred, N)
    oracle = ConfusionMatrix(y_true.tolist(), y_pred.tolist(), classes=list(range(N)))
    for name, theirs in PYCM.items():
        expected = [number(getattr(oracle, theirs)[k]) for k in range(N)]
        assert found.by_class[name] == pytest.approx(expected, abs=1e-9), name
        assert found.overall[name] == pytest.approx(np.mean(expected), abs=1e-9), name
    for name, theirs in {"accuracy": "Overall_ACC", "kappa": "Kappa", "mcc": "Overall_MCC"}.items():
        expected = number(getattr(oracle, theirs))
        assert found.overall[name] == pytest.approx(expected, abs=1e-9), name
    assert found.confusion.tolist() == oracle.to_array().tolist()


@settings(max_examples=30)
@given(predictions())
def test_mse_and_mae_of_bytes_do_not_wrap_around(answers):
    y_true, y_pred = answers
    found = compute_metrics(y_true, y_pred, N).overall
    distances = [int(a) - int(b) for a, b in zip(y_true, y_pred, strict=True)]
    assert found["mae"] == pytest.approx(sum(map(abs, distances)) / len(distances))
    assert found["mse"] == pytest.approx(sum(d * d for d in distances) / len(distances))


def test_mae_and_mse_use_the_distance_between_class_numbers():
    y_true, y_pred = np.array([0, 1], np.uint8), np.array([9, 1], np.uint8)
    found = compute_metrics(y_true, y_pred, N).overall
    assert (found["mae"], found["mse"]) == (4.5, 40.5)


@settings(max_examples=10)
@given(predictions(sizes=[1000] * N))
def test_on_a_balanced_set_kappa_and_macro_informedness_follow_from_accuracy(answers):
    found = compute_metrics(*answers, N).overall
    expected = pytest.approx((10 * found["accuracy"] - 1) / 9, abs=1e-12)
    assert found["kappa"] == expected
    assert found["informedness"] == expected
    assert found["recall"] == pytest.approx(found["accuracy"], abs=1e-12)
    assert found["specificity"] == pytest.approx(1 - (1 - found["accuracy"]) / 9, abs=1e-12)


@settings(max_examples=10)
@given(predictions())
def test_one_vs_rest_accuracy_follows_from_accuracy_whatever_the_class_sizes(answers):
    found = compute_metrics(*answers, N).overall
    expected = 1 - 2 * (1 - found["accuracy"]) / N
    assert found["one-vs-rest accuracy"] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20)
@given(predictions())
def test_right_and_wrong_images_are_counted(answers):
    y_true, y_pred = answers
    found = compute_metrics(y_true, y_pred, N).overall
    assert found["correct"] == (y_true == y_pred).sum()
    assert found["correct"] + found["errors"] == len(y_true)


def test_a_class_without_images_has_no_recall_and_counts_as_zero():
    y_true, y_pred = np.array([0, 0, 1]), np.array([0, 1, 1])
    found = compute_metrics(y_true, y_pred, 3).overall
    assert found["balanced accuracy"] == found["recall"] == pytest.approx((0.5 + 1 + 0) / 3)


@settings(max_examples=20)
@given(predictions())
def test_the_confusion_matrix_alone_gives_the_same_values(answers):
    found = compute_metrics(*answers, N)
    for name, value in found.overall.items():
        assert compute_overall_value(found.confusion, name) == pytest.approx(value), name
    assert compute_overall_value(found.confusion, "top-2 accuracy") is None
    assert compute_overall_value(found.confusion, "cell") is None


def test_the_claimed_accuracy_means_another_kappa_than_the_paper_prints():
    y_true = np.repeat(np.arange(N, dtype=np.uint8), 1000)
    y_pred = y_true.copy()
    y_pred[::84] = (y_pred[::84] + 1) % N  # 120 errors
    found = compute_metrics(y_true, y_pred, N).overall
    assert found["accuracy"] == 0.988
    assert round(found["kappa"], 4) == 0.9867


@settings(max_examples=30)
@given(predictions())
def test_f1_is_the_harmonic_mean_and_not_the_papers_equation_4(answers):
    found = compute_metrics(*answers, N).by_class
    precision, recall = found["precision"], found["recall"]
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(2 * precision * recall / (precision + recall))
    assert found["f1"] == pytest.approx(expected, abs=1e-12)
    assert (found["f1"] <= 1).all()


def test_a_class_that_is_never_predicted_has_precision_and_f1_zero():
    y_true = np.arange(N).repeat(3)
    y_pred = np.where(y_true == 4, 5, y_true)
    found = compute_metrics(y_true, y_pred, N).by_class
    assert (found["precision"][4], found["recall"][4], found["f1"][4]) == (0, 0, 0)
    assert found["precision"][5] == 0.5


def test_perfect_predictions_score_1_and_no_error():
    y = np.arange(N, dtype=np.uint8).repeat(2)
    found = compute_metrics(y, y, N, scores=np.eye(N)[y])
    for name, value in found.overall.items():
        best = len(y) if name == "correct" else 0 if METRICS[name].less_is_better else 1
        assert value == best, name
    assert all((values == 1).all() for values in found.by_class.values())
    assert tuple(found.overall) == tuple(n for n, metric in METRICS.items() if n != "cell")


@pytest.mark.slow
@settings(max_examples=30)
@given(predictions())
def test_every_metric_agrees_with_scikit_learn(case):
    from sklearn import metrics as sk

    y_true, y_pred = (np.asarray(labels, int) for labels in case)
    found, labels = compute_metrics(y_true, y_pred, N), np.arange(N)
    np.testing.assert_array_equal(
        found.confusion, sk.confusion_matrix(y_true, y_pred, labels=labels)
    )
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        y_true, y_pred, labels=labels, zero_division=0
    )
    for name, expected in {"precision": precision, "recall": recall, "f1": f1}.items():
        np.testing.assert_allclose(found.by_class[name], expected)
        np.testing.assert_allclose(compute_class_metrics(found.confusion[None])[name][0], expected)
    for name, function in {
        "accuracy": sk.accuracy_score, "kappa": sk.cohen_kappa_score, "mcc": sk.matthews_corrcoef,
        "mse": sk.mean_squared_error, "mae": sk.mean_absolute_error,
        "balanced accuracy": sk.balanced_accuracy_score, "error rate": sk.zero_one_loss,
    }.items():  # fmt: skip
        assert found.overall[name] == pytest.approx(function(y_true, y_pred), abs=1e-12), name


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 60), st.booleans())
def test_top_2_accuracy_agrees_with_scikit_learn(seed, n, with_equal_scores):
    from sklearn.metrics import top_k_accuracy_score

    generator = np.random.default_rng(seed)
    y_true = generator.integers(N, size=n).astype(np.uint8)
    scores = generator.random((n, N)).astype(np.float16)
    if with_equal_scores:
        scores = scores.round(1)
    found = compute_metrics(y_true, scores.argmax(1), N, scores).overall["top-2 accuracy"]
    assert found == pytest.approx(top_k_accuracy_score(y_true, scores, k=2, labels=np.arange(N)))


def test_without_scores_there_is_no_top_2_accuracy():
    y = np.arange(N)
    assert compute_metrics(y, y, N).overall["top-2 accuracy"] is None
