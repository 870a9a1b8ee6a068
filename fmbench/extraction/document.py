"""Joins the parts of a document to one text, and finds the reports and matrices in it.

A part is the text of a file, the output of one cell of a notebook, or one page of a PDF.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from fmbench.datasets.specs import FASHION_MNIST
from fmbench.extraction.blocks import (
    Block,
    expand_newlines,
    find_tables_as_text,
    move_lines,
)
from fmbench.extraction.classification_reports import find_reports
from fmbench.extraction.confusion_matrices import find_matrices
from fmbench.extraction.east_asian import translate
from fmbench.extraction.found import FoundClaim, FoundMatrix
from fmbench.extraction.html_text import blank_hidden
from fmbench.extraction.text.decide import UNNAMED
from fmbench.extraction.weka import find_weka_blocks, rewrite_matrix_row
from fmbench.metrics.registry import METRICS


@dataclass(frozen=True)
class Part:
    """A text of a document, and its place for people (empty if it is the whole document).

    ``is_printed``: a program printed it, so no line goes on in the next one.
    """

    place: str
    text: str
    is_printed: bool = False


@dataclass
class Document:
    """The text of all parts, and what has been found in it."""

    text: str
    starts: list[tuple[int, str]]  # the first line of each part, and its place
    printed: frozenset[str] = frozenset()  # the places of the parts that a program printed
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, parts: Iterable[Part]) -> Document:
        """Join the parts; what a page does not show is blanked."""
        texts, starts, line = [], [], 0
        parts = list(parts)
        printed = frozenset(part.place for part in parts if part.is_printed)
        for part in parts:
            text = re.sub(r"\r\n?", "\n", expand_newlines(part.text)).rstrip("\n") + "\n"
            text = translate(blank_hidden(text))
            starts.append((line, part.place))
            texts.append(text)
            line += text.count("\n") + 1
        return cls("\n".join(texts), starts, printed)

    def name_place(self, where: str) -> str:
        """Turn ``line 12`` of the whole text into ``cell 5, line 3``."""
        match = re.match(r"line ([0-9]+)", where)
        if match is None or len(self.starts) == 1 == (self.starts[0][1] == ""):
            return where
        line = int(match.group(1)) - 1
        first, place = max(
            (start for start in self.starts if start[0] <= line), default=self.starts[0]
        )
        if not place:
            return where
        return f"{place}, line {line - first + 1}{where[match.end() :]}"


def find_blocks(text: str) -> tuple[list[Block], str]:
    """Find the reports and matrices; return them, and the text without their lines."""
    blocks: list[Block] = []
    lines = text.split("\n")
    for table in find_tables_as_text(text):
        found = find_reports(table.text) or find_matrices(table.text)
        for block in found:
            first, last = table.lines[block.first_line], table.lines[block.last_line]
            blocks.append(replace(move_lines(block, table.lines), first_line=first, last_line=last))
        if any(block.claims or block.matrix for block in found):
            lines[table.first_line : table.last_line + 1] = [""] * (
                table.last_line + 1 - table.first_line
            )
    lines = [rewrite_matrix_row(line) for line in lines]
    for block in find_weka_blocks(lines):
        blocks.append(block)
        lines[block.first_line : block.last_line + 1] = [""] * (
            block.last_line + 1 - block.first_line
        )
    text = "\n".join(lines)
    reports = find_reports(text)
    taken = {k for block in reports for k in range(block.first_line, block.last_line + 1)}
    matrices = find_matrices(text, taken=taken)
    is_short = text.count("\n") < 1_000
    if is_short and not any(block.matrix for block in matrices) and not reports and not blocks:
        matrices = _read_lone_matrix(text) or matrices
    taken |= {
        k
        for block in matrices
        if block.matrix
        for k in range(block.first_line, block.last_line + 1)
    }
    rest = "\n".join("" if k in taken else line for k, line in enumerate(text.split("\n")))
    return [*blocks, *reports, *matrices], rest


def _read_lone_matrix(text: str) -> list[Block]:
    """Read a square block of numbers that is all there is."""
    blocks = find_matrices(text, is_alone=True)
    if len(blocks) != 1:
        return []
    lines = text.split("\n")
    others = lines[: blocks[0].first_line] + lines[blocks[0].last_line + 1 :]
    return [] if any(line.strip() for line in others) else blocks


def name_unnamed(sentences: Sequence[FoundClaim], others: Sequence[FoundClaim]) -> list[FoundClaim]:
    """Give figures without a name the model's, if the text names one model and no other.

    ``LeNet-5 reaches 98.8 %. Cohen's kappa is 0.75.`` An accuracy is left without a name: it may be
    that of a model whose name is not known. ``others`` are the claims of the tables.
    """
    names = {claim.label for claim in sentences if claim.label and claim.metric == "accuracy"}
    if len(names) != 1 or {claim.label for claim in others} - names:
        return list(sentences)
    (name,) = names
    note = f"no model is named beside it: read as a figure of {name}, the only one in the text"
    return [
        claim
        if claim.label or claim.metric == "accuracy"
        else replace(claim, label=name, remark="; ".join(filter(None, [claim.remark, note])))
        for claim in sentences
    ]


def share_repetition(
    sentences: Sequence[FoundClaim], others: Sequence[FoundClaim]
) -> list[FoundClaim]:
    """Copy the number of runs from a table's figure to a sentence that prints the same figure.

    ``others`` are the claims of the tables. A mean over several runs that is taken for one run
    would contradict other figures.
    """
    known = {
        (claim.label, claim.metric, claim.class_, claim.average, claim.figure.value): claim
        for claim in others
        if claim.mean_of > 1 or claim.best_of > 1
    }
    shared = []
    for claim in sentences:
        key = (claim.label, claim.metric, claim.class_, claim.average, claim.figure.value)
        other = known.get(key) if claim.label else None
        if other is not None and claim.mean_of == claim.best_of == claim.folds == 1:
            claim = replace(claim, mean_of=other.mean_of, best_of=other.best_of)
        shared.append(claim)
    return shared


def leave_out_ambiguous(sentences: Sequence[FoundClaim]) -> tuple[list[FoundClaim], list[str]]:
    """Leave out a metric of classes that sentences print several times without a model's name.

    The values are of several models, and would contradict each other. Returns the others and notes.
    """
    values: dict[tuple[str, int], set[str]] = {}
    for claim in sentences:
        if not claim.label and claim.class_ is not None and claim.predicted_as is None:
            values.setdefault((claim.metric, claim.class_), set()).add(claim.figure.value)
    several = {metric for (metric, _), found in values.items() if len(found) > 1}
    kept = [
        claim
        for claim in sentences
        if claim.label or claim.class_ is None or claim.metric not in several
    ]
    notes = [
        f"the {metric} of the same class is printed several times with different values, and no"
        " model's name: not taken"
        for metric in sorted(several)
    ]
    return kept, notes


def leave_out_repeated(
    sentences: Sequence[FoundClaim], others: Sequence[FoundClaim]
) -> list[FoundClaim]:
    """Leave out figures of sentences that only repeat one whose model is known.

    ``others`` are the claims of the tables, which say of which model each figure is. Left out are a
    figure without a name that is printed (or rounded) elsewhere with one, the same figure of the
    same model, also ``92.3 %`` for ``0.923``, and a figure that a table prints for another model
    than the sentence seems to: the sentence compares the two.
    """
    kept = []
    for claim in sentences:
        same_kind = [o for o in (*others, *sentences) if o is not claim and _are_alike(o, claim)]
        named = [other for other in same_kind if other.label]
        name = _shorten_label(claim)
        own = [o for o in others if name and _shorten_label(o) == name and _are_alike(o, claim)]
        is_again = any(
            _find_interval(claim) == _find_interval(other)
            and claim.figure.value != other.figure.value
            for other in own
        )
        is_of_other = bool(own) and not any(
            _overlap(_find_interval(claim), _find_interval(other)) for other in own
        )
        is_printed = any(other.figure.value == claim.figure.value for other in named)
        is_known = not claim.label and any(
            _overlap(_find_interval(claim), _find_interval(other)) for other in named
        )
        if not (is_again or is_known or (is_of_other and is_printed)):
            kept.append(claim)
    return kept


def _shorten_label(claim: FoundClaim) -> str:
    """Return a label without a remark in brackets: ``TinyNet`` of ``TinyNet (best)``."""
    return re.sub(r"\s*\([^()]*\)$", "", claim.label.casefold())


def leave_out_unnamed(claims: Sequence[FoundClaim]) -> list[FoundClaim]:
    """Leave out figures of tables without a model's name that another table prints with one."""
    named = [claim for claim in claims if claim.label]
    return [
        claim
        for claim in claims
        if claim.label
        or not any(
            _are_alike(claim, other) and claim.figure.value == other.figure.value for other in named
        )
    ]


