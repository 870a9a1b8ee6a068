"""Formats tables as Markdown, CSV, JSON, LaTeX or HTML; cells are numbers until they are printed.

Each :class:`Column` has a :class:`ColumnKind` that says how its values are printed. All formats
print the same digits; JSON has them as numbers, and ``null`` where there is no value. In all
formats, texts are safe to print: see :mod:`fmbench.utils.printable`.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fmbench.utils.printable import escape_on_one_line, escape_unsafe, shorten

DEFAULT_WIDTH = 100  # columns of text that does not go to a terminal
TEXT_FORMAT = "text"  # fitted to a terminal; fmbench.utils.document formats it
MAX_CELL = 1000  # characters that are printed of a cell; JSON has all
# Cells of a CSV file that begin so are formulas in a spreadsheet.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t")
# In LaTeX, a column with longer texts than this many characters wraps them, at so many cm.
_LONGEST_LINE, _WRAPPED_CM = 30, 5
_HTML_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;"
    "color:#1b1b1b;background:#fff}h1{font-size:1.3rem}.wide{overflow-x:auto}"
    "table{border-collapse:collapse}th,td{padding:.3rem .6rem;text-align:left;vertical-align:top;"
    "border-bottom:1px solid #ddd}td.right{text-align:right;white-space:nowrap}li{color:#444}"
)
# What LaTeX reads of a table's file if the file is compiled on its own. Inside a document LaTeX has
# set \@nodocument to \relax, so these lines have no effect there.
_LATEX_BEGIN = r"""% A table for a document with \usepackage{booktabs}.
% The next four lines and the last one have an effect only if this file is compiled on its own.
\expandafter\ifx\csname @nodocument\endcsname\relax\else
\documentclass{article}\usepackage[a4paper,landscape,margin=15mm]{geometry}\usepackage{booktabs}
\begin{document}\def\fmbenchalone{}
\fi
"""
_LATEX_END = r"\ifdefined\fmbenchalone\end{document}\fi"


@dataclass(frozen=True)
class MeanSd:
    """A mean, its standard deviation (n - 1) if there are several values, and the number of
    decimals to print.
    """

    mean: float
    sd: float | None
    decimals: int

    @classmethod
    def of(cls, values: Sequence[float], decimals: int) -> MeanSd | None:
        """Compute mean and standard deviation of some values; None if there are no values."""
        if not values:
            return None
        mean = math.fsum(values) / len(values)
        if len(values) == 1:
            return cls(mean, None, decimals)
        variance = math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
        return cls(mean, math.sqrt(variance), decimals)

    def __str__(self) -> str:
        """``0.908 ± 0.002``; a single value without a spread."""
        spread = "" if self.sd is None else f" ± {self.sd:.{self.decimals}f}"
        return f"{self.mean:.{self.decimals}f}{spread}"


@dataclass(frozen=True)
class ColumnKind:
    """How the values of a column are printed; a missing value (``None``) is printed as nothing.

    ``to_json`` turns a printed value into what JSON says; by default its text stays text.
    """

    name: str
    to_text: Callable[[Any], str] = str
    to_json: Callable[[str], Any] = str
    align: Literal["left", "right"] = "left"


def format_points(difference: float) -> str:
    """Return a difference of two fractions in percentage points, with its sign."""
    return f"{round(100 * difference, 2) + 0.0:+.2f}"  # adding zero turns a rounded -0.0 into 0.0


def _format_p_value(p: float) -> str:
    return f"{p:.2g}" if p > 1e-300 else "<1e-300"  # smaller numbers lose their digits


def _parse_figure(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _parse_mean_sd(text: str) -> dict[str, float | None]:
    mean, _, sd = text.partition(" ± ")
    return {"mean": float(mean), "sd": float(sd) if sd else None}


TEXT = ColumnKind("text")
PERCENT = ColumnKind("percent", lambda share: f"{100 * share:.2f}", float, "right")
POINTS = ColumnKind("points, with their sign", format_points, float, "right")
SECONDS = ColumnKind("seconds", lambda seconds: f"{seconds:.1f}", float, "right")
MEAN_SD = ColumnKind("mean ± standard deviation", str, _parse_mean_sd)
COUNT = ColumnKind("count", lambda n: f"{n:d}", int, "right")
# In JSON a p value below 1e-300 is 0.
P_VALUE = ColumnKind(
    "p value", _format_p_value, lambda text: 0.0 if text.startswith("<") else float(text), "right"
)
YES_NO = ColumnKind("yes or no", lambda value: "yes" if value else "no", lambda text: text == "yes")
# A figure as a paper prints it: its decimals say how exactly it is known.
PRINTED_FIGURE = ColumnKind("figure as printed", str, _parse_figure, "right")


@dataclass(frozen=True)
class Column:
    """A column: its name, and how its values are printed.

    ``is_detail``: CSV and JSON have the column, the other formats leave it out. ``min_width``: a
    narrower terminal leaves it out as well. ``style``: gives the style of a value in a terminal, as
    rich names it.
    """

    name: str
    kind: ColumnKind = TEXT
    is_detail: bool = False
    min_width: int = 0
    style: Callable[[Any], str] | None = None

    def text(self, value: Any) -> str:
        """A value of this column as it is printed: on one line, not endless, and safe to print."""
        if value is None:
            return ""
        return escape_on_one_line(shorten(self.kind.to_text(value), MAX_CELL))

    def json(self, value: Any) -> Any:
        """A value of this column as JSON has it."""
        text = "" if value is None else self.kind.to_text(value)
        if self.kind.to_json is str:
            return text or None
        return self.kind.to_json(text) if text else None


@dataclass(frozen=True)
class Table:
    """A table with a title. Each row maps column names to values; ``None`` is an empty cell.

    ``notes`` are printed below it in Markdown and in a terminal.
    """

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Mapping[str, Any]]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Table {self.title!r}, rows: {len(self.rows)}, columns: {len(self.columns)}>"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def printed_title(self) -> str:
        """The title, on one line and safe to print."""
        return escape_on_one_line(self.title)

    @property
    def printed_notes(self) -> tuple[str, ...]:
        """Return the notes in the form in which they are printed: each is one line of text.

        Characters that could control a terminal are replaced by their codes.
        """
        return tuple(map(escape_on_one_line, self.notes))

    def text_rows(self) -> list[dict[str, str]]:
        """The rows as they are printed: text by the name of the column."""
        return [{c.name: c.text(row[c.name]) for c in self.columns} for row in self.rows]


def format_markdown(table: Table) -> str:
    """Format title, table and notes as Markdown."""
    notes = "".join(f"\n- {escape_markdown(note)}" for note in table.printed_notes)
    title = escape_markdown(table.printed_title)
    return f"# {title}\n\n{format_markdown_rows(table)}\n" + (f"{notes}\n" if notes else "")


def format_markdown_rows(table: Table) -> str:
    """Format the rows under their header as a table of Markdown, without a final line break."""
    from tabulate import tabulate

    columns = [column for column in table.columns if not column.is_detail]
    rows = table.text_rows()
    cells = [[_escape_markdown_cell(row[column.name]) for column in columns] for row in rows]
    return tabulate(
        cells,
        headers=[_escape_markdown_cell(escape_on_one_line(column.name)) for column in columns],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=[column.kind.align for column in columns] if cells else None,
    )


def escape_markdown(text: str) -> str:
    """Escape what begins an HTML tag, a link or a picture; other marks only change the looks."""
    return re.sub(r"<(?=[A-Za-z/!?])|(?<=\])\(", r"\\\g<0>", text)


def _escape_markdown_cell(text: str) -> str:
    """Escape as above, and every ``|``, which would end the cell, with any backslash before it."""
    return re.sub(r"(\\*)\|", r"\1\1\\|", escape_markdown(text))


def format_csv(table: Table) -> str:
    """Format the rows as CSV under a header line.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    import csv

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(_defuse_formula, map(escape_on_one_line, table.names)))
    writer.writerows(map(_defuse_formula, row.values()) for row in table.text_rows())
    return buffer.getvalue()


