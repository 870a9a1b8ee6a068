"""Tests that tables are found in each kind of markup, with the texts of their cells and no more."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.errors import UserError
from fmbench.extraction.grid import MAX_TABLES, Cell, build_grid, tidy
from fmbench.extraction.latex_tables import clean_latex, find_latex_tables
from fmbench.extraction.markup import (
    clean_markup,
    find_aligned_columns,
    find_html_tables,
    find_markdown_tables,
    find_rst_tables,
    find_separated_values,
)

FINDERS = (
    find_markdown_tables, find_latex_tables, find_html_tables, find_separated_values,
    find_rst_tables, find_aligned_columns,
)  # fmt: skip


def get_texts(grid):
    return [[cell.text for cell in row] for row in grid.rows]


@pytest.mark.parametrize(("markup", "text"), [
    ("**98.80**", "98.80"), ("__98.80__", "98.80"), ("`SVC`", "SVC"), ("~~91~~ 92", "91 92"),
    ("[LeNet](https://example.org/a_b)", "LeNet"), ("a*b", "a*b"), ("test_acc", "test_acc"),
    (r"$92.16 \pm 0.21$", "92.16 ± 0.21"), (r"$92.16_{\pm 0.21}$", "92.16 ± 0.21"),
    (r"92.16\,\%", "92.16 %"), (r"\textbf{98.80}\tnote{a}", "98.80"), (r"$98.80^{*}$", "98.80"),
    (r"98.80$^{\dagger}$", "98.80"), (r"SVC~\cite[p.~3]{xiao}", "SVC"), (r"R\&D", "R&D"),
    (r"$\ell_2$-SVM", "ℓ2-SVM"), (r"Caf\'e", "Café"), (r"\num{92.16}", "92.16"),
    (r"\SI{92.16}{\percent}", "92.16%"), ("costs 5 $", "costs 5 $"), ("R&amp;D", "R&D"),
    ("<b>98.80</b><sup>a</sup>", "98.80"), ("a < b", "a < b"), ("98.80<sup>[1]</sup> %", "98.80 %"),
    ("LeNet<br>5", "LeNet 5"), ("<!-- no -->91", "91"), ("line\none\x00\u200b", "line one"),
    (r"\(92.1\)", "92.1"), (r"\textcolor{red}{91.2}", "91.2"), (r"{\bf 91.2}", "91.2"),
])  # fmt: skip
def test_markup_is_removed_from_a_cell(markup, text):
    assert clean_markup(markup) == text


def test_a_cell_is_one_line_of_bounded_length():
    assert tidy(" a\t\n b\u00a0c\x1b[0m ") == "a b c[0m"
    assert len(clean_markup("x" * 100_000)) == 2_000
    assert len(clean_markup("<b>" + "x y " * 100_000)) <= 2_000


# ---------------------------------------------------------------- Markdown


def test_markdown_tables_are_found_with_captions_bold_cells_and_lines():
    text = (
        "# Results\n\nTable 3: Accuracy (%)\n\n"
        "> | Model | Acc |\n> |:--|--:|\n> | **SVC** | 89.7 |\n> | a \\| b | `1` |\n\n"
        "no | table\nhere\n\n- a\n- b\n\nModel | Acc\n--- | ---\nCNN | **91.6** %\n"
    )
    first, second = find_markdown_tables(text)
    assert get_texts(first) == [["Model", "Acc"], ["SVC", "89.7"], ["a | b", "1"]]
    assert (first.caption, first.lines, first.where) == (
        "Table 3: Accuracy (%)", (5, 7, 8), "table 1",
    )  # fmt: skip
    assert all(cell.is_header for cell in first.rows[0])
    assert [cell.is_bold for cell in first.rows[1]] == [True, False]
    assert get_texts(second) == [["Model", "Acc"], ["CNN", "91.6 %"]]
    assert not second.rows[1][1].is_bold


# ---------------------------------------------------------------- LaTeX


def test_multicolumn_and_multirow_are_repeated_in_the_cells_that_they_span():
    text = r"""
        \begin{tabular}{lcc}
        \hline
        \multirow{2}{*}{Model} & \multicolumn{2}{c}{Acc} \\ \cline{2-3}
         & a & b \\
        \hline
        SVC & 1 & \multirow[t]{2}{2cm}{3} \\
        CNN & 2 & \\
         & 5 & 6 \\
        \multirow{-2}{*}{up} & 7 & 8
        \end{tabular}
    """
    (grid,) = find_latex_tables(text)
    assert get_texts(grid) == [
        ["Model", "Acc", "Acc"], ["Model", "a", "b"], ["SVC", "1", "3"], ["CNN", "2", "3"],
        ["up", "5", "6"], ["up", "7", "8"],
    ]  # fmt: skip
    assert [row[0].is_header for row in grid.rows] == [True, True, False, False, False, False]
    assert grid.rows[3][2].repeats_above and grid.rows[0][2].repeats_left
    assert grid.lines == (4, 5, 7, 8, 9, 10)


@pytest.mark.parametrize("begin", [
    r"\begin{tabular}[t]{@{}l>{\bfseries}r@{}}", r"\begin{tabular*}{\textwidth}{lr}",
    r"\begin{tabularx}{0.5\linewidth}{X r}", r"\begin{longtable}[c]{lr}",
    r"\begin{tabulary}{1cm}{LR}",
])  # fmt: skip
def test_every_kind_of_tabular_is_read(begin):
    name = begin.split("{")[1].split("}")[0]
    text = rf"{begin} A & B \tabularnewline[2pt] \addlinespace c & d\\* \end{{{name}}}"
    (grid,) = find_latex_tables(text)
    assert get_texts(grid) == [["A", "B"], ["c", "d"]]


def test_latex_cells_with_nested_tabulars_comments_and_unknown_macros():
    text = r"""
        % \begin{tabular}{l} not & this \\ \end{tabular}
        \begin{tabular}{ll}
        \makecell{two\\lines} & \begin{tabular}[c]{@{}c@{}}Test\\acc\end{tabular} \\ % x & y
        \ours & 50\% of % the rest
        it \\
        \rowcolor{gray!10} \cellcolor[gray]{0.9} \footnotesize a--b & $\alpha$-net \\
        \end{tabular}
    """
    (grid,) = find_latex_tables(text)
    assert get_texts(grid) == [["two lines", "Test acc"], ["ours", "50% of it"], ["a–b", "α-net"]]


def test_the_caption_of_a_float_belongs_to_its_tabular_only():
    table = r"\begin{tabular}{l}a&1\\b&2\end{tabular}"
    text = (
        rf"\begin{{table}}{table}\caption[Short]{{A \textbf{{bold}} title (\%)}}\end{{table}}"
        rf" {table}"
        rf"\begin{{table*}}\caption{{Second}}{table}\end{{table*}}"
    )
    assert [grid.caption for grid in find_latex_tables(text)] == [
        "A bold title (%)", "", "Second",
    ]  # fmt: skip


# ---------------------------------------------------------------- HTML


def test_html_spans_heads_and_left_out_end_tags():
    text = """<html><body><script>var x = "<table>";</script>
        <table><caption>Table 2: x</caption>
        <tr><th rowspan=2>Model<th colspan="2">Acc
        <tr><th>a<th>b
        <tr><td>SVC<td><b>1</b><td rowspan=2>3<style>p {}</style>
        <tr><td>CNN<br>big<td>2
        </table></body></html>"""
    (grid,) = find_html_tables(text)
    assert get_texts(grid) == [
        ["Model", "Acc", "Acc"], ["Model", "a", "b"], ["SVC", "1", "3"], ["CNN big", "2", "3"],
    ]  # fmt: skip
    assert grid.caption == "Table 2: x"
    assert [row[0].is_header for row in grid.rows] == [True, True, False, False]
    assert grid.rows[2][1].is_bold and not grid.rows[2][0].is_bold
    assert grid.lines == (3, 4, 5, 6)


def test_of_nested_html_tables_the_inner_one_is_read():
    text = "<table><tr><td>menu</td><td><table><tr><td>a<td>1</tr></table></td></tr></table>"
    assert [get_texts(grid) for grid in find_html_tables(text)] == [[["a", "1"]]]


def test_formulas_of_html_are_read_once():
    text = (
        '<table><tr><td><math alttext="92.16\\pm 0.21"><semantics><mn>92.16</mn>'
        '<annotation encoding="application/x-tex">92.16\\pm 0.21</annotation></semantics></math>'
        "</td><td>b</td></tr></table>"
    )
    (grid,) = find_html_tables(text)
    assert get_texts(grid) == [["92.16 ± 0.21", "b"]]


# ---------------------------------------------------------------- separated values


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter):
    rows = [["Model", "Acc"], ["SVC", "89.7"], ["CNN", "91.6"]]
    text = "\n".join(delimiter.join(row) for row in rows)
    (grid,) = find_separated_values("\ufeff" + text)
    assert get_texts(grid) == rows
    assert grid.lines == (1, 2, 3)


def test_quotes_titles_comments_and_decimal_commas_in_separated_values():
    text = 'Table 3\n# a comment\nModel;"Acc; %"\r\n"a ""b""\nc";89,70\n\nd;91,60\n'
    (grid,) = find_separated_values(text)
    assert get_texts(grid) == [["Model", "Acc; %"], ['a "b" c', "89,70"], ["d", "91,60"]]
    assert (grid.caption, grid.lines) == ("Table 3", (3, 4, 7))


def test_a_byte_order_mark_before_a_quoted_head_is_dropped():
    (grid,) = find_separated_values('\ufeff"Model, name",Acc\n"SVC, rbf",89.7\n')
    assert get_texts(grid) == [["Model, name", "Acc"], ["SVC, rbf", "89.7"]]


def test_decimal_commas_between_commas_are_refused():
    with pytest.raises(UserError, match="decimal comma into quotes"):
        find_separated_values("Model,Accuracy\nSVC,89,70\nCNN,91,60\n")


def test_names_of_rows_without_a_head_are_a_column():
    (grid,) = find_separated_values("acc,f1\nSVC,0.89,0.88\nCNN,0.91,0.90\n")
    assert get_texts(grid)[0] == ["", "acc", "f1"]


@pytest.mark.parametrize("text", [
    "", "one line", "No table, here.\nOnly prose. It has commas, some, and more.\nEnd",
    "SVC 61,706\nCNN 113,386\n", '"' * 1000,
])  # fmt: skip
def test_text_that_is_no_table_gives_no_separated_values(text):
    assert find_separated_values(text) == []


# ---------------------------------------------------------------- reStructuredText


def test_rst_grids_may_span_columns_and_rows():
    text = """
