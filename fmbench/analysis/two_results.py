"""Compares the same rows in two results folders, such as those of a CPU and of a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fmbench.analysis.statistics import CONFIDENCE_TEXT
from fmbench.analysis.summary import Summary
from fmbench.utils.formatting import join_words
from fmbench.utils.table import COUNT, PERCENT, SECONDS, Column, Table

COLUMNS = (
    Column("runner"),
    Column("mean", PERCENT),
    Column("sd", PERCENT),
    Column("n", COUNT),
    Column("low", PERCENT),
    Column("high", PERCENT),
    Column("against", PERCENT),
    Column("against_sd", PERCENT),
    Column("against_n", COUNT),
    Column("inside"),
    Column("fit_seconds", SECONDS),
    Column("against_fit_seconds", SECONDS),
)


@dataclass(frozen=True)
class RowInTwoResults:
    """The measurement of one row in two results folders: ``first``, and ``against`` it."""

    first: Summary
    against: Summary

    @property
    def runner(self) -> str:
        """The name of the runner."""
        return self.first.runner

    @property
    def inside(self) -> bool | None:
        """Whether the second mean lies in the first one's prediction interval for one new run.

        For a deterministic runner: whether the two accuracies are equal. None where the first has
        no interval, because it has one seed.
        """
        if self.first.low is None or self.first.high is None or self.against.mean is None:
            return None
        return self.first.low <= self.against.mean <= self.first.high


def pair_rows(
    first: Mapping[str, Summary], against: Mapping[str, Summary]
) -> Iterator[RowInTwoResults]:
    """Yield the rows that both results have measured, in the order of the first."""
    for name, summary in first.items():
        other = against.get(name)
        if summary.n and other and other.n:
            yield RowInTwoResults(summary, other)


def build_two_results_table(rows: Sequence[RowInTwoResults], first: str, against: str) -> Table:
    """Build a table of rows in two results folders, ``first`` and ``against`` by their names."""
    on_first = join_words(sorted({row.first.device for row in rows})) or "nothing measured"
    on_other = join_words(sorted({row.against.device for row in rows})) or "nothing measured"
    notes = (
        f"mean, sd, n, fit_seconds: {first} ({on_first}); against...: {against} ({on_other}). "
        "Accuracies in percent; seconds for each seed (seeds that train together share the time of "
        "their fit), mean over the seeds.",
        f"low, high: the {CONFIDENCE_TEXT} prediction interval for one new run, from {first}; "
        f"inside: whether the mean of {against} lies in it. For a deterministic row: whether the "
        "two are equal.",
    )
    return Table(
        f"The same rows in two results folders: {first} and {against}",
        COLUMNS,
        [
            {
                "runner": row.runner,
                "mean": row.first.mean,
                "sd": row.first.sd,
                "n": row.first.n,
                "low": row.first.low,
                "high": row.first.high,
                "against": row.against.mean,
                "against_sd": row.against.sd,
                "against_n": row.against.n,
                "inside": {True: "yes", False: "no", None: ""}[row.inside],
                "fit_seconds": row.first.fit_seconds,
                "against_fit_seconds": row.against.fit_seconds,
            }
            for row in rows
        ],
        notes,
    )
