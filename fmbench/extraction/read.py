"""Reads any input: finds out what it is from its content, and calls the readers that apply.

A document may hold several things at once, such as a README with a table, a classification report
and a sentence. Each reader gets what the readers before it have not taken, and what two of them
found twice is kept once.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.errors import UserError
from fmbench.extraction.data_set_names import find_mnist_in_names
from fmbench.extraction.document import (
    Document,
    Part,
    drop_repetitions,
    find_blocks,
    leave_out_ambiguous,
    leave_out_claimed,
    leave_out_regression,
    leave_out_repeated,
    leave_out_unnamed,
    name_unnamed,
    separate_unnamed,
    share_repetition,
)
from fmbench.extraction.figures import OUT_OF_RANGE, describe_rounded
from fmbench.extraction.found import Extraction, FoundClaim
from fmbench.extraction.html_text import blank_hidden, strip_tags
from fmbench.extraction.text.mentions import FASHION
from fmbench.suites.claims import Suite
from fmbench.utils.formatting import join_words
from fmbench.utils.printable import write_on_one_line

if TYPE_CHECKING:
    from fmbench.extraction.tables import TablesRead

KINDS = {
    "classification report": "scikit-learn's classification_report, printed, as JSON or as CSV",
    "confusion matrix": "a confusion matrix: NumPy, pandas, CSV, JSON, or a block of numbers",
    "table": "a table of models and accuracies in any of the next six forms",
    "Markdown": "tables in Markdown",
    "LaTeX": "tables in LaTeX",
    "HTML": "tables in HTML",
    "reStructuredText": "tables in reStructuredText",
    "separated values": "CSV, TSV or semicolons",
    "aligned text": "tables aligned with blanks",
    "text": "sentences, or lines such as 'LeNet-5: 98.80 %'",
    "PDF": "the tables and sentences of a PDF",
    "notebook": "the outputs and texts of a Jupyter notebook",
    "JSON": "JSON with reports, matrices or accuracies",
    "model hub": "a model hub's .eval_results, or the metadata of a model card",
    "suite": "fmbench's own TOML file",
    "document": "text that holds several of these",
}
_SHORT_NAMES = {
    "report": "classification report", "matrix": "confusion matrix", "md": "Markdown",
    "tex": "LaTeX", "htm": "HTML", "rst": "reStructuredText", "csv": "separated values",
    "tsv": "separated values", "words": "text", "txt": "text", "ipynb": "notebook",
    "yaml": "model hub", "toml": "suite",
}  # fmt: skip
_TABLES = ("Markdown", "LaTeX", "HTML", "reStructuredText", "separated values", "aligned text")

MAX_TEXT_BYTES = 2_000_000  # a text of this size takes some seconds
MAX_PDF_BYTES = 100_000_000
MAX_NOTEBOOK_BYTES = 20_000_000  # a notebook holds pictures, which are not read
MAX_NOTES = 40
MAX_SHORT_LINES = 20  # a longer text is no list of claims unless most of its lines hold a number
MAX_CLAIMS = 5_000
_OTHER_FILES = (
    (b"\x89PNG", "a picture; fmbench reads text and PDF"),
    (b"\xff\xd8\xff", "a picture; fmbench reads text and PDF"),
    (b"GIF8", "a picture; fmbench reads text and PDF"),
    (b"PK\x03\x04", "a ZIP archive, perhaps a Word or Excel file: save it as PDF or CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Word or Excel file: save it as PDF or CSV"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"PAR1", "a Parquet file: save it as CSV"),
    (b"\x93NUMPY", "a NumPy file: print the matrix, or save it with numpy.savetxt"),
    (b"\x89HDF", "an HDF5 file; fmbench reads text and PDF"),
)


def find_kind(text: str) -> str:
    """Return the name in :data:`KINDS` that the user means.

    Raises:
        UserError: there is no such kind; the message lists them.
    """
    wanted = text.strip().replace("-", " ").replace("_", " ").lower()
    wanted = _SHORT_NAMES.get(wanted, wanted).lower()
    for kind in KINDS:
        if kind.lower() == wanted:
            return kind
    raise UserError(f"there is no kind of input {text!r}; known: {', '.join(KINDS)}")


def read_input(
    source: Path | str | bytes,
    *,
    kind: str | None = None,
    column: str | None = None,
    name: str = "",
) -> Extraction | Suite:
    """Read the claims of a file (a path), of a text, or of the bytes of standard input.

    Args:
        source: a path, or the content itself as a string or as bytes.
        kind: a name in :data:`KINDS`; None: it is found from the content.
        column: the head of the column that holds the accuracies, where a table has several.
        name: what messages call the input; by default the file's name.

    Raises:
        UserError: one line: the input cannot be read, holds no claim, or is ambiguous.
    """
    wanted = None if kind is None else find_kind(kind)
    name = name or (source.name if isinstance(source, Path) else "standard input")
    if isinstance(source, str):
        return _read_text(source, name, wanted, column, [])
    data = _read_file(source, name) if isinstance(source, Path) else source
    if _is_pdf(data) or wanted == "PDF":
        from fmbench.extraction.pdf.reader import read_pdf

        return _finish(read_pdf(data, name, column=column))
    text, notes = decode_text(data, name)
    if isinstance(source, Path) and (
        wanted == "suite" or (wanted is None and _is_suite(text, name))
    ):
        from fmbench.suites.reader import read_suite

        return read_suite(source)
    return _read_text(text, name, wanted, column, notes)


# ---- files and encodings -------------------------------------------------------------------------


def _read_file(path: Path, name: str) -> bytes:
    """Read a file.

    Raises:
        UserError: it cannot be read, is not a regular file, or is too large.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # before it is opened: a pipe would wait
            what = "a folder" if path.is_dir() else "not a regular file"
            raise UserError(f"{name} is {what}; give one file")
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UserError(f"{name} is not a regular file; give one file")
            if status.st_size > MAX_PDF_BYTES:
                raise UserError(
                    f"{name} has {status.st_size / 1e6:.0f} MB; at most {MAX_PDF_BYTES / 1e6:.0f}"
                    " MB of a PDF are read: give only the pages that hold the claims"
                )
            begin = file.read(1024)
            if not _is_pdf(begin):
                _check_size(status.st_size, name, MAX_NOTEBOOK_BYTES)
            return begin + file.read(MAX_PDF_BYTES)
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # a NUL character in the path
        raise UserError(f"{name!r} is not a file name: {error}") from None


