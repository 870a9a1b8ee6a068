"""Prints tables in a terminal, as wide as it is, with coloured and marked verdicts.

The most important columns come first, and a wider terminal shows more of them. A verdict's mark and
words say the same as its colour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations, zip_longest
from typing import Literal

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from fmbench.analysis.evaluation import JudgedRow
from fmbench.analysis.summary import Status
from fmbench.analysis.verdicts import VerdictKind
from fmbench.report.row_texts import (
    BY_SOURCE_PROTOCOL,
    CONTROL,
    REFERENCE_MARK,
    TESTED,
    count_verdicts,
    describe_reference,
    describe_runner,
    describe_selection,
    find_reproduced_by_source,
    find_rows_from_reference,
    format_control,
    format_source_protocol,
    shorten_verdict,
    summarise_verdicts,
)
from fmbench.report.tables import OPTIONAL, AccuracyTable
from fmbench.suites.matching import describe_parameters
from fmbench.utils.document import WIDE_TERMINAL, fit_widths
from fmbench.utils.formatting import format_interval
from fmbench.utils.rich_text import count_wrapped_lines, make_text, split_words, wrap_lines
from fmbench.utils.table import Table

Texts = Mapping[str, str]  # a row of the table of accuracies as it is printed
RUNNER, PARAMETERS = "runner", "parameters"
WIDTH_OF_RUNNERS = 200  # narrower tables show runner and parameters below the label
# Narrower tables with one line for each row leave out the runners and the second verdict.
WIDTH_OF_RUNNERS_ON_ONE_LINE = 134
OF_COMPARABLE = {"reference", "gap", "one new run"}  # columns that the table of a quick run lacks
WIDTH_OF_BOTH_VERDICTS = 110  # narrower tables show the second verdict below the first one
SHORT_TEXT = 18  # columns; a text that is no wider stays on one line if it can


@dataclass(frozen=True)
class TerminalColumn:
    """A column of the table of accuracies, shown if the terminal has ``min_width`` columns."""

    title: str
    text: Callable[[JudgedRow, Texts], str | Text]
    min_width: int = 0
    justify: Literal["left", "right"] = "right"
    wraps: bool = False


@dataclass(frozen=True)
class RenderedTable:
    """The parts of a table in a terminal, from top to bottom. The grid begins with its heads."""

    title: Text
    grid: RichTable
    notes: tuple[Text, ...]


def render_table(table: Table, width: int, *, one_line: bool = False) -> Group:
    """Render a table for a terminal of ``width`` columns.

    ``one_line``: no row of the accuracies takes more than one line.
    """
    parts = render_parts(table, width, one_line=one_line)
    return Group(parts.title, Text(), parts.grid, Text(), *parts.notes)


def render_parts(table: Table, width: int, *, one_line: bool = False) -> RenderedTable:
    """Render the parts of a table; see :func:`render_table`."""
    gap = 2 if width >= WIDE_TERMINAL else 1
    grid = RichTable(
        box=None, padding=(0, gap, 0, 0), header_style="bold", pad_edge=False, show_edge=False
    )
    title = make_text(table.printed_title, "bold")
    if isinstance(table, AccuracyTable):
        _fill_accuracies(grid, table, width, one_line=one_line)
        note = "percent of the test images; ± standard deviation over n seeds"
        if not one_line:
            note += f"; `{table.explained_by}` explains every column and verdict"
        lines = (
            [_count_verdicts(table.judged, table.n_all)]
            if table.has_verdicts
            else list(map(Text, describe_selection(table.judged, table.n_all)))
        )
        if text := describe_reference(table.judged, table.command):
            n = len(find_rows_from_reference(table.judged))
            number = "" if n == len(table.judged) else f"{n} of {len(table.judged)} rows: "
            lines.append(make_text(f"{REFERENCE_MARK} {number}{text}"))
        return RenderedTable(title, grid, (*lines, make_text(note, "dim")))
    columns = [column for column in table.columns if not column.is_detail]
    for i, column in enumerate(columns):
        # A figure and its spread stay on one line; the header wraps instead.
        header = make_text(column.name.replace(" ", "\n"), "bold")
        grid.add_column(header, justify="right" if i else "left", no_wrap=bool(i))
    for row in table.text_rows():
        grid.add_row(*(Text(row[column.name]) for column in columns))
    notes = [Text(note, style="dim") for note in table.printed_notes if note]
    return RenderedTable(title, grid, tuple(notes))


def _fill_accuracies(grid: RichTable, table: AccuracyTable, width: int, *, one_line: bool) -> None:
    columns = [
        column
        for column in TERMINAL_COLUMNS
        if _is_shown(column, width, one_line=one_line) and _has_content(column, table)
    ]
    rows = list(zip(table.judged, table.text_rows(), strict=True))
    cells = [[_make_cell(c, row, texts) for c in columns] for row, texts in rows]
    if not one_line:
        _add_second_lines(cells, columns, rows)
    titles = [
        "status" if column.title == "verdict" and not table.has_verdicts else column.title
        for column in columns
    ]
    gap = 2 if width >= WIDE_TERMINAL else 1
    free = width - gap * (len(columns) - 1)
    widths = _find_widths(columns, titles, cells, free, one_line=one_line)
    for column, title, column_width in zip(columns, titles, widths, strict=True):
        grid.add_column(
            title,
            justify=column.justify,
            width=column_width,
            no_wrap=one_line or not column.wraps,
            overflow="ellipsis" if one_line else "fold",
        )
    for row in cells:
        grid.add_row(
            *(
                wrap_lines(cell, column_width) if column.wraps and not one_line else cell
                for cell, column, column_width in zip(row, columns, widths, strict=True)
            )
        )


def _is_shown(column: TerminalColumn, width: int, *, one_line: bool) -> bool:
    if column.title == PARAMETERS and one_line:
        return False
    if column.title in (RUNNER, BY_SOURCE_PROTOCOL) and one_line:
        return width >= WIDTH_OF_RUNNERS_ON_ONE_LINE
    return column.min_width <= width


def _make_cell(column: TerminalColumn, row: JudgedRow, texts: Texts) -> Text:
    text = column.text(row, texts)
    return Text(text) if isinstance(text, str) else text


def _add_second_lines(
    cells: list[list[Text]],
    columns: Sequence[TerminalColumn],
    rows: Sequence[tuple[JudgedRow, Texts]],
) -> None:
    """Add what has no column of its own: the runner below the label, and the second verdict."""
    titles = [column.title for column in columns]
    for row_cells, (row, texts) in zip(cells, rows, strict=True):
        if RUNNER not in titles and (name := describe_runner(row)):
            label = row_cells[titles.index("")]
            row_cells[titles.index("")] = Text("\n").join([label, make_text(f"  {name}", "dim")])
        if BY_SOURCE_PROTOCOL not in titles and _has_second_verdict(row):
            second = Text.assemble(f"{BY_SOURCE_PROTOCOL}: ", _format_source_protocol(row, texts))
            i = titles.index("verdict")
            row_cells[i] = Text("\n").join([row_cells[i], second])


def _find_widths(
    columns: Sequence[TerminalColumn],
    titles: Sequence[str],
    cells: Sequence[Sequence[Text]],
    available: int,
    *,
    one_line: bool,
) -> list[int]:
    """Find the widths of the columns; texts that cannot wrap keep theirs while others can."""
    texts = [[title, *(row[i].plain for row in cells)] for i, title in enumerate(titles)]
    wraps = [column.wraps and not one_line for column in columns]
    words = [
        [
            " ".join(split_words(line)) if column_wraps else line.replace(" ", "_")
            for text in column
            for line in text.split("\n")
        ]
        for column, column_wraps in zip(texts, wraps, strict=True)
    ]
    widths = fit_widths(list(zip_longest(*words, fillvalue="")), available)
    if not any(wraps):
        return widths
    return _save_lines(
        {i: column for i, column in enumerate(texts) if wraps[i]},
        {i: max(map(_measure_unbroken, words[i])) for i in range(len(columns))},
        widths,
    )


def _measure_unbroken(line: str) -> int:
    """Measure a short text, or the longest word of any other."""
    width = cell_len(line)
    return width if width <= SHORT_TEXT else max(map(cell_len, line.split()))


def _save_lines(
    texts: Mapping[int, Sequence[str]], least: Mapping[int, int], widths: Sequence[int]
) -> list[int]:
    """Move width from column to column while this saves lines; return the widths.

    ``texts``: those of the columns that wrap. ``least``: the least width of each column.
    """

    def rate(tried: Sequence[int]) -> float:
        """Count the lines of the table, and a half for each line of its verdicts, which matter."""
        lines = [[counts[i](text, tried[i]) for text in column] for i, column in texts.items()]
        return sum(map(max, zip(*lines, strict=True))) + sum(map(sum, lines[1:])) / 2

    counts = {i: cache(count_wrapped_lines) for i in texts}
    best, lowest = list(widths), rate(widths)
    for step in (8, 4, 2, 1):
        for narrower, wider in permutations(texts, 2):
            while best[narrower] - step >= least[narrower]:
                tried = list(best)
                tried[narrower] -= step
                tried[wider] += step
                if (rating := rate(tried)) >= lowest:
                    break
                best, lowest = tried, rating
    return best


def _count_verdicts(rows: Sequence[JudgedRow], n_all: int) -> Text:
    """Count both verdicts: ``29 rows: ● 5 reproduced. By the source's protocol: 2 more ...``."""
    text = Text(f"{summarise_verdicts(rows, n_all, has_marks=True)}.")
    for kind in count_verdicts(rows):
        text.highlight_words([kind.style.mark], kind.style.terminal_style)
    if n := len(find_reproduced_by_source(rows)):
        text.append(f" {BY_SOURCE_PROTOCOL.capitalize()}: {n} more reproduced.")
    return text


