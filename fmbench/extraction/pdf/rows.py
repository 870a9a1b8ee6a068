"""Divides the lines of a table in a PDF into columns, rows and cells.

The columns are the strips between the empty ones, or between vertical lines. A row may take several
lines. The code runs in the process that reads the PDF (:mod:`fmbench.extraction.pdf.worker`) and
uses only the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from fmbench.extraction.pdf.page import CELL_GAP, Line, Rule, Word, join_text
from fmbench.extraction.pdf.text import join_wrapped

COLUMN_GAP = 0.6  # a narrower empty strip does not separate two columns, in font sizes
NUMBER = re.compile(
    r"[<>≥≤~≈±]?\s*[-−+]?\d*[.,]?\d+\s*%?(?:\s*(?:±|\+/?[-−]|\+−)\s*[\d.,]+\s*%?)?"
    r"(?:\s*\([\d.,%± ]+\))?\s*[*†‡a-d]?|[-–—]+|n/?a\.?|N/?A|\d[\d,.]*\s*/\s*\d[\d,.]*",
)
_CONNECTOR = re.compile(
    r"(?:\b(?:and|with|of|for|using|on|in|the|a|an|by|from|to|or|und|mit)|[-+&,/(])$", re.IGNORECASE
)


@dataclass(slots=True)
class TableCell:
    """A cell; ``repeats_left``: it continues the cell on its left, which spans several columns."""

    text: str = ""
    bold: bool = False
    repeats_left: bool = False


def find_borders(vertical: Sequence[Rule], top: Rule, bottom: Rule) -> list[float]:
    """Return the x of the vertical lines between the columns of a table."""
    height = bottom.at - top.at
    lengths: dict[int, float] = {}
    for rule in vertical:
        overlap = min(rule.end, bottom.at) - max(rule.start, top.at)
        if overlap > 0 and top.start + 4 < rule.at < top.end - 4:
            lengths[round(rule.at)] = lengths.get(round(rule.at), 0.0) + overlap
    found: list[float] = []
    for x in sorted(lengths):
        if lengths[x] >= 0.5 * height and (not found or x - found[-1] > 4):
            found.append(float(x))
    return found


def is_grid(body: Sequence[Sequence[Line]], cuts: Sequence[float]) -> bool:
    """Tell whether a rule stands between any two rows: no block has two numbers in a column."""
    if len(body) < 2:
        return False
    single = 0
    for block in body:
        rows = [_split_cells(line, cuts) for line in block]
        single += all(sum(map(_is_number, column)) <= 1 for column in zip(*rows, strict=True))
    several = any(len(block) > 1 for block in body)
    return (len(body) >= 3 or several) and single >= 0.9 * len(body)


def find_cuts(
    body: Sequence[Line], head: Sequence[Line], borders: Sequence[float], span: tuple[float, float]
) -> list[float]:
    """Return the positions between the columns: drawn lines, and empty strips."""
    measured = [*body, *head[-1:]] if len(body) < 2 else list(body)
    gaps = [gap for gap in _find_strips(measured) if gap[1] > span[0] and gap[0] < span[1]]
    if not borders:
        return [_choose_cut(gap) for gap in gaps]
    cuts = list(borders)
    for x0, x1 in gaps:  # a strip of its own, between columns that no line separates
        size = median(line.size for line in measured)
        if not any(x0 - 2 <= border <= x1 + 2 for border in borders) and x1 - x0 >= size:
            cuts.append(_choose_cut((x0, x1)))
    return sorted(cuts)


def _choose_cut(gap: tuple[float, float]) -> float:
    return (gap[0] + gap[1]) / 2


def _find_strips(lines: Sequence[Line]) -> list[tuple[float, float]]:
    """Return the vertical strips in which (almost) no line has text, between those that have.

    Lines of one piece do not count: they are headings between the rows, or continue a cell.
    """
    counted = [line for line in lines if len(line.split(COLUMN_GAP)) >= 2]
    if not counted:
        return []
    size = median(line.size for line in counted)
    steps: dict[float, int] = {}
    for line in counted:
        for piece in line.split(0.45):
            steps[piece.x0] = steps.get(piece.x0, 0) + 1
            steps[piece.x1] = steps.get(piece.x1, 0) - 1
    profile: list[tuple[float, float, int]] = []  # x0, x1, how many lines have text there
    covered = 0
    for x, following in pairwise(sorted(steps)):
        covered += steps[x]
        profile.append((x, following, covered))
    strips = [(x0, x1) for x0, x1, n in _merge(profile, 0) if n == 0]
    strips = [(x0, x1) for x0, x1 in strips if x1 - x0 >= COLUMN_GAP * size]
    tolerated = len(counted) // 10
    if tolerated:  # one long label may reach into the next column
        for x0, x1, _n in _merge(profile, tolerated):
            crossed = any(a < x1 and x0 < b for a, b in strips)
            if not crossed and x1 - x0 >= CELL_GAP * size:
                strips.append((x0, x1))
    return sorted(strips)


def _merge(
    profile: Sequence[tuple[float, float, int]], most: int
) -> list[tuple[float, float, int]]:
    """Join neighbouring strips that at most ``most`` lines cross."""
    merged: list[tuple[float, float, int]] = []
    for x0, x1, n in profile:
        if n > most:
            continue
        if merged and abs(merged[-1][1] - x0) < 0.01:
            merged[-1] = (merged[-1][0], x1, max(merged[-1][2], n))
        else:
            merged.append((x0, x1, n))
    return merged


def _column_of(x: float, cuts: Sequence[float]) -> int:
    return sum(x > cut for cut in cuts)


def _assign(line: Line, cuts: Sequence[float]) -> list[list[Word]]:
    """Return the words of each column; a piece without a wide gap stays together."""
    columns: list[list[Word]] = [[] for _ in range(len(cuts) + 1)]
    for piece in line.split(COLUMN_GAP):
        ends = [_column_of(piece.x0 + 0.5, cuts), _column_of(piece.x1 - 0.5, cuts)]
        cut_in_word = any(w.x0 + 0.5 < cut < w.x1 - 0.5 for w in piece.words for cut in cuts)
        if ends[0] == ends[1] or cut_in_word or len(line.split(COLUMN_GAP)) == 1:
            columns[ends[0]] += piece.words
        else:
            for word in piece.words:
                columns[_column_of(word.middle, cuts)].append(word)
    return columns


def _split_cells(line: Line, cuts: Sequence[float]) -> list[str]:
    return [join_text(words) for words in _assign(line, cuts)]


def _make_cell(words: Sequence[Word]) -> TableCell:
    return TableCell(join_text(words), bool(words) and all(word.bold for word in words))


def _is_number(text: str) -> bool:
    return bool(NUMBER.fullmatch(text.strip())) and text.strip() != ""


def _join_cell(first: TableCell, second: TableCell) -> TableCell:
    text = join_wrapped(first.text, second.text) if first.text and second.text else ""
    return TableCell(text or first.text or second.text, first.bold and second.bold)


def join_rows(rows: Sequence[list[TableCell]]) -> list[TableCell]:
    """Join the lines of one row, column by column."""
    joined = rows[0]
    for row in rows[1:]:
        joined = [_join_cell(a, b) for a, b in zip(joined, row, strict=True)]
    return joined


def read_header_line(
    line: Line, cuts: Sequence[float], partial: Sequence[Rule], body: Sequence[Line]
) -> list[TableCell]:
    """Read a line of a table's head, where one piece may span several columns."""
    edges = _measure_columns(body, cuts)
    cells = [TableCell() for _ in range(len(cuts) + 1)]
    for piece in line.split(COLUMN_GAP):
        below = [
            rule
            for rule in partial
            if 0 < rule.at - line.base < 1.2 * line.size and rule.start < piece.middle < rule.end
        ]
        if below:
            x0, x1 = min(r.start for r in below), max(r.end for r in below)
        else:
            x0, x1 = piece.x0, piece.x1
        touched = [
            i for i, edge in enumerate(edges) if edge and x0 < edge[1] - 1 and x1 > edge[0] + 1
        ]
        if not touched or (len(touched) > 1 and not below and not _spans(piece, cuts, touched)):
            for word in piece.words:
                column = _column_of(word.middle, cuts)
                cells[column] = _extend(cells[column], word)
            continue
        for word in piece.words:
            cells[touched[0]] = _extend(cells[touched[0]], word)
        for column in touched[1:]:
            cells[column] = TableCell(cells[touched[0]].text, cells[touched[0]].bold, True)
    return cells


