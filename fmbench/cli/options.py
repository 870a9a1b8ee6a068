"""What the verbs share: options, exit statuses, and how they speak."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fmbench.cli.output import say
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.datasets.specs import Source
    from fmbench.records.cells import Cell
    from fmbench.records.store import Store
    from fmbench.suites.entries import Entry

DEFAULT_RESULTS = Path("results/local")


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
        from fmbench.suites import bundled

        return super().convert(bundled.named(str(value)), param, ctx)


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
    from fmbench.plugins.spelling import parse
    from fmbench.suites.entries import named

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
    from fmbench.datasets import loading, locate, specs
    from fmbench.datasets.download import fetch

    spec = specs.MNIST_DIGITS
    if folder is None and not any(cell.dataset == spec for cell in cells):
        return {}
    try:
        source = locate.locate(spec, folder, fetch)
        loading.verify(spec, source.folder)
    except UserError as error:
        if folder is not None:  # a wrong folder is the user's error; to have none is not
            raise
        say(f"left out what needs {spec.title}: {error}")
        return {}
    return {spec.name: source}


def existing(folder: Path) -> Store:
    """The results folder; raises UserError if there is none."""
    from fmbench.records.store import Store

    if not folder.is_dir():
        raise UserError(f"no results folder {folder}: name one with --results")
    return Store(folder)
