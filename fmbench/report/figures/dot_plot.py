"""Draws the main chart: the claimed and the measured accuracy of every row on one axis."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from fmbench.analysis.evaluation import JudgedRow
from fmbench.analysis.predictions import SuitePredictions
from fmbench.analysis.statistics import CONFIDENCE_TEXT
from fmbench.report.figures.style import (
    COLOURS,
    GRID,
    INK,
    MUTED,
    PAPER,
    WIDTH,
    Drawing,
    use_figure_style,
)
from fmbench.report.row_texts import (
    BY_SOURCE_PROTOCOL,
    REFERENCE_MARK,
    count_verdicts,
    describe_reference,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

TITLE = "Claimed and measured accuracy"
MAX_LABEL = 52  # characters
LEGEND_LINE, LEGEND_COLUMNS = 0.16, 3  # inches
FEWEST_ROWS = 3  # for which there is space, so that axis and legend have theirs
TICK_STEP = 5  # percent between ticks
SOURCE_PROTOCOL_MARKER = "d"  # a thin diamond, never filled
MIN_SHIFT = 0.002  # of the source's protocol; a smaller one would hide the measured mark


def draw_dot_plot(predictions: SuitePredictions) -> Drawing:
    """Draw the claimed and the measured accuracy of every row, the highest claim first."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    rows = sort_by_claim(predictions.rows)
    with use_figure_style():
        handles = _build_legend_handles(rows)
        n_lines = math.ceil(len(handles) / LEGEND_COLUMNS)
        height = 0.5 + LEGEND_LINE * n_lines + 0.198 * max(len(rows), FEWEST_ROWS)
        figure = Figure((WIDTH, height), layout=ConstrainedLayoutEngine(h_pad=0.02))
        axes = figure.subplots()
        low, high = compute_axis_limits(rows)
        axes.set(xlim=(low, high), ylim=(len(rows) - 0.4, -0.6))
        for y, row in enumerate(rows):
            _draw_row(axes, y, row, bold=row is predictions.subject)
        _add_labels(axes, rows, predictions.subject)
        _add_gaps(axes, rows)
        axes.set_xlabel("accuracy on the test images (%)")
        axes.set_xticks(list_ticks(low, high))
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        figure.legend(
            handles=handles, loc="outside upper left", ncols=LEGEND_COLUMNS,
            handletextpad=0.5, columnspacing=1.2, labelspacing=0.4, borderaxespad=0.2,
        )  # fmt: skip
    return Drawing(figure, TITLE, write_dots_caption(predictions), describe_rows(rows))


def list_ticks(low: float, high: float) -> list[int]:
    """List the ticks of an axis of accuracies in percent."""
    return [tick for tick in range(math.ceil(low), int(high) + 1) if tick % TICK_STEP == 0]


def write_dots_caption(predictions: SuitePredictions) -> str:
    """Say what the marks of the main chart are, and how many rows are measured."""
    rows, n_images = predictions.rows, sum(predictions.results.suite.n_per_class)
    images = f"the same {n_images:,} test images"
    if len({row.dataset for row in rows}) > 1:
        images = "the test images of each row's data set"
    caption = f"Accuracy on {images}. "
    seeds = sorted({row.n for row in rows if row.mean is not None})
    if not seeds:
        return f"{caption}No row has been measured."
    n = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    n_measured = sum(row.mean is not None for row in rows)
    return (
        f"{caption}The thick bar is the {CONFIDENCE_TEXT} prediction interval of one new run; the "
        f"point hides it if it is narrow. {n_measured} of {len(rows)} rows are measured, each with "
        f"n = {n} seeds. A deterministic model gives the same result each time, so it needs one "
        f"seed and has no bar.{_describe_source_protocols(rows)}{_describe_reference(rows)}"
    )


def _describe_reference(rows: list[JudgedRow]) -> str:
    text = describe_reference(rows)
    return f" {REFERENCE_MARK} beside a label: {text}." if text else ""


def _make_label(row: JudgedRow) -> str:
    return f"{_shorten(row.label)}{f' {REFERENCE_MARK}' if row.from_reference else ''}"


def _describe_source_protocols(rows: list[JudgedRow]) -> str:
    n = sum(map(is_apart, rows))
    if not n:
        return ""
    number = "1 row" if n == 1 else f"{n} rows"
    return (
        f" A hollow diamond ({number}) is the accuracy by the source's own protocol, if that is "
        f"{100 * MIN_SHIFT:g} points or more from the honest one; its colour is that of the "
        "verdict by it."
    )


def sort_by_claim(rows: list[JudgedRow]) -> list[JudgedRow]:
    """Sort rows by their claim, the highest first; rows without a claim follow by their mean."""

    def rank(row: JudgedRow) -> tuple[float, float]:
        return -(row.claimed or 0.0), -(row.mean or 0.0)

    return sorted(rows, key=rank)


def _shorten(label: str, length: int = MAX_LABEL) -> str:
    return textwrap.shorten(label, length, placeholder=" …") or label[:length]


