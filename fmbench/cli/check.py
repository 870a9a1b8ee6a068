"""`fmbench check`: says whether the reported figures can be true together."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import CONTRADICTORY, print_output


@click.command(epilog="Examples: fmbench check; fmbench check claims.toml --json")
@options.file
@click.option(
    "--rounding", type=click.Choice(["nearest", "truncated"]), default="nearest",
    show_default=True, help="How the paper rounded: to the nearest digit, or cut off.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result for a program.")
def check(file: Path | None, rounding: str, as_json: bool) -> None:
    """Can the reported figures be true together? Arithmetic alone; nothing is run.

    FILE is a TOML file with [test_set] and [[reported]] figures; without it, Kayed et al. 2020.
    Exit status: 0 consistent, 1 contradictory, 2 bad input.
    """
    from fmbench import api
    from fmbench.consistency import explain

    result = api.check(file, rounding)
    print_output(json.dumps(result.as_json()) if as_json else explain.format_result(result))
    sys.exit(CONTRADICTORY if result.contradictory else 0)
