"""The options that several commands share."""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from fmbench.cli.output import OutputOptions
from fmbench.errors import UserError
from fmbench.execution.session import (
    BACKENDS,
    DEVICES,
    ORDERS,
    TOGETHER_ON_GPU,
    RunOptions,
    Verbosity,
)
from fmbench.records.protocols import FULL, QUICK
from fmbench.suites.bundled import DEFAULT_SUITE
from fmbench.utils.files import DEFAULT_RESULTS, RESULTS_VARIABLE
from fmbench.utils.table import FORMATS, TEXT_FORMAT

# What can be the name of a data set before the "=" of an option; a path would have a slash.
NAME = re.compile(r"[\w.-]+")
# More than any run takes, and little enough for the clocks and counters of every system.
MAX_SECONDS, MAX_GIB = 10**8, 2**20
MAX_SEED = 2**32 - 1  # of NumPy's and scikit-learn's generators


class NonEmptyPath(click.Path):
    """A path that is not empty: an empty one would mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; fail if it is empty, or no path at all."""
        if not str(value).strip():
            self.fail("the path is empty", param, ctx)
        if "\0" in str(value):
            self.fail("a path has no null character", param, ctx)
        return super().convert(value, param, ctx)


class WholeNumber(click.IntRange):
    """A whole number within bounds."""

    name = "whole number"


class FiniteNumber(click.FloatRange):
    """A finite number within bounds; Python would also take "inf" and "nan"."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; fail if it is infinite or not a number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class SuiteOption(NonEmptyPath):
    """A TOML file, or the name of a suite that comes with fmbench."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path of the file."""
        from fmbench.suites import bundled

        return super().convert(bundled.find_suite(str(value)), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the names of fmbench's suites, and files."""
        from fmbench.suites.bundled import list_suites

        names = [name for name in list_suites() if name.startswith(incomplete)]
        return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]


class DataFolder(NonEmptyPath):
    """``DIR``, of the default data set, or ``NAME=DIR``; as a pair of the name and the folder.

    A path that exists and contains "=" is a path.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name of the data set and its folder; fail if the name is unknown."""
        from fmbench.datasets.specs import DEFAULT_DATASET, get_dataset

        name, equals, folder = str(value).partition("=")
        if not equals or not NAME.fullmatch(name) or Path(value).exists():
            name, folder = DEFAULT_DATASET.name, str(value)
        try:
            spec = get_dataset(name)
        except UserError as error:
            self.fail(str(error), param, ctx)
        path = super().convert(folder, param, ctx)
        return spec.name, path.expanduser()  # the shell expands no "~" that follows a "="


