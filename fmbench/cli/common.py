"""What the verbs share: options, exit statuses, and how they speak."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.cells import Cell
    from fmbench.datasets import Source
    from fmbench.entries import Entry
    from fmbench.store import Broken, Store
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


class SuiteFile(Place):
    """A TOML file, or the name of a suite that comes with fmbench."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The file."""
        from fmbench import suites

        return super().convert(suites.named(str(value)), param, ctx)


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
    type=SuiteFile(path_type=Path, dir_okay=False),
    help="Claims: a TOML file, or the name of a bundled one such as xiao2017.  "
    "[default: kayed2020]",
)
parameters = click.option(
    "-p",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A hyperparameter's value (TOML or JSON) in place of the recipe's; repeatable.",
)
digits = click.option(
    "--digits", type=Place(path_type=Path),
    help="Folder with the four files of the MNIST digits; default: found, fetched, or left out.",
)  # fmt: skip
file = click.argument("file", required=False, type=Place(path_type=Path, dir_okay=False))


def entries(
    names: Iterable[str], parameters: Sequence[str] = (), known: Mapping[str, Entry] | None = None
) -> list[Entry]:
    """What the names mean, each once: one of ``known``, a runner, or a model of one's own.

    Says whose code is run, where that is not fmbench's own.
    """
    from fmbench.entries import named
    from fmbench.spelling import parse

    said: set[str] = set()

    def announce(code: str) -> None:
        if code not in said:
            said.add(code)
            say(f"runs the code of {code}")

    found = {}
    for name in names:
        # A row's name may end in its data set, which is no part of what can be parsed.
        spelled = str(parse(name, parameters)) if parameters else name
        entry = (known or {}).get(spelled) or (known or {}).get(str(parse(name, parameters)))
        entry = entry or named(name, parameters, announce)
        found[entry.name] = entry
    return list(found.values())


def digits_for(cells: Iterable[Cell], folder: Path | None) -> dict[str, Source]:
    """The digits by their name, if they are named or needed; nothing where none can be had."""
    from fmbench import datasets
    from fmbench.downloads import fetch

    spec = datasets.MNIST_DIGITS
    if folder is None and not any(cell.dataset == spec for cell in cells):
        return {}
    try:
        source = datasets.locate(spec, folder, fetch)
        datasets.verify(spec, source.folder)
    except UserError as error:
        if folder is not None:  # a wrong folder is the user's error; to have none is not
            raise
        say(f"left out what needs {spec.title}: {error}")
        return {}
    return {spec.name: source}


def say(text: Any) -> None:
    """One line to the person, beside the output."""
    click.echo(f"fmbench: {text}", err=True)


def run_all(suite_file: Path | None, *, quick: bool) -> str:
    """The command that measures every row of a suite."""
    flags = (f"--suite {suite_file}" if suite_file else "", "--quick" if quick else "", "--all")
    return f"`fmbench run {' '.join(filter(None, flags))}`"


def existing(folder: Path) -> Store:
    """The results folder; raises UserError if there is none."""
    from fmbench.store import Store

    if not folder.is_dir():
        raise UserError(f"no results folder {folder}: name one with --results")
    return Store(folder)


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
