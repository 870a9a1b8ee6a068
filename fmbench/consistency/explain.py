"""Formats the result of :mod:`fmbench.consistency.check` as text for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from fmbench.consistency.check import ConsistencyResult
from fmbench.consistency.conflicts import IMPLIED_METRICS, Conflict, ValueRange
from fmbench.consistency.printed_matrices import Clash
from fmbench.consistency.sources import (
    CONTRADICTORY,
    NOT_COMPARED,
    NOT_DECIDED,
    PairResult,
    SourceResult,
    describe_kind,
    find_claims_alone,
)
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import ReportedFigure, Row, Suite
from fmbench.suites.rounding import is_percentage, parse_figure
from fmbench.suites.sources import collect_figures, is_about_the_test_set
from fmbench.utils.formatting import join_words

MAX_LISTED = 6  # figures that are named in one contradiction; the rest are only counted
FEW = 5  # conflicts inside one source that are listed without --all
MIN_GROUPED = 3  # so many classes of one metric are named together
FEW_FIGURES = 12  # a suite with at most so many gets the table of all figures
WIDTH = 80  # of a line in a terminal


def format_result(
    result: ConsistencyResult, explain: bool = False, all_figures: bool = False
) -> str:
    """Format the answer, the pairs of sources that contradict each other, and what each allows.

    ``explain``: with a short reason for each pair. ``all_figures``: with every conflict and the
    table of all figures.
    """
    parts = [
        _describe_suite(result),
        _describe_verdict(result),
        *_list_pairs(result, explain=explain),
        *_list_other_conflicts(result),
        *(_wrap(f"{sentence}.") for sentence in describe_spreads(result)),
    ]
    if all_figures and result.conflicts:
        parts.append(_list_all_conflicts(result))
    if not result.complete:
        parts.append("The search reached its limit: there may be more contradictions.")
    if result.contradictory:
        parts += _describe_agreeing(result)
    parts += [*_list_unanswered_pairs(result), _format_sources(result)]
    rows = build_figure_rows(result)
    if rows and (all_figures or len(rows) <= FEW_FIGURES):
        parts.append("Each figure alone:\n" + _format_table(rows))
    parts += _list_unchecked(result)
    return "\n\n".join(filter(None, parts)) + "\n"


# ------------------------------------------------------------------ sentences, each of one line


def describe_pair(pair: PairResult, result: ConsistencyResult) -> str:
    """Describe two sources in one line: what each allows, and how far apart they are."""
    sources = result.sources[pair.first], result.sources[pair.second]
    names = [_name_source(source, result) for source in sources]
    if pair.verdict != CONTRADICTORY:
        note = f" ({pair.note})" if pair.note else ""
        return f"{names[0]} and {names[1]}: {pair.verdict}{note}"
    severity = [] if pair.severity is None else [f"severity {_format_severity(pair.severity)}"]
    return "; ".join([_describe_clash(pair, result), *severity, *_describe_notes(pair, result)])


def describe_pair_in_words(pair: PairResult, result: ConsistencyResult) -> str:
    """Describe a contradicting pair in one sentence without a full stop, for people.

    Such as ``Table 2, kappa (0.75) allows an accuracy of 77.05 to 77.95 %, but Table 3 prints
    98.80 % (severity 47)``.
    """
    metric = _find_clashing_metric(pair, result)
    if metric is None:
        return describe_pair(pair, result)
    title = METRICS[metric].title
    said = f"a {title}" if metric == "kappa" else f"an {title}"
    parts = []
    for source in (result.sources[pair.first], result.sources[pair.second]):
        figures = [result.figures[i] for i in source.checked]
        name, printed = _name_source(source, result), ""
        if len(figures) == 1:
            printed = _format_printed_value(figures[0])
        if printed and figures[0].metric == metric:
            parts.append(f"{name} prints {printed}")
        else:
            value = f" ({printed})" if printed else ""
            allowed = _format_implied(metric, source.implied[metric])
            parts.append(f"{name}{value} allows {said} of {allowed}")
            said = "one"  # the metric is named once
    notes = list(_describe_notes(pair, result))
    if pair.severity is not None:
        notes.insert(0, f"severity {_format_severity(pair.severity)}")
    return f"{parts[0]}, but {parts[1]}" + (f" ({'; '.join(notes)})" if notes else "")


def describe_source(source: SourceResult, result: ConsistencyResult) -> str:
    """Describe in one line what a source implies, or why it implies nothing."""
    name = _name_source(source, result)
    if source.possible is False:
        severity = source.severity
        factor = "" if severity is None else f", severity {_format_severity(severity)}"
        problem = f": {source.problem}" if source.problem else ""
        return f"{name}: impossible alone{factor}{problem}"
    if not source.implied:
        return f"{name}: {'not decided' if source.is_checked else 'not checked'}"
    ranges = [
        f"{METRICS[metric].title} {_format_implied(metric, values)}"
        for metric, values in source.implied.items()
    ]
    return f"{name}: {', '.join(ranges)}"


def describe_conflict(conflict: Conflict, result: ConsistencyResult) -> str:
    """Describe a contradiction in one sentence: which figures, and what they would force."""
    figures = [result.figures[i] for i in conflict.members]
    names = _join(_name_figures(figures, result))
    if len(figures) == 1:
        is_one_run = figures[0].mean_of == figures[0].folds == 1
        hint = " in one run (of a mean, say mean_of)" if is_one_run else ""
        return f"{names}: no confusion matrix of this test set gives this value{hint}"
    both = "both" if len(figures) == 2 else "all"
    if len({_format_metric_title(figure) for figure in figures}) == 1:
        return f"{names}: no {_format_metric_title(figures[0])} can be printed as {both} values"
    forced = describe_reason(conflict, result)
    return f"{names} cannot {both} be true" if forced is None else f"{names}: {forced}"


def describe_spreads(result: ConsistencyResult) -> list[str]:
    """Name each standard deviation that no runs of these images can have, in one sentence."""
    return [
        f"{_describe_figure(result.figures[spread.figure])}: no {spread.n_runs} "
        f"{'runs' if result.figures[spread.figure].folds == 1 else 'folds'} of "
        f"{spread.n_images:,} images have this mean and this standard deviation"
        for spread in result.spreads
        if spread.possible is False
    ]


def describe_reason(conflict: Conflict, result: ConsistencyResult) -> str | None:
    """Say what some figures of a contradiction force on another; ``None`` if that is not known."""
    if conflict.forced_figure is None or conflict.forced_range is None:
        return None
    forced = result.figures[conflict.forced_figure]
    others = [result.figures[i] for i in conflict.members if i != conflict.forced_figure]
    causes = _name_figures(others, result, with_source=False)
    force = "forces" if len(causes) == 1 else "force"
    printed = _compute_interval_ends(forced, result.rounding)
    value = _format_values(conflict.forced_range, forced, differs_from=printed)
    return f"{_join(causes)} {force} {_format_metric_title(forced)} {value}"


def build_figure_rows(result: ConsistencyResult) -> list[dict[str, str]]:
    """Return each figure of a listed source and the accuracy that it implies.

    All rows have the same keys. See :func:`list_sources` for the sources that are left out.
    """
    listed = {i for source in list_sources(result) for i in source.figures}
    rows = []
    for i, figure in enumerate(result.figures):
        if i not in listed:
            continue
        row = {"of": figure.of or ""} if _has_several_models(result) else {}
        row |= {
            "where": figure.where,
            "figure": _format_metric_title(figure),
            "printed": _format_printed_value(figure),
            "means": _format_values(_compute_interval_ends(figure, result.rounding), figure),
            "accuracy must be": _format_implied_accuracy(result, i),
        }
        rows.append(row)
    return rows


def build_source_rows(result: ConsistencyResult) -> list[dict[str, str]]:
    """Return each listed source and what it allows for each metric; all have the same keys."""
    rows = []
    for source in list_sources(result):
        row = {"source": _name_source(source, result)}
        for metric in IMPLIED_METRICS:
            values = source.implied.get(metric)
            title = METRICS[metric].title + ", %" * (metric == "accuracy")
            text = "" if values is None else _format_implied(metric, values)
            row[title] = text.removesuffix(" %")
        if source.possible is False:
            row["accuracy, %"] = "impossible"
        elif not source.implied:
            row["accuracy, %"] = "not decided" if source.is_checked else "not checked"
        rows.append(row)
    return rows


def list_sources(result: ConsistencyResult) -> list[SourceResult]:
    """List the sources without the claims of rows that stand alone, and are possible.

    Nothing else is printed of such a row's model, so there is nothing to compare it with.
    """
    alone = {id(source) for source in find_claims_alone(result.sources, result.rows)}
    return [s for s in result.sources if id(s) not in alone or not s.possible]


def build_pair_rows(result: ConsistencyResult) -> list[dict[str, str]]:
    """Return each pair of sources that cannot both be true; all rows have the same keys."""
    return [
        {
            "severity": "" if pair.severity is None else _format_severity(pair.severity),
            "what each allows": "; ".join(
                [_describe_clash(pair, result), *_describe_notes(pair, result)]
            ),
            "a short reason": _describe_pair_reason(pair, result),
        }
        for pair in result.contradicting_pairs
    ]


# ------------------------------------------------------------------ the parts of the whole text


def _describe_suite(result: ConsistencyResult) -> str:
    suite = result.suite
    sizes = sorted(set(suite.n_per_class))
    each = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    return (
        f"{suite.title}\n{sum(suite.n_per_class):,} test images in {len(suite.n_per_class)} "
        f"classes of {each}; figures rounded: {result.rounding}"
    )


def _describe_verdict(result: ConsistencyResult) -> str:
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
    if n_others := len(_find_joint_conflicts(result)):
        groups = "1 group" if n_others == 1 else f"{n_others} groups"
        found.append(f"{groups} of three or more sources cannot all be true")
    if n_spreads := sum(spread.possible is False for spread in result.spreads):
        are = (
            "1 standard deviation is" if n_spreads == 1 else f"{n_spreads} standard deviations are"
        )
        found.append(f"{are} impossible")
    verdict = f"Contradictory: {'; '.join(found)}."
    return _wrap(" ".join([verdict, *describe_other_rounding(result)]))


def describe_other_rounding(result: ConsistencyResult) -> Iterator[str]:
    """Say in a sentence under which other rounding rule the figures can all be true, if any."""
    if not result.consistent_under:
        return
    rule = result.consistent_under[0]
    how = {
        "nearest": "if they were rounded to the nearest digit",
        "truncated": "if their further digits were cut off instead of rounded",
        "either": "if some of them were rounded and others cut off",
    }[rule]
    figures = "all figures" if not result.not_checked else "all checked figures"
    yield f"But {figures} can be true together {how} (--rounding {rule})."


def _list_pairs(result: ConsistencyResult, *, explain: bool) -> Iterator[str]:
    """List the pairs that contradict each other, one on each line, the worst first."""
    if not result.contradicting_pairs:
        return
    lines = [
        "Pairs that contradict each other, the worst first, with the severity and the",
        "accuracy that each source allows. Severity is the factor by which the rounding",
        "of all figures of both must grow until both can be true.",
    ]
    for pair in result.contradicting_pairs:
        severity = "" if pair.severity is None else _format_severity(pair.severity)
        clash = _describe_clash(pair, result)
        if not pair.clashes:
            clash = clash.replace(f": {METRICS['accuracy'].title} ", ": ")
        text = "; ".join([clash, *_describe_notes(pair, result)])
        lines.append(_wrap(text, f"{severity:>4}  ", " " * 6))
        if explain and (reason := _describe_pair_reason(pair, result)):
            lines.append(_wrap(f"Reason: {reason}.", " " * 8, " " * 8))
    yield "\n".join(lines)


def _list_other_conflicts(result: ConsistencyResult) -> Iterator[str]:
    """List the sources that are impossible alone, and the groups of three or more sources."""
    for source in result.sources:
        if source.possible is False:
            inside = [c for c in result.conflicts if set(c.members) <= set(source.figures)]
            if not inside:
                yield f"{describe_source(source, result)}; no short reason was found in time"
                continue
            text = f"{describe_source(source, result)}\n{_list_conflicts(inside[:FEW], result)}"
            more = f"\n{len(inside) - FEW} more contradictions in it: see --all"
            yield text + (more if len(inside) > FEW else "")
    if groups := _find_joint_conflicts(result):
        yield "Three or more sources that cannot all be true:\n" + _list_conflicts(groups, result)


def _list_all_conflicts(result: ConsistencyResult) -> str:
    n = len(result.conflicts)
    heading = f"Figure by figure: {n} contradiction{'s' * (n > 1)}; in each, at least one is wrong."
    return f"{heading}\n{_list_conflicts(result.conflicts, result)}"


def _list_conflicts(conflicts: Iterable[Conflict], result: ConsistencyResult) -> str:
    return "\n".join(
        _wrap(f"{describe_conflict(conflict, result)}.", f"{number}. ", "   ")
        for number, conflict in enumerate(conflicts, 1)
    )


def _describe_agreeing(result: ConsistencyResult) -> Iterator[str]:
    names = [_name_source(result.sources[i], result) for i in result.agreeing]
    if len(names) > 1:
        heading = "The largest set of sources that agree:"
        yield "\n".join([heading, *(_wrap(name, "- ", "  ") for name in names)])


def _list_unanswered_pairs(result: ConsistencyResult) -> Iterator[str]:
    for verdict, title in ((NOT_DECIDED, "Not decided"), (NOT_COMPARED, "Not compared")):
        by_note: dict[str, list[str]] = {}
        for pair in result.pairs:
            if pair.verdict == verdict:
                names = [_name_source(result.sources[i], result) for i in (pair.first, pair.second)]
                by_note.setdefault(pair.note, []).append(" with ".join(names))
        for note, pairs in by_note.items():
            why = f", because {note}" if note else ""
            yield "\n".join([_wrap(f"{title}{why}:"), *(_wrap(pair, "- ", "  ") for pair in pairs)])


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


def _format_sources(result: ConsistencyResult) -> str:
    parts = []
    if rows := build_source_rows(result):
        table = _format_table(rows, widths=(16, *[None] * 4))
        parts.append(f"What each source allows:\n{table}")
    if n_alone := len(result.sources) - len(rows):
        claims = "The claim of 1 row" if n_alone == 1 else f"The claims of {n_alone} rows"
        are = "is possible, and stands" if n_alone == 1 else "are possible, and stand"
        parts.append(_wrap(f"{claims} {are} alone: nothing else is printed of the same model."))
    return "\n\n".join(parts)


def _list_unchecked(result: ConsistencyResult) -> Iterator[str]:
    suite = result.suite
    if result.not_checked:
        yield "Not checked:" + "".join(
            f"\n- {_describe_figure(result.figures[i])}: {why}"
            for i, why in sorted(result.not_checked.items())
        )
    for spread in result.spreads:
        if spread.why:
            figure = _describe_figure(result.figures[spread.figure])
            yield _wrap(f"Standard deviation not checked, {figure}: {spread.why}.")
    for row, images in find_uncompared_claims(suite):
        yield _wrap(
            f"Not compared: {row.label} ({row.where}), claimed {row.claimed}: it is about {images}."
        )
    if suite.not_transcribed:
        yield "Not transcribed, so not checked:" + "".join(
            f"\n- {missing.where}, {missing.what}: {missing.why}"
            for missing in suite.not_transcribed
        )


def _format_table(
    rows: Sequence[dict[str, str]], widths: Sequence[int | None] | None = None
) -> str:
    from tabulate import tabulate

    return str(
        tabulate(
            rows, headers="keys", tablefmt="simple", disable_numparse=True,
            maxcolwidths=None if widths is None else list(widths),
        )
    )  # fmt: skip


def _wrap(text: str, first: str = "", later: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=later,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


# ------------------------------------------------------------------ pairs of sources


def _describe_clash(pair: PairResult, result: ConsistencyResult) -> str:
    """Say what each of two sources allows of the metric in which they differ."""
    first, second = result.sources[pair.first], result.sources[pair.second]
    names = _name_source(first, result), _name_source(second, result)
    if pair.clashes:
        return _describe_clash_with_matrix(pair, result)
    if first.matrix is not None and second.matrix is not None:
        return f"{names[0]} and {names[1]}: no one matrix is printed like both"
    if (first.matrix, second.matrix) != (None, None):
        figures = [result.figures[i] for i in pair.reason]
        matrix, source = names if first.matrix is not None else names[::-1]
        of_source = _join(_name_figures(figures, result, with_source=False))
        return f"{source}: {of_source}; no matrix that is printed like {matrix} gives that"
    metric = _find_clashing_metric(pair, result)
    if metric is None:
        return f"{names[0]} and {names[1]}: no one matrix gives both"
    allowed = [_format_implied(metric, source.implied[metric]) for source in (first, second)]
    return f"{names[0]}: {METRICS[metric].title} {allowed[0]}; {names[1]}: {allowed[1]}"


def _find_clashing_metric(pair: PairResult, result: ConsistencyResult) -> str | None:
    """Find the metric of which two sources allow different values; None if there is none."""
    first, second = result.sources[pair.first], result.sources[pair.second]
    if (first.matrix, second.matrix) != (None, None):
        return None
    printed = _collect_metrics(first, result), _collect_metrics(second, result)
    # If a source prints nothing but the MSE, the MSE says more than the accuracy.
    by_cells = [m for m in IMPLIED_METRICS if METRICS[m].needs_cells and {m} in printed]
    for metric in (*by_cells, *IMPLIED_METRICS):
        some, other = first.implied.get(metric), second.implied.get(metric)
        if some and other and (some[1] < other[0] or other[1] < some[0]):
            return metric
    return None


def _describe_clash_with_matrix(pair: PairResult, result: ConsistencyResult) -> str:
    """Name the figures that a printed matrix contradicts, and what it gives for each."""
    first, second = result.sources[pair.first], result.sources[pair.second]
    matrix, other = (first, second) if first.matrix is not None else (second, first)
    found = [describe_value_of_matrix(clash, result) for clash in pair.clashes[:MAX_LISTED]]
    if more := len(pair.clashes) - len(found):
        found.append(f"and {more} more")
    names = _name_source(matrix, result), _name_source(other, result)
    return f"{names[1]} beside {names[0]}: {'; '.join(found)}"


def describe_value_of_matrix(clash: Clash, result: ConsistencyResult) -> str:
    """Say how a figure is printed, and what a printed matrix gives for it."""
    figure = result.figures[clash.figure]
    printed = _compute_interval_ends(figure, result.rounding)
    gives = _format_values((clash.low, clash.high), figure, differs_from=printed)
    return f"{_format_title_and_value(figure)}, the matrix gives {gives}"


def _describe_pair_reason(pair: PairResult, result: ConsistencyResult) -> str:
    """Describe the short conflict that makes a pair contradictory; empty if none was found.

    Beside a printed matrix there is none: the pair itself names the figures.
    """
    for conflict in result.conflicts:
        if conflict.members == pair.reason:
            return describe_reason(conflict, result) or describe_conflict(conflict, result)
    return ""


def _describe_notes(pair: PairResult, result: ConsistencyResult) -> Iterator[str]:
    """Describe the alternative reading, and a condition of the contradiction."""
    if pair.alternative is not None:
        metric, severity = pair.alternative
        titles = ", ".join(METRICS[name].title for name in metric.split(", "))
        read = "they agree" if severity is None else _format_severity(severity)
        yield f"read as {titles}: {read}"
    printed = [_collect_metrics(result.sources[i], result) for i in (pair.first, pair.second)]
    is_balanced = len(set(result.suite.n_per_class)) == 1
    if is_balanced and {"kappa"} in printed and {"informedness"} in printed:
        yield "the two are equal only on a balanced test set, as here"


def _collect_metrics(source: SourceResult, result: ConsistencyResult) -> set[str]:
    return {result.figures[i].metric for i in source.checked}


def _find_joint_conflicts(result: ConsistencyResult) -> list[Conflict]:
    """Find the conflicts that no pair of sources and no source alone explains."""
    parts = [set(source.figures) for source in result.sources]
    parts += [parts[pair.first] | parts[pair.second] for pair in result.pairs]
    return [
        conflict for conflict in result.conflicts
        if not any(part.issuperset(conflict.members) for part in parts)
    ]  # fmt: skip


def _name_source(source: SourceResult, result: ConsistencyResult) -> str:
    """Return the source's name, with the model and the kind of run where it is needed."""
    kind = describe_kind(source)
    more = [source.of or "no model"] if _has_several_models(result) else []
    more += [] if kind == "one run" else [kind.removeprefix("the ")]
    return f"{source.name} ({', '.join(more)})" if more else source.name


