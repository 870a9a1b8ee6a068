"""Tests of short documents, whose lines are read one by one."""

from __future__ import annotations

import pytest

from fmbench.errors import UserError
from fmbench.extraction.read import read_input
from fmbench.extraction.text.read import read_words


@pytest.mark.parametrize(
    "text",
    [
        "## Net A\n- Conv1: 1 &rarr 8 (3x3)\n- Conv2: 8 -> 16\n- FC1: 288 → 64\n- FC2: 64 → 10\n",
        "Encoder: 784 -> 64\nBottleneck: 64 → 32\nDecoder: 32 &rarr; 78\n",
        "Input: 64\nHidden layer: 32\nDense 2: 16\nOutput layer: 10\n",
        "# Who did what\n\n- Methods: REPORT.md sections 1-7 (especially 6.0)\n- Index: A.md\n",
        "# Similar images\n\n[1] A. Author, 'A data set', in arXiv:1708.07747, 2017.\n",
        "# List\n\nClothes: 7\nShoes: 3\n",
    ],
)
def test_sizes_of_layers_and_places_in_texts_are_no_accuracies(text):
    with pytest.raises(UserError, match="no accuracy found"):
        read_input(text)


def test_names_with_figures_are_still_read():
    found = read_input("Dense net: 91.2\nSVC: 90\nConv1 accuracy: 0.88\n")
    assert [(c.label, c.figure.printed) for c in found.claims] == [
        ("Dense net", "91.2"), ("SVC", "90"), ("Conv1", "0.88"),
    ]  # fmt: skip


def test_lines_of_a_file_without_a_number_need_no_note():
    lines = ["# Results", "", "LeNet-5: 90.6 %", "Thanks to all who helped.", "See run 210901046"]
    found = read_words(lines, "README.md")
    assert len(found.claims) == 1
    assert found.notes == ()


def test_the_message_of_a_file_without_claims_says_only_what_looks_like_one():
    with pytest.raises(UserError) as error:
        read_input("# Title\n\nCopyright 2020\n\nThe training accuracy is 97.1 %.\n")
    assert "97.1" in str(error.value)
    assert "Title" not in str(error.value)
    assert "2020" not in str(error.value)
    with pytest.raises(UserError) as error:
        read_input("# Title\n\nCopyright 2020\n\nVersion 3 for people\n")
    assert "Title" not in str(error.value)
    assert "these kinds are read" in str(error.value)