def _has_content(column: TerminalColumn, table: AccuracyTable) -> bool:
    """Whether a column is always shown, or has a text in some row."""
    if column.title in OF_COMPARABLE and not table.has_verdicts:
        return False
    if column.title not in OPTIONAL:
        return True
    texts = zip(table.judged, table.text_rows(), strict=True)
    return any(str(column.text(row, row_texts)) for row, row_texts in texts)


def _format_verdict(row: JudgedRow, texts: Texts) -> Text:
    """A row's verdict with its mark and colour; under another protocol, its status."""
    words, kind = shorten_verdict(row), row.verdict.kind
    if not texts["verdict"]:  # a quick run is not judged
        words = texts["status"]
        if row.status is Status.MEASURED:
            return make_text(words)
        kind = VerdictKind.FAILED if row.status is Status.FAILED else VerdictKind.NOT_RUN
    style = kind.style.terminal_style
    return make_text(f"{kind.style.mark} {words}", style)


def _format_measured(row: JudgedRow, texts: Texts) -> Text:
    """The mean and its spread, with a mark if it is fmbench's own measurement."""
    text = Text(texts["mean"], style="bold")
    if row.has_spread:
        text.append(f" ± {texts['sd']}", style="not bold")
    if row.from_reference:
        text.append(REFERENCE_MARK, style="not bold")
    return text