def _extend(cell: TableCell, word: Word) -> TableCell:
    if not cell.text:
        return TableCell(word.text, word.bold)
    return TableCell(f"{cell.text} {word.text}", cell.bold and word.bold)


def _spans(piece: Line, cuts: Sequence[float], touched: Sequence[int]) -> bool:
    """Tell whether a piece covers the cut between two columns with its words."""
    between = cuts[touched[0] : touched[-1]]
    gaps = [(a.x1, b.x0) for a, b in pairwise(piece.words)]
    return all(
        not any(b - a > 0.4 * piece.size and a < cut < b for a, b in gaps) for cut in between
    )


def _measure_columns(
    lines: Sequence[Line], cuts: Sequence[float]
) -> list[tuple[float, float] | None]:
    """Return the left and right end of the text in each column; None where there is none."""
    edges: list[tuple[float, float] | None] = [None] * (len(cuts) + 1)
    for line in lines:
        pieces = line.split(COLUMN_GAP)
        if len(pieces) < 2:
            continue
        for column, words in enumerate(_assign(line, cuts)):
            if words:
                x0, x1 = words[0].x0, words[-1].x1
                edge = edges[column]
                edges[column] = (min(edge[0], x0), max(edge[1], x1)) if edge else (x0, x1)
    return edges


