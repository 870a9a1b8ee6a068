"""Tables hold numbers until they are printed, and every format prints the same digits."""

import csv
import io
import json
import re
import shutil
import subprocess

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from fmbench.utils.formatting import format_interval, format_mean_sd
from fmbench.utils.printable import escape_unsafe
from fmbench.utils.table import (
    COUNT,
    FORMATS,
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
    format_html,
    format_json,
    format_latex,
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


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", " ="])
def test_csv_has_no_cell_that_a_spreadsheet_takes_for_a_formula(begin):
    text = f"{begin}cmd|' /C calc'!A0"
    shown = Table("", (Column("name"), Column(text)), [{"name": text, text: text}])
    rows = list(csv.reader(io.StringIO(format_csv(shown), newline="")))
    assert rows == [["name", f"'{text}"], [f"'{text}", f"'{text}"]]


def test_csv_leaves_signed_numbers_as_they_are():
    shown = Table("", (Column("gap", POINTS), Column("text")), [{"gap": -0.08, "text": "+1.5"}])
    assert format_csv(shown) == "gap,text\n-8.00,+1.5\n"


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


def test_html_has_every_text_and_no_markup_of_a_cell():
    hostile = "<script>alert(1)</script> & 'x'"
    shown = Table(hostile, (Column(hostile), Column("n", COUNT)), [{hostile: hostile, "n": 3}],
                  (hostile,))  # fmt: skip
    page = BeautifulSoup(format_html(shown), "html.parser")
    assert page.script is None
    assert [cell.text for cell in page.find_all(["th", "td"])] == [hostile, "n", hostile, "3"]
    assert page.h1 is not None and page.li is not None
    assert (page.h1.text, page.li.text) == (hostile, hostile)


UNSAFE = "red \x1b[31m, \u202e turned, \x9b, \x00 and \udcff"


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_prints_control_characters_or_direction_marks(name):
    columns = (Column("name"), Column(UNSAFE))
    shown = Table(UNSAFE, columns, [{"name": UNSAFE, UNSAFE: "one\r\ntwo"}], (UNSAFE,))
    text = FORMATS[name](shown)
    assert text == escape_unsafe(text)
    assert "001b" in text


def test_json_gives_a_program_every_text_as_it_is():
    shown = Table("", (Column("name"),), [{"name": UNSAFE}, {"name": "x" * 5000}])
    assert json.loads(format_json(shown)) == [{"name": UNSAFE}, {"name": "x" * 5000}]


@pytest.mark.parametrize("name", ["md", "csv", "tex", "html"])
def test_an_endless_cell_is_cut(name):
    shown = Table("", (Column("why"),), [{"why": "x" * 100_000}] * 3)
    assert len(FORMATS[name](shown)) < 10_000
    assert "99,000 more characters" in FORMATS[name](shown)


@pytest.mark.parametrize("text", ["a|b", r"a\|b", r"a\\|b", "a\nb", r"ends with \ "[:-1]])
def test_no_text_ends_its_cell_in_markdown(text):
    shown = Table("", (Column("name"), Column("n", COUNT)), [{"name": text, "n": 3}])
    last = format_markdown(shown).splitlines()[-1]
    # A pipe ends a cell unless an odd number of backslashes is before it.
    ends = [m for m in re.finditer(r"(\\*)\|", last) if len(m[1]) % 2 == 0]
    assert len(ends) == 3


def test_markdown_has_no_html_and_no_link_of_a_text():
    hostile = "<script>x</script> <!-- ![p](http://a/b.png) [l](javascript:x) p < 0.05 [3]"
    shown = Table(hostile, (Column(hostile),), [{hostile: hostile}], (hostile,))
    text = format_markdown(shown)
    assert not re.search(r"(?<!\\)<[A-Za-z/!?]|\]\(", text)
    assert text.count("p < 0.05 [3]") == 4


# Every character that has a meaning in LaTeX, commands among them, and characters that its fonts
# may lack.
HOSTILE_LATEX = r"\input{/etc/passwd} 5 % of $x_1^2$ & #1 {a} ~b ± ≤ ≠ – “q” é 汉 ● |<>"


@given(st.text(max_size=30))
def test_latex_has_no_command_of_a_cell(text):
    def count(character, of):
        return format_latex(Table("t", (Column("a"),), [{"a": of}])).count(character)

    for character in "&$#_^~":  # a cell adds them only behind a backslash, or as a command
        escaped = format_latex(Table("t", (Column("a"),), [{"a": text}])).replace(
            "\\" + character, ""
        )
        assert escaped.count(character) == count(character, "x")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex")
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "inside a document"])
def test_latex_compiles(tmp_path, inside):
    rows = [{"model": HOSTILE_LATEX, "share": 0.5, "m": MeanSd(90.1, 0.2, 2)},
            {"model": "a long text " * 20, "share": None, "m": None}]  # fmt: skip
    columns = (Column("model"), Column("share", PERCENT), Column("m", MEAN_SD))
    text = format_latex(Table(HOSTILE_LATEX, columns, rows, (HOSTILE_LATEX,)))
    (tmp_path / "table.tex").write_text(text, encoding="utf-8")
    document = (
        r"\documentclass{article}\usepackage{booktabs}\begin{document}"
        r"Before. \input{table} After.\end{document}"
    )
    (tmp_path / "paper.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
    done = subprocess.run(
        [*command, "paper" if inside else "table"], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Output written" in done.stdout
