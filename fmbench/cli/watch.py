"""`fmbench watch`: shows the table while a run in another terminal fills it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.records.protocols import Protocol
    from fmbench.suites.claims import Suite


@click.command(epilog="Example: fmbench watch --results results/local")
@click.option("--every", type=options.FiniteNumber(0.1, 3600), default=2.0, show_default=True,
              help="Seconds between two checks of the folder.")  # fmt: skip
@click.option("--quick", is_flag=True, help="The table of `fmbench run --quick`.")
@options.suite
@options.results
@options.data
def watch(
    every: float, quick: bool, suite_file: Path | None, results: Path, data: dict[str, Path]
) -> None:
    """Show the table while a run in another terminal fills it. Ctrl-C ends it."""
    from fmbench.datasets import locate
    from fmbench.records.protocols import FULL, QUICK
    from fmbench.suites import reader

    if not sys.stdout.isatty():
        raise UserError("watch needs a terminal; `fmbench table` prints the table once")
    suite, protocol = reader.read_suite(suite_file), QUICK if quick else FULL
    locate.check_folders(data)
    seen: object = None
    try:
        while True:
            if (now := _list_records(results)) != seen:
                seen = now
                _draw_table(results, suite, protocol, data)
            time.sleep(every)
    except KeyboardInterrupt:
        return


def _list_records(results: Path) -> list[tuple[str, int]]:
    """The records and their times: changes when a record is added, removed or replaced."""
    from fmbench.records.store import Store

    found = []
    for path in Store(results).list_record_files():
        try:
            found.append((str(path), path.stat().st_mtime_ns))
        except FileNotFoundError:  # just replaced: the next check sees the new one
            continue
    return found


def _draw_table(results: Path, suite: Suite, protocol: Protocol, data: dict[str, Path]) -> None:
    from rich.console import Console

    from fmbench.analysis.evaluation import read_results
    from fmbench.datasets.specs import DEFAULT_DATASET
    from fmbench.report.tables import build_table
    from fmbench.report.terminal import render_table
    from fmbench.utils.rich_text import make_text

    evaluation = read_results(results, suite, protocol, data.get(DEFAULT_DATASET.name))
    table = build_table(evaluation, "accuracies")
    n_measured = sum(row.is_measured_here for row in evaluation.rows)
    console = Console()
    console.clear()
    console.print(render_table(table, console.width, one_line=True), highlight=False)
    line = (
        f"{n_measured} of {len(table.rows)} rows measured here, {len(evaluation.records)} runs in "
        f"{results}; {time.strftime('%H:%M:%S')}; Ctrl-C ends"
    )
    console.print(make_text(line, "dim"), no_wrap=True, overflow="ellipsis")
