"""Writes the answer in sentences: what was claimed, what was found, and what cannot be true.

Every number in them is computed from the suite and the records.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fmbench.analysis.evaluation import JudgedRow
from fmbench.analysis.predictions import SuitePredictions
from fmbench.analysis.statements import StatementResult, test_statements
from fmbench.analysis.statistics import CONFIDENCE_TEXT
from fmbench.analysis.summary import NO_RECORD
from fmbench.analysis.verdicts import VerdictKind
from fmbench.consistency import explain
from fmbench.consistency.check import ConsistencyResult
from fmbench.consistency.sources import PairResult
from fmbench.datasets.specs import get_dataset
from fmbench.report.commands import Commands
from fmbench.report.row_texts import (
    count_verdicts,
    describe_source_protocol,
    find_reproduced_by_source,
    find_rows_from_reference,
)
from fmbench.suites.claims import Suite
from fmbench.suites.sources import is_part_of
from fmbench.utils.formatting import format_interval, join_words
from fmbench.utils.table import MeanSd

MAX_NAMED = 6  # rows that a sentence names; the others are counted
RECIPE_SENTENCES = {
    "stated": "The recipe is stated.",
    "partly stated": "The recipe is stated in part; the other details are our choice.",
    "not stated": "The recipe is not stated, so it is our choice.",
}


class Strong(str):
    """A part of a sentence that is shown in bold."""

    strong = True


@dataclass(frozen=True)
class Sentence:
    """One or more sentences under a heading; each part is plain text or :class:`Strong`.

    ``items`` are a list below them, each of one line.
    """

    heading: str
    parts: tuple[str, ...]
    items: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(["".join(self.parts), *self.items])


def write_answer(
    predictions: SuitePredictions, consistency: ConsistencyResult | None, commands: Commands
) -> list[Sentence]:
    """Write the parts of the answer.

    They are about the model that the suite reports in detail. If there is no such model, or nothing
    is claimed for it, they are about all rows. ``consistency`` is None if no figure is reported.
    """
    row = predictions.subject
    if row is None or row.claimed is None:
        parts = _write_answer_for_all_rows(predictions, commands)
    else:
        parts = [
            Sentence("What was claimed", _describe_claim(predictions, row)),
            Sentence("What an honest rerun gets", _describe_measurement(row, commands)),
            Sentence("Verdict", _describe_verdict(row)),
        ]
        others = [other for other in predictions.rows if other is not row and other.row.claimed]
        if any(other.n for other in others):
            described = (*_describe_rows(others, "other "), *_describe_filled_rows(others))
            parts.append(Sentence("The other claims", described))
    statements = test_statements(predictions.results)
    return [*parts, *_describe_contradictions(consistency, statements)]


def cite_paper(predictions: SuitePredictions) -> str:
    """Return ``M. Kayed, A. Anter, H. Mohamed (2020)``, or the suite's title without authors."""
    return cite_suite(predictions.results.suite)


def cite_suite(suite: Suite) -> str:
    """Return what :func:`cite_paper` does, without any records."""
    year = f" ({suite.year})" if suite.year else ""
    return f"{suite.authors}{year}" if suite.authors else f"“{suite.title}”{year}"


def format_accuracy(mean: float, sd: float | None, n: int) -> str:
    """Return ``90.83 ± 0.19 %``; one run has no spread. ``mean`` and ``sd`` are fractions."""
    spread = 100 * sd if n > 1 and sd is not None else None
    return f"{MeanSd(100 * mean, spread, 2)} %"


def _describe_claim(predictions: SuitePredictions, row: JudgedRow) -> tuple[str, ...]:
    suite = predictions.results.suite
    claimed = row.claimed or 0.0
    parts = [
        f"{cite_paper(predictions)} report that ", Strong(row.label), " classifies ",
        Strong(f"{100 * claimed:.2f} %"),
        f" of the {sum(suite.n_per_class):,} {get_dataset(row.dataset).title} test images "
        "correctly.",
    ]  # fmt: skip
    others = [
        other.claimed
        for other in predictions.rows
        if other.where == row.where and other is not row and other.claimed is not None
    ]
    if others and claimed > max(others):
        parts.append(
            f" This is the highest of the {len(others) + 1} accuracies in {row.where}, "
            f"{100 * (claimed - max(others)):.2f} points above the second highest."
        )
    return tuple(parts)


