"""Hostile and very large input: each reader answers, and answers soon."""

from __future__ import annotations

import json

import pytest

from fmbench.errors import UserError
from fmbench.extraction.grid import MAX_CELLS, Cell, expand_spans
from fmbench.extraction.json_values import JsonPlace
from fmbench.extraction.read import MAX_NOTEBOOK_BYTES, MAX_TEXT_BYTES, read_input
from fmbench.extraction.text.read import read_words
from fmbench.extraction.text.subjects import clean_label

pytestmark = pytest.mark.slow

# With a pattern that has two ways to match the same characters, none of these would ever end.
ENDLESS = {
    "digits in a key": json.dumps({"1234567890" * 10 + "lenet": {"accuracy": 0.91}}),
    "numbers above a matrix": "1.2 " * 10_000 + "zz\n900 50 50\n40 910 50\n30 30 940\n",
    "tabs above a matrix": "a" + "\t" * 190 + "b\n900 50 50\n40 910 50\n30 30 940\n",
    "rules": ("=" * 19_000 + "1\n") * 3,
    "empty lines": "\n" * 50_000 + "accuracy 91.2 %",
    "blanks": "LeNet-5" + " " * 500_000 + "| 91.2 %" + " " * 500_000 + "|",
    "tabs": "LeNet-5: 91.2 %" + "\t " * 200_000 + "x",
    "bars": "|" * 100_000 + "\n" + "-" * 100_000,
    "brackets": "[" * 50_000 + "1" + "]" * 50_000,
    "figures": "accuracy 91.2 % and " * 20_000,
    "emphasis": ("a. *" + "b. `" * 3) * 20_000 + "accuracy 91.2 %",
    "headings of LaTeX": "\\section{" * 50_000 + "accuracy 91.2 %",
    "items of LaTeX": "\\item[a" * 50_000 + "\n\naccuracy 91.2 %",
    "names of data sets": "MNIST:\n" * 20_000 + "Fashion-MNIST:\naccuracy 91.2 %",
    "comparisons": "better than SVC and our model, " * 20_000 + "\n\naccuracy 91.2 %",
    "headings": "# MNIST\n" * 100_000 + "LeNet-5 has an accuracy of 91.2 %.",
    "tags of headings": "<h1>" * 200_000 + "accuracy 91.2 %",
    "tables below headings": "# MNIST\n\n| a | acc |\n|-|-|\n| b | 91.2 |\n\n" * 299,
    "runs": "model,seed,lr,acc\n" + "".join(f"CNN,{k % 7},{k},0.9\n" for k in range(3_000)),
    "keys of JSON": json.dumps({f"LeNet-5 {k}": 0.9 for k in range(30_000)}),
    "data in keys": json.dumps({"mnist " * 100_000: {"accuracy": 0.91}}),
    "objects of JSON": json.dumps(
        {
            **{f"k{k}": "0.5" for k in range(20_000)},
            "runs": [{"seed": k, "acc": 0.9} for k in range(2_000)],
        }
    ),
    "spans": "<table><tr>" + "<td colspan=200 rowspan=5000>1</td>" * 2_000 + "</tr></table>",
}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
def test_a_text_that_repeats_one_sign_gives_claims_or_one_line(text):
    try:
        found = read_input(text, name="input.txt")
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert found.claims or found.matrices


@pytest.mark.parametrize(
    "sign", [" ", "\t", "a ", "1 ", "1.2 ", "|", "-", "and ", "(", "%", "the "]
)
def test_a_long_argument_is_read_to_its_bound(sign):
    found = read_words(["LeNet-5: 91.2 % " + sign * 20_000], "the command line")
    assert all(claim.label == "LeNet-5" for claim in found.claims)


@pytest.mark.parametrize("sign", ["1", "the ", "1.2 ", "- "])
def test_a_label_that_repeats_one_sign_is_cleaned(sign):
    assert clean_label(sign * 60 + "z") != ""


def test_only_the_beginning_of_a_key_decides_whether_it_names_a_model():
    assert JsonPlace(None, ("0" * 10_000,), 0).model == ""
    assert len(JsonPlace(None, ("lenet" * 10_000,), 0).model) == 100


def test_spans_are_counted_while_they_are_expanded():
    rows = [[(Cell("1"), 200, 1)]] * (MAX_CELLS // 200 + 1)
    with pytest.raises(UserError, match="more than 5,000 rows, 200 columns or 200,000 cells"):
        expand_spans(rows)


def test_a_text_of_more_than_two_megabytes_is_refused_in_one_line():
    with pytest.raises(UserError, match=r"input has 2 MB; at most 2 MB of text are read"):
        read_input("x" * (MAX_TEXT_BYTES + 1), name="input")
    with pytest.raises(UserError, match="at most 2 MB of text"):
        read_input(b"x" * (MAX_TEXT_BYTES + 1), name="input")


def test_a_notebook_may_be_larger_because_of_its_pictures_but_not_its_text():
    picture = {"output_type": "display_data", "data": {"image/png": "A" * MAX_TEXT_BYTES}}
    text = {"cell_type": "markdown", "source": "LeNet-5 reaches an accuracy of 91.2 %."}
    cells = [text, {"cell_type": "code", "source": "", "outputs": [picture]}]
    found = read_input(json.dumps({"nbformat": 4, "cells": cells}), name="n.ipynb")
    assert [claim.figure.value for claim in found.claims] == ["91.2%"]
    cells.append({"cell_type": "markdown", "source": "x" * MAX_TEXT_BYTES})
    with pytest.raises(UserError, match="at most 2 MB of text"):
        read_input(json.dumps({"nbformat": 4, "cells": cells}), name="n.ipynb")
    with pytest.raises(UserError, match="at most 20 MB of text"):
        read_input(b" " * (MAX_NOTEBOOK_BYTES + 1), name="n.ipynb")
