"""Finds figures that say what a result should be, or by how much one changed, and are no result.

A text for others to fill in has an example in brackets (``[your accuracy, e.g. 91.5 %]``), a
program has the lowest accuracy that it accepts (``MIN_ACCURACY = 0.85``), and a list of tasks says
what its reader is to reach.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from fmbench.extraction.data_set_names import IN_SENTENCES
from fmbench.extraction.text.mentions import DIFFERENCE, FASHION, FigureMention, Mention

_EXAMPLE = re.compile(
    r"[\[{](?:[^\]}]{0,60}[ ,:])?(?:e\.g\.|for example|for instance|such as|zum beispiel|z\. ?b\."
    r"|par exemple|por ejemplo|por exemplo|ad esempio"
    r"|\u043d\u0430\u043f\u0440\u0438\u043c\u0435\u0440"
    r"|\u4f8b\u5982)[,:]? ?[\"']?$",
    re.IGNORECASE,
)
_DEMANDED = re.compile(
    r"(?<![A-Za-z])(?:min(?:imum)?|target|goal|required|desired|expected)_(?:[a-z]+_)?acc(?:uracy)?"
    r"\w*\s*[=:]{1,2}\s*$"
    r"|(?<![A-Za-z])(?:[a-z]+_)?acc(?:uracy)?_(?:min(?:imum)?|target|goal|threshold|limit)"
    r"\s*[=:]{1,2}\s*$",
    re.IGNORECASE,
)
_OPEN_TASK = re.compile(r"[\s>*\u2022-]*\[ ?\] ")
_OF_PIXELS = re.compile(r"[= ]*[0-9.]+ ?/ ?25[56]")
# on MNIST and | on Fashion-MNIST: what stands between two figures of one list
_ON_DATA_SET = (
    r" ?(?:(?:top-1|test|accuracy|points?|absolute) )*(?:on|for|in) (?:the )?\0+(?: data ?set)?"
)
_NEXT_OF_LIST = re.compile(rf"{_ON_DATA_SET}(?:,? and|,) (?:of |by )?(?:about |~)?", re.IGNORECASE)


def mark_no_results(text: str, figures: Sequence[FigureMention]) -> list[FigureMention]:
    """Return the figures of a sentence; those that are no results say why."""
    marked: list[FigureMention] = []
    for figure in figures:
        why_not = figure.why_not or _explain(text, figure)
        if not why_not and marked and marked[-1].why_not == DIFFERENCE and figure.is_percent:
            between = _hide_data_sets(text[marked[-1].end : figure.start])
            why_not = DIFFERENCE if _NEXT_OF_LIST.fullmatch(between) else ""
        marked.append(replace(figure, why_not=why_not))
    return marked


def _explain(text: str, figure: FigureMention) -> str:
    before = text[: figure.start]
    bound = re.match(r"[^0-9.]*", figure.text)
    if _EXAMPLE.search(before):
        return "an example of what to write"
    if _DEMANDED.search(before + (bound[0] if bound else "")):
        return "the lowest value that a program accepts"
    if _OPEN_TASK.match(text):
        return "of a task that is not done"
    if figure.is_quotient and _OF_PIXELS.fullmatch(figure.text):
        return "a share of the range of a pixel"
    return ""


def _hide_data_sets(text: str) -> str:
    return IN_SENTENCES.sub(lambda match: "\0" * len(match[0]), text)


_HAS = re.compile(
    r"(?:\b(?:ha[sd]|have|having|with|gets?|got|reach\w*|achiev\w*|con|com|mit|avec)"
    r"|,? (?:and|y|e|und|et)|,) (?:about |around |~)?$",
    re.IGNORECASE,
)
_ON = re.compile(r"%? (?:on|for|in|en|em|auf|bei|sur|su) (?:the |la |el )?$", re.IGNORECASE)
_LOWEST = 50  # percent; below it, nothing says that a share is an accuracy


def is_one_of_each_data_set(
    text: str, figures: Sequence[FigureMention], data_sets: Sequence[Mention]
) -> bool:
    """Whether a sentence says ``has 95.5 % on MNIST and 86.1 % on Fashion-MNIST`` of a model.

    Each figure is of another data set, stands directly before its name, and is high.
    """
    shares = [figure for figure in figures if figure.is_percent and not figure.why_not]
    if len(shares) < 2 or len(shares) > len(data_sets):
        return False
    named = set()
    for i, figure in enumerate(shares):
        end = shares[i + 1].start if i + 1 < len(shares) else len(text)
        behind = [m for m in data_sets if figure.end <= m.start < end]
        number = re.search(r"[0-9]+", figure.text)
        if (
            not behind
            or number is None
            or not _LOWEST <= int(number[0]) <= 100
            or not _ON.fullmatch(text[figure.end : behind[0].start])
            or not _HAS.search(text[: figure.start] + re.sub(r"[^~].*|~", "", figure.text))
        ):
            return False
        named.add(behind[0].name)
    return len(named) == len(shares) and FASHION in named