def read_rows(
    block: Sequence[Line], cuts: Sequence[float], body: Sequence[Line], *, joins_all: bool
) -> list[list[TableCell]]:
    """Read the rows between two rules; a row may take several lines."""
    assigned = [_assign(line, cuts) for line in block]
    rows = [[_make_cell(words) for words in columns] for columns in assigned]
    if joins_all:
        return [join_rows(rows)] if rows else []
    limit = max((words[-1].x1 for line in body if (words := _assign(line, cuts)[0])), default=0.0)
    headings = bool(rows) and _has_only_label(rows[0])
    result: list[list[TableCell]] = []
    index = 0
    while index < len(rows):
        row, line = rows[index], block[index]
        middle = _join_centred(rows, block, index)
        if middle is not None:
            result.append(middle)
            index += 3
            continue
        if _has_only_label(row):
            following = rows[index + 1] if index + 1 < len(rows) else None
            if (
                result
                and not _has_only_label(result[-1])
                and _continues(assigned[index - 1][0], assigned[index][0], limit, headings)
                and block[index].base - block[index - 1].base <= 1.6 * line.size
            ):
                result[-1] = [
                    _join_cell(result[-1][0], row[0]),
                    *result[-1][1:],
                ]
                index += 1
                continue
            if (
                following is not None
                and following[0].text
                and not _has_only_label(following)
                and _is_evidence(row[0].text, following[0].text)
                and _is_full(assigned[index][0], assigned[index + 1][0], limit)
            ):
                result.append([_join_cell(row[0], following[0]), *following[1:]])
                index += 2
                continue
        result.append(row)
        index += 1
    return result


def _has_only_label(row: Sequence[TableCell]) -> bool:
    return bool(row[0].text) and not any(cell.text for cell in row[1:])


