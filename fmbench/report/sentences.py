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
from fmbench.analysis.summary import NO_RECORD, Status
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
    name_verdict,
    shorten_verdict,
)
from fmbench.suites.claims import UNNAMED, Suite
from fmbench.suites.rounding import parse_figure
from fmbench.suites.sources import is_part_of
from fmbench.utils.formatting import format_interval, join_words
from fmbench.utils.table import MeanSd

MAX_NAMED = 6  # rows that a sentence names; the others are counted
RECIPE_SENTENCES = {
    "stated": "The recipe is stated.",
    "partly stated": "The recipe is stated in part; the other details are our choice.",
    "not stated": "The recipe is not stated, so it is our choice.",
}
# The answer first says which claims fail, then which hold, which are open, and which have no test.
FAILS = (VerdictKind.CLAIM_HIGHER, VerdictKind.CLAIM_LOWER, VerdictKind.MISQUOTED)
HOLDS = (VerdictKind.REPRODUCED, VerdictKind.WITHIN_SPREAD)
ONE_MODEL = "; this holds if both are of one model"  # where no model is named
IS_OPEN = (VerdictKind.MORE_SEEDS, VerdictKind.UNDECIDABLE)


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
    """Write the parts of the answer; the first one says which claims fail and which hold.

    The next ones are about the model that the suite reports in detail. If there is no such model,
    or nothing is claimed for it, they are about all rows. ``consistency`` is None if no figure is
    reported.
    """
    row = predictions.subject
    claims = [other for other in predictions.rows if other.row.claimed]
    parts = [Sentence("Which claims hold", tuple(_describe_claims(claims, commands)))]
    if row is None or row.claimed is None:
        parts += _describe_all_rows(predictions)
    else:
        parts += [
            Sentence("What was claimed", _describe_claim(predictions, row)),
            Sentence("What an honest rerun gets", _describe_measurement(row, commands)),
            Sentence("Verdict", _describe_verdict(row)),
        ]
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
        f"{cite_paper(predictions)} {_choose_verb(suite)} that ", Strong(row.label),
        " classifies ",
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


def _choose_verb(suite: Suite) -> str:
    """Return ``report``, or ``reports`` for one author or a title."""
    several = any(word in suite.authors for word in (",", " and ", " & ", ";", "et al"))
    return "report" if several else "reports"


def _describe_claims(rows: Sequence[JudgedRow], commands: Commands) -> Iterator[str]:
    """Say which claims fail, which hold, which are open, and which could not be tested."""
    if not rows:
        yield "No row claims an accuracy."
        return
    tested = [row for row in rows if row.verdict.kind in (*FAILS, *HOLDS, *IS_OPEN)]
    yield f"Of {len(rows)} claim{'' if len(rows) == 1 else 's'}, "
    if not any(row.verdict.kind in FAILS for row in rows):
        yield Strong("none fails" if tested else "none could be tested")
        yield ". "
    for kind in (*FAILS, *HOLDS, *IS_OPEN):
        if found := [row for row in rows if row.verdict.kind is kind]:
            n = len(found)
            said = f"{n} {_use_as_verb(kind, n)}"
            yield Strong(said) if kind in FAILS else said
            yield f": {join_words(map(_name_row, found), MAX_NAMED)}. "
    yield from _describe_untested([row for row in rows if row not in tested])
    by_source = [row.label for row in find_reproduced_by_source(rows)]
    if by_source:
        n = len(by_source)
        yield "By their source’s own protocol, "
        yield Strong(f"{n} more {'is' if n == 1 else 'are'} reproduced")
        yield f": {join_words(by_source, MAX_NAMED)}. "
    if n := len(find_rows_from_reference(rows)):
        run = commands.run("--all")
        yield (
            f"{n} of the claims {'is' if n == 1 else 'are'} judged by fmbench's own measurement, "
            f"because nothing is measured here: `{run}` measures it."
        )


def _describe_untested(rows: Sequence[JudgedRow]) -> Iterator[str]:
    if not rows:
        return
    yield f"{len(rows)} could not be tested: "
    if len(rows) <= MAX_NAMED // 2:
        yield f"{join_words(f'{row.label} ({_explain_untested(row)})' for row in rows)}. "
        return
    counts = count_verdicts(rows)
    yield join_words(f"{n} {_use_as_verb(kind, n)}" for kind, n in counts.items())
    yield ". "


def _explain_untested(row: JudgedRow) -> str:
    return row.reason if row.status is Status.NO_RUNNER else shorten_verdict(row)


def _name_row(row: JudgedRow) -> str:
    """Name a row with what its verdict leaves out: both figures, or how many seeds would decide."""
    kind = row.verdict.kind
    if kind is VerdictKind.MISQUOTED and row.misquote:
        return f"{row.label} ({row.misquote})"
    if kind in FAILS and row.mean is not None and row.row.claimed:
        claimed = parse_figure(row.row.claimed, "accuracy").scaleb(2)
        measured = format_accuracy(row.mean, row.sd, row.n)
        return f"{row.label} ({claimed:f} % claimed, {measured} measured)"
    if kind is VerdictKind.MORE_SEEDS and row.verdict.seeds_needed:
        return f"{row.label} ({row.verdict.seeds_needed} in all would probably decide)"
    return row.label


def _use_as_verb(kind: VerdictKind, n: int) -> str:
    """Continue a number of claims with a verdict: ``is reproduced``, ``misquotes its source``."""
    word = name_verdict(kind, n)
    if kind in (VerdictKind.MISQUOTED, VerdictKind.MORE_SEEDS):
        return word
    return f"{'is' if n == 1 else 'are'} {word}"


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
        + (ONE_MODEL if (consistency.sources[pair.first].of or "").startswith(UNNAMED) else "")
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


def _describe_all_rows(predictions: SuitePredictions) -> list[Sentence]:
    """Say what is claimed in all, and what is measured, if no model is reported in detail."""
    rows = predictions.rows
    claims = [row.claimed for row in rows if row.claimed is not None]
    n_measured = sum(row.is_measured_here for row in rows)
    number = "1 accuracy is" if len(claims) == 1 else f"{len(claims)} accuracies are"
    claimed = f"{cite_paper(predictions)}: {number} claimed"
    if len(claims) > 1:
        claimed += f", from {100 * min(claims):.2f} to {100 * max(claims):.2f} %"
    elif claims:
        claimed += f": {100 * claims[0]:.2f} %"
    found = [Strong(f"{n_measured} of {len(rows)} rows"), " are measured in this results folder."]
    if n_filled := len(find_rows_from_reference(rows)):
        found.append(f" For {n_filled} more, fmbench's own measurement is shown.")
    return [
        Sentence("What was claimed", (f"{claimed}.",)),
        Sentence("What was measured", tuple(found)),
    ]


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
