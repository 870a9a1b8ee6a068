"""Reads confusion matrices as NumPy, pandas, JSON, CSV, Markdown and LaTeX print them.

A matrix holds counts or shares of the images of each true class (``normalize='true'``, fractions or
percentages). Rows are taken for the true classes, as scikit-learn prints them, unless the text
names the axes (``Predicted``, ``Actual``) or the sums say otherwise: if the columns add up to
equally large classes and the rows do not, the matrix is transposed. Class names may stand in any
order.

A square block of numbers may be something else, such as the pixels of an image or the scores of ten
images. Without class names and other text around it that calls it a confusion matrix, a block is
taken only if it holds counts and most rows have their largest number on the diagonal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from fmbench.errors import UserError
from fmbench.extraction.blocks import (
    MAX_BLOCKS,
    Block,
    NumberLine,
    build_extraction,
    combine_blocks,
    find_heading,
    is_rule,
    mark_other_data,
    read_number,
    read_number_line,
    replace_tables,
    split_cells,
    split_lines,
)
from fmbench.extraction.class_names import ClassNumbers, find_class_number, find_class_numbers
from fmbench.extraction.found import Extraction, FoundMatrix
from fmbench.extraction.json_values import JsonPlace, find_json, name_model, walk_json

KIND = "confusion matrix"
MIN_CLASSES, MAX_CLASSES = 3, 100
MAX_IMAGES = 10**9
MAX_DECIMALS = 12
_BRACKETS = re.compile(r"[0-9\s.,eE+\-\[\]%]+")
_WORDS = re.compile(r"confusion|\bcm\b|conf_?mat|matriz de|konfusion|verwechslung", re.IGNORECASE)
_ACTUAL = r"(?:actual|true|truth|ground[ -]?truth|real|target|y_true)"
_PREDICTED = r"(?:predicted|prediction|predictions|pred|y_pred|estimated)"


@dataclass(frozen=True)
class _Square:
    """A square block of numbers with the names of its rows and columns, as printed.

    ``has_fixed_decimals``: each number has as many decimals as the longest one even where its last
    zeros are not printed (NumPy, CSV); not in scientific notation. ``axes``: ``rows true``,
    ``columns true`` or empty.
    """

    first_line: int
    last_line: int
    rows: tuple[tuple[str, ...], ...]
    row_names: tuple[str, ...] = ()
    column_names: tuple[str, ...] = ()
    axes: str = ""
    has_fixed_decimals: bool = False
    notes: tuple[str, ...] = ()
    is_named_matrix: bool = False  # a key or a word beside it says what it is


class _NotAMatrix(Exception):
    """A square block of numbers that is no confusion matrix; the text says why."""


def read_matrix(text: str, name: str) -> Extraction:
    """Read all confusion matrices of a text; a square block of numbers counts as one.

    Raises:
        UserError: there is none.
    """
    content = find_json(text, name)
    if content is not None:
        blocks = find_matrices_in_json(content, accept_any=True)
    else:
        blocks = find_matrices(replace_tables(text), accept_any=True)
    if not any(block.matrix for block in blocks):
        notes = "".join(f" ({note})" for block in blocks for note in block.notes[:1])
        raise UserError(
            f"{name}: no confusion matrix found{notes}; it needs as many rows of numbers as columns"
        )
    return build_extraction(KIND, name, combine_blocks(blocks))


def find_matrices(
    text: str,
    *,
    taken: set[int] | None = None,
    accept_any: bool = False,
    is_alone: bool = False,
) -> list[Block]:
    """Find the confusion matrices in a text.

    ``taken``: the numbers of lines (from 0) that another reader has taken. ``accept_any``: take
    every square block of numbers, see the top of this file. ``is_alone``: the text holds nothing
    else, so shares are as likely as counts. A block without a matrix only carries a note.
    """
    lines = split_lines(text)
    if taken:
        lines = ["" if i in taken else line for i, line in enumerate(lines)]
    squares = list(_find_bracketed(lines))
    used = {i for square in squares for i in range(square.first_line, square.last_line + 1)}
    rest = ["" if i in used else line for i, line in enumerate(lines)]
    squares += _find_framed(rest)
    blocks: list[Block] = []
    after = -1
    for square in sorted(squares, key=lambda square: square.first_line):
        heading = find_heading(lines, square.first_line, after)
        near = " ".join(lines[max(after + 1, square.first_line - 5) : square.first_line + 1])[
            -2000:
        ]
        named = square.is_named_matrix or bool(_WORDS.search(near))
        block = _build_block(
            replace(square, is_named_matrix=named), heading, accept_any, is_alone=is_alone
        )
        if block is not None:
            blocks.append(block)
            after = square.last_line
        if len(blocks) >= MAX_BLOCKS:
            break
    return mark_other_data(blocks, text)


def find_matrices_in_json(content: Any, *, accept_any: bool = False) -> list[Block]:
    """Find lists of lists, and what pandas writes of a confusion matrix, in a JSON content."""
    blocks: list[Block] = []
    for place in walk_json(content):
        square = _read_json_square(place)
        if square is None or len(blocks) >= MAX_BLOCKS:
            continue
        is_all = place.order == 0
        named = is_all or bool(place.keys and _WORDS.search(" ".join(place.keys).replace("_", " ")))
        # A key alone, such as "cm", is not taken for the name of a model.
        around = name_model(place.parent) if isinstance(place.parent, dict) else ""
        heading = (place.model if len(place.keys) > 1 else around, "", place.images)
        block = _build_block(replace(square, is_named_matrix=named), heading, accept_any)
        if block is not None:
            blocks.append(block)
    return blocks


# ---- brackets: NumPy, lists of lists -------------------------------------------------------------


def _find_bracketed(lines: Sequence[str]) -> Iterator[_Square]:
    """Find ``[[1 2] [3 4]]`` over several lines or in one; the outer brackets may be missing."""
    first, parts = -1, list[str]()
    for i, line in enumerate([*lines, ""]):
        pieces = _cut_brackets(line)
        for text, at_start, at_end in pieces:
            if parts and not at_start:
                yield from _read_brackets("\n".join(parts), first, i - 1)
                parts = []
            if not parts:
                first = i
            parts.append(text)
            if not at_end:
                yield from _read_brackets("\n".join(parts), first, i)
                parts = []
        if not pieces and parts:
            yield from _read_brackets("\n".join(parts), first, i - 1)
            parts = []


def _cut_brackets(line: str) -> list[tuple[str, bool, bool]]:
    """Cut the parts of a line that may belong to a matrix in brackets.

    Each comes with whether nothing stands before it, and whether nothing stands after it.
    """
    line = re.sub(r"^\s*(?:(?:np\.|torch\.|tf\.)?(?:array|tensor|Tensor)\()\s*(?=\[)", "", line)
    if not line.strip() or len(line) > 200_000:
        return []
    if "[" not in line and "]" not in line:
        return (
            [(line, True, True)] if _BRACKETS.fullmatch(line) and re.search("[0-9]", line) else []
        )
    pieces = []
    for match in _BRACKETS.finditer(line):
        text = match.group()
        if ("[" in text or "]" in text) and re.search("[0-9]", text):
            before, after = line[: match.start()], line[match.end() :]
            if not before.strip() or "[" in text:
                start = 0 if not before.strip() else text.find("[")
                pieces.append((text[start:], not before.strip(), not after.strip()))
    return pieces


def _read_brackets(text: str, first: int, last: int) -> Iterator[_Square]:
    if "[" not in text and "]" not in text:
        return
    line = first
    for array in re.split(r"(?<=\])(?=\s*,?\s*\])", text):
        start = line
        line += array.count("\n")
        opening = re.search(r"\[\s*\[", array)
        if opening is not None:
            start += array[: opening.start()].count("\n")
            array = array[opening.start() :]
        rows = [re.split(r"[\s,]+", part.strip(" \n\t\r,[")) for part in array.split("]")]
        values = [[read_number(token) for token in row if token] for row in rows]
        square = tuple(tuple(row) for row in values if row)
        n = len(square)
        if not MIN_CLASSES <= n <= MAX_CLASSES or any(
            len(row) != n or None in row for row in square
        ):
            continue
        yield _Square(
            start, min(line, last),
            tuple(tuple(value or "" for value in row) for row in square),
            has_fixed_decimals="e" not in array.lower(),
        )  # fmt: skip


# ---- lines: pandas, CSV, Markdown, LaTeX, bare numbers -------------------------------------------


def _find_framed(lines: Sequence[str]) -> list[_Square]:
    """Find runs of lines that end with as many numbers as there are lines."""
    read = [read_number_line(line) for line in lines]
    squares: list[_Square] = []
    i = 0
    while i < len(lines):
        run = _read_run(lines, read, i)
        square = _read_run_as_square(lines, run) if len(run) >= MIN_CLASSES else None
        if square is not None:
            squares.append(square)
            i = square.last_line + 1
        elif run:
            width = len(run[0][1].values)  # the next square begins where the width changes
            i = next((k for k, line in run if len(line.values) != width), run[-1][0] + 1)
        else:
            i += 1
    return squares


def _read_run(
    lines: Sequence[str], read: Sequence[NumberLine | None], first: int
) -> list[tuple[int, NumberLine]]:
    """Collect consecutive lines that end with numbers, over lines that only separate."""
    run: list[tuple[int, NumberLine]] = []
    for i in range(first, len(lines)):
        line = read[i]
        if line is None:
            if run and lines[i].strip() and is_rule(lines[i]):
                continue
            break
        width = len(run[0][1].values) if run else len(line.values)
        if len(run) > min(MAX_CLASSES, width) + 2 or abs(len(line.values) - width) > 2:
            break
        run.append((i, line))
    return run


def _read_run_as_square(lines: Sequence[str], run: list[tuple[int, NumberLine]]) -> _Square | None:
    """Try the ways in which a run of lines can be a square: with a header, labels and sums."""
    first_values = run[0][1]
    candidates: list[tuple[list[tuple[int, NumberLine]], tuple[str, ...]]] = [(run, ())]
    if len(run) > MIN_CLASSES and _is_numbering(first_values):
        candidates.insert(0, (run[1:], tuple(v for v in first_values.values if v)))
    for body, header in candidates:
        for n in (len(body), len(body) - 1):
            if not MIN_CLASSES <= n <= MAX_CLASSES:
                continue
            square = _read_body(body, n)
            if square is not None:
                return _name_square(lines, run[0][0], body, square, header)
    return None


def _is_numbering(line: NumberLine) -> bool:
    """Whether a line holds the class numbers 0, 1, 2, ... in any order."""
    values = [value for value in line.values if value]
    return len(values) >= MIN_CLASSES and set(values) == {str(k) for k in range(len(values))}


@dataclass(frozen=True)
class _Body:
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    has_sums: bool
    last_line: int


def _read_body(body: Sequence[tuple[int, NumberLine]], n: int) -> _Body | None:
    """Read the first ``n`` lines as rows of ``n`` numbers, perhaps with labels and their sum."""
    lines = [line for _, line in body]
    widths = {len(line.values) for line in lines[:n]}
    if len(widths) != 1 or not n <= (width := widths.pop()) <= n + 2:
        return None
    extra = width - n
    ways = {0: [(0, 0)], 1: [(0, 1), (1, 0)], 2: [(1, 1), (2, 0)]}[extra]
    for n_labels, n_sums in ways:
        labels = tuple(" ".join([line.name, *line.values[:n_labels]]).strip() for line in lines[:n])
        rows = tuple(line.values[n_labels : n_labels + n] for line in lines[:n])
        if any("" in row for row in rows):
            continue
        if n_sums and not _are_sums(rows, [line.values[-1] for line in lines[:n]]):
            continue
        if n_labels and (len(set(labels)) < n or not all(labels)):
            continue
        has_total = len(body) > n
        if has_total:
            total = lines[n].values
            columns = [tuple(row[k] for row in rows) for k in range(n)]
            sums = total[len(total) - n - n_sums : len(total) - n_sums] if len(total) >= n else ()
            if len(sums) != n or not _are_sums(columns, sums):
                continue
        last = body[n if has_total else n - 1][0]
        return _Body(labels if any(labels) else (), rows, bool(n_sums or has_total), last)
    return None


def _are_sums(rows: Sequence[Sequence[str]], sums: Sequence[str]) -> bool:
    return all(
        sum_ != "" and sum(map(_to_decimal, row)) == _to_decimal(sum_)
        for row, sum_ in zip(rows, sums, strict=True)
    )


def _name_square(
    lines: Sequence[str],
    first: int,
    body: Sequence[tuple[int, NumberLine]],
    square: _Body,
    header: tuple[str, ...],
) -> _Square | None:
    """Add the names above the columns, and what the text says about the axes."""
    start, axes = first, ""
    column_names = header
    i = body[0][0] - 1
    above: list[str] = []
    while i >= 0 and len(above) < 3 and i > body[0][0] - 8:
        if is_rule(lines[i]) and lines[i].strip():
            i -= 1
            continue
        if not lines[i].strip():
            break
        above.append(lines[i])
        if not column_names or above == [lines[body[0][0] - 1]]:
            names = _read_column_names(lines[i], len(square.rows))
            if names and not column_names:
                column_names, start = names, min(start, i)
        axes = axes or _find_axes(above)
        i -= 1
    if header:
        axes = axes or _find_axes([lines[first], *above])
    axes = axes or _find_axes_in_names(square.names, column_names)
    square, column_names = _drop_named_sums(square, column_names)
    if square.names and not column_names and not _are_class_names(square.names):
        return None  # a table of models
    notes = ("the sums beside the matrix are its own",) if square.has_sums else ()
    text = " ".join(lines[first : square.last_line + 1])
    return _Square(
        start, square.last_line, square.rows, square.names, column_names, axes,
        has_fixed_decimals=re.search(r"[0-9.][eE][+-]?[0-9]", text) is None, notes=notes,
    )  # fmt: skip


def _drop_named_sums(square: _Body, column_names: tuple[str, ...]) -> tuple[_Body, tuple[str, ...]]:
    """Leave out the last row and column if both are called ``Total`` and hold the sums."""
    names = (square.names, column_names)
    if not all(part and _is_total(part[-1]) for part in names) or len(square.rows) <= MIN_CLASSES:
        return square, column_names
    rows = tuple(row[:-1] for row in square.rows[:-1])
    below, beside = square.rows[-1][:-1], [row[-1] for row in square.rows[:-1]]
    if not _are_sums(rows, beside) or not _are_sums(tuple(zip(*rows, strict=True)), below):
        return square, column_names
    return replace(square, names=square.names[:-1], rows=rows, has_sums=True), column_names[:-1]


def _read_column_names(line: str, n: int) -> tuple[str, ...]:
    """Read ``n`` names from a header, or return ``()``."""
    cells, is_separated = split_cells(line.rstrip().removesuffix("\\") if "&" not in line else line)
    named = [cell for cell in cells if cell] if not is_separated else cells
    if is_separated:
        named = cells[1:] if len(cells) > n else cells
        if len(named) == n + 1 and _is_total(named[-1]):
            named = named[:-1]
        return tuple(named) if len(named) == n and all(named) else ()
    for words in (named, line.split()):
        has_corner = bool(words) and find_class_number(words[0]) is None
        if words and _is_total(words[-1]) and len(words) > n + has_corner:
            words = words[:-1]
        if len(words) == n + 1:
            words = words[1:]  # the corner: "Predicted"
        if len(words) == n:
            return tuple(words)
    return ()


def _is_total(text: str) -> bool:
    return text.strip(" :").lower() in ("all", "total", "sum", "totals", "support", "n")


def _find_axes(above: Sequence[str]) -> str:
    """Find which axis is true in what stands above: ``Predicted`` over ``Actual``, or a corner.

    ``above`` are the lines above the numbers, the nearest first.
    """
    text = " ".join(re.sub(r"\\\\\s*$", "", line.strip()) for line in reversed(above))[:2000]
    corner = re.search(
        rf"\b(?P<rows>{_ACTUAL}|{_PREDICTED})\b[^|&,;\n]{{0,20}}?(?:\\+(?!\s*$)|/)\s*"
        rf"(?P<columns>{_ACTUAL}|{_PREDICTED})\b",
        text,
        re.IGNORECASE,
    )
    if corner:
        rows_are_true = re.fullmatch(_ACTUAL, corner["rows"], re.IGNORECASE) is not None
        columns_are_true = re.fullmatch(_ACTUAL, corner["columns"], re.IGNORECASE) is not None
        return "" if rows_are_true == columns_are_true else _name_axes(rows_are_true)
    stated = re.search(
        rf"rows?\s*(?:are|is|=|:)?\s*(?:the\s+)?(?P<what>{_ACTUAL}|{_PREDICTED})\b", text,
        re.IGNORECASE,
    )  # fmt: skip
    if stated:
        return _name_axes(re.fullmatch(_ACTUAL, stated["what"], re.IGNORECASE) is not None)
    if len(above) >= 2:  # pandas.crosstab: the columns' name, and below it the rows' name
        columns, rows = above[1].strip(" |&,"), above[0].strip(" |&,\\")
        cells, is_separated = split_cells(above[0])
        if is_separated and cells:  # the corner names the rows below a head over all columns
            rows = next((cell for cell in cells if cell), rows)
        for are_true, (one, other) in (
            (True, (_PREDICTED, _ACTUAL)), (False, (_ACTUAL, _PREDICTED)),
        ):  # fmt: skip
            if re.match(rf"{one}\b", columns, re.IGNORECASE) and re.fullmatch(
                rf"{other}\b[^0-9]{{0,20}}", rows, re.IGNORECASE
            ):
                return _name_axes(are_true)
    return ""


def _find_axes_in_names(rows: Sequence[str], columns: Sequence[str]) -> str:
    """Find the axes in names such as ``Actual Dress`` and ``Pred. Dress``."""
    for names, is_rows in ((rows, True), (columns, False)):
        for pattern, is_true in ((_ACTUAL, True), (_PREDICTED, False)):
            if names and all(re.match(rf"{pattern}\b", name, re.IGNORECASE) for name in names):
                return _name_axes(is_true == is_rows)
    return ""


def _name_axes(rows_are_true: bool) -> str:
    return "rows true" if rows_are_true else "columns true"


def _are_class_names(names: Sequence[str]) -> bool:
    numbers = find_class_numbers([_strip_axis(name) for name in names])
    return numbers is not None and numbers.is_known


def _strip_axis(name: str) -> str:
    return re.sub(rf"^(?:{_ACTUAL}|{_PREDICTED})\b[\s.:_-]*", "", name, flags=re.IGNORECASE) or name


# ---- JSON ----------------------------------------------------------------------------------------


def _read_json_square(place: JsonPlace) -> _Square | None:
    """Read a list of lists, or what ``DataFrame.to_json`` writes."""
    value = place.value
    if isinstance(value, list):
        names = _find_labels(place.parent)
        return _build_json_square(value, place, names, names)
    if {"columns", "index", "data"} <= set(value):
        return None  # its list of lists comes next
    inner = list(value.values())
    if not MIN_CLASSES <= len(inner) <= MAX_CLASSES or not all(isinstance(v, dict) for v in inner):
        return None
    keys = list(inner[0])
    if len(keys) != len(inner) or any(list(v) != keys for v in inner):
        return None
    columns = [list(v.values()) for v in inner]
    rows = [[column[k] for column in columns] for k in range(len(keys))]
    square = _build_json_square(rows, place, tuple(keys), tuple(value))
    if square is None:
        return None
    note = "the outer names of the JSON are taken for its columns, as pandas writes them"
    return replace(square, notes=(note,))


def _find_labels(parent: Any) -> tuple[str, ...]:
    if not isinstance(parent, dict):
        return ()
    for key in ("labels", "classes", "class_names", "target_names", "index", "names"):
        names = parent.get(key)
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return tuple(names)
    return ()


def _build_json_square(
    value: list[Any], place: JsonPlace, row_names: tuple[str, ...], column_names: tuple[str, ...]
) -> _Square | None:
    n = len(value)
    if not MIN_CLASSES <= n <= MAX_CLASSES:
        return None
    rows = []
    for row in value:
        if not isinstance(row, list) or len(row) != n:
            return None
        numbers = [read_number(cell) if isinstance(cell, str) else None for cell in row]
        if None in numbers:
            return None
        rows.append(tuple(number or "" for number in numbers))
    if isinstance(place.parent, dict) and isinstance(place.parent.get("columns"), list):
        columns = place.parent["columns"]
        if len(columns) == n and all(isinstance(name, str) for name in columns):
            column_names = tuple(columns)
    return _Square(
        place.order, place.order, tuple(rows),
        row_names if len(row_names) == n else (),
        column_names if len(column_names) == n else (),
        has_fixed_decimals=True,
    )  # fmt: skip


# ---- from a square of numbers to a confusion matrix ----------------------------------------------


def _build_block(
    square: _Square, heading: tuple[str, str, str], accept_any: bool, *, is_alone: bool = False
) -> Block | None:
    model, title, images = heading
    base = Block(
        KIND, square.first_line, square.last_line, model=model, heading=title, images=images
    )
    has_names = bool(square.row_names and square.column_names) or _names_are_known(square)
    try:
        matrix, notes, order = _read_square(square)
        if not (accept_any or has_names or _is_plausible(matrix, square.is_named_matrix, is_alone)):
            raise _NotAMatrix(
                "it does not look like a confusion matrix, since most rows do not have their "
                "largest number on the diagonal"
            )
    except _NotAMatrix as reason:
        if not (accept_any or has_names or square.is_named_matrix or is_alone):
            return None
        place = f"line {square.first_line + 1}"
        return replace(
            base, notes=(f"the square block of numbers in {place} is not taken: {reason}",)
        )
    n_per_class = None if matrix.is_shares else add_rows(matrix.rows)
    return replace(
        base,
        matrix=matrix,
        n_per_class=n_per_class,
        class_names=matrix.class_names if order is None or order.is_known else (),
        notes=tuple(notes),
    )


def _names_are_known(square: _Square) -> bool:
    return any(find_class_number(_strip_axis(name)) is not None for name in square.row_names)


def _read_square(square: _Square) -> tuple[FoundMatrix, list[str], ClassNumbers | None]:
    """Check the numbers, turn the rows into the true classes, and sort the classes.

    Raises:
        _NotAMatrix: the numbers cannot be a confusion matrix.
    """
    notes = list(square.notes)
    rows, is_shares = _normalise_numbers(square)
    row_names, column_names = square.row_names, square.column_names
    is_transposed = _is_transposed(rows, is_shares, square.axes, notes)
    if is_transposed:
        rows = tuple(zip(*rows, strict=True))
        row_names, column_names = column_names, row_names
    if not is_shares and 0 in add_rows(rows):
        raise _NotAMatrix("a class has no images")
    rows, order, names = _sort_classes(rows, row_names, column_names, notes)
    if is_shares:
        notes.append("the matrix holds shares of each true class, not counts")
    where = f"line {square.first_line + 1}"
    return FoundMatrix("", KIND, where, rows, is_shares, names), notes, order


def _is_transposed(
    rows: Sequence[Sequence[str]], is_shares: bool, axes: str, notes: list[str]
) -> bool:
    """Whether the columns are the true classes; the reason becomes a note."""
    columns = tuple(zip(*rows, strict=True))
    if is_shares:
        fits = [_are_shares(rows), _are_shares(columns)]
        if not any(fits):
            raise _NotAMatrix(
                "its numbers are neither counts nor shares of each class (no row or column adds up "
                "to 1 or 100 %)"
            )
        is_transposed = axes == "columns true" or (axes == "" and not fits[0])
        if not fits[is_transposed] or (axes == "" and not fits[0]):
            raise _NotAMatrix(
                "its columns add up to 1, not its rows: they are shares of the predicted classes, "
                "or the matrix is transposed, which cannot be told apart"
            )
    elif len(set(add_rows(columns))) == 1 and len(set(add_rows(rows))) > 1:
        notes.append(
            "the columns of the matrix add up to equally large classes and its rows do not: the "
            "columns are taken for the true classes"
        )
        return True
    else:
        is_transposed = axes == "columns true"
    how = "as the text names them" if axes else "as scikit-learn prints them"
    notes.append(
        f"the {'columns' if is_transposed else 'rows'} of the matrix are the true classes, {how}"
    )
    return is_transposed


def _normalise_numbers(square: _Square) -> tuple[tuple[tuple[str, ...], ...], bool]:
    """Return the numbers as counts or as shares, and whether they are shares."""
    plain = [[value.removesuffix("%") for value in row] for row in square.rows]
    numbers = [[Decimal(value) for value in row] for row in plain]
    if any(number < 0 for row in numbers for number in row):
        raise _NotAMatrix("it has negative numbers")
    sums = [sum(row) for row in numbers]
    if any(total > MAX_IMAGES for total in sums):
        raise _NotAMatrix("its numbers are too large")
    decimals = max(len(value.partition(".")[2]) for row in plain for value in row)
    is_percent = any(value.endswith("%") for row in square.rows for value in row)
    if not decimals and not is_percent:
        # whole percentages do not add up to exactly 100 in every row
        n = len(sums)
        is_near = all(100 - n < total <= 100 + n / 2 for total in sums)
        is_percent = is_near and any(total != 100 for total in sums)
    if all(number == int(number) for row in numbers for number in row) and not is_percent:
        return tuple(tuple(str(int(number)) for number in row) for row in numbers), False
    is_percent = is_percent or max(map(max, numbers)) > 1
    if max(map(max, numbers)) > (100 if is_percent else 1):
        raise _NotAMatrix("its numbers are neither whole numbers nor shares")
    kept = decimals if square.has_fixed_decimals else 0
    return tuple(
        tuple(_pad(value, kept) + "%" * is_percent for value in row) for row in plain
    ), True  # fmt: skip


def _pad(value: str, decimals: int) -> str:
    """Write a share with at least so many decimals, and at most 12."""
    number = Decimal(value)
    printed = len(value.partition(".")[2])
    places = min(max(printed, decimals), MAX_DECIMALS)
    return format(number.quantize(Decimal(1).scaleb(-places)), "f")


def _are_shares(rows: Sequence[Sequence[str]]) -> bool:
    """Whether each row of rounded shares can add up to 1, or to 100 %."""
    whole = 100 if rows[0][0].endswith("%") else 1
    for row in rows:
        values = [value.removesuffix("%") for value in row]
        units = sum(Decimal(1).scaleb(-len(value.partition(".")[2])) for value in values)
        if not whole - units < sum(map(Decimal, values)) <= whole + units / 2:  # cut, or rounded
            return False
    return True


def add_rows(rows: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """Add up the counts of each row."""
    return tuple(sum(map(int, row)) for row in rows)


def _is_plausible(matrix: FoundMatrix, is_named: bool, is_alone: bool) -> bool:
    """Whether a block without class names is a confusion matrix; see the top of this file."""
    if is_named:
        return True
    if matrix.is_shares and not is_alone:
        return False
    rows = [[_to_decimal(value) for value in row] for row in matrix.rows]
    on_diagonal = sum(
        row[k] == max(row) and row.count(row[k]) == 1 and sum(row) > 1 - matrix.is_shares
        for k, row in enumerate(rows)
    )
    return on_diagonal * 2 > len(rows)


def _sort_classes(
    rows: tuple[tuple[str, ...], ...],
    row_names: tuple[str, ...],
    column_names: tuple[str, ...],
    notes: list[str],
) -> tuple[tuple[tuple[str, ...], ...], ClassNumbers | None, tuple[str, ...]]:
    """Put rows and columns into the order of the class numbers."""
    names = [tuple(map(_strip_axis, names)) for names in (row_names, column_names)]
    orders = [find_class_numbers(part) if part else None for part in names]
    for part, order in zip(names, orders, strict=True):
        if part and order is None:
            raise _NotAMatrix(f"its class names cannot be told apart: {', '.join(part[:3])}, ...")
    of_rows, of_columns = orders[0] or orders[1], orders[1] or orders[0]
    if of_rows is None or of_columns is None:
        notes.append("the classes of the matrix are taken in the order of their numbers")
        return rows, None, ()
    if not of_rows.is_known and not of_columns.is_known and set(names[0]) == set(names[1]):
        places = tuple(names[0].index(name) for name in names[1])  # two orders of the same names
        of_columns = replace(of_columns, numbers=places)
    if of_rows.is_partial or of_columns.is_partial:
        raise _NotAMatrix(f"it has only {len(rows)} of the classes")
    if set(of_rows.numbers) != set(of_columns.numbers):
        raise _NotAMatrix("its rows and columns name different classes")
    notes += [note for note in (of_rows.note,) if note]
    place_of_row = {number: k for k, number in enumerate(of_rows.numbers)}
    place_of_column = {number: k for k, number in enumerate(of_columns.numbers)}
    numbers = sorted(place_of_row)
    ordered = tuple(
        tuple(rows[place_of_row[i]][place_of_column[j]] for j in numbers) for i in numbers
    )
    printed = next((part for part, order in zip(names, orders, strict=True) if order), ())
    return ordered, of_rows, (orders[0] or of_columns).sort(printed)


def _to_decimal(value: str) -> Decimal:
    return Decimal(value.removesuffix("%"))