def _join_centred(
    rows: Sequence[list[TableCell]], block: Sequence[Line], index: int
) -> list[TableCell] | None:
    """Join a label of two lines with the figures that stand half a line between them."""
    if index + 2 >= len(rows):
        return None
    upper, middle, lower = rows[index : index + 3]
    near = block[index + 2].base - block[index].base <= 1.6 * block[index].size
    if near and _has_only_label(upper) and not middle[0].text and _has_only_label(lower):
        return [_join_cell(upper[0], lower[0]), *middle[1:]]
    return None


def _is_evidence(first: str, second: str) -> bool:
    """Tell whether two lines are parts of one label by their words."""
    return bool(_CONNECTOR.search(first)) or second[:1].islower() or second[:1] in "(&+"


def _is_full(words: Sequence[Word], following: Sequence[Word], limit: float) -> bool:
    """Tell whether the next line's first word would not have fitted into this line."""
    if not words or not following:
        return False
    first = following[0]
    return words[-1].x1 + 0.2 * first.size + (first.x1 - first.x0) > limit


def _continues(
    words: Sequence[Word], following: Sequence[Word], limit: float, headings: bool
) -> bool:
    """Tell whether a line that has only a label continues the label above it.

    If not, it is a heading between the rows. ``headings``: the rows begin with a heading.
    """
    if not words or not following or following[0].font != words[-1].font:
        return False
    begins_alike = -2 <= following[0].x0 - words[0].x0 <= 1.5 * following[0].size
    if not begins_alike or not _is_full(words, following, limit):
        return False
    return not headings or _is_evidence(join_text(words), join_text(following))


def has_figures(head: Sequence[Sequence[TableCell]], body: Sequence[Sequence[TableCell]]) -> bool:
    """Tell whether the supposed head is a row of figures like those below it."""
    numeric = _find_numeric_columns(body)
    row = head[-1]
    return bool(numeric) and sum(_is_number(row[i].text) for i in numeric) > 0.5 * len(numeric)


def _find_numeric_columns(rows: Sequence[Sequence[TableCell]]) -> list[int]:
    """Return the columns in which most cells that are filled are numbers."""
    found = []
    for column in range(len(rows[0]) if rows else 0):
        filled = [row[column].text for row in rows if row[column].text]
        numbers = [text for text in filled if _is_number(text) and re.search(r"\d", text)]
        if numbers and len(numbers) >= 0.5 * len(filled):
            found.append(column)
    return found


def is_table(
    head: Sequence[Sequence[TableCell]], rows: Sequence[Sequence[TableCell]], *, is_ruled: bool
) -> bool:
    """Tell whether rows and columns of numbers were found, not columns of text."""
    if not rows or len(rows[0]) < 2:
        return False
    numeric = _find_numeric_columns(rows)
    has_digits = any(re.search(r"\d", cell.text) for row in rows for cell in row)
    if is_ruled:
        return has_digits and (bool(head) or bool(numeric))
    n_filled = max(
        (sum(_is_number(row[i].text) for row in rows) for i in numeric),
        default=0,
    )
    labelled = any(re.search(r"[^\W\d_]{2}", row[0].text) for row in rows) or bool(head)
    return n_filled >= 2 and labelled


def count_header_lines(lines: Sequence[Line], cuts: Sequence[float]) -> int:
    """Return how many lines (at most 3) stand above the first one with figures."""
    rows = [[_make_cell(words) for words in _assign(line, cuts)] for line in lines]
    numeric = _find_numeric_columns(rows)
    for index, row in enumerate(rows[:4]):
        if any(_is_number(row[i].text) and re.search(r"\d", row[i].text) for i in numeric):
            n = index
            break
    else:
        return 0
    # A heading above the first row belongs to the rows, not to the head.
    while n and _has_only_label(rows[n - 1]):
        n -= 1
    return n