def _is_pdf(data: bytes) -> bool:
    return data[:1024].lstrip().startswith(b"%PDF")


def _check_size(n_bytes: int, name: str, most: int = MAX_TEXT_BYTES) -> None:
    if n_bytes > most:
        raise UserError(
            f"{name} has {n_bytes / 1e6:.0f} MB; at most {most / 1e6:.0f} MB of text are "
            "read: give only the results"
        )


def decode_text(data: bytes, name: str) -> tuple[str, list[str]]:
    """Decode a text, and note the encoding if it is not UTF-8.

    UTF-16 and UTF-32 are known by their byte-order mark; UTF-16 also by its zero bytes.

    Raises:
        UserError: it is empty, too large, another kind of file, or not a text.
    """
    _check_size(len(data), name, MAX_NOTEBOOK_BYTES)
    for begin, what in _OTHER_FILES:
        if data.startswith(begin):
            raise UserError(f"{name} is {what}")
    text, note = _decode(data)
    if text is None or _count_control_characters(text) > len(text) // 1000:
        raise UserError(f"{name} is not a text file (binary data)")
    if not text.strip():
        raise UserError(f"{name} is empty")
    return text, [note] if note else []


def _decode(data: bytes) -> tuple[str | None, str]:
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\x00\x00", "utf-32"),
        (b"\x00\x00\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
    ):  # fmt: skip
        if data.startswith(mark):
            with suppress(UnicodeDecodeError):
                return data.decode(encoding), ""
            return None, ""
    sample = data[:4096]
    if len(sample) >= 8 and b"\x00" in sample:
        for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
            if sample[first::2].count(0) > len(sample) // 3 and not sample[1 - first :: 2].count(0):
                with suppress(UnicodeDecodeError):
                    return data.decode(encoding), "the text is read as UTF-16"
        return None, ""
    with suppress(UnicodeDecodeError):
        return data.decode(), ""
    for encoding, title in (("cp1252", "Windows-1252"), ("latin-1", "Latin-1")):
        with suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            letters = sum(c.isascii() or c.isalpha() or c in "±°–—“”‘’…%€·×" for c in text[:10_000])
            if not re.search(r"[\x80-\x9f]", text) and letters > 0.95 * len(text[:10_000]):
                return text, f"the text is not UTF-8; it is read as {title}"
    return None, ""


