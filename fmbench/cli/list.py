"""`fmbench list`: lists every row and runner, with what was claimed and measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import find_terminal_width, print_message, print_output
from fmbench.utils.printable import escape_on_one_line, shorten

if TYPE_CHECKING:
    from fmbench.analysis.summary import Summary
    from fmbench.api import ListedRunner

MAX_CELL = 200  # characters
HEADER = (
    "name", "label in the paper", "parameters", "claimed", "reference", "yours", "cost", "device",
)  # fmt: skip
# In a terminal: the columns that need this width, and those that are left out if they are empty.
MIN_WIDTHS = {"cost": 100, "device": 120}
OPTIONAL = {"claimed", "reference", "yours"}
MIN_LABEL = 20  # columns of a terminal that the names and the labels get at least
WRAPPED_BELOW, WRAPPED = 100, len("91.28 ± 0.29")  # the number of seeds then has its own line


@click.command("list", epilog="Example: fmbench list --results results/local")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@options.suite
@options.results
def list_runners(names: tuple[str, ...], suite_file: Path | None, results: Path) -> None:
    """List every row and runner, its deciding parameters, and what was claimed and measured.

    With a NAME, as for `fmbench run`, list only that one. No code of a plug-in is run. A narrow
    terminal shows the parameters below the label, and leaves out cost and device.
    """
    from tabulate import tabulate

    from fmbench import api

    listed = api.list_runners(names, suite=suite_file, results=results)
    lines = [_format_line(runner) for runner in listed]
    if (width := find_terminal_width()) is None:
        print_output(tabulate(lines, HEADER, tablefmt="simple", disable_numparse=True))
    else:
        print_output(format_for_terminal(lines, width))
    for runner in listed:
        if runner.no_runner:
            print_message(f"{runner.label} has no runner: {runner.no_runner}")


def format_for_terminal(lines: Sequence[tuple[str, ...]], width: int) -> str:
    """Format the lines as a table that fits a terminal of ``width`` columns, at least 80.

    The parameters stand below the label. Names and labels share the width that the other columns
    leave.
    """
    from tabulate import tabulate

    rows = [dict(zip(HEADER, line, strict=True)) for line in lines]
    for row in rows:
        row["label in the paper"] = "\n".join(
            filter(None, [row["label in the paper"], row.pop("parameters")])
        )
    columns = [
        column
        for column in HEADER
        if column != "parameters"
        and MIN_WIDTHS.get(column, 0) <= width
        and (column not in OPTIONAL or any(row[column] for row in rows))
    ]
    widths = {c: max(len(c), *(len(row[c]) for row in rows)) for c in columns}
    if width < WRAPPED_BELOW:
        widths |= {c: min(widths[c], WRAPPED) for c in ("reference", "yours") if c in widths}
    free = width - sum(w + 2 for c, w in widths.items() if c not in HEADER[:2]) - 2
    widths["name"] = min(widths["name"], max(MIN_LABEL, free // 2))
    widths["label in the paper"] = max(MIN_LABEL, free - widths["name"])
    cells = [[row[c] for c in columns] for row in rows]
    return tabulate(
        cells, columns, tablefmt="simple", disable_numparse=True,
        maxcolwidths=[widths[c] for c in columns],
    )  # fmt: skip


def _format_line(listed: ListedRunner) -> tuple[str, ...]:
    cost, device = "", ""
    if listed.no_runner:
        from fmbench.analysis.summary import Status

        cost = Status.NO_RUNNER.value
    elif listed.runner:
        cost = listed.runner.cost_in_words
        device = "cpu, cuda" if listed.runner.uses_gpu else "cpu"
    texts = (
        listed.name,
        listed.label,
        listed.parameters,
        listed.claimed or "",
        _format_summary(listed.reference),
        _format_summary(listed.measured),
        cost,
        device,
    )
    return tuple(escape_on_one_line(shorten(text, MAX_CELL)) for text in texts)


def _format_summary(summary: Summary | None) -> str:
    if summary is None:
        return ""
    if summary.mean is None:
        return summary.status_text
    spread = f" ± {100 * summary.sd:.2f}" if summary.n > 1 and summary.sd is not None else ""
    return f"{100 * summary.mean:.2f}{spread} (n={summary.n})"
