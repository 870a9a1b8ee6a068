"""Goals, examples, differences and open tasks are no results."""

from __future__ import annotations

import pytest

from fmbench.extraction.text.read import find_sentences, read_words


def read(text: str) -> tuple[list[str], list[str]]:
    """The figures that are taken from a text, and the notes."""
    claims, notes = find_sentences(text, "x")
    return [claim.figure.printed for claim in claims], notes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- Test accuracy: [your figure, e.g. 90.5%]", "an example"),
        ("- Test accuracy: {insert it, for example 90.5%}", "an example"),
        ("The const MIN_ACCURACY = 0.85 is for the test images.", "program accepts"),
        ("- [ ] The test accuracy on Fashion-MNIST is 85.5%.", "not done"),
        ("It has a gain of 0.8% accuracy on MNIST and 0.9% on Fashion-MNIST.", "a difference"),
    ],
)
def test_what_a_result_should_be_is_no_result(text: str, reason: str) -> None:
    claims, notes = read(text)
    line = read_words([text], "claims.txt")
    assert claims == [] == list(line.claims)
    assert reason == "program accepts" or any(reason in note for note in notes)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("One network (e.g. LeNet-5 with 90.5% accuracy) is enough.", "90.5%"),
        ("- [x] The test accuracy on Fashion-MNIST is 85.5%.", "85.5%"),
        ("It gains 0.8% on MNIST and reaches 91.2% accuracy on Fashion-MNIST.", "91.2%"),
    ],
)
def test_a_result_beside_such_words_is_taken(text: str, value: str) -> None:
    assert read(text)[0] == [value]


@pytest.mark.parametrize(
    "text",
    [
        "The net has 96.5% on MNIST and 87.1% on Fashion-MNIST.",
        "Gana ReLU, con ~96.5% en MNIST y ~87.1% en Fashion-MNIST.",
    ],
)
def test_a_share_of_each_data_set_is_an_accuracy(text: str) -> None:
    assert [figure.strip("~%") for figure in read(text)[0]] == ["87.1"]


@pytest.mark.parametrize(
    "text",
    [
        "The net fires with 7.9% on MNIST and 8.2% on Fashion-MNIST.",
        "The net saves 95.5% on MNIST and 87.1% on Fashion-MNIST.",
        "It has 95.5% sparsity on MNIST and 87.1% on Fashion-MNIST.",
        "It has 87.1% on Fashion-MNIST.",
    ],
)
def test_other_shares_of_data_sets_are_no_accuracies(text: str) -> None:
    assert read(text)[0] == []


def test_a_strength_of_an_attack_does_not_hide_the_attack() -> None:
    text = "Trained with FGSM (2/255) and tested with PGD (8/255), our net reaches 74.9% accuracy."
    claims, notes = read(text)
    assert claims == []
    assert any("changed images" in note for note in notes)


def test_an_oracle_is_no_model() -> None:
    assert read("An oracle that picks the best net reaches 99.1% accuracy.")[0] == []
    assert read("On Oracle Cloud, LeNet-5 reaches 90.1% accuracy.")[0] == ["90.1%"]


def test_a_word_of_a_section_is_no_part_of_a_name() -> None:
    line = read_words(["Results: TinyTree has a test accuracy of 90.3%"], "claims.txt")
    assert [claim.label for claim in line.claims] == ["TinyTree"]
