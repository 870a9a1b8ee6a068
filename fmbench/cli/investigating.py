"""The verb that looks into a claim: it runs the known mistakes and says which would produce it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import common
from fmbench.cli.common import FAILED, INTERRUPTED, output, say
from fmbench.cli.running import limits_of

if TYPE_CHECKING:
    from fmbench.cells import Cell
    from fmbench.datasets import Source
    from fmbench.execution import Limits
    from fmbench.progress import Estimate
    from fmbench.records import Record, Store


@click.command(epilog="Example: fmbench forensics lenet5 --digits ~/mnist")
@click.argument("name")
@common.digits
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
@common.limits
@common.suite
@common.results
@common.data
def forensics(
    name: str,
    digits: Path | None,
    quick: bool,
    seeds: int | None,
    readings: bool,
    jobs: int | None,
    threads: int,
    timeout: float,
    memory: float,
    device: str,
    suite_file: Path | None,
    results: Path,
    data: Path | None,
) -> None:
    """Which known mistake would produce the claimed figure? Runs each, once.

    NAME is a runner. Finished cells are not run again; Ctrl-C keeps what there is.
    """
    from fmbench import datasets, execution, registry, suites, tables
    from fmbench.downloads import fetch
    from fmbench.evidence import Evidence
    from fmbench.forensics import Claim, Findings
    from fmbench.mistakes import Plan
    from fmbench.progress import Estimate
    from fmbench.records import Store
    from fmbench.summary import reference

    runner = registry.get(name)
    claim = Claim.of(suites.read(suite_file), name)
    plan = Plan(runner, seeds or (2 if quick else 5), quick, readings)
    store = Store(results)
    store.prepare()
    source = datasets.locate(data=data, fetch=fetch)
    datasets.verify(source.spec, source.folder)
    limits = limits_of(jobs, threads, timeout, memory, device, neural=runner.uses_gpu)
    contents = store.read()
    estimate = Estimate(contents, reference().fit_seconds)

    todo = execution.pending(plan.cells, contents)
    sources = {source.spec.name: source, **common.digits_for(todo, digits)}

    def findings() -> Findings:
        return Findings(plan, claim, Evidence(store, store.read(), source))

    records: list[Record] = []
    interrupted = False
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's Ctrl-C
    try:
        records += _measure(plan.cells, store, sources, limits, estimate)
        if best := findings().best:
            records += _measure(plan.confirmation(best), store, sources, limits, estimate)
        if not records:
            say("nothing to do: all is measured already")
    except KeyboardInterrupt:
        interrupted = True
        say("interrupted: what is finished is kept, the same command goes on from here")
    outcome = findings()
    output(tables.as_markdown(outcome.table()))
    say(f"written: {', '.join(str(path) for path in outcome.write(results))}")
    failed = any(not record.finished for record in records)
    sys.exit(INTERRUPTED if interrupted else FAILED if failed else 0)


def _measure(
    cells: Sequence[Cell],
    store: Store,
    sources: Mapping[str, Source],
    limits: Limits,
    estimate: Estimate,
) -> list[Record]:
    """Run those of ``cells`` that have a source and no record yet; returns the new records."""
    from fmbench import execution
    from fmbench.progress import in_words, watching

    contents = store.read()
    able = [cell for cell in cells if cell.dataset.name in sources]
    todo = execution.pending(able, contents)
    for broken, kept in store.make_way(contents.broken, todo):
        say(f"set aside {kept}: {broken.why}")
    for cell in todo:
        if why := contents.stale(cell):
            say(f"{cell.name} is stale ({why}) and is measured again")
    if not todo:
        return []
    seconds = sum(estimate(cell) for cell in todo) / limits.jobs
    say(
        f"{len(todo)} of {len(able)} cells are to be measured, {limits.jobs} at a time: about "
        f"{in_words(seconds)}; Ctrl-C keeps what is finished"
    )
    records: list[Record] = []
    with watching(todo, limits.jobs, estimate, n_planned=len(able)) as observer:
        for dataset, batch in groupby(todo, key=lambda cell: cell.dataset.name):
            records += execution.run(list(batch), store, sources[dataset], limits, observer)
    return records


COMMANDS = (forensics,)
