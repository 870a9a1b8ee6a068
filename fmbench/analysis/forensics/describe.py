"""Names sources, figures and explanations in words, and describes them as data for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fmbench.analysis.forensics.matrix import Match, SourceCount, StoryMatrix, StoryRow
from fmbench.analysis.forensics.outcomes import Attempt, Outcome
from fmbench.analysis.forensics.printed import PrintedFigure, PrintedSource
from fmbench.metrics.registry import METRICS

# ---------------------------------------------------------------- words


def describe_count(count: SourceCount) -> str:
    """Say in one sentence how many stories were tried for a source, and how many explain it."""
    text = (
        f"{count.source.title}: explained by {count.n_explaining} of {count.n_stories} stories "
        f"tried, by {count.n_as_stated} of these as it is named and described; and by "
        f"{count.n_explaining_candidates} of {count.n_candidates} candidates (story, metric and "
        "way of quoting)"
    )
    if count.share_of_range is not None and count.share_as_stated is not None:
        text += (
            ". Of all accuracies between the correct procedure's and 100 %, some candidate would "
            f"explain {100 * count.share_of_range:.0f} %, and "
            f"{100 * count.share_as_stated:.0f} % as named and described"
        )
    return f"{text}."


def name_sources(sources: Iterable[PrintedSource]) -> str:
    """Name sources in a sentence, with what is printed there; those of one table together."""
    named = []
    for source in sources:
        figures = [figure.title for figure in source.single_figures]
        if source.class_figures:
            figures.insert(0, f"{len(source.class_figures)} figures of classes")
        named.append((source, figures))
    return _join_by_table(named)


def name_explanations(row: StoryRow) -> str:
    """Name the sources that a story explains, with what it gives and takes to explain them."""
    named = []
    for match in row.matches:
        if match.explained:
            figures = []
            if match.table:
                figures = [f"figures of classes: {name_table(match, row.outcome)}"]
            figures += [
                f"{figure.title} if {' and '.join(attempt.departures)}"
                if attempt and attempt.departures
                else figure.title
                for figure, attempt in zip(match.figures, match.attempts, strict=True)
            ]
            named.append((match.source, figures))
    return _join_by_table(named)


def _join_by_table(named: Sequence[tuple[PrintedSource, list[str]]]) -> str:
    tables: dict[str, list[tuple[PrintedSource, list[str]]]] = {}
    for source, figures in named:
        tables.setdefault(source.table, []).append((source, figures))
    parts = []
    for table, members in tables.items():
        where = members[0][0].where if len(members) == 1 else table
        parts.append(f"{where} ({', '.join(f for _, figures in members for f in figures)})")
    return join_words(parts)


def join_words(words: Iterable[str]) -> str:
    """Join one or more words: ``a``, ``a and b``, ``a, b and c``."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


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
    return text if p is None else f"{text}, p {p:.2g}"


def name_value(figure: PrintedFigure, outcome: Outcome) -> str:
    """Format what a story gives for a figure, by its own name; nothing if that is not known."""
    values = outcome.compute_values(figure.metric, figure.class_)
    return figure.format_value(sum(values) / len(values)) if values else ""


def name_attempt(figure: PrintedFigure, attempt: Attempt) -> str:
    """Format what a story gives for a figure, and by which other meaning or way of quoting."""
    text = figure.format_value(attempt.value)
    notes = [METRICS[attempt.metric].title] if attempt.metric != figure.metric else []
    if (attempt.quoting.n_runs, attempt.quoting.best_of) != (figure.n_runs, figure.best_of):
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
            {"metric": f.metric, "class": f.class_, "printed": f.printed, "mean_of": f.n_runs,
             "best_of": f.best_of}
            for f in source.figures
        ],
        "needs_no_mistake": matrix.comparable and matrix.is_settled(source),
    }  # fmt: skip


def describe_row(row: StoryRow) -> dict[str, Any]:
    """Return a story, its departures, and its match with each source."""
    return {
        "story": row.outcome.story.name,
        "n": row.outcome.n,
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
            "metric": attempt.metric, "quoting": str(attempt.quoting), "value": attempt.value,
            "low": attempt.low, "high": attempt.high, "explains": attempt.explains,
        }
        for attempt in match.attempts
    ]  # fmt: skip
    return found
