"""Finds the tables in the columns of a PDF's page.

A table is recognised by its horizontal rules (with or without vertical ones), or, without rules, by
lines whose pieces stand below each other and hold numbers. What the cells mean is decided in
:mod:`fmbench.extraction.tables`. The code runs in the process that reads the PDF
(:mod:`fmbench.extraction.pdf.worker`) and uses only the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from fmbench.extraction.pdf.columns import Region
from fmbench.extraction.pdf.page import CELL_GAP, Line, Rule
from fmbench.extraction.pdf.rows import (
    TableCell,
    count_header_lines,
    find_borders,
    find_cuts,
    has_figures,
    is_grid,
    is_table,
    join_rows,
    read_header_line,
    read_rows,
)
from fmbench.extraction.pdf.text import (
    Box,
    Caption,
    find_captions,
    find_figure_lines,
    frame_lines,
    has_pieces,
    is_running_text,
)

MAX_COLUMNS = 60
_CONTINUED = re.compile(r"\bcont(?:inued|\.|'d)", re.IGNORECASE)


@dataclass(slots=True)
class Table:
    """A table as rows of cells, all of the same length; the first ``n_headers`` rows are its head.

    ``cuts`` are the positions between its columns.
    """

    rows: list[list[TableCell]]
    n_headers: int
    cuts: list[float]
    box: Box
    is_ruled: bool
    pages: list[int] = field(default_factory=list)
    caption: str = ""

    @property
    def n_columns(self) -> int:
        """The number of columns."""
        return len(self.cuts) + 1


@dataclass(slots=True)
class RegionContent:
    """What a region holds; ``text_lines`` are the lines of the running text."""

    tables: list[Table]
    captions: list[Caption]
    text_lines: list[Line]  # without the captions
    has_figures: bool  # whether lines inside figures were left out


def read_region(
    region: Region, horizontal: Sequence[Rule], vertical: Sequence[Rule]
) -> RegionContent:
    """Find the tables, captions and lines of text of a region."""
    lines = region.lines
    rules = [
        rule
        for rule in horizontal
        if rule.start >= region.x0 - 15
        and rule.end <= region.x1 + 15
        and lines[0].top - 15 <= rule.at <= lines[-1].bottom + 15
    ]
    captions, caption_lines = find_captions(lines, rules)
    tables: list[Table] = []
    used: set[int] = set()  # the ids of the words in tables
    for group in _group_rules(rules, lines, caption_lines, region.x1 - region.x0):
        table = _read_ruled_table(group, rules, vertical, lines)
        if table is not None:
            tables.append(table[0])
            used |= table[1]
    rest = _without(lines, used)
    left = _without(rest, set(caption_lines))
    for run in _find_runs(left, region.x1 - region.x0):
        table = _read_aligned_table(run, rules)
        if table is not None and not _is_in_figure(table[0], captions):
            tables.append(table[0])
            used |= table[1]
    tables.sort(key=lambda table: (table.box.top, table.box.x0))
    text_lines = _without(left, used)
    boxes = [table.box for table in tables]
    in_figures = find_figure_lines(text_lines, captions, boxes, region.x1 - region.x0)
    text_lines = [line for line in text_lines if id(line) not in in_figures]
    return RegionContent(tables, captions, text_lines, bool(in_figures))


def _without(lines: Sequence[Line], used: set[int]) -> list[Line]:
    rest = ([word for word in line.words if id(word) not in used] for line in lines)
    return [Line(words) for words in rest if words]


def attach_captions(tables: Sequence[Table], captions: Sequence[Caption]) -> None:
    """Give each table its caption: the nearest one above or below it."""
    pairs = sorted(
        (
            (table.box.distance(caption.box), i, j)
            for i, table in enumerate(tables)
            for j, caption in enumerate(captions)
            if caption.is_table and table.box.overlaps(caption.box)
        ),
    )
    given_tables: set[int] = set()
    given_captions: set[int] = set()
    for distance, i, j in pairs:
        if distance <= 45 and i not in given_tables and j not in given_captions:
            tables[i].caption = captions[j].text
            given_tables.add(i)
            given_captions.add(j)


def _is_in_figure(table: Table, captions: Sequence[Caption]) -> bool:
    """Tell whether numbers belong to a figure: its caption is below, and no table's is near."""
    near = [c for c in captions if c.box.overlaps(table.box) and c.box.distance(table.box) <= 45]
    if any(caption.is_table for caption in near):
        return False
    return any(caption.box.top > table.box.top for caption in near)


