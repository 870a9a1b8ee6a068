"""Reads a PDF in a process of its own, with limits, and prints what it found as JSON.

:func:`fmbench.extraction.pdf.reader.read_pdf` starts it. A PDF is hostile input: this process has
little memory and time, can start no other process, opens no connection and writes no file. The PDF
is its standard input.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple

from fmbench.extraction.pdf.columns import Gutter, find_gutter, split_columns
from fmbench.extraction.pdf.page import Line, View, cluster_lines, read_views
from fmbench.extraction.pdf.tables import (
    Table,
    attach_captions,
    continues_table,
    read_region,
    split_repeated_columns,
)
from fmbench.extraction.pdf.text import (
    TABLE_CAPTION,
    Caption,
    build_paragraphs,
    join_wrapped,
)

MAX_TABLES = 300
MAX_CELLS = 100_000
MAX_CELL_CHARACTERS = 1_000
MAX_TEXT_CHARACTERS = 4_000_000
_PAGE_NUMBER = re.compile(r"[-–—\s]*(?:page\s*)?\d+(?:\s*(?:of|/)\s*\d+)?[-–—\s]*", re.IGNORECASE)
# The head of a classification report, or a row of a confusion matrix.
_MAY_BE_BLOCK = re.compile(
    r"precision\s+recall|(?:^|\s)(?:\d{1,5}\s+){4}\d{1,5}(?:\s|$)|(?:0?\.\d+\s+){4}", re.IGNORECASE
)
# What Python reports before an action (its audit events), of which reading a PDF needs none.
_FORBIDDEN = (
    "os.", "socket.", "subprocess.", "shutil.", "tempfile.", "ctypes.", "pickle.",
    "urllib.", "http.", "ftplib.", "smtplib.", "imaplib.", "poplib.", "nntplib.", "telnetlib.",
    "webbrowser.", "sqlite3.", "pty.", "fcntl.", "syslog.", "winreg.", "_winapi.", "msvcrt.",
)  # fmt: skip
_ALLOWED = ("os.listdir", "os.scandir", "os.walk", "os.fwalk")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class _PdfProblemError(Exception):
    """A PDF cannot be read: the kind of problem, and details for the message."""

    def __init__(self, problem: str, detail: str = "") -> None:
        super().__init__(problem)
        self.problem, self.detail = problem, detail


def main() -> None:
    """Read the PDF from the standard input, and print the result as JSON."""
    seconds, memory, max_pages, max_output = (int(argument) for argument in sys.argv[1:5])
    import pdfplumber.pdf  # noqa: F401  # before the limits: the libraries must load

    logging.disable(logging.CRITICAL)  # pdfminer reports each oddity of a file
    try:
        _limit_process(seconds, memory, max_output)
        result = read_document(sys.stdin.buffer, max_pages)
    except _PdfProblemError as problem:
        result = {"problem": problem.problem, "detail": problem.detail}
    except MemoryError:
        result = {"problem": "memory"}
    sys.stdout.write(json.dumps(result))
    sys.stdout.flush()


def _limit_process(seconds: int, memory: int, max_output: int) -> None:
    """Limit what this process can use and do.

    Raises:
        _PdfProblemError: the system knows no limits.
    """
    try:
        import resource
    except ImportError:
        raise _PdfProblemError("no limits") from None
    limits = [
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds + 1),
        (resource.RLIMIT_FSIZE, max_output),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ]
    for limit, most in limits:
        _, hard = resource.getrlimit(limit)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS does not know all of them
            resource.setrlimit(limit, (most, most))
    sys.addaudithook(_forbid)


def _forbid(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse what reading a PDF never needs: to write a file, to open a connection, to start."""
    is_forbidden = event.startswith(_FORBIDDEN) and event not in _ALLOWED
    if event == "open":
        _, mode, flags = arguments  # os.open gives no mode
        is_forbidden = bool(set(mode or "") & set("wax+")) or bool(flags & _WRITING)
    if is_forbidden:
        raise PermissionError(f"{event} is not allowed while a PDF is read")


def read_document(stream: BinaryIO, max_pages: int) -> dict[str, Any]:
    """Return the tables, the text of each page and notes, as JSON can hold them.

    Raises:
        _PdfProblemError: the PDF cannot be read.
    """
    stream.seek(0)
    if b"%PDF-" not in stream.read(1024):
        raise _PdfProblemError("not a PDF")
    stream.seek(0)
    pages, notes = _read_pages(stream, max_pages)
    words = [word.text for page in pages for view in page.views for word in view.words]
    characters = sum(map(len, words))
    if characters < 5:
        raise _PdfProblemError("no text")
    if sum(len(word) for word in words if "(cid:" in word) > 0.5 * characters:
        raise _PdfProblemError("no letters")
    main_views = [page.views[0] for page in pages]
    _remove_running_heads(main_views)
    gutter = find_gutter(main_views)
    contents = []
    for number, page in enumerate(pages, start=1):
        content = _read_view(page.views[0], gutter)
        for view in page.views[1:]:
            turned = _read_view(view, None)
            content.tables += turned.tables
            content.captions += turned.captions + turned.paragraphs
            content.lines += turned.lines
        if page.has_drawings or content.has_figures:
            notes.append(f"page {number}: the text inside its figures was not read")
        contents.append(content)
    tables = _collect_tables(contents)
    _continue_text(contents)
    return _to_json(contents, tables, notes)


