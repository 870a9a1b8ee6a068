"""Formats what a command prints, which is a title, texts and tables, in every format.

A command builds a :class:`Document` once. In a terminal it is fitted to the width, and nothing is
cut; Markdown and HTML have the same blocks; CSV and LaTeX have its main table; JSON has its data.
All texts are made safe to print: see :mod:`fmbench.utils.printable`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fmbench.errors import UserError
from fmbench.utils.printable import escape_on_one_line, escape_unsafe
from fmbench.utils.rich_text import make_text
from fmbench.utils.table import (
    DEFAULT_WIDTH,
    FORMATS,
    TEXT_FORMAT,
    Column,
    Table,
    escape_markdown,
    format_html_list,
    format_html_page,
    format_html_rows,
    format_markdown_rows,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table as RichTable
    from rich.text import Text

DOCUMENT_FORMATS = (TEXT_FORMAT, *FORMATS)
WIDE_TERMINAL = 100  # from this width on, two spaces stand between columns instead of one
_MANY_LINES = 3  # of a row on average; then an empty line stands between rows
_LONGEST_WORD = 50  # characters; a longer word may be broken


@dataclass(frozen=True)
class Heading:
    """A line above the blocks that follow it."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """A text that is wrapped. ``style``: a style of rich, such as ``"dim"``, for a terminal."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Items:
    """A list of texts, each wrapped."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """A line to copy into a terminal. It is never wrapped."""

    line: str


Block = Heading | Paragraph | Items | Command | Table


@dataclass(frozen=True)
class Document:
    """What a command prints.

    ``data``: what JSON has, made of numbers, texts, lists and dicts; by default the rows of the
    main table. ``table``: the main table, which CSV and LaTeX have; by default the first block that
    is a table.
    """

    title: str
    blocks: Sequence[Block]
    data: Any = None
    table: Table | None = field(default=None)

    @property
    def main_table(self) -> Table | None:
        """The table that CSV and LaTeX have, if there is one."""
        if self.table is not None:
            return self.table
        return next((block for block in self.blocks if isinstance(block, Table)), None)


def format_document(
    document: Document, format_: str, width: int = DEFAULT_WIDTH, *, colours: bool = False
) -> str:
    """Format a document in one of :data:`DOCUMENT_FORMATS`.

    ``width`` (columns) and ``colours`` are for ``text``.

    Raises:
        UserError: the format needs a table, and the document has none.
    """
    if format_ == TEXT_FORMAT:
        return render_to_text(render_document(document, width), width, colours=colours)
    if format_ == "json" and document.data is not None:
        text = json.dumps(document.data, indent=1, ensure_ascii=False, allow_nan=False)
        return escape_unsafe(text) + "\n"
    if format_ in _WHOLE:
        return _WHOLE[format_](document)
    if document.main_table is None:
        raise UserError(f"there is no table here for --format {format_}: use text, md or html")
    return FORMATS[format_](document.main_table)


# ---------------------------------------------------------------- Markdown and HTML


def _format_markdown(document: Document) -> str:
    parts = [f"# {_line(document.title)}"]
    for block in document.blocks:
        match block:
            case Heading(text):
                parts.append(f"## {_line(text)}")
            case Paragraph(text):
                parts.append(_line(text))
            case Items(texts):
                parts.append("\n".join(f"- {_line(text)}" for text in texts))
            case Command(line):
                parts.append(f"```sh\n{escape_on_one_line(line)}\n```")
            case Table():
                if block.title:
                    parts.append(f"## {_line(block.title)}")
                parts.append(format_markdown_rows(block))
                if block.notes:
                    parts.append("\n".join(f"- {_line(note)}" for note in block.notes))
    return "\n\n".join(filter(None, parts)) + "\n"


def _line(text: str) -> str:
    return escape_markdown(escape_on_one_line(text))


def _format_html(document: Document) -> str:
    from html import escape

    parts = []
    for block in document.blocks:
        match block:
            case Heading(text):
                parts.append(f"<h2>{escape(escape_on_one_line(text))}</h2>\n")
            case Paragraph(text):
                parts.append(f"<p>{escape(escape_on_one_line(text))}</p>\n")
            case Items(texts):
                parts.append(format_html_list(texts))
            case Command(line):
                parts.append(f"<pre><code>{escape(escape_on_one_line(line))}</code></pre>\n")
            case Table():
                if block.title:
                    parts.append(f"<h2>{escape(block.printed_title)}</h2>\n")
                parts.append(format_html_rows(block))
                if block.notes:
                    parts.append(format_html_list(block.notes))
    return format_html_page(document.title, "".join(parts))


_WHOLE: dict[str, Callable[[Document], str]] = {"md": _format_markdown, "html": _format_html}


# ---------------------------------------------------------------- text for a terminal


def render_document(document: Document, width: int) -> RenderableType:
    """Render a document for a terminal of ``width`` columns."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    follows_heading = False
    if document.title:
        parts.append(make_text(escape_on_one_line(document.title), "bold"))
    for block in document.blocks:
        match block:
            case Heading(text):
                parts += [Text(), make_text(escape_on_one_line(text), "bold")]
                follows_heading = True
                continue
            case Paragraph(text, style):
                lines: list[RenderableType] = [make_text(escape_on_one_line(text), style)]
            case Items(texts):
                lines = [_render_item(text) for text in texts]
            case Command(line):
                command = make_text(f"    {escape_on_one_line(line)}")
                command.no_wrap, command.overflow = True, "ignore"
                lines = [command]
            case Table():
                lines = _render_table_block(block, width)
        parts += lines if follows_heading else [Text(), *lines]
        follows_heading = False
    return Group(*parts)


