"""Builds the answer that ``fmbench check`` prints: the verdict first, then pairs and sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fmbench.consistency.check import ConsistencyResult
from fmbench.consistency.conflicts import Conflict
from fmbench.consistency.explain import (
    build_figure_rows,
    build_source_rows,
    describe_conflict,
    describe_figure,
    describe_notes,
    describe_other_rounding,
    describe_pair_reason,
    describe_sides,
    describe_source,
    describe_spreads,
    find_joint_conflicts,
    format_severity,
    list_sources,
    name_source,
    name_source_and_metric,
)
from fmbench.consistency.sources import CONTRADICTORY, NOT_COMPARED, NOT_DECIDED, PairResult
from fmbench.suites.claims import Row, Suite
from fmbench.suites.sources import collect_figures, is_about_the_test_set
from fmbench.utils.document import Block, Document, Heading, Items, Paragraph
from fmbench.utils.table import Column, ColumnKind, Table

FEW = 5  # conflicts inside one source that are listed without --all
FEW_FIGURES = 12  # a suite with at most so many gets the table of all figures
IMPOSSIBLE = "impossible alone"
SEVERITY = ColumnKind("severity", lambda value: format_severity(value).replace(",", ""), float,
                      "right")  # fmt: skip
SEVERITY_NOTE = (
    "After each source stands what it allows: accuracies, or values of the metric that is named. "
    "Severity: the factor by which the rounding of all figures of both must grow until both can be "
    "true."
)
HOW_ROUNDED = {
    "nearest": "rounded to the nearest digit",
    "truncated": "cut off after their last digit",
    "either": "rounded to the nearest digit or cut off",
}


def build_answer(
    result: ConsistencyResult, *, explain: bool = False, all_figures: bool = False
) -> Document:
    """Build the answer: the verdict, what contradicts what, and what each source allows.

    ``explain``: with a short reason for each pair. ``all_figures``: with every conflict and the
    table of all figures. CSV and LaTeX have the table of all pairs.
    """
    blocks: list[Block] = [
        Paragraph(_describe_test_set(result)),
        Paragraph(describe_verdict(result), "bold"),
    ]
    if result.contradicting_pairs:
        blocks.append(_build_contradictions_table(result, explain=explain))
    blocks += _list_other_conflicts(result)
    if spreads := [f"{sentence}." for sentence in describe_spreads(result)]:
        blocks += [Heading("Standard deviations that no runs can have"), Items(tuple(spreads))]
    if all_figures and result.conflicts:
        n = len(result.conflicts)
        title = (
            f"Figure by figure: {n} contradiction{'s' * (n > 1)}; in each, at least one is wrong"
        )
        blocks += [Heading(title), _list_conflicts(result.conflicts, result)]
    if not result.complete:
        blocks.append(Paragraph("The search reached its limit: there may be more contradictions."))
    if result.contradictory:
        blocks += _describe_agreeing(result)
    blocks += _list_unanswered_pairs(result)
    blocks += _describe_sources(result)
    rows = build_figure_rows(result)
    if rows and (all_figures or len(rows) <= FEW_FIGURES):
        blocks.append(_build_table("Each figure alone", rows))
    blocks += _list_unchecked(result)
    return Document(result.suite.title, blocks, result.as_json(), build_pairs_table(result))


def describe_verdict(result: ConsistencyResult) -> str:
    """Say whether the figures can be true together, and count what contradicts what."""
    if not result.contradictory:
        n_checked = len(result.figures) - len(result.not_checked)
        figures = "all figures" if not result.not_checked else f"the {n_checked} checked figures"
        return f"Consistent: {figures} can be true together."
    n_compared = sum(pair.verdict != NOT_COMPARED for pair in result.pairs)
    n_pairs, found = len(result.contradicting_pairs), []
    if n_pairs:
        found.append(f"{n_pairs} of {n_compared} pairs of sources cannot both be true")
    if n_impossible := sum(source.possible is False for source in result.sources):
        of_sources = f"{n_impossible} of {len(list_sources(result))} sources"
        found.append(f"{of_sources} {'is' if n_impossible == 1 else 'are'} impossible alone")
    if n_others := len(find_joint_conflicts(result)):
        groups = "1 group" if n_others == 1 else f"{n_others} groups"
        found.append(f"{groups} of three or more sources cannot all be true")
    if n_spreads := sum(spread.possible is False for spread in result.spreads):
        are = (
            "1 standard deviation is" if n_spreads == 1 else f"{n_spreads} standard deviations are"
        )
        found.append(f"{are} impossible")
    return " ".join([f"Contradictory: {'; '.join(found)}.", *describe_other_rounding(result)])


def build_pairs_table(result: ConsistencyResult) -> Table:
    """Build the table of all pairs of sources, and of the sources that are impossible alone."""
    columns = (
        Column("verdict"), Column("severity", SEVERITY),
        Column("first source"), Column("first allows"),
        Column("second source"), Column("second allows"), Column("note"),
    )  # fmt: skip
    rows: list[dict[str, object]] = []
    for source in result.sources:
        if source.possible is False:
            rows.append(
                {"verdict": IMPOSSIBLE, "severity": source.severity,
                 "first source": name_source(source, result), "note": source.problem or None}
            )  # fmt: skip
    for pair in result.pairs:
        sources = [result.sources[i] for i in (pair.first, pair.second)]
        allows: Sequence[str] = ("", "")
        notes = [pair.note] if pair.note else []
        if pair.verdict == CONTRADICTORY:
            allows = describe_sides(pair, result)
            notes += describe_notes(pair, result)
        rows.append(
            {"verdict": pair.verdict, "severity": pair.severity,
             "first source": name_source(sources[0], result), "first allows": allows[0] or None,
             "second source": name_source(sources[1], result), "second allows": allows[1] or None,
             "note": "; ".join(notes) or None}
        )  # fmt: skip
    names = [column.name for column in columns]
    filled = [{name: row.get(name) for name in names} for row in rows]
    return Table(result.suite.title, columns, filled, (describe_verdict(result), SEVERITY_NOTE))


def find_uncompared_claims(suite: Suite) -> list[tuple[Row, str]]:
    """Find the rows whose model has other figures, but whose claim is about other images, and why.

    The claim is then no figure of the suite.
    """
    models = {figure.of for figure in collect_figures(suite).figures}
    return [
        (row, f"the {row.images} of the images" if row.images != "today" else row.dataset)
        for row in suite.rows
        if row.claimed is not None
        and not is_about_the_test_set(row)
        and {row.runner, row.label} & (models - {None, ""})
    ]


# ------------------------------------------------------------------ the parts of the answer


def _describe_test_set(result: ConsistencyResult) -> str:
    suite = result.suite
    sizes = sorted(set(suite.n_per_class))
    each = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    return (
        f"{sum(suite.n_per_class):,} test images in {len(suite.n_per_class)} classes of {each}; "
        f"figures {HOW_ROUNDED[result.rounding]}."
    )


def _build_contradictions_table(result: ConsistencyResult, *, explain: bool) -> Table:
    """Build the table of the pairs that contradict each other, the worst first."""
    columns = [Column("severity", SEVERITY), Column("source"), Column("contradicts")]
    columns += [Column("reason")] if explain else []
    rows = []
    for pair in result.contradicting_pairs:
        source, other = _describe_both(pair, result)
        row: dict[str, object] = {
            "severity": pair.severity, "source": source, "contradicts": other,
        }  # fmt: skip
        if explain:
            row["reason"] = describe_pair_reason(pair, result) or None
        rows.append(row)
    title = "Pairs of sources that contradict each other, the worst first"
    return Table(title, tuple(columns), rows, (SEVERITY_NOTE,))


def _describe_both(pair: PairResult, result: ConsistencyResult) -> tuple[str, str]:
    """Name both sources of a pair, each with what it allows; the notes stand after the second."""
    named = []
    for i, allows in zip((pair.first, pair.second), describe_sides(pair, result), strict=True):
        # Where a matrix contradicts single figures, these are named anyway.
        name_it = name_source if pair.clashes else name_source_and_metric
        name = name_it(result.sources[i], result)
        metric, _, values = allows.partition(" ")
        # "Table 2, MSE: 0.655 to 0.665"
        if metric and name.endswith((f" {metric}", f"({metric})")):
            allows = values
        named.append(": ".join(filter(None, (name, allows))))
    return named[0], "; ".join([named[1], *describe_notes(pair, result)])


def _list_other_conflicts(result: ConsistencyResult) -> Iterator[Block]:
    """List the sources that are impossible alone, and the groups of three or more sources."""
    for source in result.sources:
        if source.possible is False:
            inside = [c for c in result.conflicts if set(c.members) <= set(source.figures)]
            yield Heading(describe_source(source, result))
            if not inside:
                if not source.problem:
                    yield Paragraph("No short reason was found within the limits of the search.")
                continue
            yield _list_conflicts(inside[:FEW], result)
            if len(inside) > FEW:
                yield Paragraph(f"{len(inside) - FEW} more contradictions in it: see --all.")
    if groups := find_joint_conflicts(result):
        yield Heading("Three or more sources that cannot all be true")
        yield _list_conflicts(groups, result)


def _list_conflicts(conflicts: Iterable[Conflict], result: ConsistencyResult) -> Items:
    return Items(tuple(f"{describe_conflict(conflict, result)}." for conflict in conflicts))


def _describe_agreeing(result: ConsistencyResult) -> Iterator[Block]:
    names = [name_source(result.sources[i], result) for i in result.agreeing]
    if len(names) > 1:
        yield Heading("The largest set of sources that agree")
        yield Items(tuple(names))


def _list_unanswered_pairs(result: ConsistencyResult) -> Iterator[Block]:
    for verdict, title in ((NOT_DECIDED, "Not decided"), (NOT_COMPARED, "Not compared")):
        by_note: dict[str, list[str]] = {}
        for pair in result.pairs:
            if pair.verdict == verdict:
                names = [name_source(result.sources[i], result) for i in (pair.first, pair.second)]
                by_note.setdefault(pair.note, []).append(" with ".join(names))
        for note, pairs in by_note.items():
            yield Heading(f"{title}, because {note}" if note else title)
            yield Items(tuple(pairs))


def _describe_sources(result: ConsistencyResult) -> Iterator[Block]:
    rows = build_source_rows(result)
    if rows:
        yield _build_table("What each source allows", rows)
    if n_alone := len(result.sources) - len(list_sources(result)):
        claims = "The claim of 1 row" if n_alone == 1 else f"The claims of {n_alone} rows"
        are = "is possible, and stands" if n_alone == 1 else "are possible, and stand"
        yield Paragraph(f"{claims} {are} alone: nothing else is printed of the same model.")


def _list_unchecked(result: ConsistencyResult) -> Iterator[Block]:
    suite = result.suite
    if result.not_checked:
        unchecked = (
            f"{describe_figure(result.figures[i])}: {why}"
            for i, why in sorted(result.not_checked.items())
        )
        yield from (Heading("Not checked"), Items(tuple(unchecked)))
    others = [
        f"Standard deviation not checked, {describe_figure(result.figures[spread.figure])}: "
        f"{spread.why}."
        for spread in result.spreads
        if spread.why
    ]
    others += [
        f"Not compared: {row.label} ({row.where}), claimed {row.claimed}: it is about {images}."
        for row, images in find_uncompared_claims(suite)
    ]
    yield from map(Paragraph, others)
    if suite.not_transcribed:
        missing = (f"{entry.where}, {entry.what}: {entry.why}" for entry in suite.not_transcribed)
        yield from (Heading("Not transcribed, so not checked"), Items(tuple(missing)))


def _build_table(title: str, rows: Sequence[dict[str, str]]) -> Table:
    return Table(title, tuple(map(Column, rows[0])), rows)
