"""Joins the parts of a document to one text, and finds the reports and matrices in it.

A part is the text of a file, the output of one cell of a notebook, or one page of a PDF.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from fmbench.extraction.blocks import (
    Block,
    expand_newlines,
    find_tables_as_text,
    move_lines,
)
from fmbench.extraction.classification_reports import find_reports
from fmbench.extraction.confusion_matrices import find_matrices
from fmbench.extraction.found import FoundClaim, FoundMatrix
from fmbench.extraction.html_text import blank_hidden
from fmbench.extraction.weka import find_weka_blocks, rewrite_matrix_row


@dataclass(frozen=True)
class Part:
    """A text of a document, and its place for people (empty if it is the whole document)."""

    place: str
    text: str


@dataclass
class Document:
    """The text of all parts, and what has been found in it."""

    text: str
    starts: list[tuple[int, str]]  # the first line of each part, and its place
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, parts: Iterable[Part]) -> Document:
        """Join the parts; what a page does not show is blanked."""
        texts, starts, line = [], [], 0
        for part in parts:
            text = re.sub(r"\r\n?", "\n", expand_newlines(part.text)).rstrip("\n") + "\n"
            text = blank_hidden(text)
            starts.append((line, part.place))
            texts.append(text)
            line += text.count("\n") + 1
        return cls("\n".join(texts), starts)

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
    """Let a sentence that repeats a table's figure be of as many runs as the table says.

    ``others`` are the claims of the tables. Read as one run, a mean would contradict other figures.
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
    known = [c for c in claims if c.metric == "accuracy"] if n_models == 1 else []
    exact = [_compute_accuracy(m) for m in matrices if not m.is_shares] if n_models == 1 else []
    agreeing = {
        id(claim)
        for claim in unnamed
        if any(_overlap(claim, other) for other in known)
        or any(_find_interval(claim)[0] <= value <= _find_interval(claim)[1] for value in exact)
    }
    first = unnamed[0] if not known and not exact else None
    separated = []
    for claim in sentences:
        is_unnamed = any(claim is other for other in unnamed)
        is_other = (
            is_unnamed
            and id(claim) not in agreeing
            and (first is None or not _overlap(claim, first))
        )
        label = f"{_UNNAMED}{claim.figure.printed})" if is_other else claim.label
        separated.append(replace(claim, label=label))
    return separated


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


def _overlap(one: FoundClaim, other: FoundClaim) -> bool:
    (low, high), (other_low, other_high) = _find_interval(one), _find_interval(other)
    return low <= other_high and other_low <= high


def _find_interval(claim: FoundClaim) -> tuple[Fraction, Fraction]:
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