def _render_item(text: str) -> RenderableType:
    from rich.table import Table as RichTable

    grid = RichTable.grid(padding=(0, 1, 0, 0))
    grid.add_row("-", make_text(escape_on_one_line(text)))
    return grid


def _render_table_block(table: Table, width: int) -> list[RenderableType]:
    from rich.text import Text

    lines: list[RenderableType] = []
    if table.title:
        lines += [make_text(table.printed_title, "bold")]
    lines.append(render_rows(table, width))
    if table.notes:
        lines += [Text(), *(make_text(note, "dim") for note in table.printed_notes)]
    return lines


def render_rows(table: Table, width: int) -> RichTable:
    """Render the rows of a table under its header, fitted to ``width`` columns.

    A narrow terminal leaves out the columns with a larger ``min_width``; texts wrap between words.
    A word is broken only if the columns do not fit otherwise. If most rows take several lines, an
    empty line stands between them.
    """
    from rich.table import Table as RichTable
    from rich.text import Text

    columns = choose_columns(table, width)
    rows = table.text_rows()
    gap = 2 if width >= WIDE_TERMINAL else 1
    cells = [[row[column.name] for column in columns] for row in rows]
    heads = [escape_on_one_line(column.name) for column in columns]
    numbers = [i for i, column in enumerate(columns) if _has_numbers(column)]
    widths = fit_widths([heads, *cells], width - gap * (len(columns) - 1), numbers)
    grid = RichTable(
        box=None, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False, header_style="bold"
    )
    for column, head, column_width in zip(columns, heads, widths, strict=True):
        grid.add_column(Text(head), justify=column.kind.align, width=column_width, overflow="fold")
    heights = zip(
        *(_wrap_column([_measure_words(row[i]) for row in cells], w) for i, w in enumerate(widths)),
        strict=True,
    )
    has_gaps = sum(map(max, heights)) >= _MANY_LINES * len(cells)
    for i, (row, texts) in enumerate(zip(table.rows, cells, strict=True)):
        if i and has_gaps:
            grid.add_row()
        grid.add_row(*map(_make_cell, columns, (row[c.name] for c in columns), texts))
    return grid


def choose_columns(table: Table, width: int) -> list[Column]:
    """Choose the columns that a terminal of ``width`` columns shows."""
    return [
        column for column in table.columns if not column.is_detail and column.min_width <= width
    ]


def _has_numbers(column: Column) -> bool:
    """Whether a column has numbers, which stay on one line: ``90.83 ± 0.19``."""
    return column.kind.to_json is not str