def _count_control_characters(text: str) -> int:
    """Count characters that no text holds; those of coloured terminal output do not count."""
    sample = text[:200_000]
    return len(re.findall(r"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]", sample))


# ---- text ----------------------------------------------------------------------------------------


def _read_text(
    text: str, name: str, kind: str | None, column: str | None, notes: Sequence[str]
) -> Extraction | Suite:
    is_notebook = text[:1].strip() == "{" and '"nbformat"' in text
    _check_size(len(text), name, MAX_NOTEBOOK_BYTES if is_notebook else MAX_TEXT_BYTES)
    if not text.strip():
        raise UserError(f"{name} is empty")
    text = re.sub(r"\x1b\[[0-9;]{0,20}[A-Za-z]", "", text.removeprefix("\ufeff"))  # colours
    text = re.sub(r"[\x08\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", " ", text)
    text = re.sub(r"\r\n?", "\n", text)
    text = re.sub(r"(?<![ \t])[ \t]{200,}", " " * 200, text)  # no table is aligned with so many
    if kind == "suite" or (kind is None and _is_suite(text, name)):
        return _read_suite_text(text, name)
    if text.lstrip()[:1] not in ("{", "["):  # JSON: its texts are cleaned one by one
        from fmbench.extraction.pasted import clean_pasted
        from fmbench.extraction.text.split import join_broken_names

        text = join_broken_names(clean_pasted(blank_hidden(text)))
    found = _read_as(text, name, kind, column)
    return _finish(replace(found, notes=(*notes, *found.notes)))


def _is_suite(text: str, name: str) -> bool:
    """Whether a text is a suite, and not one that only quotes parts of a suite."""
    from fmbench.suites.reader import MAX_BYTES
    from fmbench.utils.toml import parse_toml

    if not re.search(r"^[ \t]*\[test_set\][ \t]*(?:#.*)?$", text, re.MULTILINE) or not re.search(
        r"^[ \t]*n_per_class[ \t]*=", text, re.MULTILINE
    ):
        return False
    if name.lower().endswith(".toml") or len(text) > MAX_BYTES:
        return name.lower().endswith(".toml")
    try:
        content = parse_toml(text)
    except ValueError:
        return False
    test_set = content.get("test_set")
    return isinstance(test_set, dict) and "n_per_class" in test_set


def _read_suite_text(text: str, name: str) -> Suite:
    from fmbench.suites.reader import MAX_BYTES, build_suite
    from fmbench.utils.toml import parse_toml

    if len(text) > MAX_BYTES:
        raise UserError(f"{name}: larger than {MAX_BYTES >> 20} MiB, not a suite")
    try:
        content = parse_toml(text)
    except ValueError as error:
        raise UserError(f"{name}: not valid TOML: {error}") from None
    return build_suite(content, Path(name))


