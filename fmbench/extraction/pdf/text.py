"""Finds captions and running text among the lines of a column of a PDF's page.

The code runs in the process that reads the PDF (:mod:`fmbench.extraction.pdf.worker`) and uses only
the standard library.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fmbench.extraction.pdf.page import CELL_GAP, Line, Rule

TABLE_CAPTION = re.compile(
    r"(?:table|tab\.|tabelle|tableau|tabla|tabela|tabella)\s*"
    r"(?:[A-Z]?\.?[0-9]{1,3}(?:\.[0-9]{1,2})?|[IVXLC]{1,7})\b\s*(?P<mark>[:.|–—-])?\s*(?P<rest>.*)",
    re.IGNORECASE,
)
FIGURE_CAPTION = re.compile(
    r"(?:figure|fig\.|abbildung|abb\.|figura)\s*[A-Z]?\.?[0-9]{1,3}[a-z]?\b\s*"
    r"(?P<mark>[:.|–—-])?\s*(?P<rest>.*)",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Box:
    """A rectangle on the page."""

    x0: float
    x1: float
    top: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Tell whether one stands above the other, at least in part."""
        return self.x0 < other.x1 and other.x0 < self.x1

    def distance(self, other: Box) -> float:
        """The vertical distance; 0 if they overlap."""
        return max(0.0, other.top - self.bottom, self.top - other.bottom)


@dataclass(slots=True)
class Caption:
    """The caption of a table or figure."""

    text: str
    box: Box
    is_table: bool


def find_captions(
    lines: Sequence[Line], rules: Sequence[Rule]
) -> tuple[list[Caption], dict[int, int]]:
    """Return the captions, and the ids of their words with the caption's number."""
    captions: list[Caption] = []
    numbers: dict[int, int] = {}
    for index, line in enumerate(lines):
        for piece in line.split(1.5):
            if id(piece.words[0]) in numbers or not _begins_caption(piece, lines, index):
                continue
            found = [piece]
            for following in lines[index + 1 : index + 7]:
                if following.base - found[-1].base > 1.5 * max(following.size, found[-1].size):
                    break
                between = [r for r in rules if found[-1].base < r.at < following.base]
                parts = following.split(CELL_GAP * 1.3)
                pieces = [p for p in parts if p.x0 < piece.x1 + 25 and p.x1 > piece.x0 - 25]
                if (
                    len(pieces) != 1
                    or len(parts) > len(line.split(1.5))  # the first row of the table
                    or any(rule.start < piece.x1 and rule.end > piece.x0 for rule in between)
                    or _begins_caption(pieces[0], lines, index + 1)
                    or not re.search(r"[^\W\d_]{2}", pieces[0].text)
                ):
                    break
                found.append(pieces[0])
            for part in found:
                numbers.update(dict.fromkeys(map(id, part.words), len(captions)))
            captions.append(
                Caption(
                    functools.reduce(join_wrapped, (part.text for part in found)),
                    frame_lines(found),
                    TABLE_CAPTION.match(piece.text) is not None,
                )
            )
    return captions, numbers


def _begins_caption(piece: Line, lines: Sequence[Line], index: int) -> bool:
    """Tell a caption from a sentence whose line happens to begin with "Table 3"."""
    match = TABLE_CAPTION.match(piece.text) or FIGURE_CAPTION.match(piece.text)
    if match is None:
        return False
    above = [
        line
        for line in lines[max(0, index - 2) : index]
        if line.x0 < piece.x1 and line.x1 > piece.x0 and line.base < piece.base
    ]
    is_close = bool(above) and piece.base - above[-1].base <= 1.45 * piece.size
    if match["mark"] and match["mark"] != ".":
        return True
    if is_close and not re.search(r"[.!?:]$", above[-1].text) and not has_pieces(above[-1]):
        same_size = abs(above[-1].size - piece.size) < 0.3
        if same_size and len(above[-1].words) >= 4 and not piece.words[0].bold:
            return False
    if match["mark"] or not match["rest"] or piece.words[0].bold:
        return True
    return not is_close and match["rest"][:1].isupper()


