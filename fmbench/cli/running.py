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
    from fmbench.registry import Runner
    from fmbench.suites import Suite


@click.command(
    epilog="Examples: fmbench run --all; fmbench run lenet5 --seeds 2; fmbench run svc-rbf -j 1"
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
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
def run(
    names: tuple[str, ...],
    run_all: bool,
    suite_file: Path | None,
    quick: bool,
    seeds: int | None,
    allowed: measuring.Allowed,
    force: bool,
    refresh: bool,
    results: Path,
    data: Path | None,
) -> None:
    """Measure runners, then print and write the table. Finished cells are not run again."""
    from fmbench import datasets, execution, suites
    from fmbench.cells import FULL, QUICK, Cell, seeds_of
    from fmbench.downloads import fetch
    from fmbench.progress import Estimate
    from fmbench.records import Store
    from fmbench.results import read
    from fmbench.summary import reference

    suite = suites.read(suite_file)
    runners = _chosen(names, run_all, suite)
    protocol = QUICK if quick else FULL
    n_seeds = seeds or (2 if quick else 5)
    store = Store(results)
    store.prepare()
    source = datasets.locate(data=data, fetch=fetch)
    datasets.verify(source.spec, source.folder)  # wrong data is the user's error, not a cell's
    cells = [Cell(r, protocol, seed) for r in runners for seed in seeds_of(r, n_seeds)]
    contents = store.read()
    estimate = Estimate(contents, reference().fit_seconds)
    todo = execution.in_order(
        execution.pending(cells, contents, force=force, refresh=refresh), estimate
    )
    made = measuring.Run(store, {source.spec.name: source}, allowed.limits(todo), estimate)
    if not todo:
        say(f"nothing to do: {len(cells)} cells are measured already (--force runs them again)")
    with made.until_interrupted():
        made.measure(todo, contents, n_planned=len(cells))
    outcome = read(results, suite, protocol, source.folder)
    # With nothing measured the tables are as they were; scoring every metric anew takes seconds.
    written = outcome.write(only_missing=not todo)
    show(outcome.table(3))
    if written:
        say(f"written: {', '.join(str(path) for path in written)}")
    sys.exit(made.status or complain(outcome))


def _chosen(names: tuple[str, ...], run_all: bool, suite: Suite) -> list[Runner]:
    from fmbench import registry

    if run_all == bool(names):
        raise UserError("name the runners to run, or --all, not both; `fmbench list` shows them")
    if names:
        return [registry.get(name) for name in dict.fromkeys(names)]
    known = registry.runners()
    return [known[n] for n in suite.runners if n in known and not known[n].by_name_only]


COMMANDS = (run,)
