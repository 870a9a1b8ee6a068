"""Defines :class:`Grid`, a table as a document shows it: rows of cells without markup.

The sizes of tables are bounded, because documents are hostile input.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fmbench.errors import UserError

# Larger tables are not tables of claims.
MAX_TABLES = 300
MAX_ROWS = 5_000
MAX_COLUMNS = 200
MAX_CELLS = 200_000
MAX_TABLE_CHARACTERS = 1_000_000
MAX_CELL_CHARACTERS = 2_000
_TOO_LARGE = (
    f"{{}} has more than {MAX_ROWS:,} rows, {MAX_COLUMNS} columns or {MAX_CELLS:,} cells: give "
    "only the part that holds the accuracies"
)


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text is one line without markup."""

    text: str = ""
    is_header: bool = False
    is_bold: bool = False
    # The continuation of a cell that spans several columns (or rows).
    repeats_left: bool = False
    repeats_above: bool = False


@dataclass(frozen=True)
class Grid:
    """A table as rows of cells; every row has the same number of cells.

    ``where`` says where the table is, for people: ``table 1``, ``page 3, table 2``. ``lines`` are
    the line numbers of the rows in the input, counted from 1, if they are known; ``extent`` are
    those of the table's first and last line. ``is_whole``: the input is this table and no more.
    ``other_data`` is the heading or the sentence above the table that says that it is of another
    data set; empty if none does. ``above`` are the innermost heading and the sentence above it.
    ``titles`` are all headings above it, the innermost last; ``line_above`` is the last line of
    words.
    ``is_of_any_data``: headings tell Fashion-MNIST and several other data sets apart, and those
    above the table name none.
    """

    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    where: str = ""
    lines: tuple[int, ...] = ()
    extent: tuple[int, int] = (0, 0)
    is_whole: bool = False
    other_data: str = ""
    above: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    line_above: str = ""
    is_of_any_data: bool = False

    @property
    def n_columns(self) -> int:
        """The number of columns."""
        return len(self.rows[0]) if self.rows else 0

    def name_row(self, row: int) -> str:
        """Return the place of a row (counted from 0) in words: ``line 12``, ``table 1, row 3``."""
        if self.lines:
            return f"line {self.lines[row]}"
        return f"{self.where}, row {row + 1}" if self.where else f"row {row + 1}"


def build_grid(
    rows: Iterable[Sequence[Cell | str]],
    *,
    caption: str = "",
    where: str = "",
    lines: Sequence[int] = (),
    extent: tuple[int, int] | None = None,
) -> Grid | None:
    """Return a grid of these rows, shorter rows filled up with empty cells; None without cells.

    Strings are taken as cells without markup. Rows without any text are left out.

    Raises:
        UserError: the table is too large.
    """
    kept: list[list[Cell]] = []
    kept_lines: list[int] = []
    n_cells = 0
    for index, row in enumerate(rows):
        cells = [cell if isinstance(cell, Cell) else Cell(tidy(cell)) for cell in row]
        if not any(cell.text for cell in cells):
            continue
        n_cells += len(cells)
        if len(kept) >= MAX_ROWS or len(cells) > MAX_COLUMNS or n_cells > MAX_CELLS:
            raise UserError(_TOO_LARGE.format(where or "the table"))
        kept.append(cells)
        if lines:
            kept_lines.append(lines[index])
    width = max((len(row) for row in kept), default=0)
    if not width:
        return None
    full = tuple(tuple(row) + (Cell(),) * (width - len(row)) for row in kept)
    if extent is None:
        extent = (kept_lines[0], kept_lines[-1]) if kept_lines else (0, 0)
    return Grid(full, tidy(caption), where, tuple(kept_lines), extent)


_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]"
)


def tidy(text: str) -> str:
    """Return the text as one line of at most 2,000 characters, without control characters."""
    if len(text) > 4 * MAX_CELL_CHARACTERS:
        text = text[: 4 * MAX_CELL_CHARACTERS]
    return " ".join(_INVISIBLE.sub("", text).split())[:MAX_CELL_CHARACTERS]


def expand_spans(rows: Iterable[Sequence[tuple[Cell, int, int]]]) -> list[list[Cell]]:
    """Return rows in which each cell is repeated in the columns and rows that it spans.

    Each cell is given with these two numbers, as in HTML.

    Raises:
        UserError: the table is too large.
    """
    n_cells = 0
    result: list[list[Cell]] = []
    pending: dict[int, tuple[Cell, int]] = {}  # column -> what spans down from above, rows left

    def take_pending(row: list[Cell]) -> None:
        while len(row) in pending:
            cell, left = pending.pop(column := len(row))
            row.append(cell)
            if left > 1:
                following[column] = (cell, left - 1)

    for cells in rows:
        row: list[Cell] = []
        following: dict[int, tuple[Cell, int]] = {}
        for cell, n_columns, n_rows in cells:
            take_pending(row)
            shown, beside = cell, replace(cell, repeats_left=True)
            below = [replace(each, repeats_above=True) for each in (shown, beside)]
            for offset in range(min(max(n_columns, 1), MAX_COLUMNS)):
                pending.pop(len(row), None)  # overlapping spans: the later cell wins
                if n_rows > 1:
                    following[len(row)] = (below[offset > 0], min(n_rows, MAX_ROWS) - 1)
                row.append(beside if offset else shown)
            if len(row) > MAX_COLUMNS or len(result) > MAX_ROWS:
                break
        take_pending(row)
        for column in sorted(pending):
            row.extend([Cell()] * (column - len(row)))
            take_pending(row)
        result.append(row)
        pending = following
        n_cells += len(row)
        if n_cells > MAX_CELLS:
            raise UserError(_TOO_LARGE.format("the table"))
    return result


def find_line_starts(text: str) -> list[int]:
    """Return the position of the first character of each line."""
    return [0, *(match.end() for match in re.finditer("\n", text))]


def add_grid(grids: list[Grid], grid: Grid | None) -> None:
    """Append a table to those of the same document.

    Raises:
        UserError: there are too many.
    """
    if grid is not None:
        if len(grids) >= MAX_TABLES:
            raise UserError(f"more than {MAX_TABLES} tables: give only those of accuracies")
        grids.append(grid)


def check_size(text: str, where: str) -> None:
    """Check that the source of one table is not too long.

    Raises:
        UserError: it is.
    """
    if len(text) > MAX_TABLE_CHARACTERS:
        raise UserError(
            f"{where} has more than {MAX_TABLE_CHARACTERS:,} characters: give only the part that "
            "holds the accuracies"
        )


def is_footnote_mark(text: str) -> bool:
    """Whether a superscript is a footnote mark or a reference, not a part of the text."""
    return (
        re.fullmatch(r"\s*[\[(]?(?:[a-z]|\d{1,3}|[*†‡§¶‖#+]{1,3}|[,\s;–-])+[\])]?\s*", text)
        is not None
    )
