"""Finds the columns of text on the pages of a PDF.

The code runs in the process that reads the PDF (:mod:`fmbench.extraction.pdf.worker`) and uses only
the standard library.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fmbench.extraction.pdf.page import CELL_GAP, Line, Rule, View, Word, cluster_lines


@dataclass(frozen=True)
class Gutter:
    """The empty strip between the two columns of a page."""

    x0: float
    x1: float


@dataclass(slots=True)
class Region:
    """A part of a page in which text runs in one column: its lines, from top to bottom."""

    x0: float
    x1: float
    lines: list[Line]


def find_gutter(views: Sequence[View]) -> Gutter | None:
    """Return the strip between the two columns of a document, if it is printed in two columns.

    ``views`` are its pages. Two columns are there if many lines of text begin at the same place
    near the middle of the page, and as many end to the left of it.
    """
    lefts = sorted(min(word.x0 for word in view.words) for view in views if view.words)
    rights = sorted(max(word.x1 for word in view.words) for view in views if view.words)
    if not lefts:
        return None
    # A page may be half empty, and a few may have notes in their margins.
    left, right = lefts[len(lefts) // 10], rights[len(rights) * 9 // 10]
    width = right - left
    pieces = [
        piece
        for view in views
        for line in cluster_lines(view.words)
        for piece in line.split(CELL_GAP)
        if _is_prose(piece)
    ]
    starts: Counter[int] = Counter()
    for piece in pieces:
        if 0.44 * width <= piece.x0 - left <= 0.62 * width and piece.x1 - piece.x0 >= 0.2 * width:
            starts[round(piece.x0)] += 1
    if not starts:
        return None
    start = max(starts, key=lambda x: sum(starts[x + shift] for shift in (-1, 0, 1)))
    n_right = sum(starts[start + shift] for shift in (-1, 0, 1))
    ends = sorted(
        piece.x1 for piece in pieces if piece.x1 <= start - 4 and piece.x1 - piece.x0 >= 0.2 * width
    )
    if min(n_right, len(ends)) < max(3.0, 0.03 * len(pieces)):
        return None
    end = ends[min(len(ends) - 1, int(0.97 * len(ends)))]
    return Gutter(min(end, start - 4.0), start - 1.0)


def _is_prose(line: Line) -> bool:
    """Tell whether a piece of a line is several words of text, not numbers."""
    letters = [word for word in line.words if re.search(r"[^\W\d_]{2}", word.text)]
    return len(letters) >= 4 and len(letters) >= 0.5 * len(line.words)


def split_columns(view: View, gutter: Gutter | None, caption: re.Pattern[str]) -> list[Region]:
    """Split a page into regions that run in one column, in the order of reading.

    ``caption`` matches the beginning of a table's caption. A table that crosses both columns is
    recognised by its rules, or by its caption.
    """
    lines = cluster_lines(view.words)
    if not lines:
        return []
    long_rules = [rule for rule in view.horizontal if rule.length > 40]
    left = min([line.x0 for line in lines] + [rule.start for rule in long_rules])
    right = max([line.x1 for line in lines] + [rule.end for rule in long_rules])
    if gutter is None:
        return [Region(left, right, lines)]
    in_columns, across = _count_column_lines(lines, gutter)
    if in_columns < 2 or across > in_columns:
        return [Region(left, right, lines)]
    crossing = [_crosses(line, gutter) for line in lines]
    _mark_between_rules(lines, crossing, view.horizontal, gutter)
    _mark_last_lines(lines, crossing, gutter)
    _mark_below_captions(lines, crossing, gutter, caption, (left, right))
    regions: list[Region] = []
    start = 0
    for index in range(1, len(lines) + 1):
        if index < len(lines) and crossing[index] == crossing[start]:
            continue
        block = lines[start:index]
        if crossing[start]:
            regions.append(Region(left, right, block))
        else:
            halves = [_split_at(line, gutter) for line in block]
            first = [word for half in halves for word in half[0]]
            second = [word for half in halves for word in half[1]]
            if first:
                regions.append(Region(left, gutter.x0, cluster_lines(first)))
            if second:
                regions.append(Region(gutter.x1, right, cluster_lines(second)))
        start = index
    return regions


def _crosses(line: Line, gutter: Gutter) -> bool:
    return any(word.x0 < gutter.x1 - 1 and word.x1 > gutter.x0 + 1 for word in line.words)


def _split_at(line: Line, gutter: Gutter) -> tuple[list[Word], list[Word]]:
    middle = (gutter.x0 + gutter.x1) / 2
    first = [word for word in line.words if word.middle <= middle]
    return first, [word for word in line.words if word.middle > middle]


def _count_column_lines(lines: Iterable[Line], gutter: Gutter) -> tuple[int, int]:
    """Count the long lines of text in one of the columns, and those that cross the gutter."""
    columns = crossing = 0
    for line in lines:
        if _crosses(line, gutter):
            crossing += len(line.split(CELL_GAP)) == 1 and _is_prose(line)
            continue
        for words in _split_at(line, gutter):
            if words and _is_prose(part := Line(words)) and len(part.split(1.5)) == 1:
                fills = part.x1 >= gutter.x0 - 3 if part.x0 < gutter.x0 else True
                columns += fills and (part.x0 < gutter.x0 or part.x0 <= gutter.x1 + 5)
    return columns, crossing


def _mark_between_rules(
    lines: Sequence[Line], crossing: list[bool], rules: Sequence[Rule], gutter: Gutter
) -> None:
    """Mark the lines between two rules that cross the gutter, unless they are two columns."""
    across = [rule for rule in rules if rule.start < gutter.x0 - 15 and rule.end > gutter.x1 + 15]
    for upper, lower in pairwise(sorted(across, key=lambda rule: rule.at)):
        if abs(upper.start - lower.start) > 8 or abs(upper.end - lower.end) > 8:
            continue
        inside = [i for i, line in enumerate(lines) if upper.at < line.base < lower.at]
        columns, _across = _count_column_lines((lines[i] for i in inside), gutter)
        if columns < 3 or columns <= 0.2 * len(inside):
            for i in inside:
                crossing[i] = True


def _mark_last_lines(lines: Sequence[Line], crossing: list[bool], gutter: Gutter) -> None:
    """Mark the short last line of a paragraph that crosses the gutter, such as a long caption."""
    for index in range(1, len(lines)):
        line, above = lines[index], lines[index - 1]
        near = line.base - above.base <= 1.4 * line.size and abs(line.size - above.size) < 0.5
        if crossing[index] or not crossing[index - 1] or not near or line.x1 > gutter.x0 + 1:
            continue
        begins_alike = abs(line.x0 - above.x0) <= 3
        following = lines[index + 1] if index + 1 < len(lines) else None
        is_last = following is None or following.base - line.base > 1.4 * line.size
        crossing[index] = len(above.split(CELL_GAP)) == 1 and begins_alike and is_last


def _mark_below_captions(
    lines: Sequence[Line],
    crossing: list[bool],
    gutter: Gutter,
    caption: re.Pattern[str],
    extent: tuple[float, float],
) -> None:
    """Mark the rows of a table without rules whose caption crosses the gutter."""

    def is_row(index: int) -> bool:
        if crossing[index]:  # a long label
            return len(lines[index].split(CELL_GAP)) >= 2
        for words, (x0, x1) in zip(
            _split_at(lines[index], gutter),
            ((extent[0], gutter.x0), (gutter.x1, extent[1])),
            strict=True,
        ):
            if words:
                line = Line(words)
                full = line.x1 - line.x0 >= 0.85 * (x1 - x0) and abs(line.x0 - x0) <= 4
                if full and len(line.split(CELL_GAP)) == 1:
                    return False
        return True

    for start, line in enumerate(lines):
        if not crossing[start] or not caption.match(line.text):
            continue
        end = start
        while end + 1 < len(lines) and crossing[end + 1]:
            end += 1
        if _walk(lines, crossing, end, 1, is_row) < 2:
            _walk(lines, crossing, start, -1, is_row)


def _walk(
    lines: Sequence[Line],
    crossing: list[bool],
    start: int,
    step: int,
    is_row: Callable[[int], bool],
) -> int:
    """Mark the rows that follow line ``start`` in one direction; return how many."""
    found = []
    index = start + step
    while 0 <= index < len(lines) and is_row(index):
        if abs(lines[index].base - lines[index - step].base) > 3 * lines[index].size:
            break
        found.append(index)
        index += step
    cells = [len(lines[i].split(CELL_GAP)) >= 2 for i in found]
    if len(found) < 2 or sum(cells) < 0.6 * len(found):
        return 0
    for i in found:
        crossing[i] = True
    return len(found)
