"""Numbers of runs, parameters and counts are told from accuracies."""

from __future__ import annotations

import pytest

from fmbench.extraction.text.mentions import (
    clean_sentence,
    find_datasets,
    find_figures,
    find_models,
)
from fmbench.extraction.text.read import find_sentences, read_words


def count_runs(text: str) -> list[tuple[int, int, int]]:
    """Of how many runs each figure of a sentence is the mean and the best, and its folds."""
    return [(c.mean_of, c.best_of, c.folds) for c in find_sentences(text, "x")[0]]


# ---- numbers of runs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("The best of ten runs of LeNet-5 has an accuracy of 91.4%; the mean is 90.8%.",
         [(1, 10, 1), (10, 1, 1)]),
        ("The mean accuracy of LeNet-5 over 5 runs is 90.6 %, the best run reaches 91.1 %.",
         [(5, 1, 1), (1, 5, 1)]),
        ("LeNet-5 reaches 91.2 %, and the best of ten runs of SVC has 89.9 % accuracy.",
         [(1, 1, 1), (1, 10, 1)]),
        ("LeNet-5 reaches 91.2 % and SVC 89.7 %, averaged over 5 runs.", [(5, 1, 1), (5, 1, 1)]),
        ("Over 5 runs, the mean accuracy of LeNet-5 is 90.6 %.", [(5, 1, 1)]),
        ("The best of 5 runs of LeNet-5 has an accuracy of 91.2 ± 0.2 %.", [(5, 1, 1)]),
        ("Averaged, as usual, over 5 runs, LeNet-5 reaches an accuracy of 91.2 %.", [(5, 1, 1)]),
        ("LeNet-5 has an accuracy of 91.2 % (top-1, mean of 5).", [(1, 1, 1)]),
    ],
)  # fmt: skip
def test_each_figure_of_a_sentence_has_its_own_number_of_runs(
    text: str, runs: list[tuple[int, int, int]]
) -> None:
    assert count_runs(text) == runs


def test_a_line_of_several_pieces_gives_each_its_number_of_runs() -> None:
    line = "The best of ten runs of LeNet-5 has 91.4%; the mean is 90.8%"
    claims = read_words([line], "claims.txt").claims
    assert [(c.label, c.figure.value, c.mean_of, c.best_of) for c in claims] == [
        ("LeNet-5", "91.4%", 1, 10), ("LeNet-5", "90.8%", 10, 1),
    ]  # fmt: skip


# ---- parameters and counts -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("LR: 84.2 %", "LR", "84.2%"), ("LR 84.2 %", "LR", "84.2%"), ("LR: 84.2", "LR", "84.2"),
        ("LeNet-5 with dropout: 89.5 %", "LeNet-5 with dropout", "89.5%"),
        ("LeNet-5 + dropout: 89.5 %", "LeNet-5 + dropout", "89.5%"),
        ("LeNet-5 with momentum: 89.5 %", "LeNet-5 with momentum", "89.5%"),
        ("LeNet-5 without dropout: 0.895", "LeNet-5 without dropout", "0.895"),
    ],
)  # fmt: skip
def test_a_parameter_in_a_label_takes_no_accuracy_away(text: str, label: str, value: str) -> None:
    (claim,) = read_words([text], "claims.txt").claims
    assert (claim.label, claim.figure.value) == (label, value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("LR: 0.01", "a parameter, LR"), ("lr: 0.842", "a parameter, lr"),
        ("Dropout: 50 %", "a parameter, Dropout"), ("Test loss: 0.2831", "a loss"),
        ("LeNet-5 with dropout: 0.5", "a parameter, dropout"),
        ("Parameters: 61706", "a count"), ("Total params: 61,706", "a count"),
        ("#Params (M): 0.06", "a count"), ("Epochs: 20", "a count"), ("Seed: 42", "a count"),
        ("Training time: 35.2", "a count"), ("Batch size: 64", "a parameter"),
        ("Year: 2017", "a count"), ("Number of epochs: 20", "a count"),
    ],
)  # fmt: skip
def test_a_line_of_a_parameter_or_a_count_says_why_it_is_not_taken(text: str, reason: str) -> None:
    extraction = read_words([text], "claims.txt")
    assert not extraction.claims
    assert len(extraction.notes) == 1
    assert f"not taken ({reason}" in extraction.notes[0]


@pytest.mark.parametrize(
    ("text", "value"), [("CNN after 10 epochs: 91.2", "91.2"), ("CNN (2 layers): 91.2", "91.2")]
)
def test_a_count_in_a_label_takes_no_accuracy_away(text: str, value: str) -> None:
    assert [f.text for f in find_figures(text) if not f.why_not] == [value]


