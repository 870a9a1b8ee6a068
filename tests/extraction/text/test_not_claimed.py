"""Tests for :mod:`fmbench.extraction.text.not_claimed`."""

from __future__ import annotations

import pytest

from fmbench.extraction.text.not_claimed import is_date_of_post
from fmbench.extraction.text.read import find_sentences, read_words


def _list_figures(text: str) -> list[str]:
    claims, _ = find_sentences(text, "text")
    return [claim.figure.printed for claim in claims]


@pytest.mark.parametrize(
    "text",
    [
        "How long did LeNet-5 train for an accuracy of 95.99 % on Fashion-MNIST?",
        "How can I get to an accuracy of ~96% with ResNet-20 on Fashion-MNIST?",
        "An accuracy of 99.2%??? on Fashion-MNIST with a small CNN.",
        "CNN on Fashion-MNIST: the first epoch alone gave an accuracy of 83%.",
        "The CNN has 83% accuracy after the first epoch on Fashion-MNIST.",
        "The accuracy on Fashion-MNIST falls by 2.5%, 1.9%, and 0.39% with three CNN models.",
        "With the CNN, an accuracy on Fashion-MNIST with less than 3% degradation is kept.",
        "The accuracy on Fashion-MNIST holds for the CNN up to 30% Byzantine nodes.",
        "An accuracy on Fashion-MNIST of a ResNet-20 with random erasing 0.5 was wanted.",
    ],
)
def test_figures_that_a_sentence_only_speaks_of_are_not_taken(text: str) -> None:
    assert _list_figures(text) == []


def test_a_figure_that_is_corrected_is_not_taken() -> None:
    text = "The accuracy of LeNet-5 on Fashion-MNIST is 0.9329 and not 0.939."
    assert _list_figures(text) == ["0.9329"]
    found = read_words(["By the page of its author it is 0.9329 and not 0.939"], "notes.txt")
    assert [claim.figure.printed for claim in found.claims] == ["0.9329"]


@pytest.mark.parametrize(
    "text",
    [
        "LeNet-5 reaches an accuracy of 91.2 % on Fashion-MNIST. Is that good?",
        "Test accuracy of LeNet-5 on Fashion-MNIST: 91.2 %\nWhat is next for this model?",
        "After 10 epochs, LeNet-5 has an accuracy of 91.2 % on Fashion-MNIST.",
        "LeNet-5 with random erasing has an accuracy of 91.2 % on Fashion-MNIST.",
    ],
)
def test_claims_beside_questions_and_settings_are_taken(text: str) -> None:
    assert _list_figures(text) == ["91.2 %"]


def test_lines_with_a_writer_and_a_date_get_no_note() -> None:
    lines = [
        "reader-a commented on Jul 17, 2018",
        "16 Jun 2020 · B. Writer ·",
        "reader-b · on Mar 5, 2019: SVC 89.7 %",
        "a note of 5 April 2019 names 12 models",
    ]
    assert [is_date_of_post(line) for line in lines] == [True, True, False, False]
    found = read_words([*lines[:2], "SVC: 89.7 %"], "notes.txt")
    assert len(found.claims) == 1
    assert found.notes == ()