def _group_rules(
    rules: Sequence[Rule], lines: Sequence[Line], caption_lines: dict[int, int], width: float
) -> list[list[Rule]]:
    """Group the long rules that belong to one table, from top to bottom."""
    groups: list[list[Rule]] = []
    for rule in sorted(rules, key=lambda rule: rule.at):
        if rule.length < max(40.0, 0.1 * width):
            continue
        for group in reversed(groups[-40:]):
            last = group[-1]
            same = abs(last.start - rule.start) <= 6 and abs(last.end - rule.end) <= 6
            if same and _is_table_between(last, rule, lines, caption_lines):
                group.append(rule)
                break
        else:
            groups.append([rule])
    groups = [group for group in groups if len(group) >= 2 and group[-1].at - group[0].at > 10]
    groups.sort(key=lambda group: group[0].length, reverse=True)
    outer: list[list[Rule]] = []
    for group in groups:
        inside = any(
            other[0].at - 2 <= group[0].at
            and group[-1].at <= other[-1].at + 2
            and other[0].start - 6 <= group[0].start
            and group[0].end <= other[0].end + 6
            for other in outer
        )
        if not inside:
            outer.append(group)
    return outer


def _is_table_between(
    upper: Rule, lower: Rule, lines: Sequence[Line], caption_lines: dict[int, int]
) -> bool:
    """Tell whether what stands between two rules belongs to a table: no caption, no text."""
    inside = _lines_between(lines, upper, lower)
    if not inside:
        return lower.at - upper.at <= 40
    if any(id(word) in caption_lines for line in inside for word in line.words):
        return False
    running = [
        line
        for line in inside
        if len(line.split(CELL_GAP)) == 1
        and line.x1 - line.x0 >= 0.75 * upper.length
        and len(line.words) >= 5
    ]
    return len(running) < 2 or len(running) < 0.5 * len(inside)


def _lines_between(lines: Sequence[Line], upper: Rule, lower: Rule) -> list[Line]:
    found = []
    for line in lines:
        if upper.at < line.base - 0.2 * line.size < lower.at:
            words = [w for w in line.words if upper.start - 6 <= w.middle <= upper.end + 6]
            if words:
                found.append(Line(words))
    return found


def _read_ruled_table(
    group: Sequence[Rule], rules: Sequence[Rule], vertical: Sequence[Rule], lines: Sequence[Line]
) -> tuple[Table, set[int]] | None:
    top, bottom = group[0], group[-1]
    inside = _lines_between(lines, top, bottom)
    if len(inside) < 2:
        return None
    levels = [top]
    for rule in group[1:]:
        if rule.at - levels[-1].at > 4:  # a double line counts once
            levels.append(rule)
    blocks = [
        block
        for upper, lower in pairwise(levels)
        if (block := [line for line in inside if upper.at < line.base - 0.2 * line.size < lower.at])
    ]
    borders = find_borders(vertical, top, bottom)
    if len(blocks) >= 2 and len(blocks[0]) <= 5:
        head, body = blocks[0], blocks[1:]
    else:
        head, body = [], blocks
    body_lines = [line for block in body for line in block]
    cuts = find_cuts(body_lines, head, borders, (top.start, top.end))
    if not cuts or len(cuts) >= MAX_COLUMNS:
        return None
    if not head:
        n = count_header_lines(body_lines, cuts)
        head, body_lines = body_lines[:n], body_lines[n:]
        body = [body_lines]
    partial = [
        rule for rule in rules if top.at < rule.at < bottom.at and rule.length < 0.95 * top.length
    ]
    header_rows = [read_header_line(line, cuts, partial, body_lines) for line in head]
    has_rules = is_grid(body, cuts)
    if has_rules and len(header_rows) > 1 and not partial:
        header_rows = [join_rows(header_rows)]
    rows: list[list[TableCell]] = []
    for block in body:
        rows += read_rows(block, cuts, body_lines, joins_all=has_rules)
    if header_rows and has_figures(header_rows, rows):
        rows, header_rows = header_rows + rows, []
    if not is_table(header_rows, rows, is_ruled=True):
        return None
    box = Box(top.start, top.end, top.at, bottom.at)
    table = Table(header_rows + rows, len(header_rows), cuts, box, is_ruled=True)
    return table, {id(word) for line in inside for word in line.words}


