"""The verbs that make something to look at: one page, and figures as files. Nothing is run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.options import DEFAULT_RESULTS, Place
from fmbench.cli.output import complain, say
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.analysis.predictions import Details
    from fmbench.report.commands import Commands


FILE = "report.html"


@click.command(epilog="Examples: fmbench report; fmbench report --results results/reference")
@click.option("-o", "--output", type=Place(path_type=Path, dir_okay=False),
              help=f"The file to write.  [default: {FILE} in the suite's folder of the results]")  # fmt: skip
@options.suite
@options.results
@options.data
def report(output: Path | None, suite_file: Path | None, results: Path, data: Path | None) -> None:
    """Write one self-contained HTML page: the whole case, to open in a browser."""
    from fmbench.consistency.solver import hush
    from fmbench.report.html.page import page
    from fmbench.utils.files import write_text

    details, commands = _read(suite_file, results, data)
    hush()
    html = page(details, commands)
    output = output or details.outcome.suite.folder_in(results) / FILE
    _folder(output.parent)
    write_text(output, html)
    say(f"written: {output} ({len(html.encode()) / 2**20:.1f} MB)")
    if not details.measured:
        say(f"no results in {results} yet: the page says how to make them")
    sys.exit(complain(details.outcome))


def _read(suite_file: Path | None, results: Path, data: Path | None) -> tuple[Details, Commands]:
    from fmbench.analysis.evaluation import read
    from fmbench.analysis.predictions import gather
    from fmbench.datasets import locate
    from fmbench.report.commands import Commands
    from fmbench.suites import reader

    if data:
        locate.locate(data=data)  # a mistyped folder is an error even if no record needs it
    outcome = read(results, reader.read(suite_file), data=data)
    named = None if results == DEFAULT_RESULTS else results
    return gather(outcome), Commands(named, suite_file)


def _folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}): name another place "
                        "with --output") from None  # fmt: skip
