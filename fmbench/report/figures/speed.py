"""Draws the figure of training time and accuracy: one point for each model.

Models that fmbench's own run has measured have hollow points: their seconds are those of another
machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmbench.analysis.predictions import SuitePredictions
from fmbench.analysis.summary import NO_RECORD
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.report.figures.style import (
    BLUE,
    INK,
    PAPER,
    VERMILLION,
    WIDTH,
    Drawing,
    MissingData,
    use_figure_style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

TITLE = "Training time and accuracy"
ACCURACY_TICKS = (50, 60, 70, 75, 80, 85, 88, 90, 92, 94, 96, 98, 99)
TIME_TICKS = {  # seconds, and what the axis calls them
    0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 36000: "10 h",
}  # fmt: skip


@dataclass(frozen=True)
class SpeedPoint:
    """One model: the seconds of one fit and the test accuracy (a fraction), means over ``n`` seeds.

    ``from_reference``: they are those of fmbench's own run.
    """

    runner: str
    seconds: float
    accuracy: float
    n: int
    device: str
    from_reference: bool


def collect_speed_points(predictions: SuitePredictions) -> list[SpeedPoint]:
    """Collect a point for each measured model on the default data set, in the order of the rows."""
    return [
        SpeedPoint(row.runner, row.fit_seconds, row.mean, row.n, row.device, row.from_reference)
        for row in {row.runner: row for row in predictions.rows}.values()
        if row.mean is not None and row.fit_seconds and row.dataset == DEFAULT_DATASET.name
    ]


def draw_speed(predictions: SuitePredictions) -> Drawing:
    """Draw the seconds of one fit against the test accuracy, both axes logarithmic.

    The vertical axis is the logarithm of the error, so that differences between good models show.

    Raises:
        MissingData: no model has been measured.
    """
    from matplotlib.figure import Figure

    points = collect_speed_points(predictions)
    if not points:
        raise MissingData(NO_RECORD)
    names = [point.runner for point in points]
    seconds = np.array([point.seconds for point in points])
    # A logarithm needs an error above zero.
    errors = np.maximum(1 - np.array([point.accuracy for point in points]), 1e-4)
    subject = predictions.results.suite.subject
    with use_figure_style():
        figure = Figure((WIDTH, 4.4), layout="constrained")
        axes = figure.subplots()
        axes.set(xscale="log", yscale="log")
        axes.set_yticks([1 - a / 100 for a in ACCURACY_TICKS], [str(a) for a in ACCURACY_TICKS])
        axes.set_xticks(list(TIME_TICKS), list(TIME_TICKS.values()))
        axes.set_ylim(errors.max() * 1.12, errors.min() / 1.12)
        axes.set_xlim(seconds.min() / 1.8, seconds.max() * 2.4)
        axes.minorticks_off()
        colours = [VERMILLION if name == subject else BLUE for name in names]
        fills = [
            PAPER if point.from_reference else colour
            for point, colour in zip(points, colours, strict=True)
        ]
        axes.scatter(seconds, errors, s=26, c=fills, edgecolors=colours, zorder=3, lw=1)
        axes.set_xlabel("training time of one run (logarithmic scale)")
        axes.set_ylabel("test accuracy (%), logarithmic scale of the error")
        _add_names(figure, axes, names, seconds, errors, subject)
    return Drawing(
        figure, TITLE, write_speed_caption(predictions, points),
        "; ".join(f"{p.runner}: {p.seconds:.1f} s, {100 * p.accuracy:.2f} %" for p in points),
    )  # fmt: skip


def write_speed_caption(predictions: SuitePredictions, points: Sequence[SpeedPoint]) -> str:
    """Say how many models and runs the points are, and on which devices they were measured."""
    n_runs = sum(point.n for point in points)
    parts = [
        "One point for each model, the mean over its seeds: "
        f"n = {len(points)} model{'s' if len(points) > 1 else ''}, {n_runs} runs."
    ]
    here = [point for point in points if not point.from_reference]
    if here:
        records = [r for measured in predictions.on_default_dataset for r in measured.records]
        threads = sorted({record.threads for record in records})
        parts.append(
            f"Device: {', '.join(sorted({point.device for point in here}))}. Threads for each run: "
            f"{_format_range(threads)}. Runs at the same time: at most "
            f"{max(record.jobs for record in records)}. Other programs may have slowed the runs "
            "down."
        )
    if own := [point for point in points if point.from_reference]:
        devices = ", ".join(sorted({point.device for point in own}))
        parts.append(
            f"Hollow points ({len(own)}): fmbench's own measurement; their seconds are those of "
            f"another machine ({devices})."
        )
    return " ".join(parts)


def _format_range(values: list[int]) -> str:
    return f"{values[0]}" if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _add_names(
    figure: Figure, axes: Axes, names: list[str], x: np.ndarray, y: np.ndarray, subject: str | None
) -> None:
    """Write each name near its point; it covers no other point and no other name if possible."""
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()  # fixes the layout, so that the size of each text is known
    figure.set_layout_engine("none")
    points = axes.transData.transform(np.column_stack([x, y]))
    taken = [Bbox.from_bounds(px - 6, py - 6, 12, 12) for px, py in points]
    frame = axes.get_window_extent()
    for i in np.argsort(points[:, 0]):
        best: tuple[float, Annotation] | None = None
        for annotation in _try_positions(axes, names[i], x[i], y[i], bold=names[i] == subject):
            box = annotation.get_window_extent()
            others = [t for j, t in enumerate(taken) if j != i]
            cost = sum(_compute_overlap_area(box, other) for other in others)
            # The part of the name that is outside of the figure costs as much.
            cost += box.width * box.height - _compute_overlap_area(box, frame)
            if best is None or cost < best[0] - 1e-6:
                if best:
                    best[1].remove()
                best = cost, annotation
            else:
                annotation.remove()
            if cost == 0:
                break
        if best:
            # With some space on both sides, since names that touch look like one name.
            taken.append(best[1].get_window_extent().padded(5, 0))


def _try_positions(
    axes: Axes, name: str, x: float, y: float, *, bold: bool
) -> Iterator[Annotation]:
    """Yield the name right of its point, left of it, above, below, then farther away."""
    for dx, dy in (
        (6, 0), (-6, 0), (0, 8), (0, -8), (5, 6), (5, -6), (-5, 6), (-5, -6),
        (6, 11), (6, -11), (-6, 11), (-6, -11), (0, 15), (0, -15),
    ):  # fmt: skip
        yield axes.annotate(
            name, (x, y), (dx, dy), textcoords="offset points", fontsize=7.5, color=INK,
            ha="left" if dx > 0 else "right" if dx < 0 else "center", va="center",
            fontweight="bold" if bold else "normal", zorder=4,
        )  # fmt: skip


def _compute_overlap_area(a: Bbox, b: Bbox) -> float:
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(0.0, width) * max(0.0, height)
