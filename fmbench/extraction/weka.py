"""Reads what Weka prints of an evaluation: its summary, its table of classes and its matrix.

Weka names the true class behind each row. In its matrix the classes of the columns are letters:
``857 6 ... | a = T-shirt``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fmbench.extraction.blocks import Block, read_number
from fmbench.extraction.class_names import find_class_numbers
from fmbench.extraction.figures import parse_printed_figure
from fmbench.extraction.found import Average, FoundClaim

SUMMARY, CLASSES = "Weka's summary", "Weka's table of classes"
MAX_LINES = 200_000
_MAX_CLASSES = 100
_CORRECT = re.compile(
    r"^\s*Correctly Classified Instances\s+(?P<count>[0-9]{1,9})\s+(?P<share>[0-9.]{1,12})\s*%\s*$"
)
_KAPPA = re.compile(r"^\s*Kappa statistic\s+(?P<value>-?[0-9.]{1,12})\s*$")
_OTHER = re.compile(
    r"^\s*(?:Incorrectly Classified Instances|Mean absolute error|Root mean squared error"
    r"|Relative absolute error|Root relative squared error|Total Number of Instances"
    r"|Coverage of cases|Mean rel\. region size|K&B|Class complexity|UnClassified)\b.*[0-9]"
)
_TITLE = re.compile(r"^=+ (?P<title>[^=]{3,80}) =+\s*$")
_HEAD = re.compile(r"^\s*TP Rate\s+FP Rate\s+Precision\s+Recall\s+F-Measure\s+.*Class\s*$")
_SAYS_IMAGES = re.compile(r"training|cross-validation|\btest|\bsplit", re.IGNORECASE)
_MATRIX_ROW = re.compile(
    r"^(?P<counts>(?:\s*[0-9]{1,9}(?=\s))+)\s*\|\s*[a-z]{1,2}\s*=\s*(?P<name>\S.{0,60})$"
)
_METRICS = ("recall", "", "precision", "recall", "f1")  # the first five columns


def find_weka_blocks(lines: Sequence[str]) -> list[Block]:
    """Find Weka's summaries and tables of classes, each with the images that its title names."""
    blocks: list[Block] = []
    images, start = "", -1
    claims: list[FoundClaim] = []
    for i, line in enumerate(lines[:MAX_LINES]):
        title = _TITLE.match(line)
        if title and _SAYS_IMAGES.search(title["title"]):
            images = _name_images(title["title"])
        correct, kappa = _CORRECT.match(line), _KAPPA.match(line)
        if correct:
            start, claims = i, [_build("accuracy", f"{correct['share']} %", i)]
        elif kappa and start >= 0:
            claims.append(_build("kappa", kappa["value"], i))
        elif start >= 0 and not _OTHER.match(line):
            blocks.append(Block(SUMMARY, start, i - 1, claims=tuple(claims), images=images))
            start = -1
        if _HEAD.match(line):
            table = _read_classes(lines, i)
            blocks += [table] if table is not None else []
    if start >= 0:
        blocks.append(Block(SUMMARY, start, len(lines) - 1, claims=tuple(claims), images=images))
    return blocks


def _name_images(title: str) -> str:
    """Return whose images a title names; a cross-validation is on the training images."""
    lower = title.lower()
    if "training" in lower:
        return "training"
    return "validation" if "cross-validation" in lower else ""


def _build(
    metric: str, printed: str, line: int, class_: int | None = None, average: Average | None = None
) -> FoundClaim:
    figure = parse_printed_figure(printed)
    assert figure is not None
    where = f"line {line + 1}"
    return FoundClaim("", metric, figure, SUMMARY, where, class_=class_, average=average)


def _read_classes(lines: Sequence[str], first: int) -> Block | None:
    """Read ``Detailed Accuracy By Class``, in which the class stands behind its figures."""
    rows: list[tuple[int, list[str], str]] = []
    average: tuple[int, list[str]] | None = None
    last = first
    for i in range(first + 1, min(len(lines), first + _MAX_CLASSES + 2)):
        words = lines[i].split()
        is_average = words[:2] in (["Weighted", "Avg."], ["Weighted", "Avg"])
        words = words[2:] if is_average else words
        numbers = [word for word in words[:9] if read_number(word) is not None or word == "?"]
        if len(numbers) < len(_METRICS) or words[: len(numbers)] != numbers:
            break
        last = i
        if is_average:
            average = (i, numbers)
            break
        # A class that is a number counts as one of the figures.
        n_figures = min(len(numbers), 8)
        rows.append((i, numbers[:n_figures], " ".join(words[n_figures:]) or numbers.pop()))
    order = find_class_numbers([name for _, _, name in rows]) if len(rows) > 1 else None
    if order is None or order.is_partial:
        return None
    claims = []
    for number, (i, numbers, _) in zip(order.numbers, rows, strict=True):
        for metric, value in list(zip(_METRICS, numbers, strict=False))[1:]:
            if metric and value != "?":
                claims.append(_build(metric, value, i, class_=number))
    if average is not None:
        for metric, value in list(zip(_METRICS, average[1], strict=False))[1:]:
            if metric and value != "?":
                claims.append(_build(metric, value, average[0], average="weighted"))
    names = order.sort([name for _, _, name in rows])
    notes = (order.note,) if order.note else ()
    return Block(CLASSES, first, last, claims=tuple(claims), class_names=names, notes=notes)


def rewrite_matrix_row(line: str) -> str:
    """Write a row of Weka's matrix, ``857 6 | a = T-shirt``, with its class in front."""
    match = _MATRIX_ROW.match(line)
    if match is None:
        return line
    return "\t".join([match["name"].strip(), *match["counts"].split()])
