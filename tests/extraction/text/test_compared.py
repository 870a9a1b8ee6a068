"""A figure is given to the model that has it, not to one that is only compared or changed."""

from __future__ import annotations

import pytest

from fmbench.extraction.text.read import find_sentences, read_words


def label_of(text: str, value: str) -> str:
    """The model of the figure with this value, in a sentence."""
    claims, _ = find_sentences(text, "x")
    (label,) = {claim.label for claim in claims if claim.figure.value == value}
    return label


def pairs(text: str) -> list[tuple[str, str]]:
    """The models and figures of a sentence."""
    return [(claim.label, claim.figure.value) for claim in find_sentences(text, "x")[0]]


OF_ANOTHER_MODEL = [
    "Our model outperforms LeNet-5 by 3.1 points, reaching 94.2% accuracy on Fashion-MNIST.",
    "The proposed method improves on LeNet-5 and achieves an accuracy of 94.2%.",
    "Our SGN is better than LeNet-5, with an accuracy of 94.2%.",
    "SGN surpasses LeNet-5 with 94.2% accuracy.",
    "LeNet-5 was beaten by our model, which achieved 94.2%.",
    "The accuracy of LeNet-5 rises from 90.1% to 94.2% with our augmentation.",
    "Our approach outperforms LeNet-5 by 3.6 points and reaches 94.2 %.",
    "Unlike LeNet-5, our network obtains 94.2%.",
    "With an accuracy of 94.2%, SGN surpasses LeNet-5.",
    "SGN needs half the time of LeNet-5 and reaches 94.2%.",
    "SGN is as fast as LeNet-5 and reaches 94.2%.",
    "Our network is based on LeNet-5 and reaches 94.2%.",
    "SGN beats SVC, k-NN and LeNet-5, reaching 94.2%.",
    "The accuracy exceeds that of LeNet-5 and reaches 94.2%.",
    "This method uses LeNet-5 and reaches 94.2%.",
    "LeNet-5 trained with our method reaches 94.2%.",
    "With data augmentation, LeNet-5 reaches 94.2%.",
    "Replacing the pooling of LeNet-5 yields 94.2%.",
    "Our augmentation raises the accuracy of LeNet-5 from 90.1% to 94.2%.",
    "LeNet-5-based networks reach 94.2%.",
]


@pytest.mark.parametrize("text", OF_ANOTHER_MODEL)
def test_a_model_that_is_compared_or_changed_does_not_get_the_figure(text: str) -> None:
    assert label_of(text, "94.2%") == ""
    (claim,) = read_words([text], "claims.txt").claims
    assert claim.label == "" or claim.label not in ("LeNet-5", "LeNet-5-based networks")


@pytest.mark.parametrize("text", [text for text in OF_ANOTHER_MODEL if "ugment" not in text][:9])
def test_a_line_that_compares_models_has_no_name_of_the_weaker_one(text: str) -> None:
    (claim,) = read_words([text], "claims.txt").claims
    assert claim.label == ""


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("A variant of LeNet-5 has 93 % accuracy.", "variant of LeNet-5"),
        ("The modified and deeper LeNet-5 has 93 % accuracy.", "modified and deeper LeNet-5"),
        ("Our LeNet-5 variant has 93 % accuracy.", "LeNet-5 variant"),
        ("Adding attention to LeNet-5 yields 93 % accuracy.", ""),
        ("Fine-tuning LeNet-5 yields 93 % accuracy.", ""),
    ],
)
def test_a_changed_model_has_a_name_that_says_so_or_none(text: str, label: str) -> None:
    assert label_of(text, "93%") == label