def _describe_measurement(row: JudgedRow, commands: Commands) -> tuple[str, ...]:
    if row.mean is None or row.gap is None:
        why = "" if row.verdict.kind is VerdictKind.NOT_RUN else f" ({row.verdict})"
        run = commands.run(row.runner)
        return ("Nothing yet: there is ", Strong(f"{NO_RECORD}{why}"), f". Run `{run}`.")
    n = row.n
    runs = f"mean ± standard deviation of n = {n} seeds" if n > 1 else "n = 1 run"
    parts = [
        "Our rerun gets ",
        Strong(format_accuracy(row.mean, row.sd, n)),
        f" ({runs}), {abs(100 * row.gap):.2f} points {'below' if row.gap < 0 else 'above'} the "
        "claim.",
    ]
    if row.from_reference:
        run = commands.run(row.runner)
        parts[0] = f"Nothing is measured here yet. Run `{run}`. Fmbench's own run gets "
    if n > 1:
        parts += [
            " One new run would get ",
            Strong(f"{format_interval(row.low, row.high)} %"),
            f" ({CONFIDENCE_TEXT} prediction interval).",
        ]
    return (*parts, f" {RECIPE_SENTENCES[row.row.recipe]}")


def _describe_verdict(row: JudgedRow) -> tuple[str, ...]:
    verdict = row.verdict
    if verdict.sentence:
        parts = [Strong(_capitalise(verdict.word)), f"{verdict.sentence}."]
    else:
        parts = ["There is no answer yet: ", Strong(str(verdict)), "."]
    if row.source_protocol:
        parts.append(f" By the source’s own protocol, {describe_source_protocol(row)}.")
    return tuple(parts)


def _describe_filled_rows(rows: Sequence[JudgedRow]) -> Iterator[str]:
    if n := len(find_rows_from_reference(rows)):
        number = "1 of them is" if n == 1 else f"{n} of them are"
        yield f" {number} judged by fmbench's own measurement, because nothing is measured here."


def _describe_rows(rows: Sequence[JudgedRow], which: str = "") -> Iterator[str]:
    """Count the verdicts, then name the rows whose claim has an explanation."""
    counts = count_verdicts(rows)
    n = sum(counts.values())
    yield f"Of the {n} {which}claim{'' if n == 1 else 's'}, "
    yield join_words([f"{number} {_use_as_verb(kind, number)}" for kind, number in counts.items()])
    yield "."
    by_source = [row.label for row in find_reproduced_by_source(rows)]
    if by_source:
        yield " By their source’s own protocol, "
        yield Strong(f"{len(by_source)} more {'is' if len(by_source) == 1 else 'are'} reproduced")
        yield f": {join_words(by_source, MAX_NAMED)}."
    for row in rows:
        if row.misquote:
            yield f" {row.label}: {row.misquote}."


def _use_as_verb(kind: VerdictKind, n: int) -> str:
    """Continue a number of claims with a verdict: ``is reproduced``, ``misquotes its source``."""
    if kind is VerdictKind.MISQUOTED:
        return kind.word if n == 1 else "misquote their source"
    if kind is VerdictKind.MORE_SEEDS:
        return "needs more seeds" if n == 1 else "need more seeds"
    return f"{'is' if n == 1 else 'are'} {kind.word}"


