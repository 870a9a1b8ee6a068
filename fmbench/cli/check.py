"""`fmbench check`: says whether the reported figures can be true together."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import CONTRADICTORY, print_output


@click.command(epilog="Examples: fmbench check; fmbench check --explain; fmbench check claims.toml")
@options.file
@click.option(
    "--rounding", type=click.Choice(["nearest", "truncated"]), default="nearest",
    show_default=True, help="How the paper rounded: to the nearest digit, or cut off.",
)  # fmt: skip
@click.option(
    "--explain", is_flag=True, help="Name the few figures that make a pair contradictory."
)
@click.option("--all", "all_figures", is_flag=True, help="Also compare figure with figure; slow.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for a program.")
def check(
    file: Path | None, rounding: str, explain: bool, all_figures: bool, as_json: bool
) -> None:
    """Can the reported figures be true together? Arithmetic alone; nothing is run.

    Figures of one table or sentence are a source. The check says what each source allows, which
    pairs of sources contradict each other and how severely, and which sources agree.

    FILE is a TOML file with [test_set] and [[reported]] figures; without it, Kayed et al. 2020.
    Exit status: 0 consistent, 1 contradictory, 2 bad input.
    """
    from fmbench import api
    from fmbench.consistency.explain import format_result

    result = api.check(file, rounding, all_figures=all_figures)
    if as_json:
        print_output(json.dumps(result.as_json()))
    else:
        print_output(format_result(result, explain=explain, all_figures=all_figures))
    sys.exit(CONTRADICTORY if result.contradictory else 0)
