"""TODO docstring."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import CONTRADICTORY, output

if TYPE_CHECKING:
    pass


@click.command(epilog="Examples: fmbench check; fmbench check claims.toml --json")
@options.file
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

    from fmbench.consistency import explain
    from fmbench.consistency.check import judge
    from fmbench.consistency.solver import hush
    from fmbench.suites import reader

    suite = reader.read(file)
    hush()
    findings = judge(suite, rounding)
    output(json.dumps(findings.as_json()) if as_json else explain.as_text(findings))
    sys.exit(CONTRADICTORY if findings.contradictory else 0)
