"""`fmbench check`: says whether the figures of a paper can be true together."""

from __future__ import annotations

import json
import sys

import click

from fmbench.cli.judge import read_standard_input
from fmbench.cli.output import CONTRADICTORY, print_output


@click.command(
    epilog="Examples: fmbench check; fmbench check --explain; fmbench check claims.toml; "
    "fmbench check report.txt"
)
@click.argument("file", required=False)
@click.option("--as", "kind", metavar="KIND",
              help="What FILE is, if it is not recognised, such as 'confusion matrix'; a wrong "
              "name lists all.")  # fmt: skip
@click.option("--column", metavar="NAME", help="The column of a table that holds the accuracy.")
@click.option(
    "--rounding", type=click.Choice(["nearest", "truncated", "either"]), default="nearest",
    show_default=True, help="How the paper rounded: to the nearest digit, cut off, or one of both.",
)  # fmt: skip
@click.option(
    "--explain", is_flag=True, help="Name the few figures that make a pair contradictory."
)
@click.option("--all", "all_figures", is_flag=True, help="Also compare figure with figure; slow.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for a program.")
def check(
    file: str | None,
    kind: str | None,
    column: str | None,
    rounding: str,
    explain: bool,
    all_figures: bool,
    as_json: bool,
) -> None:
    """Can the figures of a paper be true together? Arithmetic alone; nothing is run.

    Figures of one table or sentence are a source. The check says what each source allows, which
    pairs of sources contradict each other and how severely, and which sources agree. A confusion
    matrix decides every figure of its model.

    FILE is a suite (a TOML file with a paper's claims), or anything that `fmbench judge` reads:
    a classification report, a confusion matrix, a table, a PDF, or `-` for standard input. Without
    it, Kayed et al. 2020. Exit status: 0 consistent, 1 contradictory, 2 bad input.
    """
    from fmbench import api
    from fmbench.consistency.explain import format_result

    if file is None and (kind or column):
        raise click.UsageError("--as and --column need FILE")
    [document] = [None] if file is None else read_standard_input([file])
    result = api.check(document, rounding, all_figures=all_figures, kind=kind, column=column)
    if as_json:
        print_output(json.dumps(result.as_json()))
    else:
        print_output(format_result(result, explain=explain, all_figures=all_figures))
    sys.exit(CONTRADICTORY if result.contradictory else 0)
