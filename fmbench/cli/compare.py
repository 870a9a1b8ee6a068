"""`fmbench compare`: compares two runners, or two results folders, from stored predictions."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import (
    OutputOptions,
    print_broken_records,
    print_document,
    print_message,
)
from fmbench.errors import UserError
from fmbench.utils.document import Document, Items, Paragraph, rank_columns
from fmbench.utils.formatting import format_number_of
from fmbench.utils.table import Table, format_points

if TYPE_CHECKING:
    from fmbench.analysis.comparison import Comparison

# The columns that a narrow terminal shows first.
RANKING_OF_PAIRS = ("a", "b", "better", "difference", "p_holm", "low", "high", "mean_a", "mean_b")
RANKING_OF_RESULTS = (
    "runner", "mean", "against", "inside", "low", "high", "fit_seconds", "against_fit_seconds",
)  # fmt: skip


@click.command(
    short_help="Compare two runners, or two results folders.",
    epilog="Examples: fmbench compare svc-rbf random-forest; fmbench compare --all --format csv; "
    "fmbench compare --results results/reference --against results/gpu",
)
@options.names
@click.option("--all", "every_pair", is_flag=True, help="Every pair of the suite's rows.")
@click.option("--against", type=options.NonEmptyPath(path_type=Path, file_okay=False, exists=True),
              help="Another results folder, such as that of another machine: compare its rows "
              "with the same rows of --results.")  # fmt: skip
@options.output(default="md")
@options.quick
@options.suite
@options.results
@options.data
def compare(
    names: tuple[str, ...],
    every_pair: bool,
    against: Path | None,
    output: OutputOptions,
    quick: bool,
    suite_file: Path | None,
    results: Path,
    data: dict[str, Path],
) -> None:
    """Compare runners from stored predictions; nothing is run.

    Two names: is one better than the other? With --against: do the same rows get the same accuracy
    in two results folders, and how long did they take?
    """
    from fmbench.api import comparison
    from fmbench.api.results import load_results
    from fmbench.datasets import locate

    if against is not None:
        if every_pair:
            raise UserError(
                "--against compares rows with themselves: name rows, or leave out --all"
            )
        locate.check_folders(data)
        first, second = (
            load_results(folder, suite_file, quick=quick, data=data)
            for folder in (results, against)
        )
        table = comparison.compare_results(first, second, names)
        print_document(build_document(table, count_inside(table), RANKING_OF_RESULTS), output)
        broken = [*first.evaluation.contents.broken, *second.evaluation.contents.broken]
        sys.exit(print_broken_records(broken))
    if every_pair == bool(names):
        raise UserError("name two different runners, or --all; `fmbench list` shows them")
    locate.check_folders(data)
    found = comparison.compare(names, suite=suite_file, quick=quick, results=results, data=data)
    print_document(
        build_document(found.table, describe_pairs(found.pairs), RANKING_OF_PAIRS), output
    )
    if found.not_measured:
        print_message(f"not measured, so in no pair: {', '.join(found.not_measured)}")
    sys.exit(print_broken_records(found.broken))


def build_document(table: Table, summary: str, ranking: Sequence[str]) -> Document:
    """Put the parameters of the compared runners and a summary below their table."""
    from fmbench.suites.typed_names import name_with_parameters

    shown = replace(rank_columns(table, ranking), title="")
    columns = [name for name in ("a", "b", "runner") if name in table.names]
    runners = dict.fromkeys(row[name] for name in columns for row in table.rows)
    return Document(
        table.title,
        [Paragraph(summary), shown, Items(tuple(map(name_with_parameters, runners)))],
        table=table,
    )


def describe_pairs(pairs: Sequence[Comparison]) -> str:
    """Say which of two runners is better, or of how many pairs one is."""
    if len(pairs) > 1:
        n_better = sum(pair.better is not None for pair in pairs)
        return (
            f"{len(pairs)} pairs: in {n_better} one runner is better, in {len(pairs) - n_better} "
            "the predictions cannot tell"
        )
    [pair] = pairs
    low, high = format_points(pair.low), format_points(pair.high)
    interval = f"{format_points(pair.difference)} points, {low} to {high}"
    if pair.better is None:
        return f"The predictions cannot tell which is better ({pair.a} minus {pair.b}: {interval})."
    return f"{pair.better} is better ({pair.a} minus {pair.b}: {interval})."


def count_inside(table: Table) -> str:
    """Say of how many rows the second folder's mean lies in the first one's interval."""
    counts = Counter(row["inside"] for row in table.rows)
    unknown = f", {counts['']} without an interval" if counts[""] else ""
    return (
        f"{format_number_of(len(table.rows), 'row')}: {counts['yes']} inside the interval, "
        f"{counts['no']} outside{unknown}"
    )
