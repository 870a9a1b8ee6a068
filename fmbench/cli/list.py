"""TODO docstring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import output, width
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.analysis.summary import Summary
    from fmbench.models.registry import Runner


@click.command("list", epilog="Example: fmbench list --results results/local")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@options.suite
@options.results
def list_runners(names: tuple[str, ...], suite_file: Path | None, results: Path) -> None:
    """List every row and runner: what was claimed, and what has been measured.

    With a NAME, as `fmbench run` takes it, only that; its code is not run.
    """
    from tabulate import tabulate

    from fmbench import runners
    from fmbench.analysis.reference import known_summaries, reference
    from fmbench.plugins import code
    from fmbench.plugins.spelling import parse
    from fmbench.suites import reader
    from fmbench.utils.names import suggestion

    suite = reader.read(suite_file)
    committed = reference(suite).rows
    known = runners.runners()
    mine = known_summaries(results, suite, known)
    listed = [(row.runner, row.label, row.claimed or "") for row in suite.rows]
    listed += [(name, known[name].title, "") for name in known if name not in suite.runners]
    listed += [(name, f"installed: {entry.value}", "")
               for name, entry in code.entry_points().items()]  # fmt: skip
    shown = {name for name, _, _ in listed}
    listed += [(name, "asked for by name", "") for name in mine if name not in shown]
    if names:
        wanted = {str(parse(name)) for name in names}
        if unknown := sorted(wanted - {name for name, _, _ in listed}):
            near = suggestion(unknown[0], [name for name, _, _ in listed])
            raise UserError(f"nothing called {unknown[0]!r} is listed or measured{near}")
        listed = [line for line in listed if line[0] in wanted]
    missing = {row.runner for row in suite.rows if not row.estimator}
    lines = [
        (
            name,
            label,
            claimed,
            _measured(committed.get(name)),
            _measured(mine.get(name)),
            *_kind(known.get(name), missing=name in missing),
        )
        for name, label, claimed in listed
    ]
    header = ("name", "label in the paper", "claimed", "reference", "yours", "cost", "device")
    columns = width()
    # What is left for the label beside the other columns, each as wide as its longest entry.
    others = sum(
        max(len(line[i]) for line in [header, *lines]) + 2 for i in range(len(header)) if i != 1
    )
    wrap = None if columns is None else [None, max(12, columns - others), *[None] * 5]
    output(tabulate(lines, header, tablefmt="simple", disable_numparse=True, maxcolwidths=wrap))


def _measured(summary: Summary | None) -> str:
    if summary is None:
        return ""
    if summary.mean is None:
        return summary.status
    spread = f" ± {100 * summary.sd:.2f}" if summary.n > 1 and summary.sd is not None else ""
    return f"{100 * summary.mean:.2f}{spread} (n={summary.n})"


def _kind(runner: Runner | None, *, missing: bool) -> tuple[str, str]:
    if runner is None:
        return "no runner yet" if missing else "", ""
    return runner.cost_in_words, "cpu, cuda" if runner.uses_gpu else "cpu"
