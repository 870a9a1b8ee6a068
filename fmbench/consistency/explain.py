"""Describes the result of :mod:`fmbench.consistency.check` in sentences and rows of tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from fmbench.consistency.check import ConsistencyResult
from fmbench.consistency.conflicts import IMPLIED_METRICS, Conflict, ValueRange
from fmbench.consistency.printed_matrices import Clash
from fmbench.consistency.sources import (
    AGREE,
    CONTRADICTORY,
    PairResult,
    SourceResult,
    describe_kind,
    find_claims_alone,
)
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import ReportedFigure
from fmbench.suites.rounding import is_percentage, parse_figure
from fmbench.utils.formatting import join_words

MAX_LISTED = 6  # figures that are named in one contradiction; the rest are only counted
MIN_GROUPED = 3  # so many classes of one metric are named together


# ------------------------------------------------------------------ sentences, each of one line


def describe_pair(pair: PairResult, result: ConsistencyResult) -> str:
    """Describe two sources in one line: what each allows, and how far apart they are."""
    sources = result.sources[pair.first], result.sources[pair.second]
    names = [name_source(source, result) for source in sources]
    if pair.verdict != CONTRADICTORY:
        note = f" ({pair.note})" if pair.note else ""
        return f"{names[0]} and {names[1]}: {pair.verdict}{note}"
    severity = [] if pair.severity is None else [f"severity {format_severity(pair.severity)}"]
    return "; ".join([_describe_clash(pair, result), *severity, *describe_notes(pair, result)])


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
        name, printed = name_source(source, result), ""
        if len(figures) == 1:
            printed = _format_printed_value(figures[0])
        if printed and figures[0].metric == metric:
            parts.append(f"{name} prints {printed}")
        else:
            if printed and not _is_metric_named(source, figures[0]):
                printed = _format_title_and_value(figures[0])
            value = f" ({printed})" if printed else ""
            allowed = _format_implied(metric, source.implied[metric])
            parts.append(f"{name}{value} allows {said} of {allowed}")
            said = "one"  # the metric is named once
    notes = list(describe_notes(pair, result))
    if pair.severity is not None:
        notes.insert(0, f"severity {format_severity(pair.severity)}")
    return f"{parts[0]}, but {parts[1]}" + (f" ({'; '.join(notes)})" if notes else "")


def name_source_and_metric(source: SourceResult, result: ConsistencyResult) -> str:
    """Return the source's name, with its metric if that is one other than the accuracy.

    Such as ``Table 2 (kappa)``; nothing is added if the name says it: ``Table 2, kappa``.
    """
    name = name_source(source, result)
    figures = [result.figures[i] for i in source.figures]
    titles = {METRICS[figure.metric].title for figure in figures}
    if len(titles) != 1 or figures[0].metric == "accuracy" or _is_metric_named(source, figures[0]):
        return name
    return f"{name} ({titles.pop()})"


def _is_metric_named(source: SourceResult, figure: ReportedFigure) -> bool:
    """Whether the name of a source ends with its metric: ``Table 2, kappa``."""
    return source.name.lower().endswith(METRICS[figure.metric].title.lower())


def describe_source(source: SourceResult, result: ConsistencyResult) -> str:
    """Describe in one line what a source implies, or why it implies nothing."""
    name = name_source(source, result)
    if source.possible is False:
        severity = source.severity
        factor = "" if severity is None else f", severity {format_severity(severity)}"
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
        f"{describe_figure(result.figures[spread.figure])}: no {spread.n_runs} "
        f"{'runs' if result.figures[spread.figure].folds == 1 else 'folds'} of "
        f"{spread.n_images:,} images have this mean and this standard deviation"
        for spread in result.spreads
        if spread.possible is False
    ]


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
    """Build a row for each source: the lowest and the highest value that it allows each metric.

    A printed matrix and figures beside it that agree with it are one row.
    """
    rows = []
    for source in list_sources(result):
        if _find_matrix_beside(source, result):
            continue
        row = {"source": name_source_and_metric(source, result)}
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


def _find_matrix_beside(source: SourceResult, result: ConsistencyResult) -> SourceResult | None:
    """Find a printed matrix in the same place as some figures, which it fixes and agrees with."""
    if source.matrix is not None or not source.possible:
        return None
    for pair in result.pairs:
        both = result.sources[pair.first], result.sources[pair.second]
        if pair.verdict == AGREE and any(one is source for one in both):
            other = both[1] if both[0] is source else both[0]
            if other.matrix is not None and (other.name, other.kind) == (source.name, source.kind):
                return other
    return None


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
            "severity": "" if pair.severity is None else format_severity(pair.severity),
            "what each allows": "; ".join(
                [_describe_clash(pair, result), *describe_notes(pair, result)]
            ),
            "a short reason": describe_pair_reason(pair, result),
        }
        for pair in result.contradicting_pairs
    ]


# ------------------------------------------------------------------ pairs of sources


def _describe_clash(pair: PairResult, result: ConsistencyResult) -> str:
    """Say what each of two sources allows of the metric in which they differ."""
    first, second = result.sources[pair.first], result.sources[pair.second]
    names = name_source(first, result), name_source(second, result)
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


def describe_sides(pair: PairResult, result: ConsistencyResult) -> tuple[str, str]:
    """Say what each of two sources allows of the metric in which they differ, for a table.

    Accuracies stand without the name of the metric. Beside a printed matrix: what is printed, and
    what the matrix gives. One text is empty where nothing can be said of one source alone.
    """
    first, second = result.sources[pair.first], result.sources[pair.second]
    if pair.clashes:
        shown = pair.clashes[:MAX_LISTED]
        figures = [result.figures[clash.figure] for clash in shown]
        more = [f"and {n} more"] if (n := len(pair.clashes) - len(shown)) else []
        prints = "; ".join([*map(_format_title_and_value, figures), *more])
        gives = "; ".join(
            _format_title_and_value(figure, _format_value_of_matrix(clash, result))
            for figure, clash in zip(figures, shown, strict=True)
        )
        matrix_gives = f"the matrix gives {gives}"
        return (matrix_gives, prints) if first.matrix is not None else (prints, matrix_gives)
    if first.matrix is not None and second.matrix is not None:
        return "", "no one matrix is printed like both"
    if (first.matrix, second.matrix) != (None, None):
        named = _name_figures([result.figures[i] for i in pair.reason], result, with_source=False)
        prints, gives = _join(named), "no matrix that is printed like this one gives that"
        return (gives, prints) if first.matrix is not None else (prints, gives)
    metric = _find_clashing_metric(pair, result)
    if metric is None:
        return "", "no one matrix gives both"
    title = "" if metric == "accuracy" else f"{METRICS[metric].title} "
    some, other = (_format_implied(metric, source.implied[metric]) for source in (first, second))
    return f"{title}{some}", f"{title}{other}"


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
    names = name_source(matrix, result), name_source(other, result)
    return f"{names[1]} beside {names[0]}: {'; '.join(found)}"


def describe_value_of_matrix(clash: Clash, result: ConsistencyResult) -> str:
    """Say how a figure is printed, and what a printed matrix gives for it."""
    title_and_value = _format_title_and_value(result.figures[clash.figure])
    return f"{title_and_value}, the matrix gives {_format_value_of_matrix(clash, result)}"


def _format_value_of_matrix(clash: Clash, result: ConsistencyResult) -> str:
    figure = result.figures[clash.figure]
    printed = _compute_interval_ends(figure, result.rounding)
    return _format_values((clash.low, clash.high), figure, differs_from=printed)


def describe_pair_reason(pair: PairResult, result: ConsistencyResult) -> str:
    """Describe the short conflict that makes a pair contradictory; empty if none was found.

    Beside a printed matrix there is none: the pair itself names the figures.
    """
    for conflict in result.conflicts:
        if conflict.members == pair.reason:
            return describe_reason(conflict, result) or describe_conflict(conflict, result)
    return ""


def describe_notes(pair: PairResult, result: ConsistencyResult) -> Iterator[str]:
    """Describe the alternative reading, and a condition of the contradiction."""
    if pair.alternative is not None:
        metric, severity = pair.alternative
        titles = ", ".join(METRICS[name].title for name in metric.split(", "))
        read = "they agree" if severity is None else format_severity(severity)
        yield f"read as {titles}: {read}"
    printed = [_collect_metrics(result.sources[i], result) for i in (pair.first, pair.second)]
    is_balanced = len(set(result.suite.n_per_class)) == 1
    if is_balanced and {"kappa"} in printed and {"informedness"} in printed:
        yield "the two are equal only on a balanced test set, as here"


def _collect_metrics(source: SourceResult, result: ConsistencyResult) -> set[str]:
    return {result.figures[i].metric for i in source.checked}


def find_joint_conflicts(result: ConsistencyResult) -> list[Conflict]:
    """Find the conflicts that no pair of sources and no source alone explains."""
    parts = [set(source.figures) for source in result.sources]
    parts += [parts[pair.first] | parts[pair.second] for pair in result.pairs]
    return [
        conflict for conflict in result.conflicts
        if not any(part.issuperset(conflict.members) for part in parts)
    ]  # fmt: skip


def name_source(source: SourceResult, result: ConsistencyResult) -> str:
    """Return the source's name, with the model and the kind of run where it is needed."""
    kind = describe_kind(source)
    more = [source.of or "no model"] if _has_several_models(result) else []
    more += [] if kind == "one run" else [kind.removeprefix("the ")]
    return f"{source.name} ({', '.join(more)})" if more else source.name


def _has_several_models(result: ConsistencyResult) -> bool:
    return len({source.of for source in list_sources(result)}) > 1


def format_severity(severity: float) -> str:
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
            names += [describe_figure(figure) for figure in members]
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


def _format_title_and_value(figure: ReportedFigure, value: str = "") -> str:
    """Return such as ``class 3 recall 0.99``, with a colon where the title ends with a number.

    ``value``: another value than the printed one.
    """
    colon = ":" if figure.predicted_as is not None else ""
    return f"{_format_metric_title(figure)}{colon} {value or _format_printed_value(figure)}"


def describe_figure(figure: ReportedFigure) -> str:
    """Name a figure by its place, its metric and its printed value."""
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
