"""The verb that looks into a claim: it runs the known mistakes and says which would produce it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options, session
from fmbench.cli.output import output, say

if TYPE_CHECKING:
    from fmbench.records.cells import Cell


@click.command(epilog="Example: fmbench forensics lenet5 --digits ~/mnist")
@click.argument("name")
@options.digits
@click.option(
    "--quick", is_flag=True, help="A small part of the data and few epochs: a look in minutes."
)
@click.option(
    "--seeds", type=click.IntRange(1, 10_000),
    help="Seeds of each variant of a stochastic runner.  [default: 5; quick: 2]",
)  # fmt: skip
@click.option(
    "--readings/--no-readings", default=True, show_default=True,
    help="Try every combination of what the source leaves open.",
)  # fmt: skip
@session.limits
@options.suite
@options.results
@options.data
def forensics(
    name: str,
    digits: Path | None,
    quick: bool,
    seeds: int | None,
    readings: bool,
    allowed: session.Allowed,
    suite_file: Path | None,
    results: Path,
    data: Path | None,
) -> None:
    """Which known mistake would produce the claimed figure? Runs each, once.

    NAME is a runner. Finished cells are not run again; Ctrl-C keeps what there is.
    """
    from fmbench import runners
    from fmbench.analysis.forensics.accuracies import Evidence
    from fmbench.analysis.forensics.findings import Claim, Findings
    from fmbench.analysis.forensics.plan import Plan
    from fmbench.analysis.reference import all_fit_seconds
    from fmbench.datasets import loading, locate
    from fmbench.datasets.download import fetch
    from fmbench.execution import schedule
    from fmbench.execution.estimate import Estimate
    from fmbench.records.store import Store
    from fmbench.suites import reader
    from fmbench.utils import table
    from fmbench.utils.formatting import in_words

    runner = runners.get(name)
    suite = reader.read(suite_file)
    claim = Claim.of(suite, name)
    plan = Plan(runner, seeds or (2 if quick else 5), quick, readings)
    store = Store(results)
    store.prepare()
    cluster = allowed.cluster(results)
    source = locate.locate(data=data, fetch=fetch)
    loading.verify(source.spec, source.folder)
    limits = allowed.limits(plan.cells, cluster)
    contents = store.read()
    estimate = Estimate(contents, all_fit_seconds())
    todo = schedule.pending(plan.cells, contents)
    sources = {source.spec.name: source, **options.digits_for(todo, digits)}
    made = session.Run(store, sources, limits, estimate, cluster)

    def measure(cells: Sequence[Cell]) -> None:
        contents = store.read()
        able = [cell for cell in cells if cell.dataset.name in sources]
        if todo := schedule.pending(able, contents):
            seconds = sum(estimate(cell) for cell in todo) / limits.jobs
            say(
                f"{len(todo)} of {len(able)} cells are to be measured, {limits.jobs} at a time: "
                f"about {in_words(seconds)}; Ctrl-C keeps what is finished"
            )
        made.measure(todo, contents, n_planned=len(able))

    def findings() -> Findings:
        return Findings(plan, claim, Evidence(store, store.read(), source))

    with made.until_interrupted():
        measure(plan.cells)
        if best := findings().best:
            measure(plan.confirmation(best))
        if not made.records:
            say("nothing to do: all is measured already")
    outcome = findings()
    output(table.as_markdown(outcome.table()))
    written = outcome.write(suite.folder_in(results))
    say(f"written: {', '.join(map(str, written))}")
    sys.exit(made.status)
