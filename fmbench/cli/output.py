"""TODO docstring."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fmbench.records.store import Broken
    from fmbench.utils.table import Table
if TYPE_CHECKING:
    from fmbench.analysis.evaluation import Results

FAILED, CONTRADICTORY, BAD_INPUT, INTERRUPTED = 1, 1, 2, 130


def say(text: Any) -> None:
    """One line to the person, beside the output."""
    click.echo(f"fmbench: {text}", err=True)


def run_all(suite_file: Path | None, *, quick: bool) -> str:
    """The command that measures every row of a suite."""
    flags = (f"--suite {suite_file}" if suite_file else "", "--quick" if quick else "", "--all")
    return f"`fmbench run {' '.join(filter(None, flags))}`"


def left_out(broken: Iterable[Broken]) -> int:
    """Name each record that could not be read, and its remedy; returns the exit status."""
    status = 0
    for record in broken:
        say(f"left out {record.path}: {record.why}; {record.remedy}")
        status = BAD_INPUT
    return status


def output(text: str) -> None:
    """Print what was asked for. A reader who has seen enough (``| head``) is no failure."""
    try:
        click.echo(text, nl=not text.endswith("\n"))
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would try again, and complain, when it closes the stream at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show(table: Table, format_: str | None = None) -> None:
    """Print a table in a format; without one, for the eye in a terminal and as Markdown elsewhere.

    In a terminal it is coloured (unless ``NO_COLOR`` is set) and as wide as that.
    """
    if format_ is None and sys.stdout.isatty():
        from rich.console import Console

        from fmbench.report.terminal import render

        console = Console()
        with console.capture() as captured:
            console.print(render(table, console.width), highlight=False)
        output(captured.get())
    else:
        from fmbench.utils.table import FORMATS

        output(FORMATS[format_ or "md"](table))


def width() -> int | None:
    """Columns of the terminal; ``None`` where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def complain(outcome: Results) -> int:
    """Say what of the records needs attention; returns the exit status."""
    if line := outcome.differences():
        say(line)
    return left_out(outcome.broken)
