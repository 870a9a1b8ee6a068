"""Draws the table of accuracies again and again while a run fills it, as large as the terminal is.

`fmbench run` shows it above its progress, and `fmbench watch` shows it beside a run in another
terminal. The title and the column heads are always visible. If not all rows fit, those that run
or were measured last are shown first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from rich.console import Console, Group
from rich.text import Text

from fmbench.analysis.evaluation import SuiteResults
from fmbench.records.cells import Cell
from fmbench.report.commands import build_commands_of
from fmbench.report.tables import AccuracyTable, build_table
from fmbench.report.terminal import render_parts, render_table
from fmbench.utils.formatting import format_number_of
from fmbench.utils.rich_text import make_text

FEWEST_ROWS = 3  # of the table; below that, the notes make place for more
REST_FACTOR = 5  # after it was read, the folder is left alone for so many times the reading time


class LiveTable:
    """The table of accuracies of a results folder.

    ``read`` reads the folder. ``only``: the table has only the rows of these runners.
    ``rows_of_cells``: the runner of the row that each cell belongs to, by the cell's key. The
    folder is read again if :meth:`mark_changed` was called since, but only a part of the time goes
    into reading, so that a run with many short cells does not slow down.
    """

    def __init__(
        self,
        read: Callable[[], SuiteResults],
        only: Collection[str] = (),
        rows_of_cells: Mapping[str, str] | None = None,
    ) -> None:
        self._read, self._only, self._rows_of_cells = read, only, rows_of_cells or {}
        self._changed = False
        self._not_before = 0.0
        self.is_introduced = False  # whether the user was told what is known before the run
        self.results = read()
        self.table = self._build()

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.table.rows)

    def mark_changed(self) -> None:
        """Say that the folder has new records. Any thread may call it."""
        self._changed = True

    def update(self, *, at_once: bool = False) -> None:
        """Read the folder again if it has changed; ``at_once``: however recently it was read.

        Raises:
            UserError, OSError: the folder or the data cannot be read; the table stays as it was.
        """
        start = time.monotonic()
        if not self._changed or (start < self._not_before and not at_once):
            return
        self._changed = False  # before it is read: what is added meanwhile is read the next time
        self.results = self._read()
        self.table = self._build()
        end = time.monotonic()
        self._not_before = end + REST_FACTOR * (end - start)

    def list_newest_first(self) -> list[str]:
        """List the runners that have records in the folder, the one measured last first."""
        records = ((r.started, c.name) for c, r, _ in self.results.scored_records())
        return list(dict.fromkeys(name for _, name in sorted(records, reverse=True)))

    def render(self, width: int, height: int, running: Iterable[Cell] = ()) -> Text:
        """Render the table in at most ``height`` lines.

        If not all rows fit, those of the cells that are ``running`` are shown first, then those
        that were measured last.
        """
        first = [self._rows_of_cells.get(cell.key, cell.runner.name) for cell in running]
        return fit_table(self.table, width, height, [*first, *self.list_newest_first()])

    def describe_known(self) -> str:
        """Say on one line which rows have an accuracy already; empty if none has."""
        n_own = sum(row.from_reference for row in self.table.judged)
        n_here = sum(row.is_measured_here for row in self.table.judged)
        rows = format_number_of(self.n_rows, "row")
        by = [f"{n_own} of {rows} by fmbench's own measurements"] * bool(n_own)
        by += [f"{n_here} of {rows} by records in {self.results.store.folder}"] * bool(n_here)
        if not by:
            return ""
        return (
            f"known already: {', '.join(by)}; "
            f"`{build_commands_of(self.results).table(rows=[*self._only])}` prints them"
        )

    def render_whole(self, width: int) -> Group:
        """Render the whole table as `fmbench table` prints it."""
        return render_table(self.table, width)

    def _build(self) -> AccuracyTable:
        table = build_table(self.results, only=self._only)
        assert isinstance(table, AccuracyTable), "it is the table of accuracies"
        return table


def fit_table(table: AccuracyTable, width: int, height: int, first: Sequence[str] = ()) -> Text:
    """Render a table of accuracies in at most ``height`` lines of ``width`` columns.

    If not all rows fit, the rows of the runners in ``first`` are shown, in this order; then those
    from the top. A line says how many are not shown. There are no empty lines then, and without the
    last note, which explains the columns. In a very low terminal, all notes give way to rows.
    """
    parts = render_parts(table, width, one_line=True)
    console = Console(width=width, force_terminal=True, color_system="truecolor")
    heads, *rows = _split_into_lines(console, parts.grid)
    title, notes = [parts.title], [note for note in parts.notes if note.plain]
    if len(rows) + len(notes) + 4 <= height:
        return _join([*title, Text(), heads, *rows, Text(), *notes], width)
    n_needed = 2 + min(len(rows), FEWEST_ROWS) + (len(rows) > FEWEST_ROWS)
    notes = notes[: min(len(notes) - 1, max(0, height - n_needed))]
    n_free = height - 2 - len(notes)
    if n_free >= len(rows):
        return _join([*title, heads, *rows, *notes], width)
    n_shown = max(0, n_free - 1)
    shown = choose_rows([row.runner for row in table.judged], n_shown, first)
    hidden = make_text(f"({len(rows) - n_shown} of {len(rows)} rows are not shown)", "dim")
    return _join([*title, heads, *(rows[i] for i in shown), hidden, *notes][:height], width)


def choose_rows(runners: Sequence[str], n: int, first: Sequence[str]) -> list[int]:
    """Choose ``n`` rows by their ``runners``; return their positions, from top to bottom.

    The rows of the runners in ``first`` come first, then the rows from the top.
    """
    places = {name: place for place, name in reversed(list(enumerate(first)))}
    by_importance = sorted(
        range(len(runners)), key=lambda i: (places.get(runners[i], len(places)), i)
    )
    return sorted(by_importance[:n])


def _split_into_lines(console: Console, grid: object) -> list[Text]:
    lines = console.render_lines(grid, pad=False)  # type: ignore[arg-type]
    return [Text.assemble(*((s.text, s.style or "") for s in line)) for line in lines]


def _join(lines: Sequence[Text], width: int) -> Text:
    """Join lines, each cut at the width of the terminal."""
    fitted = []
    for line in lines:
        cut = line.copy()
        cut.truncate(width, overflow="ellipsis")
        fitted.append(cut)
    return Text("\n", no_wrap=True).join(fitted)
