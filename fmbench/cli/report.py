"""`fmbench report`: writes all results of a suite as one HTML page."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import print_message, print_problems


@click.command(epilog="Examples: fmbench report; fmbench report --results results/reference")
@click.option("-o", "--output", type=options.NonEmptyPath(path_type=Path, dir_okay=False),
              help="The file to write.  [default: report.html in the suite's folder of the "
              "results]")  # fmt: skip
@options.suite
@options.results
@options.data
def report(
    output: Path | None, suite_file: Path | None, results: Path, data: dict[str, Path]
) -> None:
    """Write one HTML page with all results of a suite, to open in a browser. Nothing is run."""
    from fmbench import api
    from fmbench.datasets import locate

    locate.check_folders(data)
    found = api.load_results(results, suite_file, data=data)
    path = api.write_report(found, output)
    print_message(f"written: {path} ({path.stat().st_size / 2**20:.1f} MiB)")
    if not found.evaluation.contents.finished:
        print_message(f"no results in {results} yet: the page says how to make them")
    sys.exit(print_problems(found.evaluation))