def complete_runners(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a runner, or what papers call it, and files with models.

    No name with a space is offered: shells take it for several words.
    """
    from fmbench.plugins.code import find_entry_points
    from fmbench.runners import load_runners

    if "/" in incomplete:
        return [CompletionItem(incomplete, type="file")]
    known = load_runners()
    aliases = {alias: name for name, runner in known.items() for alias in runner.aliases}
    titles = {
        **{alias: f"alias of {name}" for alias, name in aliases.items()},
        **dict.fromkeys(find_entry_points(), "installed"),
        **{name: runner.title for name, runner in known.items()},
    }
    typed = incomplete.lower()
    found = [name for name in titles if name.lower().startswith(typed) and " " not in name]
    exact = [name for name in found if name.startswith(incomplete)]
    return [
        CompletionItem(name, help=titles[name])
        for name in sorted(exact or found, key=lambda name: (name not in known, name))
    ]


names = click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_runners)
name = click.argument("name", shell_complete=complete_runners)
results = click.option(
    "--results",
    type=NonEmptyPath(path_type=Path, file_okay=False),
    default=DEFAULT_RESULTS,
    show_default=True,
    envvar=RESULTS_VARIABLE,
    show_envvar=True,
    help="Folder in which records and tables are stored.",
)
quick = click.option("--quick", is_flag=True, help="The results of `fmbench run --quick`.")
suite = click.option(
    "--suite",
    "suite_file",
    type=SuiteOption(path_type=Path, dir_okay=False),
    help="A paper's claims: a TOML file, or a name that `fmbench suite list` lists.  "
    f"[default: {DEFAULT_SUITE}]",
)
parameters = click.option(
    "-p",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A hyperparameter's value (TOML or JSON) in place of the recipe's; repeatable.",
)
seeds = click.option(
    "--seeds", type=WholeNumber(1, 10_000),
    help="Seeds of each stochastic runner; a deterministic one runs once.  "
    f"[default: {FULL.default_seeds}; quick: {QUICK.default_seeds}]",
)  # fmt: skip

seed_numbers = click.option(
    "--seed", "seed_numbers", type=WholeNumber(0, MAX_SEED), multiple=True, metavar="N",
    help="Exactly this seed, in place of the first ones; repeatable.",
)  # fmt: skip

_DATA_OPTIONS = (
    click.option(
        "--data", multiple=True, type=DataFolder(path_type=Path), metavar="[NAME=]DIR",
        help="Folder with the four files of Fashion-MNIST, or of the data set NAME; repeatable.  "
        "[default: found or fetched]",
    ),
    click.option(
        "--digits", type=NonEmptyPath(path_type=Path), metavar="DIR",
        help="The same as --data mnist=DIR.",
    ),
)  # fmt: skip

_RUN_OPTIONS = (
    click.option(
        "-j", "--jobs", type=WholeNumber(1, 1024),
        help="Launches at a time: cells, or seeds that are trained together.  "
        "[default: cores divided by --threads; in any case only as many as memory allows]",
    ),
    click.option(
        "--threads", type=WholeNumber(1, 1024), default=RunOptions.threads, show_default=True,
        help="Threads of each cell.",
    ),
    click.option(
        "--timeout", type=FiniteNumber(0, MAX_SECONDS, min_open=True), default=RunOptions.timeout,
        show_default=True, help="Seconds after which a cell is ended.",
    ),
    click.option(
        "--memory", "memory_gib", type=FiniteNumber(0, MAX_GIB, min_open=True),
        default=RunOptions.memory_gib, show_default=True,
        help="GiB of resident memory above which a cell is ended.",
    ),
    click.option(
        "--device", type=click.Choice(DEVICES), default=RunOptions.device,
        show_default=True, help="Where the neural networks run.",
    ),
    click.option(
        "--together", type=WholeNumber(1, 1000),
        help="Networks with the same layers, such as the seeds of a neural runner, that are "
        "trained together in one process.  "
        f"[default: {TOGETHER_ON_GPU} on a GPU, else 1]",
    ),
    click.option(
        "--gpu-jobs", type=WholeNumber(1, 64), default=RunOptions.gpu_jobs, show_default=True,
        help="Launches at a time on a GPU; they do not count as --jobs.",
    ),
    click.option(
        "--gpu-memory", "gpu_memory_gib", type=FiniteNumber(0, MAX_GIB, min_open=True),
        default=RunOptions.gpu_memory_gib, show_default=True,
        help="GiB of the GPU's memory that they may take together.",
    ),
    click.option(
        "--backend", type=click.Choice(BACKENDS), default=RunOptions.backend,
        show_default=True, help="Run the cells on this machine, or on the workers of a Dask "
        "cluster.",
    ),
    click.option(
        "--scheduler", metavar="ADDRESS",
        help="The scheduler of the Dask cluster, such as tcp://10.0.0.1:8786.",
    ),
    click.option(
        "--retries", type=WholeNumber(0, 100), default=RunOptions.retries, show_default=True,
        help="How often a cell is sent out again when its worker is lost.",
    ),
)  # fmt: skip

TABLE_FORMATS = (TEXT_FORMAT, *FORMATS)


def output(
    *more_formats: str, default: str = TEXT_FORMAT, has_json_flag: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--format`` and ``-o``; the command gets them as ``output``, checked.

    ``more_formats``: formats of this command alone, such as ``review``. ``default``: what is
    printed where the output goes to another program. ``has_json_flag``: add ``--json``.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_output(
            format_: str | None, output_file: Path | None, as_json: bool = False, **values: Any
        ) -> Any:
            if as_json and format_ not in (None, "json"):
                raise UserError(f"give --json or --format {format_}, not both")
            chosen = OutputOptions("json" if as_json else format_, output_file, default)
            chosen.check()
            return command(output=chosen, **values)

        elsewhere = "" if default == TEXT_FORMAT else f" in a terminal, {default} elsewhere"
        added = [
            click.option(
                "--format", "format_", type=click.Choice([*TABLE_FORMATS, *more_formats]),
                help="`text` is fitted to the terminal, `tex` is a LaTeX document.  "
                f"[default: by the ending of --output, or text{elsewhere}]",
            ),
            click.option(
                "-o", "--output", "output_file",
                type=NonEmptyPath(path_type=Path, dir_okay=False),
                help="Write into this file instead of printing.",
            ),
        ]  # fmt: skip
        if has_json_flag:
            added.append(
                click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
            )
        for option in reversed(added):
            with_output = option(with_output)
        return with_output

    return decorate


order = click.option(
    "--order", type=click.Choice(ORDERS), default=RunOptions.order,
    show_default=True, help="`table`: every row once before a second seed, the cheapest first; "
    "`finish`: the longest cells first; `auto`: `finish` where cores would idle at the end; "
    "with --until-decided: first the rows that decide most for the least compute.",
)  # fmt: skip


def data(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name folders of data sets; the command gets them as ``data``, a dict."""

    @functools.wraps(command)
    def with_data(data: Sequence[tuple[str, Path]], digits: Path | None, **values: Any) -> Any:
        return command(data=data_folders(data, digits), **values)

    for option in reversed(_DATA_OPTIONS):
        with_data = option(with_data)
    return with_data


def data_folders(data: Sequence[tuple[str, Path]], digits: Path | None = None) -> dict[str, Path]:
    """The folders that ``--data`` and ``--digits`` name, by the name of the data set.

    Raises:
        UserError: two of them are of the same data set.
    """
    from fmbench.datasets.specs import MNIST_DIGITS

    named = [*data, *([(MNIST_DIGITS.name, digits)] if digits is not None else [])]
    folders: dict[str, Path] = {}
    for name, folder in named:
        if name in folders:
            raise UserError(f"--data: two folders of {name}, {folders[name]} and {folder}")
        folders[name] = folder
    return folders


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what a run may use; the command gets them as ``run_options``."""

    @functools.wraps(command)
    def with_run_options(**values: Any) -> Any:
        names = [field.name for field in dataclasses.fields(RunOptions)]
        # A command may lack those that have no effect in it.
        chosen = RunOptions(**{name: values.pop(name) for name in names if name in values})
        return command(run_options=chosen, **values)

    for option in reversed(_RUN_OPTIONS):
        with_run_options = option(with_run_options)
    return with_run_options


def verbosity(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``-q`` and ``-v``; the command gets them as ``verbosity``, and its messages follow them.

    With ``-q`` only errors are printed beside the command's result.
    """

    @functools.wraps(command)
    def with_verbosity(quiet: bool, verbose: bool, **values: Any) -> Any:
        if quiet and verbose:
            raise UserError("give -q or -v, not both")
        chosen = Verbosity.QUIET if quiet else Verbosity.VERBOSE if verbose else Verbosity.USUAL
        logger = logging.getLogger("fmbench")
        level = logger.level
        if quiet:
            logger.setLevel(logging.ERROR)
        try:
            return command(verbosity=chosen, **values)
        finally:
            logger.setLevel(level)

    with_verbosity = click.option(
        "-v", "--verbose", is_flag=True,
        help="Also print the start of each cell, the versions, and where records are written.",
    )(with_verbosity)  # fmt: skip
    return click.option(
        "-q", "--quiet", is_flag=True, help="Print only errors and the result."
    )(with_verbosity)  # fmt: skip


def stop_on_sigterm() -> None:
    """Let SIGTERM, which batch systems send, end a run as Ctrl-C does: keep what is finished."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