def _defuse_formula(text: str) -> str:
    """Put an apostrophe before a cell that begins like a formula; numbers stay as they are."""
    text = text.replace("\r", " ")  # which the csv module does not quote
    if text.lstrip(" \n").startswith(_FORMULA_STARTS) and isinstance(_parse_figure(text), str):
        return f"'{text}"
    return text


def format_json(table: Table) -> str:
    """Format the rows as a JSON list of objects, with the units and the decimals of the table.

    A program that reads it gets each text as it is, unsafe characters included.
    """
    rows = [{c.name: c.json(row[c.name]) for c in table.columns} for row in table.rows]
    return escape_unsafe(json.dumps(rows, indent=1, ensure_ascii=False)) + "\n"


def format_latex(table: Table) -> str:
    """Format title, table and notes as a LaTeX table; long texts wrap."""
    from pylatexenc.latexencode import UnicodeToLatexEncoder

    encoder = UnicodeToLatexEncoder(
        replacement_latex_protection="braces", unknown_char_policy="replace",
        unknown_char_warning=False,
    )  # fmt: skip

    def encode(text: str) -> str:
        return encoder.unicode_to_latex(" ".join(escape_on_one_line(text).split()))

    def format_row(texts: Sequence[str]) -> str:
        return " & ".join(map(encode, texts)) + r" \\"

    columns = [column for column in table.columns if not column.is_detail]
    rows = [[row[column.name] for column in columns] for row in table.text_rows()]
    alignments = []
    for i, column in enumerate(columns):
        is_long = max((len(row[i]) for row in rows), default=0) > _LONGEST_LINE
        plain = "r" if column.kind.align == "right" else "l"
        alignments.append(f"p{{{_WRAPPED_CM}cm}}" if is_long else plain)
    lines = [
        r"\begin{table}",
        rf"\caption{{{encode(table.title)}}}",
        r"\centering\small",
        rf"\begin{{tabular}}{{{''.join(alignments)}}}",
        r"\toprule",
        format_row([column.name for column in columns]),
        r"\midrule",
        *map(format_row, rows),
        r"\bottomrule",
        r"\end{tabular}",
        *(f"\n{{\\footnotesize\\noindent {encode(note)}\\par}}" for note in table.notes),
        r"\end{table}",
    ]
    return _LATEX_BEGIN + "\n".join(lines) + f"\n{_LATEX_END}\n"


