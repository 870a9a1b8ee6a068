"""Decides of what a figure is: of which data set, of which model, of which class."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from fmbench.extraction.data_set_names import IN_SENTENCES
from fmbench.extraction.metric_names import MetricMention, MetricName
from fmbench.extraction.text.compared import (
    are_figures_compared,
    has_other_subject,
    is_beside,
    is_changed_figure,
    is_derived,
    is_of_compared,
    name_model_behind,
)
from fmbench.extraction.text.conditions import (
    GOAL,
    OTHER_WORKS,
    TRAINING_SECTION,
    is_augmented,
    is_over_data_sets,
    mentions_test_images,
)
from fmbench.extraction.text.items import (
    cut_title,
    find_name_of_item,
    is_of_unnamed,
    stands_beside_versus,
)
from fmbench.extraction.text.mentions import (
    FASHION,
    FigureMention,
    Mention,
    iterate_clauses,
)
from fmbench.extraction.text.sentence import Named, Sentence, blank_names, find_extent, has_figure
from fmbench.metrics.registry import METRICS


def find_dataset_of(sentence: Sentence, figure: FigureMention) -> str:
    """Return :data:`FASHION`, or the reason why the figure is not of Fashion-MNIST.

    A sentence that names no data set is about that of the sentences before; a text that names none
    is about Fashion-MNIST.
    """
    datasets = sentence.datasets
    if sentence.context in (GOAL, OTHER_WORKS):
        return f"of {sentence.context}"
    if not datasets and is_over_data_sets(sentence.text):
        return "of several data sets together"
    if sentence.context == TRAINING_SECTION and mentions_test_images(sentence.text[: figure.start]):
        return FASHION
    if not datasets:
        other = sentence.context not in (None, FASHION)
        return f"of {sentence.context}, which the text before it names" if other else FASHION
    if described := _find_described_data(sentence.text[: figure.start]):
        return f"of {described}"
    names = {mention.name for mention in datasets}
    if len(names) == 1:
        name = names.pop()
        return FASHION if name == FASHION else f"of {name}"
    if _is_item_without_data(sentence, figure):
        return "the sentence names several data sets"
    paired = pair_in_order(sentence, figure, datasets)
    if paired is None:
        paired = _nearest_in_clause(sentence, figure, datasets)
    if paired is None:
        return "the sentence names several data sets"
    return FASHION if paired.name == FASHION else f"of {paired.name}"


def _is_item_without_data(sentence: Sentence, figure: FigureMention) -> bool:
    """Whether a figure stands in an item behind a semicolon that names no data set, as others do.

    ``on MNIST 99.1 %; on Fashion-MNIST 90.2 %; for the heart data 88.3 %``
    """
    items = sentence.text.split(";")
    number = sentence.text.count(";", 0, figure.start)
    places = [sentence.text.count(";", 0, mention.start) for mention in sentence.datasets]
    return len(items) > 2 and len(set(places)) > 1 and number not in places


# ... to replace MNIST, which has become too easy (a CNN reaches 99.7 %)
_DESCRIBES = re.compile(r",? (?:which|where|on which|for which)\b[^.;,]*", re.IGNORECASE)


def _find_described_data(before: str) -> str:
    """Return the other data set that the clause before a figure describes; empty if none."""
    found = list(IN_SENTENCES.finditer(before))
    if not found or not found[-1]["other"] or not _DESCRIBES.fullmatch(before, found[-1].end()):
        return ""
    return str(found[-1]["other"])


def pair_in_order(
    sentence: Sentence, figure: FigureMention, mentions: Sequence[Named]
) -> Named | None:
    """Pair figures with names in order, where all names stand before all figures or behind them.

    ``SVC and CNN reach 89.7 % and 91.6 %``.
    """
    figures = [f for f in sentence.figures if not f.why_not and f.is_clear]
    if len(figures) != len(mentions) or figure not in figures:
        return None
    are_before = mentions[-1].end <= figures[0].start
    if are_before or mentions[0].start >= figures[-1].end or sentence.is_respective:
        return mentions[figures.index(figure)]
    return None


def _nearest_in_clause(
    sentence: Sentence, figure: FigureMention, mentions: Sequence[Mention]
) -> Mention | None:
    """Choose the mention in the figure's clause, else the last before it, else the first behind.

    Of several in one clause, only one that stands directly beside the figure is chosen.
    """
    for start, end in iterate_clauses(sentence.clauses, figure):
        inside = [m for m in mentions if start <= m.start < end]
        if start > figure.start and has_figure(sentence, start, end):
            continue  # they belong to that figure
        if len({m.name for m in inside}) > 1:
            return _find_beside(sentence.text, figure, inside)
        if inside:
            return inside[0]
    return None


def _find_beside(text: str, figure: FigureMention, mentions: Sequence[Mention]) -> Mention | None:
    for mention in mentions:
        between = text[figure.end : mention.start]
        if mention.start >= figure.end and re.fullmatch(
            r"[\s)]*(?:accuracy |accurate )?(?:on|for|in|with|by|en|em|auf|bei|sur|su|\()"
            r"\s?(?:the )?",
            between,
            re.I,
        ):
            return mention
    for mention in mentions:
        between = text[mention.end : figure.start]
        if mention.end <= figure.start and re.fullmatch(
            r"[\s:=|()]*(?:(?:test|accuracy|dataset|data|set|is|was|of|with)[\s:=|()]*)*",
            between,
            re.I,
        ):
            return mention
    return None


def find_label_of(sentence: Sentence, figure: FigureMention) -> str:
    """Return the name of the model that a figure is about; empty if the sentence gives none."""
    if name := name_model_behind(sentence.text, sentence.models, figure):
        return clean_label(name)
    if re.match(r" ?\)?,? each\b", sentence.text[figure.end :]):
        return ""  # of several models
    model = _find_model_of(sentence, figure)
    before = sentence.text[: figure.start]
    if model is None:
        return find_name_of_item(before)
    is_alone = not sentence.compared and len(sentence.models) == 1
    if is_alone and stands_beside_versus(sentence.text, sentence.figures, figure):
        return ""
    if is_of_unnamed(before, model, figure):
        return ""
    if _NEXT_OF_ENUMERATION.search(sentence.text[figure.end : model.start]):
        return ""
    return clean_label(model.name) if not is_derived(model.name) else ""


# (1) it is small, (2) it reaches 90.6 %, and (3) it is fast
_NEXT_OF_ENUMERATION = re.compile(r"[,;] (?:and )?\((?:[2-9]|i{2,3}|iv|v|[b-e])\) ", re.IGNORECASE)


def _find_model_of(sentence: Sentence, figure: FigureMention) -> Mention | None:
    text, models, compared = sentence.text, sentence.models, sentence.compared
    free = [m for m in models if m not in compared and not _has_later(sentence, m, figure)]
    for model in compared:
        if is_beside(text, model, figure):
            return model
    if len(compared) == 1 and is_of_compared(text, figure):
        return compared[0]
    chosen = _pair_models(sentence, figure)
    if chosen is not None:
        return chosen
    chosen = _nearest_in_clause(sentence, figure, free)
    if chosen and _NEXT_ITEM.search(text[figure.end : chosen.start]):
        return None
    if chosen is None or _is_enumerated(text, chosen, models):
        return None
    if _is_changed(sentence, chosen, figure) or _has_other_model(sentence, chosen, figure):
        return None
    return chosen


_NEXT_ITEM = re.compile(r"[;,] (?:and |or )?\((?:[1-9]|[a-h]|i{1,3}|iv|v)\) ")  # ..., and (4) ...


def _has_later(sentence: Sentence, model: Mention, figure: FigureMention) -> bool:
    """Whether a model behind a figure has its own: ``our CNN has 93.4 % (LeNet-5: 90.6 %)``."""
    return model.start >= figure.end and any(
        is_beside(sentence.text, model, other)
        for other in sentence.figures
        if other.start >= model.end and other.is_clear
    )


def _pair_models(sentence: Sentence, figure: FigureMention) -> Mention | None:
    """Pair figures with models in order; with models that are compared, only figures that are."""
    if len(sentence.models) < 2:
        return None
    figures = [f for f in sentence.figures if not f.why_not and f.is_clear]
    if (
        sentence.compared
        and not sentence.is_respective
        and not (figures and are_figures_compared(sentence.text, figures[0].end, figures[-1].start))
    ):
        return None
    return pair_in_order(sentence, figure, sentence.models)


def _has_other_model(sentence: Sentence, chosen: Mention, figure: FigureMention) -> bool:
    """Whether the words before a figure name another model, to which it belongs."""
    start, end = next(iterate_clauses(sentence.clauses, figure))
    first = chosen.end if chosen.end <= figure.start else start
    if chosen.end > figure.start and is_beside(sentence.text, chosen, figure):
        return False
    if chosen.start >= end and _SUBJECT.match(sentence.text, start):
        return True
    classes = [mention for mention, _ in sentence.classes]
    names: list[Mention | MetricMention] = [*sentence.datasets, *sentence.metrics, *classes]
    between = blank_names(sentence.text, names, first, figure.start)
    return has_other_subject(between)


# The dense model has 66 %, and the CNN has 89 %: the first figure is not of the CNN.
_SUBJECT = re.compile(
    r"\W*(?:(?:and|while|whereas|but) )?(?:the|our|a|an|this) (?:[\w-]+ ){0,3}?(?:models?|networks?"
    r"|nets?|classifiers?|approach|method|baseline)\b",
    re.IGNORECASE,
)


def _is_changed(sentence: Sentence, chosen: Mention, figure: FigureMention) -> bool:
    """Whether a figure is of the chosen model after a change that its name does not say."""
    first, start, end, last = find_extent(sentence, figure)
    text = sentence.text
    clause, before = (
        blank_names(text, [chosen], start, end),
        blank_names(text, [chosen], first, start),
    )
    return is_changed_figure(text, chosen, figure) or is_augmented(clause, before, text[end:last])


def _is_enumerated(text: str, model: Mention, models: Sequence[Mention]) -> bool:
    """Whether a model stands in a row with others, as in ``VGG-16 and ResNet-50 both exceed``."""
    place = models.index(model)
    near = [
        text[first.end : second.start]
        for first, second in itertools.pairwise(models[max(place - 1, 0) : place + 2])
    ]
    is_in_list = any(gap == ", " for gap in near) and re.match(
        r",?\s(?:and|or)\s", text[model.end :]
    )
    return bool(is_in_list) or any(
        re.fullmatch(r",?\s(?:and|or)\s(?:an?\s|the\s)?", gap) for gap in near
    )


_CLASS_METRICS = {name for name, metric in METRICS.items() if metric.class_fraction is not None}


def find_class(sentence: Sentence, figure: FigureMention, name: MetricName) -> int | str | None:
    """Find the class to which a figure belongs, or say why it cannot be told."""
    start, end = next(iterate_clauses(sentence.clauses, figure))
    inside = [
        (mention, number) for mention, number in sentence.classes if start <= mention.start < end
    ]
    numbers = {number for _, number in inside}
    if not numbers:
        is_of_class = name.per_class or re.search(
            r"\b(?:each|every|per|this|one|worst|hardest|(?:most )?difficult) (?:class|category)\b",
            sentence.text[start:end],
            re.IGNORECASE,
        )
        return "of one class or of each class" if is_of_class else None
    if name.average is not None or name.metric not in _CLASS_METRICS | {"accuracy"}:
        return None
    if len(numbers) > 1:
        return "the clause names several classes"
    mention = inside[0][0]
    is_clear = (
        re.search(r"\b(?:class|category|label)", sentence.text[start:end], re.IGNORECASE)
        or re.search(r"\b(?:for|of|on|in) (?:the )?[\"']?$", sentence.text[: mention.start])
        or any(_is_beside(sentence.text, mention, metric) for metric in sentence.metrics)
        or not sentence.text[: mention.start].strip()
    )
    return numbers.pop() if is_clear else "the clause names a class"


def _is_beside(text: str, mention: Mention, metric: MetricMention) -> bool:
    start, end = min(mention.end, metric.end), max(mention.start, metric.start)
    return re.fullmatch(r"[\s:'()-]*", text[start:end]) is not None


# Words that mean the accuracy or the precision, so that they name no metric, and no model either.
_METRIC_OR_ACCURACY = re.compile(
    r"\b(?:(?:nouvelle|meilleure|la|de|notre) )*(?:pr\u00e9cision|trefferquote|trefferrate)"
    r"(?: (?:maximale|finale|globale|moyenne|obtenue|totale|test))*(?![^\W_])",
    re.IGNORECASE,
)
_NO_NAME = re.compile(
    r"(?:(?:proposed|our|this|the|new|final|average|mean|total|eval|evaluation|epoch|test|train|set|on|of"
    r"|images|network|data ?sets?|[0-9][0-9.,]*+|[^\w ]) ?)*+"
    r"(?:models?|methods?|approach|network|system|architecture|classifier|results?)?",
    re.IGNORECASE,
)


def clean_label(text: str) -> str:
    """Return a label without quotes and a closing ``model``."""
    text = _METRIC_OR_ACCURACY.sub("", re.sub(r"^@[\w-]+[\s:,]*", "", text))  # @user: 91.2 %
    text = re.sub(r"^(?:results?|conclusions?|summary|findings?): ", "", text, flags=re.IGNORECASE)
    text = re.sub(r"\s+models?$", "", cut_title(text).strip(" \"'*_.,`"), flags=re.IGNORECASE)
    if _NO_NAME.fullmatch(text) or re.search(r"\(\W*$", text):
        return ""
    if text.count("(") < text.count(")"):
        text = text.rstrip(")")
    return text[:_MAX_LABEL]


_MAX_LABEL = 120  # characters
