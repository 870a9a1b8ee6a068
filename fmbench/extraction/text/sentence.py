"""What is found in a sentence: its figures, metrics, models, data sets and classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from fmbench.extraction.metric_names import MetricMention, find_mentions
from fmbench.extraction.text.compared import find_compared
from fmbench.extraction.text.items import find_titles
from fmbench.extraction.text.mentions import (
    FigureMention,
    Mention,
    clean_sentence,
    find_classes,
    find_datasets,
    find_figures,
    find_models,
    iterate_clauses,
    split_clauses,
)
from fmbench.extraction.text.not_claimed import mark_not_claimed


@dataclass
class Sentence:
    """One sentence, with everything that was found in it."""

    text: str
    figures: list[FigureMention]
    metrics: list[MetricMention]
    datasets: list[Mention]
    models: list[Mention]
    classes: list[tuple[Mention, int]]
    clauses: list[tuple[int, int]] = field(default_factory=list)
    context: str | None = None  # the data set of the sentences before
    compared: list[Mention] = field(default_factory=list)  # the models that are only compared

    @classmethod
    def of(cls, raw: str, context: str | None = None) -> Sentence:
        """Find everything in a sentence; ``context`` is the data set of the sentences before."""
        text = clean_sentence(raw)
        models = find_models(text)
        titles = find_titles(raw, text)
        figures = [
            figure
            for figure in mark_not_claimed(text, find_figures(text))
            if not any(start <= figure.start < end for start, end in titles)
            if figure.is_percent or not any(m.start <= figure.start < m.end for m in models)
        ]
        kept = [(m.start, m.end) for m in models]
        kept += [(f.start, f.end) for f in figures]
        return cls(
            text=text,
            figures=figures,
            metrics=list(find_mentions(text)),
            datasets=find_datasets(text),
            models=models,
            classes=find_classes(text),
            clauses=split_clauses(text, kept),
            context=context,
            compared=find_compared(text, models),
        )

    @property
    def is_respective(self) -> bool:
        """Whether the sentence pairs names and figures in order with ``respectively``."""
        return re.search(r"\brespective(?:ly)?\b", self.text, re.IGNORECASE) is not None


Named = TypeVar("Named", Mention, MetricMention)


def has_figure(sentence: Sentence, start: int, end: int) -> bool:
    """Whether a part of the sentence holds a figure that is clearly one, such as ``90.1 %``."""
    return any(start <= f.start < end and f.is_clear for f in sentence.figures)


def blank_names(text: str, names: Sequence[Mention | MetricMention], start: int, end: int) -> str:
    """Return a part of a text with blanks in place of the names."""
    part = list(text[start:end])
    for name in names:
        for i in range(max(name.start, start), min(name.end, end)):
            part[i - start] = " "
    return "".join(part)


def find_extent(sentence: Sentence, figure: FigureMention) -> tuple[int, int, int, int]:
    """Return the first and last character of a figure's clause and of the text around it.

    That text goes on to the next clauses with a figure. The four are in the order of the text.
    """
    clauses = sentence.clauses
    own = first = last = clauses.index(next(iterate_clauses(clauses, figure)))
    while first and not _has_claimed_figure(sentence, *clauses[first - 1]):
        first -= 1
    while last + 1 < len(clauses) and not _has_claimed_figure(sentence, *clauses[last + 1]):
        last += 1
    return clauses[first][0], *clauses[own], clauses[last][1]


def _has_claimed_figure(sentence: Sentence, start: int, end: int) -> bool:
    return any(start <= f.start < end and f.is_clear and not f.why_not for f in sentence.figures)