def _are_alike(one: FoundClaim, other: FoundClaim) -> bool:
    """Whether two figures are of the same metric, which is a share of all images."""
    return (
        (one.metric, one.average) == (other.metric, other.average)
        and one.class_ is other.class_ is None
        and one.metric in METRICS
        and METRICS[one.metric].highest == 1
    )


_NUMBER = re.compile(r"[0-9]+[.,][0-9]+")


def leave_out_claimed(notes: Sequence[str], claims: Sequence[FoundClaim]) -> list[str]:
    """Return the notes without those on unclear sentences whose figures are all claimed anyway."""
    claimed = {number for claim in claims for number in _NUMBER.findall(claim.figure.printed)}
    return [
        note
        for note in notes
        if f"({UNNAMED})" not in note
        or not (numbers := _NUMBER.findall(note))
        or not claimed.issuperset(numbers)
    ]


_OF_REGRESSION = re.compile(
    r"(?<![^\W_])(?:r2[ _-]?scores?|r[\u00b22]\s?[:=]|r-?squared)", re.IGNORECASE
)


def leave_out_regression(
    claims: Sequence[FoundClaim], text: str
) -> tuple[list[FoundClaim], list[str]]:
    """Leave out each MSE and MAE of a text that also has an R2 score; return the rest and a note.

    An R2 score belongs to a regression, which predicts the class numbers as quantities. So these
    errors are not those of a classifier.
    """
    is_regression = _OF_REGRESSION.search(text) is not None
    kept = [c for c in claims if not (is_regression and c.metric in ("mse", "mae"))]
    note = "mean errors beside an R2 score are those of a regression: not taken"
    return kept, [note] if len(kept) < len(claims) else []


