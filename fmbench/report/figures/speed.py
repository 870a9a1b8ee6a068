"""Speed against accuracy: what each model costs, beside what it gets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from fmbench.analysis.predictions import Details
from fmbench.datasets.specs import FASHION_MNIST
from fmbench.report.figures.style import BLUE, INK, VERMILLION, WIDTH, Drawing, Missing, style

ACCURACIES = (50, 60, 70, 75, 80, 85, 88, 90, 92, 94, 96, 98, 99)
SECONDS = (0.1, 1, 10, 60, 600, 3600, 36000)
TIMES = ("0.1 s", "1 s", "10 s", "1 min", "10 min", "1 h", "10 h")


def speed(details: Details) -> Drawing:
    """Seconds of one fit (logarithmic) against test accuracy (by the logarithm of its error)."""
    found = [
        (line.summary.runner, line.summary.fit_seconds, line.mean)
        for line in {line.row.runner: line for line in details.lines}.values()
        if line.summary
        and line.mean is not None
        and line.summary.fit_seconds
        and line.row.dataset == FASHION_MNIST.name
    ]
    if not found:
        raise Missing("no record")
    names = [name for name, _, _ in found]
    seconds = np.array([s for _, s, _ in found])
    errors = 1 - np.array([mean for _, _, mean in found])
    subject = details.outcome.suite.subject
    with style():
        figure = Figure((WIDTH, 4.4), layout="constrained")
        axes = figure.subplots()
        axes.set(xscale="log", yscale="log")
        axes.set_xlim(seconds.min() / 1.8, seconds.max() * 2.4)
        axes.set_ylim(errors.max() * 1.12, errors.min() / 1.12)
        axes.set_yticks([1 - a / 100 for a in ACCURACIES], [str(a) for a in ACCURACIES])
        axes.set_xticks(SECONDS, TIMES)
        axes.set_ylim(errors.max() * 1.12, errors.min() / 1.12)
        axes.set_xlim(seconds.min() / 1.8, seconds.max() * 2.4)
        axes.minorticks_off()
        colours = [VERMILLION if name == subject else BLUE for name in names]
        axes.scatter(seconds, errors, s=26, c=colours, zorder=3, lw=0)
        axes.set_xlabel("time of one fit (logarithmic)")
        axes.set_ylabel("test accuracy (%), by the logarithm of the error")
        _place(figure, axes, names, seconds, errors, subject)
    devices = sorted({r.device for m in details.here for r in m.records})
    threads = sorted({r.threads for m in details.here for r in m.records})
    jobs = sorted({r.jobs for m in details.here for r in m.records})
    return Drawing(
        figure, "Speed against accuracy",
        f"Means over the seeds; n = {len(found)} models, {details.n_records} runs. Device: "
        f"{', '.join(devices)}; {_span(threads)} thread(s) each, up to {_span(jobs)} cell(s) at a "
        "time. Seconds are those of the run as it went, with whatever ran beside it.",
        "; ".join(f"{n}: {s:.1f} s, {100 * (1 - e):.2f} %"
                  for n, s, e in zip(names, seconds, errors, strict=True)),
    )  # fmt: skip


def _span(values: list[int]) -> str:
    return f"{values[0]}" if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _place(
    figure: Figure, axes: Axes, names: list[str], x: np.ndarray, y: np.ndarray, subject: str | None
) -> None:
    """Name each point where its name covers neither a point nor another name, if possible."""
    figure.draw_without_rendering()  # so that the layout is final and extents are known
    figure.set_layout_engine("none")
    points = axes.transData.transform(np.column_stack([x, y]))
    taken = [Bbox.from_bounds(px - 6, py - 6, 12, 12) for px, py in points]
    frame = axes.get_window_extent()
    for i in np.argsort(points[:, 0]):
        best: tuple[float, Annotation] | None = None
        for annotation in _candidates(axes, names[i], x[i], y[i], bold=names[i] == subject):
            box = annotation.get_window_extent()
            others = [t for j, t in enumerate(taken) if j != i]
            cost = sum(_overlap(box, other) for other in others)
            cost += box.width * box.height - _overlap(box, frame)  # what lies outside
            if best is None or cost < best[0] - 1e-6:
                if best:
                    best[1].remove()
                best = cost, annotation
            else:
                annotation.remove()
            if cost == 0:
                break
        if best:
            # With a space on either side: names that touch read as one.
            taken.append(best[1].get_window_extent().padded(5, 0))


def _candidates(axes: Axes, name: str, x: float, y: float, *, bold: bool) -> Iterator[Annotation]:
    """The name right of its point, left, above, below, then farther away."""
    for dx, dy in (
        (6, 0), (-6, 0), (0, 8), (0, -8), (5, 6), (5, -6), (-5, 6), (-5, -6),
        (6, 11), (6, -11), (-6, 11), (-6, -11), (0, 15), (0, -15),
    ):  # fmt: skip
        yield axes.annotate(
            name, (x, y), (dx, dy), textcoords="offset points", fontsize=7.5, color=INK,
            ha="left" if dx > 0 else "right" if dx < 0 else "center", va="center",
            fontweight="bold" if bold else "normal", zorder=4,
        )  # fmt: skip


def _overlap(a: Bbox, b: Bbox) -> float:
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(0.0, width) * max(0.0, height)