@pytest.mark.parametrize(
    "text",
    [
        "I split the images into 80% training (48,000 images) and 20% validation (12,000 images)"
        " to choose the network, and evaluate the accuracy on the test data at the end.",
        "We divide the training data into 90 % training and 10 % validation for the accuracy.",
        "The data is partitioned as 70 % train, 15 % val and 15 % test to measure the accuracy.",
        "Standard deviation: (+-0.0079) loss / (+-0.0017) acc",
        "Precision of Shirt, Change: 0.70%",
        "Accuracy with 50 PCA components:",
        "The accuracy needs 50 principal components.",
        "Avg_tranining_acc 93.196 %",
        "Labeling accuracy: 0.6936",
        "Validation - Loss: 0.2885 Accuracy: 0.8942",
        "Train: Loss: 0.4327, Accuracy: 84.68%",
        "Training loss of 0.4327, accuracy of 84.68%",
    ],
)
def test_shares_spreads_counts_and_training_are_no_claims(text: str) -> None:
    assert find_sentences(text, "x", is_printed=True)[0] == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The data have a training and test size of 80% and 20%.", "a share of something else"),
        ("With a test portion of 25%, LeNet-5 was trained.", "a share of something else"),
        ("The test accuracy varies by a fluctuation of (~±0.02%).", "a spread without a figure"),
        ("Accuracy of 90.1%, validation size = 10%", "a share of something else"),
    ],
)
def test_shares_of_a_split_and_lone_spreads_are_no_figures(text: str, reason: str) -> None:
    assert reason in [figure.why_not for figure in find_figures(clean_sentence(text))]


def test_a_size_in_a_label_is_no_split() -> None:
    assert [f.why_not for f in find_figures("LeNet-5, half size: 84.2 %")] == [""]


def test_the_number_of_a_device_and_the_version_of_a_package_are_no_accuracies() -> None:
    lines = ["cuda:0", "elements: 84", "blas=1.0=mkl", "icu=58.2=h9c2bf20", "Test accuracy: 90.4"]
    claims = read_words(lines, "log.txt").claims
    assert [(claim.label, claim.figure.value) for claim in claims] == [("", "90.4")]


@pytest.mark.parametrize("line", ["scikit-learn>=1.0", "- attrs==19.3", "tk~=68.6", "x[a,b]>=0.9"])
def test_the_version_of_a_package_is_no_figure(line: str) -> None:
    assert not read_words([line, "numpy>=1.21"], "requirements.txt").claims


def test_a_bound_behind_a_model_or_a_metric_is_no_version() -> None:
    claims = read_words(["SVC>=89.2", "accuracy>=0.9"], "claims.txt").claims
    assert [claim.figure.value for claim in claims] == ["89.2", "0.9"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Split in half, the CNN reaches 90.1 % test accuracy.", ["90.1%"]),
        ("Test: Loss 0.4058, Accuracy: 85.22%", ["85.22%"]),
        ("Train Loss: 0.07, Test Loss: 0.2054, Test Acc: 0.9290", ["0.9290"]),
        ("Training Loss: 0.14 Final_test_accuracy: 0.9123", ["0.9123"]),
        ("On PCA-reduced images, SVC has 89.1 % accuracy.", ["89.1%"]),
        ("SVC has 0.891 (89.1 %) accuracy, kNN 85.4 %.", ["89.1%", "85.4%"]),
    ],
)
def test_words_of_a_split_or_a_loss_take_no_accuracy_away(text: str, values: list[str]) -> None:
    found = find_sentences(text, "x", is_printed=True)[0]
    assert [claim.figure.value for claim in found] == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("The data are split: train 80%, test 20%.", []),
        ("They are used as training 70%, validation 15%, test 15%.", []),
        ("Train: 80%\nTest: 20%", []),
        ("The data are split: training 40%, test 60%.", []),
        ("SVC reaches training 99%, test 89%.", ["89%"]),
        ("Training 95.1%, test 90.3%", ["90.3%"]),
    ],
)
def test_percentages_of_a_split_are_no_accuracies(text: str, values: list[str]) -> None:
    assert [claim.figure.value for claim in find_sentences(text, "x")[0]] == values


def test_the_number_behind_an_at_sign_is_an_epoch() -> None:
    claims, _ = find_sentences("Valid accuracy 89.92@18 Test accuracy 89.23@18", "x")
    assert [claim.figure.value for claim in claims] == ["89.23"]


