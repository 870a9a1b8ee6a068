"""The verb that looks on while others measure."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.errors import UserError
from fmbench.report.tables import build_table

if TYPE_CHECKING:
    from fmbench.records.protocols import Protocol
    from fmbench.suites.claims import Suite


@click.command(epilog="Example: fmbench watch --results results/local")
@click.option("--every", type=options.Finite(0.1, 3600), default=2.0, show_default=True,
              help="Seconds between two looks at the folder.")  # fmt: skip
@click.option("--quick", is_flag=True, help="The table of `fmbench run --quick`.")
@options.suite
@options.results
@options.data
def watch(
    every: float, quick: bool, suite_file: Path | None, results: Path, data: Path | None
) -> None:
    """Show the table as it grows, beside a run in another terminal. Ctrl-C ends it."""
    from fmbench.records.protocols import FULL, QUICK
    from fmbench.suites import reader

    if not sys.stdout.isatty():
        raise UserError("watch needs a terminal; `fmbench table` prints the table once")
    suite, protocol = reader.read(suite_file), QUICK if quick else FULL
    seen: object = None
    try:
        while True:
            if (now := _state(results)) != seen:
                seen = now
                _draw(results, suite, protocol, data)
            time.sleep(every)
    except KeyboardInterrupt:
        return


def _state(results: Path) -> list[tuple[str, int]]:
    """What changes when a record comes, goes, or is replaced."""
    found = []
    for path in sorted((results / "records").glob("*/*.json")):
        try:
            found.append((str(path), path.stat().st_mtime_ns))
        except FileNotFoundError:  # replaced meanwhile: the next look sees the new one
            continue
    return found


def _draw(results: Path, suite: Suite, protocol: Protocol, data: Path | None) -> None:
    from rich.console import Console

    from fmbench.analysis.evaluation import read
    from fmbench.report.terminal import render

    outcome = read(results, suite, protocol, data)
    table = build_table(outcome, "accuracies")
    n_measured = sum(bool(row["mean"]) for row in table.rows)
    console = Console()
    console.clear()
    console.print(render(table, console.width, one_line=True), highlight=False)
    console.print(
        f"{n_measured} of {len(table.rows)} rows measured, {len(outcome.records())} runs in "
        f"{results}; {time.strftime('%H:%M:%S')}; Ctrl-C ends",
        style="dim", highlight=False, markup=False, no_wrap=True, overflow="ellipsis",
    )  # fmt: skip
