"""The one chart: every row on one axis, what was claimed and what was measured of it."""

from __future__ import annotations

import math
import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from fmbench.analysis.predictions import Details, Line
from fmbench.analysis.verdicts import (
    CLAIM_HIGHER,
    CLAIM_LOWER,
    FAILED,
    INCONCLUSIVE,
    NOT_RUN,
    REPRODUCED,
    UNTESTABLE,
)
from fmbench.report.figures.style import (
    BLUE,
    GREEN,
    GRID,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    PURPLE,
    VERMILLION,
    WIDTH,
    Drawing,
    style,
)

# Colour, marker and size of each verdict on a measured row. A triangle points to where the
# measurement lies, seen from the claim.
LOOKS = {
    REPRODUCED: (GREEN, "o", 5.0),
    CLAIM_HIGHER: (VERMILLION, "<", 5.5),
    CLAIM_LOWER: (BLUE, ">", 5.5),
    INCONCLUSIVE: (ORANGE, "D", 4.2),
    UNTESTABLE: (MUTED, "o", 4.6),
    FAILED: (PURPLE, "X", 5.0),  # some seeds are measured, some failed
}
NARROW = 3.4  # inches: a phone
LONGEST = 52  # characters of a label
STEP = 5  # percent between ticks


def dot_plot(details: Details, *, narrow: bool = False) -> Drawing:
    """Claimed against measured, every row on one axis, the highest claim first.

    ``narrow``: for a phone, each label above its row.
    """
    lines = in_order(details.lines)
    per_line, beside = (0.29, 0.9) if narrow else (0.198, 0.85)
    with style():
        figure = Figure(
            (NARROW if narrow else WIDTH, beside + per_line * len(lines)),
            layout=ConstrainedLayoutEngine(h_pad=0.02),
        )
        axes = figure.subplots()
        low, high = _limits(lines)
        axes.set(xlim=(low, high), ylim=(len(lines) - 0.4, -0.9 if narrow else -0.6))
        for y, line in enumerate(lines):
            _row(axes, y, line, bold=line is details.subject)
        _labels(axes, lines, details.subject, narrow=narrow)
        if not narrow:
            _gaps(axes, lines)
        axes.set_xlabel("accuracy on the test images (%)")
        axes.set_xticks([tick for tick in range(math.ceil(low), int(high) + 1) if tick % STEP == 0])
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        figure.legend(
            handles=_legend(lines), loc="outside upper left", ncols=1 if narrow else 4,
            handletextpad=0.5, columnspacing=1.2, labelspacing=0.4, borderaxespad=0.2,
        )  # fmt: skip
    measured = [line for line in lines if line.mean is not None]
    seeds = sorted({line.n for line in measured})
    n = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}" if seeds else "0"
    one = len({line.row.dataset for line in lines}) == 1
    images = f"the same {sum(details.outcome.suite.n_per_class):,} test images"
    if not one:
        images = "the test images of each row's data set"
    caption = (
        f"Accuracy on {images}. Line through a point: 95 % prediction interval of one new run, "
        f"where it is wider than the point. {len(measured)} of "
        f"{len(lines)} rows are measured, each with n = {n} seeds; a deterministic row needs "
        "one and has no spread."
    )
    return Drawing(figure, "Claimed against measured", caption, _in_words(lines))


def in_order(lines: list[Line]) -> list[Line]:
    """The highest claim first; rows without a claim last, by what was measured."""

    def rank(line: Line) -> tuple[float, float]:
        return -(line.claimed or 0.0), -(line.mean or 0.0)

    return sorted(lines, key=rank)


def short(label: str, length: int = LONGEST) -> str:
    """A label that fits."""
    return textwrap.shorten(label, length, placeholder=" …") or label[:length]


