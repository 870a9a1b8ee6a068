"""Finds what says that a figure is of other images, of another training, or of another network.

Claims are about the test images as they are and a model trained on all training images. With an
attack, with wrong labels or fewer of them, after pruning or quantisation, a figure says nothing
about that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_IMAGES = re.compile(
    r"\b(?:adversar\w+|attack(?:s|ed)?|fgsm|pgd|perturb\w+|corrupt(?:ed|ions?)|noisy"
    r"|occlu(?:ded|sions?)|missing pixels|masked (?:pixels|images|patches)"
    r"|(?:pixels|images|patches) (?:is|are|was|were) (?:masked|missing|removed|hidden)"
    r"|(?:rotated|blurred|shifted|inverted|distorted|out-of-distribution|ood)"
    r"(?: test)? (?:images|inputs|set|data)"
    r"|(?:gaussian|salt[- ]and[- ]pepper|impulse|speckle|image|input|pixel|additive|white|test)"
    r" noise|under noise|noise (?:levels?|strength|of|at))\b",
    re.IGNORECASE,
)
_LABELS = re.compile(
    r"\b(?:(?:label|class|asymmetric|symmetric|pair|pairwise|training) noise|noise (?:rates?|ratio)"
    r"|(?:noisy|flipped|wrong|corrupted|incorrect|missing)(?: training)? labels?|label flip\w*"
    r"|label corruption|mislabell?ed|poison(?:ed|ing))\b",
    re.IGNORECASE,
)
_PERCENT = r"[0-9.]+ ?(?:%|per ?cent)"
_LABELLED = r"(?:labels|labell?ed(?: (?:training )?(?:data|images|samples|examples))?)"
_TRAINING_DATA = r"(?:training|train) (?:data|set|images|samples|examples)"
_FEWER = re.compile(
    rf"{_PERCENT} (?:of )?(?:the |all |its |available )*(?:{_LABELLED}|{_TRAINING_DATA})\b"
    rf"|\b(?:train|learn|fit)\w* (?:it |them |the model )?(?:only )?(?:with|on|using|from)"
    rf" (?:only |just |about |a )*{_PERCENT} of (?:the |all )*(?:data(?: ?set)?|images|samples"
    r"|examples)\b(?!.{0,60}\b(?:test|validat))"
    r"|(?<![0-9.,])[0-9]{1,3} (?:labell?ed |training )?(?:images|samples|examples|labels|shots)"
    r" (?:per|for each|of each) class\b"
    rf"|\bonly [0-9][0-9,]* (?:{_LABELLED}|{_TRAINING_DATA})\b"
    r"|\b(?:(?:few|one|[0-9]{1,2})-shot|semi-supervised|long-tailed|class imbalance)\b"
    rf"|\b(?:subset|fraction|half|third|quarter|tenth) (?:of )?(?:the |all )*(?:{_LABELLED}"
    rf"|{_TRAINING_DATA})\b|\b(?:reduced|smaller|limited|fewer|few|less) (?:{_LABELLED}"
    rf"|{_TRAINING_DATA})\b",
    re.IGNORECASE,
)
_NETWORK = re.compile(
    r"(?<!vector )\b(?:quanti[sz]\w+|binari[sz](?:ed|ing|ation)|int[48]\b|prun(?:ed|ing)|sparsity"
    r"|compress(?:ed|ion|ing)|[1-8]-bit (?:weights?|integers?|precision|networks?|models?"
    r"|activations?)|(?:to|with|at|in|using) (?:only )?[1-8][ -]bits?)\b",
    re.IGNORECASE,
)
_TREE = re.compile(r"\b(?:trees?|forests?)\b", re.IGNORECASE)  # pruning is a usual part of these
_CONDITIONS = (
    (_LABELS, "of training with wrong labels"),
    (_FEWER, "of training with fewer images or labels"),
    (_IMAGES, "of changed images"),
    (_NETWORK, "of a pruned or quantised network"),
)
_AUGMENTED = re.compile(
    r"\b(?:augment(?:ed|ation|ations|ing)?|random erasing|mix-?up|cut-?mix|cut-?out|label smoothing"
    r"|distill?(?:ed|ation|ing)|ensembl(?:es?|ing)|self-training"
    r"|(?:with|using|by) (?:our|the proposed) (?:[\w-]+ )?(?:approach|method|loss|training|scheme"
    r"|technique|strategy|optimi[sz]er|regulari[sz]\w+|modifications?|changes?))\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:without|no|not|non|before|unlike|than|un)[ -](?:(?:any|the|an?|further|being|data|label"
    r"|input|its) )*$",
    re.IGNORECASE,
)
_PREPOSITION = (
    r"(?:(?:even|only|still|also|when) )*(?:with|under|after|at|when|once|despite|using|for|if"
    r"|given|in the presence of|in case of|on|by|through|trained|training|tested|evaluated)\b[^,;]*"
)
_BEFORE = re.compile(rf"(?:^|[,;] ){_PREPOSITION}", re.IGNORECASE)
_BEHIND = re.compile(
    rf"[,;]? (?:{_PREPOSITION}"
    r"|and (?:is|was|were|are) (?:only )?(?:trained|tested|pruned|quanti)[^,;]*)",
    re.IGNORECASE,
)


def find_condition(clause: str, before: str = "", behind: str = "") -> str:
    """Say what is changed for the figures of a clause; empty if nothing is.

    ``before`` and ``behind`` are the clauses beside it that have no figure of their own. They count
    if they only state a condition: ``with label noise, LeNet-5 reaches 82.3 %``.
    """
    for part in (clause, *_find_phrases(before, behind)):
        for pattern, reason in _CONDITIONS:
            if pattern is _NETWORK and _TREE.search(part):
                continue
            if _is_stated(pattern, part):
                return reason
    return ""


def is_augmented(clause: str, before: str, behind: str) -> bool:
    """Whether a clause says that a model is trained with more than its own recipe."""
    return any(_is_stated(_AUGMENTED, part) for part in (clause, *_find_phrases(before, behind)))


def _find_phrases(before: str, behind: str) -> Iterator[str]:
    for match in _BEFORE.finditer(before):
        yield match[0]
    match_behind = _BEHIND.match(behind)
    if match_behind:
        yield match_behind[0]


def _is_stated(pattern: re.Pattern[str], part: str) -> bool:
    return any(
        not _NEGATED.search(part[max(0, match.start() - 40) : match.start()])
        for match in pattern.finditer(part)
    )
