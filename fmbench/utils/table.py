"""Formats tables as Markdown, CSV, JSON or plain text; cells are numbers until they are printed.

Each :class:`Column` has a :class:`ColumnKind` that says how its values are printed. All formats
print the same digits; JSON has them as numbers, and ``null`` where there is no value.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


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


def _format_signed(difference: float) -> str:
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
POINTS = ColumnKind("points, with their sign", _format_signed, float, "right")
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

    ``is_detail``: CSV and JSON have the column, Markdown leaves it out.
    """

    name: str
    kind: ColumnKind = TEXT
    is_detail: bool = False

    def text(self, value: Any) -> str:
        """A value of this column as it is printed."""
        return "" if value is None else self.kind.to_text(value)

    def json(self, value: Any) -> Any:
        """A value of this column as JSON has it."""
        text = self.text(value)
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

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    def text_rows(self) -> list[dict[str, str]]:
        """The rows as they are printed: text by the name of the column."""
        return [{c.name: c.text(row[c.name]) for c in self.columns} for row in self.rows]


def format_markdown(table: Table) -> str:
    """Format title, table and notes as Markdown."""
    from tabulate import tabulate

    columns = [column for column in table.columns if not column.is_detail]
    names = [column.name for column in columns]
    cells = [[row[name].replace("|", "\\|") for name in names] for row in table.text_rows()]
    body = tabulate(
        cells,
        headers=names,
        tablefmt="pipe",
        disable_numparse=True,
        colalign=[column.kind.align for column in columns] if cells else None,
    )
    notes = "".join(f"\n- {note}" for note in table.notes)
    return f"# {table.title}\n\n{body}\n" + (f"{notes}\n" if notes else "")


def format_csv(table: Table) -> str:
    """Format the rows as CSV under a header line."""
    import csv

    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, table.names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table.text_rows())
    return buffer.getvalue()


def format_json(table: Table) -> str:
    """Format the rows as a JSON list of objects, with the units and the decimals of the table."""
    rows = [{c.name: c.json(row[c.name]) for c in table.columns} for row in table.rows]
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


FORMATS = {"md": format_markdown, "csv": format_csv, "json": format_json}
