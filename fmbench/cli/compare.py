"""`fmbench compare`: compares two runners, or two results folders, from stored predictions."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import print_broken_records, print_message, print_output
from fmbench.errors import UserError


@click.command(
    epilog="Examples: fmbench compare svc-rbf random-forest; fmbench compare --all --format csv; "
    "fmbench compare --results results/reference --against results/gpu"
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every_pair", is_flag=True, help="Every pair of the suite's rows.")
@click.option("--against", type=options.NonEmptyPath(path_type=Path, file_okay=False, exists=True),
              help="Another results folder, such as that of another machine: compare its rows "
              "with the same rows of --results.")  # fmt: skip
@click.option("--format", "format_", type=click.Choice(["md", "csv", "json"]), default="md",
              show_default=True)  # fmt: skip
@click.option("--quick", is_flag=True, help="The results of `fmbench run --quick`.")
@options.suite
@options.results
@options.data
def compare(
    names: tuple[str, ...],
    every_pair: bool,
    against: Path | None,
    format_: str,
    quick: bool,
    suite_file: Path | None,
    results: Path,
    data: dict[str, Path],
) -> None:
    """Compare runners from stored predictions; nothing is run.

    Two names: is one better than the other? With --against: do the same rows get the same accuracy
    in two results folders, and how long did they take?
    """
    from fmbench import api
    from fmbench.datasets import locate
    from fmbench.utils.table import FORMATS

    if against is not None:
        if every_pair:
            raise UserError(
                "--against compares rows with themselves: name rows, or leave out --all"
            )
        locate.check_folders(data)
        first, second = (
            api.load_results(folder, suite_file, quick=quick, data=data)
            for folder in (results, against)
        )
        print_output(FORMATS[format_](api.compare_results(first, second, names)))
        broken = [*first.evaluation.contents.broken, *second.evaluation.contents.broken]
        sys.exit(print_broken_records(broken))
    if every_pair == bool(names):
        raise UserError("name two different runners, or --all; `fmbench list` shows them")
    locate.check_folders(data)
    found = api.compare(names, suite=suite_file, quick=quick, results=results, data=data)
    print_output(FORMATS[format_](found.table))
    if found.not_measured:
        print_message(f"not measured, so in no pair: {', '.join(found.not_measured)}")
    sys.exit(print_broken_records(found.broken))
