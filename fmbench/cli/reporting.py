"""The verbs that make something to look at: one page, and figures as files. Nothing is run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import common
from fmbench.cli.common import DEFAULT_RESULTS, Place, say
from fmbench.cli.judging import complain
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.commands import Commands
    from fmbench.details import Details

FILE, FOLDER = "report.html", "figures"


@click.command(epilog="Examples: fmbench report; fmbench report --results results/reference")
@click.option("-o", "--output", type=Place(path_type=Path, dir_okay=False),
              help=f"The file to write.  [default: {FILE} in the results folder]")  # fmt: skip
@common.suite
@common.results
@common.data
def report(output: Path | None, suite_file: Path | None, results: Path, data: Path | None) -> None:
    """Write one self-contained HTML page: the whole case, to open in a browser."""
    from fmbench.files import write_text
    from fmbench.report import page
    from fmbench.solver import hush

    details, commands = _read(suite_file, results, data)
    hush()
    html = page(details, commands)
    output = output or results / FILE
    _folder(output.parent)
    write_text(output, html)
    say(f"written: {output} ({len(html.encode()) / 2**20:.1f} MB)")
    if not details.measured:
        say(f"no results in {results} yet: the page says how to make them")
    sys.exit(complain(details.outcome))


@click.command(epilog="Examples: fmbench figures; fmbench figures --format png -o figures")
@click.option("--format", "format_", type=click.Choice(["svg", "png"]), default="svg",
              show_default=True)  # fmt: skip
@click.option("-o", "--output", type=Place(path_type=Path, file_okay=False),
              help=f"The folder for them.  [default: {FOLDER} in the results folder]")  # fmt: skip
@common.suite
@common.results
@common.data
def figures(
    format_: str, output: Path | None, suite_file: Path | None, results: Path, data: Path | None
) -> None:
    """Write each figure as a file: the paper's Figures 5 to 7 as measured, and four more."""
    from fmbench.figures import write

    details, commands = _read(suite_file, results, data)
    output = output or results / FOLDER
    _folder(output)
    written, missing = write(details, output, format_)
    for path in written:
        say(f"written: {path}")
    subject = details.outcome.suite.subject
    for name, why in missing.items():
        remedy = f": run `{commands.run(subject)}`" if subject and why == "no record" else ""
        say(f"left out {name}: {why}{remedy}")
    sys.exit(complain(details.outcome))


def _read(suite_file: Path | None, results: Path, data: Path | None) -> tuple[Details, Commands]:
    from fmbench import datasets, suites
    from fmbench.commands import Commands
    from fmbench.details import gather
    from fmbench.results import read

    if data:
        datasets.locate(data=data)  # a mistyped folder is an error even if no record needs it
    outcome = read(results, suites.read(suite_file), data=data)
    named = None if results == DEFAULT_RESULTS else results
    return gather(outcome), Commands(named, suite_file)


def _folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}): name another place "
                        "with --output") from None  # fmt: skip


COMMANDS = (report, figures)