def separate_unnamed(
    sentences: list[FoundClaim],
    claims: Sequence[FoundClaim],
    matrices: Sequence[FoundMatrix],
    n_models: int,
) -> list[FoundClaim]:
    """Give accuracies of sentences that name no model, and differ, labels of their own.

    Held against each other, honest figures of two models would contradict each other. One that
    agrees with the report or the matrix of the same text is of that model.
    """
    unnamed = [c for c in sentences if not c.label and c.metric == "accuracy" and c.class_ is None]
    if len({claim.figure.value for claim in unnamed}) < 2:
        return sentences
    known = _find_known_accuracies(claims, matrices) if n_models == 1 else []
    agreeing = [
        claim
        for claim in unnamed
        if any(_overlap(_find_interval(claim), interval) for interval in known)
    ]
    if not all(
        _overlap(_find_interval(one), _find_interval(other))
        for one, other in itertools.combinations(agreeing, 2)
    ):
        agreeing = []  # it may be any of them
    first = unnamed[0] if not known else None
    labels: dict[_Interval, str] = {}
    separated = []
    for claim in sentences:
        is_unnamed = any(claim is other for other in unnamed)
        is_other = (
            is_unnamed
            and not any(claim is other for other in agreeing)
            and (first is None or not _overlap(_find_interval(claim), _find_interval(first)))
        )
        label = claim.label
        if is_other:  # 0.9104 and 91.04 % are one figure
            interval = _find_interval(claim)
            label = labels.setdefault(interval, f"{_UNNAMED}{claim.figure.printed})")
        separated.append(replace(claim, label=label))
    return separated


