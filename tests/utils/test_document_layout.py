"""How documents are laid out in a terminal: widths of columns, gaps, commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench.utils.document import Command, Document, Heading, Items, Paragraph, fit_widths
from fmbench.utils.document import format_document as format_
from fmbench.utils.table import COUNT, MEAN_SD, Column, MeanSd, Table
from tests.helpers.layout import list_bad_lines

LONG = "Table 1, overall line: 98.50 to 99.50 % allows much"
COMMAND = "fmbench forensics lenet5 --data 'mnist=/a folder with a long name' --results elsewhere"


def table(*texts, notes=()):
    columns = Column("n", COUNT), Column("what"), Column("why")
    rows = [{"n": i, "what": text, "why": "because"} for i, text in enumerate(texts)]
    return Table("A table", columns, rows, notes)


def test_a_command_is_one_line_however_narrow_the_terminal_is():
    text = format_(Document("T", [Paragraph("Type:"), Command(COMMAND)]), "text", 40)
    assert f"    {COMMAND}" in text.splitlines()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_every_block_fits_and_keeps_its_words_whole(width):
    blocks = [
        Paragraph(LONG, "bold"), Heading(LONG), Items((LONG, LONG * 2)), table(LONG, "short"),
        Command(COMMAND), table(LONG * 3, notes=(LONG,)),
    ]  # fmt: skip
    assert not list_bad_lines(Document(LONG, blocks), width)


def test_the_column_that_wraps_at_the_least_cost_gets_narrower():
    # One long text costs one line; many short ones would cost one line each.
    few = [["what", "why"], [LONG, "two words"], *[["x", "two words"]] * 9]
    first, second = fit_widths(few, len(LONG) + len("two words") - 4)
    assert second == len("two words") and first == len(LONG) - 4


def test_an_empty_line_stands_between_rows_of_several_lines_only():
    high = format_(Document("", [table(LONG * 4, LONG * 4)]), "text", 40)
    assert "\n\n" in high.partition("why\n")[2].strip()
    low = format_(Document("", [table("a", "b")]), "text", 40)
    assert "\n\n" not in low.partition("why\n")[2].strip()


texts = st.lists(st.sampled_from(["", "a", "some words", LONG, "x" * 12]), min_size=3, max_size=3)


@given(st.lists(texts, min_size=1, max_size=6), st.integers(36, 130))
def test_the_widths_fit_and_no_word_is_cut(rows, available):
    widths = fit_widths(rows, available)
    assert sum(widths) <= available  # three columns of words of at most 12 letters fit into 36
    for row in rows:
        for text, width in zip(row, widths, strict=True):
            assert max(map(len, text.split()), default=1) <= width


def test_a_number_and_its_spread_stay_on_one_line():
    columns = Column("measured", MEAN_SD), Column("what")
    rows = [{"measured": MeanSd(90.83, 0.19, 2), "what": LONG}]
    assert "90.83 ± 0.19" in format_(Document("", [Table("", columns, rows)]), "text", 40)
