"""Prints: results on stdout, messages for the user on stderr, and what the exit status is."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.cli.streams import send_nowhere
from fmbench.errors import UserError
from fmbench.utils.printable import escape_on_one_line, escape_unsafe, shorten
from fmbench.utils.table import DEFAULT_WIDTH, TEXT_FORMAT

if TYPE_CHECKING:
    from fmbench.analysis.evaluation import SuiteResults
    from fmbench.records.store import BrokenRecord
    from fmbench.utils.document import Document, Items
    from fmbench.utils.table import Table

# Exit statuses.
FAILED, CONTRADICTORY, BAD_INPUT, INTERRUPTED = 1, 1, 2, 130
MIN_WIDTH = 40  # columns for text, however narrow the terminal is
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


def build_run_all_command(evaluation: SuiteResults) -> str:
    """The command that measures every row of a suite in its folder, quoted for a message."""
    from fmbench.report.commands import build_commands_of

    return f"`{build_commands_of(evaluation).run('--all')}`"


def build_quick_command(name: str) -> str:
    """The command that tries a model on a small part of the data, to copy into a shell."""
    return shlex.join(["fmbench", "run", name, "--quick"])


def build_check_command(name: str) -> str:
    """The command that says what is wrong with a model, to copy into a shell."""
    return shlex.join(["fmbench", "check-runner", name])


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


@dataclass(frozen=True)
class OutputOptions:
    """Where a command's result goes: ``--format`` and ``--output`` as the user gave them.

    ``default``: the format without ``--format`` where the output goes neither to a terminal nor to
    a file whose name says it.
    """

    format: str | None = None
    file: Path | None = None
    default: str = TEXT_FORMAT

    @property
    def chosen_format(self) -> str:
        """The format: as asked, or by the ending of the file, or text in a terminal."""
        if self.format is not None:
            return self.format
        if self.file is not None:
            return _FORMAT_OF_ENDING.get(self.file.suffix.lower(), self.default)
        return TEXT_FORMAT if sys.stdout.isatty() else self.default

    @property
    def has_colours(self) -> bool:
        """Whether the text gets colours: in a terminal, unless ``NO_COLOR`` is set."""
        return self.file is None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def check(self) -> None:
        """Check before the work that the file can be written there.

        Raises:
            UserError: its folder does not exist, or its ending names a format that there is not.
        """
        if self.file is None:
            return
        check_folder_of(self.file)
        ending = self.file.suffix.lower()
        if self.format is None and ending in _OTHER_ENDINGS:
            raise UserError(
                f"{self.file}: fmbench writes no {ending} files: end the name with .txt, .md, "
                ".csv, .tex, .json or .html, or add --format"
            )


def check_folder_of(file: Path) -> None:
    """Check before the work that there is a folder for a file that is to be written.

    Raises:
        UserError: there is none.
    """
    if not file.absolute().parent.is_dir():
        raise UserError(f"{file} cannot be written: there is no folder {file.parent}")


# The ending of a file's name that says which format --output means.
_FORMAT_OF_ENDING = {
    ".txt": TEXT_FORMAT, ".md": "md", ".csv": "csv", ".tex": "tex", ".json": "json",
    ".html": "html", ".htm": "html",
}  # fmt: skip
# Endings for which text would be the wrong content.
_OTHER_ENDINGS = {
    ".pdf", ".doc", ".docx", ".odt", ".xls", ".xlsx", ".ods", ".png", ".svg", ".jpg", ".xml",
    ".yaml", ".yml", ".toml", ".ipynb", ".parquet",
}  # fmt: skip


def find_width() -> int:
    """Columns for text: those of the terminal, or of ``COLUMNS``, or 100."""
    return max(MIN_WIDTH, shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns)


def print_document(document: Document, output: OutputOptions) -> None:
    """Print a document, or write it into a file, in the chosen format."""
    from fmbench.utils.document import format_document

    format_, colours = output.chosen_format, output.has_colours
    text = format_document(document, format_, find_width(), colours=colours)
    print_or_write(text, output, styled=colours and format_ == TEXT_FORMAT)


def print_table(table: Table, output: OutputOptions) -> None:
    """Print a table, or write it into a file, in the chosen format."""
    from fmbench.utils.document import render_to_text
    from fmbench.utils.table import FORMATS

    format_, colours = output.chosen_format, output.has_colours
    if format_ != TEXT_FORMAT:
        print_or_write(FORMATS[format_](table), output)
        return
    from fmbench.report.terminal import render_table

    width = find_width()
    text = render_to_text(render_table(table, width), width, colours=colours)
    print_or_write(text, output, styled=colours)


def print_or_write(text: str, output: OutputOptions, *, styled: bool = False) -> None:
    """Print a text, or write it into the file of ``--output`` and say so.

    ``styled``: see :func:`print_output`.
    """
    from fmbench.utils.file_errors import name_file
    from fmbench.utils.files import write_text_atomically

    if output.file is None:
        print_output(text, styled=styled)
        return
    with name_file(output.file):
        write_text_atomically(output.file, escape_unsafe(text))
    print_message(f"written: {output.file}")


def list_files(folder: Path, files: Iterable[tuple[str, Path, str]]) -> tuple[Items, Table]:
    """List files of a results folder, each with its state and why it has it.

    The list is for people, and its paths begin in ``folder``; the table is for programs.
    """
    from fmbench.utils.document import Items
    from fmbench.utils.table import Column, Table

    rows = [{"state": state, "file": str(path), "why": why} for state, path, why in files]
    texts = [f"{row['state']} {row['file']}: {row['why']}" for row in rows]
    columns = tuple(map(Column, ("state", "file", "why")))
    return (
        Items(tuple(text.replace(f"{folder}{os.sep}", "") for text in texts)),
        Table(f"Records of {folder}", columns, rows),
    )


def print_broken_records(broken: Iterable[BrokenRecord]) -> int:
    """Name each record that could not be read, and what to do; return the exit status."""
    status = 0
    for record in broken:
        print_message(f"left out {record.path}: {record.why}; {record.remedy}")
        status = BAD_INPUT
    return status


def print_problems(evaluation: SuiteResults) -> int:
    """Name what the user should know about the records of a table; return the exit status."""
    from fmbench.report.commands import build_commands_of

    if found := evaluation.find_other_environments():
        n_seeds = found.n_seeds if found.n_seeds != evaluation.protocol.default_seeds else None
        command = build_commands_of(evaluation).run(*found.runners, seeds=n_seeds, refresh=True)
        logging.getLogger("fmbench").info("%s: `%s` measures them here", found.description, command)
    return print_broken_records(evaluation.broken)