def _read_as(text: str, name: str, kind: str | None, column: str | None) -> Extraction:
    """Read a text as this kind, or as what it looks like."""
    from fmbench.extraction.classification_reports import read_report
    from fmbench.extraction.confusion_matrices import read_matrix
    from fmbench.extraction.json_values import find_json, find_json_lines, parse_json
    from fmbench.extraction.model_hub import looks_like_model_hub, read_model_hub
    from fmbench.extraction.tables import read_tables
    from fmbench.extraction.text.read import read_words

    readers: dict[str, Callable[[], Extraction]] = {
        "classification report": lambda: read_report(text, name),
        "confusion matrix": lambda: read_matrix(text, name),
        "table": lambda: read_tables(text, name, None, column),
        "text": lambda: read_words(strip_tags(text).splitlines(), name),
        "notebook": lambda: _read_notebook(text, name, column),
        "JSON": lambda: _read_json(parse_json(text, name), name, column),
        "model hub": lambda: read_model_hub(text, name),
    }
    if kind == "PDF":
        raise UserError(f"{name} is not a PDF")
    if kind in _TABLES:
        return read_tables(text, name, kind, column)
    if kind is not None and kind != "document":
        return readers[kind]()
    content = find_json(text, name) if kind is None else None
    if content is None and kind is None:
        content = find_json_lines(text, name)
    if content is None and kind is None and text.lstrip().startswith("{") and '"' not in text:
        # a dictionary as Python prints it
        plain = re.sub(r"\bnp\.(?:float|int)[0-9]{2}\(([^()]{1,40})\)", r"\1", text)
        plain = plain.replace("'", '"')
        content = find_json(plain, name) or find_json_lines(plain, name)
    if content is not None:
        return _read_json(content, name, column)
    if kind is None and looks_like_model_hub(text):
        found = read_model_hub(text, name)
        body = re.sub(r"\A\s*---\n.*?\n---[ \t]*(?:\n|\Z)", "", text, count=1, flags=re.DOTALL)
        if body == text or not body.strip():
            return found
        rest = _read_document([Part("", body)], name, column)
        return _merge("document", name, [found, found.without_left_out(rest)])
    return _read_document([Part("", text)], name, column)


def _finish(found: Extraction) -> Extraction:
    """Drop what was found twice, bound the notes, and refuse an input without a claim."""
    claims: dict[tuple[Any, ...], FoundClaim] = {}
    for claim in _leave_out_repeated_tables(drop_repetitions(found.claims)):
        key = (
            claim.label, claim.metric, _write_share(claim), claim.source, claim.class_,
            claim.average, claim.predicted_as, claim.mean_of, claim.best_of, claim.folds,
        )  # fmt: skip
        claims.setdefault(key, claim)
    if len(claims) > MAX_CLAIMS:
        raise UserError(f"{found.name} holds more than {MAX_CLAIMS:,} figures: give only a part")
    notes = [*describe_rounded(claims.values()), *found.notes]
    notes = list(dict.fromkeys(_to_line(note) for note in notes))
    ambiguous = [note for note in notes if _AMBIGUOUS.search(note)]
    notes = list(dict.fromkeys([*ambiguous, *notes]))  # they ask for an answer
    if not claims and not found.matrices:
        if ambiguous:
            raise UserError(ambiguous[0])
        raise UserError(f"{found.name}: {_explain_nothing(notes)}")
    if len(notes) > MAX_NOTES:
        notes = [*notes[:MAX_NOTES], f"... and {len(notes) - MAX_NOTES} more notes like these"]
    return replace(found, claims=tuple(claims.values()), notes=tuple(notes))


def _write_share(claim: FoundClaim) -> str:
    """Write the value of a claim so that 0.9104 and 91.04 % are the same, and 0.91 is another."""
    figure = claim.figure
    if figure.out_of is not None or figure.bound:
        return figure.printed
    value = Decimal(figure.value.rstrip("%"))
    return str(value.scaleb(-2) if figure.value.endswith("%") else value)