def frame_lines(lines: Iterable[Line]) -> Box:
    """Return the rectangle around lines."""
    listed = list(lines)
    return Box(
        min(line.x0 for line in listed),
        max(line.x1 for line in listed),
        min(line.top for line in listed),
        max(line.bottom for line in listed),
    )


def find_figure_lines(
    lines: Sequence[Line], captions: Sequence[Caption], tables: Sequence[Box], width: float
) -> set[int]:
    """Return the ids of the lines inside figures, such as the numbers at an axis.

    They are the short lines above a figure's caption, up to the running text.
    """
    found: set[int] = set()
    for caption in captions:
        if caption.is_table:
            continue
        boxes = [*(other.box for other in captions), *tables]
        tops = [box.bottom for box in boxes if box.bottom <= caption.box.top]
        start = max(tops, default=0.0)
        above = [line for line in lines if start <= line.base < caption.box.top]
        inside: list[Line] = []
        for line in reversed(above):
            if len(line.split(CELL_GAP)) == 1 and is_running_text(line, 0.7 * width):
                # The short end of a paragraph belongs to the line above it.
                last = line
                while inside and inside[-1].base - last.base <= 1.4 * last.size:
                    last = inside.pop()
                break
            inside.append(line)
        found.update(map(id, inside))
    return found


def has_pieces(line: Line) -> bool:
    """Tell whether a line has wide gaps, other than those of a justified line of text."""
    if len(line.split(CELL_GAP)) < 2:
        return False
    words = [word for word in line.words if re.search(r"[^\W\d_]{2}", word.text)]
    if len(words) < 4 or len(words) < 0.6 * len(line.words):
        return True
    gaps = sorted(b.x0 - a.x1 for a, b in pairwise(line.words))
    if gaps[0] > 1.5 * line.size:
        return True
    return gaps[-1] >= 2.2 * max(gaps[len(gaps) // 4], 0.2 * line.size)


def is_running_text(line: Line, width: float) -> bool:
    """Tell whether a line is part of a sentence, in a column of this width."""
    words = [word for word in line.words if re.search(r"[^\W\d_]{2}", word.text)]
    return (line.x1 - line.x0 > 0.8 * width and len(words) >= 4) or len(words) > 9


def join_wrapped(first: str, second: str) -> str:
    """Join the end of a line with the beginning of the next one."""
    if not re.search(r"\w-$", first):
        return f"{first} {second}"
    if second[:1].islower():
        return first[:-1] + second
    return first + second


def build_paragraphs(lines: Sequence[Line]) -> list[str]:
    """Join lines to paragraphs; lines that are not text (the numbers at an axis) are left out."""
    paragraphs: list[list[str]] = []
    previous: Line | None = None
    pieces = [piece for line in lines for piece in _split_text_line(line)]
    for line in pieces:
        is_new = (
            previous is None
            or line.base - previous.base > 1.55 * max(line.size, previous.size)
            or line.base <= previous.base
            or abs(line.size - previous.size) > 1.5
        )
        if is_new:
            paragraphs.append([])
        paragraphs[-1].append(line.text)
        previous = line
    joined = []
    for paragraph in paragraphs:
        text = paragraph[0]
        for part in paragraph[1:]:
            text = join_wrapped(text, part)
        if _is_text(text):
            joined.append(text)
    return joined


def _split_text_line(line: Line) -> list[Line]:
    """Return the parts of a line that do not belong together."""
    return line.split(2.5) if has_pieces(line) else [line]


def _is_text(text: str) -> bool:
    tokens = text.split()
    words = [token for token in tokens if re.search(r"[^\W\d_]{2}", token)]
    return bool(words) and len(words) >= 0.34 * len(tokens)
