"""`fmbench judge`: says everything that can be said of claims without running anything."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fmbench.cli import options
from fmbench.cli.output import (
    CONTRADICTORY,
    OutputOptions,
    find_width,
    print_message,
    print_or_write,
)
from fmbench.errors import UserError
from fmbench.utils.table import TEXT_FORMAT

if TYPE_CHECKING:
    from fmbench.judging.documents import Input
    from fmbench.judging.judgement import Judgement

_DOCUMENT_OPTIONS = (
    click.argument("inputs", metavar="INPUT...", nargs=-1, required=True),
    click.option("--as", "kind", metavar="KIND",
                 help="What INPUT is, if it is not recognised, such as Markdown; a wrong name "
                 "lists all."),
    click.option("--column", metavar="NAME",
                 help="The column of a table that holds the test accuracy."),
    click.option("--map", "mapping", metavar="LABEL=RUNNER", multiple=True,
                 help="The runner that a label of the document means; repeatable."),
    click.option("--model", metavar="RUNNER", default="",
                 help="The runner that figures without a name are about, such as those of a "
                 "classification report."),
)  # fmt: skip


def document_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument and the options that say what is read, and which models it is about."""
    for option in reversed(_DOCUMENT_OPTIONS):
        command = option(command)
    return command


@click.command(
    short_help="Judge claims by what is measured already.",
    epilog="Examples: fmbench judge 'LeNet-5 98.80 %' 'SVC 89.7'; fmbench judge paper.pdf; "
    "fmbench judge table.md --map 'SVM (RBF)=svc-rbf'; pbpaste | fmbench judge -",
)
@document_options
@click.option("--results", type=options.NonEmptyPath(path_type=Path, file_okay=False),
              help="Judge by your own measurements in this folder.  "
              "[default: fmbench's own measurements]")  # fmt: skip
@click.option("--rounding", type=click.Choice(["nearest", "truncated", "either"]),
              default="nearest", show_default=True,
              help="How the document rounded: to the nearest digit, cut off, or either of these.",
)  # fmt: skip
@click.option(
    "--margin", type=options.FiniteNumber(0, 100), default=0.5, show_default=True,
    help="Points by which a rerun may differ from a claim that it reproduces.",
)  # fmt: skip
@options.output("review", "eval-results", has_json_flag=True)
def judge(
    inputs: tuple[str, ...],
    kind: str | None,
    column: str | None,
    mapping: tuple[str, ...],
    model: str,
    results: Path | None,
    rounding: str,
    margin: float,
    output: OutputOptions,
) -> None:
    """Say at once what is known about claims, from what is measured already. Nothing is run.

    INPUT is a file (a paper's PDF, LaTeX, Markdown, HTML, CSV, a classification report, a confusion
    matrix, a suite, ...), `-` for standard input, the name of a suite of fmbench, or claims in
    words. The command reads the claims, finds the models, compares with stored measurements, and
    checks whether the figures can be true together. `--format review` is a paragraph for a review,
    `--format eval-results` a file for a model hub.

    Exit status: 0 nothing speaks against the claims, 1 something does, 2 they cannot be read.
    """
    from fmbench.api import claims

    judgement = claims.judge(
        *read_standard_input(inputs), kind=kind, column=column, mapping=mapping, model=model,
        results=results, rounding=rounding, margin=margin / 100,
    )  # fmt: skip
    _print(judgement, output)
    sys.exit(CONTRADICTORY if judgement.speaks_against else 0)


def _print(judgement: Judgement, output: OutputOptions) -> None:
    from fmbench.report.judgement import format_judgement

    format_ = output.chosen_format
    has_colours = output.has_colours and format_ == TEXT_FORMAT
    text = format_judgement(judgement, format_, find_width(), colours=has_colours)
    print_or_write(text, output, styled=has_colours)


def read_standard_input(inputs: Sequence[str]) -> list[Input]:
    """Return the inputs, with what standard input holds in place of ``-``.

    A file that has the name of a suite is read in place of the suite; the user is told so.

    Raises:
        UserError: standard input is named twice, or too large.
    """
    from fmbench.judging.documents import MAX_BYTES
    from fmbench.suites.bundled import list_suites

    for text in set(inputs).intersection(list_suites()):
        if Path(text).is_file():
            print_message(f"{text}: the file of this name is read, not the suite of fmbench")
    if inputs.count("-") > 1:
        raise UserError("name standard input (-) once")
    content = sys.stdin.buffer.read(MAX_BYTES + 1) if "-" in inputs else b""
    if len(content) > MAX_BYTES:
        raise UserError(f"standard input is larger than {MAX_BYTES >> 20} MiB")
    return [content if text == "-" else text for text in inputs]
