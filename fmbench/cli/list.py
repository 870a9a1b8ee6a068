"""`fmbench list`: lists every row and runner, with what was claimed and measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import print_output, terminal_width
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.analysis.summary import Summary
    from fmbench.models.registry import Runner


@click.command("list", epilog="Example: fmbench list --results results/local")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@options.suite
@options.results
def list_runners(names: tuple[str, ...], suite_file: Path | None, results: Path) -> None:
    """List every row and runner, with what was claimed and what has been measured.

    With a NAME, as for `fmbench run`, list only that one. No code of a plug-in is run.
    """
    from tabulate import tabulate

    from fmbench import runners
    from fmbench.analysis.reference import reference_summaries, summaries_without_records
    from fmbench.plugins import code
    from fmbench.plugins.model_spec import parse_model_spec
    from fmbench.suites import reader
    from fmbench.utils.names import suggest_names

    suite = reader.read_suite(suite_file)
    committed = reference_summaries(suite)
    known = runners.load_runners()
    mine = summaries_without_records(results, suite, known)
    listed = [(row.runner, row.label, row.claimed or "") for row in suite.rows]
    listed += [(name, known[name].title, "") for name in known if name not in suite.runners]
    listed += [(name, f"installed: {entry.value}", "")
               for name, entry in code.find_entry_points().items()]  # fmt: skip
    shown = {name for name, _, _ in listed}
    listed += [(name, "asked for by name", "") for name in mine if name not in shown]
    if names:
        wanted = {str(parse_model_spec(name)) for name in names}
        if unknown := sorted(wanted - {name for name, _, _ in listed}):
            near = suggest_names(unknown[0], [name for name, _, _ in listed])
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
    columns = terminal_width()
    # The label gets the width that the other columns, as wide as their longest entry, leave.
    others = sum(
        max(len(line[i]) for line in [header, *lines]) + 2 for i in range(len(header)) if i != 1
    )
    wrap = None if columns is None else [None, max(12, columns - others), *[None] * 5]
    print_output(
        tabulate(lines, header, tablefmt="simple", disable_numparse=True, maxcolwidths=wrap)
    )


def _measured(summary: Summary | None) -> str:
    if summary is None:
        return ""
    if summary.mean is None:
        return f"n={summary.n}, see `fmbench table`" if summary.n else summary.status_text
    spread = f" ± {100 * summary.sd:.2f}" if summary.n > 1 and summary.sd is not None else ""
    return f"{100 * summary.mean:.2f}{spread} (n={summary.n})"


def _kind(runner: Runner | None, *, missing: bool) -> tuple[str, str]:
    if runner is None:
        return "no runner yet" if missing else "", ""
    return runner.cost_in_words, "cpu, cuda" if runner.uses_gpu else "cpu"
