"""What the verbs share: options, exit statuses, and how they speak."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fmbench.records import Broken
    from fmbench.tables import Table

DEFAULT_RESULTS = Path("results/local")
FAILED, CONTRADICTORY, BAD_INPUT, INTERRUPTED = 1, 1, 2, 130


class Place(click.Path):
    """A path that says something: an empty one would be the current folder, which nobody means."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, unless nothing was given."""
        if not str(value).strip():
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


class Finite(click.FloatRange):
    """A finite number within bounds: "inf" and "nan" are numbers to Python but no limits."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


results = click.option(
    "--results",
    type=Place(path_type=Path, file_okay=False),
    default=DEFAULT_RESULTS,
    show_default=True,
    help="Folder of records and tables.",
)
data = click.option(
    "--data",
    type=Place(path_type=Path),
    help="Folder with the four Fashion-MNIST files; default: found or fetched.",
)
suite = click.option(
    "--suite",
    "suite_file",
    type=Place(path_type=Path, dir_okay=False),
    help="TOML file of claims; default: Kayed et al. 2020.",
)
file = click.argument("file", required=False, type=Place(path_type=Path, dir_okay=False))


def say(text: Any) -> None:
    """One line to the person, beside the output."""
    click.echo(f"fmbench: {text}", err=True)


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

        from fmbench.terminal import render

        console = Console()
        with console.capture() as captured:
            console.print(render(table, console.width), highlight=False)
        output(captured.get())
    else:
        from fmbench.tables import FORMATS

        output(FORMATS[format_ or "md"](table))


def width() -> int | None:
    """Columns of the terminal; ``None`` where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
