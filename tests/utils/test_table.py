"""Tables hold numbers until they are printed, and every format prints the same digits."""

import json

import pytest

from fmbench.utils.formatting import format_interval, format_mean_sd
from fmbench.utils.table import (
    COUNT,
    MEAN_SD,
    P_VALUE,
    PERCENT,
    POINTS,
    PRINTED_FIGURE,
    SECONDS,
    TEXT,
    Column,
    MeanSd,
    Table,
    format_csv,
    format_json,
    format_markdown,
)


@pytest.mark.parametrize(
    ("kind", "value", "text", "number"),
    [
        (TEXT, "a b", "a b", "a b"),
        (TEXT, "", "", None),
        (PERCENT, 0.90834, "90.83", 90.83),
        (PERCENT, 0, "0.00", 0.0),
        (POINTS, 0.0113, "+1.13", 1.13),
        (POINTS, -0.0797, "-7.97", -7.97),
        (POINTS, -0.000004, "+0.00", 0.0),
        (SECONDS, 61.25, "61.2", 61.2),
        (COUNT, 5, "5", 5),
        (P_VALUE, 0.01234, "0.012", 0.012),
        (P_VALUE, 1e-310, "<1e-300", 0.0),
        (PRINTED_FIGURE, "98.80", "98.80", 98.8),
        (PRINTED_FIGURE, "98.9%", "98.9%", "98.9%"),
        (MEAN_SD, MeanSd(0.9083, 0.0019, 4), "0.9083 ± 0.0019", {"mean": 0.9083, "sd": 0.0019}),
        (MEAN_SD, MeanSd(0.9, None, 2), "0.90", {"mean": 0.9, "sd": None}),
    ],
)
def test_each_kind_of_column_prints_its_values_and_gives_json_the_same_digits(
    kind, value, text, number
):
    column = Column("x", kind)
    assert column.text(value) == text
    assert column.json(value) == number
    assert (column.text(None), column.json(None)) == ("", None)


@pytest.fixture
def table():
    rows = [
        {"name": "a|b", "share": 0.5, "n": 2},
        {"name": 'c, "d"', "share": None, "n": None},
    ]
    columns = (Column("name"), Column("share", PERCENT), Column("n", COUNT))
    return Table("A title", columns, rows, ("A note.",))


def test_markdown_has_title_table_and_notes(table):
    assert format_markdown(table) == (
        "# A title\n"
        "\n"
        "| name   |   share |   n |\n"
        "|:-------|--------:|----:|\n"
        "| a\\|b   |   50.00 |   2 |\n"
        '| c, "d" |         |     |\n'
        "\n"
        "- A note.\n"
    )


def test_csv_quotes_what_it_has_to(table):
    assert format_csv(table) == 'name,share,n\na|b,50.00,2\n"c, ""d""",,\n'


def test_json_has_numbers_and_null(table):
    assert json.loads(format_json(table)) == [
        {"name": "a|b", "share": 50.0, "n": 2},
        {"name": 'c, "d"', "share": None, "n": None},
    ]


def test_a_table_without_rows_is_printed_in_every_format():
    empty = Table("Nothing", (Column("name"), Column("n", COUNT)), [])
    assert format_markdown(empty).startswith("# Nothing\n\n| name")
    assert format_csv(empty) == "name,n\n"
    assert json.loads(format_json(empty)) == []


def test_mean_and_standard_deviation_of_several_values():
    assert MeanSd.of([], 2) is None
    assert format_mean_sd([], 2) == ""
    assert format_mean_sd([0.9], 3) == "0.900"
    assert format_mean_sd([0.8, 0.9], 4) == "0.8500 ± 0.0707"


def test_an_interval_whose_ends_print_the_same_is_one_number():
    assert format_interval(0.9024, 0.9141) == "90.24 to 91.41"
    assert format_interval(0.8986, 0.89861) == "89.86"
    assert format_interval(None, None) == ""
