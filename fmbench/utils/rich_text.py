"""Makes texts for rich, the library that prints in a terminal, and wraps them.

Text that is not our own is made safe to print.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.cells import cell_len

from fmbench.utils.printable import escape_unsafe

if TYPE_CHECKING:
    from rich.text import Text


def make_text(text: str, style: str = "") -> Text:
    """Return a text with a style, safe to print: see :mod:`fmbench.utils.printable`."""
    from rich.text import Text  # slow, and not every command prints with it

    return Text(escape_unsafe(text), style)


LONG_WORD = 24  # columns; a longer word, such as the address of a class, may be broken


def split_words(text: str, longest: int = LONG_WORD) -> list[str]:
    """Split a text between words; one with more than ``longest`` columns also after ``:./=_-``."""
    return [text[start:end].rstrip() for start, end in _find_pieces(text, longest)]


def wrap_lines(text: Text, width: int) -> Text:
    """Wrap each line of a text between words; only a word that is too long is broken.

    The lines that continue a line are indented like it.
    """
    from rich.text import Text

    lines = []
    for line in text.split("\n", allow_blank=True):
        indent = _measure_indent(line.plain)
        rest = line[indent:]
        for piece in rest.divide(list(_find_line_starts(rest.plain, width - indent))):
            piece.rstrip()
            lines.append(Text.assemble(" " * indent, piece))
    return Text("\n").join(lines)


def count_wrapped_lines(text: str, width: int) -> int:
    """Count the lines of a text that :func:`wrap_lines` wraps."""
    return sum(
        1 + sum(1 for _ in _find_line_starts(line.lstrip(" "), width - _measure_indent(line)))
        for line in text.split("\n")
    )


def _measure_indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _find_line_starts(text: str, width: int) -> Iterator[int]:
    used = 0
    for start, end in _find_pieces(text, width):
        if used and used + cell_len(text[start:end].rstrip()) > width:
            yield start
            used = 0
        used += cell_len(text[start:end])


def _find_pieces(text: str, longest: int) -> Iterator[tuple[int, int]]:
    """Yield where each piece that cannot be broken begins and ends, with the blanks after it."""
    for word in re.finditer(r"\S+\s*", text):
        if cell_len(word.group().rstrip()) <= longest:
            yield word.span()
            continue
        for piece in re.finditer(r"[^:./=_-]*(?:[:./=_-]+|$)\s*", word.group()):
            if piece.group():
                yield word.start() + piece.start(), word.start() + piece.end()
