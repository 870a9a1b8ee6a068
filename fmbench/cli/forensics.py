"""`fmbench forensics`: says which story explains what a paper prints of a model."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import FAILED, INTERRUPTED, find_terminal_width, print_output
from fmbench.execution.session import RunOptions

if TYPE_CHECKING:
    from fmbench.api import Forensics, PlannedCells

WIDTH = 100  # columns, if the output does not go to a terminal


@click.command(
    epilog="Examples: fmbench forensics lenet5; "
    "fmbench forensics lenet5 --run --data mnist=~/mnist; "
    "fmbench forensics ./my_model.py:make_model --quick --run"
)
@click.argument("name")
@options.parameters
@click.option(
    "--run", is_flag=True,
    help="Measure what is missing, the most telling cells first. Without it, nothing is run.",
)  # fmt: skip
@click.option(
    "--quick", is_flag=True, help="A small part of the data and few epochs: a rehearsal in minutes."
)
@options.seeds
@click.option(
    "--readings/--no-readings", default=True, show_default=True,
    help="Try every combination of what the source leaves open.",
)  # fmt: skip
@click.option(
    "--write", is_flag=True, help="Write the tables into the suite's folder of the results."
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings for a program.")
@options.run_options
@options.suite
@options.results
@options.data
def forensics(
    name: str,
    parameters: tuple[str, ...],
    run: bool,
    quick: bool,
    seeds: int | None,
    readings: bool,
    write: bool,
    as_json: bool,
    run_options: RunOptions,
    suite_file: Path | None,
    results: Path,
    data: dict[str, Path],
) -> None:
    """Which story explains what the paper prints: the correct procedure, or a known mistake?

    NAME is a runner, or a model of your own: FILE.py:NAME. Prints what the records say, and what is
    not measured yet. Finished cells are not run again; Ctrl-C keeps what is finished.
    """
    from fmbench import api
    from fmbench.report.mistakes import format_findings

    options.stop_on_sigterm()
    found = api.forensics(
        name, suite=suite_file, parameters=parameters, seeds=seeds, quick=quick, readings=readings,
        run=run, write=write, results=results, data=data, options=run_options,
    )  # fmt: skip
    if as_json:
        planned = [vars(cells) for cells in found.planned]
        print_output(json.dumps({**found.findings.as_dict(), "not_measured": planned}))
    else:
        width = find_terminal_width() or WIDTH
        words = ["fmbench", "forensics", name, *(w for p in parameters for w in ("-p", p))]
        words += ["--quick"] if quick else []
        words += ["--seeds", str(seeds)] if seeds else []
        words += [] if readings else ["--no-readings"]
        words += ["--write"] if write else []
        words += ["--suite", str(suite_file)] if suite_file else []
        words += ["--results", str(results)] if results != api.DEFAULT_RESULTS else []
        for dataset, folder in data.items():
            words += ["--data", f"{dataset}={folder}"]
        command = shlex.join([*words, "--run"])
        print_output(format_findings(found.findings, width) + _format_planned(found, command))
    if found.interrupted:
        sys.exit(INTERRUPTED)
    is_incomplete = found.unwritten or any(not record.finished for record in found.new_records)
    sys.exit(FAILED if is_incomplete else 0)


def _format_planned(found: Forensics, command: str) -> str:
    """List what is not measured, and the ``command`` that measures it."""
    from fmbench.utils.formatting import format_duration

    if not found.planned:
        return ""
    if found.findings.has_only_remarks:
        return ""
    if found.findings.needs_no_story:
        return "\nNothing else has to be measured.\n"
    total = sum(cells.seconds for cells in found.planned)
    lines = ["", "Not measured yet, the most telling first:"]
    lines += [
        f"  {cells.what}: {_count_cells(cells)}, about {format_duration(cells.seconds)} on one core"
        for cells in found.planned
    ]
    lines.append(f"In all about {format_duration(total)} on one core: `{command}` measures them.")
    return "\n".join(lines) + "\n"


def _count_cells(cells: PlannedCells) -> str:
    if cells.n_cells == 1:
        return "1 cell"
    return f"{cells.n_pending} of {cells.n_cells} cells"
