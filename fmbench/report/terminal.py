"""Prints tables in a terminal, as wide as it is, with coloured and marked verdicts.

The most important columns come first, and a wider terminal shows more of them. A verdict's mark and
words say the same as its colour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from fmbench.analysis.evaluation import JudgedRow
from fmbench.analysis.verdicts import VerdictKind
from fmbench.report.row_texts import (
    BY_SOURCE_PROTOCOL,
    CONTROL,
    TESTED,
    find_reproduced_by_source,
    format_control,
    format_source_protocol,
    shorten_verdict,
    summarise_verdicts,
)
from fmbench.report.tables import OPTIONAL, AccuracyTable
from fmbench.utils.formatting import format_interval
from fmbench.utils.table import Table

Texts = Mapping[str, str]  # a row of the table of accuracies as it is printed
WIDTH_OF_BOTH_VERDICTS = 110  # narrower tables show the second verdict below the first one


@dataclass(frozen=True)
class TerminalColumn:
    """A column of the table of accuracies, shown if the terminal has ``min_width`` columns."""

    title: str
    text: Callable[[JudgedRow, Texts], str | Text]
    min_width: int = 0
    justify: Literal["left", "right"] = "right"
    wraps: bool = False


def render_table(table: Table, width: int, *, one_line: bool = False) -> Group:
    """Render a table for a terminal of ``width`` columns.

    ``one_line``: no row of the accuracies takes more than one line.
    """
    grid = RichTable(box=None, padding=(0, 2 if width >= 100 else 1, 0, 0), header_style="bold",
                     pad_edge=False, show_edge=False)  # fmt: skip
    title = Text(table.title, style="bold")
    if isinstance(table, AccuracyTable):
        _fill_accuracies(grid, table, width, one_line=one_line)
        note = "percent of the test images; ± standard deviation over n seeds"
        if not one_line:
            note += "; `fmbench table --format md` explains every column and verdict"
        counts = _count_verdicts(table.judged) if table.has_verdicts else ""
        return Group(title, Text(), grid, Text(), Text(counts), Text(note, style="dim"))
    for i, column in enumerate(table.columns):
        # A figure and its spread stay on one line; the header wraps instead.
        header = column.name.replace(" ", "\n")
        grid.add_column(header, justify="right" if i else "left", no_wrap=bool(i))
    for row in table.text_rows():
        grid.add_row(*map(Text, row.values()))
    notes = [Text(note, style="dim") for note in table.notes if note]
    return Group(title, Text(), grid, Text(), *notes)


def _fill_accuracies(grid: RichTable, table: AccuracyTable, width: int, *, one_line: bool) -> None:
    columns = [c for c in TERMINAL_COLUMNS if c.min_width <= width and _has_content(c, table)]
    for column in columns:
        grid.add_column(
            column.title,
            justify=column.justify,
            no_wrap=one_line or not column.wraps,
            overflow="ellipsis" if one_line else "fold",
            ratio=None if not column.wraps else 3 if column.title == "" else 2,
        )
    for row, texts in zip(table.judged, table.text_rows(), strict=True):
        cells = {column.title: column.text(row, texts) for column in columns}
        if BY_SOURCE_PROTOCOL not in cells and not one_line and _has_second_verdict(row):
            second = _format_source_protocol(row, texts)
            cells["verdict"] = Text.assemble(cells["verdict"], f"; {BY_SOURCE_PROTOCOL}: ", second)
        grid.add_row(*cells.values())
    grid.expand = True


def _count_verdicts(rows: Sequence[JudgedRow]) -> str:
    """Count both verdicts: ``29 rows: 5 reproduced. By the source's protocol: 2 more ...``."""
    text = f"{summarise_verdicts(rows)}."
    if n := len(find_reproduced_by_source(rows)):
        text += f" {BY_SOURCE_PROTOCOL.capitalize()}: {n} more reproduced."
    return text


def _has_content(column: TerminalColumn, table: AccuracyTable) -> bool:
    """Whether a column is always shown, or has a text in some row."""
    if column.title not in OPTIONAL:
        return True
    texts = zip(table.judged, table.text_rows(), strict=True)
    return any(str(column.text(row, row_texts)) for row, row_texts in texts)


def _format_verdict(row: JudgedRow, texts: Texts) -> Text:
    """A row's verdict with its mark and colour; under another protocol, its status."""
    words = shorten_verdict(row) if texts["verdict"] else texts["status"]
    kind = row.verdict.kind
    if not texts["verdict"] and kind is VerdictKind.UNTESTABLE:  # measured, and not judged
        return Text(words)
    style = kind.style.terminal_style
    return Text.assemble((f"{kind.style.mark} ", style), (words, style))


def _format_measured(row: JudgedRow, texts: Texts) -> Text:
    """The mean and its spread."""
    text = Text(texts["mean"], style="bold")
    if row.has_spread:
        text.append(f" ± {texts['sd']}", style="not bold")
    return text


def _format_source_protocol(row: JudgedRow, texts: Texts) -> Text:
    """What the source's own protocol gives, with the mark of its verdict."""
    if not texts["source_protocol_mean"] or row.source_protocol is None:
        return Text("")
    kind, words = row.source_protocol.verdict.kind, format_source_protocol(row)
    if kind not in TESTED:
        return Text(words)
    return Text.assemble((f"{kind.style.mark} ", kind.style.terminal_style), words)


def _has_second_verdict(row: JudgedRow) -> bool:
    return row.source_protocol is not None and row.source_protocol.verdict.kind in TESTED


def _format_control(row: JudgedRow, texts: Texts) -> str:
    return format_control(row) if texts["control_claimed"] else ""


TERMINAL_COLUMNS = (
    TerminalColumn("", lambda row, texts: Text(row.label), justify="left", wraps=True),
    TerminalColumn("runner", lambda row, texts: Text(row.runner, style="dim"), 134, "left"),
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
