"""`fmbench compare`: says whether one runner is better than another, from stored predictions."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import print_broken_records, print_message, print_output
from fmbench.errors import UserError


@click.command(
    epilog="Examples: fmbench compare svc-rbf random-forest; fmbench compare --all --format csv"
)
@click.argument("names", nargs=-1, metavar="[A B]")
@click.option("--all", "every_pair", is_flag=True, help="Every pair of the suite's rows.")
@click.option("--format", "format_", type=click.Choice(["md", "csv", "json"]), default="md",
              show_default=True)  # fmt: skip
@click.option("--quick", is_flag=True, help="The results of `fmbench run --quick`.")
@options.suite
@options.results
@options.data
def compare(
    names: tuple[str, ...],
    every_pair: bool,
    format_: str,
    quick: bool,
    suite_file: Path | None,
    results: Path,
    data: dict[str, Path],
) -> None:
    """Is one runner better than another? From stored predictions; nothing is run."""
    from fmbench import api
    from fmbench.datasets import locate
    from fmbench.utils.table import FORMATS

    if every_pair == bool(names):
        raise UserError("name two different runners, or --all; `fmbench list` shows them")
    locate.check_folders(data)
    found = api.compare(names, suite=suite_file, quick=quick, results=results, data=data)
    print_output(FORMATS[format_](found.table))
    if found.not_measured:
        print_message(f"not measured, so in no pair: {', '.join(found.not_measured)}")
    sys.exit(print_broken_records(found.broken))