def _describe_contradictions(
    consistency: ConsistencyResult | None, statements: Sequence[StatementResult]
) -> Iterator[Sentence]:
    """Name the pairs of sources that cannot both be true, the worst first, and wrong statements."""
    wrong = tuple(found.sentence for found in statements if found.outcome == "false")
    if consistency is not None and consistency.contradictory:
        lines = (*list_contradictions(consistency), *wrong)
        yield Sentence("What cannot be true", tuple(_count_contradictions(consistency)), lines)
        return
    if consistency is not None:
        text = "The paper’s own figures do not contradict each other."
        yield Sentence("Can the figures be true together?", (text,))
    if wrong:
        yield Sentence("What cannot be true", ("Something that the paper says is wrong.",), wrong)


def _count_contradictions(consistency: ConsistencyResult) -> Iterator[str]:
    n = len(consistency.contradicting_pairs)
    yield "The paper’s own figures "
    if n == 0:
        yield Strong("contradict each other")
    else:
        pairs = "1 pair" if n == 1 else f"{n} pairs"
        yield Strong(f"contradict each other: {pairs} of tables or sentences cannot both be true")
    yield ". That is arithmetic; no rerun can change it."
    for sentence in explain.describe_other_rounding(consistency):
        yield f" {sentence}"
    if n:
        n_repeated = n - len(_find_listed_pairs(consistency))
        repeated = (
            f" ({n_repeated} of the {n} are left out: they repeat a pair with a part of its table)"
            if n_repeated
            else ""
        )
        yield (
            f" Below is what each of the two allows, the worst pair first{repeated}. Severity: by "
            "which factor the rounding of all their figures must grow until both can be true."
        )


def _find_listed_pairs(consistency: ConsistencyResult) -> list[PairResult]:
    """Return the contradicting pairs without those that repeat another one.

    A part of a table ("Table 1, overall line") is left out where the whole table is listed beside
    the same source.
    """
    names = [source.name for source in consistency.sources]
    pairs = [
        (pair, {names[pair.first], names[pair.second]}) for pair in consistency.contradicting_pairs
    ]
    found = [pair_names for _, pair_names in pairs]

    def repeats(pair_names: set[str]) -> bool:
        return any(
            is_part_of(name, whole) and {whole, *(pair_names - {name})} in found
            for name in pair_names
            for whole in names
        )

    return [pair for pair, pair_names in pairs if not repeats(pair_names)]


def list_contradictions(consistency: ConsistencyResult) -> list[str]:
    """Describe each contradiction in one line."""
    lines = [
        explain.describe_pair_in_words(pair, consistency)
        for pair in _find_listed_pairs(consistency)
    ]
    lines += [
        explain.describe_source(source, consistency)
        for source in consistency.sources
        if source.possible is False
    ]
    lines += explain.describe_spreads(consistency)
    if not lines:  # only three or more sources together contradict each other
        lines = [explain.describe_conflict(c, consistency) for c in consistency.conflicts]
    return [f"{line}." for line in lines]


def _write_answer_for_all_rows(predictions: SuitePredictions, commands: Commands) -> list[Sentence]:
    rows = [row for row in predictions.rows if row.claimed is not None]
    claims = [row.claimed for row in rows if row.claimed is not None]
    n_measured = sum(row.is_measured_here for row in predictions.rows)
    n_filled = len(find_rows_from_reference(predictions.rows))
    number = "1 accuracy is" if len(claims) == 1 else f"{len(claims)} accuracies are"
    claimed = f"{cite_paper(predictions)}: {number} claimed"
    if claims:
        claimed += f", from {100 * min(claims):.2f} to {100 * max(claims):.2f} %"
    found = [Strong(f"{n_measured} of {len(predictions.rows)} rows"), " have been measured."]
    if n_filled:
        found.append(f" For {n_filled} more, fmbench's own measurement is shown.")
    if not n_measured:
        found.append(f" Run `{commands.run('--all')}`.")
    parts = tuple(_describe_rows(rows)) if rows else ("No row claims an accuracy.",)
    return [
        Sentence("What was claimed", (f"{claimed}.",)),
        Sentence("What was found", tuple(found)),
        Sentence("Verdict", parts),
    ]


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