def _format_source_protocol(row: JudgedRow, texts: Texts) -> Text:
    """What the source's own protocol gives, with the mark of its verdict."""
    if not texts["source_protocol_mean"] or row.source_protocol is None:
        return Text("")
    kind, words = row.source_protocol.verdict.kind, format_source_protocol(row)
    if kind not in TESTED:
        return make_text(words)
    return Text.assemble((f"{kind.style.mark} ", kind.style.terminal_style), make_text(words))


def _has_second_verdict(row: JudgedRow) -> bool:
    return row.source_protocol is not None and row.source_protocol.verdict.kind in TESTED


def _format_control(row: JudgedRow, texts: Texts) -> Text:
    return make_text(format_control(row) if texts["control_claimed"] else "")


def _format_parameters(row: JudgedRow, texts: Texts) -> Text:
    """The deciding parameters of the row's runner; the name of an estimator has its own."""
    return make_text("" if ":" in row.runner else describe_parameters(row.runner), "dim")


TERMINAL_COLUMNS = (
    TerminalColumn("", lambda row, texts: make_text(row.label), justify="left", wraps=True),
    TerminalColumn(
        RUNNER,
        lambda row, texts: make_text(row.runner, "dim"),
        WIDTH_OF_RUNNERS,
        "left",
        wraps=True,
    ),
    TerminalColumn(PARAMETERS, _format_parameters, WIDTH_OF_RUNNERS, "left", wraps=True),
    TerminalColumn("claimed", lambda row, texts: texts["claimed"]),
    TerminalColumn("source", lambda row, texts: texts["source"], 176),
    TerminalColumn("reference", lambda row, texts: texts["reference"], 176),
    TerminalColumn("measured", _format_measured, justify="left"),
    TerminalColumn("n", lambda row, texts: texts["n"]),
    TerminalColumn("gap", lambda row, texts: texts["gap"], 92),
    TerminalColumn("one new run", lambda row, texts: format_interval(row.low, row.high), 110),
    TerminalColumn("fit, s", lambda row, texts: texts["fit_seconds"], 150),
    TerminalColumn("verdict", _format_verdict, justify="left", wraps=True),
    TerminalColumn(
        BY_SOURCE_PROTOCOL, _format_source_protocol, WIDTH_OF_BOTH_VERDICTS, "left", wraps=True
    ),
    TerminalColumn(CONTROL, _format_control, 128, "left"),
)
