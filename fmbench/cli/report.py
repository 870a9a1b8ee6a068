"""`fmbench report`: writes all results of a suite as one HTML page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import check_folder_of, print_message, print_output, print_problems
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.api.results import Results


@click.command(
    short_help="Write all results of a suite as one HTML page.",
    epilog="Examples: fmbench report; fmbench report --results results/reference; "
    "fmbench report --format review",
)
@click.option("-o", "--output", type=options.NonEmptyPath(path_type=Path, dir_okay=False),
              help="The file to write.  [default: report.html in the suite's folder of the "
              "results; other formats are printed]")  # fmt: skip
@click.option(
    "--format", "format_", type=click.Choice(["html", "tex", "review", "eval-results"]),
    help="`html`: the page; `tex`: its table for a LaTeX document; `review`: paragraphs for a "
    "review of the paper; `eval-results`: YAML for a model hub.  [default: by the ending of "
    "--output, or html]",
)  # fmt: skip
@click.option("--against", type=options.NonEmptyPath(path_type=Path, file_okay=False, exists=True),
              help="Another results folder: the page compares the rows that both have "
              "measured.")  # fmt: skip
@options.suite
@options.results
@options.data
def report(
    output: Path | None,
    format_: str | None,
    against: Path | None,
    suite_file: Path | None,
    results: Path,
    data: dict[str, Path],
) -> None:
    """Write all results of a suite as one HTML page, or for a review. Nothing is run."""
    from fmbench.api import writing
    from fmbench.api.results import load_results
    from fmbench.datasets import locate

    format_ = format_ or _choose_format(output)
    if output is not None:
        check_folder_of(output)
    locate.check_folders(data)
    found = load_results(results, suite_file, data=data)
    if format_ == "html":
        other = load_results(against, suite_file, data=data) if against else None
        with _show_steps() as on_step:
            path = writing.write_report(found, output, against=other, on_step=on_step)
        print_message(f"written: {path} ({path.stat().st_size / 2**20:.1f} MiB)")
    else:
        _print_or_write(_format(found, format_), output)
    if not found.evaluation.contents.finished:
        how = "the page says how to make them" if format_ == "html" else "`fmbench run` makes them"
        print_message(f"no results in {results} yet: {how}")
    sys.exit(print_problems(found.evaluation))


def _choose_format(output: Path | None) -> str:
    """Choose the format by the ending of the file that the user names.

    Raises:
        UserError: the ending is that of another format.
    """
    ending = output.suffix.lower() if output else ""
    if ending not in ("", ".html", ".htm", ".tex"):
        raise UserError(
            f"{output}: end the name with .html or .tex, or add --format html, tex, review or "
            "eval-results"
        )
    return "tex" if ending == ".tex" else "html"


@contextmanager
def _show_steps() -> Iterator[Callable[[str], None]]:
    """Give what shows the step that is under way, on stderr; it shows nothing in a file."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda step: None
        return
    with console.status("") as status:
        yield lambda step: status.update(Text(f"the page: {step}"))


def _format(found: Results, format_: str) -> str:
    from fmbench.api import writing
    from fmbench.report.tables import build_accuracies_overview
    from fmbench.utils.table import format_latex

    if format_ == "review":
        return writing.format_review(found)
    if format_ == "eval-results":
        return writing.format_eval_results(found)
    return format_latex(build_accuracies_overview(found.evaluation))


def _print_or_write(text: str, output: Path | None) -> None:
    from fmbench.utils.file_errors import name_file
    from fmbench.utils.files import write_text_atomically

    if output is None:
        print_output(text)
    else:
        with name_file(output):
            write_text_atomically(output, text)
        print_message(f"written: {output}")
