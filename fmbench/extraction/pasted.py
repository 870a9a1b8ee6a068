"""Repairs texts that were copied from a web page in a browser.

Blanks between columns, in lists and behind commas are lost, and the numbers of lines get in.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from fmbench.extraction.data_set_names import find_data_sets
from fmbench.extraction.text.mentions import find_models

_MIN_NUMBERED = 5  # lines that are numbers, for them to be the numbers of the other lines
_MAX_STEP = 20  # from one number of a line to the next, where a page leaves lines out
_MAX_LINE = 20_000  # characters of a line that is looked at
_LINE_NUMBER = re.compile(r"[ \t]*([0-9]{1,5})[ \t]*")
_MARK_OF_CHANGE = re.compile(r"[ \t]*\+[ \t]*")
# "-Fashion-MNIST: 94.1 %": an item of a list without a blank
_ITEM = re.compile(r"^([ \t]*[-\u2022\u2013])(?=(?:[A-Z][a-z]{2,}|MNIST)\b)", re.MULTILINE)
_GLUED_PROSE = re.compile(r"%(?:for|and|on|in|with)\b|%,(?:and|[0-9])|[a-z],and ")
_MIN_WORDS = 8  # of a line of prose


def clean_pasted(text: str) -> str:
    """Return a text with blanks where a browser's copy has lost them, without numbers of lines."""
    text = _join_cards(_drop_line_numbers(_ITEM.sub(r"\1 ", text)))
    if not _GLUED_PROSE.search(text):
        return text
    return "\n".join(map(_add_blanks, text.split("\n")))


def _add_blanks(line: str) -> str:
    """Write ``98.1%,90.2%,and 48.3%for MNIST,Fashion-MNIST`` with blanks behind its commas."""
    if len(line.split()) < _MIN_WORDS or len(line) > _MAX_LINE or not _GLUED_PROSE.search(line):
        return line
    line = re.sub(r"(?<=%)(?=[A-Za-z])", " ", line)
    line = re.sub(r"(?<=[%a-zA-Z)]),(?=[A-Za-z0-9])", ", ", line)
    return re.sub(r"(?<=[a-z)])\.(?=[A-Z][a-z])", ". ", line)


_SHARE = re.compile(r"\s*[~\u2248]?\s?(?:[0-9]{2}(?:\.[0-9]+)?\s?%|0?\.[0-9]{2,})\s*")
_ACCURACY = re.compile(r"\s*(?:(?:test|overall|best|final|top-1) )?accuracy:?\s*", re.IGNORECASE)
_MAX_ABOVE = 3  # lines with a text between the name of a card and its figure


def _join_cards(text: str) -> str:
    """Write the name, the metric and the figure of a card on one line: ``ResNet: accuracy 91 %``.

    A page shows each model in a box of its own, and a copy has ``ResNet``, ``91 %`` and ``Test
    accuracy`` on lines of their own, perhaps with others between them.
    """
    lines = text.split("\n")
    filled = [i for i, line in enumerate(lines) if line.strip()]
    for place, (i, j) in enumerate(itertools.pairwise(filled)):
        figure, metric = (i, j) if _SHARE.fullmatch(lines[i]) else (j, i)
        if not (_SHARE.fullmatch(lines[figure]) and _ACCURACY.fullmatch(lines[metric])):
            continue
        above = [lines[k].strip() for k in reversed(filled[max(0, place - _MAX_ABOVE) : place])]
        name = next((line for line in above if _is_name(line)), None)
        if name is not None:
            metric_name = lines[metric].strip().rstrip(":").lower()
            lines[figure] = f"{name}: {metric_name} {lines[figure].strip()}"
            lines[metric] = ""
    return "\n".join(lines)


def _is_name(line: str) -> bool:
    """Whether a line consists of the name of a known model and nothing else."""
    return len(line) <= _MAX_NAME and [model.name for model in find_models(line)] == [line]


_MAX_NAME = 60  # characters


