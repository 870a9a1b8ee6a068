"""Builds words and lines from the characters that are drawn on a page of a PDF.

A PDF holds characters and their positions, and lines that are drawn: no words, rows or columns.
All positions here are in points (1/72 inch); x grows to the right and y grows downwards. The code
runs in the process that reads the PDF (:mod:`fmbench.extraction.pdf.worker`) and uses only the
standard library.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

MAX_CHARACTERS = 60_000  # of one page; a full page of small print has about 12,000
MAX_RULES = 20_000  # of one page
WORD_GAP = 0.15  # a wider gap separates two words, in units of the font size
CELL_GAP = 0.9  # a gap that is wider than this may separate two cells
LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "ft", "ﬆ": "st"}
BOLD = re.compile(r"bold|black|heavy|semib|cmbx|[-,]bd|medi(?!um)", re.IGNORECASE)


@dataclass(slots=True)
class Character:
    """One drawn character; ``base`` is the y of the line that it stands on."""

    text: str
    x0: float
    x1: float
    base: float
    size: float
    font: str


@dataclass(slots=True)
class Word:
    """Characters without a gap. ``raised`` is what stands above the line after it (a footnote)."""

    text: str
    x0: float
    x1: float
    base: float
    size: float
    font: str
    after_blank: bool = False
    raised: str = ""

    @property
    def middle(self) -> float:
        """The x of the middle."""
        return (self.x0 + self.x1) / 2

    @property
    def bold(self) -> bool:
        """Whether the font's name says that it is bold."""
        return bool(BOLD.search(self.font))


@dataclass(slots=True)
class Rule:
    """A straight line that is drawn: horizontal (``y`` for ``at``) or vertical (``x``)."""

    at: float
    start: float
    end: float

    @property
    def length(self) -> float:
        """The length in points."""
        return self.end - self.start


@dataclass(slots=True)
class View:
    """What stands on a page in one direction of writing, turned so that it reads normally."""

    words: list[Word]
    horizontal: list[Rule]
    vertical: list[Rule]


@dataclass(slots=True)
class Line:
    """Words on one line, from left to right."""

    words: list[Word]
    base: float = field(init=False)
    size: float = field(init=False)

    def __post_init__(self) -> None:
        self.words.sort(key=lambda word: word.x0)
        self.size = max(word.size for word in self.words)
        self.base = median(word.base for word in self.words)

    @property
    def x0(self) -> float:
        """The left end."""
        return self.words[0].x0

    @property
    def x1(self) -> float:
        """The right end."""
        return max(word.x1 for word in self.words)

    @property
    def middle(self) -> float:
        """The x of the middle."""
        return (self.x0 + self.x1) / 2

    @property
    def top(self) -> float:
        """The upper edge of the letters, about."""
        return self.base - 0.75 * self.size

    @property
    def bottom(self) -> float:
        """The lower edge of the letters, about."""
        return self.base + 0.25 * self.size

    @property
    def text(self) -> str:
        """The words, joined by blanks."""
        return join_text(self.words)

    def split(self, gap: float) -> list[Line]:
        """Split where the gap between two words is wider than ``gap`` font sizes."""
        parts = [[self.words[0]]]
        right = self.words[0].x1
        for word in self.words[1:]:
            if word.x0 - right > gap * self.size:
                parts.append([])
            parts[-1].append(word)
            right = max(right, word.x1)
        return [Line(part) for part in parts]


def join_text(words: Iterable[Word]) -> str:
    """Join words by blanks."""
    return " ".join(word.text for word in words)


# ------------------------------------------------------------------------- from a page to words


def read_views(layout: Any) -> tuple[list[View], int]:
    """Return what stands on a page (a pdfminer ``LTPage``): one view for each direction of writing.

    Characters outside the page are left out, and those inside drawings, such as the numbers at an
    axis. The second value is the number of drawings with numbers.
    """
    characters, horizontal, vertical, n_drawings = _collect(layout)
    width, height = layout.width, layout.height
    views = []
    for direction in sorted(characters):
        words = _join_fragments(_build_words(characters[direction]))
        rules = [_turn_rule(rule, True, direction, width, height) for rule in horizontal]
        rules += [_turn_rule(rule, False, direction, width, height) for rule in vertical]
        views.append(
            View(
                words,
                _join_rules(rule for rule, is_horizontal in rules if is_horizontal),
                _join_rules(rule for rule, is_horizontal in rules if not is_horizontal),
            )
        )
    return views, n_drawings


