"""`fmbench forensics`: runs the known mistakes and says which would produce a claimed figure."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import FAILED, INTERRUPTED, print_output
from fmbench.execution.session import RunOptions


@click.command(epilog="Example: fmbench forensics lenet5 --data mnist=~/mnist")
@click.argument("name")
@click.option(
    "--quick", is_flag=True, help="A small part of the data and few epochs: a look in minutes."
)
@options.seeds
@click.option(
    "--readings/--no-readings", default=True, show_default=True,
    help="Try every combination of what the source leaves open.",
)  # fmt: skip
@options.run_options
@options.suite
@options.results
@options.data
def forensics(
    name: str,
    quick: bool,
    seeds: int | None,
    readings: bool,
    run_options: RunOptions,
    suite_file: Path | None,
    results: Path,
    data: dict[str, Path],
) -> None:
    """Which known mistake would produce the claimed figure? Measures each with all seeds.

    NAME is a runner. Finished cells are not run again; Ctrl-C keeps what is finished.
    """
    from fmbench import api
    from fmbench.utils.table import FORMATS

    options.stop_on_sigterm()
    found = api.forensics(
        name, suite=suite_file, seeds=seeds, quick=quick, readings=readings, results=results,
        data=data, options=run_options,
    )  # fmt: skip
    print_output(FORMATS["md"](found.findings.build_table()))
    if found.interrupted:
        sys.exit(INTERRUPTED)
    sys.exit(FAILED if any(not record.finished for record in found.new_records) else 0)