_Interval = tuple[Fraction, Fraction]


def drop_repetitions(claims: Sequence[FoundClaim]) -> list[FoundClaim]:
    """Leave out accuracies in sentences that only repeat another figure of the document.

    ``about 85 %`` repeats 84.88 % of the same model. A sentence without a name that prints the very
    figure of another source repeats it, too. What is left out says nothing that the other does not.
    """
    repeatable = [c for c in claims if _is_accuracy(c)]
    n_of_source = Counter(claim.source for claim in claims)
    dropped: set[int] = set()
    for claim in reversed(repeatable):  # of two alike, the first is kept
        is_alone = not claim.label and n_of_source[claim.source] == 1  # the only one of a table
        if (claim.source == TEXT or is_alone) and any(
            _is_repeated_by(claim, other)
            for other in repeatable
            if other is not claim and id(other) not in dropped
        ):
            dropped.add(id(claim))
    return [claim for claim in claims if id(claim) not in dropped]


TEXT = "text"  # the source of a sentence
_UNNAMED = "unnamed ("


def _is_accuracy(claim: FoundClaim) -> bool:
    figure = claim.figure
    is_plain = figure.sd is None and not figure.bound and figure.out_of is None
    return claim.metric == "accuracy" and claim.class_ is None and is_plain


def _is_repeated_by(claim: FoundClaim, other: FoundClaim) -> bool:
    kinds = [(c.average, c.mean_of, c.best_of, c.folds) for c in (claim, other)]
    if kinds[0] != kinds[1] or claim.figure.is_error_rate != other.figure.is_error_rate:
        return False
    (low, high), (other_low, other_high) = _find_interval(claim), _find_interval(other)
    is_same = (low, high) == (other_low, other_high)
    if not claim.label or claim.label.startswith(_UNNAMED):
        n_digits = len(claim.figure.value.strip("0%.").replace(".", ""))
        is_named = other.label and not other.label.startswith(_UNNAMED)
        is_repeatable = is_named or other.source == TEXT  # a report is held against the sentence
        return bool(is_repeatable) and is_same and n_digits >= _MIN_DIGITS
    is_inside = low <= other_low and other_high <= high
    return claim.label == other.label and is_inside and not is_same


_MIN_DIGITS = 3  # of a figure that two models hardly share by chance


def _overlap(one: _Interval, other: _Interval) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _find_known_accuracies(
    claims: Sequence[FoundClaim], matrices: Sequence[FoundMatrix]
) -> list[_Interval]:
    """Find what the accuracy of the model of a report or a matrix can be.

    Where a report prints no accuracy, it is the mean of the recalls of all its classes.
    """
    known = [_find_interval(claim) for claim in claims if claim.metric == "accuracy"]
    exact = [_compute_accuracy(matrix) for matrix in matrices if not matrix.is_shares]
    known += [(value, value) for value in exact]
    recalls = {c.class_: _find_interval(c) for c in claims if c.metric == "recall"}
    recalls.pop(None, None)
    if not known and len(recalls) == FASHION_MNIST.n_classes:
        n = FASHION_MNIST.n_classes
        low, high = (sum((ends[k] for ends in recalls.values()), Fraction()) / n for k in (0, 1))
        known.append((low, high))
    return known


def _find_interval(claim: FoundClaim) -> _Interval:
    from fmbench.suites.rounding import compute_interval

    figure = claim.figure
    if figure.out_of:
        share = Fraction(int(figure.value), figure.out_of)
        return share, share
    interval = compute_interval(figure.value, "accuracy")
    return interval.low, interval.high


def _compute_accuracy(matrix: FoundMatrix) -> Fraction:
    total = sum(int(value) for row in matrix.rows for value in row)
    return Fraction(sum(int(matrix.rows[k][k]) for k in range(len(matrix.rows))), total)
