"""Shares of something else are no accuracies, and neither are figures of a changed task."""

from __future__ import annotations

import pytest

from fmbench.extraction.text.read import find_sentences, read_words


def read_both(text: str) -> list[tuple[list[tuple[str, str]], tuple[str, ...]]]:
    """The models and figures of a sentence, with the notes: in running text and as a line."""
    claims, notes = find_sentences(text, "x")
    line = read_words([text], "claims.txt")
    return [
        ([(claim.label, claim.figure.value) for claim in found], tuple(remarks))
        for found, remarks in ((claims, notes), (line.claims, line.notes))
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("With label noise of 40% LeNet-5 still reaches 82.3%.", "wrong labels"),
        ("With label noise of 40%, LeNet-5 still reaches 82.3%.", "wrong labels"),
        ("LeNet-5 still reaches 82.3% accuracy with 40% noisy labels.", "wrong labels"),
        ("LeNet-5 trained with 10% of the labels reaches 82.3%.", "fewer images or labels"),
        ("With 10 % of the training images, LeNet-5 reaches 82.3% accuracy.", "fewer images"),
        ("Using only 100 labelled images per class, LeNet-5 reaches 82.3%.", "fewer images"),
        ("LeNet-5 reaches 82.3%, trained on half of the training data.", "fewer images or labels"),
        ("In a few-shot setting LeNet-5 reaches 82.3% accuracy.", "fewer images or labels"),
        ("After quantization to 4 bits LeNet-5 reaches 82.3%.", "pruned or quantised"),
        ("After pruning 80 % of the weights, LeNet-5 has an accuracy of 82.3%.", "pruned"),
        ("At a sparsity of 90 % the accuracy of LeNet-5 is 82.3%.", "pruned or quantised"),
        ("With 30 % occlusion, LeNet-5 reaches 82.3% accuracy.", "changed images"),
        ("LeNet-5 reaches 82.3% accuracy on rotated test images.", "changed images"),
        ("LeNet-5 reaches 82.3% accuracy if 25 % of the pixels are masked.", "changed images"),
    ],
)
def test_a_figure_of_changed_images_training_or_networks_is_noted(text: str, reason: str) -> None:
    for claims, notes in read_both(text):
        assert claims == []
        assert any(reason in note for note in notes)


@pytest.mark.parametrize(
    "text",
    [
        "LeNet-5 reaches 90.6 % accuracy without label noise.",
        "LeNet-5 is robust to label noise and has an accuracy of 90.6 %.",
        "LeNet-5 reaches 90.6 % accuracy, but pruning hurts.",
        "Before pruning, LeNet-5 reaches 90.6 % accuracy.",
        "LeNet-5 reaches 90.6 % accuracy and, with 40 % label noise, 82.3 %.",
        "LeNet-5 reaches 90.6 % accuracy, and 82.3 % with 40 % of the labels.",
        "LeNet-5 is trained on 6,000 training images per class and reaches 90.6 % accuracy.",
        "Trained on 80 % of the data and tested on 20 %, LeNet-5 has an accuracy of 90.6 %.",
        "We use a dropout rate of 50 %, and LeNet-5 reaches 90.6 % accuracy.",
    ],
)
def test_a_figure_beside_a_condition_that_is_not_its_own_is_taken(text: str) -> None:
    claims, _ = find_sentences(text, "x")
    assert [(claim.label, claim.figure.value) for claim in claims] == [("LeNet-5", "90.6%")]


def test_pruning_belongs_to_a_decision_tree() -> None:
    claims, _ = find_sentences("The decision tree with pruning has 80.1 % accuracy.", "x")
    assert [claim.figure.value for claim in claims] == ["80.1%"]


def test_a_label_that_names_a_condition_is_left_to_the_question_which_model_it_is() -> None:
    lines = ["LeNet-5 with label noise: 82.3 %", "Pruned LeNet-5: 89.1 %", "LeNet-5 (PGD): 40 %"]
    claims = read_words(lines, "claims.txt").claims
    assert [claim.label for claim in claims] == [
        "LeNet-5 with label noise", "Pruned LeNet-5", "LeNet-5 (PGD)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "LeNet-5 has 90.6 % accuracy; we use a noise rate of 40 %.",
        "LeNet-5 has 90.6 % accuracy; the sparsity is high, at 90 % sparse weights.",
        "LeNet-5 has 90.6 % accuracy; we tried 25 % missing pixels.",
        "LeNet-5 has 90.6 % accuracy; we tried pruning 80 % of the weights.",
        "LeNet-5 has 90.6 % accuracy; we tried 30 % symmetric label noise.",
    ],
)
def test_a_share_of_noise_or_weights_is_no_accuracy(text: str) -> None:
    claims, _ = find_sentences(text, "x")
    assert [claim.figure.value for claim in claims] == ["90.6%"]
