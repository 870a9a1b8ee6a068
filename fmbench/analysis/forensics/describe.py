"""Names sources, figures and explanations in words, and describes them as data for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fmbench.analysis.forensics.matrix import (
    Clash,
    Match,
    SourceCount,
    StoryMatrix,
    StoryRow,
)
from fmbench.analysis.forensics.outcomes import Attempt, Outcome
from fmbench.analysis.forensics.printed import PrintedFigure, PrintedSource
from fmbench.metrics.registry import METRICS
from fmbench.utils.formatting import join_words

# ---------------------------------------------------------------- words


def describe_count(count: SourceCount) -> str:
    """Say in one sentence how many stories were tried for a source, and how many explain it."""
    n, n_candidates = count.n_explaining, count.n_explaining_candidates
    text = f"{count.source.title}: {_count(count.n_stories, 'story', 'stories')} tried; "
    text += f"explained by {n or 'none'}"
    if count.n_with_few_seeds:
        text += f" ({count.n_with_few_seeds} with few seeds, which only may explain it)"
    if n:
        text += f", by {count.n_as_stated or 'none'} as it is named and described"
    text += (
        f"; {_count(count.n_candidates, 'candidate', 'candidates')} (story, metric and way of "
        f"quoting) tried; explained by {n_candidates or 'none'}"
    )
    share = describe_share(count)
    return f"{text}. {share}" if share else f"{text}."


def describe_share(count: SourceCount) -> str:
    """Say how many of the possible accuracies some story would explain; empty if not known."""
    if count.share_of_range is None or count.share_as_stated is None:
        return ""
    return (
        "Of all accuracies between the correct procedure's and 100 %, some candidate would "
        f"explain {100 * count.share_of_range:.0f} %, and "
        f"{100 * count.share_as_stated:.0f} % as named and described."
    )


def _count(n: int, one: str, several: str) -> str:
    return f"{n} {one if n == 1 else several}"


def name_sources(sources: Iterable[PrintedSource]) -> str:
    """Name sources in a sentence, with what is printed there; those of one table together."""
    named = []
    for source in sources:
        figures = [figure.title for figure in source.single_figures]
        if source.class_figures:
            figures.insert(0, f"{len(source.class_figures)} figures of classes")
        named.append((source, figures))
    return _join_by_table(named)


def describe_clash(clash: Clash) -> str:
    """Say that figures cannot belong to the run of an accuracy: ``Table 3 (kappa 0.75)``."""
    figures = [figure.title for figure in clash.figures if figure.class_ is None]
    if n_of_classes := len(clash.figures) - len(figures):
        figures.insert(0, f"{n_of_classes} figures of classes")
    return f"{clash.source.where} ({', '.join(figures)})"


def name_tables(sources: Iterable[PrintedSource]) -> list[str]:
    """Name the tables that sources are part of, each once: ``Table 2``."""
    return list(dict.fromkeys(source.table for source in sources))


def name_explanations(row: StoryRow) -> str:
    """Name the sources that a story explains, with what it gives for each figure, and its n.

    Such as ``Table 2 (informedness 0.767 for 0.77, MAE 0.672 for MSE 0.66; n = 1)``.
    """
    named = []
    for match in row.matches:
        if match.explained:
            figures = [
                *_describe_table(match, row.outcome),
                *(
                    name_explained(figure, attempt)
                    for figure, attempt in zip(match.figures, match.attempts, strict=True)
                    if attempt
                ),
            ]
            named.append((match.source, figures))
    return _join_by_table(named, f"; n = {row.outcome.n}")


def _describe_table(match: Match, outcome: Outcome) -> Iterator[str]:
    """Yield words for a sentence on an explained table of classes; nothing if it is not one."""
    table = match.table
    if table is None or match.source.class_table is None:
        return
    text = f"{table.hits:.1f} of {table.of} figures of classes"
    if table.shared is not None:
        p = outcome.compute_permutation_p(match.source.class_table)
        text += f", where two runs of the story agree in {table.shared:.1f}"
        text += f" and shuffled classes give as many with p = {p:.2g}"
    yield text


def name_explained(figure: PrintedFigure, attempt: Attempt) -> str:
    """Say what a story gives for a figure: ``accuracy 98.84 for 98.80 %``."""
    given = f"{figure.name_metric(attempt.metric)} {figure.format_value(attempt.value)}"
    text = f"{given} for {figure.text if attempt.metric == figure.metric else figure.title}"
    return text if attempt.quoting == figure.quoting else f"{text}, as {attempt.quoting}"


def name_misses(match: Match) -> str:
    """Say by how much a story misses the figures of a source: ``Table 3 (...) by 0.03 points``."""
    named = []
    for figure, attempt in zip(match.figures, match.attempts, strict=True):
        miss = attempt.measure_miss(figure) if attempt and not attempt.explains else 0.0
        if miss:
            unit = " points" if figure.is_percentage else ""
            named.append(f"{figure.title}, by {figure.format_value(miss)}{unit}")
    return f"{match.source.where} ({', '.join(named)})" if named else name_sources([match.source])


def _join_by_table(named: Sequence[tuple[PrintedSource, list[str]]], end: str = "") -> str:
    tables: dict[str, list[tuple[PrintedSource, list[str]]]] = {}
    for source, figures in named:
        tables.setdefault(source.table, []).append((source, figures))
    parts = []
    for table, members in tables.items():
        where = members[0][0].where if len(members) == 1 else table
        parts.append(f"{where} ({', '.join(f for _, figures in members for f in figures)}{end})")
    return join_words(parts)


def name_table(match: Match, outcome: Outcome) -> str:
    """Say how many figures of a table of classes a story gives; nothing if that is not known.

    If that explains the table, the p of the permutation test over the classes is added.
    """
    table = match.table
    if table is None or match.source.class_table is None:
        return ""
    text = f"{table.hits:.1f} of {table.of}"
    if table.shared is not None:
        text += f" in common, two runs share {table.shared:.1f}"
    p = outcome.compute_permutation_p(match.source.class_table) if table.explains else None
    return text if p is None else f"{text}, shuffled classes share as many with p {p:.2g}"


def name_value(figure: PrintedFigure, outcome: Outcome) -> str:
    """Format what a story gives for a figure, by its own name; nothing if that is not known."""
    values = outcome.compute_values(figure.metric, figure.class_)
    return figure.format_value(sum(values) / len(values)) if values else ""


def name_attempt(figure: PrintedFigure, attempt: Attempt) -> str:
    """Format what a story gives for a figure, and by which other meaning or way of quoting."""
    text = figure.format_value(attempt.value)
    notes = [METRICS[attempt.metric].title] if attempt.metric != figure.metric else []
    if attempt.quoting != figure.quoting:
        notes.append(str(attempt.quoting))
    if attempt.clash:
        notes.append(f"but not in the same run as {attempt.clash}")
    return f"{text} ({', '.join(notes)})" if notes else text


# ---------------------------------------------------------------- data for JSON


def describe_source(source: PrintedSource, matrix: StoryMatrix) -> dict[str, Any]:
    """Return what is printed in one place."""
    return {
        "where": source.where,
        "figures": [
            {"metric": f.metric, "class": f.class_, "value": f.value, "printed": f.printed,
             "mean_of": f.n_runs, "best_of": f.best_of}
            for f in source.figures
        ],
        "model": source.model or None,
        "needs_no_mistake": matrix.comparable and matrix.is_settled(source),
        "clashes_with_the_accuracy": any(clash.source is source for clash in matrix.clashes),
    }  # fmt: skip


def describe_row(row: StoryRow) -> dict[str, Any]:
    """Return a story, its departures, and its match with each source."""
    return {
        "story": row.outcome.story.name,
        "n": row.outcome.n,
        "few_seeds": not row.outcome.has_enough_seeds,
        "departures": list(row.departures),
        "sources": [_describe_match(match, row.outcome) for match in row.matches],
    }


def _describe_match(match: Match, outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {"where": match.source.where, "explained": match.explained}
    if match.table:
        found["table"] = {
            "hits": match.table.hits, "of": match.table.of, "shared": match.table.shared,
            "lowest": match.table.low,
            "permutation_p": match.source.class_table
            and outcome.compute_permutation_p(match.source.class_table),
        }  # fmt: skip
    found["figures"] = [
        attempt and {
            "printed": figure.printed, "metric": attempt.metric, "quoting": str(attempt.quoting),
            "value": attempt.value, "n": outcome.n, "low": attempt.low, "high": attempt.high,
            "explains": attempt.explains,
        }
        for figure, attempt in zip(match.figures, match.attempts, strict=True)
    ]  # fmt: skip
    return found
