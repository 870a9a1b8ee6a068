"""Formats the result of :mod:`fmbench.consistency.check` as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from fmbench.consistency.check import ConsistencyResult
from fmbench.consistency.conflicts import Conflict, ValueRange
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import ReportedFigure
from fmbench.suites.rounding import parse_figure

MAX_LISTED = 6  # figures that are named in one contradiction; the rest are only counted


def format_result(result: ConsistencyResult) -> str:
    """Format the figures with the accuracy that each implies, then the contradictions."""
    from tabulate import tabulate

    suite, reported = result.suite, result.suite.reported
    sizes = sorted(set(suite.n_per_class))
    each = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    parts = [
        f"{suite.title}\n{sum(suite.n_per_class):,} test images in {len(suite.n_per_class)} "
        f"classes of {each}; figures rounded: {result.rounding}",
        tabulate(
            build_figure_rows(result), headers="keys", tablefmt="simple", disable_numparse=True
        ),
        "\n".join(_describe_verdict(result)),
    ]
    if result.not_checked:
        parts.append("Not checked:")
        parts[-1] += "".join(
            f"\n- {_describe_figure(reported[i])}: {why}"
            for i, why in sorted(result.not_checked.items())
        )
    if suite.not_transcribed:
        parts.append("Not transcribed, so not checked:")
        parts[-1] += "".join(f"\n- {m.where}, {m.what}: {m.why}" for m in suite.not_transcribed)
    return "\n\n".join(parts) + "\n"


def build_figure_rows(result: ConsistencyResult) -> list[dict[str, str]]:
    """Return each reported figure and the accuracy that it implies; all rows have the same keys."""
    reported, rows = result.suite.reported, []
    for i, figure in enumerate(reported):
        row = {"of": figure.of or ""} if len({other.of for other in reported}) > 1 else {}
        row |= {
            "where": figure.where,
            "figure": _format_metric_title(figure),
            "printed": _format_printed_value(figure),
            "means": _format_values(_compute_interval_ends(figure, result.rounding), figure),
            "accuracy must be": _format_implied_accuracy(result, i),
        }
        rows.append(row)
    return rows


def describe_conflict(conflict: Conflict, result: ConsistencyResult) -> str:
    """Describe a contradiction in one sentence: which figures, and what they would force."""
    figures = [result.suite.reported[i] for i in conflict.members]
    names = _join([_describe_figure(figure) for figure in figures])
    both = "both" if len(figures) == 2 else "all"
    if len(figures) == 1:
        return f"{names}: no confusion matrix of this test set gives this value"
    if len({(figure.metric, figure.class_) for figure in figures}) == 1:
        return f"{names}: no {_format_metric_title(figures[0])} can be printed as {both} values"
    if conflict.forced_figure is None or conflict.forced_range is None:
        return f"{names} cannot {both} be true"
    forced = result.suite.reported[conflict.forced_figure]
    others = [figure for figure in figures if figure is not forced]
    causes = _join(
        [f"{_format_metric_title(figure)} {_format_printed_value(figure)}" for figure in others]
    )
    force = "forces" if len(others) == 1 else "force"
    printed = _compute_interval_ends(forced, result.rounding)
    value = _format_values(conflict.forced_range, forced, differs_from=printed)
    return f"{names}: {causes} {force} {_format_metric_title(forced)} {value}"


def _describe_verdict(result: ConsistencyResult) -> Iterator[str]:
    conflicts = result.conflicts
    if not conflicts:
        n_checked = len(result.suite.reported) - len(result.not_checked)
        figures = "all figures" if not result.not_checked else f"the {n_checked} checked figures"
        yield f"Consistent: {figures} can be true together."
        return
    yield (
        f"Contradictory: {len(conflicts)} contradiction{'s' * (len(conflicts) > 1)}; in each, at "
        "least one figure is wrong."
    )
    for number, conflict in enumerate(conflicts, 1):
        yield f"{number}. {describe_conflict(conflict, result)}."
    if not result.complete:
        yield "The search reached its limit: there may be more contradictions."


def _join(names: list[str]) -> str:
    if len(names) > MAX_LISTED:
        names = [*names[: MAX_LISTED - 1], f"{len(names) - MAX_LISTED + 1} more"]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _format_metric_title(figure: ReportedFigure) -> str:
    title = METRICS[figure.metric].title
    if figure.class_ is not None:
        title = f"class {figure.class_} {title}"
    if figure.average:
        title = f"{figure.average} {title}"
    return title if figure.mean_of == 1 else f"{figure.mean_of}-run {title}"


def _describe_figure(figure: ReportedFigure) -> str:
    title = _format_metric_title(figure)
    if figure.class_ is not None and figure.where.endswith(f"class {figure.class_}"):
        title = title.replace(f"class {figure.class_} ", "")
    return f"{figure.where} {title} {_format_printed_value(figure)}"


def _format_printed_value(figure: ReportedFigure) -> str:
    """Return the figure as printed, with a percent sign if it is a percentage."""
    digits = figure.value.strip().removesuffix("%").strip()
    return f"{digits} %" if _is_percentage(figure) else digits


def _is_percentage(figure: ReportedFigure) -> bool:
    text = figure.value.strip()
    return METRICS[figure.metric].can_be_percentage and (text.endswith("%") or Decimal(text) > 1)


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