def _leave_out_repeated_tables(claims: Sequence[FoundClaim]) -> list[FoundClaim]:
    """Leave out a table that only repeats another, perhaps in another order of its rows."""
    tables: dict[str, set[tuple[Any, ...]]] = {}
    for claim in claims:
        if re.fullmatch(r"table [0-9]+", claim.source):
            row = (claim.label, claim.metric, claim.figure, claim.class_, claim.average)
            tables.setdefault(claim.source, set()).add(row)
    names = list(tables)
    repeated = {
        name
        for i, name in enumerate(names)
        if any(tables[name] == tables[other] for other in names[:i])
    }
    return [claim for claim in claims if claim.source not in repeated]


_AMBIGUOUS = re.compile(r" has [0-9]+ columns that may hold the accuracy: ")
_UNDERSTOOD = re.compile(r" (?:is|are) of .*: not taken")


def _explain_nothing(notes: Sequence[str]) -> str:
    """Say why an input holds no claim: what looks like an accuracy, and why it is not taken.

    If nothing looks like one, what can be read is listed instead.
    """
    notes = [note for note in notes if not note.endswith("no figure in ''")]
    kept = [note for note in notes if not _WITHOUT_FIGURE.search(note)]
    is_one_line = len(notes) == 1 and "not taken" not in notes[0] and "'#" not in notes[0]
    notes = notes if is_one_line else kept
    notes.sort(key=lambda note: (OUT_OF_RANGE.search(note) is None, not _UNDERSTOOD.search(note)))
    if notes and _UNDERSTOOD.search(notes[0]):
        notes = [note for note in notes if _UNDERSTOOD.search(note)]
    why = f" ({'; '.join(notes[:2])})" if notes else ""
    if notes and _UNDERSTOOD.search(notes[0]):
        advice = "; --column NAME reads a column anyway" if "table" in notes[0].lower() else ""
        return f"no accuracy that can be judged was found{why}{advice}"
    if notes and not _WITHOUT_FIGURE.search(notes[0]):
        return f"no accuracy found{why}"
    return f"no accuracy found{why}; these kinds are read: {', '.join(KINDS)}"


# Notes on a line that holds no number, or only one that nobody takes for an accuracy.
_WITHOUT_FIGURE = re.compile(
    r": no figure (?:in|is clear in) '|: not taken \((?:a count or a quantity with a unit"
    r"|a number of a table, figure, version or the like|a year|a range|a negative number"
    r"|a time of day|not understood)\): (?!.*[0-9] ?%)"
)


def _to_line(text: str) -> str:
    return write_on_one_line(text)[:400]


def _merge(kind: str, name: str, parts: Sequence[Extraction]) -> Extraction:
    return Extraction(
        kind=kind,
        name=name,
        claims=tuple(claim for part in parts for claim in part.claims),
        matrices=tuple(matrix for part in parts for matrix in part.matrices),
        n_per_class=next((part.n_per_class for part in parts if part.n_per_class), None),
        class_names=next((part.class_names for part in parts if part.class_names), ()),
        notes=tuple(note for part in parts for note in part.notes),
    )


# ---- JSON and notebooks --------------------------------------------------------------------------


def _read_json(content: Any, name: str, column: str | None) -> Extraction:
    """Read the reports, matrices and accuracies in a JSON content, and the texts in it."""
    from fmbench.extraction.blocks import combine_blocks
    from fmbench.extraction.classification_reports import find_reports_in_json
    from fmbench.extraction.confusion_matrices import find_matrices_in_json
    from fmbench.extraction.json_figures import find_json_figures, list_numeric_keys
    from fmbench.extraction.json_values import find_strings, leave_out_other_images

    if isinstance(content, dict) and "cells" in content and "nbformat" in content:
        return _read_cells(content, name, column)
    content, left_out = leave_out_other_images(content)
    blocks = find_reports_in_json(content) + find_matrices_in_json(content)
    combined = combine_blocks(blocks)
    values, remarks = find_json_figures(content)
    notes = [*left_out, *remarks]
    found = Extraction(
        kind=_name_kind({block.kind for block in blocks}, bool(values)),
        name=name,
        claims=(*combined.claims, *values),
        matrices=combined.matrices,
        n_per_class=combined.n_per_class,
        class_names=combined.class_names,
        notes=(*combined.notes, *notes),
    )
    strings = find_strings(content)
    if not strings and not values and not blocks and not notes:
        keys = list_numeric_keys(content)
        note = f"no key names a metric of the test images ({join_words(keys, 8)})"
        return replace(found, notes=(note,)) if keys else found
    if not strings:
        return found
    rest = _read_document([Part("", text) for text in strings], name, column)
    return _merge("JSON", name, [found, rest])