def _has_several_models(result: ConsistencyResult) -> bool:
    return len({source.of for source in list_sources(result)}) > 1


def _format_severity(severity: float) -> str:
    """Format a severity with two digits or more; one above 1 never looks like 1."""
    decimals = 0 if severity >= 9.95 else 1 if severity >= 1.995 else 2
    while decimals < 6 and round(severity, decimals) <= 1:
        decimals += 1
    return f"{severity:,.{decimals}f}"


def _format_implied(metric: str, values: ValueRange) -> str:
    """Format what a source allows: accuracy in percent, others as fractions, rounded outwards."""
    if metric == "accuracy":
        return _format_range(values, 2, percent=True)
    highest = max(map(abs, values))
    return _format_range(values, 1 if highest >= 10 else 2 if highest > 1 else 3, percent=False)


# ------------------------------------------------------------------ figures


def _join(names: Sequence[str]) -> str:
    return join_words(names, MAX_LISTED - 1 if len(names) > MAX_LISTED else None)


def _name_figures(
    figures: Sequence[ReportedFigure], result: ConsistencyResult, *, with_source: bool = True
) -> list[str]:
    """Name figures, and many of one column together, such as "recall of classes 1, 2 and 4"."""
    reported = result.figures
    source_of = {id(reported[i]): source.name for source in result.sources for i in source.figures}
    columns: dict[object, list[ReportedFigure]] = {}
    for figure in figures:
        alone = id(figure) if figure.class_ is None else None
        column = source_of.get(id(figure), figure.where), figure.of, figure.metric, alone
        columns.setdefault(column, []).append(figure)
    names = []
    for members in columns.values():
        if len(members) >= MIN_GROUPED:
            source = f"{source_of.get(id(members[0]), members[0].where)} " if with_source else ""
            title = METRICS[members[0].metric].title
            names.append(f"{source}{title} of {_name_classes(members, result)}")
        elif with_source:
            names += [_describe_figure(figure) for figure in members]
        else:
            names += [_format_title_and_value(figure) for figure in members]
    return names


