"""`fmbench check`: says whether the figures of a paper can be true together."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.judge import read_standard_input
from fmbench.cli.output import CONTRADICTORY, OutputOptions, print_document


@click.command(
    short_help="Find figures of a paper that cannot be true together.",
    epilog="Examples: fmbench check; fmbench check kayed2020 --explain; fmbench check claims.toml; "
    "fmbench check report.txt",
)
@click.argument("file", required=False)
@options.suite
@click.option("--as", "kind", metavar="KIND",
              help="What FILE is, if it is not recognised, such as 'confusion matrix'; a wrong "
              "name lists all.")  # fmt: skip
@click.option("--column", metavar="NAME", help="The column of a table that holds the accuracy.")
@click.option(
    "--rounding", type=click.Choice(["nearest", "truncated", "either"]), default="nearest",
    show_default=True,
    help="How the paper rounded: to the nearest digit, cut off, or either of these.",
)  # fmt: skip
@click.option(
    "--explain", is_flag=True, help="Name the few figures that make a pair contradictory."
)
@click.option(
    "--all", "all_figures", is_flag=True, help="Also compare figure with figure; may take longer."
)
@options.output(has_json_flag=True)
def check(
    file: str | None,
    suite_file: Path | None,
    kind: str | None,
    column: str | None,
    rounding: str,
    explain: bool,
    all_figures: bool,
    output: OutputOptions,
) -> None:
    """Can the figures of a paper be true together? Arithmetic alone; nothing is run.

    Figures of one table or sentence are a source. The check says what each source allows, which
    pairs of sources contradict each other and how severely, and which sources agree. A confusion
    matrix decides every figure of its model.

    FILE is a suite (a TOML file with a paper's claims, or the name of a suite of fmbench), or
    anything that `fmbench judge` reads: a classification report, a confusion matrix, a table, a
    PDF, or `-` for standard input. Without it, Kayed et al. 2020. Exit status: 0 consistent, 1
    contradictory, 2 bad input.
    """
    from fmbench.api import claims
    from fmbench.consistency.answer import build_answer

    if file is not None and suite_file is not None:
        raise click.UsageError("give FILE or --suite, not both")
    if file is None and (kind or column):
        raise click.UsageError("--as and --column need FILE")
    [document] = [suite_file] if file is None else read_standard_input([file])
    result = claims.check(document, rounding, all_figures=all_figures, kind=kind, column=column)
    print_document(build_answer(result, explain=explain, all_figures=all_figures), output)
    sys.exit(CONTRADICTORY if result.contradictory else 0)
