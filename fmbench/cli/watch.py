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
    from rich.console import Console

    from fmbench.records.store import Store
    from fmbench.report.live_table import LiveTable


@click.command(
    short_help="Show the table while a run fills it.",
    epilog="Example: fmbench watch --results results/local",
)
@click.option("--every", type=options.FiniteNumber(0.1, 3600), default=2.0, show_default=True,
              help="Seconds between two checks of the folder.")  # fmt: skip
@click.option("--quick", is_flag=True, help="The table of `fmbench run --quick`.")
@options.suite
@options.results
@options.data
def watch(
    every: float, quick: bool, suite_file: Path | None, results: Path, data: dict[str, Path]
) -> None:
    """Show the table while a run in another terminal fills it. Ctrl-C ends it.

    If the terminal has too few lines for all rows, it shows those that were measured last.
    """
    from rich.console import Console

    from fmbench.analysis.evaluation import read_results
    from fmbench.datasets import locate
    from fmbench.datasets.specs import DEFAULT_DATASET
    from fmbench.records.protocols import FULL, QUICK
    from fmbench.records.store import Store
    from fmbench.report.live_table import LiveTable
    from fmbench.suites import reader

    if not sys.stdout.isatty():
        raise UserError("watch needs a terminal; `fmbench table` prints the table once")
    suite, protocol = reader.read_suite(suite_file), QUICK if quick else FULL
    locate.check_folders(data)
    folder = data.get(DEFAULT_DATASET.name)
    store, console = Store(results), Console()
    seen: object = None
    try:
        shown = LiveTable(lambda: read_results(results, suite, protocol, folder, store=store))
        while True:
            if (now := (_list_records(store), console.size)) != seen:
                seen = now
                shown.mark_changed()
                shown.update(at_once=True)
                _draw(shown, console)
            time.sleep(every)
    except KeyboardInterrupt:
        return


def _list_records(store: Store) -> list[tuple[str, int]]:
    """The records and their times: changes when a record is added, removed or replaced."""
    found = []
    for path in store.list_record_files():
        try:
            found.append((str(path), path.stat().st_mtime_ns))
        except FileNotFoundError:  # just replaced: the next check sees the new one
            continue
    return found


def _draw(shown: LiveTable, console: Console) -> None:
    """Draw the table and one line below it, no higher than the terminal."""
    from fmbench.utils.rich_text import make_text

    results = shown.results
    n_measured = sum(row.is_measured_here for row in results.rows)
    line = (
        f"{n_measured} of {shown.n_rows} rows measured here, {len(results.records)} runs in "
        f"{results.store.folder}; {time.strftime('%H:%M:%S')}; Ctrl-C ends"
    )
    console.clear()
    # The terminal's last line is left free for the cursor.
    console.print(shown.render(console.width, console.height - 2), highlight=False)
    console.print(make_text(line, "dim"), no_wrap=True, overflow="ellipsis")
