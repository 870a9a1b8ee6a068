"""The verbs that judge what is on disk or on paper: nothing is run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import common
from fmbench.cli.common import CONTRADICTORY, left_out, output, run_all, say, show
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.results import Results


@click.command(epilog="Examples: fmbench table; fmbench table --format csv > table3.csv")
@click.option("--format", "format_", type=click.Choice(["md", "csv", "json"]),
              help="[default: for the eye in a terminal, md elsewhere]")  # fmt: skip
@click.option("--table", "number", type=click.Choice(["1", "2", "3"]), default="3",
              show_default=True, help="1: by class; 2: overall; 3: accuracies.")  # fmt: skip
@click.option(
    "--margin", type=common.Finite(0, 100), default=0.5, show_default=True,
    help="Points by which a rerun may differ from a claim that it reproduces.",
)  # fmt: skip
@click.option(
    "--alpha", type=common.Finite(0, 1, min_open=True, max_open=True), default=0.05,
    show_default=True, help="Level of the tests behind the verdicts.",
)  # fmt: skip
@click.option("--write", is_flag=True, help="Also write all tables, at the usual margin and level, "
              "into the results folder.")  # fmt: skip
@click.option("--quick", is_flag=True, help="The table of `fmbench run --quick`.")
@common.suite
@common.results
@common.data
def table(
    format_: str | None,
    number: str,
    margin: float,
    alpha: float,
    write: bool,
    quick: bool,
    suite_file: Path | None,
    results: Path,
    data: Path | None,
) -> None:
    """Print claimed beside measured, and the verdict on each claim. Nothing is run."""
    from fmbench import datasets, suites
    from fmbench.cells import FULL, QUICK
    from fmbench.results import read

    if data:
        datasets.locate(data=data)  # a mistyped folder is an error even if no record needs it
    suite = suites.read(suite_file)
    outcome = read(results, suite, QUICK if quick else FULL, data)
    shown = outcome.table(int(number), margin=margin / 100, alpha=alpha)
    if not shown.rows:
        raise UserError(f"{suite.path}: no [[row]], so there is nothing to measure")
    if write:
        outcome.store.prepare()
        for path in outcome.write():
            say(f"written: {path}")
    show(shown, format_)
    if not outcome.contents.finished and not outcome.broken:
        say(f"no results in {results} yet: {run_all(suite_file, quick=quick)} measures every row")
    sys.exit(complain(outcome))


@click.command(epilog="Examples: fmbench check; fmbench check claims.toml --json")
@common.file
@click.option(
    "--rounding", type=click.Choice(["nearest", "truncated"]), default="nearest",
    show_default=True, help="How the figures were shortened.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the findings for a program.")
def check(file: Path | None, rounding: str, as_json: bool) -> None:
    """Can the reported figures be true together? Arithmetic alone; nothing is run.

    FILE is a TOML file with [test_set] and [[reported]] figures; without it, Kayed et al. 2020.
    Exit status: 0 consistent, 1 contradictory, 2 bad input.
    """
    import json

    from fmbench import explain, suites
    from fmbench.consistency import judge
    from fmbench.solver import hush

    suite = suites.read(file)
    hush()
    findings = judge(suite, rounding)
    output(json.dumps(findings.as_json()) if as_json else explain.as_text(findings))
    sys.exit(CONTRADICTORY if findings.contradictory else 0)


def complain(outcome: Results) -> int:
    """Say what of the records needs attention; returns the exit status."""
    if line := outcome.differences():
        say(line)
    return left_out(outcome.broken)


COMMANDS = (table, check)