def format_html(table: Table) -> str:
    """Format title, table and notes as a small page."""
    notes = format_html_list(table.notes) if table.notes else ""
    return format_html_page(table.title, format_html_rows(table) + notes)


def format_html_list(texts: Sequence[str]) -> str:
    """Format texts as a list of HTML."""
    from html import escape

    items = "".join(f"<li>{escape(escape_on_one_line(text))}</li>\n" for text in texts)
    return f"<ul>\n{items}</ul>\n"


def format_html_page(title: str, body: str) -> str:
    """Format a small page; ``body`` is HTML."""
    from html import escape

    printed = escape(escape_on_one_line(title))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{printed}</title>\n<style>{_HTML_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{printed}</h1>\n{body}</main>\n</body>\n</html>\n"
    )


def format_html_rows(table: Table) -> str:
    """Format the rows under their header as a table of HTML that scrolls if it is too wide."""
    from html import escape

    columns = [column for column in table.columns if not column.is_detail]
    head = "".join(
        f'<th scope="col">{escape(escape_on_one_line(column.name))}</th>' for column in columns
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{column.kind.align}">{escape(row[column.name])}</td>' for column in columns
        )
        + "</tr>\n"
        for row in table.text_rows()
    )
    return (
        f'<div class="wide" tabindex="0">\n<table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody>\n</table>\n</div>\n"
    )


FORMATS = {
    "md": format_markdown, "csv": format_csv, "json": format_json, "tex": format_latex,
    "html": format_html,
}  # fmt: skip
