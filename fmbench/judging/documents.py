"""Reads the inputs of ``fmbench judge`` and ``fmbench suite import``: files, texts, or words.

A word that names a file is read. A word that only looks like a file name is refused, so that a
mistyped name is never taken for a claim.
"""

from __future__ import annotations

import os
import re
import select
import stat
import time
from collections.abc import Sequence
from pathlib import Path

from fmbench.errors import UserError
from fmbench.extraction.found import Extraction
from fmbench.suites.bundled import find_bundled_suite, list_suites, suggest_files
from fmbench.suites.claims import Suite

COMMAND_LINE = "the command line"
STANDARD_INPUT = "standard input"
PASTED = "the pasted text"
WITHOUT_FILE = (COMMAND_LINE, STANDARD_INPUT, PASTED)
MAX_BYTES = 100 * 2**20  # of standard input, or of a pipe
MAX_WAIT = 2.0  # seconds for somebody to open the other end of a pipe
# A path, or a name with a known ending; "SVC 89.7" is neither, and "9123/10000" is a quotient.
_ENDINGS = (
    "txt|text|md|markdown|rst|tex|latex|csv|tsv|tab|htm|html|xhtml|pdf|json|jsonl|yaml|yml|toml|log|"
    "ipynb|py|xml|docx?|xlsx?|odt|ods|zip|gz|png|jpe?g"
)
_FILE_NAME = re.compile(
    rf"(?:~|\.\.?)?[/\\].*|(?!.*\d/\d)\S*[/\\]\S*|.*\.(?:{_ENDINGS})", re.IGNORECASE
)


Input = str | Path | bytes  # text or a name, a file, the content of standard input


def read_documents(
    inputs: Sequence[Input], *, kind: str | None = None, column: str | None = None
) -> list[Extraction] | Suite:
    """Read files, pasted text, or words such as ``"LeNet-5 98.80 %"``; words are one document.

    A :class:`Path` is a file; so is a text of one line that names one, or a suite of fmbench.
    Bytes are what standard input holds. A pipe that has a path is read like standard input.
    ``kind`` says how to read a document, ``column`` which column holds the accuracies.

    Raises:
        UserError: an input cannot be read or holds no figure, or a suite is not alone.
    """
    if not inputs:
        raise UserError("nothing to judge: name a file, or claims such as 'LeNet-5 98.80 %'")
    from fmbench.extraction.read import read_input

    found: list[Extraction | Suite] = []
    words: list[str] = []
    for entry in inputs:
        if isinstance(entry, bytes):
            found.append(read_input(entry, kind=kind, column=column, name=STANDARD_INPUT))
        elif (path := _find_path(entry)) is not None:
            if _is_pipe(path):
                content = _read_pipe(path)
                found.append(read_input(content, kind=kind, column=column, name=str(entry)))
            else:
                found.append(read_input(path, kind=kind, column=column, name=path.name))
        elif "\n" in str(entry):
            found.append(read_input(str(entry), kind=kind, column=column, name=PASTED))
        else:
            words.append(str(entry))
    if words:
        found.append(_read_words(words, kind, column))
    extractions = [entry for entry in found if isinstance(entry, Extraction)]
    suites = [entry for entry in found if isinstance(entry, Suite)]
    if not suites:
        return extractions
    if len(found) > 1:
        raise UserError(f"{suites[0].path}: a suite is judged by itself, without other inputs")
    return suites[0]


def name_input(entry: Input) -> str:
    """Return what a user types in a shell for an input; ``-`` for what cannot be read again."""
    if isinstance(entry, bytes) or "\n" in str(entry) or _is_pipe(Path(entry)):
        return "-"
    return str(entry)


def list_options(
    *,
    kind: str | None = None,
    column: str | None = None,
    mapping: Sequence[str] = (),
    model: str = "",
    results: str | Path | None = None,
    rounding: str = "nearest",
    margin: float | None = None,
) -> tuple[str, ...]:
    """List the options that a user types for these arguments of ``fmbench.judge``.

    ``margin`` is a fraction; None for the default.
    """
    words: list[str] = []
    named = {"--as": kind, "--column": column, "--model": model, "--results": results}
    for option, value in named.items():
        words += [option, str(value)] if value else []
    for entry in mapping:
        words += ["--map", entry]
    words += ["--rounding", rounding] if rounding != "nearest" else []
    words += [] if margin is None else ["--margin", f"{100 * margin:g}"]
    return tuple(words)


def _find_path(entry: str | Path) -> Path | None:
    """Return the file that an input names; None if it is text.

    Raises:
        UserError: it looks like the name of a file that does not exist, or names a folder.
    """
    text = str(entry)
    if not text.strip():
        raise UserError("an input is empty: name a file, or claims such as 'LeNet-5 98.80 %'")
    if isinstance(entry, str) and ("\n" in text or len(text) > 1000):
        return None
    path = Path(entry).expanduser()
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError):  # too long for a path, or with a null character
        return None
    if text in list_suites() and not path.is_file():
        return find_bundled_suite(text)
    if is_folder:
        raise UserError(f"{text} is a folder: name a file")
    if exists and not (path.is_file() or _is_pipe(path)):
        raise UserError(f"{text} is not a file: name a file, or give - for standard input")
    if exists or isinstance(entry, Path):
        return path
    if _FILE_NAME.fullmatch(text.strip()):
        raise UserError(f"there is no file {text!r}{suggest_files(path)}")
    if not any(character.isdigit() for character in text):
        raise UserError(
            f"{text!r} is neither a file nor a claim with a figure{suggest_files(path)}"
        )
    return None


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):  # no such file, or no path
        return False


def _read_pipe(path: Path) -> bytes:
    """Read what a pipe with a path holds, such as that of ``<(command)`` in a shell.

    Raises:
        UserError: nobody writes to it, it is too large, or cannot be read.
    """
    parts, n_bytes, end = [], 0, time.monotonic() + MAX_WAIT
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb", buffering=0) as pipe:
            poll = select.poll()
            poll.register(pipe, select.POLLIN)
            while n_bytes <= MAX_BYTES:
                part = pipe.read(2**20)
                if part is None:  # somebody has it open and has not written yet
                    poll.poll()
                    end = 0.0
                elif part:
                    parts.append(part)
                    n_bytes += len(part)
                    end = 0.0
                elif time.monotonic() >= end:
                    break
                else:
                    time.sleep(0.02)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    if not n_bytes:
        raise UserError(
            f"{path} is a pipe, and nobody wrote to it: name a file, or give - for standard input"
        )
    if n_bytes > MAX_BYTES:
        raise UserError(f"{path} gives more than {MAX_BYTES >> 20} MiB: give only the results")
    return b"".join(parts)


def _read_words(words: Sequence[str], kind: str | None, column: str | None) -> Extraction | Suite:
    from fmbench.extraction.read import read_input
    from fmbench.extraction.text.read import read_words

    if kind is not None:
        return read_input("\n".join(words), kind=kind, column=column, name=COMMAND_LINE)
    extraction = read_words(words, COMMAND_LINE)
    if not extraction.claims:
        near = "" if len(words) > 1 or " " in words[0] else suggest_files(Path(words[0]))
        if near:
            raise UserError(f"there is no file or suite {words[0]!r}{near}")
        notes = f" ({extraction.notes[0]})" if extraction.notes else ""
        raise UserError(
            f"no accuracy found in {' '.join(words)!r}{notes}: write claims such as "
            "'LeNet-5 98.80 %', or name a file"
        )
    return extraction