class _Page(NamedTuple):
    """A page: its main text, then what runs across it, such as a table turned by 90 degrees."""

    views: list[View]
    has_drawings: bool


def _read_pages(stream: BinaryIO, max_pages: int) -> tuple[list[_Page], list[str]]:
    """Return the pages, and notes on those that could not be read."""
    from pdfminer.pdfdocument import PDFEncryptionError
    from pdfplumber.pdf import PDF
    from pdfplumber.utils.exceptions import PdfminerException

    pages: list[_Page] = []
    notes: list[str] = []
    reason = "it has no pages"
    try:
        document = PDF(stream)  # type: ignore[arg-type]  # it accepts any binary file
        _check_number_of_pages(document, max_pages)
        for number, page in enumerate(document.pages, start=1):
            try:
                views, n_drawings = read_views(page.layout)
                page.close()
            except PdfminerException as error:
                _raise_known(error)
                reason = _describe(error)
                notes.append(f"page {number} could not be read ({reason})")
                views, n_drawings = [], 0
            views.sort(key=lambda view: len(view.words), reverse=True)
            others = [view for view in views[1:] if len(view.words) >= 4]
            pages.append(_Page([*(views[:1] or [View([], [], [])]), *others], n_drawings > 0))
    except (_PdfProblemError, MemoryError):
        raise
    except RecursionError:
        raise _PdfProblemError("broken", "its objects are nested too deeply") from None
    except Exception as error:  # noqa: BLE001
        # A hostile or broken file can make the library raise anything.
        _raise_known(error)
        if any(isinstance(cause, PDFEncryptionError) for cause in (error, *error.args)):
            raise _PdfProblemError("encrypted") from None
        raise _PdfProblemError("broken", _describe(error)) from None
    if len(notes) == len(pages):
        raise _PdfProblemError("broken", reason)
    return pages, notes


def _check_number_of_pages(document: Any, max_pages: int) -> None:
    """Count the pages; only their list is read, not the pages.

    Raises:
        _PdfProblemError: there are too many.
    """
    from pdfminer.pdfpage import PDFPage

    for count, _page in enumerate(PDFPage.create_pages(document.doc), start=1):
        if count > max_pages:
            raise _PdfProblemError("pages")


def _raise_known(error: BaseException) -> None:
    """Raise what a library has wrapped: that the memory or the stack is used up."""
    for cause in (error, *error.args):
        if isinstance(cause, MemoryError):
            raise cause


def _describe(error: BaseException) -> str:
    cause = next((arg for arg in error.args if isinstance(arg, BaseException)), error)
    text = " ".join(f"{type(cause).__name__} {cause}".split())
    return "".join(char for char in text if char.isprintable())[:120]


def _remove_running_heads(views: Sequence[View]) -> None:
    """Remove page numbers, and the lines that several pages have at the same place near an end."""
    ends_of_views: list[list[Line]] = []
    counts: Counter[tuple[str, int]] = Counter()
    for view in views:
        lines = cluster_lines(view.words)
        ends = [line for line in lines[:2] + lines[2:][-2:] if _stands_alone(line, lines, view)]
        ends_of_views.append(ends)
        counts.update({_name_line(line) for line in ends})
    for view, ends in zip(views, ends_of_views, strict=True):
        dropped: set[int] = set()
        for line in ends:
            is_number = _PAGE_NUMBER.fullmatch(line.text) and len(line.words) < 5
            count = counts[_name_line(line)]
            if is_number or (count >= 2 and count >= 0.3 * len(views)):
                dropped.update(map(id, line.words))
        view.words = [word for word in view.words if id(word) not in dropped]


def _name_line(line: Line) -> tuple[str, int]:
    return re.sub(r"\d+", "#", line.text), round(line.base)


def _stands_alone(line: Line, lines: Sequence[Line], view: View) -> bool:
    """Tell whether there is a gap above and below a line; the head of a table has a rule above."""
    near = [other for other in lines if 0 < abs(other.base - line.base) <= 1.5 * line.size]
    rules = [rule for rule in view.horizontal if 0 < line.base - rule.at < 2 * line.size]
    return not near and not (rules and len(line.split(1.0)) > 1)


