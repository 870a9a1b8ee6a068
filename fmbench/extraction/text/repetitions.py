"""Finds how many runs or folds a figure sums up, as the words beside it say."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from fmbench.extraction.found import FoundClaim

_COUNT_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "fifty": 50, "hundred": 100,
}  # fmt: skip
_COUNT = rf"(?P<n>[0-9]{{1,3}}|{'|'.join(_COUNT_WORDS)})"
_RUNS = (
    r"(?:(?:independent|random|different|separate|repeated|training|individual|test) )*(?:runs?"
    r"|trials?|(?:random )?seeds?|repetitions?|repeats?|times|experiments?|initiali[sz]ations?"
    r"|executions?|restarts?|models|networks)(?![\w])"
)
_OVER = r"(?:of|over|across|from|for|among|in|out of)"
_NEAR = r"(?:[^.;]|\.(?=[0-9])){0,60}?"  # a decimal point ends no clause
_MEAN_WORD = r"(?:averag\w*|avg|means?(?! (?:that|the best)\b))"
# Not "top-1", "best in bold" and "best learning rate".
_BEST_WORD = (
    r"(?:(?:best|maximum|max|highest)(?! (?:(?:is|are|values?|results?|ones?|numbers?|scores?) )*"
    r"(?:shown |marked |printed |given |set )?(?:in )?bold| (?:hyper-?|learning|parameter|setting"
    r"|config|epoch|checkpoint|validation|batch|value of|choice))|top(?![- @]?[0-9kn]\b))"
)
_MEAN = re.compile(
    rf"\b{_MEAN_WORD}\b(?:(?!(?:,|;|\(|\band) (?:the )?{_BEST_WORD}\b)(?:[^.;]|\.(?=[0-9])))"
    rf"{{0,60}}?\b{_OVER} (?:the |all |a total of )*{_COUNT} {_RUNS}",
    re.IGNORECASE,
)
_MEAN_SHORT = re.compile(rf"\b{_COUNT}[- ]run (?:average|mean)", re.IGNORECASE)
_MEDIAN = re.compile(rf"\bmedian\b{_NEAR}\b{_OVER} (?:the |all )*{_COUNT} {_RUNS}", re.I)
_BEST = re.compile(
    rf"\b{_BEST_WORD}\b{_NEAR}\b{_OVER} (?:the |all )*{_COUNT} {_RUNS}", re.IGNORECASE
)
_FOLDS = re.compile(
    rf"\b{_COUNT}[- ]?folds?\b(?! (?:[\w-]+ )?(?:in|de)creas|[^.;]{{0,20}}\b(?:speed|reduc|improv"
    r"|compress|gain|more|less|fewer|faster|slower|smaller|larger|higher|lower|better)|[:.])",
    re.IGNORECASE,
)
_RUNS_ALONE = re.compile(
    rf"(?:\b(?:over|across|from|in|of) (?:the |all )*|\( ?){_COUNT} {_RUNS}"
    rf"|\bn ?= ?(?P<m>[0-9]{{1,3}})\b(?! ?neigh)",
    re.IGNORECASE,
)
# "the mean is", "the best run reaches": of runs whose number another clause gives.
_WHAT_IS_SAID = (
    r"(?: (?:test |top-1 |overall )*(?:accurac\w+|results?|scores?|error(?: rate)?|values?|runs?"
    r"|ones?|performance|seed|trial|of (?:them|these|all)))?"
    r" ?(?:is|was|has|had|of|at|reach\w*|achiev\w*|:|=)"
)
_MEAN_ALONE = re.compile(
    rf"\b(?:the|a|its|their) (?:mean|average){_WHAT_IS_SAID}|\bon average\b|\baveraging\b",
    re.IGNORECASE,
)
_BEST_ALONE = re.compile(
    rf"(?<!is )(?<!was )\b(?:the|a|its|their) (?:best|maximum|max|highest){_WHAT_IS_SAID}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Repetition:
    """How often a figure was measured, as a phrase says it; see :class:`FoundClaim`."""

    mean_of: int = 1
    best_of: int = 1
    folds: int = 1
    remark: str = ""

    def apply(self, claim: FoundClaim) -> FoundClaim:
        """Return the claim of a figure that was measured so often."""
        return replace(
            claim,
            mean_of=self.mean_of,
            best_of=self.best_of,
            folds=self.folds,
            remark="; ".join(filter(None, [claim.remark, self.remark])),
        )


def find_repetition(phrase: str, *, has_spread: bool = False) -> Repetition | None:
    """Find how many runs or folds a figure sums up; ``None`` if the phrase does not say it.

    ``has_spread``: a spread is printed beside the figure, so ``over 5 runs`` means their mean, and
    a figure that is called the best is the best mean.
    """
    match = _FOLDS.search(phrase)
    if match:
        return Repetition(folds=_read_count(match["n"]))
    match = _MEAN.search(phrase) or _MEAN_SHORT.search(phrase)
    if match:
        return Repetition(mean_of=_read_count(match["n"]))
    match = _BEST.search(phrase)
    if match and has_spread:
        remark = "a spread is printed beside it: read as a mean, not as the best run"
        return Repetition(mean_of=_read_count(match["n"]), remark=remark)
    if match:
        return Repetition(best_of=_read_count(match["n"]))
    match = _MEDIAN.search(phrase)
    if match:
        return Repetition(remark=f"the median of {match['n']} runs")
    match = _RUNS_ALONE.search(phrase)
    if match and has_spread:
        return Repetition(mean_of=_read_count(match["n"] or match["m"]))
    return None


def find_repetition_elsewhere(clause: str, sentence: str) -> Repetition | None:
    """Find the number of runs of a clause such as ``the mean is 90.8 %`` in its sentence.

    ``None`` if the clause does not say which figure of the runs it gives, or the sentence does not
    say how many runs there are.
    """
    match = _RUNS_ALONE.search(sentence)
    if match is None:
        return None
    count = _read_count(match["n"] or match["m"])
    if _MEAN_ALONE.search(clause):
        return Repetition(mean_of=count)
    return Repetition(best_of=count) if _BEST_ALONE.search(clause) else None


def _read_count(text: str) -> int:
    return _COUNT_WORDS.get(text.lower()) or max(int(text) if text.isdigit() else 1, 1)
