"""The verb that measures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options, session
from fmbench.cli.output import complain, say, show
from fmbench.errors import UserError
from fmbench.report.tables import build_table, write_tables

if TYPE_CHECKING:
    from fmbench.suites.claims import Suite
    from fmbench.suites.entries import Entry


@click.command(
    epilog="Examples: fmbench run --all; fmbench run lenet5 --seeds 2; "
    "fmbench run ./my_model.py:make_model -p max_depth=20; "
    "fmbench run sklearn.ensemble:HistGradientBoostingClassifier -p max_iter=50"
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@options.parameters
@click.option(
    "--all", "run_all", is_flag=True,
    help="Every row of the suite that has a runner, but those run by name only.",
)  # fmt: skip
@options.suite
@click.option(
    "--quick", is_flag=True, help="A small part of the data and few epochs: minutes, no verdicts."
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 10_000),
    help="Seeds of each stochastic runner; deterministic ones run once.  [default: 5; quick: 2]",
)
@session.limits
@click.option("--force", is_flag=True, help="Run again what is finished.")
@click.option("--refresh", is_flag=True, help="Run again what was measured with other versions.")
@options.results
@options.data
@options.digits
def run(
    names: tuple[str, ...],
    parameters: tuple[str, ...],
    run_all: bool,
    suite_file: Path | None,
    quick: bool,
    seeds: int | None,
    allowed: session.Allowed,
    force: bool,
    refresh: bool,
    results: Path,
    data: Path | None,
    digits: Path | None,
) -> None:
    """Measure runners, then print and write the table. Finished cells are not run again.

    NAME is a runner, or a model of your own: FILE.py:NAME, or module:NAME of an installed package.
    """
    from fmbench.analysis.evaluation import read
    from fmbench.analysis.reference import all_fit_seconds
    from fmbench.datasets import loading, locate
    from fmbench.datasets.download import fetch
    from fmbench.execution import schedule
    from fmbench.execution.estimate import Estimate
    from fmbench.records.protocols import FULL, QUICK
    from fmbench.records.store import Store
    from fmbench.suites import reader

    suite = reader.read(suite_file)
    entries = _chosen(names, run_all, suite, parameters)
    protocol = QUICK if quick else FULL
    n_seeds = seeds or (2 if quick else 5)
    store = Store(results)
    store.prepare()
    cluster = allowed.cluster(results)
    source = locate.locate(data=data, fetch=fetch)
    loading.verify(source.spec, source.folder)  # wrong data is the user's error, not a cell's
    cells = [cell for entry in entries for cell in entry.cells(protocol, n_seeds)]
    contents = store.read()
    estimate = Estimate(contents, all_fit_seconds())
    todo = schedule.in_order(
        schedule.pending(cells, contents, force=force, refresh=refresh), estimate
    )
    sources = {source.spec.name: source, **options.digits_for(todo, digits)}
    todo, cells = ([c for c in part if c.dataset.name in sources] for part in (todo, cells))
    todo.sort(key=lambda cell: cell.dataset != source.spec)  # one data set after the other
    made = session.Run(store, sources, allowed.limits(todo, cluster), estimate, cluster)
    if not todo:
        say(f"nothing to do: {len(cells)} cells are measured already (--force runs them again)")
    with made.until_interrupted():
        made.measure(todo, contents, n_planned=len(cells))
    outcome = read(results, suite, protocol, source.folder, entries)
    # With nothing measured the tables are as they were; scoring every metric anew takes seconds.
    written = write_tables(outcome, only_missing=not todo)
    show(build_table(outcome, "accuracies"))
    if written:
        say(f"written: {', '.join(str(path) for path in written)}")
    sys.exit(made.status or complain(outcome))


def _chosen(
    names: tuple[str, ...], run_all: bool, suite: Suite, parameters: tuple[str, ...] = ()
) -> list[Entry]:
    from fmbench.suites.entries import of_suite

    if run_all == bool(names):
        raise UserError("name the runners to run, or --all, not both; `fmbench list` shows them")
    rows, missing = of_suite(suite)
    if names:
        return options.entries(names, parameters, rows)
    if parameters:
        raise UserError("-p goes with the names of the runners to run, not with --all")
    for name, why in missing.items():
        say(f"left out {name}: {why}")
    chosen = [entry for entry in rows.values() if not entry.runner.by_name_only]
    if not chosen:
        raise UserError(f"{suite.path}: no [[row]] whose runner --all runs; `fmbench list` shows "
                        "the runners")  # fmt: skip
    return chosen