class _PageContent:
    """What was found on a page."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.paragraphs: list[str] = []
        self.captions: list[str] = []
        self.lines: list[str] = []  # of a page that may print a report or a confusion matrix
        self.has_figures = False
        self.begins_with_table = False
        self.ends_with_table = False


def _read_view(view: View, gutter: Gutter | None) -> _PageContent:
    page = _PageContent()
    captions: list[Caption] = []
    regions = split_columns(view, gutter, TABLE_CAPTION)
    bases: list[float] = []
    for region in regions:
        page.lines += [*(line.text for line in region.lines), ""]
        content = read_region(region, view.horizontal, view.vertical)
        page.tables += content.tables
        captions += content.captions
        page.paragraphs += build_paragraphs(content.text_lines)
        page.has_figures |= content.has_figures
        bases += [line.base for line in content.text_lines]
    page.paragraphs = _join_paragraphs(page.paragraphs)
    page.captions = [caption.text for caption in captions]
    attach_captions(page.tables, captions)
    if page.tables:  # a running head may stand above, or a footnote below
        page.begins_with_table = sum(base < page.tables[0].box.top for base in bases) <= 2
        page.ends_with_table = sum(base > page.tables[-1].box.bottom for base in bases) <= 2
    return page


def _collect_tables(pages: Sequence[_PageContent]) -> list[Table]:
    """Return all tables; one that goes on over several pages is joined."""
    tables: list[Table] = []
    open_table: Table | None = None
    for number, page in enumerate(pages, start=1):
        for index, table in enumerate(page.tables):
            table.pages = [number]
            if (
                index == 0
                and open_table is not None
                and page.begins_with_table
                and continues_table(open_table, table)
            ):
                open_table.rows += table.rows[table.n_headers :]
                open_table.pages.append(number)
                page.tables[0] = open_table
            else:
                tables.append(table)
        open_table = page.tables[-1] if page.tables and page.ends_with_table else None
    return [part for table in tables for part in split_repeated_columns(table)]


def _goes_on(end: str, start: str) -> bool:
    """Tell whether a sentence that begins in one paragraph ends in the next one."""
    return not re.search(r"[.!?:]\W*$", end) and bool(re.match(r"[a-z0-9(]", start))


def _join_paragraphs(paragraphs: Sequence[str]) -> list[str]:
    """Join the text of one column with that of the next one, where a sentence goes on."""
    joined: list[str] = []
    for paragraph in paragraphs:
        if joined and len(joined[-1].split()) >= 4 and _goes_on(joined[-1], paragraph):
            joined[-1] = join_wrapped(joined[-1], paragraph)
        else:
            joined.append(paragraph)
    return joined


def _continue_text(pages: Sequence[_PageContent]) -> None:
    """Move the end of a sentence that goes on on the next page to the page where it begins."""
    for page, following in pairwise(pages):
        if not page.paragraphs or not following.paragraphs:
            continue
        end, start = page.paragraphs[-1], following.paragraphs[0]
        if _goes_on(end, start):
            match = re.match(r".*?[.!?](?=\s|$)(?!\s*\d)", start)
            part = match.group() if match else start
            page.paragraphs[-1] = join_wrapped(end, part)
            following.paragraphs[0] = start[len(part) :].strip()


def _to_json(
    pages: Sequence[_PageContent], tables: Sequence[Table], notes: list[str]
) -> dict[str, Any]:
    left = MAX_CELLS
    numbers: Counter[int] = Counter()
    listed: list[dict[str, Any]] = []
    for table in tables:
        cells = sum(len(row) for row in table.rows)
        numbers[table.pages[0]] += 1
        if cells > left or len(listed) >= MAX_TABLES:
            notes.append(f"page {table.pages[0]}: a table was left out, there are too many cells")
            continue
        left -= cells
        listed.append(
            {
                "pages": table.pages,
                "number": numbers[table.pages[0]],
                "caption": table.caption[:MAX_CELL_CHARACTERS],
                "n_headers": table.n_headers,
                "rows": [
                    [
                        [cell.text[:MAX_CELL_CHARACTERS], cell.bold, cell.repeats_left]
                        for cell in row
                    ]
                    for row in table.rows
                ],
            }
        )
    characters = MAX_TEXT_CHARACTERS
    texts = []
    for number, page in enumerate(pages, start=1):
        text = "\n\n".join(filter(None, page.paragraphs + page.captions))
        if len(text) > characters:
            notes.append(f"page {number}: its text was cut, the document has too much of it")
        texts.append(text[:characters])
        characters -= len(texts[-1])
    lines = ["\n".join(page.lines) for page in pages]
    lines = [text if _MAY_BE_BLOCK.search(text) else "" for text in lines]
    if sum(map(len, lines)) > MAX_TEXT_CHARACTERS:
        lines = ["" for _ in lines]
    return {"tables": listed, "texts": texts, "lines": lines, "notes": notes}