def _drop_line_numbers(text: str) -> str:
    """Return a text without the numbers of its lines, which stand on lines of their own.

    A page that shows the changes of a file has them, and a plus sign beside each new line.
    """
    lines = text.split("\n")
    places = [i for i, line in enumerate(lines) if _LINE_NUMBER.fullmatch(line)]
    numbers = [int(lines[i]) for i in places]
    if len(numbers) < _MIN_NUMBERED or not _are_line_numbers(numbers):
        return text
    if all(second - first == 1 for first, second in itertools.pairwise(places)):
        return text  # a column of numbers
    dropped = {*places, *(i for i, line in enumerate(lines) if _MARK_OF_CHANGE.fullmatch(line))}
    kept = [line for i, line in enumerate(lines) if i not in dropped]
    return "\n".join([*kept, *[""] * len(dropped)])


def _are_line_numbers(numbers: Sequence[int]) -> bool:
    """Whether numbers rise as those of lines do, mostly by one."""
    steps = [second - first for first, second in itertools.pairwise(numbers)]
    return all(0 < step <= _MAX_STEP for step in steps) and 2 * steps.count(1) >= len(steps)


_MIN_CELLS = 2


def find_rows_of_data_sets(lines: Sequence[str]) -> list[int]:
    """Find the rows below a line whose cells name data sets: ``MNIST | Fashion MNIST | CIFAR-10``.

    Where no table is understood, nobody knows which figure of such a row is of which data set. The
    numbers of the rows are counted from 0. The rows go on to the first line without a cell.
    """
    found: list[int] = []
    is_below = False
    for i, line in enumerate(lines):
        cells = [cell for cell in re.split(r"[|\t]", line[:_MAX_LINE]) if cell.strip()]
        if len(cells) < _MIN_CELLS:
            is_below = False
            continue
        names = [data for cell in cells if (data := find_data_sets(cell)).is_only_name]
        if any(data.is_fashion for data in names) and any(data.is_other for data in names):
            is_below = True
        elif is_below and re.search(r"[0-9]", line):
            found.append(i)
    return found


# ---- rows of a table whose columns are one blank apart -------------------------------------------

_HEAD_AT_END = re.compile(
    r"(?:^|\s)(?:(?:test(?:ing)?|train(?:ing)?|val(?:idation)?|overall|top-1|macro|weighted|mean"
    r"|average|best|final)[ -])*(?:accuracy|acc\.?|precision|recall|f1(?:[- ]score)?|kappa|auc"
    r"|loss|error(?: rate)?)(?: ?[(\[] ?%? ?[)\]])?$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9]*[.,]?[0-9]+ ?%?|-")
_MAX_HEADER = 16  # words


def split_rows_of_words(lines: Sequence[str]) -> list[list[str]] | None:
    """Split a table whose columns are one blank apart: a name, and then numbers in each row.

    ``Model Time Test accuracy`` above ``SVM 19.0 0.856``. Only the last columns are kept whose
    heads name a metric. None: it is no such table.
    """
    header, *rows = [line.strip() for line in lines]
    words = [row.split() for row in rows]
    n_figures = {_count_figures(row) for row in words}
    if (
        len(rows) < 2
        or len(n_figures) != 1
        or any("  " in line or "|" in line for line in (header, *rows))
        or not 2 <= len(header.split()) <= _MAX_HEADER
        or any(not re.search(r"[A-Za-z]", row[0]) for row in words)
    ):
        return None
    most = n_figures.pop()
    heads: list[str] = []
    while len(heads) < most and (found := _HEAD_AT_END.search(header)):
        heads.insert(0, found[0].strip())
        header = header[: found.start()].rstrip()
    if not heads or not header or re.search(r"[0-9]", header):
        return None
    name = header.split()[0]
    cut = [[" ".join(row[:-most]), *row[len(row) - len(heads) :]] for row in words]
    return [[name, *heads], *cut]


def _count_figures(words: Sequence[str]) -> int:
    """Count the numbers at the end of a row, behind the name; 0 if nothing else stands there."""
    n_names = len(words)
    while n_names and _NUMBER.fullmatch(words[n_names - 1]):
        n_names -= 1
    return len(words) - n_names if n_names else 0
