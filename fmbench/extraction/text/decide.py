"""Decides what each number of one sentence is: a claim, or something else and why.

A number belongs to the metric to which only linking words connect it, or to the nearest one in its
clause. In the same way it belongs to a model, a data set and a class. Where two readings are
possible, the number is no claim, and the reason is given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from fmbench.extraction.data_set_names import FASHION_IN_HEADS, OTHERS_IN_HEADS
from fmbench.extraction.figures import check_range, describe_error_rate, parse_printed_figure
from fmbench.extraction.found import FoundClaim, PrintedFigure
from fmbench.extraction.metric_names import MetricMention, MetricName
from fmbench.extraction.text.compared import (
    is_beside,
    names_unknown_subject,
)
from fmbench.extraction.text.conditions import (
    SOME_CLASSES,
    TRAINING_SECTION,
    find_condition,
    find_images,
    restricts_classes,
)
from fmbench.extraction.text.items import (
    is_of_guessing,
    is_of_other_works,
    is_one_of_each_data_set,
    is_result_of_name,
)
from fmbench.extraction.text.mentions import (
    FASHION,
    FIRST_OF_TWO,
    FigureMention,
    Mention,
    is_connected,
    is_linked,
    iterate_clauses,
)
from fmbench.extraction.text.not_claimed import EARLIER_EPOCH
from fmbench.extraction.text.repetitions import (
    Repetition,
    find_repetition,
    find_repetition_elsewhere,
)
from fmbench.extraction.text.sentence import Sentence, blank_names, find_extent, has_figure
from fmbench.extraction.text.subjects import (
    find_class,
    find_dataset_of,
    find_label_of,
    pair_in_order,
)
from fmbench.metrics.registry import METRICS

SOURCE = "text"
UNNAMED = "the text does not say what it is"
TRAINING_IMAGES = TRAINING_SECTION
BESIDE_TEST_FIGURE = "the test accuracy stands behind it"
ACCURACY = MetricName("accuracy")
_NOT_SAID = "the text does not say that it is an accuracy"
_SNIPPET = 60  # characters of a sentence that are quoted


@dataclass(frozen=True)
class Reading:
    """What one figure of a sentence turned out to be: a claim, or ``why_not`` and nothing else."""

    figure: FigureMention
    claim: FoundClaim | None = None
    why_not: str = ""


def read_figure(sentence: Sentence, figure: FigureMention) -> Reading:
    """Decide what one figure of a sentence is."""
    if figure.why_not:
        is_worth_a_note = figure.is_percent and bool(sentence.metrics or sentence.datasets)
        return Reading(figure, why_not=figure.why_not if is_worth_a_note else "")
    cell = _read_cell(sentence, figure)
    if cell is not None:
        return Reading(figure, cell)
    metric = find_metric_of(sentence, figure)
    if isinstance(metric, str) and metric != UNNAMED:
        return Reading(figure, why_not=metric)
    dataset = find_dataset_of(sentence, figure)
    if dataset != FASHION or isinstance(metric, str):
        return Reading(figure, why_not=dataset if dataset != FASHION else str(metric))
    least = 2 if metric.is_error_rate else 10  # nobody prints an accuracy of 7
    if not figure.is_clear and not least <= int(re.sub("[^0-9]", "", figure.text) or 0) <= 100:
        return Reading(figure)
    return make_claim(sentence, figure, metric, find_label_of(sentence, figure))


def make_claim(sentence: Sentence, figure: FigureMention, name: MetricName, label: str) -> Reading:
    """Make a claim of a figure whose metric and model are known; it has no ``where`` yet."""
    printed = parse_printed_figure(
        _restore_signs(figure.text), error_rate=name.is_error_rate, percent=name.percent
    )
    if printed is None:
        return Reading(figure, why_not="not understood")
    class_ = find_class(sentence, figure, name)
    if isinstance(class_, str):
        return Reading(figure, why_not=class_)
    metric, remark = name.metric, name.remark
    if class_ is not None and metric == "accuracy":
        metric, remark = "recall", "the accuracy within one class is the recall of the class"
    if METRICS[metric].average_is_stated and class_ is None and name.average is None:
        return Reading(figure, why_not=f"{metric} without its class or average")
    try:
        check_range(printed, metric)
    except ValueError as error:
        return Reading(figure, why_not=str(error))
    repetition = _find_repetition(sentence, figure, printed)
    remark = describe_error_rate(printed, remark)
    claim = FoundClaim(
        label=label,
        metric=metric,
        figure=printed,
        source=SOURCE,
        where="",
        class_=class_,
        average=name.average,
        remark=remark,
    )
    return Reading(figure, repetition.apply(claim))


ACHIEVED = re.compile(
    r"\b(?:achiev\w*|reach\w*|obtain\w*|attain\w*|scor\w*|gets?|got|yield\w*|perform\w*|hits?"
    r"|out-?perform\w*|surpass\w*|beats?)\b",
    re.IGNORECASE,
)
_RESULT = re.compile(r"\b(?:results?|performance|average|metrics?|scores?|rates?|best)\b", re.I)
_CLASSIFIED = re.compile(
    r"^ ?(?:of )?(?:all |the )*(?:test(?:ing)? )?(?:images|pictures|samples|examples|garments)?"
    r"[^,.;]{0,20}?\b(?:classified correctly|correctly classified|recogni[sz]ed correctly"
    r"|correctly recogni[sz]ed|(?:are|were|is) (?:correct|right))",
    re.IGNORECASE,
)
_MISCLASSIFIED = re.compile(
    r"^ ?(?:of )?(?:all |the )*(?:test(?:ing)? )?(?:images|pictures|samples|examples|garments)?"
    r"[^,.;]{0,20}?\b(?:mis-?classified|classified wrongly|wrongly classified|(?:are|were) wrong)",
    re.IGNORECASE,
)
MISCLASSIFIES = re.compile(
    r"\b(?:mis-?classif\w+|fail(?:s|ed)? (?:on|for)|errs on|(?:is|are|was) wrong (?:on|for)) "
    r"(?:about |only )?$",
    re.IGNORECASE,
)
_CLASSIFIES = re.compile(
    r"\b(?:classif|recogni[sz])\w+ (?:correctly )?(?:about )?$"
    r"|\bcorrectly (?:classif|recogni[sz])\w+ (?:about )?$",
    re.IGNORECASE,
)


def find_metric_of(sentence: Sentence, figure: FigureMention) -> MetricName | str:
    """Find the metric of a figure, or say why it has none; ``""``: not worth a word."""
    before, after = sentence.text[: figure.start], sentence.text[figure.end :]
    if figure.is_percent or figure.is_quotient:
        if _MISCLASSIFIED.match(after) or MISCLASSIFIES.search(before):
            return MetricName("accuracy", is_error_rate=True)
        if _CLASSIFIED.match(after) or _CLASSIFIES.search(before):
            return ACCURACY
    images = _pair_images(sentence, figure) or find_images(before)
    is_training = figure.is_clear and images is None and is_of_training(sentence, figure)
    if images == "other" or is_training:
        return f"of {TRAINING_IMAGES}"
    reason = _explain_clause(sentence, figure)
    if reason:
        return reason if figure.is_percent or sentence.metrics else ""
    mention = _choose_mention(sentence, figure)
    names = (*sentence.models, *sentence.datasets)
    if mention is None and is_result_of_name(sentence.text, figure, names):
        return replace(ACCURACY, remark=_NOT_SAID)
    if mention is None and not figure.is_percent:
        return UNNAMED if _looks_like_share(sentence, figure) else ""
    if mention is None and images == "test":
        is_low = re.match(r"[1-4]?[0-9](?![0-9])", figure.text) is not None
        return UNNAMED if is_low else replace(ACCURACY, remark=_NOT_SAID)
    if mention is None:
        name = _find_metric_without_name(sentence, figure)
        errors = [m.name for m in sentence.metrics if m.name and m.name.is_error_rate]
        is_error = isinstance(name, MetricName) and errors and len(errors) == len(sentence.metrics)
        return errors[0] if is_error else name
    if images != "test" and (mention.is_training or is_of_training(sentence, figure)):
        return f"of {TRAINING_IMAGES}"
    if mention.name is not None and _TEST_FIGURE_BEHIND.match(sentence.text, figure.end):
        return BESIDE_TEST_FIGURE
    if mention.name is None:
        return f"{mention.text} is not judged" if figure.is_clear else ""
    return mention.name


# 93.1 % accuracy (91.2 % test accuracy)
_TEST_FIGURE_BEHIND = re.compile(
    r" ?(?:(?:training )?acc(?:uracy|\.)?)? ?[(,] ?(?:and )?[0-9][0-9.,]* ?(?:%|percent)?"
    r" ?test(?:ing)? acc(?:uracy|\b)",
    re.IGNORECASE,
)


def _choose_mention(sentence: Sentence, figure: FigureMention) -> MetricMention | None:
    """Choose the metric to which a figure belongs: the nearest in its clause, then in others.

    A figure without a percent sign belongs to a metric only if linking words alone stand between.
    """
    metrics = [m for m in sentence.metrics if not _is_in_other_brackets(sentence.text, m, figure)]
    if len(metrics) > 1:
        paired = pair_in_order(sentence, figure, metrics)
        if paired is not None:
            return _share_average(sentence, paired)
    connected = [m for m in sentence.metrics if is_connected_in(sentence, m, figure)]
    named = [m for m in connected if _NAMED.fullmatch(sentence.text, m.end, figure.start)]
    if named:
        return named[0]  # Accuracy: 0.91 Kappa: 0.90
    if connected:
        # 98.8 % accuracy and 0.98 F1: the name behind a figure counts if none stands before it.
        return min(connected, key=lambda m: (measure_distance(m, figure), m.start))
    if not figure.is_percent:
        return _inherit_mention(sentence, figure)
    (first, last), *others = iterate_clauses(sentence.clauses, figure)
    inside = [m for m in metrics if first <= m.start < last]
    if inside:
        return min(inside, key=lambda m: measure_distance(m, figure))
    if not is_linked(_remove_names(sentence, first, figure.start)):
        return None
    for start, end in others:
        inside = [m for m in metrics if start <= m.start < end]
        if inside and (end <= figure.start or not has_figure(sentence, start, end)):
            return inside[-1] if end <= figure.start else inside[0]
    return None


_NAMED = re.compile(r"(?: (?:scores?|rates?|values?))?\s?[:=]\s?", re.IGNORECASE)


def _is_in_other_brackets(text: str, mention: MetricMention, figure: FigureMention) -> bool:
    """Whether a metric stands in brackets that do not hold the figure: ``(the error falls)``."""
    start = text.rfind("(", 0, mention.start)
    end = text.find(")", mention.end)
    is_inside = start >= 0 <= end and ")" not in text[start : mention.start]
    # The brackets of "(accuracy)" and "(error rate in percent)" hold a name and no remark.
    is_name = len(text[start:end].split()) <= len(mention.text.split()) + 2
    return is_inside and not is_name and not start <= figure.start < end


def _remove_names(sentence: Sentence, start: int, end: int) -> str:
    """Return a part of the sentence without the names of models, data sets and classes."""
    classes = [mention for mention, _ in sentence.classes]
    return blank_names(sentence.text, (*sentence.models, *sentence.datasets, *classes), start, end)


def _share_average(sentence: Sentence, mention: MetricMention) -> MetricMention:
    """Read ``macro precision, recall and F1``: the average holds for all three."""
    first = sentence.metrics[0].name
    name = mention.name
    between = sentence.text[sentence.metrics[0].end : mention.start]
    is_listed = re.fullmatch(r"(?:[\s,]|and|or|precision|recall|f1(?:[- ]score)?)*", between, re.I)
    if first is None or name is None or name.average or not first.average or not is_listed:
        return mention
    return replace(mention, name=replace(name, average=first.average))


def _looks_like_share(sentence: Sentence, figure: FigureMention) -> bool:
    """Whether a number without a percent sign may be a figure that this module does not see."""
    start, end = next(iterate_clauses(sentence.clauses, figure))
    printed = parse_printed_figure(figure.text)
    return (
        figure.has_decimals
        and printed is not None
        and any(start <= m.start < end and m.name is not None for m in sentence.metrics)
        and (printed.value[:2] in ("0.", "1.") or 50 <= float(printed.value.rstrip("%")) <= 100)
    )


def _inherit_mention(sentence: Sentence, figure: FigureMention) -> MetricMention | None:
    """Take over the metric of the figure before, in an enumeration: ``0.91, 0.89 and 0.85``."""
    earlier = [f for f in sentence.figures if f.end <= figure.start and not f.why_not]
    if not earlier or not figure.is_clear or not earlier[-1].is_clear:
        return None
    last = earlier[-1]
    between = sentence.text[last.end : figure.start]
    names = [m for m in sentence.models if last.end <= m.start and m.end <= figure.start]
    for model in names:
        between = between.replace(model.name, "")
    if not re.fullmatch(r"[\s,()]*(?:(?:and|for|with|by|or|the|is)[\s,()]*)*", between):
        return None
    return _choose_mention(sentence, last)


def is_connected_in(sentence: Sentence, mention: MetricMention, figure: FigureMention) -> bool:
    """Whether only linking words and names stand between a metric and a figure."""
    names = [*sentence.models, *sentence.datasets, *(mention for mention, _ in sentence.classes)]
    names += [
        Mention(f.start, f.end, f.text) for f in sentence.figures if f.why_not == FIRST_OF_TWO
    ]
    return is_connected(sentence.text, mention, figure, names)


def measure_distance(mention: MetricMention | Mention, figure: FigureMention) -> int:
    """Number of characters between a mention and a figure."""
    if mention.end <= figure.start:
        return figure.start - mention.end
    return max(mention.start - figure.end, 0)


def _find_metric_without_name(sentence: Sentence, figure: FigureMention) -> MetricName | str:
    """``LeNet-5 achieves 98.8 % on Fashion-MNIST`` means the accuracy."""
    before = sentence.text[: figure.start].strip()
    if any(
        before.strip(" :=|-*\u2022") == m.name and before[-1:] in ":=|" for m in sentence.models
    ):
        return replace(ACCURACY, remark=_NOT_SAID)
    # After the first figure, the verb may be left out: LeNet-5 reaches 91 % and SVC 90 %.
    is_first = figure is next(f for f in sentence.figures if f.is_percent)
    verb = ACHIEVED.search(sentence.text, 0, figure.start if is_first else len(sentence.text))
    is_of_something = re.match(r" ?(?:of|less|fewer|faster|more)\b", sentence.text[figure.end :])
    if (sentence.models or sentence.datasets) and verb and not is_of_something:
        return replace(ACCURACY, remark=_NOT_SAID)
    if sentence.compared and not is_of_something and _is_in_brackets(sentence, figure):
        return replace(ACCURACY, remark=_NOT_SAID)
    is_named = names_unknown_subject(sentence.text[: figure.start])
    if is_named and verb and sentence.context == FASHION and not is_of_something:
        return replace(ACCURACY, remark=_NOT_SAID)
    if is_one_of_each_data_set(sentence.text, sentence.figures, sentence.datasets):
        return replace(ACCURACY, remark=_NOT_SAID)
    names = (sentence.datasets, sentence.models, sentence.metrics)
    return UNNAMED if any(names) or is_named or _RESULT.search(sentence.text) else ""


def _is_in_brackets(sentence: Sentence, figure: FigureMention) -> bool:
    """Whether a figure stands in brackets behind a model: ``compared with LeNet-5 (90.6 %)``."""
    return sentence.text[: figure.start].endswith("(") and any(
        is_beside(sentence.text, model, figure) for model in sentence.models
    )


_PAIR = re.compile(
    r"\b(?P<first>train(?:ing)?|test(?:ing)?|val(?:idation)?)(?: accurac\w+| set)?"
    r" ?(?:and|/|&|,) ?(?:the )?(?P<second>train(?:ing)?|test(?:ing)?|val(?:idation)?)\b",
    re.IGNORECASE,
)


def _pair_images(sentence: Sentence, figure: FigureMention) -> str | None:
    """Read ``training and test accuracy of 99.1 % and 91.2 %``: is it of ``test`` images?"""
    pair = _PAIR.search(sentence.text)
    if pair is None:
        return None
    behind = [f for f in sentence.figures if f.start >= pair.end() and not f.why_not and f.is_clear]
    if len(behind) != 2 or figure not in behind:
        return None
    images = pair["first" if figure is behind[0] else "second"].lower()
    return "test" if images.startswith("test") else "other"


def leave_out_restated(readings: Sequence[Reading]) -> list[Reading]:
    """Leave out a percentage that is a fraction before it once more: ``0.8848, or 88.48 %``.

    Both are a claim, or neither; where the fraction is not understood, the percentage counts.
    """
    kept: list[Reading] = []
    for reading in readings:
        share = _find_share(reading.figure) if reading.figure.is_percent else None
        is_restated = share is not None and any(
            _find_share(other.figure) == share
            and not other.figure.is_percent
            and (other.claim is not None or other.why_not not in ("", UNNAMED))
            for other in kept
        )
        kept.append(Reading(reading.figure) if is_restated else reading)
    return kept


def _find_share(figure: FigureMention) -> Fraction | None:
    printed = parse_printed_figure(figure.text)
    if printed is None or printed.out_of is not None:
        return None
    value = Fraction(printed.value.rstrip("%"))
    return value / 100 if printed.value.endswith("%") else value


_REASONS = (
    (
        re.compile(
            r"\b(?:can(?:no|')t|can not|could(?:n't| not)|fail(?:s|ed)? to|unable to|never"
            r"|must(?:n't| not)|(?:impossible|unlikely|hard|difficult) (?:for [^,;]{1,40} )?to"
            r" (?:get|reach|achieve|obtain|attain|exceed|surpass)"
            r"|do(?:es)?(?:n't| not)|did(?:n't| not))\b(?! only)[^,;(]{0,60}$",
            re.IGNORECASE,
        ),
        "a figure that is not reached",
    ),
    (
        re.compile(
            r"\b(?:expect(?:s|ed)?|hopes?|hoped|aims?|aimed|targets?|targeting|goals?|objectives?|should"
            r"|would(?! like to (?:share|show|report|present))|might|supposed to|imagine|suppose"
            r"|when you see|(?:easy|enough|possible) to (?:reach|get|achieve))\b[^,;]{0,60}$"
            r"|\b(?:tasked|required|asked|the (?:task|aim|goal|objective) (?:is|was)) to\b"
            r"[^;]{0,160}\b(?:at least|over|above|more than|minimum of) (?:about )?$",
            re.IGNORECASE,
        ),
        "a figure that is only expected",
    ),
    (
        re.compile(r"\b(?:allow(?:s|ed|ing|able)?|tolera\w+|permit\w*)\b[^,;]{0,60}$", re.I),
        "a figure that is only allowed",
    ),
    (
        re.compile(r"\b(?:random(?:ly)? guess\w*|guessing|by chance|chance level)\b", re.I),
        "of guessing",
    ),
    (
        re.compile(r"\b(?:pseudo-?)?labell?ing (?:accurac|error)", re.IGNORECASE),
        "of labels that a program gives to training images",
    ),
    (
        re.compile(
            r"\b(?:\w+ (?:out )?of (?:the )?\w+|most|many|some|several|all|both) (?:of )?(?:the )?"
            r"(?:configurations|models|networks|classifiers|runs|variants|settings)\b[^,;]{0,20}"
            r"\b(?:exceed|surpass|cross|(?:is|are|stay|score)\w* (?:above|over|below))[^,;]{0,30}$",
            re.IGNORECASE,
        ),
        "a bound for several models",
    ),
    (
        re.compile(
            r"\b(?:some|many|most|several|a few) of (?:them|these|those|which)\b[^,;]{0,40}$", re.I
        ),
        "of several models",
    ),
)


# We train until the models reach an accuracy of at least 98 % on MNIST and 85 % on Fashion-MNIST.
_LEAST_GOAL = re.compile(
    r"\b(?:to|until \w+(?: \w+)?) (?:reach|achieve|attain|have|get)(?:es|s)? (?:an? |the )?"
    r"(?:test )?accurac\w+(?: of)? (?:at least|no less than)\b[^.;]{0,80}$",
    re.IGNORECASE,
)
_EARLY = re.compile(
    r"[^,;.0-9]{0,30}? after (?:only |just )?(?:the )?[\w-]+ (?:training )?(?:epochs?|iterations?"
    r"|steps?|rounds?)\b",
    re.IGNORECASE,
)


def _explain_clause(sentence: Sentence, figure: FigureMention) -> str:
    """Say why no figure of this clause is a result on the test images; empty if it may be one."""
    start, _ = next(iterate_clauses(sentence.clauses, figure))
    for pattern, reason in _REASONS:
        bound = re.match(r"[^0-9.]*", figure.text)
        if pattern.search(sentence.text[start : figure.start] + (bound[0] if bound else "")):
            return reason
    if _LEAST_GOAL.search(sentence.text[: figure.start]):
        return "a figure that is only expected"
    if is_of_other_works(sentence.text[: figure.start]):
        return "of a list of other works"
    if is_of_guessing(sentence.text[: figure.start]) or re.match(
        r" ?\)? (?:random )?(?:chance|guess)", sentence.text[figure.end :], re.IGNORECASE
    ):
        return "of guessing"
    later = [f for f in sentence.figures if f.start > figure.start and f.is_clear]
    if any(_EARLY.match(sentence.text, f.end) for f in later) and _EARLY.match(
        sentence.text, figure.end
    ):
        return EARLIER_EPOCH
    return explain_condition(sentence, figure)


_DATA_SET = rf"(?:{FASHION_IN_HEADS.pattern}|{OTHERS_IN_HEADS.pattern})"
_TRAINED_ON_OTHERS = re.compile(
    rf"(?<!pre-)\btrain\w*(?: [\w-]+){{0,4}}? on (?:the )?{OTHERS_IN_HEADS.pattern}"
    rf"(?!,? ?(?:and|or|/|,) ?(?:the )?{_DATA_SET})[^.;]{{0,60}}\b(?:test|evaluat|appl|transfer)\w*"
    rf" [^.;]{{0,40}}{FASHION_IN_HEADS.pattern}",
    re.IGNORECASE,
)


def explain_condition(sentence: Sentence, figure: FigureMention) -> str:
    """Say on what other images, or with what other training or network a figure was measured."""
    first, start, end, last = find_extent(sentence, figure)
    text = sentence.text
    if _TRAINED_ON_OTHERS.search(text):
        return "of a model that is trained on another data set"
    if restricts_classes(text[: figure.start]) and restricts_classes(text):
        return f"of {SOME_CLASSES}"
    return find_condition(text[start:end], text[first:start], text[end:last])


def is_of_training(sentence: Sentence, figure: FigureMention) -> bool:
    """Whether the words behind say that a figure is of training or validation images."""
    after = sentence.text[figure.end :][:60]
    return (
        re.match(
            r"^\)?,?\s?(?:(?:on|in|for|during|at) (?:the |all )*(?:train(?:ing)?|val(?:idation)?)"
            r"(?! (?:for|with|on))|\+? \(?(?:train(?:ing)?|val(?:idation)?)"
            r"(?= (?:with|after|acc|set|and|/)|(?: set| data| images)?(?:[),.;/]|$)))\b",
            after,
            re.IGNORECASE,
        )
        is not None
    )


# ---- data sets, labels, classes ------------------------------------------------------------------


_CLOTHES = r"[\w-]+(?:[ /](?:tops?|boots?))?"
_CELL = re.compile(
    rf"(?P<count>[0-9][0-9,']*+)(?: of (?:the )?(?:[0-9][0-9,']* )?)? ?{_CLOTHES}(?: images)?"
    r" (?:(?:is|are|were|was|got|being) )?(?:taken|mistaken|misclassified|classified|confused"
    rf"|predicted|labell?ed)(?: for| as| with|) (?:an? |the )?{_CLOTHES}",
    re.IGNORECASE,
)


def _read_cell(sentence: Sentence, figure: FigureMention) -> FoundClaim | None:
    """Read ``114 shirts taken for T-shirts``: one cell of the confusion matrix."""
    match = _CELL.match(sentence.text, figure.start)
    if match is None or figure.is_percent:
        return None
    inside = [
        number
        for mention, number in sentence.classes
        if match.start() <= mention.start < match.end()
    ]
    count = match["count"].replace(",", "").replace("'", "")
    if len(inside) != 2 or inside[0] == inside[1] or not count.isdigit():
        return None
    return FoundClaim(
        label=find_label_of(sentence, figure),
        metric="cell",
        figure=PrintedFigure(printed=match["count"], value=count),
        source=SOURCE,
        where="",
        class_=inside[0],
        predicted_as=inside[1],
    )


_ON_TEST_SET = re.compile(
    r"\b(?:test(?:ing)?[ -](?:set|images|data|accuracy|acc|error)|held-out|unseen)\b", re.IGNORECASE
)


def _find_repetition(
    sentence: Sentence, figure: FigureMention, printed: PrintedFigure
) -> Repetition:
    """Find how many runs a figure sums up.

    The figure's clause says it, or clauses beside it without a figure of their own, or the end of
    the sentence behind its last figure, or clauses before it.
    """
    has_spread = printed.sd is not None
    text = sentence.text
    first, start, end, last = find_extent(sentence, figure)
    clear = [other for other in sentence.figures if other.is_clear and not other.why_not]
    _, _, behind_all, _ = find_extent(sentence, clear[-1] if clear else figure)
    found = find_repetition(text[start:end], has_spread=has_spread)
    if found is not None:
        return found
    repetition = (
        find_repetition(text[first:last], has_spread=has_spread)
        or find_repetition_elsewhere(text[start:end], text)
        or find_repetition(text[behind_all:], has_spread=has_spread)
        or find_repetition(text[:last], has_spread=has_spread)
        or Repetition()
    )
    # The folds of another clause only chose the model that is tested in this one.
    others = [other for other in clear if other is not figure]
    start = max((other.end for other in others if other.end <= figure.start), default=start)
    end = min((other.start for other in others if other.start >= figure.end), default=end)
    is_tested = _ON_TEST_SET.search(text, start, end) is not None
    return Repetition() if repetition.folds > 1 and is_tested else repetition


# ---- names and quotations ------------------------------------------------------------------------


def quote(text: str, figure: FigureMention) -> str:
    """Quote the words around a figure."""
    start = max(0, figure.start - _SNIPPET)
    if start:
        start = text.find(" ", start, figure.start) + 1 or start
    end = min(len(text), figure.end + _SNIPPET // 2)
    if end < len(text):
        space = text.rfind(" ", figure.end, end)
        end = space if space > 0 else end
    snippet = _restore_signs(text[start:end].strip().replace('"', "'"))
    return f'"{"... " if start else ""}{snippet}{" ..." if end < len(text) else ""}"'


def _restore_signs(text: str) -> str:
    return re.sub(r"\+ ?/? ?-", "\u00b1", text)
