"""Tells the model whose figure a sentence gives from one that it only compares, changes or beats.

In ``SGN outperforms LeNet-5 with 94.2 %`` the figure is of SGN, whose name nobody knows, and in
``adding attention to LeNet-5 yields 93.0 %`` it is of a changed model. Such a model has a figure
only directly beside its name: ``SGN outperforms LeNet-5 (90.6 %)``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fmbench.extraction.data_set_names import IN_SENTENCES
from fmbench.extraction.text.mentions import FigureMention, Mention

_MAX_BEFORE = 100  # characters before a name that are looked at
# Words between a verb or preposition and the model to which it belongs.
_FILLING = (
    r"(?:(?:the|an?|our|all|both|other|even|also|its|their|some|many|most|results?|accurac(?:y|ies)"
    r"|error(?: rate)?s?|scores?|performance|that|those|of|by|with|for|baselines?|models?"
    r"|classifiers?|networks?|popular|simple|plain|vanilla|previous|existing|reported|published"
    r"|[a-z-]+(?:al|ard|ent|er|est|ic|known|tuned|trained)) )*+$"
)
_COMPARED = re.compile(
    r"\b(?:out-?perform\w*|surpass\w*|beat(?:s|en|ing)?|exceed\w*|out-?class\w*|outdo\w*"
    r"|overt(?:ak|ook)\w*|defeat\w*|dominat\w*|excel(?:s|led)|top(?:s|ped)|under-?perform\w*"
    r"|match(?:es|ed|ing)?|rival(?:s|l?ed|l?ing)?|improv\w+ (?:up)?on"
    r"|(?:improv\w+|gains?|advantages?|increases?|wins?|edges?|margins?|superiority|boosts?) over"
    r"|(?:superior|inferior|comparable|similar|equal|closer?|equivalent|competitive|compar\w+"
    r"|relative|contrast|opposed|next|identical|akin) (?:to|with|against)"
    r"|than|unlike|versus|vs\.?|against|over|(?<!the )above|below|behind|ahead of|instead of"
    r"|rather than|on par with|short of|based (?:up)?on|inspired by|derived from"
    r"|built (?:up)?on(?: top of)?|modell?ed (?:after|on)|(?:adapted|borrowed|starting) from"
    r"|replac\w+|same [^,;.()]{1,40} as|as (?!well as)[^,;.()]{1,40} as"
    r"|(?:perform|work|do)\w* as well as|(?:reach|equal|approach|attain)\w* the (?:score|accuracy"
    r"|performance|results?|level) of"
    r"|(?:method|approach|model|network|system) (?:uses?|employs?|contains?|includes?|combines?)"
    r"|(?<!we )(?<!they )(?:needs?|uses?|requires?|takes?|shares?|keeps?|has) [^,;.:()]{1,40} of)"
    rf" (?!by ){_FILLING}|^like {_FILLING}",
    re.IGNORECASE,
)
_OF_A_METRIC = re.compile(r"\bha[sd] .*(?:accurac|error|score|result|performance|rate)", re.I)
_BEATEN = re.compile(
    r"(?: model| network| classifier)?,? (?:(?:is|was|are|were|be|been|gets?|got|has|have|can|could"
    r"|may) )+(?:\w+ly |also |still |even )*(?:out-?performed|surpassed|beaten|exceeded|overtaken"
    r"|outdone|defeated|topped|outclassed|replaced|improved|extended|modified|enhanced|pruned"
    r"|quanti[sz]ed)\b",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    r"\b(?:(?:add|appl|attach|append|insert|introduc|incorporat|integrat|inject|plug|graft)\w*"
    r" [^.;:()]{1,60}? (?:to|into|in|on|onto|on top of)"
    r"|(?:replac|chang|remov|drop|modif|doubl|tripl|halv|increas|reduc|deepen|widen|freez)\w*"
    r" [^,;.:()]{1,40} (?:of|in|from)|fine-tun\w+"
    r"|extend(?:s|ing)?|modif(?:y|ies|ying)|enhanc(?:es?|ing)|improv\w+|augment(?:s|ing)?"
    r"|adapt(?:s|ing)?|equip(?:s|ping)?|chang(?:es?|ing)|prun(?:es?|ing)|quanti[sz]\w+"
    r"|compress\w*|distill?(?:s|ing|ation)?|binari[sz]\w+|deepen(?:s|ing)?|widen(?:s|ing)?"
    r"|ensembl(?:es?|ing)|combin\w+|regulari[sz](?:es?|ing)|(?:rais|increas|boost|lift|push)\w+"
    rf"|bring(?:s|ing)?) {_FILLING}",
    re.IGNORECASE,
)
_LISTED = re.compile(r"(?P<comma>,)?(?: ?/ ?| ?,? (?:and|or|as well as) | )(?:the |an? )?", re.I)
# A verb behind a name begins a new clause: better than SVC, and LeNet-5 reaches 90.6 %.
_VERB_BEHIND = re.compile(
    r"(?: model| network)? (?:\w+ly |also |still |only )*(?:achiev|reach|obtain|attain|scor|yield"
    r"|perform|outperform|surpass|beat|(?:gets?|got|hits?|ha[sd]|have|is|was|are|were)\b)",
    re.IGNORECASE,
)
_COMPARING = re.compile(
    r"\b(?:out-?perform|surpass|beat|exceed|out-?class|improv\w+ (?:up)?on|than|unlike|compared"
    r"|superior|inferior|relative to|in contrast|based (?:up)?on)",
    re.IGNORECASE,
)


def is_comparison(text: str) -> bool:
    """Whether a line is a clause that compares models, and not only a label with a figure."""
    return _COMPARING.search(text) is not None


def is_derived(name: str) -> bool:
    """Whether a name such as ``LeNet-5-based`` says that it is that of another model."""
    return re.search(r"-(?:based|inspired|derived)$", name, re.IGNORECASE) is not None


def find_compared(text: str, models: Sequence[Mention]) -> list[Mention]:
    """Find the models that a sentence only compares with another one, or changes."""
    found: list[Mention] = []
    for i, model in enumerate(models):
        before = text[max(0, model.start - _MAX_BEFORE) : model.start]
        compared = _COMPARED.search(before)
        if (
            (compared and not _OF_A_METRIC.match(compared[0]))
            or _CHANGED.search(before)
            or _BEATEN.match(text, model.end)
            or (found and found[-1] is models[i - 1] and _is_listed(text, found[-1], model))
        ):
            found.append(model)
    return found


def _is_listed(text: str, first: Mention, second: Mention) -> bool:
    """Whether the second name goes on with the list of the first: ``than SVC and LeNet-5``."""
    gap = _LISTED.fullmatch(text, first.end, second.start)
    if gap is None or _VERB_BEHIND.match(text, second.end):
        return False
    has_own_figure = re.match(r" (?:with|at) |[ (:]*[0-9]", text[second.end :]) is not None
    return not (gap["comma"] and has_own_figure)


_RELATIVE = (
    r",? (?:which|that)(?: only| still)? (?:achiev|reach|obtain|attain|scor|get|got|yield|perform"
    r"|ha[sd]|have)\w*(?: only)?"
)
_ACCURACY = (
    r"(?:an? |the )?(?:test |top-1 |classification )*(?:accuracy|acc\.?|score)?(?: ?[:=]| of| is)?"
)
_BEFORE_FIGURE = re.compile(rf"(?:'s)?(?:{_RELATIVE}| ?[:=|]| at| ?\()? ?{_ACCURACY} ?", re.I)
_BEHIND_FIGURE = re.compile(
    r"[\s)]*(?:accuracy |accurate )?(?:of|for|by|with|from) (?:the |an? |our )?", re.IGNORECASE
)
_COMPARISON = r"(?:vs\.?|versus|against|compared (?:to|with)|than|instead of)"


def is_beside(text: str, model: Mention, figure: FigureMention) -> bool:
    """Whether a figure stands so near to a model's name that it is that model's.

    ``SVC (89.7 %)``, ``SVC, which has 89.7 %`` and ``89.7 % for SVC``.
    """
    if model.end > figure.start:
        return _BEHIND_FIGURE.fullmatch(text, figure.end, model.start) is not None
    match = _BEFORE_FIGURE.fullmatch(text, model.end, figure.start)
    if match is None:
        return False
    # LeNet-5 (94.2 % vs. 90.6 %): the first figure is of the model that is compared with it.
    in_brackets = text[figure.end :].partition(")")[0] if "(" in match[0] else ""
    return re.search(rf"\b{_COMPARISON}(?!\w)|/", in_brackets, re.IGNORECASE) is None


def is_of_compared(text: str, figure: FigureMention) -> bool:
    """Whether a figure is the second of ``94.2 % against 90.6 %``, and nothing is said of it."""
    before, after = text[: figure.start], text[figure.end :]
    return re.search(rf"\b{_COMPARISON} (?:only )?$", before, re.I) is not None and (
        re.match(r" ?(?:accuracy)?[)\s]*(?:[.,;]|$)", after, re.I) is not None
    )


def are_figures_compared(text: str, start: int, end: int) -> bool:
    """Whether a comparison stands between two figures: ``90.6 % versus 89.7 %``."""
    return re.search(rf"\b{_COMPARISON}(?!\w)", text[start:end], re.IGNORECASE) is not None


# ---- other subjects ------------------------------------------------------------------------------

_OWN = (
    r"(?:(?:(?:our|the proposed|proposed|this|the new) (?:[\w-]+ )?"
    r"|(?:an?|another) (?:[\w-]+ ){0,3}|the (?=[a-z]+ (?:of|by|from) [A-Z]))"
    r"(?:model|method|approach|network|architecture|system|variant|version|extension|framework"
    r"|algorithm|classifier|one)|ours)"
)
_OTHERS = (
    r"(?:(?:the )?(?:state[- ]of[- ]the[- ]art|sota)|the (?:best|winning|leading) (?:known"
    r"|published|reported|other)|(?-i:[A-Z]\w+) et al\.?|others"
    r"|(?:related|prior|previous|earlier) work)"
    r"(?: (?:accuracy|result|value|model|method))?"
)
_VERB = (
    r" (?:\w+ly |also |still |only )*(?:achiev\w*|reach\w*|obtain\w*|attain\w*|scor\w*|gets?|got"
    r"|yield\w*|hits?|ha[sd])\b"
)
_NAME = (
    r"(?:the |an? )?(?-i:(?!(?:We|I|It|They|This|These|The|That|In|On|With|For|At)\b)[A-Z][\w+/-]*)"
    r"(?: model| network)?"
)
_BETWEEN_CLAUSES = r"(?:[,;]|\b(?:and|but|while|whereas|although|yet))"
_OTHER_SUBJECT = re.compile(
    rf"(?P<own>\b{_OWN}(?!\w))"
    rf"|\b{_OTHERS}(?:{_VERB}| (?:is|was|reports?|reported|at|of)\b)"
    rf"|{_BETWEEN_CLAUSES} {_NAME}{_VERB}"
    rf"|\b(?:than|by|to|with|against|behind) (?:{_OWN}(?: \([^()]*\))?|{_NAME}), (?:which|that)\b"
    rf"|{_BETWEEN_CLAUSES} {_NAME} ?(?:with|at|[:=(])? ?$"
    rf"|\b(?:{_COMPARISON}|over|unlike|(?:outperform|surpass|beat|exceed)\w*) {_NAME}"
    r" ?(?:at|[:=(])? ?$",
    re.IGNORECASE,
)
_APPOSITION = re.compile(rf", (?:{_OWN}|the [\w -]{{1,40}}),", re.IGNORECASE)
# Before "our model": it is an object here, and no subject.
_OBJECT = re.compile(
    r"(?:\b(?:on|in|for|to|than|of|with|from|under|using|by|as|is|was|are|be|called|against|over"
    r"|unlike|like|(?:out-?perform|surpass|beat|exceed|match|improv|us|train)\w*)|\() $",
    re.IGNORECASE,
)
_UNKNOWN_SUBJECT = re.compile(rf"(?:\b{_OWN}|(?:^|[\s(]){_NAME}){_VERB}", re.IGNORECASE)


def names_unknown_subject(text: str) -> bool:
    """Whether a model that nobody knows achieves something: ``SGN reaches``, ``ours obtains``."""
    return _UNKNOWN_SUBJECT.search(text) is not None


# 91.8 % for CNN and 89.1 % for MLNN: the second name is that of a model that nobody knows.
_NAME_BEHIND = re.compile(
    r"[\s)]*(?:test )?(?:accuracy )?(?:for|by) (?:the |our )?"
    r"(?P<name>[A-Z][A-Za-z]*[A-Z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*)(?![\w%-])"
)


def name_model_behind(text: str, models: Sequence[Mention], figure: FigureMention) -> str:
    """Return the unknown name in capital letters to which a figure is said to belong.

    Beside it, the sentence names a model that is known; otherwise the name may be anything.
    """
    match = _NAME_BEHIND.match(text, figure.end)
    if match is None or not models or IN_SENTENCES.match(match["name"]):
        return ""
    is_known = any(m.start < match.end("name") and m.end > match.start("name") for m in models)
    return "" if is_known else match["name"]


def has_other_subject(between: str) -> bool:
    """Whether the words between a model and a figure name another model that has the figure.

    ``between`` has blanks in place of the names of data sets, classes and metrics.
    """
    apposition = _APPOSITION.match(between)
    between = between[apposition.end() :] if apposition else between
    return any(
        not (match["own"] and _OBJECT.search(between[max(0, match.start() - 20) : match.start()]))
        for match in _OTHER_SUBJECT.finditer(between)
    )


_RISE = re.compile(
    r"\b(?:ris(?:es?|ing|en)|rose|(?:improv|increas|rais|boost|enhanc|lift)(?:es?|ed|ing|s)?"
    r"|grows?|grew|climb(?:s|ed)|jump(?:s|ed)|drop(?:s|ped)|falls?|fell|fallen|decreas(?:es?|ed)"
    r"|declin(?:es?|ed)|goes|went)(?: \w+ly| further| again| even)?(?: from [^,;]{1,30})? to ?$",
    re.IGNORECASE,
)
_LONGER_TRAINING = re.compile(
    r"\b(?:epochs?|iterations?|steps|minutes|hours|days|training (?:longer|time)|longer)\b", re.I
)


def is_changed_figure(text: str, model: Mention, figure: FigureMention) -> bool:
    """Whether a model's accuracy ``rises from 90.1 % to 92.4 %``: of a model that was changed.

    It is the same model if it is only trained for a longer time.
    """
    return (
        model.end <= figure.start
        and _RISE.search(text[model.end : figure.start]) is not None
        and _LONGER_TRAINING.search(text) is None
    )
