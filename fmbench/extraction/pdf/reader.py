"""Reads claims from the tables and the running text of a PDF.

The PDF is read in a process of its own (:mod:`fmbench.extraction.pdf.worker`) that has limits of
time and memory; only tables and text come back. What they mean is decided here.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

from fmbench.errors import UserError
from fmbench.extraction.east_asian import translate
from fmbench.extraction.found import Extraction, FoundClaim
from fmbench.extraction.grid import Cell, Grid, build_grid
from fmbench.utils.processes import measure_memory

MAX_OUTPUT_BYTES = 32 << 20
MAX_PAGES = 200
MAX_SECONDS = 60.0  # by the clock
# macOS sets no limit to the memory of a process, so there it is measured this often.
POLLS_MEMORY = sys.platform == "darwin"
POLL_SECONDS = 0.2

# Python's isolated mode imports nothing from the current folder and reads no variables, so it may
# not find fmbench itself. The process gets the folder of the package and the folder of pdfplumber.
_START = """
import importlib.util, sys
package, libraries = sys.argv.pop(1), sys.argv.pop(1)
if libraries not in sys.path:
    sys.path.append(libraries)
spec = importlib.util.spec_from_file_location(
    "fmbench", package + "/__init__.py", submodule_search_locations=[package]
)
sys.modules["fmbench"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from fmbench.extraction.pdf.worker import main
main()
"""


def read_pdf(
    data: bytes,
    name: str,
    *,
    column: str | None = None,
    seconds: float | None = None,
    memory_gib: float = 2,
) -> Extraction:
    """Return the claims in a PDF's tables and sentences; each says on which page it stands.

    ``name`` is what messages call the file; ``column`` is the head of the column to read, if a
    table has several that could be the accuracy. The process that reads the PDF is ended after
    ``seconds``, or when it needs more than ``memory_gib``.

    Raises:
        UserError: the file cannot be read: it is encrypted, scanned, broken, or takes too
            long.
    """
    from fmbench.extraction.blocks import combine_blocks
    from fmbench.extraction.document import (
        Document,
        Part,
        find_blocks,
        separate_unnamed,
        share_repetition,
    )
    from fmbench.extraction.tables import read_grids
    from fmbench.extraction.text.read import find_sentences

    found = _run_worker(data, name, seconds or MAX_SECONDS, memory_gib)
    pages = enumerate(map(translate, found["lines"]), start=1)
    document = Document.of([Part(f"page {number}", text) for number, text in pages])
    blocks, rest = find_blocks(document.text)
    combined = combine_blocks(blocks)
    lines = zip(document.text.split("\n"), rest.split("\n"), strict=True)
    taken = {" ".join(line.split()) for line, left in lines if line != left}
    tables = [table for table in found["tables"] if not _is_part_of(table, taken)]
    notes: list[str] = [*(str(note) for note in found["notes"]), *combined.notes]
    notes += [
        f"page {table['pages'][0]}, table {table['number']}: not read, because its figures overlap "
        "what is printed beside them and are cut off"
        for table in tables
        if _has_cut_figures(table)
    ]
    tables = [table for table in tables if not _has_cut_figures(table)]
    grids = [grid for table in tables if (grid := _make_grid(table)) is not None]
    claims = [replace(c, where=document.name_place(c.where)) for c in combined.claims]
    if grids or (column is not None and not claims):
        of_tables, remarks = read_grids(grids, column=column, name=name)
        claims += of_tables
        notes += remarks
    of_text: list[FoundClaim] = []
    for number, text in enumerate(_join_logs(found["texts"]), start=1):
        if text:
            of_page, remarks = find_sentences(translate(text), f"page {number}")
            of_text += of_page
            notes += remarks
    of_text = share_repetition(of_text, claims)
    if blocks:
        n_models, matrices = combined.n_models, combined.matrices
        of_text = separate_unnamed(of_text, combined.claims, matrices, n_models)
    return Extraction(
        "PDF",
        name,
        (*claims, *of_text),
        tuple(replace(m, where=document.name_place(m.where)) for m in combined.matrices),
        combined.n_per_class,
        combined.class_names,
        tuple(dict.fromkeys(notes)),
    )


def _join_logs(texts: Sequence[str]) -> list[str]:
    """Join a log that continues on the next page with its first part.

    The log lines at the top of a page are moved to the end of the page before.
    """
    from fmbench.extraction.text.split import is_of_epoch

    pages = [text.split("\n\n") for text in texts]
    for above, below in pairwise(pages):
        while len(below) > 1 and is_of_epoch(above[-1]) and is_of_epoch(below[0]):
            above.append(below.pop(0))
    return ["\n\n".join(blocks) for blocks in pages]


def _is_part_of(table: dict[str, Any], lines: set[str]) -> bool:
    """Whether every row of a table stands in these lines, which a block has taken."""
    rows = (" ".join(filter(None, (cell[0] for cell in row))) for row in table["rows"])
    return all(" ".join(row.split()) in lines for row in rows)


def _has_cut_figures(table: dict[str, Any]) -> bool:
    """Whether most figures of a column end with the decimal point, such as ``87.``."""
    rows = [[cell[0] for cell in row] for row in table["rows"][table["n_headers"] :]]
    columns = list(zip_longest(*rows, fillvalue=""))[1:]  # the first may number the rows: "10."
    return any(
        2 * sum(re.fullmatch(r"\d+\.", text.strip()) is not None for text in column) > len(rows)
        for column in columns
    )


def _make_grid(table: dict[str, Any]) -> Grid | None:
    first, last = table["pages"][0], table["pages"][-1]
    pages = f"page {first}" if first == last else f"pages {first} to {last}"
    rows = [
        [
            Cell(translate(text), index < table["n_headers"], bold, repeats)
            for text, bold, repeats in row
        ]
        for index, row in enumerate(table["rows"])
    ]
    caption = translate(table["caption"])
    return build_grid(rows, caption=caption, where=f"{pages}, table {table['number']}")


def _run_worker(data: bytes, name: str, seconds: float, memory_gib: float) -> dict[str, Any]:
    """Return what the process that reads the PDF has found.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        with tempfile.TemporaryFile() as pdf, tempfile.TemporaryFile() as output:
            pdf.write(data)
            pdf.seek(0)
            status = _wait_for_worker(pdf, output, seconds, memory_gib)
            output.seek(0)
            printed = output.read(MAX_OUTPUT_BYTES + 1)
    except OSError as error:
        raise UserError(f"{name}: cannot be read: {error.strerror or error}") from None
    if status is None:
        raise UserError(
            f"{name}: reading it took more than the limit of {seconds:g} s: give a PDF of only the "
            "pages that hold the claims"
        )
    try:
        result = json.loads(printed)
    except ValueError:  # the process ended before it had printed everything
        result = {"problem": "ended", "detail": str(status)}
    if "problem" in result:
        raise UserError(f"{name}: {_describe_problem(result, memory_gib)}")
    return result


def _wait_for_worker(pdf: Any, output: Any, seconds: float, memory_gib: float) -> int | None:
    """Run the process that reads the PDF; return its exit status, None if it took too long."""
    command = [
        sys.executable, "-I", "-B", "-c", _START, str(Path(__file__).parents[2].resolve()),
        _find_libraries(), str(int(seconds) + 1), str(int(memory_gib * 2**30)), str(MAX_PAGES),
        str(MAX_OUTPUT_BYTES),
    ]  # fmt: skip
    # A Python that was built with shared libraries may need the first; nothing else is passed on.
    variables = {key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ}
    with subprocess.Popen(
        command,
        stdin=pdf,
        stdout=output,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=variables,
        close_fds=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return process.wait(POLL_SECONDS if POLLS_MEMORY else seconds)
                if POLLS_MEMORY and _measure_memory(process.pid) > memory_gib * 2**30:
                    process.kill()
            return None
        finally:
            process.kill()


def _measure_memory(pid: int) -> int:
    import psutil

    try:
        return measure_memory([psutil.Process(pid)])
    except psutil.NoSuchProcess:  # it has just ended
        return 0


def _find_libraries() -> str:
    """Return the folder in which pdfplumber is installed, never the current folder."""
    here = Path.cwd()
    folders = [folder for folder in sys.path if folder and Path(folder).resolve() != here]
    spec = importlib.machinery.PathFinder.find_spec("pdfplumber", folders)
    if spec is None or spec.origin is None:
        raise UserError("the library pdfplumber is missing: pip install pdfplumber")
    return str(Path(spec.origin).parents[1].resolve())


def _describe_problem(result: dict[str, Any], memory_gib: float) -> str:
    detail = str(result.get("detail", ""))
    part = "give a PDF of only the pages that hold the claims"
    texts = {
        "not a PDF": "is not a PDF file",
        "encrypted": "is encrypted with a password: save a copy without one, and give that",
        "no text": "has no text: it is probably scanned; recognise its text first, for example "
        "with ocrmypdf, or type the table into a text file",
        "no letters": "its text cannot be read, because its fonts do not name their letters: "
        "recognise its text first, for example with ocrmypdf",
        "pages": f"has more than {MAX_PAGES} pages: {part}",
        "memory": f"reading it takes more than the limit of {memory_gib:g} GiB of memory: {part}",
        "broken": f"is broken and cannot be read ({detail}): open it in a viewer and print it to a "
        "new PDF",
        "no limits": "PDF files are not read on this system, because it cannot limit the memory of "
        "a process: type the table into a text file",
        "ended": f"the process that reads it ended with status {detail}, perhaps at the limit of "
        f"{memory_gib:g} GiB of memory: {part}",
    }
    return texts[result["problem"]]
