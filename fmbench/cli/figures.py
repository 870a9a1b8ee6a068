"""TODO docstring."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.options import Place
from fmbench.cli.output import complain, say
from fmbench.cli.report import _folder, _read

if TYPE_CHECKING:
    pass

FOLDER = "figures"


@click.command(epilog="Examples: fmbench figures; fmbench figures --format png -o figures")
@click.option("--format", "format_", type=click.Choice(["svg", "png"]), default="svg",
              show_default=True)  # fmt: skip
@click.option("-o", "--output", type=Place(path_type=Path, file_okay=False),
              help=f"The folder for them.  [default: {FOLDER} in the suite's folder of the results]")  # fmt: skip
@options.suite
@options.results
@options.data
def figures(
    format_: str, output: Path | None, suite_file: Path | None, results: Path, data: Path | None
) -> None:
    """Write each figure as a file: the paper's Figures 5 to 7 as measured, and four more."""
    from fmbench.report.figures.write import write

    details, commands = _read(suite_file, results, data)
    output = output or details.outcome.suite.folder_in(results) / FOLDER
    _folder(output)
    written, missing = write(details, output, format_)
    for path in written:
        say(f"written: {path}")
    subject = details.outcome.suite.subject
    for name, why in missing.items():
        remedy = f": run `{commands.run(subject)}`" if subject and why == "no record" else ""
        say(f"left out {name}: {why}{remedy}")
    sys.exit(complain(details.outcome))
