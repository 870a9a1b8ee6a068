"""Prints: results on stdout, messages for the user on stderr, and what the exit status is."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.cli.streams import send_nowhere
from fmbench.utils.printable import escape_on_one_line, escape_unsafe, shorten

if TYPE_CHECKING:
    from fmbench.analysis.evaluation import SuiteResults
    from fmbench.records.store import BrokenRecord
    from fmbench.utils.table import Table

# Exit statuses.
FAILED, CONTRADICTORY, BAD_INPUT, INTERRUPTED = 1, 1, 2, 130
MAX_MESSAGE = 2000  # characters of one line on stderr


def print_message(text: Any) -> None:
    """Print one line for the user on stderr, safe to print."""
    line = f"fmbench: {shorten(escape_on_one_line(str(text)), MAX_MESSAGE)}\n"
    sys.stderr.write(line)  # not click.echo, which takes ASCII for a mistake, and writes UTF-8
    sys.stderr.flush()


class _MessageHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print_message(record.getMessage())


def print_logged_messages() -> None:
    """Print what the library logs for the user as messages of the command line."""
    logger = logging.getLogger("fmbench")
    if not any(isinstance(handler, _MessageHandler) for handler in logger.handlers):
        logger.addHandler(_MessageHandler())
        logger.setLevel(logging.INFO)
        logger.propagate = False


def build_run_all_command(suite_file: Path | None, *, quick: bool) -> str:
    """The command that measures every row of a suite, quoted for a message."""
    flags = (f"--suite {suite_file}" if suite_file else "", "--quick" if quick else "", "--all")
    return f"`fmbench run {' '.join(filter(None, flags))}`"


def print_output(text: str, *, styled: bool = False) -> None:
    """Print the result of a command. It is no error if the reader stops early (``| head``).

    ``styled``: the text has colours, and is safe to print apart from these; otherwise it is made
    safe here.

    Raises:
        OSError: it cannot be written, as on a full disk.
    """
    with _catch_closed_pipe():
        sys.stdout.write(text if styled else escape_unsafe(text))
        sys.stdout.write("" if text.endswith("\n") else "\n")
    flush_output()


def flush_output() -> None:
    """Write everything that was printed so far, so that an error in writing can still be caught.

    Raises:
        OSError: see :func:`print_output`.
    """
    with _catch_closed_pipe():
        sys.stdout.flush()


@contextlib.contextmanager
def _catch_closed_pipe() -> Iterator[None]:
    """Drop the output if the reader of a pipe has ended; name it in any other error."""
    try:
        yield
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):  # not a file, as in a notebook
            # Otherwise Python would try again, and complain, when it closes the stream at the end.
            send_nowhere(sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            error.filename = "standard output"
            raise


def print_table(table: Table, format_: str | None = None) -> None:
    """Print a table in a format; by default fitted to the terminal, or as Markdown elsewhere.

    A terminal gets colours, unless ``NO_COLOR`` is set.
    """
    if format_ is None and sys.stdout.isatty():
        from rich.console import Console

        from fmbench.report.terminal import render_table

        console = Console()
        with console.capture() as captured:
            console.print(render_table(table, console.width), highlight=False)
        print_output(captured.get(), styled=True)
    else:
        from fmbench.utils.table import FORMATS

        print_output(FORMATS[format_ or "md"](table))


def find_terminal_width() -> int | None:
    """Columns of the terminal; ``None`` if the output goes to a file or another program."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_broken_records(broken: Iterable[BrokenRecord]) -> int:
    """Name each record that could not be read, and what to do; return the exit status."""
    status = 0
    for record in broken:
        print_message(f"left out {record.path}: {record.why}; {record.remedy}")
        status = BAD_INPUT
    return status


def print_problems(evaluation: SuiteResults) -> int:
    """Name what the user should know about the records of a table; return the exit status."""
    if line := evaluation.describe_other_environments():
        print_message(line)
    return print_broken_records(evaluation.broken)
