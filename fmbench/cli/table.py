"""The verbs that judge what is on disk or on paper: nothing is run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import complain, run_all, say, show
from fmbench.errors import UserError
from fmbench.report.tables import build_table, write_tables

if TYPE_CHECKING:
    from fmbench.suites.claims import Suite

    pass


@click.command(epilog="Examples: fmbench table; fmbench table --format csv > table3.csv")
@click.option("--format", "format_", type=click.Choice(["md", "csv", "json"]),
              help="[default: for the eye in a terminal, md elsewhere]")  # fmt: skip
@click.option("--table", "name", metavar="NAME", default="accuracies", show_default=True,
              help="accuracies, by-class or overall; or the number that the paper gives it.")  # fmt: skip
@click.option(
    "--margin", type=options.Finite(0, 100), default=0.5, show_default=True,
    help="Points by which a rerun may differ from a claim that it reproduces.",
)  # fmt: skip
@click.option(
    "--alpha", type=options.Finite(0, 1, min_open=True, max_open=True), default=0.05,
    show_default=True, help="Level of the tests behind the verdicts.",
)  # fmt: skip
@click.option("--write", is_flag=True, help="Also write all tables, at the usual margin and level, "
              "into the results folder.")  # fmt: skip
@click.option("--quick", is_flag=True, help="The table of `fmbench run --quick`.")
@options.suite
@options.results
@options.data
def table(
    format_: str | None,
    name: str,
    margin: float,
    alpha: float,
    write: bool,
    quick: bool,
    suite_file: Path | None,
    results: Path,
    data: Path | None,
) -> None:
    """Print claimed beside measured, and the verdict on each claim. Nothing is run."""
    from fmbench.analysis.evaluation import read
    from fmbench.datasets import locate
    from fmbench.records.protocols import FULL, QUICK
    from fmbench.suites import reader

    if data:
        locate.locate(data=data)  # a mistyped folder is an error even if no record needs it
    suite = reader.read(suite_file)
    outcome = read(results, suite, QUICK if quick else FULL, data)
    shown = build_table(outcome, _meant(name, suite), margin=margin / 100, alpha=alpha)
    if not shown.rows:
        raise UserError(f"{suite.path}: no [[row]], so there is nothing to measure")
    if write:
        outcome.store.prepare()
        for path in write_tables(outcome):
            say(f"written: {path}")
    show(shown, format_)
    if not outcome.contents.finished and not outcome.broken:
        say(f"no results in {results} yet: {run_all(suite_file, quick=quick)} measures every row")
    sys.exit(complain(outcome))


def _meant(name: str, suite: Suite) -> str:
    """The table that a person means: by its name, its title, or the title's number."""
    from fmbench.suites.reader import TABLES

    titles = suite.table_titles
    for table, title in titles.items():
        if name.lower() in (title.lower(), title.split()[-1]):
            return table
    if name in TABLES:
        return name
    known = ", ".join(f"{t} ({titles[t]})" if t in titles else t for t in TABLES)
    raise UserError(f"--table {name}: this suite has the tables {known}")
