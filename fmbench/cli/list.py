"""`fmbench list`: lists every row and runner, with what was claimed and measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fmbench.cli import options
from fmbench.cli.output import OutputOptions, print_document, print_message
from fmbench.utils.document import Block, Command, Document, Paragraph, rank_columns
from fmbench.utils.formatting import format_number_of
from fmbench.utils.table import COUNT, PERCENT, PRINTED_FIGURE, Column, ColumnKind, Table

if TYPE_CHECKING:
    from fmbench.analysis.summary import Summary
    from fmbench.api.listing import ListedRunner

# What people see: the label and the parameters share a column, and so do mean and spread.
MODEL = "label (parameters)"
SUMMARY = ColumnKind("mean ± standard deviation, or a status", to_json=lambda text: text)
COLUMNS = (
    Column("name"), Column(MODEL), Column("claimed", PRINTED_FIGURE),
    Column("reference", SUMMARY), Column("n", COUNT), Column("yours", SUMMARY),
    Column("your n", COUNT), Column("cost", min_width=100), Column("device", min_width=120),
)  # fmt: skip
RANKING = ("name", "claimed", "reference", "yours", MODEL, "n", "your n")
# What programs read: CSV, JSON and LaTeX.
FIGURES = (
    Column("name"), Column("label"), Column("parameters"), Column("claimed", PRINTED_FIGURE),
    Column("reference", PERCENT), Column("reference_sd", PERCENT), Column("reference_n", COUNT),
    Column("mean", PERCENT), Column("sd", PERCENT), Column("n", COUNT), Column("status"),
    Column("cost"), Column("device"),
)  # fmt: skip


@click.command(
    "list",
    short_help="List rows and runners, with what is claimed and measured.",
    epilog="Examples: fmbench list; fmbench list svc-rbf; fmbench list --suite claims.toml; "
    "fmbench list --format json",
)
@options.names
@click.option(
    "--all-runners", is_flag=True,
    help="With --suite: also the runners that no row of it names.  [default: without --suite]",
)  # fmt: skip
@options.output()
@options.suite
@options.results
def list_runners(
    names: tuple[str, ...],
    all_runners: bool,
    output: OutputOptions,
    suite_file: Path | None,
    results: Path,
) -> None:
    """List rows and runners, their deciding parameters, and what was claimed and measured.

    With a NAME, as for `fmbench run`, list only that one. With --suite, list the rows of that
    suite. No code of a plug-in is run. A narrow terminal leaves out cost and device.
    """
    from fmbench.api import listing
    from fmbench.api.inputs import load_suite
    from fmbench.report.commands import build_commands

    suite = load_suite(suite_file)
    listed = listing.list_runners(
        names, suite=suite, results=results, every_runner=all_runners or suite_file is None
    )
    command = ""
    if not (names or all_runners or suite_file is None):
        command = build_commands(results, suite).list_runners("--all-runners")
    print_document(build_document(suite.title, listed, command), output)
    for runner in listed:
        if runner.no_runner:
            print_message(f"{runner.label} has no runner: {runner.no_runner}")


def build_document(title: str, listed: Sequence[ListedRunner], command: str = "") -> Document:
    """``command`` also lists the other runners."""
    blocks: list[Block] = [_build_table(listed)] if listed else []
    blocks.append(Paragraph(_summarise(listed)))
    blocks += [Paragraph("The other runners, too:"), Command(command)] if command else []
    figures = Table(title, FIGURES, [_build_figures(runner) for runner in listed])
    return Document(title, blocks, table=figures)


def _build_table(listed: Sequence[ListedRunner]) -> Table:
    rows = [_build_row(runner) for runner in listed]
    columns = [column for column in COLUMNS if any(row[column.name] for row in rows)]
    return rank_columns(Table("", tuple(columns), rows), RANKING)


def _build_row(listed: ListedRunner) -> dict[str, Any]:
    in_name = set(listed.label.split()) <= set(listed.name.replace(":", " ").split())
    label = "" if ":" in listed.name and in_name else listed.label  # an estimator says it itself
    parameters = f" ({listed.parameters})" if listed.parameters else ""
    return {
        "name": listed.name, MODEL: f"{label}{parameters}", "claimed": listed.claimed,
        "reference": _format_summary(listed.reference), "n": _count_seeds(listed.reference),
        "yours": _format_summary(listed.measured), "your n": _count_seeds(listed.measured),
        "cost": _describe_cost(listed), "device": _describe_devices(listed),
    }  # fmt: skip


def _build_figures(listed: ListedRunner) -> dict[str, Any]:
    reference, measured = listed.reference, listed.measured
    return {
        "name": listed.name or None, "label": listed.label, "parameters": listed.parameters,
        "claimed": listed.claimed,
        "reference": reference and reference.mean, "reference_sd": _find_spread(reference),
        "reference_n": _count_seeds(reference),
        "mean": measured and measured.mean, "sd": _find_spread(measured),
        "n": _count_seeds(measured), "status": measured and measured.status_text,
        "cost": _describe_cost(listed), "device": _describe_devices(listed),
    }  # fmt: skip


def _describe_cost(listed: ListedRunner) -> str:
    if listed.no_runner:
        from fmbench.analysis.summary import Status

        return Status.NO_RUNNER.value
    return listed.runner.cost_in_words if listed.runner else ""


def _describe_devices(listed: ListedRunner) -> str:
    if listed.runner is None:
        return ""
    return "cpu, cuda" if listed.runner.uses_gpu else "cpu"


def _count_seeds(summary: Summary | None) -> int | None:
    return None if summary is None else summary.n or None


def _find_spread(summary: Summary | None) -> float | None:
    return None if summary is None or summary.n <= 1 else summary.sd


def _format_summary(summary: Summary | None) -> str:
    if summary is None:
        return ""
    if summary.mean is None:
        return summary.status.value
    spread = _find_spread(summary)
    return f"{100 * summary.mean:.2f}" + ("" if spread is None else f" ± {100 * spread:.2f}")


def _summarise(listed: Sequence[ListedRunner]) -> str:
    """Count what is listed: ``29 rows, 27 runners; 25 measured by fmbench, 3 by you``."""
    n_rows = sum(one.is_row for one in listed)
    names = {one.name for one in listed if one.name and not one.no_runner}
    by_fmbench = {one.name for one in listed if one.reference and one.reference.n}
    by_user = {one.name for one in listed if one.measured and one.measured.n}
    rows = f"{format_number_of(n_rows, 'row')}, " if n_rows else ""
    return (
        f"{rows}{format_number_of(len(names), 'runner')}; {len(by_fmbench) or 'none'} measured by "
        f"fmbench, {len(by_user) or 'none'} by you"
    )