def _collect(layout: Any) -> tuple[dict[int, list[Character]], list[Rule], list[Rule], int]:
    """Return the characters of each direction (0, 90, 180, 270 degrees), and the drawn lines.

    The last value is the number of drawings that were left out and hold numbers.
    """
    from pdfminer.layout import LTChar, LTCurve, LTFigure, LTLine, LTRect

    width, height = layout.width, layout.height
    drawn: list[Any] = []
    horizontal: list[Rule] = []
    vertical: list[Rule] = []
    n_drawings = 0
    pending = [iter(layout)]
    while pending:  # figures hold other things, and may be nested
        for item in pending[-1]:
            if isinstance(item, LTChar):
                inside = 0 <= item.x0 <= width and 0 <= item.y0 <= height
                if inside and len(drawn) < MAX_CHARACTERS:
                    drawn.append(item)
            elif isinstance(item, LTFigure):
                if _is_drawing(item, width * height):
                    n_drawings += any(isinstance(part, LTChar) for part in item)
                    continue
                pending.append(iter(item))
                break
            elif isinstance(item, LTLine | LTRect) or type(item) is LTCurve:
                _add_rules(item, isinstance(item, LTRect), height, horizontal, vertical)
        else:
            pending.pop()
    raised = _measure_rises(drawn)
    characters: dict[int, list[Character]] = defaultdict(list)
    for item, rise in zip(drawn, raised, strict=True):
        _add_character(item, rise, width, height, characters)
    return characters, horizontal, vertical, n_drawings


def _is_drawing(figure: Any, page_area: float) -> bool:
    """Tell a drawing (curves or images) from text that a program has put into a form of its own."""
    from pdfminer.layout import LTCurve, LTFigure, LTImage

    if figure.width * figure.height > 0.6 * page_area:
        return False
    return any(isinstance(part, LTFigure | LTImage) or type(part) is LTCurve for part in figure)


def _add_rules(
    item: Any, is_box: bool, height: float, horizontal: list[Rule], vertical: list[Rule]
) -> None:
    if len(horizontal) + len(vertical) > MAX_RULES:
        return
    x0, x1, top, bottom = item.x0, item.x1, height - item.y1, height - item.y0
    if bottom - top <= 2 and x1 - x0 > 4:
        horizontal.append(Rule((top + bottom) / 2, x0, x1))
    elif x1 - x0 <= 2 and bottom - top > 4:
        vertical.append(Rule((x0 + x1) / 2, top, bottom))
    elif is_box and item.stroke and x1 - x0 > 4 and bottom - top > 4:
        horizontal += [Rule(top, x0, x1), Rule(bottom, x0, x1)]
        vertical += [Rule(x0, top, bottom), Rule(x1, top, bottom)]


def _measure_rises(drawn: Sequence[Any]) -> list[float]:
    """Return how far each character is raised by the PDF's text rise, which pdfminer hides.

    Its box begins below its origin by a share of the size that only depends on the font: what
    differs from the usual share is the rise.
    """
    shares, sizes = [], []
    usual: dict[str, Counter[float]] = defaultdict(Counter)
    for item in drawn:
        a, b, _c, _d, e, f = item.matrix
        if abs(a) >= abs(b):
            size, offset = item.y1 - item.y0, item.y0 - f if a > 0 else f - item.y1
        else:
            size, offset = item.x1 - item.x0, e - item.x1 if b > 0 else item.x0 - e
        size = size or 1.0
        sizes.append(size)
        share = round(offset / size, 2)
        shares.append(share)
        usual[item.fontname][share] += 1
    most_common = {font: counter.most_common(1)[0][0] for font, counter in usual.items()}
    rises = []
    for item, share, size in zip(drawn, shares, sizes, strict=True):
        rise = share - most_common[item.fontname]
        rises.append(rise * size if abs(rise) > 0.05 else 0.0)
    return rises


def _add_character(
    item: Any, rise: float, width: float, height: float, characters: dict[int, list[Character]]
) -> None:
    text = read_glyph(item.get_text(), str(item.fontname))
    if not text:
        return
    a, b, _c, _d, e, f = item.matrix
    angle = math.degrees(math.atan2(b, a)) % 360
    direction = round(angle / 90) * 90 % 360
    if min(abs(angle - direction), 360 - abs(angle - direction)) > 5:
        return  # a watermark
    if direction == 0:
        x0, x1, base = item.x0, item.x1, height - f
    elif direction == 90:
        x0, x1, base = item.y0, item.y1, e
    elif direction == 180:
        x0, x1, base = width - item.x1, width - item.x0, f
    else:
        x0, x1, base = height - item.y1, height - item.y0, width - e
    size = (item.y1 - item.y0) if direction in (0, 180) else (item.x1 - item.x0)
    font = str(item.fontname)
    characters[direction].append(Character(text, x0, x1, base - rise, size or 1.0, font))


# TeX's italics for formulas have a period and a comma where other fonts have these signs.
_MATH_ITALIC = re.compile(r"CMMI[0-9]|LMMathItalic")
_IN_MATH_ITALIC = {":": ".", ";": ","}


def read_glyph(text: str, font: str) -> str:
    """Return what one glyph stands for, without ligatures and control characters.

    ``font`` is the name of the font: some print other signs than their codes say.
    """
    if text in _IN_MATH_ITALIC and _MATH_ITALIC.search(font):
        return _IN_MATH_ITALIC[text]
    if len(text) == 1 and text.isprintable() and text not in LIGATURES:
        return text
    letters = []
    for letter in text[:8].replace("\xad", "-"):
        category = unicodedata.category(letter)
        if category == "Cf":  # such as a blank without width
            continue
        letters.append(" " if category[0] in "CZ" else LIGATURES.get(letter, letter))
    return "".join(letters)