def _find_runs(lines: Sequence[Line], width: float) -> list[list[Line]]:
    """Return runs of neighbouring lines that consist of several pieces."""
    runs: list[list[Line]] = []
    current: list[Line] = []
    single = 0
    for line in lines:
        far = bool(current) and line.base - current[-1].base > 2.4 * line.size
        if far or (current and line.base - current[-1].base <= 0):
            runs.append(current)
            current, single = [], 0
        if has_pieces(line):
            current.append(line)
            single = 0
        elif current and single < 2 and not is_running_text(line, width):
            current.append(line)
            single += 1
        elif current:
            runs.append(current)
            current, single = [], 0
    runs.append(current)
    return [_trim(run) for run in runs if sum(has_pieces(line) for line in run) >= 2]


def _trim(run: list[Line]) -> list[Line]:
    """Leave out lines of one piece at the end, except the end of a label."""
    pitches = [b.base - a.base for a, b in pairwise(run)]
    while run and not has_pieces(run[-1]):
        if len(run) > 1 and has_pieces(run[-2]) and len(run[-1].words) <= 4:
            last, above = run[-1], run[-2]
            begins_alike = (
                abs(last.x0 - above.x0) <= 2 and last.words[0].font == above.words[0].font
            )
            if begins_alike and last.base - above.base <= 1.1 * median(pitches):
                break
        run = run[:-1]
    return run


def _read_aligned_table(
    run: Sequence[Line], rules: Sequence[Rule]
) -> tuple[Table, set[int]] | None:
    """Read a table without rules, or with one below its head."""
    cuts = find_cuts(run, [], [], (run[0].x0, max(line.x1 for line in run)))
    if not cuts or len(cuts) >= MAX_COLUMNS:
        without_head = run[1:]
        cuts = find_cuts(without_head, [], [], (run[0].x0, max(line.x1 for line in run)))
        if not cuts or len(cuts) >= MAX_COLUMNS or len(without_head) < 2:
            return None
    n = count_header_lines(run, cuts)
    head, body = list(run[:n]), list(run[n:])
    if not body:
        return None
    if head:
        cuts = find_cuts(body, [], [], (run[0].x0, max(line.x1 for line in run))) or cuts
    width = max(line.x1 for line in run) - min(line.x0 for line in run)
    partial = [rule for rule in rules if rule.length < 0.95 * width]
    header_rows = [read_header_line(line, cuts, partial, body) for line in head]
    rows = read_rows(body, cuts, body, joins_all=False)
    if not is_table(header_rows, rows, is_ruled=False):
        return None
    table = Table(header_rows + rows, len(header_rows), cuts, frame_lines(run), is_ruled=False)
    return table, {id(word) for line in run for word in line.words}


def split_repeated_columns(table: Table) -> list[Table]:
    """Split a table whose columns are printed twice or more side by side."""
    if not table.n_headers:
        return [table]
    names = [cell.text.casefold() for cell in table.rows[table.n_headers - 1]]
    for period in range(2, len(names) // 2 + 1):
        repeats = len(names) % period == 0 and names == names[:period] * (len(names) // period)
        if repeats and all(names) and len(set(names[:period])) == period:
            return [
                Table(
                    [row[start : start + period] for row in table.rows],
                    table.n_headers,
                    table.cuts[start : start + period - 1],
                    table.box,
                    table.is_ruled,
                    table.pages,
                    table.caption,
                )
                for start in range(0, len(names), period)
            ]
    return [table]


def continues_table(table: Table, following: Table) -> bool:
    """Tell whether a table at the top of a page continues the one at the end of the page before."""
    if following.n_columns != table.n_columns:
        return False
    if following.caption and not _CONTINUED.search(following.caption):
        return False
    same_head = bool(table.n_headers) and _name_rows(table) == _name_rows(following)
    near = all(abs(a - b) <= 15 for a, b in zip(table.cuts, following.cuts, strict=True))
    return same_head or (near and not following.n_headers)


def _name_rows(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows[: table.n_headers]]
