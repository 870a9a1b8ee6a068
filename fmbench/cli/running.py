"""The verb that measures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import common, measuring
from fmbench.cli.common import say, show
from fmbench.cli.judging import complain
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.claims import Suite
    from fmbench.entries import Entry


@click.command(
    epilog="Examples: fmbench run --all; fmbench run lenet5 --seeds 2; "
    "fmbench run ./my_model.py:make_model -p max_depth=20; "
    "fmbench run sklearn.ensemble:HistGradientBoostingClassifier -p max_iter=50"
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@common.parameters
@click.option(
    "--all", "run_all", is_flag=True,
    help="Every row of the suite that has a runner, but those run by name only.",
)  # fmt: skip
@common.suite
@click.option(
    "--quick", is_flag=True, help="A small part of the data and few epochs: minutes, no verdicts."
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 10_000),
    help="Seeds of each stochastic runner; deterministic ones run once.  [default: 5; quick: 2]",
)
@measuring.limits
@click.option("--force", is_flag=True, help="Run again what is finished.")
@click.option("--refresh", is_flag=True, help="Run again what was measured with other versions.")
@common.results
@common.data
@common.digits
def run(
    names: tuple[str, ...],
    parameters: tuple[str, ...],
    run_all: bool,
    suite_file: Path | None,
    quick: bool,
    seeds: int | None,
    allowed: measuring.Allowed,
    force: bool,
    refresh: bool,
    results: Path,
    data: Path | None,
    digits: Path | None,
) -> None:
    """Measure runners, then print and write the table. Finished cells are not run again.

    NAME is a runner, or a model of your own: FILE.py:NAME, or module:NAME of an installed package.
    """
    from fmbench import datasets, execution, suites
    from fmbench.cells import FULL, QUICK
    from fmbench.downloads import fetch
    from fmbench.progress import Estimate
    from fmbench.results import read
    from fmbench.store import Store
    from fmbench.summary import reference

    suite = suites.read(suite_file)
    entries = _chosen(names, run_all, suite, parameters)
    protocol = QUICK if quick else FULL
    n_seeds = seeds or (2 if quick else 5)
    store = Store(results)
    store.prepare()
    cluster = allowed.cluster(results)
    source = datasets.locate(data=data, fetch=fetch)
    datasets.verify(source.spec, source.folder)  # wrong data is the user's error, not a cell's
    cells = [cell for entry in entries for cell in entry.cells(protocol, n_seeds)]
    contents = store.read()
    estimate = Estimate(contents, reference().fit_seconds)
    todo = execution.in_order(
        execution.pending(cells, contents, force=force, refresh=refresh), estimate
    )
    sources = {source.spec.name: source, **common.digits_for(todo, digits)}
    todo, cells = ([c for c in part if c.dataset.name in sources] for part in (todo, cells))
    todo.sort(key=lambda cell: cell.dataset != source.spec)  # one data set after the other
    made = measuring.Run(store, sources, allowed.limits(todo, cluster), estimate, cluster)
    if not todo:
        say(f"nothing to do: {len(cells)} cells are measured already (--force runs them again)")
    with made.until_interrupted():
        made.measure(todo, contents, n_planned=len(cells))
    outcome = read(results, suite, protocol, source.folder, entries)
    # With nothing measured the tables are as they were; scoring every metric anew takes seconds.
    written = outcome.write(only_missing=not todo)
    show(outcome.table(3))
    if written:
        say(f"written: {', '.join(str(path) for path in written)}")
    sys.exit(made.status or complain(outcome))


def _chosen(
    names: tuple[str, ...], run_all: bool, suite: Suite, parameters: tuple[str, ...] = ()
) -> list[Entry]:
    from fmbench.entries import of_suite

    if run_all == bool(names):
        raise UserError("name the runners to run, or --all, not both; `fmbench list` shows them")
    rows, missing = of_suite(suite)
    if names:
        return common.entries(names, parameters, rows)
    if parameters:
        raise UserError("-p goes with the names of the runners to run, not with --all")
    for name, why in missing.items():
        say(f"left out {name}: {why}")
    chosen = [entry for entry in rows.values() if not entry.runner.by_name_only]
    if not chosen:
        raise UserError(f"{suite.path}: no [[row]] whose runner --all runs; `fmbench list` shows "
                        "the runners")  # fmt: skip
    return chosen


COMMANDS = (run,)
