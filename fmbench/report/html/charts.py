"""Draws the charts of the page as SVG and HTML, line by line and without matplotlib.

Matplotlib draws the files of `fmbench figures`; for a page it would take seconds, and a phone would
shrink its texts. The colours here are the variables of the page's style sheet.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fmbench.analysis.evaluation import JudgedRow
from fmbench.analysis.predictions import Curve, RunnerPredictions, SuitePredictions
from fmbench.analysis.summary import NO_RECORD
from fmbench.report.figures.dot_plot import (
    compute_axis_limits,
    is_apart,
    list_ticks,
    sort_by_claim,
)
from fmbench.report.figures.speed import (
    ACCURACY_TICKS,
    TIME_TICKS,
    TITLE,
    SpeedPoint,
    collect_speed_points,
    write_speed_caption,
)
from fmbench.report.figures.style import MissingData
from fmbench.report.figures.subject import (
    CURVES,
    FIGURE_NAMES,
    build_title,
    describe_band,
    describe_curves,
    find_subject_curves,
)
from fmbench.report.row_texts import REFERENCE_MARK
from fmbench.utils.formatting import format_duration


@dataclass(frozen=True)
class Chart:
    """A chart as an ``<svg>`` element of the page."""

    title: str
    caption: str
    svg: str


# ---------------------------------------------------------------- all rows on one axis


@dataclass(frozen=True)
class DotRow:
    """One row of the main chart; positions are in percent of the axis, or None."""

    label: str
    row: JudgedRow
    is_subject: bool
    claimed: float | None
    measured: float | None
    low: float | None  # of the prediction interval of one new run
    high: float | None
    by_source: float | None  # the accuracy by the source's protocol, where it can be seen apart

    @property
    def gap(self) -> tuple[float, float] | None:
        """From where to where the line between claim and measurement goes."""
        if self.claimed is None or self.measured is None:
            return None
        return min(self.claimed, self.measured), max(self.claimed, self.measured)


@dataclass(frozen=True)
class DotChart:
    """The claimed and the measured accuracy of every row on one axis."""

    rows: tuple[DotRow, ...]
    ticks: tuple[tuple[int, float], ...]  # accuracies in percent, and their positions
    step: float  # from tick to tick, in percent of the axis


def build_dot_chart(predictions: SuitePredictions) -> DotChart:
    """Place every row on the axis, the highest claim first."""
    rows = sort_by_claim(predictions.rows)
    low, high = compute_axis_limits(rows)

    def place(accuracy: float | None) -> float | None:
        if accuracy is None:
            return None
        return round(100 * (100 * accuracy - low) / (high - low), 2)

    placed = tuple(
        DotRow(
            f"{row.label}{f' {REFERENCE_MARK}' if row.from_reference else ''}", row,
            row is predictions.subject, place(row.claimed), place(row.mean),
            place(row.low if row.has_spread else None), place(row.high if row.has_spread else None),
            place(row.source_protocol.mean if row.source_protocol and is_apart(row) else None),
        )
        for row in rows
    )  # fmt: skip
    ticks = list_ticks(low, high)
    positions = [place(tick / 100) or 0.0 for tick in ticks]
    step = positions[1] - positions[0] if len(positions) > 1 else 100.0
    return DotChart(placed, tuple(zip(ticks, positions, strict=True)), round(step, 4))


# ---------------------------------------------------------------- learning curves

# In pixels of the page: the chart, and the margins around the area of the curves.
CURVES_WIDTH, CURVES_HEIGHT = 360, 210
LEFT, RIGHT, TOP, BOTTOM = 50, 10, 24, 40
MAX_TICKS = 6
AXIS_TITLES = {"accuracy": "accuracy (%)", "loss": "loss"}


@dataclass(frozen=True)
class LearningCurves:
    """Accuracy and loss after each epoch on the training and on the test images, and a caption."""

    charts: tuple[Chart, ...]
    caption: str


def draw_learning_curves(measured: RunnerPredictions) -> LearningCurves | None:
    """Draw accuracy and loss of a model; None if its records have no epochs."""
    charts = []
    caption = ""
    for quantity, names in CURVES.items():
        train, test = (measured.curve(name) for name in names)
        if train is None or test is None:
            return None
        title = f"{quantity.capitalize()} of {measured.configuration.name} after each epoch"
        caption = describe_band(test)
        charts.append(Chart(title, caption, _draw_curves(train, test, quantity, title)))
    return LearningCurves(tuple(charts), caption)


def draw_subject_curves(predictions: SuitePredictions, quantity: str) -> Chart:
    """Draw one quantity of the subject after each epoch, with the claim if it is the accuracy.

    Raises:
        MissingData: there is no subject, no record of it, or no epochs in its records.
    """
    label, train, test = find_subject_curves(predictions, quantity)
    title = build_title(
        predictions, FIGURE_NAMES[quantity], f"{quantity} of {label} after each epoch"
    )
    claimed = predictions.subject.claimed if predictions.subject else None
    svg = _draw_curves(train, test, quantity, title, claimed if quantity == "accuracy" else None)
    return Chart(title, describe_curves(quantity, test), svg)


def choose_ticks(low: float, high: float) -> list[float]:
    """Choose at most :data:`MAX_TICKS` round numbers from ``low`` to ``high``."""
    if not low < high:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / MAX_TICKS))
    steps = [factor * power for factor in (1, 2, 5, 10, 20)]
    step = next(s for s in steps if math.floor(high / s) - math.ceil(low / s) < MAX_TICKS)
    numbers = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [round(i * step, 12) for i in numbers]


@dataclass(frozen=True)
class _Axes:
    """Turns an epoch and a value into pixels."""

    first: float
    last: float
    low: float
    high: float

    def x(self, epoch: float) -> str:
        share = (epoch - self.first) / ((self.last - self.first) or 1)
        return f"{LEFT + share * (CURVES_WIDTH - LEFT - RIGHT):.1f}"

    def y(self, value: float) -> str:
        share = (value - self.low) / ((self.high - self.low) or 1)
        return f"{CURVES_HEIGHT - BOTTOM - share * (CURVES_HEIGHT - TOP - BOTTOM):.1f}"

    def points(self, epochs: Sequence[float], values: Sequence[float]) -> str:
        return " ".join(f"{self.x(e)},{self.y(v)}" for e, v in zip(epochs, values, strict=True))


def _draw_curves(
    train: Curve, test: Curve, quantity: str, title: str, claimed: float | None = None
) -> str:
    scale = 100 if quantity == "accuracy" else 1
    values = scale * np.concatenate([c for curve in (train, test) for c in (curve.low, curve.high)])
    values = values[np.isfinite(values)].tolist()
    if claimed is not None:
        values.append(100 * claimed)
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    space = 0.05 * (high - low) or 0.5
    axes = _Axes(float(train.epochs[0]), float(train.epochs[-1]), low - space, high + space)
    parts = _draw_axes(axes, AXIS_TITLES[quantity])
    for i, (curve, css_class, name) in enumerate(
        ((train, "train", "training images"), (test, "test", "test images"))
    ):
        parts += _draw_curve(curve, css_class, scale, axes)
        x = LEFT + 150 * i
        parts.append(f'<line class="{css_class}" x1="{x}" x2="{x + 22}" y1="10" y2="10"/>')
        parts.append(f'<text x="{x + 28}" y="10" dy=".35em">{name}</text>')
    if claimed is not None:
        y, right = axes.y(100 * claimed), CURVES_WIDTH - RIGHT
        parts.append(f'<line class="claimed" x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text x="{right}" y="{y}" dy="1.1em" text-anchor="end">claimed: '
            f"{100 * claimed:.2f}</text>"
        )
    last = ", ".join(
        f"{scale * curve.mean[-1]:.4g} on the {name} images"
        for curve, name in ((train, "training"), (test, "test"))
    )
    label = f"{title}. After {test.epochs[-1]} epochs: {last}."
    return _wrap("curves", CURVES_WIDTH, CURVES_HEIGHT, label, parts)


def _draw_axes(axes: _Axes, title: str) -> list[str]:
    right, bottom = CURVES_WIDTH - RIGHT, CURVES_HEIGHT - BOTTOM
    parts = []
    for tick in choose_ticks(axes.low, axes.high):
        y = axes.y(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y}" dy=".35em" text-anchor="end">{tick:g}</text>')
    parts += [
        f'<text x="{axes.x(tick)}" y="{bottom + 15}" text-anchor="middle">{tick:g}</text>'
        for tick in choose_ticks(axes.first, axes.last)
        if tick == int(tick)
    ]
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(
        f'<text x="{(LEFT + right) / 2:g}" y="{CURVES_HEIGHT - 6}" text-anchor="middle">'
        "epoch</text>"
    )
    parts.append(_write_upwards(12, (TOP + bottom) / 2, title))
    return parts


def _draw_curve(curve: Curve, css_class: str, scale: float, axes: _Axes) -> list[str]:
    """Draw the mean, and with several seeds the band from the lowest to the highest."""
    known = np.isfinite(curve.low) & np.isfinite(curve.high)
    epochs = curve.epochs[known].tolist()
    mean, low, high = ((scale * c[known]).tolist() for c in (curve.mean, curve.low, curve.high))
    parts = []
    if curve.n > 1:
        around = axes.points([*epochs, *epochs[::-1]], [*high, *low[::-1]])
        parts.append(f'<polygon class="{css_class}" points="{around}"/>')
    parts.append(f'<polyline class="{css_class}" points="{axes.points(epochs, mean)}"/>')
    return parts


# ---------------------------------------------------------------- training time and accuracy

SPEED_WIDTH, SPEED_HEIGHT = 720, 440
SPEED_LEFT, SPEED_RIGHT, SPEED_TOP, SPEED_BOTTOM = 60, 15, 12, 46
LETTER, LINE = 6.6, 13.0  # pixels: the width of an average letter, and the height of a line
# From a point to the middle of its name, and where the name is anchored.
PLACES = (
    (8, 0, "start"), (-8, 0, "end"), (0, -12, "middle"), (0, 12, "middle"), (7, -9, "start"),
    (7, 9, "start"), (-7, -9, "end"), (-7, 9, "end"), (8, -17, "start"), (8, 17, "start"),
    (-8, -17, "end"), (-8, 17, "end"), (0, -24, "middle"), (0, 24, "middle"),
)  # fmt: skip

Box = tuple[float, float, float, float]  # left, top, right, bottom


def draw_speed_chart(predictions: SuitePredictions) -> Chart:
    """Draw the seconds of one fit against the test accuracy, both axes logarithmic.

    Raises:
        MissingData: no model has been measured.
    """
    points = collect_speed_points(predictions)
    if not points:
        raise MissingData(NO_RECORD)
    errors = [max(1 - point.accuracy, 1e-4) for point in points]
    seconds = [point.seconds for point in points]
    left, right = math.log(min(seconds) / 1.5), math.log(max(seconds) * 1.9)
    top, bottom = math.log(min(errors) / 1.1), math.log(max(errors) * 1.1)

    def x(value: float) -> float:
        width = SPEED_WIDTH - SPEED_LEFT - SPEED_RIGHT
        return SPEED_LEFT + width * (math.log(value) - left) / (right - left)

    def y(error: float) -> float:
        height = SPEED_HEIGHT - SPEED_TOP - SPEED_BOTTOM
        return SPEED_TOP + height * (math.log(error) - top) / (bottom - top)

    parts = _draw_speed_axes(x, y)
    places = [(x(s), y(e)) for s, e in zip(seconds, errors, strict=True)]
    subject = predictions.results.suite.subject
    for point, (px, py), name in zip(points, places, _place_names(points, places), strict=True):
        classes = " ".join(
            ["point"] + ["own"] * point.from_reference + ["subject"] * (point.runner == subject)
        )
        parts.append(f'<circle class="{classes}" cx="{px:.1f}" cy="{py:.1f}" r="4"/>')
        parts.append(name)
    label = "; ".join(f"{p.runner}: {p.seconds:.1f} s, {100 * p.accuracy:.2f} %" for p in points)
    svg = _wrap("speed", SPEED_WIDTH, SPEED_HEIGHT, label, parts)
    return Chart(TITLE, write_speed_caption(predictions, points), svg)


def list_speed_bars(predictions: SuitePredictions) -> list[tuple[SpeedPoint, str, float]]:
    """List the points of the speed chart for a phone, the fastest model first.

    Each has its time in words, and the length of its bar in percent, which grows with the logarithm
    of the time.
    """
    points = sorted(collect_speed_points(predictions), key=lambda point: point.seconds)
    if not points:
        return []
    low, high = (math.log(point.seconds) for point in (points[0], points[-1]))
    return [
        (
            point,
            format_duration(point.seconds),
            round(4 + 96 * (math.log(point.seconds) - low) / ((high - low) or 1), 1),
        )
        for point in points
    ]


def _draw_speed_axes(x: Callable[[float], float], y: Callable[[float], float]) -> list[str]:
    right, bottom = SPEED_WIDTH - SPEED_RIGHT, SPEED_HEIGHT - SPEED_BOTTOM
    parts = []
    for accuracy in ACCURACY_TICKS:
        if SPEED_TOP <= (height := y(1 - accuracy / 100)) <= bottom:
            parts.append(
                f'<line class="grid" x1="{SPEED_LEFT}" x2="{right}" y1="{height:.1f}" '
                f'y2="{height:.1f}"/><text x="{SPEED_LEFT - 6}" y="{height:.1f}" dy=".35em" '
                f'text-anchor="end">{accuracy}</text>'
            )
    for seconds, name in TIME_TICKS.items():
        if SPEED_LEFT <= (place := x(seconds)) <= right:
            parts.append(
                f'<line class="grid" x1="{place:.1f}" x2="{place:.1f}" y1="{SPEED_TOP}" '
                f'y2="{bottom}"/><text x="{place:.1f}" y="{bottom + 17}" text-anchor="middle">'
                f"{name}</text>"
            )
    parts.append(f'<line class="axis" x1="{SPEED_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(
        f'<text x="{(SPEED_LEFT + right) / 2:g}" y="{SPEED_HEIGHT - 8}" text-anchor="middle">'
        "training time of one run (logarithmic scale)</text>"
    )
    title = "test accuracy (%), logarithmic scale of the error"
    parts.append(_write_upwards(16, (SPEED_TOP + bottom) / 2, title))
    return parts


def _place_names(points: Sequence[SpeedPoint], places: Sequence[tuple[float, float]]) -> list[str]:
    """Write each name near its point; it covers no other point and no other name if possible."""
    taken: list[Box] = [(px - 5, py - 5, px + 5, py + 5) for px, py in places]
    frame = (SPEED_LEFT, SPEED_TOP, SPEED_WIDTH - SPEED_RIGHT, SPEED_HEIGHT - SPEED_BOTTOM)
    names = [""] * len(points)
    for i in sorted(range(len(points)), key=lambda i: places[i]):
        (px, py), name = places[i], points[i].runner
        others = [box for j, box in enumerate(taken) if j != i]
        best = (math.inf, "", (0.0, 0.0, 0.0, 0.0))
        for dx, dy, anchor in PLACES:
            box = _compute_box(px + dx, py + dy, anchor, len(name))
            cost = sum(_compute_overlap(box, other) for other in others)
            # The part of the name that is outside of the chart costs as much.
            cost += (box[2] - box[0]) * LINE - _compute_overlap(box, frame)
            if cost < best[0] - 1e-6:
                text = (
                    f'<text class="name" x="{px + dx:.1f}" y="{py + dy:.1f}" dy=".35em" '
                    f'text-anchor="{anchor}">{html.escape(name)}</text>'
                )
                best = (cost, text, box)
            if cost <= 0:
                break
        names[i] = best[1]
        taken.append(best[2])
    return names


def _compute_box(x: float, y: float, anchor: str, n_letters: int) -> Box:
    width = LETTER * n_letters
    left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
    return left, y - LINE / 2, left + width, y + LINE / 2


def _compute_overlap(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)


def _write_upwards(x: float, y: float, text: str) -> str:
    return (
        f'<text transform="translate({x:g} {y:g}) rotate(-90)" text-anchor="middle">'
        f"{html.escape(text)}</text>"
    )


def _wrap(css_class: str, width: int, height: int, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="{css_class}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{html.escape(label, quote=True)}">{"".join(parts)}</svg>'
    )
