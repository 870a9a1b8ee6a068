"""Finds what items of lists, headings and links say about the figures in them.

``- LeNet-5 - 90.6 %`` names a model and its accuracy without a word between them; a link is often
the title of another work.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from fmbench.extraction.text.mentions import (
    FASHION,
    MAX_SENTENCE,
    FigureMention,
    Mention,
    clean_sentence,
)

_LINK = re.compile(r"(?<!!)\[([^\][]{15,200})\]\(https?://[^()\s]{1,300}\)")
_MIN_TITLE = 4  # words
_OWN_RESULT = re.compile(r"\b(?:we|our|achiev\w*|reach\w*|obtain\w*|scor\w*|gets?|got)\b", re.I)


def find_titles(raw: str, text: str) -> list[tuple[int, int]]:
    """Return where titles of other works, which are links, stand in a sentence.

    ``raw`` is the sentence as it is written, ``text`` is what :func:`clean_sentence` makes of it.
    """
    spans = []
    for match in _LINK.finditer(raw[:MAX_SENTENCE]):
        title = clean_sentence(match[1])
        start = text.find(title)
        if start >= 0 and len(title.split()) >= _MIN_TITLE and not _OWN_RESULT.search(title):
            spans.append((start, start + len(title)))
    return spans


_NAME_AND_RESULT = re.compile(r"[\s#>*\u2022-]*(?P<name>\S.{0,60}?)\s?[:=|-]\s?")


def is_result_of_name(text: str, figure: FigureMention, names: Sequence[Mention]) -> bool:
    """Whether a sentence is one of ``names`` and a share and no more: ``- LeNet-5 - 90 %``."""
    match = _NAME_AND_RESULT.fullmatch(text[: figure.start])
    is_share = figure.is_percent or re.fullmatch(r"0?\.[0-9]{2,}", figure.text) is not None
    if match is None or not is_share or text[figure.end :].strip(" .*_"):
        return False
    return any(match["name"].strip(" :*-") == text[m.start : m.end].strip() for m in names)


_ITEM_NAME = re.compile(
    r"[\s>*\u2022-]*(?P<name>(?=[A-Z]\w*[A-Z0-9])(?!Q[0-9]|Top|F1)[A-Z][\w+/.-]{2,30})"
    r" (?:test(?:ing)? )?acc(?:uracy)?(?: on [^:=]{0,30})?\s?[:=]\s?"
)


def find_name_of_item(before: str) -> str:
    """Return the name in ``- TinyNet test accuracy:``, which only its capitals show to be one."""
    match = _ITEM_NAME.fullmatch(before)
    return match["name"] if match else ""


_OF_OTHERS = re.compile(
    r"\baccording to (?:the |their |its )?(?:[\w-]+ )?(?:benchmarks?|leader ?boards?)\b"
    r"|\bofficial\b[^.;]{0,80}\b(?:baselines?|benchmarks?|leader ?boards?)\b"
    r"|(?<!our )(?<!new )(?<!a )\bstate[- ]of[- ]the[- ]art (?:f[\w-]*mnist )?"
    r"(?:(?:results?|models?|methods?|networks?|accurac\w+|performances?|scores?) ?)+\b"
    r"(?: (?:for|on|in)(?: [\w-]+){1,3}?)?,?"
    r" (?:which )?(?:is|are|lies?|reach(?:es)?|gets?|achieves?)\b[^.;,]{0,30}$",
    re.IGNORECASE,
)


def is_of_other_works(before: str) -> bool:
    """Whether a figure is quoted from a list of results: ``according to the benchmark, 86.0 %``."""
    return _OF_OTHERS.search(before) is not None


_GUESSES = re.compile(r"\b(?:just|always|simply|only) (?:guess|predict|say)\w*\b[^.;]{0,80}$", re.I)


def is_of_guessing(before: str) -> bool:
    """Whether a figure is of a model that gives one answer: ``may just guess "bag", and get``."""
    return _GUESSES.search(before) is not None


_OF_UNNAMED = re.compile(
    r"\b(?:networks?|nets?|models?|classifiers?|baselines?|versions?|variants?) \($", re.IGNORECASE
)


def is_of_unnamed(before: str, model: Mention, figure: FigureMention) -> bool:
    """Whether brackets stand behind a model without a name: ``beats the wide network (88.9 %)``.

    ``model`` is the one to which the figure seems to belong.
    """
    is_beside = model.start < figure.start <= model.end + 2
    return _OF_UNNAMED.search(before) is not None and not is_beside


_VERSUS = re.compile(r"[\s)]*(?:vs\.?|versus)[\s(]*", re.IGNORECASE)


def stands_beside_versus(
    text: str, figures: Sequence[FigureMention], figure: FigureMention
) -> bool:
    """Whether a figure stands before or behind ``vs.``, with another one on the other side."""
    return any(
        _VERSUS.fullmatch(text[first.end : second.start])
        for first, second in itertools.pairwise(figures)
        if figure in (first, second)
    )


# "Benchmark: LeNet-5", as authors name what they send to a list of results
_TITLE_BEFORE_NAME = re.compile(r"^\W*benchmarks?\s?[:-]\s*(?=\w)", re.IGNORECASE)


def cut_title(label: str) -> str:
    """Return a label without the word ``Benchmark:`` before it and the bracket of its figure."""
    return _TITLE_BEFORE_NAME.sub("", re.sub(r"\s?\([+~<>]?\s*$", "", label))


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
