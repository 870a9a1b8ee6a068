"""`fmbench forensics`: says which story explains what a paper prints of a model."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import (
    FAILED,
    INTERRUPTED,
    OutputOptions,
    print_document,
    print_message,
)
from fmbench.execution.session import RunOptions, Verbosity

if TYPE_CHECKING:
    from fmbench.api.stories import Forensics, PlannedCells
    from fmbench.utils.document import Block

_WORDS = "fmbench.cli.forensics.words"  # where the context keeps what the user typed


class _RememberingCommand(click.Command):
    """A command that keeps the words that the user typed after its name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_WORDS] = tuple(args)
        return super().parse_args(ctx, args)


@click.command(
    short_help="Find mistakes that would explain what a paper prints.",
    cls=_RememberingCommand,
    epilog="Examples: fmbench forensics lenet5; "
    "fmbench forensics lenet5 --run --data mnist=~/mnist; "
    "fmbench forensics ./my_model.py:make_model --quick --run",
)
@options.name
@options.parameters
@click.option(
    "--run", is_flag=True,
    help="Measure what is missing, the most informative cells first. Without it, nothing is run.",
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
@options.output(has_json_flag=True)
@options.run_options
@options.verbosity
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
    output: OutputOptions,
    run_options: RunOptions,
    verbosity: Verbosity,
    suite_file: Path | None,
    results: Path,
    data: dict[str, Path],
) -> None:
    """Which story explains what the paper prints: the correct procedure, or a known mistake?

    NAME is a runner, or a model of your own: FILE.py:NAME. Prints what the records say, and what is
    not measured yet. Finished cells are not run again; Ctrl-C keeps what is finished.
    """
    from fmbench.api import stories
    from fmbench.report.forensics import build_findings_document

    options.stop_on_sigterm()
    found = stories.forensics(
        name, suite=suite_file, parameters=parameters, seeds=seeds, quick=quick, readings=readings,
        run=run, write=write, results=results, data=data, options=run_options,
        verbosity=verbosity,
    )  # fmt: skip
    command = _add_run(click.get_current_context().meta[_WORDS])
    planned = [vars(cells) for cells in found.planned]
    document = build_findings_document(
        found.findings, list(_list_planned(found, command)),
        {**found.findings.as_dict(), "not_measured": planned},
    )  # fmt: skip
    print_document(document, output)
    if found.interrupted:
        print_message(found.interruption)
        sys.exit(INTERRUPTED)
    is_incomplete = found.unwritten or any(not record.finished for record in found.new_records)
    sys.exit(FAILED if is_incomplete else 0)


def _add_run(words: Sequence[str]) -> str:
    """Return the command that the user typed, with ``--run``, to be typed in a shell."""
    end = words.index("--") if "--" in words else len(words)
    run = [] if "--run" in words[:end] else ["--run"]
    return shlex.join(["fmbench", "forensics", *words[:end], *run, *words[end:]])


def _list_planned(found: Forensics, command: str) -> Iterator[Block]:
    """List what is not measured, and the ``command`` that measures it."""
    from fmbench.utils.document import Command, Paragraph
    from fmbench.utils.formatting import format_duration
    from fmbench.utils.table import Column, Table

    if not found.planned or found.findings.has_only_remarks:
        return
    if found.findings.needs_no_story:
        yield Paragraph("Nothing else has to be measured.")
        return
    columns = Column("what"), Column("cells"), Column("time on one core")
    rows = [
        {"what": cells.what, "cells": _count_cells(cells),
         "time on one core": format_duration(cells.seconds)}
        for cells in found.planned
    ]  # fmt: skip
    yield Table("Not measured yet, the most informative first", columns, rows)
    total = sum(cells.seconds for cells in found.planned)
    yield Paragraph(f"This measures them, in about {format_duration(total)} on one core:")
    yield Command(command)


def _count_cells(cells: PlannedCells) -> str:
    if cells.n_cells == 1:
        return "1"
    return f"{cells.n_pending} of {cells.n_cells}"