def _draw_row(axes: Axes, y: int, row: JudgedRow, *, bold: bool) -> None:
    axes.axhline(y, color=GRID, lw=0.6, zorder=0)
    claimed = None if row.claimed is None else 100 * row.claimed
    if row.mean is not None:
        style = row.verdict.kind.style
        colour, mean = COLOURS[style.page_colour], 100 * row.mean
        if claimed is not None:
            axes.plot([mean, claimed], [y, y], color=colour, lw=1.1, alpha=0.55, zorder=2)
        if row.low is not None and row.high is not None:
            ends = [100 * row.low, 100 * row.high]
            axes.plot(
                ends, [y, y], color=colour, lw=3.2, alpha=0.75, solid_capstyle="butt", zorder=3
            )
        axes.plot(
            mean, y, style.plot_marker, ms=style.plot_marker_size,
            mfc=colour if style.filled else PAPER, mec=colour, mew=1.1, zorder=5, clip_on=False,
        )  # fmt: skip
    if row.source_protocol and is_apart(row):
        axes.plot(
            100 * row.source_protocol.mean, y, SOURCE_PROTOCOL_MARKER, ms=5.5, mfc="none",
            mec=COLOURS[row.source_protocol.verdict.kind.style.page_colour], mew=1.1, zorder=7,
            clip_on=False,
        )  # fmt: skip
    if claimed is not None:
        axes.plot(
            claimed, y, "|", ms=10, color=INK, mew=2.2 if bold else 1.5, zorder=6, clip_on=False
        )


def is_apart(row: JudgedRow) -> bool:
    """Whether the source's own protocol gives another figure, far enough away to be seen."""
    if row.source_protocol is None or row.source_protocol.flatters is None:
        return False
    return abs(row.source_protocol.flatters) >= MIN_SHIFT


def _add_labels(axes: Axes, rows: list[JudgedRow], subject: JudgedRow | None) -> None:
    axes.set_yticks(range(len(rows)), list(map(_make_label, rows)))
    axes.tick_params(axis="y", length=0)
    for text, row in zip(axes.get_yticklabels(), rows, strict=True):
        text.set_fontweight("bold" if row is subject else "normal")
        text.set_color(MUTED if row.mean is None else INK)


def _add_gaps(axes: Axes, rows: list[JudgedRow]) -> None:
    """Write measured minus claimed at the right, or why there is no such number."""
    axes.annotate(
        "measured −\nclaimed", (1, 0), (46, 15), xycoords=("axes fraction", "data"), ha="right",
        textcoords="offset points", fontsize=7.5, color=MUTED, va="center", annotation_clip=False,
    )  # fmt: skip
    for y, row in enumerate(rows):
        if row.gap is not None:
            text = f"{round(100 * row.gap, 2) + 0.0:+.2f}".replace("-", "−")
        elif row.mean is not None:
            text = "no claim"
        else:
            text = row.verdict.word
        axes.annotate(
            text, (1, y), (46, 0), xycoords=("axes fraction", "data"), ha="right", va="center",
            textcoords="offset points", fontsize=8, annotation_clip=False,
            color=INK if row.gap is not None else MUTED,
        )  # fmt: skip


def _build_legend_handles(rows: list[JudgedRow]) -> list[Line2D]:
    """Explain the mark of a claim, and each verdict on a measured row with its number of rows."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], ls="", marker="|", ms=10, mew=2, color=INK, label="claimed")]
    for kind, n in count_verdicts([row for row in rows if row.mean is not None]).items():
        style = kind.style
        colour = COLOURS[style.page_colour]
        handles.append(
            Line2D([], [], color=colour, lw=2.6, marker=style.plot_marker,
                   ms=style.plot_marker_size, mfc=colour if style.filled else PAPER, mew=1.1,
                   label=f"{kind.word} ({n})")
        )  # fmt: skip
    if any(map(is_apart, rows)):
        handles.append(
            Line2D([], [], ls="", marker=SOURCE_PROTOCOL_MARKER, ms=5.5, mfc="none", mec=INK,
                   mew=1.1, label=BY_SOURCE_PROTOCOL)
        )  # fmt: skip
    return handles


def compute_axis_limits(rows: list[JudgedRow]) -> tuple[float, float]:
    """Return limits in percent that hold everything drawn; the lower one is a multiple of 5."""
    shown = [value for row in rows for value in (row.claimed, row.mean, row.low)]
    shown += [row.source_protocol.mean for row in rows if row.source_protocol]
    lowest = 100 * min((value for value in shown if value is not None), default=0.5)
    return TICK_STEP * math.floor((lowest - 0.5) / TICK_STEP), 100.0


def describe_rows(rows: list[JudgedRow]) -> str:
    """Say in words what the main chart shows."""
    counts = "; ".join(f"{n} {kind.word}" for kind, n in count_verdicts(rows).items())
    return (
        f"Claimed and measured accuracy of {len(rows)} rows: {counts}. The table has the numbers."
    )
