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
    REFERENCE_MARK,
    TESTED,
    describe_reference,
    find_reproduced_by_source,
    find_rows_from_reference,
    format_control,
    format_source_protocol,
    shorten_verdict,
    summarise_verdicts,
)
from fmbench.report.tables import OPTIONAL, AccuracyTable
from fmbench.suites.matching import describe_configuration
from fmbench.utils.formatting import format_interval
from fmbench.utils.rich_text import make_text
from fmbench.utils.table import Table

Texts = Mapping[str, str]  # a row of the table of accuracies as it is printed
PARAMETERS = "parameters"
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
    title = make_text(table.printed_title, "bold")
    if isinstance(table, AccuracyTable):
        _fill_accuracies(grid, table, width, one_line=one_line)
        note = "percent of the test images; ± standard deviation over n seeds"
        if not one_line:
            note += (
                "; `fmbench table --format md` explains every column and verdict; `fmbench list` "
                "shows the parameters of each runner"
            )
        counts = _count_verdicts(table.judged) if table.has_verdicts else ""
        lines = [Text(counts)]
        if text := describe_reference(table.judged):
            n = len(find_rows_from_reference(table.judged))
            number = "" if n == len(table.judged) else f"{n} of {len(table.judged)} rows: "
            lines.append(make_text(f"{REFERENCE_MARK} {number}{text}"))
        return Group(title, Text(), grid, Text(), *lines, Text(note, style="dim"))
    columns = [column for column in table.columns if not column.is_detail]
    for i, column in enumerate(columns):
        # A figure and its spread stay on one line; the header wraps instead.
        header = make_text(column.name.replace(" ", "\n"), "bold")
        grid.add_column(header, justify="right" if i else "left", no_wrap=bool(i))
    for row in table.text_rows():
        grid.add_row(*(Text(row[column.name]) for column in columns))
    notes = [Text(note, style="dim") for note in table.printed_notes if note]
    return Group(title, Text(), grid, Text(), *notes)


def _fill_accuracies(grid: RichTable, table: AccuracyTable, width: int, *, one_line: bool) -> None:
    columns = [
        c
        for c in TERMINAL_COLUMNS
        if c.min_width <= width
        and _has_content(c, table)
        and not (one_line and c.title == PARAMETERS)
    ]
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
        return make_text(words)
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
    return make_text("" if ":" in row.runner else describe_configuration(row.runner), "dim")


TERMINAL_COLUMNS = (
    TerminalColumn("", lambda row, texts: make_text(row.label), justify="left", wraps=True),
    TerminalColumn("runner", lambda row, texts: make_text(row.runner, "dim"), 134, "left"),
    TerminalColumn(PARAMETERS, _format_parameters, 160, "left", wraps=True),
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
