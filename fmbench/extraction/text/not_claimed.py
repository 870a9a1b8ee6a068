"""Recognises figures that a sentence mentions but does not claim as a result.

A question asks about a figure (``How do I get to 96 %?``), a correction takes one back (``it is
0.9329 and not 0.939``), and a list of differences has its word only once (``improves by 0.56 %,
0.50 % and 0.39 %``). Others say what a result should be: an example for the reader to replace
(``[your accuracy, e.g. 91.5 %]``), the lowest accuracy that a program accepts
(``MIN_ACCURACY = 0.85``), and tasks that are not done.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from fmbench.extraction.data_set_names import IN_SENTENCES
from fmbench.extraction.text.mentions import DIFFERENCE, FigureMention

_PERCENT = r"(?:%|per ?cent\b)"
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
_DIRECT_QUESTION = re.compile(r"\s?(?:accuracy\s?)?\?+(?=[\s)\"']|$)", re.IGNORECASE)
_ASKS = re.compile(
    r"\W*(?:so |and |but |then |hi,? |sorry,? )*(?:how|what|why|which|who|where|when|is|are|was"
    r"|were|do(?:es)?|did|can|could|would|should|shouldn't|isn't|has|have|any(?:one|body)?)\b",
    re.IGNORECASE,
)
_MAX_QUESTION = 300  # characters behind a figure that are looked at
_DENIED = re.compile(r"\bnot (?:the |about )?$", re.IGNORECASE)
_OTHERS_OF_LIST = re.compile(
    r"\bby (?:about |only |up to )?(?:[0-9]{1,2}(?:\.[0-9]+)? ?%?(?:, and |, | and ))+$",
    re.IGNORECASE,
)
_MAX_DIFFERENCE = 20  # percent
_CHANGE_BEFORE = re.compile(r"[(\[]\s?[+\u2191\u25b2]\s?$")  # 91.2 % (+1.2 %)
_ERASING = re.compile(
    r"\b(?P<name>random erasing|mix-?up|cut-?mix|cut-?out|label smoothing|weight decay)"
    r"\s*(?:of|=|:|with|\()?\s*$",
    re.IGNORECASE,
)
_MAX_SHARE = 0.6  # no accuracy is as low, and few probabilities and rates are higher
_LOSS_AFTER = re.compile(
    r"\s?(?:(?:accuracy|performance|relative|absolute) )?(?:degradation|deterioration|overhead"
    r"|speed-?ups?|slow-?down|savings?)\b",
    re.IGNORECASE,
)
# 52% menos parâmetros, 30 % weniger Zeit, 20 % de plus
_MORE_OR_LESS_AFTER = re.compile(
    r"\s?(?:(?:menos|mais|m\u00e1s|moins|weniger|mehr|meno|pi\u00f9)|de (?:plus|moins))"
    r"(?![^\W_])",
    re.IGNORECASE,
)
# Reaching more than 90 % is great, a remark on any model; "Reaching 90 %, it is great" is no such.
_REMARK_BEFORE = re.compile(
    r"(?:^|[.!?] )\W*(?:achiev|reach|gett|obtain|attain|hav|scor)ing\b[^,;.]{0,60}$", re.IGNORECASE
)
_REMARK_AFTER = re.compile(
    r"[^,;.0-9]{0,80}?\b(?:is|would be|can be|could be|remains|should be)\b", re.IGNORECASE
)
_ATTACKERS_AFTER = re.compile(
    rf"\s?{_PERCENT}?\s?(?:of )?(?:the |all )?(?:byzantine|malicious|faulty|dishonest|honest"
    r"|compromised|adversarial|active|offline)\s(?:nodes|clients|workers|devices|participants"
    r"|attackers|peers|users|agents)\b",
    re.IGNORECASE,
)
# 202 of 293 errors (~70 %)
_SHARE_OF_COUNT = re.compile(
    r"\b[0-9]+ (?:out )?of (?:the |all )?[0-9]+ (?:errors|mistakes|mis-?classifi\w+)"
    r"[^.;()]{0,30} ?\([~<>]?$",
    re.IGNORECASE,
)
_WEIGHT_AFTER = re.compile(r" weight(?:ing)?(?=[\s.,;)]|$)(?! decay)", re.IGNORECASE)
_FORMAT = re.compile(r"\{[\w.\[\]() ]*:[<>^+]?[0-9]*$")  # test error: {:.2%}
# Init model accuracy: 0.1236
_UNTRAINED = re.compile(
    r"\b(?:init(?:ial)?|untrained|un-trained|pre-?training)\b(?: (?:model|network|random|test))*"
    r" acc(?:uracy)?\s?[:=]?\s?$"
    r"|\bacc(?:uracy)? (?:of the untrained (?:model|network)|before (?:the |any )?training)"
    r"\s?(?:[:=]|is|was)?\s?$",
    re.IGNORECASE,
)
_FIRST_EPOCH = re.compile(r"\bfirst (?:training )?epoch\b[^.;0-9]{0,60}$", re.IGNORECASE)
_IN_FIRST_EPOCH = re.compile(
    r"[^.;,0-9]{0,20}\b(?:in|after|at|during) (?:only |just )?the (?:very )?first (?:training )?"
    r"epoch\b",
    re.IGNORECASE,
)
EARLIER_EPOCH = "after fewer epochs than the last figure"
# It stops at 70 % in first tests.
_IN_FIRST_TESTS = re.compile(
    r"[^.;,0-9]{0,20}\b(?:in|during) (?:the |our |some )?(?:initial|preliminary|early|first)"
    r" (?:tests|experiments|trials|runs|tries|attempts)\b",
    re.IGNORECASE,
)
# The heading "9 Test accuracy" in the middle of a PDF's text; \0 stands for the number
_NUMBER_OF_HEADING = re.compile(
    r"(?:^|[a-z)] )\0 (?:Test|Validation|Training|Classification) accuracy\b"
)
# A higher value lowers the accuracy, up to 50 %; it raises it up to 60 % from its first value.
_LOWERS_UP_TO = re.compile(
    r"\b(?:decreas|lower|reduc|degrad|drop|hurt|harm|worsen)\w* [^.;]{0,60}$", re.IGNORECASE
)
_FROM_FIRST_VALUE = re.compile(
    rf"\s?{_PERCENT}? ?(?:from|of|over|compared (?:to|with)) (?:its|the|their) (?:initial|original"
    r"|first|previous|former|old|baseline)\b",
    re.IGNORECASE,
)
# the values of k that give the highest accuracies are 20 and 50
_VALUE_OF_SETTING = re.compile(
    r"\bvalues? (?:of|that|which|for|with|giving|yielding)\b[^.;]{0,80}\baccurac\w+ (?:is|are|was"
    r"|were) (?:[0-9]+(?:, | and | or |, and ))*$",
    re.IGNORECASE,
)
# Finished trial 3 with {'lr': 0.001} and got accuracy 0.88
_TRIAL = re.compile(
    r"\b(?:finished|completed|finishes) trial\b|\btrial (?:#? ?[0-9]+ )?(?:is |has )?(?:finished"
    r"|completed)\b|\bbest is trial\b",
    re.IGNORECASE,
)
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


# "reader-a commented on Jul 17, 2018", "16 Jun 2020 · A. Author"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]{0,6}\.?"
_DATE_OF_POST = re.compile(
    rf"[^0-9.:]{{0,60}}\b(?:{_MONTH} [0-9]{{1,2}}, (?:19|20)[0-9]{{2}}"
    rf"|[0-9]{{1,2}}\.? {_MONTH} (?:19|20)[0-9]{{2}})\b[^0-9%]{{0,80}}",
    re.IGNORECASE,
)


def is_date_of_post(line: str) -> bool:
    """Whether a line says who wrote something and when, and holds no other number."""
    return _DATE_OF_POST.fullmatch(line[:200]) is not None


def mark_not_claimed(text: str, figures: Sequence[FigureMention]) -> list[FigureMention]:
    """Return the figures of a text, with the reason where the text does not claim one."""
    marked: list[FigureMention] = []
    for figure in figures:
        why_not = figure.why_not or _explain(text, figure, is_alone=len(figures) == 1)
        if not why_not and marked and marked[-1].why_not == DIFFERENCE and figure.is_percent:
            between = _hide_data_sets(text[marked[-1].end : figure.start])
            why_not = DIFFERENCE if _NEXT_OF_LIST.fullmatch(between) else ""
        marked.append(replace(figure, why_not=why_not))
    return marked


def _hide_data_sets(text: str) -> str:
    return IN_SENTENCES.sub(lambda match: "\0" * len(match[0]), text)


def _explain(text: str, figure: FigureMention, *, is_alone: bool) -> str:
    before, after = text[: figure.start], text[figure.end :]
    bound = re.match(r"[^0-9.]*", figure.text)
    if _EXAMPLE.search(before):
        return "an example of what to write"
    if _DEMANDED.search(before + (bound[0] if bound else "")):
        return "the lowest value that a program accepts"
    if _OPEN_TASK.match(text):
        return "of a task that is not done"
    if figure.is_quotient and _OF_PIXELS.fullmatch(figure.text):
        return "a share of the range of a pixel"
    if _is_asked(before, after):
        return "a question"
    if figure.is_clear and _DENIED.search(before):
        return "a figure that is said to be wrong"
    if _is_small(figure, _MAX_DIFFERENCE) and _OTHERS_OF_LIST.search(before):
        return DIFFERENCE
    if _CHANGE_BEFORE.search(before) and _is_small(figure, _MAX_DIFFERENCE):
        is_fraction = not figure.is_percent and _is_small(figure, 1)
        return "" if is_fraction and not _is_small(figure, _MAX_DIFFERENCE / 100) else DIFFERENCE
    setting = None if figure.is_percent else _ERASING.search(before)
    if setting and _is_small(figure, _MAX_SHARE):
        return f"a parameter, {setting['name']}"
    if _LOSS_AFTER.match(after) or (figure.is_percent and _MORE_OR_LESS_AFTER.match(after)):
        return DIFFERENCE
    if figure.is_clear and _REMARK_BEFORE.search(before) and _REMARK_AFTER.match(after):
        return "a remark on such a figure"
    is_share = figure.is_percent and _SHARE_OF_COUNT.search(before)
    if is_share or _ATTACKERS_AFTER.match(after) or _WEIGHT_AFTER.match(after):
        return "a share of something else"
    if _FORMAT.search(before):
        return "a format in which a program prints"
    if figure.is_clear and _UNTRAINED.search(before):
        return "of a model before its training"
    is_up_to = figure.text.lower().startswith("up to")
    if (is_up_to and _LOWERS_UP_TO.search(before)) or _FROM_FIRST_VALUE.match(after):
        return DIFFERENCE
    if not figure.is_clear and _VALUE_OF_SETTING.search(before):
        return "a value of a setting"
    if figure.is_clear and _TRIAL.search(before):
        return "of a trial in a search for parameters"
    if figure.is_clear and _IN_FIRST_TESTS.match(after):
        return "of first tests"
    if not figure.is_clear and _NUMBER_OF_HEADING.search(f"{before[-3:]}\0{after[:30]}"):
        return "the number of a heading"
    is_early = is_alone and _IN_FIRST_EPOCH.match(after)
    if figure.is_clear and (is_early or _FIRST_EPOCH.search(before)):
        return EARLIER_EPOCH
    return ""


def _is_asked(before: str, after: str) -> bool:
    """Whether a figure stands just before a question mark, or in a sentence that is a question."""
    if _DIRECT_QUESTION.match(after):
        return True
    ends = list(_SENTENCE_END.finditer(before))
    own_end = _SENTENCE_END.search(after[:_MAX_QUESTION])
    return (
        own_end is not None
        and own_end[0] == "?"
        and _ASKS.match(before[ends[-1].end() if ends else 0 :]) is not None
    )


def _is_small(figure: FigureMention, most: float) -> bool:
    """Whether a figure is a number of at most ``most``, as it is printed."""
    match = re.search(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+", figure.text)
    return match is not None and float(match[0]) <= most