def _turn_rule(
    rule: Rule, is_horizontal: bool, direction: int, width: float, height: float
) -> tuple[Rule, bool]:
    """Turn a rule as the characters of this direction are turned."""
    if direction == 0:
        return rule, is_horizontal
    if direction == 180:
        length = width if is_horizontal else height
        across = height if is_horizontal else width
        return Rule(across - rule.at, length - rule.end, length - rule.start), is_horizontal
    if direction == 90:  # x becomes y, and y from the bottom becomes x
        if is_horizontal:
            return Rule(height - rule.at, rule.start, rule.end), False
        return Rule(rule.at, height - rule.end, height - rule.start), True
    if is_horizontal:
        return Rule(rule.at, width - rule.end, width - rule.start), False
    return Rule(width - rule.at, rule.start, rule.end), True


def _build_words(characters: Sequence[Character]) -> list[Word]:
    """Join characters to words, in the order in which they are drawn."""
    words: list[Word] = []
    current: Word | None = None
    right = 0.0  # the right end of what was drawn last
    after_blank = False
    last: Character | None = None
    for char in characters:
        if char.text.isspace():
            current, after_blank = None, True
            continue
        if last is not None and _is_same_place(char, last):
            continue  # drawn twice, to look bold
        last = char
        if current is not None:
            size, up, gap = current.size, current.base - char.base, char.x0 - right
            small = char.size <= 0.87 * size
            near = -0.4 * size <= gap <= WORD_GAP * size
            if near and small and 0.15 * size <= up <= 0.75 * size:
                current.raised += char.text
                right = char.x1
                continue
            lowered = small and -0.45 * size <= up < 0
            if near and not current.raised and (abs(up) <= 0.1 * size or lowered):
                current.text += char.text
                current.x1 = max(current.x1, char.x1)
                right = char.x1
                continue
        current = Word(char.text, char.x0, char.x1, char.base, char.size, char.font, after_blank)
        after_blank, right = False, char.x1
        words.append(current)
    for word in words:
        _finish_word(word)
    return [word for word in words if not re.fullmatch(r"[.·…]{4,}", word.text)]  # dot leaders


def _is_same_place(char: Character, other: Character) -> bool:
    return (
        char.text == other.text
        and abs(char.base - other.base) < 0.1 * char.size
        and abs(char.x0 - other.x0) < 0.15 * char.size
        and abs(char.x1 - other.x1) < 0.15 * char.size
    )


def _finish_word(word: Word) -> None:
    """Keep what is raised where it belongs to the word; a footnote mark does not."""
    raised, word.raised = word.raised, ""
    if re.match(r"[±+−–∓]", raised) and not word.text.endswith("10"):
        word.text += f" {raised}"  # a spread, printed small
    elif raised and word.text.endswith("10"):
        word.text += f"^{raised}"
    elif raised in ("%", "th", "st", "nd", "rd"):
        word.text += raised


def _join_fragments(words: list[Word]) -> list[Word]:
    """Join fragments that touch but were not drawn one after the other."""
    joined: list[Word] = []
    for line in cluster_lines(words, 0.12):
        previous: Word | None = None
        for word in line.words:
            touches = (
                previous is not None
                and not word.after_blank
                and abs(word.x0 - previous.x1) <= WORD_GAP * min(word.size, previous.size)
                and 0.8 <= word.size / previous.size <= 1.25
            )
            if touches and previous is not None:
                previous.text += word.text
                previous.x1 = max(previous.x1, word.x1)
            else:
                joined.append(word)
                previous = word
    return joined


def _join_rules(rules: Iterable[Rule]) -> list[Rule]:
    """Join the pieces of one line, such as the borders of neighbouring cells."""
    rows: list[list[Rule]] = []
    for rule in sorted(rules, key=lambda rule: rule.at):
        if rows and rule.at - rows[-1][-1].at <= 1.5:
            rows[-1].append(rule)
        else:
            rows.append([rule])
    joined: list[Rule] = []
    for row in rows:
        at = sum(rule.at for rule in row) / len(row)
        row.sort(key=lambda rule: rule.start)
        current = Rule(at, row[0].start, row[0].end)
        for rule in row[1:]:
            if rule.start <= current.end + 2.5:
                current.end = max(current.end, rule.end)
            else:
                joined.append(current)
                current = Rule(at, rule.start, rule.end)
        joined.append(current)
    return joined


def cluster_lines(words: Iterable[Word], tolerance: float = 0.3) -> list[Line]:
    """Group words into lines: their bases differ by at most ``tolerance`` font sizes."""
    groups: list[list[Word]] = []
    anchor = 0.0
    for word in sorted(words, key=lambda word: word.base):
        if groups and word.base - anchor <= tolerance * min(word.size, groups[-1][0].size):
            groups[-1].append(word)
        else:
            groups.append([word])
            anchor = word.base
    return [Line(group) for group in groups]
