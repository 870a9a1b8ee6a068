"""Tests for :mod:`fmbench.extraction.pasted`."""

from __future__ import annotations

import pytest

from fmbench.errors import UserError
from fmbench.extraction.pasted import clean_pasted, split_rows_of_words
from fmbench.extraction.read import read_input


def show(text: str) -> list[tuple[str, str]]:
    """Return (label, figure) of each claim of a text."""
    return [(c.label, c.figure.printed) for c in read_input(text).claims]


def test_an_item_of_a_list_without_a_blank_names_its_own_data_set() -> None:
    text = "A CNN on two data sets.\n\nTest accuracy:\n-Fashion MNIST:  94.1%\n-MNIST:  99.4%\n"
    assert [figure for _, figure in show(text)] == ["94.1%"]


def test_blanks_that_are_lost_behind_commas_come_back() -> None:
    text = (
        "We show steady results,and with five layers we achieved test accuracies of 98.1%,90.2%,and"
        " 48.3%for MNIST,Fashion-MNIST,and CIFAR-10 datasets,respectively.\n"
    )
    assert [figure for _, figure in show(text)] == ["90.2%"]


@pytest.mark.parametrize("text", ["a,b,c\n1,2,3\nSVM,90.1%,and\n", "f(x,y),and z\n", "100%for all"])
def test_short_lines_keep_their_commas(text: str) -> None:
    assert clean_pasted(text) == text


def test_numbers_of_lines_are_no_figures() -> None:
    lines = ["metrics:", "- name: Accuracy", "type: accuracy", "value: 0.9431", "verified: true"]
    numbered = "".join(f"{number}\n+\n{line}\n" for number, line in enumerate(lines, start=30))
    assert show(numbered) == [("", "0.9431")]
    assert [line for line in clean_pasted(numbered).split("\n") if line] == lines
    column = "epoch\n" + "".join(f"{number}\n" for number in range(1, 9))
    assert clean_pasted(column) == column


def test_a_table_whose_columns_are_one_blank_apart_is_read() -> None:
    text = (
        "Five models were trained on Fashion-MNIST.\n\n"
        "Model Type Training Duration Test Accuracy\n"
        "SVM (radial) 18.0 0.861\nRandom Forest 5.4 0.852\nNaive Bayes 0.3 0.716\n"
    )
    assert show(text) == [
        ("SVM (radial)", "0.861"), ("Random Forest", "0.852"), ("Naive Bayes", "0.716"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "lines",
    [
        [
            "Training Loss Epoch Step Validation Loss Accuracy",
            "0.49 1.0 750 0.48 0.84",
            "1 2 3 4 5",
        ],
        ["We trained three models for a better accuracy", "and got 0.81", "then got 0.85 and more"],
        ["Model Accuracy", "SVM 0.81"],
        ["Model Test Accuracy Time", "SVM 0.81 3", "CNN 0.91 7"],
        ["Model Accuracy", "SVM 0.81", "CNN 2 0.91"],
    ],
)
def test_other_lines_are_no_such_table(lines: list[str]) -> None:
    assert split_rows_of_words(lines) is None


def test_only_columns_whose_heads_name_a_metric_are_kept() -> None:
    lines = ["Model Parameters Accuracy F1 score", "SVM 100 0.81 0.80", "A CNN 900 0.91 0.90"]
    assert split_rows_of_words(lines) == [
        ["Model", "Accuracy", "F1 score"], ["SVM", "0.81", "0.80"], ["A CNN", "0.91", "0.90"],
    ]  # fmt: skip


def test_rows_below_names_of_data_sets_are_left_out_where_no_table_is_understood() -> None:
    text = (
        "Table 2 Comparison of hardware\nData | Way ||||\n"
        "MNIST | Fashion MNIST | Cifar-10 |\n"
        "Chip A | small net | 98.9 % | 86.1% | 55.2% | trained on it\n"
        "Chip B | 97.1% | not given\n"
        "Memristor RC | 88.4% | not given | not given | by regression ||\n"
    )
    with pytest.raises(UserError, match="of several data sets is not understood"):
        read_input(text)
    with_claim = show(f"{text}\nOn Fashion-MNIST, chip A has an accuracy of 86.1%.\n")
    assert [figure for _, figure in with_claim] == ["86.1%"]


@pytest.mark.parametrize(
    "text",
    [
        "ResNet-18\n\nDeep Learning\n~91%\nTest Accuracy\nIt has skip connections.\n\n"
        "Random Forest\n\nClassic\n~89%\nTest Accuracy\nEnsemble of decision trees.\n",
        "ResNet-18\nAccuracy:\n~91%\n\nRandom Forest\nAccuracy:\n~89%\n",
    ],
)
def test_a_card_of_a_page_has_its_name_metric_and_figure_on_lines_of_their_own(text: str) -> None:
    found = read_input(f"Our models\n\n{text}")
    assert [(claim.label, claim.figure.printed) for claim in found.claims] == [
        ("ResNet-18", "~91%"), ("Random Forest", "~89%")
    ]  # fmt: skip


def test_a_figure_below_other_lines_than_a_name_stays_alone() -> None:
    found = read_input("A comparison\n\n91.5%\nTest accuracy\n\n95.2%\nTraining accuracy\n")
    assert [(claim.label, claim.figure.printed) for claim in found.claims] == [("", "91.5%")]