def test_a_tilde_between_two_numbers_is_a_range() -> None:
    assert list(read_words(["The accuracy is 90~92%"], "x").claims) == []
    assert [c.figure.printed for c in read_words(["SVC: ~89.7%"], "x").claims] == ["~89.7%"]


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("With noise on the Garden Sales dataset, the model has 85.1% accuracy.", ["Garden Sales"]),
        ("The model has 85.1% accuracy for the Kaggle Clothing dataset.", []),
        ("The model has 85.1% accuracy on the Test Dataset.", []),
        ("The model has 85.1% accuracy on CompCars.", ["CompCars"]),
    ],
)
def test_a_name_before_the_word_data_set_is_that_of_another_one(sentence, names) -> None:
    assert [mention.name for mention in find_datasets(sentence)] == names


@pytest.mark.parametrize(
    "text",
    [
        "SVC with 88.1% accuracy, 0.1520 weight.",
        "print('test error: {:.2%}'.format(e))",
        "We see how the 202 of 293 errors (~70%) come from a confusion between `C d` and `A b`.",
        "The accuracy of LeNet-5 with a 40% val split is low.",
        "We tested the performance of LeNet-5 with the best train/validation split ratio (10%).",
        "the highest accuracy is reached with 64 tokens",
    ],
)
def test_shares_and_counts_of_other_things_are_no_accuracies(text: str) -> None:
    claims = [claim.figure.printed for claim in find_sentences(text, "x")[0]]
    assert claims in ([], ["88.1%"])


def test_the_progress_of_a_program_is_no_accuracy() -> None:
    found = read_words(["progress: 99.83%", "accuracy: 0.8812"], "log.txt")
    assert [claim.figure.printed for claim in found.claims] == ["0.8812"]


def test_the_share_of_a_split_is_told_from_the_accuracy_behind_it() -> None:
    found = read_words(["Test Accuracy with 10% val split: 0.8591"], "log.txt")
    assert [claim.figure.printed for claim in found.claims] == ["0.8591"]


def test_an_arrow_stands_for_a_colon_behind_a_metric() -> None:
    for arrow in ("->", "=>", "\u2192"):
        claims, _ = find_sentences(f"LeNet-5 test accuracy {arrow} 0.9062", "x")
        assert [(c.label, c.figure.printed) for c in claims] == [("LeNet-5", "0.9062")]
    assert find_sentences("Accuracy Different (CNN-SVC) -> 0.0522", "x")[0] == []
    assert find_sentences("Layers of 784 -> 90 -> 10 units, accuracy as metric", "x")[0] == []


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("CNN accuracies are ranging from 90% to 99%.", []),
        ("Accuracy rises from 90% to 92% with the CNN.", ["92%"]),
        ("The CNN is better for shirts (20.1% recall improvement).", []),
        ("LeNet-5 reaches an accuracy of 91.2% (+1.2%).", ["91.2%"]),
        ("LeNet-5 reaches an accuracy of 91.2% (\u2191 1.2%).", ["91.2%"]),
    ],
)
def test_ranges_and_improvements_are_no_results(text: str, figures: list[str]) -> None:
    assert [claim.figure.printed for claim in find_sentences(text, "x")[0]] == figures


def test_a_small_whole_number_is_no_accuracy() -> None:
    assert find_sentences("The capacity is not matched 9 Test accuracy", "x")[0] == []
    claims, _ = find_sentences("LeNet-5 has an error rate of 9 on Fashion-MNIST.", "x")
    assert [claim.figure.printed for claim in claims] == ["9"]
    claims, _ = find_sentences("LeNet-5 has an accuracy of 90 on Fashion-MNIST.", "x")
    assert [claim.figure.printed for claim in claims] == ["90"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("The XYZW MLP (small) has 89.1 % accuracy.", "XYZW MLP (small)"),
        ("On MNIST CNN models differ.", "CNN"),
        ("THE SVM has 89.1 %.", "SVM"),
        ("an SVM classifier with mean accuracy of 0.89", "SVM classifier"),
        ("a CNN with the objective of 0.89", "CNN"),
        ("a CNN with average pooling has 0.89", "CNN with average pooling"),
        ("SVM with poly and degree 3 is: 0.87", "SVM with poly and degree 3"),
        ("SVM with poly and degree 3.5 %", "SVM with poly and degree"),
    ],
)
def test_words_beside_a_name_that_belong_to_it(text: str, name: str) -> None:
    assert [mention.name for mention in find_models(text)] == [name]
