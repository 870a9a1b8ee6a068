"""`fmbench judge`: says everything that can be said of claims without running anything."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fmbench.cli import options
from fmbench.cli.output import CONTRADICTORY, find_terminal_width, print_message, print_output
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.judging.documents import Input
    from fmbench.judging.judgement import Judgement

FORMATS = ("text", "md", "csv", "tex", "html", "json", "review", "eval-results")
MAX_BYTES = 100 * 2**20  # of standard input

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
    epilog="Examples: fmbench judge 'LeNet-5 98.80 %' 'SVC 89.7'; fmbench judge paper.pdf; "
    "fmbench judge table.md --map 'SVM (RBF)=svc-rbf'; pbpaste | fmbench judge -"
)
@document_options
@click.option("--results", type=options.NonEmptyPath(path_type=Path, file_okay=False),
              help="Judge by your own measurements in this folder.  "
              "[default: fmbench's own measurements]")  # fmt: skip
@click.option("--rounding", type=click.Choice(["nearest", "truncated", "either"]),
              default="nearest", show_default=True,
              help="How the document rounded: to the nearest digit, cut off, or one of both.",
)  # fmt: skip
@click.option(
    "--margin", type=options.FiniteNumber(0, 100), default=0.5, show_default=True,
    help="Points by which a rerun may differ from a claim that it reproduces.",
)  # fmt: skip
@click.option("--format", "format_", type=click.Choice(FORMATS), default="text",
              show_default=True, help="`tex` for a LaTeX document, `review` for a paragraph of a "
              "review, `eval-results` for a model hub.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("-o", "--output", type=options.NonEmptyPath(path_type=Path, dir_okay=False),
              help="Write into this file instead of printing.")  # fmt: skip
def judge(
    inputs: tuple[str, ...],
    kind: str | None,
    column: str | None,
    mapping: tuple[str, ...],
    model: str,
    results: Path | None,
    rounding: str,
    margin: float,
    format_: str,
    as_json: bool,
    output: Path | None,
) -> None:
    """Say at once what is known about claims, from what is measured already. Nothing is run.

    INPUT is a file (a paper's PDF, LaTeX, Markdown, HTML, CSV, a classification report, a confusion
    matrix, a suite, ...), `-` for standard input, or claims in words. The command reads the claims,
    finds the models, compares with stored measurements, and checks whether the figures can be true
    together.

    Exit status: 0 nothing speaks against the claims, 1 something does, 2 they cannot be read.
    """
    from fmbench import api

    check_output(output)
    if as_json and format_ not in ("text", "json"):
        raise UserError(f"give --json or --format {format_}, not both")
    judgement = api.judge(
        *read_standard_input(inputs), kind=kind, column=column, mapping=mapping, model=model,
        results=results, rounding=rounding, margin=margin / 100,
    )  # fmt: skip
    _print(judgement, "json" if as_json else format_, output)
    sys.exit(CONTRADICTORY if judgement.speaks_against else 0)


def _print(judgement: Judgement, format_: str, output: Path | None) -> None:
    from fmbench.report.judgement import format_judgement
    from fmbench.utils.file_errors import name_file
    from fmbench.utils.files import write_text_atomically

    width = find_terminal_width()
    if output is not None:
        with name_file(output):
            write_text_atomically(output, format_judgement(judgement, format_))
        print_message(f"written: {output}")
        return
    has_colours = format_ == "text" and width is not None
    text = format_judgement(judgement, format_, width, colours=has_colours)
    print_output(text, styled=has_colours)


def check_output(output: Path | None) -> None:
    """Check before the work that a file can be written there.

    Raises:
        UserError: its folder does not exist.
    """
    if output is not None and not output.absolute().parent.is_dir():
        raise UserError(f"{output} cannot be written: there is no folder {output.parent}")


def read_standard_input(inputs: Sequence[str]) -> list[Input]:
    """Return the inputs, with what standard input holds in place of ``-``.

    Raises:
        UserError: standard input is named twice, or too large.
    """
    if inputs.count("-") > 1:
        raise UserError("name standard input (-) once")
    content = sys.stdin.buffer.read(MAX_BYTES + 1) if "-" in inputs else b""
    if len(content) > MAX_BYTES:
        raise UserError(f"standard input is larger than {MAX_BYTES >> 20} MiB")
    return [content if text == "-" else text for text in inputs]