def _name_kind(kinds: set[str], has_more: bool) -> str:
    return kinds.pop() if len(kinds) == 1 and not has_more else "JSON"


def _read_notebook(text: str, name: str, column: str | None) -> Extraction:
    from fmbench.extraction.json_values import parse_json

    content = parse_json(text, name)
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        raise UserError(f"{name} is not a Jupyter notebook")
    return _read_cells(content, name, column)


def _read_cells(content: dict[str, Any], name: str, column: str | None) -> Extraction:
    """Read the printed outputs and the texts between the code of a notebook."""
    from fmbench.extraction.notebooks import find_parts

    parts, notes = find_parts(content)
    _check_size(sum(len(part.text) for part in parts), name)
    if not parts:
        empty = "the notebook has no outputs and no text: run it and save it"
        raise UserError(f"{name}: {notes[0] if notes else empty}")
    found = _read_document(parts, name, column)
    return replace(found, kind="notebook", notes=(*notes, *found.notes))


# ---- a document of several parts -----------------------------------------------------------------


def _read_document(parts: Sequence[Part], name: str, column: str | None) -> Extraction:
    """Read a text by all readers that apply."""
    from fmbench.extraction.blocks import combine_blocks
    from fmbench.extraction.tables import TablesRead, read_tables

    document = Document.of(parts)
    logged, notes_of_logs, text = _read_dictionaries(document.text)
    blocks, rest = find_blocks(text)
    table = TablesRead("table", name)
    if any("0" <= c <= "9" for c in rest):
        table = read_tables(rest, name, None, column)
    if table.claims:  # a square of numbers that is no matrix is a part of a table
        blocks = [block for block in blocks if block.claims or block.matrix]
    combined = combine_blocks(blocks)
    sentences, notes = _read_words(document, rest, table, name, bool(blocks))
    sentences = share_repetition(name_unnamed(sentences, table.claims), table.claims)
    table = replace(table, claims=tuple(leave_out_unnamed(table.claims)))
    sentences = leave_out_repeated(sentences, [*combined.claims, *table.claims])
    sentences, ambiguous = leave_out_ambiguous(sentences)
    notes = [*ambiguous, *notes]
    sentences = separate_unnamed(sentences, combined.claims, combined.matrices, combined.n_models)
    if len(document.starts) == 1 and (file := find_mnist_in_names(f"{name} {document.text}")):
        reason = f"the text names {file!r} and nowhere Fashion-MNIST"
        shown = [claim.figure.printed for claim in (*sentences, *logged)]
        notes = [*(f"not taken ({reason}): {printed}" for printed in shown), *notes]
        sentences, logged = [], []
    claims, of_regression = leave_out_regression(
        [*combined.claims, *table.claims, *sentences, *logged], document.text
    )
    notes = [*of_regression, *notes]
    notes = leave_out_claimed(notes, claims)
    kinds = {block.kind for block in blocks if block.claims or block.matrix}
    kinds |= {"table"} if table.claims else set()
    kinds |= {"text"} if sentences or logged else set()
    kind = kinds.pop() if len(kinds) == 1 else "document"
    return Extraction(
        kind=kind if kind in KINDS else "document",
        name=name,
        claims=tuple(replace(claim, where=document.name_place(claim.where)) for claim in claims),
        matrices=tuple(
            replace(matrix, where=document.name_place(matrix.where)) for matrix in combined.matrices
        ),
        n_per_class=combined.n_per_class,
        class_names=combined.class_names,
        notes=(*_note_limits(rest), *combined.notes, *table.notes, *notes_of_logs, *notes),
    )


