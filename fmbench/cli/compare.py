"""The verb that holds two runners against each other: nothing is run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import left_out, output, run_all, say
from fmbench.datasets.specs import FASHION_MNIST
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.suites.entries import Entry


@click.command(
    epilog="Examples: fmbench compare lenet5 svc-rbf; fmbench compare --all --format csv"
)
@click.argument("names", nargs=-1, metavar="[A B]")
@click.option("--all", "compare_all", is_flag=True, help="Every pair of the suite's rows.")
@click.option("--format", "format_", type=click.Choice(["md", "csv", "json"]), default="md",
              show_default=True)  # fmt: skip
@click.option("--quick", is_flag=True, help="The records of `fmbench run --quick`.")
@options.suite
@options.results
@options.data
def compare(
    names: tuple[str, ...],
    compare_all: bool,
    format_: str,
    quick: bool,
    suite_file: Path | None,
    results: Path,
    data: Path | None,
) -> None:
    """Is one runner better than another? From stored predictions; nothing is run."""
    import numpy as np

    from fmbench.analysis import comparison as comparing
    from fmbench.analysis.summary import current
    from fmbench.datasets import locate
    from fmbench.records.protocols import FULL, QUICK, labels
    from fmbench.records.store import Store
    from fmbench.suites import reader
    from fmbench.suites.entries import of_suite, recorded
    from fmbench.utils import table

    if compare_all == bool(names) or (names and len(set(names)) != 2) or len(names) > 2:
        raise UserError("name two different runners, or --all; `fmbench list` shows them")
    protocol = QUICK if quick else FULL
    rows, _ = of_suite(reader.read(suite_file))
    store = Store(results)
    contents = store.read()
    asked = {e.name: e for e in recorded(contents.finished.values())}
    wanted = [_meant(name, rows | asked) for name in names] or [
        entry for entry in rows.values() if entry.dataset == FASHION_MNIST
    ]
    found = {entry.name: current(entry, protocol, contents) for entry in wanted}
    missing = [name for name, records in found.items() if not records]
    run = "fmbench run --quick" if quick else "fmbench run"
    if missing and names:
        raise UserError(f"{missing[0]} has no {protocol.name} result in {results}: `{run} "
                        f"{missing[0]}` measures it")  # fmt: skip
    if len(found) - len(missing) < 2:
        raise UserError(f"{results} holds {protocol.name} results of fewer than two rows: "
                        f"{run_all(suite_file, quick=quick)} measures them")  # fmt: skip
    y_true = labels(protocol, locate.locate(data=data))
    predictions = {
        name: np.stack([store.y_pred(record) for record in records])
        for name, records in found.items()
        if records
    }
    single = [e.name for e in wanted if len(found[e.name]) == 1 and not e.runner.deterministic]
    compared = comparing.as_table(
        comparing.compare(y_true, predictions), protocol, unknown_spread=single
    )
    output(table.FORMATS[format_](compared))
    if missing:
        say(f"not measured, so in no pair: {', '.join(missing)}")
    sys.exit(left_out(contents.broken))


def _meant(name: str, known: Mapping[str, Entry]) -> Entry:
    """What a table calls so, a runner of the package, or a plug-in that has no records yet."""
    [entry] = options.entries([name], known=known)
    if entry.dataset != FASHION_MNIST:
        raise UserError(f"{name} was not measured on {FASHION_MNIST.title}: compare two that were")
    return entry
