"""`fmbench run`: measures runners, then prints and writes the table."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import FAILED, INTERRUPTED, print_problems, print_table
from fmbench.execution.session import RunOptions


@click.command(
    epilog="Examples: fmbench run --all; fmbench run lenet5 --seeds 2; "
    "fmbench run ./my_model.py:make_model -p max_depth=20; "
    "fmbench run sklearn.ensemble:HistGradientBoostingClassifier -p max_iter=50"
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@options.parameters
@click.option(
    "--all", "every_row", is_flag=True,
    help="Every row of the suite that has a runner, except those that run only if you name them.",
)  # fmt: skip
@options.suite
@click.option(
    "--quick", is_flag=True, help="A small part of the data and few epochs: minutes, no verdicts."
)
@options.seeds
@options.run_options
@options.order
@click.option(
    "--controls", is_flag=True,
    help="Also measure rows with a control figure on its images, such as the digits.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Also run again what is finished.")
@click.option(
    "--refresh", is_flag=True,
    help="Also run again what was measured with other versions or on another processor.",
)  # fmt: skip
@options.results
@options.data
def run(
    names: tuple[str, ...],
    parameters: tuple[str, ...],
    every_row: bool,
    suite_file: Path | None,
    quick: bool,
    seeds: int | None,
    run_options: RunOptions,
    controls: bool,
    force: bool,
    refresh: bool,
    results: Path,
    data: dict[str, Path],
) -> None:
    """Measure runners, then print and write the table. Finished cells are not run again.

    NAME is a runner, also as papers call it (`SVC`) or as a label of the suite, or a model of your
    own: FILE.py:NAME, or module:NAME of an installed package.
    """
    from fmbench import api

    options.stop_on_sigterm()
    found = api.run(
        names, every_row=every_row, suite=suite_file, parameters=parameters, seeds=seeds,
        quick=quick, results=results, data=data, controls=controls, force=force,
        refresh=refresh, options=run_options,
    )  # fmt: skip
    print_table(found.table())
    status = print_problems(found.evaluation)
    if found.interrupted:
        sys.exit(INTERRUPTED)
    is_incomplete = found.unwritten or any(not r.finished for r in found.new_records)
    sys.exit(FAILED if is_incomplete else status)