_DICTIONARY = re.compile(r"^.{0,80}?\{(?P<items>\s*['\"][^'\"{}]{1,60}['\"]\s*:.{1,2000})\}\s*$")
_ITEM = re.compile(
    r"['\"](?P<key>[^'\"{}]{1,60})['\"]\s*:\s*['\"]?(?P<value>-?[0-9.]+(?:e-?[0-9]+)?)\b"
)

_TEXT_ITEM = re.compile(
    r"['\"](?P<key>[^'\"{}]{1,60})['\"]\s*:\s*['\"](?P<text>[^'\"{}]{1,100})['\"]"
)


def _read_dictionaries(text: str) -> tuple[list[FoundClaim], list[str], str]:
    """Read lines such as ``{'eval_loss': 0.25, 'eval_accuracy': 0.9123}``, as trainers log them.

    Of several, as after each epoch, the last one counts. Returns the claims, notes, and the text
    without these lines.
    """
    from fmbench.extraction.json_figures import find_json_figures
    from fmbench.extraction.json_values import leave_out_other_images, name_model, names_images

    lines = text.split("\n")
    last: dict[tuple[str, ...], tuple[int, dict[str, str]]] = {}
    n_printed: dict[tuple[str, ...], int] = {}
    for i, line in enumerate(lines):
        match = _DICTIONARY.match(line[:3_000]) if "{" in line and ":" in line else None
        items = list(_ITEM.finditer(match["items"])) if match else []
        if not match or not items:
            continue
        lines[i] = ""
        texts = {item["key"]: item["text"] for item in _TEXT_ITEM.finditer(match["items"])}
        model = name_model(texts, with_name=False)
        images = [value for field, value in texts.items() if names_images(field)]
        for item in items:
            key = (item["key"], model, *images)
            last[key] = (i, {**texts, item["key"]: item["value"]})
            n_printed[key] = n_printed.get(key, 0) + 1
    claims: list[FoundClaim] = []
    notes: list[str] = []
    for key, (i, fields) in last.items():
        content, left_out = leave_out_other_images(fields)
        found, remarks = find_json_figures(content)
        where = f"line {i + 1}"
        claims += [replace(claim, source="text", where=where) for claim in found]
        notes += [f"{where}: {remark}" for remark in (*left_out, *remarks)]
        if found and n_printed[key] > 1:
            of_model = f" for {key[1]}" if key[1] else ""
            notes.append(
                f"{key[0]} is printed {n_printed[key]} times{of_model}: only the last one is taken"
            )
    return claims, notes, "\n".join(lines)


_UNCLEAR_ROWS = (
    "line {}: the table of several data sets is not understood: none of its figures is taken"
)


def _read_words(
    document: Document, rest: str, table: TablesRead, name: str, has_blocks: bool
) -> tuple[list[FoundClaim], list[str]]:
    """Read the sentences, or the lines of a list such as ``LeNet-5: 98.80 %``."""
    from fmbench.extraction.pasted import find_rows_of_data_sets
    from fmbench.extraction.text.read import find_sentences, read_words
    from fmbench.extraction.text.split import join_wrapped_lines

    lines = rest.split("\n")
    is_one_part = len(document.starts) == 1
    whole = (strip_tags(rest) if is_one_part else rest).split("\n")
    for number in table.lines:
        lines[number - 1] = ""
    unclear = find_rows_of_data_sets(lines)
    for number in unclear:
        lines[number] = ""
    remarks = [_UNCLEAR_ROWS.format(unclear[0] + 1)] if unclear and not table.notes else []
    if document.printed:
        claims, notes = _read_parts(document, lines)
        return claims, [*remarks, *notes]
    if is_one_part:
        lines = strip_tags("\n".join(lines)).split("\n")
    may_be_list = not has_blocks and not table.has_metric
    if may_be_list and _is_list(whole):
        found = read_words(join_wrapped_lines(lines), name)
        if found.claims:
            return list(found.claims), [*remarks, *found.notes]
    claims, notes = [], []
    starts = [*document.starts, (len(lines) + 1, "")]
    for (first, place), (end, _) in pairwise(starts):
        shown = strip_tags("\n".join(lines[first:end]))
        found_claims, found_notes = find_sentences(shown, place or "text")
        claims += found_claims
        notes += found_notes
    n_filled = sum(bool(line.strip()) for line in whole)
    is_short = 0 < n_filled <= MAX_SHORT_LINES and not _find_wrapped(whole)
    is_left_out = any("(elsewhere it is " in note for note in notes)
    if not claims and may_be_list and is_short and not is_left_out:
        found = read_words(lines, name)
        if found.claims or not notes:
            reasons = sorted(found.notes, key=lambda note: "not taken" not in note)
            notes = list(found.notes) if found.claims else reasons
            return list(found.claims), [*remarks, *notes]
    return claims, [*remarks, *notes]