@pytest.mark.parametrize(
    "text",
    [
        "LeNet-5 outperforms SVC with 90.6 %.",
        "LeNet-5 outperforms SVC by 0.9 points, reaching 90.6 %.",
        "LeNet-5 outperforms a linear model and reaches 90.6 %.",
        "LeNet-5 beats the state of the art with 90.6 %.",
        "LeNet-5 improves the accuracy from 89.7 % to 90.6 %.",
        "The accuracy of LeNet-5 rises from 80.1 % to 90.6 % after 50 epochs.",
        "Compared with SVC and k-NN, LeNet-5 reaches 90.6 %.",
        "SVC is outperformed by LeNet-5, which reaches 90.6 %.",
        "LeNet-5, our baseline model, reaches 90.6 %.",
        "LeNet-5 is a small network and reaches 90.6 %.",
        "LeNet-5 runs on our system and reaches 90.6 %.",
        "LeNet-5 has fewer parameters than SVC and reaches 90.6 %.",
        "LeNet-5 was trained for 10 epochs, and the network reaches 90.6 %.",
        "We use the architecture of LeNet-5 and reach 90.6 %.",
        "Without data augmentation, LeNet-5 reaches 90.6 %.",
        "The original version of LeNet-5 reaches 90.6 %.",
        "Training LeNet-5 for 20 epochs yields 90.6 %.",
    ],
)
def test_the_model_that_reaches_a_figure_keeps_its_name(text: str) -> None:
    assert label_of(text, "90.6%") == "LeNet-5"


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("LeNet-5 reaches 90.6 %, better than SVC (89.7 %).",
         [("LeNet-5", "90.6%"), ("SVC", "89.7%")]),
        ("LeNet-5 outperforms SVC (90.6 % vs. 89.7 %).", [("LeNet-5", "90.6%"), ("SVC", "89.7%")]),
        ("Our model outperforms LeNet-5 (94.2 % vs. 90.6 %).",
         [("", "94.2%"), ("LeNet-5", "90.6%")]),
        ("Our CNN reaches 93.4 % (LeNet-5: 90.6 %).", [("CNN", "93.4%"), ("LeNet-5", "90.6%")]),
        ("Compared to LeNet-5, which reaches 90.6 %, our network obtains 94.2 %.",
         [("LeNet-5", "90.6%"), ("", "94.2%")]),
        ("Compared with LeNet-5 (90.6 %), our CNN reaches 93.4 %.",
         [("LeNet-5", "90.6%"), ("CNN", "93.4%")]),
        ("LeNet-5 outperforms SVC with an accuracy of 90.6 % and a kappa of 0.90.",
         [("LeNet-5", "90.6%"), ("LeNet-5", "0.90")]),
        ("Unlike SVC and k-NN, our model reaches 94.2 % accuracy and a kappa of 0.93.",
         [("", "94.2%"), ("", "0.93")]),
        ("LeNet-5 and our model reach 90.6 % and 94.2 %.", [("", "90.6%"), ("", "94.2%")]),
        ("LeNet-5 reaches 90.6 % and SGN 94.2 %.", [("LeNet-5", "90.6%"), ("", "94.2%")]),
        ("LeNet-5 gets 90.6 %, but Smith et al. report 94.2 % accuracy.",
         [("LeNet-5", "90.6%"), ("", "94.2%")]),
        ("LeNet-5 gets 90.6 %; the state of the art is 96.9 %.",
         [("LeNet-5", "90.6%"), ("", "96.9%")]),
    ],
)  # fmt: skip
def test_each_of_two_figures_gets_its_own_model(text: str, claims: list[tuple[str, str]]) -> None:
    assert pairs(text) == claims


def test_a_line_that_is_a_label_keeps_it() -> None:
    lines = ["Improved LeNet-5: 93.1 %", "LeNet-5 vs SVC: 90.6 %"]
    claims = read_words(lines, "claims.txt").claims
    assert [claim.label for claim in claims] == ["Improved LeNet-5", "LeNet-5 vs SVC"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The test accuracy is 91.76% for CNN and 89.06% for MLNN.",
         [("CNN", "91.76%"), ("MLNN", "89.06%")]),
        ("With the CNN and two other networks, our fused accuracy was 90.1%.", [("", "90.1%")]),
        ("The kNN and BPNN classifiers have an accuracy of 86% each.", [("", "86%")]),
        ("We got an accuracy of 91.76% for CNN on GPU.", [("CNN", "91.76%")]),
    ],
)  # fmt: skip
def test_a_figure_of_an_unknown_model_is_not_that_of_the_known_one(text, expected):
    assert pairs(text) == expected


def test_a_model_behind_which_another_one_lags_has_no_part_in_its_figure() -> None:
    text = "The best hybrid gets 88.7% on Fashion-MNIST, still 5 points behind recent SNNs on it."
    claims, _ = find_sentences(text, "text")
    assert [(claim.label, claim.figure.printed) for claim in claims] == [("", "88.7%")]


def test_a_figure_of_a_data_set_that_is_too_easy_is_of_that_one() -> None:
    text = (
        "Fashion-MNIST was made in 2017 as a modern replacement for MNIST, which had become too"
        " easy for deep learning (CNNs now achieve >99.7% accuracy)."
    )
    assert pairs(text) == []
    assert pairs("Fashion-MNIST is not too easy: LeNet-5 reaches 90.6 %.") == [("LeNet-5", "90.6%")]


def test_a_model_in_a_later_item_of_an_enumeration_is_not_that_of_the_figure() -> None:
    text = (
        "It was chosen for two reasons: (1) a balance of layers that achieves 93.6% accuracy"
        " without overfitting, and (2) figures that give a benchmark for a random forest."
    )
    assert pairs(text) == [("", "93.6%")]


def test_a_model_whose_score_another_one_almost_reaches_is_only_compared() -> None:
    text = "With an accuracy of 84.5% it almost reaches the score of LeNet-5 on Fashion-MNIST."
    claims, _ = find_sentences(text, "x")
    assert [(claim.label, claim.figure.printed) for claim in claims] == [("", "84.5%")]