def _name_classes(figures: Sequence[ReportedFigure], result: ConsistencyResult) -> str:
    n_classes = len(result.suite.n_per_class)
    classes = sorted({figure.class_ for figure in figures if figure.class_ is not None})
    if len(classes) == n_classes:
        return f"all {n_classes} classes"
    numbers = [str(k) for k in classes]
    return f"classes {', '.join(numbers[:-1])} and {numbers[-1]}"


def _format_metric_title(figure: ReportedFigure) -> str:
    title = METRICS[figure.metric].title
    if figure.predicted_as is not None:
        title = f"images of class {figure.class_} predicted as class {figure.predicted_as}"
    elif figure.class_ is not None:
        title = f"class {figure.class_} {title}"
    if figure.average:
        title = f"{figure.average} {title}"
    title = title if figure.folds == 1 else f"{figure.folds}-fold {title}"
    title = title if figure.best_of == 1 else f"best-of-{figure.best_of} {title}"
    return title if figure.mean_of == 1 else f"{figure.mean_of}-run {title}"


def _format_title_and_value(figure: ReportedFigure) -> str:
    """Return such as ``class 3 recall 0.99``, with a colon where the title ends with a number."""
    colon = ":" if figure.predicted_as is not None else ""
    return f"{_format_metric_title(figure)}{colon} {_format_printed_value(figure)}"