def _read_parts(document: Document, lines: Sequence[str]) -> tuple[list[FoundClaim], list[str]]:
    """Read the parts of a notebook; a heading of one part holds for the parts below it.

    A part without a sentence may be a list such as ``SVC: 0.897``. Numbers of other lists, such as
    sizes and settings, are not taken.
    """
    from fmbench.extraction.text.read import find_sentences, names_model_and_figure, read_words
    from fmbench.extraction.text.split import Headings

    claims: list[FoundClaim] = []
    notes: list[str] = []
    headings = Headings()
    starts = [*document.starts, (len(lines) + 1, "")]
    for (first, place), (end, _) in pairwise(starts):
        data_set = headings.data_set
        is_printed = place in document.printed
        part = strip_tags("\n".join(lines[first:end])).split("\n")
        found, remarks = find_sentences(
            "\n".join(part), place, headings=headings, is_printed=is_printed
        )
        if is_printed:
            headings.leave_output()
        is_explained = any(": not taken (" in remark for remark in remarks)
        if not (found or is_explained) and data_set in (None, FASHION) and _is_list(part):
            named = [line if names_model_and_figure(line) else "" for line in part]
            found = [
                replace(claim, where=f"{place}, {claim.where}")
                for claim in read_words(named, place).claims
            ]
        claims += found
        notes += remarks
    return claims, notes


_MAX_LIST = 2_000  # lines of a list


def _is_list(lines: Sequence[str]) -> bool:
    """Whether most lines hold one claim each, such as ``LeNet-5: 98.80 %``, and are no prose."""
    from fmbench.extraction.text.split import find_data_set_of_line, join_wrapped_lines

    if sum(bool(line.strip()) for line in lines) > _MAX_LIST:
        return False
    filled = [line for line in join_wrapped_lines(lines) if line.strip()]
    prose = _find_wrapped(lines)
    with_number = sum(
        len(line) <= 200
        and line not in prose
        and (any(c.isdigit() for c in line) or find_data_set_of_line(line) is not None)
        for line in filled
    )
    return bool(filled) and with_number >= 0.8 * len(filled)


def _find_wrapped(lines: Sequence[str]) -> set[str]:
    """Return the paragraphs of prose that stand on several lines, each as one line."""
    from fmbench.extraction.text.split import join_wrapped_lines

    return {
        joined
        for joined, line in zip(join_wrapped_lines(lines), lines, strict=True)
        if len(joined) > len(line) and not re.match(r"\s*[-*\u2022]\s", line)
    }


def _note_limits(text: str) -> list[str]:
    from fmbench.extraction.blocks import MAX_LINES

    if text.count("\n") > MAX_LINES:
        return [f"only the first {MAX_LINES:,} lines are searched for reports and matrices"]
    if re.search(r"^\[[0-9]+ rows x [0-9]+ columns\]", text, re.MULTILINE) and "..." in text:
        return ["pandas left columns out ('...'): print the table with to_string()"]
    return []
