"""What is written from a known confusion matrix is read back, figure by figure."""

from decimal import Decimal

import numpy as np
import pytest

from fmbench.extraction.read import read_input
from tests.helpers.printed import (
    expected_figures,
    found_figures,
    list_printed_inputs,
    make_confusion,
    normalise,
)

CONFUSION = make_confusion(11)
INPUTS = list_printed_inputs(CONFUSION)


def test_there_are_thirty_inputs_of_ten_kinds():
    assert len(INPUTS) >= 30
    assert len({kind for _, kind, *_ in INPUTS}) >= 10


@pytest.mark.parametrize(
    ("text", "what", "digits"),
    [(text, what, digits) for _, _, text, what, digits in INPUTS],
    ids=[name for name, *_ in INPUTS],
)
def test_exactly_the_written_figures_are_found(text, what, digits):
    found = read_input(text)
    if what == "report":
        figures = found_figures(found)
        expected = expected_figures(CONFUSION, digits)
        assert {key: Decimal(value) for key, value in figures.items()} == {
            key: Decimal(value) for key, value in expected.items()
        }
        assert len(found.claims) == len(expected)
        assert found.matrices == ()
        assert found.n_per_class == (1000,) * 10
        return
    assert found.claims == ()
    (matrix,) = found.matrices
    if what == "matrix":
        assert matrix.rows == tuple(tuple(map(str, row)) for row in CONFUSION.tolist())
        assert not matrix.is_shares
        assert found.n_per_class == (1000,) * 10
    else:
        digits = min(digits, 3)  # of 1,000 images, more decimals are zeros
        shares = np.round(normalise(CONFUSION), digits)
        expected = tuple(tuple(f"{value:.{digits}f}" for value in row) for row in shares)
        assert matrix.rows == expected
        assert matrix.is_shares