def _row(axes: Axes, y: int, line: Line, *, bold: bool) -> None:
    axes.axhline(y, color=GRID, lw=0.6, zorder=0)
    claimed = None if line.claimed is None else 100 * line.claimed
    if line.mean is not None and line.summary is not None:
        colour, marker, size = LOOKS.get(line.verdict.word, LOOKS[UNTESTABLE])
        mean = 100 * line.mean
        if claimed is not None:
            axes.plot([mean, claimed], [y, y], color=colour, lw=1.1, alpha=0.55, zorder=2)
        if line.summary.low is not None and line.summary.high is not None:
            ends = [100 * line.summary.low, 100 * line.summary.high]
            axes.plot(
                ends, [y, y], color=colour, lw=3.2, alpha=0.75, solid_capstyle="butt", zorder=3
            )
        filled = PAPER if line.verdict.word == UNTESTABLE else colour
        axes.plot(
            mean, y, marker, ms=size, mfc=filled, mec=colour, mew=1.1, zorder=5, clip_on=False
        )
    if claimed is not None:
        axes.plot(
            claimed, y, "|", ms=10, color=INK, mew=2.2 if bold else 1.5, zorder=6, clip_on=False
        )


def _labels(axes: Axes, lines: list[Line], subject: Line | None, *, narrow: bool) -> None:
    if narrow:
        axes.set_yticks([])
        for y, line in enumerate(lines):
            axes.annotate(
                short(line.row.label), (0, y), (0, 6.5), xycoords=("axes fraction", "data"),
                textcoords="offset points", fontsize=7.2, va="center",
                color=MUTED if line.mean is None else INK,
                fontweight="bold" if line is subject else "normal",
            )  # fmt: skip
        return
    axes.set_yticks(range(len(lines)), [short(line.row.label) for line in lines])
    axes.tick_params(axis="y", length=0)
    for text, line in zip(axes.get_yticklabels(), lines, strict=True):
        text.set_fontweight("bold" if line is subject else "normal")
        text.set_color(MUTED if line.mean is None else INK)


def _gaps(axes: Axes, lines: list[Line]) -> None:
    """Measured minus claimed at the right, or why there is none."""
    axes.annotate(
        "measured −\nclaimed", (1, 0), (46, 15), xycoords=("axes fraction", "data"), ha="right",
        textcoords="offset points", fontsize=7.5, color=MUTED, va="center", annotation_clip=False,
    )  # fmt: skip
    for y, line in enumerate(lines):
        if line.gap is not None:
            text = f"{round(100 * line.gap, 2) + 0.0:+.2f}".replace("-", "−")
        elif line.mean is not None:
            text = "no claim"
        else:
            text = line.verdict.word
        axes.annotate(
            text, (1, y), (46, 0), xycoords=("axes fraction", "data"), ha="right", va="center",
            textcoords="offset points", fontsize=8, annotation_clip=False,
            color=INK if line.gap is not None else MUTED,
        )  # fmt: skip


def _legend(lines: list[Line]) -> list[Line2D]:
    words = [line.verdict.word for line in lines if line.mean is not None]
    handles = [
        Line2D([], [], ls="", marker="|", ms=10, mew=2, color=INK, label="claimed"),
    ]
    for word, (colour, marker, size) in LOOKS.items():
        if n := words.count(word):
            filled = PAPER if word == UNTESTABLE else colour
            handles.append(
                Line2D([], [], color=colour, lw=2.6, marker=marker, ms=size, mfc=filled,
                       mew=1.1, label=f"{word} ({n})")
            )  # fmt: skip
    return handles


def _limits(lines: list[Line]) -> tuple[float, float]:
    """Whole multiples of 5 % around everything drawn."""
    shown = [line.claimed for line in lines] + [line.mean for line in lines]
    shown += [line.summary.low for line in lines if line.summary]
    lowest = 100 * min((value for value in shown if value is not None), default=0.5)
    return STEP * math.floor((lowest - 0.5) / STEP), 100.0


def _in_words(lines: list[Line]) -> str:
    counts: dict[str, int] = {}
    for line in lines:
        counts[line.verdict.word] = counts.get(line.verdict.word, 0) + 1
    order = [*LOOKS, NOT_RUN]
    found = ", ".join(f"{counts[word]} {word}" for word in order if word in counts)
    return (
        f"Claimed and measured accuracy of {len(lines)} rows: {found}. The table has the figures."
    )
