"""`fmbench figures`: writes the figures of the report as files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import print_message, print_problems


@click.command(epilog="Examples: fmbench figures; fmbench figures --format png -o figures")
@click.option("--format", "format_", type=click.Choice(["svg", "png"]), default="svg",
              show_default=True)  # fmt: skip
@click.option("-o", "--output", type=options.NonEmptyPath(path_type=Path, file_okay=False),
              help="The folder for them.  [default: figures in the suite's folder of the "
              "results]")  # fmt: skip
@options.suite
@options.results
@options.data
def figures(
    format_: str, output: Path | None, suite_file: Path | None, results: Path, data: dict[str, Path]
) -> None:
    """Write the figures of the report as files. Nothing is run.

    They are: learning curves (accuracy, loss) and confusion matrix of the paper's own model, all
    rows on one axis, speed against accuracy, and the test images that most models get wrong.
    """
    from fmbench.api import writing
    from fmbench.api.results import load_results
    from fmbench.datasets import locate

    locate.check_folders(data)
    found = load_results(results, suite_file, data=data)
    written, left_out = writing.write_figures(found, output, format_)
    for path in written:
        print_message(f"written: {path}")
    for name, why in left_out.items():
        print_message(f"left out {name}: {why}")
    sys.exit(print_problems(found.evaluation))