def _describe_figure(figure: ReportedFigure) -> str:
    title, value = _format_metric_title(figure), _format_printed_value(figure)
    if figure.predicted_as is not None:
        return f"{figure.where} {_format_title_and_value(figure)}"
    if figure.class_ is not None and figure.where.endswith(f"class {figure.class_}"):
        title = title.replace(f"class {figure.class_} ", "")
    if figure.where.lower().endswith(title.lower()):
        title = ""
    return " ".join(filter(None, (figure.where, title, value)))


def _format_printed_value(figure: ReportedFigure) -> str:
    """Return the figure as printed, with a percent sign if it is a percentage."""
    digits = figure.value.strip().removesuffix("%").strip()
    text = f"{digits} %" if _is_percentage(figure) else digits
    if figure.sd is not None:
        sd = figure.sd.strip().removesuffix("%").strip()
        text = f"{digits} ± {sd} %" if _is_percentage(figure) else f"{digits} ± {figure.sd}"
    return f"{figure.bound} {text}" if figure.bound else text


def _is_percentage(figure: ReportedFigure) -> bool:
    return is_percentage(figure.value, figure.metric)


def _compute_interval_ends(figure: ReportedFigure, rounding: str) -> ValueRange:
    interval = figure.interval(rounding)
    return interval.low, interval.high


