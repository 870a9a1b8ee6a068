"""The verb that looks into a claim: it runs the known mistakes and says which would produce it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import common, measuring
from fmbench.cli.common import output, say
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.cells import Cell
    from fmbench.datasets import Source


@click.command(epilog="Example: fmbench forensics lenet5 --digits ~/mnist")
@click.argument("name")
@click.option(
    "--digits", type=common.Place(path_type=Path),
    help="Folder with the four files of the MNIST digits; default: found, fetched, or left out.",
)  # fmt: skip
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
@measuring.limits
@common.suite
@common.results
@common.data
def forensics(
    name: str,
    digits: Path | None,
    quick: bool,
    seeds: int | None,
    readings: bool,
    allowed: measuring.Allowed,
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
    from fmbench.progress import Estimate, in_words
    from fmbench.records import Store
    from fmbench.summary import reference

    runner = registry.get(name)
    claim = Claim.of(suites.read(suite_file), name)
    plan = Plan(runner, seeds or (2 if quick else 5), quick, readings)
    store = Store(results)
    store.prepare()
    source = datasets.locate(data=data, fetch=fetch)
    datasets.verify(source.spec, source.folder)
    limits = allowed.limits(plan.cells)
    contents = store.read()
    estimate = Estimate(contents, reference().fit_seconds)
    sources = {source.spec.name: source, **_digits(digits, execution.pending(plan.cells, contents))}
    made = measuring.Run(store, sources, limits, estimate)

    def measure(cells: Sequence[Cell]) -> None:
        contents = store.read()
        able = [cell for cell in cells if cell.dataset.name in sources]
        if todo := execution.pending(able, contents):
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
    output(tables.as_markdown(outcome.table()))
    say(f"written: {', '.join(str(path) for path in outcome.write(results))}")
    sys.exit(made.status)


def _digits(folder: Path | None, todo: Sequence[Cell]) -> dict[str, Source]:
    """The digits by their name, if they are named or needed; nothing where none can be had."""
    from fmbench import datasets
    from fmbench.downloads import fetch

    spec = datasets.MNIST_DIGITS
    if folder is None and not any(cell.dataset == spec for cell in todo):
        return {}
    try:
        source = datasets.locate(spec, folder, fetch)
        datasets.verify(spec, source.folder)
    except UserError as error:
        if folder is not None:  # a wrong folder is the user's error; to have none is not
            raise
        say(f"left out what needs {spec.title}: {error}")
        return {}
    return {spec.name: source}


COMMANDS = (forensics,)
