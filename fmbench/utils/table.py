"""TODO docstring."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Table:
    """A titled table; ``notes`` are printed below it in Markdown."""

    title: str
    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    notes: tuple[str, ...] = ()


def as_markdown(table: Table) -> str:
    """Title, table and notes."""
    import pandas as pd

    cells = [{name: text.replace("|", "\\|") for name, text in row.items()} for row in table.rows]
    frame = pd.DataFrame(cells, columns=list(table.columns))
    numeric = [_is_numeric(frame[column]) for column in table.columns]
    body = frame.to_markdown(
        index=False,
        disable_numparse=True,
        colalign=["right" if right else "left" for right in numeric],
    )
    notes = "".join(f"\n- {note}" for note in table.notes)
    return f"# {table.title}\n\n{body}\n" + (f"{notes}\n" if notes else "")


def as_csv(table: Table) -> str:
    """The rows under a header line."""
    import pandas as pd

    buffer = io.StringIO()
    frame = pd.DataFrame(table.rows, columns=list(table.columns))
    frame.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue()


def as_json(table: Table) -> str:
    """A list of objects; figures are strings with the decimals that they are known to."""
    return json.dumps(table.rows, indent=1, ensure_ascii=False) + "\n"


FORMATS = {"md": as_markdown, "csv": as_csv, "json": as_json}


def _is_numeric(values: Sequence[str]) -> bool:
    def number(text: str) -> bool:
        try:
            float(text)
        except ValueError:
            return False
        return True

    return all(number(value) for value in values if value)