.. table:: Table 7: spans

   +-------+-----------+
   | Model | Acc       |
   |       +-----+-----+
   |       | a   | b   |
   +=======+=====+=====+
   | **S** | 1   | 2   |
   +-------+-----+     |
   | two   | 3   |     |
   | lines |     |     |
   +-------+-----+-----+
"""
    (grid,) = find_rst_tables(text)
    assert get_texts(grid) == [
        ["Model", "Acc", "Acc"], ["Model", "a", "b"], ["S", "1", "2"], ["two lines", "3", "2"],
    ]  # fmt: skip
    assert grid.caption == "Table 7: spans"
    assert grid.rows[2][0].is_bold and grid.rows[0][0].is_header


def test_rst_simple_list_and_csv_tables():
    text = """
=====  =======
Model  Acc
=====  =======
SVC    89.7 [1]_
CNN    :math:`91.6 \\pm 0.1`
=====  =======

.. csv-table:: Title
   :header: "Model", "Acc"

   "SVC, rbf", 89.7

.. list-table::

   * - Model
     - Acc
   * - CNN\\ :sup:`a`
     - 91.6
"""
    simple, values, listed = find_rst_tables(text)
    assert get_texts(simple) == [["Model", "Acc"], ["SVC", "89.7"], ["CNN", "91.6 ± 0.1"]]
    assert (get_texts(values), values.caption) == (
        [["Model", "Acc"], ["SVC, rbf", "89.7"]], "Title",
    )  # fmt: skip
    assert get_texts(listed) == [["Model", "Acc"], ["CNN", "91.6"]]


def test_rst_reads_no_file_and_no_address(tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("secret,1\n")
    text = (
        f".. csv-table::\n   :file: {secret}\n\n.. csv-table::\n   :url: {secret.as_uri()}\n\n"
        f".. table::\n\n   .. include:: {secret}\n\n+---+---+\n| a | 1 |\n+---+---+\n"
        f".. list-table::\n\n   * - .. include:: {secret}\n     - .. raw:: html\n          "
        f":file: {secret}\n"
    )
    texts = [text for grid in find_rst_tables(text) for row in get_texts(grid) for text in row]
    assert "a" in texts
    assert not any("secret,1" in text or text == "secret" for text in texts)


# ---------------------------------------------------------------- text aligned with blanks


def test_aligned_columns_are_split_where_all_lines_are_blank():
    text = "Table 3. A title\n\n  Model name     Acc\n  -----------  ------\n"
    text += "  SVC with rbf  89.7\n  CNN\n  a b c         91.6\n\nOne line of prose.\n"
    (grid,) = find_aligned_columns(text)
    assert get_texts(grid) == [
        ["Model name", "Acc"], ["SVC with rbf", "89.7"], ["CNN", ""], ["a b c", "91.6"],
    ]  # fmt: skip
    assert (grid.caption, grid.lines) == ("Table 3. A title", (3, 5, 6, 7))
    assert grid.rows[0][0].is_header and not grid.rows[1][0].is_header


def test_columns_between_tabs_need_not_be_aligned():
    (grid,) = find_aligned_columns("Model\tRef.\tAcc\nSupport vectors\t\t89.7\nCNN\t[2]\t91.6")
    assert get_texts(grid) == [
        ["Model", "Ref.", "Acc"], ["Support vectors", "", "89.7"], ["CNN", "[2]", "91.6"],
    ]  # fmt: skip


def test_a_head_one_blank_from_the_next_is_split_off_above_figures_only():
    text = "            model accuracy\n0  LeNet 5 deeper    87.23\n1        SVC deep     89.7"
    (grid,) = find_aligned_columns(text)
    assert get_texts(grid) == [
        ["", "model", "accuracy"], ["0", "LeNet 5 deeper", "87.23"], ["1", "SVC deep", "89.7"],
    ]  # fmt: skip
    text = "Model      Acc\nCNN with   91.2\nCNN plus   91.3"
    assert get_texts(find_aligned_columns(text)[0])[1] == ["CNN with", "91.2"]


def test_tables_drawn_with_lines_are_read():
    text = (
        "╭───────┬──────╮\n│ Model │ Acc  │\n├───────┼──────┤\n│ a b   │ 91.2 │\n╰───────┴──────╯"
    )
    (grid,) = find_aligned_columns(text)
    assert get_texts(grid) == [["Model", "Acc"], ["a b", "91.2"]]
    text = "+----+----+\n| a  | b  |\n+----+----+\n| c  | 1  |\n| d  | 2  |\n+----+----+"
    assert find_rst_tables(text) == []  # it would take c and d for one cell
    assert get_texts(find_aligned_columns(text)[0]) == [["a", "b"], ["c", "1"], ["d", "2"]]


# ---------------------------------------------------------------- hostile input


@pytest.mark.parametrize(("finder", "text"), [
    (find_latex_tables, r"\begin{tabular}{l}" + "{x" * 20_000 + "}" * 20_000 + r"\end{tabular}"),
    (find_latex_tables, r"\begin{tabular}{l}" + "{" * 20_000 + r"\end{tabular}"),
    (find_latex_tables, r"\begin{tabular}{l}a" + "&" * 1_000 + r"\end{tabular}"),
    (find_latex_tables, r"\begin{tabular}{l}a\end{tabular}" * (MAX_TABLES + 1)),
    (find_html_tables, "<table><tr>" + "<td>1" * 300_000 + "</table>"),
    (find_html_tables, "<table><tr><td>" + "x" * 1_100_000 + "</table>"),
    (find_html_tables, "<table><tr>" + "<td rowspan=9999>1" * 190 + "<tr>" * 1_500 + "</table>"),
    (find_markdown_tables, "|a|b|\n|-|-|\n" + "|1|2|\n" * 6_000),
    (find_markdown_tables, "|a|b|\n|-|-|\n|" + "*" * 50_000 + "|1|\n"),
    (find_rst_tables, ".. csv-table::\n\n" + "   a,b\n" * 5_000),
])  # fmt: skip
def test_tables_beyond_the_limits_are_refused_in_one_line(finder, text):
    with pytest.raises(UserError) as error:
        finder(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


@pytest.mark.parametrize("finder", FINDERS)
@pytest.mark.parametrize("text", [
    "|" * 100_000, "<table>" * 20_000, r"\begin{tabular}" * 20_000, "=== ===\n" * 1_900,
    '"' * 100_000, " " * 100_000, "a,b " * 50_000, "<td" * 50_000, "[" * 100_000, "$" * 100_000,
    "\x00\x01\xff", "<table><tr><td colspan=99999999999>a<td rowspan=-1>b</table>",
    r"\begin{tabular}{l}\multirow{99999}{*}{a}&\multicolumn{-3}{l}{b}\\c&d\end{tabular}",
    r"\begin{tabular}{l}\end{tabular}\end{tabular}\begin{tabular}", "<table></table>",
], ids=range(15))  # fmt: skip
def test_hostile_text_gives_tables_or_nothing(finder, text):
    for grid in finder(text):
        assert len({len(row) for row in grid.rows}) == 1
        assert all(len(cell.text) <= 2_000 for row in grid.rows for cell in row)


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="\\{}[]()$&%^_~<>/|+-=*`'\"#.,;:!? abtdrh01239\n\t±é", max_size=200))
def test_any_cell_becomes_one_line(text):
    try:
        cleaned = clean_markup(text)
    except UserError as error:
        cleaned = str(error)
    assert cleaned == tidy(cleaned)


def test_rows_are_filled_up_and_empty_rows_left_out():
    grid = build_grid([["a", "b", "c"], ["", " "], [Cell("d")]], lines=[1, 2, 3])
    assert grid is not None
    assert get_texts(grid) == [["a", "b", "c"], ["d", "", ""]]
    assert (grid.lines, grid.extent, grid.name_row(1)) == ((1, 3), (1, 3), "line 3")
    assert build_grid([["", ""], []]) is None


def test_macros_that_a_latex_text_defines_are_replaced():
    text = (
        "\\newcommand{\\best}[1]{\\textbf{#1}}\n\\newcommand\\ours{DragonNet}\n"
        "\\begin{tabular}{lc}\nModel & Accuracy \\\\ \\hline\n"
        "\\ours{} & \\best{91.2} \\\\\n\\end{tabular}\n"
    )
    (grid,) = find_latex_tables(text)
    assert [cell.text for cell in grid.rows[1]] == ["DragonNet", "91.2"]


def test_a_macro_that_is_cut_off_prints_no_warning(caplog):
    assert "Z" in clean_latex("j = \\frac{\\exp(Z_{i")
    assert not caplog.records
