"""`fmbench table`: prints claimed beside measured, with the verdict on each claim."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from fmbench.analysis.verdicts import VerdictKind
    from fmbench.api.results import Results
    from fmbench.suites.claims import Suite


class VerdictWord(click.ParamType):
    """The word of a verdict, or of a group of verdicts; converted to the kinds that it means."""

    name = "word"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> frozenset[VerdictKind]:
        """Return the kinds of verdict; fail with the list of all words if it is none."""
        from fmbench.analysis.verdicts import VerdictKind

        asked = " ".join(str(value).lower().split())
        kinds = frozenset(k for k in VerdictKind if asked in (k.word, k.style.group))
        if not (asked and kinds):
            words = dict.fromkeys(
                word for k in VerdictKind for word in (k.style.group, k.word) if word
            )
            self.fail(f"{value!r} is none of: {'; '.join(words)}", param, ctx)
        return kinds


@click.command(
    short_help="Print claimed beside measured, with the verdicts.",
    epilog="Examples: fmbench table; fmbench table lenet5 knn; fmbench table --verdict 'not "
    "reproduced'; fmbench table -o accuracies.csv; fmbench table --format review",
)
@options.names
@click.option(
    "--verdict", "words", metavar="WORD", multiple=True, type=VerdictWord(),
    help="Only the rows with this verdict, such as 'not reproduced'; repeatable.  A wrong word "
    "lists all.",
)  # fmt: skip
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
@options.quick
@options.suite
@options.results
@options.data
def table(
    names: tuple[str, ...],
    words: tuple[frozenset[VerdictKind], ...],
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
    """Print claimed beside measured, and the verdict on each claim. Nothing is run.

    With a NAME, only the rows of this runner or with this label. The verdicts are those of the
    whole table.
    """
    from fmbench.api import writing
    from fmbench.api.results import find_table_rows, load_results
    from fmbench.datasets import locate
    from fmbench.report.tables import AccuracyTable, build_overview, build_table

    locate.check_folders(data)
    found = load_results(results, suite_file, quick=quick, data=data)
    table_name = _table_name(name, found.suite)
    if names or words:
        _refuse_selection(found, table_name, output, has_words=bool(words))
    chosen, verdicts = find_table_rows(found, names), frozenset().union(*words)
    shown = build_table(
        found.evaluation, table_name, margin=margin / 100, alpha=alpha,
        keep=lambda row: (
            (not names or row.row in chosen) and (not words or row.verdict.kind in verdicts)
        ),
    )  # fmt: skip
    if not (shown.rows or words):
        raise UserError(f"{found.suite.path}: no [[row]], so there is nothing to measure")
    if output.chosen_format == "review":
        text = writing.format_review(found, margin=margin / 100, alpha=alpha)
        print_or_write(text, output)
    elif output.chosen_format == "eval-results":
        print_or_write(writing.format_eval_results(found), output)
    elif output.chosen_format in ("tex", "html") and isinstance(shown, AccuracyTable):
        print_table(build_overview(shown), output)
    else:
        print_table(shown, output)
    if write:  # last, so that a full disk hides no table
        for path in writing.write_tables(found):
            print_message(f"written: {path}")
    if not found.evaluation.contents.finished and not found.evaluation.broken:
        command = build_run_all_command(found.evaluation)
        print_message(f"no results in {results} yet: {command} measures every row here")
    if line := _explain_untestable(found.suite):
        print_message(line)
    sys.exit(print_problems(found.evaluation))


def _explain_untestable(suite: Suite) -> str:
    """Say how rows of a suite of one's own that state no recipe get a verdict; empty if all do."""
    from fmbench.suites.bundled import is_bundled
    from fmbench.utils.formatting import format_number_of

    rows = [row for row in suite.rows if row.claimed and row.runner and row.recipe == "not stated"]
    if not rows or is_bundled(suite.path):
        return ""
    return (
        f"no verdict on {format_number_of(len(rows), 'row')}, because {suite.path.name} does not "
        'say that the recipe is stated: write recipe = "stated" or "partly stated" into each'
    )


def _refuse_selection(
    found: Results, table: str, output: OutputOptions, *, has_words: bool
) -> None:
    """Refuse to select rows where there is nothing to select."""
    from fmbench.suites.reader import ACCURACIES

    if table != ACCURACIES:
        raise UserError(f"only the table of accuracies has rows to select, not --table {table}")
    if output.chosen_format in ("review", "eval-results"):
        raise UserError(
            f"--format {output.chosen_format} is about all rows: leave out NAME and --verdict"
        )
    if has_words and not found.evaluation.has_verdicts:
        raise UserError("--verdict: the results of `fmbench run --quick` have no verdicts")


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