def _format_implied_accuracy(result: ConsistencyResult, i: int) -> str:
    values = result.implied[i]
    if values is not None:
        return _format_range(values, 2, percent=True)
    if i in result.not_checked:
        return "not checked"
    is_impossible = any(conflict.members == (i,) for conflict in result.conflicts)
    return "impossible" if is_impossible else "not decided"


def _format_values(
    values: ValueRange, figure: ReportedFigure, *, differs_from: ValueRange | None = None
) -> str:
    """Format two values in the figure's unit, with one more decimal than the figure has.

    If ``differs_from`` is given, more decimals are added until the text shows the difference.
    """
    percent = _is_percentage(figure)
    if METRICS[figure.metric].is_count and all(end.denominator == 1 for end in values):
        return _format_range(values, 0, percent=False)
    exponent = parse_figure(figure.value, figure.metric).as_tuple().exponent
    decimals = max(0, -int(exponent) - 2 * percent) + 1
    if differs_from is not None:
        decimals = max(decimals, 2 if percent else 4)
        unit = Fraction(1, 100 if percent else 1)
        for _ in range(8):
            ends = _format_ends(values, decimals, percent=percent)
            low, high = (unit * Fraction(end) for end in ends)
            if high < differs_from[0] or low > differs_from[1]:
                break
            decimals += 1
    return _format_range(values, decimals, percent=percent)


def _format_range(values: ValueRange, decimals: int, *, percent: bool) -> str:
    low, high = _format_ends(values, decimals, percent=percent)
    text = low if low == high else f"{low} to {high}"
    return f"{text} %" if percent else text


def _format_ends(values: ValueRange, decimals: int, *, percent: bool) -> tuple[str, str]:
    """Round both ends outwards; a single value is rounded to the nearest number."""
    low, high = (end * (100 if percent else 1) * 10**decimals for end in values)
    whole = (floor(low), ceil(high)) if low != high else (round(low), round(low))
    return str(Decimal(whole[0]).scaleb(-decimals)), str(Decimal(whole[1]).scaleb(-decimals))
