"""Writes the answer in sentences: what was claimed, what was found, and the verdict.

Every number in them is computed from the suite and the records.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from fmbench.analysis.evaluation import JudgedRow
from fmbench.analysis.predictions import SuitePredictions
from fmbench.analysis.statistics import CONFIDENCE_TEXT
from fmbench.analysis.summary import NO_RECORD
from fmbench.analysis.verdicts import VerdictKind
from fmbench.consistency.check import ConsistencyResult
from fmbench.datasets.specs import get_dataset
from fmbench.report.commands import Commands
from fmbench.utils.formatting import format_interval
from fmbench.utils.table import MeanSd

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
    """One or more sentences under a heading; each part is plain text or :class:`Strong`."""

    heading: str
    parts: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(self.parts)


def write_answer(
    predictions: SuitePredictions, consistency: ConsistencyResult | None, commands: Commands
) -> list[Sentence]:
    """Write the three parts of the answer.

    They are about the model that the suite reports in detail. If there is no such model, or nothing
    is claimed for it, they are about all rows.
    """
    row = predictions.subject
    if row is None or row.claimed is None:
        return _write_answer_for_all_rows(predictions, consistency, commands)
    return [
        Sentence("What was claimed", _describe_claim(predictions, row)),
        Sentence("What was found", _describe_measurement(row, commands)),
        Sentence("Verdict", _describe_verdict(row, consistency)),
    ]


def count_verdicts(rows: list[JudgedRow]) -> dict[VerdictKind, int]:
    """Count the rows with each verdict; verdicts that no row has are left out."""
    found = Counter(row.verdict.kind for row in rows)
    return {kind: found[kind] for kind in VerdictKind if found[kind]}


def cite_paper(predictions: SuitePredictions) -> str:
    """Return ``M. Kayed, A. Anter, H. Mohamed (2020)``, or the suite's title without authors."""
    suite = predictions.results.suite
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
    if n > 1:
        parts += [
            " One new run would get ",
            Strong(f"{format_interval(row.low, row.high)} %"),
            f" ({CONFIDENCE_TEXT} prediction interval).",
        ]
    return (*parts, f" {RECIPE_SENTENCES[row.row.recipe]}")


def _describe_verdict(row: JudgedRow, consistency: ConsistencyResult | None) -> tuple[str, ...]:
    verdict = row.verdict
    if verdict.sentence:
        word = verdict.word[0].upper() + verdict.word[1:]
        parts = [Strong(word), f"{verdict.sentence}."]
    else:
        parts = ["There is no answer yet: ", Strong(str(verdict)), "."]
    return (*parts, *_describe_consistency(consistency))


def _describe_consistency(consistency: ConsistencyResult | None) -> tuple[str, ...]:
    if consistency is None:
        return ()
    n = len(consistency.conflicts)
    if not n:
        return (" The paper's own figures do not contradict each other.",)
    return (
        " The paper's own figures ",
        Strong(f"contradict each other {'in one way' if n == 1 else f'in {n} ways'}"),
        ". That is arithmetic; no rerun can change it.",
    )


def _write_answer_for_all_rows(
    predictions: SuitePredictions, consistency: ConsistencyResult | None, commands: Commands
) -> list[Sentence]:
    claims = [row.claimed for row in predictions.rows if row.claimed is not None]
    n_measured = sum(row.mean is not None for row in predictions.rows)
    number = "1 accuracy is" if len(claims) == 1 else f"{len(claims)} accuracies are"
    claimed = f"{cite_paper(predictions)}: {number} claimed"
    if claims:
        claimed += f", from {100 * min(claims):.2f} to {100 * max(claims):.2f} %"
    found = [Strong(f"{n_measured} of {len(predictions.rows)} rows"), " have been measured."]
    if not n_measured:
        found.append(f" Run `{commands.run('--all')}`.")
    counts = count_verdicts(predictions.rows)
    words = "; ".join(f"{n} {kind.word}" for kind, n in counts.items())
    return [
        Sentence("What was claimed", (f"{claimed}.",)),
        Sentence("What was found", tuple(found)),
        Sentence("Verdict", (Strong(words or "no row"), ".", *_describe_consistency(consistency))),
    ]
