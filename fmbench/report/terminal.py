"""Tables for the eye, in a terminal: as wide as it is, the verdicts coloured and marked.

The columns that matter come first; a wider terminal gets more of them. What a colour says, a mark
and the words say too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from rich.console import Group
from rich.table import Table as Grid
from rich.text import Text

from fmbench.report.tables import ACCURACIES_COLUMNS
from fmbench.utils.table import Table

Row = Mapping[str, str]

# By the verdict's word: mark and style.
MARKS = {
    "reproduced": ("●", "green"),
    "not reproduced, claim higher": ("◀", "red"),
    "not reproduced, claim lower": ("▶", "blue"),
    "inconclusive": ("◆", "yellow"),
    "untestable": ("○", "dim"),
    "not run": ("–", "dim"),
    "failed": ("✕", "bold red"),
}


@dataclass(frozen=True)
class Column:
    """A column of Table 3: shown where the terminal has at least ``at`` columns."""

    title: str
    text: Callable[[Row], str | Text]
    at: int = 0
    justify: Literal["left", "right"] = "right"


def render(table: Table, width: int, *, one_line: bool = False) -> Group:
    """A table for a terminal of ``width`` columns; ``one_line``: no row takes more than one."""
    grid = Grid(box=None, padding=(0, 2 if width >= 100 else 1, 0, 0), header_style="bold",
                pad_edge=False, show_edge=False)  # fmt: skip
    if table.columns != ACCURACIES_COLUMNS:
        for i, name in enumerate(table.columns):
            # A figure and its spread stay on one line; the title gives way.
            title = name.replace(" ", "\n")
            grid.add_column(title, justify="right" if i else "left", no_wrap=bool(i))
        for row in table.rows:
            grid.add_row(*(Text(row[name]) for name in table.columns))
        notes = [Text(note, style="dim") for note in table.notes if note]
        return Group(Text(table.title, style="bold"), Text(), grid, Text(), *notes)
    columns = [column for column in COLUMNS if column.at <= width]
    for column in columns:
        wraps = column.title in ("", "verdict")
        grid.add_column(
            column.title, justify=column.justify, no_wrap=one_line or not wraps,
            overflow="ellipsis" if one_line else "fold",
            ratio=None if not wraps else 3 if column.title == "" else 2,
        )  # fmt: skip
    for row in table.rows:
        grid.add_row(*(column.text(row) for column in columns))
    grid.expand = True
    below = "percent of the test images; ± standard deviation over n seeds"
    if not one_line:
        below += "; `fmbench table --format md` has every column and the notes"
    return Group(Text(table.title, style="bold"), Text(), grid, Text(), Text(below, style="dim"))


def verdict(row: Row) -> Text:
    """A row's verdict, marked and coloured; of another protocol, its status."""
    words = row["verdict"] or row["status"]
    mark, style = MARKS.get(words.split(":")[0], ("", ""))
    return Text.assemble((f"{mark} " if mark else "", style), (words, style))


def measured(row: Row) -> Text:
    """The mean and its spread."""
    text = Text(row["mean"], style="bold")
    if row["mean"] and row["sd"] and row["n"] != "1":
        text.append(f" ± {row['sd']}", style="not bold")
    return text


def one_new_run(row: Row) -> str:
    """The prediction interval; of a deterministic model, its one accuracy."""
    return row["low"] if row["low"] == row["high"] else f"{row['low']} to {row['high']}"


COLUMNS = (
    Column("", lambda row: Text(row["label"]), justify="left"),
    Column("runner", lambda row: Text(row["runner"], style="dim"), 124, "left"),
    Column("claimed", lambda row: row["claimed"]),
    Column("source", lambda row: row["source"], 150),
    Column("reference", lambda row: row["reference"], 138),
    Column("measured", measured, justify="left"),
    Column("n", lambda row: row["n"]),
    Column("gap", lambda row: row["gap"], 92),
    Column("one new run", lambda row: f"{row['low']} to {row['high']}" if row["low"] else "", 110),
    Column("fit, s", lambda row: row["fit_seconds"], 150),
    Column("verdict", verdict, justify="left"),
)
