"""`fmbench table`: prints claimed beside measured, with the verdict on each claim."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import (
    OutputOptions,
    build_run_all_command,
    print_message,
    print_or_write,
    print_problems,
    print_table,
)
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.suites.claims import Suite


@click.command(
    epilog="Examples: fmbench table; fmbench table --format csv > accuracies.csv; "
    "fmbench table --format review"
)
@options.output("review", "eval-results", default="md")
@click.option("--table", "name", metavar="NAME", default="accuracies", show_default=True,
              help="accuracies, by-class or overall; or the number that the paper gives the "
              "table.")  # fmt: skip
@click.option(
    "--margin", type=options.FiniteNumber(0, 100), default=0.5, show_default=True,
    help="Points by which a rerun may differ from a claim that it reproduces.",
)  # fmt: skip
@click.option(
    "--alpha", type=options.FiniteNumber(0, 1, min_open=True, max_open=True), default=0.05,
    show_default=True, help="Significance level of the tests behind the verdicts.",
)  # fmt: skip
@click.option("--write", is_flag=True, help="Also write all tables, at the default margin and "
              "level, into the results folder.")  # fmt: skip
@click.option("--quick", is_flag=True, help="The table of `fmbench run --quick`.")
@options.suite
@options.results
@options.data
def table(
    output: OutputOptions,
    name: str,
    margin: float,
    alpha: float,
    write: bool,
    quick: bool,
    suite_file: Path | None,
    results: Path,
    data: dict[str, Path],
) -> None:
    """Print claimed beside measured, and the verdict on each claim. Nothing is run."""
    from fmbench import api
    from fmbench.datasets import locate
    from fmbench.report.tables import AccuracyTable, build_overview, build_table

    locate.check_folders(data)
    found = api.load_results(results, suite_file, quick=quick, data=data)
    shown = build_table(
        found.evaluation, _table_name(name, found.suite), margin=margin / 100, alpha=alpha
    )
    if not shown.rows:
        raise UserError(f"{found.suite.path}: no [[row]], so there is nothing to measure")
    if output.chosen_format == "review":
        text = api.format_review(found, margin=margin / 100, alpha=alpha)
        print_or_write(text, output)
    elif output.chosen_format == "eval-results":
        print_or_write(api.format_eval_results(found), output)
    elif output.chosen_format in ("tex", "html") and isinstance(shown, AccuracyTable):
        print_table(build_overview(shown), output)
    else:
        print_table(shown, output)
    if write:  # last, so that a full disk hides no table
        for path in api.write_tables(found):
            print_message(f"written: {path}")
    if not found.evaluation.contents.finished and not found.evaluation.broken:
        command = build_run_all_command(suite_file, quick=quick)
        print_message(f"no results in {results} yet: {command} measures every row here")
    sys.exit(print_problems(found.evaluation))


def _table_name(asked: str, suite: Suite) -> str:
    """The table that the user means: by its name, its title, or the number in the title."""
    from fmbench.suites.reader import TABLES

    titles = suite.table_titles
    for name, title in titles.items():
        if asked.lower() in (title.lower(), title.split()[-1].lower()):
            return name
    if asked in TABLES:
        return asked
    known = ", ".join(f"{name} ({titles[name]})" if name in titles else name for name in TABLES)
    raise UserError(f"--table {asked}: this suite has the tables {known}")