def rank_columns(table: Table, ranking: Sequence[str]) -> Table:
    """Rank the columns of a table: a terminal leaves out the last ones for which it is too narrow.

    ``ranking``: names of columns, the most important first; the others follow in their order. Each
    column gets at least the ``min_width`` at which all up to it fit without a cut word. The first
    is always shown.
    """
    from rich.cells import cell_len

    rows = table.text_rows()
    first = [name for name in ranking if name in table.names]
    names = [*first, *(name for name in table.names if name not in first)]
    min_widths: dict[str, int] = {}
    numbers = [column.name for column in table.columns if _has_numbers(column)]
    used = 0
    for i, name in enumerate(names):
        texts = [row[name] for row in rows]
        words = [word for text in texts for word in text.split()]
        used += max(
            map(cell_len, [*name.split(), *(texts if name in numbers else words)]), default=1
        )
        narrow, wide = used + i, used + 2 * i  # with one space and with two between columns
        min_widths[name] = 0 if i == 0 else narrow if wide < WIDE_TERMINAL else wide
    columns = (replace(c, min_width=max(c.min_width, min_widths[c.name])) for c in table.columns)
    return replace(table, columns=tuple(columns))


def _make_cell(column: Column, value: Any, text: str) -> Text:
    style = column.style(value) if column.style is not None and value is not None else ""
    return make_text(text, style)


def fit_widths(
    rows: Sequence[Sequence[str]], available: int, unbroken: Container[int] = ()
) -> list[int]:
    """Find the width of each column, so that all fit into ``available`` columns of a terminal.

    ``rows`` are the texts, the header first. While the widths are too large, a column that can
    still wrap between words gets narrower: the one that adds the fewest lines to the table, of
    several the widest. If none can, the widest column does. ``unbroken``: the columns in which only
    the header wraps, such as those of numbers.
    """
    columns = [[_measure_words(text) for text in texts] for texts in zip(*rows, strict=True)]
    for i, (head, *body) in enumerate(columns):
        if i in unbroken:
            columns[i] = [head, *([sum(words) + len(words) - 1] for words in body)]
    longest = [
        max(1, *(min(word, _LONGEST_WORD) for words in column for word in words))
        for column in columns
    ]
    natural = (max(1, *(sum(words) + len(words) - 1 for words in column)) for column in columns)
    widths = [max(1, min(width, available)) for width in natural]
    lines = [_wrap_column(column, widths[i]) for i, column in enumerate(columns)]
    narrower = [_wrap_column(column, widths[i] - 1) for i, column in enumerate(columns)]
    while sum(widths) > available and max(widths) > 1:
        heights = [max(cells) for cells in zip(*lines, strict=True)]
        wrappable = [
            (_count_added(narrower[i], heights), -width, i)
            for i, width in enumerate(widths)
            if width > longest[i]
        ]
        i = min(wrappable)[2] if wrappable else widths.index(max(widths))
        widths[i] -= 1
        lines[i], narrower[i] = narrower[i], _wrap_column(columns[i], widths[i] - 1)
    return widths


def _count_added(lines: Sequence[int], heights: Sequence[int]) -> int:
    """Count the lines that a table gets if a column has ``lines`` in rows of these heights."""
    return sum(max(0, n - height) for n, height in zip(lines, heights, strict=True))


def _measure_words(text: str) -> list[int]:
    """The widths of the words of a text in columns of a terminal."""
    from rich.cells import cell_len

    return [cell_len(word) for word in text.split()] or [0]


def _wrap_column(column: Sequence[Sequence[int]], width: int) -> list[int]:
    """Count the lines of each text of a column, given as the widths of its words."""
    counts = []
    for words in column:
        n, used = 1, -1
        for word in words:
            if used >= 0 and used + 1 + word > width:
                n, used = n + 1, -1
            used += 1 + word
        counts.append(n)
    return counts


def render_to_text(renderable: RenderableType, width: int, *, colours: bool = False) -> str:
    """Print what rich can render into a text of ``width`` columns, without spaces at line ends."""
    import io

    from rich.console import Console

    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=colours,
        color_system="standard" if colours else None,
    )  # fmt: skip
    console.print(renderable, highlight=False, end="", crop=False, soft_wrap=False)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
