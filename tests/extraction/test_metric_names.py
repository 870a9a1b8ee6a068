"""Names of metrics are understood as people write them, and no other figure passes for accuracy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.extraction.metric_names import (
    MAX_LENGTH,
    find_mentions,
    find_metric_name,
    is_training_metric,
    is_unjudged_share,
)
from fmbench.metrics.registry import METRICS


@pytest.mark.parametrize(
    "text",
    [
        "accuracy", "Acc.", "ACC", "Test Accuracy", "test acc", "test_acc", "testAccuracy",
        "Top-1", "top1", "Top 1 acc", "ACC@1", "acc1", "Prec@1", "Overall accuracy (OA)", "CCR",
        "Classification rate", "Recognition rate", "Genauigkeit", "Klassifikationsgenauigkeit",
        "exactitude", "pr\u00e9cision globale", "exactitud", "acur\u00e1cia", "\u51c6\u786e\u7387",
        "Accuracy \u2191", "accuracy score", "Fashion test accuracy", "train/test accuracy",
        "cross-validation accuracy", "10-fold CV accuracy", "accuracy (mean of 5 runs)",
        "Accuray", "acuracy", "test accurracy", "accurancy",
    ],
)  # fmt: skip
def test_names_of_the_accuracy(text: str) -> None:
    name = find_metric_name(text)
    assert name is not None
    assert (name.metric, name.is_error_rate, name.average, name.per_class) == (
        "accuracy", False, None, False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["error rate", "err.", "Error", "Test error", "top-1 err", "misclassification rate",
     "Classification error", "test err", "Fehlerrate", "err@1"],
)  # fmt: skip
def test_names_of_the_error_rate(text: str) -> None:
    name = find_metric_name(text)
    assert name is not None
    assert (name.metric, name.is_error_rate) == ("accuracy", True)


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("sensitivity", "recall"), ("TPR", "recall"), ("hit rate", "recall"), ("Recall", "recall"),
        ("PPV", "precision"), ("Precision", "precision"), ("F1-score", "f1"), ("F-measure", "f1"),
        ("F\u2081", "f1"), ("balanced accuracy", "balanced accuracy"), ("MCC", "mcc"),
        ("Matthews correlation coefficient", "mcc"), ("Cohen's \u03ba", "kappa"),
        ("Cohen\u2019s kappa", "kappa"), ("kappa coefficient", "kappa"), ("\u03ba", "kappa"),
        ("specificity", "specificity"), ("TNR", "specificity"), ("inverse recall", "specificity"),
        ("Informedness", "informedness"), ("Youden's J", "informedness"), ("MSE", "mse"),
        ("mean square error", "mse"), ("MAE", "mae"), ("top-2 accuracy", "top-2 accuracy"),
        ("one-vs-rest accuracy", "one-vs-rest accuracy"),
        ("binary accuracy", "one-vs-rest accuracy"), ("correctly classified", "correct"),
        ("number of errors", "errors"), ("misclassified images", "errors"),
    ],
)  # fmt: skip
def test_names_of_other_metrics(text: str, metric: str) -> None:
    name = find_metric_name(text)
    assert name is not None
    assert (name.metric, name.is_error_rate) == (metric, False)
    assert metric in METRICS


@pytest.mark.parametrize(
    ("text", "metric"),
    [("BER", "balanced accuracy"), ("balanced error rate", "balanced accuracy"),
     ("FPR", "specificity"), ("false negative rate", "recall"), ("FDR", "precision")],
)  # fmt: skip
def test_complements_are_error_rates_of_their_metric(text: str, metric: str) -> None:
    name = find_metric_name(text)
    assert name is not None
    assert (name.metric, name.is_error_rate) == (metric, True)


@pytest.mark.parametrize(
    ("text", "metric", "average"),
    [
        ("F1 macro", "f1", "macro"), ("macro-F1", "f1", "macro"), ("f1_weighted", "f1", "weighted"),
        ("weighted avg precision", "precision", "weighted"), ("Recall (macro)", "recall", "macro"),
        ("micro-averaged F1", "f1", "micro"), ("UAR", "recall", "macro"),
        ("Macro F1 score (%)", "f1", "macro"), ("precision", "precision", None),
    ],
)  # fmt: skip
def test_averages_over_the_classes(text: str, metric: str, average: str | None) -> None:
    name = find_metric_name(text)
    assert name is not None
    assert (name.metric, name.average) == (metric, average)


@pytest.mark.parametrize("text", ["class accuracy", "accuracy per class", "class-wise accuracy"])
def test_class_accuracy_is_the_recall_of_the_class_and_says_so(text: str) -> None:
    name = find_metric_name(text)
    assert name is not None
    assert (name.metric, name.per_class) == ("recall", True)
    assert "recall of the class" in name.remark


@pytest.mark.parametrize("text", ["mean class accuracy", "average per-class accuracy", "macro acc"])
def test_the_mean_of_the_class_accuracies_is_the_balanced_accuracy(text: str) -> None:
    name = find_metric_name(text)
    assert name is not None
    assert (name.metric, name.per_class) == ("balanced accuracy", False)
    assert "balanced accuracy" in name.remark


@pytest.mark.parametrize(
    "text",
    [
        "top-5 accuracy", "Top-5", "top5 acc", "Acc@5", "AUC", "ROC-AUC", "RMSE", "loss",
        "test loss", "average precision", "mAP", "weighted kappa", "accuracy gain",
        "accuracy improvement", "improvement in accuracy", "\u0394 accuracy", "robust accuracy",
        "accuracy under attack", "standard error", "reconstruction error", "NPV",
        "precision / recall", "accuracy and F1", "Model", "Parameters", "Training time (s)", "",
        "feature map", "weighted avg", "P", "number", "score",
    ],
)  # fmt: skip
def test_what_is_not_one_known_metric_is_none(text: str) -> None:
    assert find_metric_name(text) is None


@pytest.mark.parametrize(
    ("text", "percent"),
    [("test acc (%)", True), ("Accuracy in percent", True), ("Acc. [%]", True), ("accuracy", None),
     ("Accuracy (fraction)", False), ("accuracy (0-1)", False)],
)  # fmt: skip
def test_the_head_says_whether_figures_are_percentages(text: str, percent: bool | None) -> None:
    name = find_metric_name(text)
    assert name is not None
    assert name.percent is percent


@pytest.mark.parametrize(
    "text",
    ["train acc", "training accuracy", "Train (%)", "val acc", "val_accuracy", "validAccuracy",
     "validation accuracy", "accuracy (train)", "accuracy on the training set", "dev accuracy",
     "Best val", "training set", "training error"],
)  # fmt: skip
def test_training_and_validation_figures_are_never_the_accuracy(text: str) -> None:
    assert is_training_metric(text)
    assert find_metric_name(text) is None


@pytest.mark.parametrize(
    "text",
    ["test accuracy", "train/test accuracy", "training time (s)", "training images", "accuracy",
     "cross-validation accuracy", "trained model accuracy", "validity", "epochs of training",
     "training loss over time"],
)  # fmt: skip
def test_other_heads_are_not_training_figures(text: str) -> None:
    assert not is_training_metric(text)


@pytest.mark.parametrize("text", [
    "Top-5", "top5_acc", "Top-5 (%)", "acc@5", "AUC", "ROC AUC", "mAP", "Robust accuracy",
])  # fmt: skip
def test_shares_that_are_not_judged_are_known(text: str) -> None:
    assert is_unjudged_share(text)


@pytest.mark.parametrize("text", [
    "Top-1", "accuracy", "F1", "test loss", "accuracy gain", "std of accuracy", "time", "Sparsity",
])  # fmt: skip
def test_metrics_losses_and_other_heads_are_no_shares_that_are_not_judged(text: str) -> None:
    assert not is_unjudged_share(text)


def test_mentions_in_a_sentence_know_their_images_and_averages() -> None:
    sentence = (
        "The training accuracy is 99 %, the test accuracy 91 %, the macro F1 0.91, the accuracy"
        " on the validation set 92 % and the top-5 accuracy 99.9 %."
    )
    mentions = list(find_mentions(sentence))
    assert [mention.is_training for mention in mentions] == [True, False, False, True, False]
    assert [m.name and m.name.metric for m in mentions] == [
        "accuracy", "accuracy", "f1", "accuracy", None,
    ]  # fmt: skip
    assert mentions[2].name is not None
    assert mentions[2].name.average == "macro"
    assert all(sentence[m.start : m.end] == m.text for m in mentions)


@given(st.text(alphabet="acurey top-15@%()_ test train F1 \u03ba", max_size=80))
@settings(max_examples=60)
def test_no_head_breaks_the_reader(text: str) -> None:
    name = find_metric_name(text)
    assert name is None or name.metric in METRICS
    assert name is None or not is_training_metric(text)


def test_a_very_long_head_is_cut() -> None:
    assert find_metric_name("x" * MAX_LENGTH + " accuracy") is None


@pytest.mark.parametrize(
    "text",
    ["ECE", "Test cal. error", "calibration error", "Expected Calibration Error",
     "MSE reconstruction", "reconstruction MSE", "MSE de reconstrucci\u00f3n"],
)  # fmt: skip
def test_calibration_and_reconstruction_errors_are_not_judged(text: str) -> None:
    assert find_metric_name(text) is None
    assert [mention.name for mention in find_mentions(text)] == [None]


def test_top_1_classification_error_is_an_error_rate() -> None:
    name = find_metric_name("The Top-1 Classification Error Rate")
    assert name is not None and name.is_error_rate
