"""`fmbench list`: lists every row and runner, with what was claimed and measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import find_terminal_width, print_message, print_output

if TYPE_CHECKING:
    from fmbench.analysis.summary import Summary
    from fmbench.api import ListedRunner

HEADER = ("name", "label in the paper", "claimed", "reference", "yours", "cost", "device")


@click.command("list", epilog="Example: fmbench list --results results/local")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@options.suite
@options.results
def list_runners(names: tuple[str, ...], suite_file: Path | None, results: Path) -> None:
    """List every row and runner, with what was claimed and what has been measured.

    With a NAME, as for `fmbench run`, list only that one. No code of a plug-in is run.
    """
    from tabulate import tabulate

    from fmbench import api

    listed = api.list_runners(names, suite=suite_file, results=results)
    lines = [_format_line(runner) for runner in listed]
    width = find_terminal_width()
    # The label gets the width that the other columns, as wide as their longest entry, leave.
    others = sum(
        max(len(line[i]) for line in [HEADER, *lines]) + 2 for i in range(len(HEADER)) if i != 1
    )
    wrap = None if width is None else [None, max(12, width - others), *[None] * 5]
    print_output(
        tabulate(lines, HEADER, tablefmt="simple", disable_numparse=True, maxcolwidths=wrap)
    )
    for runner in listed:
        if runner.no_runner:
            print_message(f"{runner.label} has no runner: {runner.no_runner}")


def _format_line(listed: ListedRunner) -> tuple[str, ...]:
    cost, device = "", ""
    if listed.no_runner:
        from fmbench.analysis.summary import Status

        cost = Status.NO_RUNNER.value
    elif listed.runner:
        cost = listed.runner.cost_in_words
        device = "cpu, cuda" if listed.runner.uses_gpu else "cpu"
    return (
        listed.name,
        listed.label,
        listed.claimed or "",
        _format_summary(listed.reference),
        _format_summary(listed.measured),
        cost,
        device,
    )


def _format_summary(summary: Summary | None) -> str:
    if summary is None:
        return ""
    if summary.mean is None:
        return summary.status_text
    spread = f" ± {100 * summary.sd:.2f}" if summary.n > 1 and summary.sd is not None else ""
    return f"{100 * summary.mean:.2f}{spread} (n={summary.n})"
