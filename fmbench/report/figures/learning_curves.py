"""TODO docstring."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fmbench.analysis.predictions import Curve, Details, Measured
from fmbench.report.figures.style import (
    BLUE,
    INK,
    VERMILLION,
    WIDTH,
    Drawing,
    Missing,
    style,
)


def accuracy_by_epoch(details: Details) -> Drawing:
    """Figure 5: accuracy against epochs, on the training and on the test images."""
    name, train, test = _curves(details, "accuracy")
    with style():
        figure = Figure((3.8, 2.8), layout="constrained")
        axes = figure.subplots()
        _plot(axes, train, test, 100)
        claimed = details.subject.claimed if details.subject else None
        if claimed is not None:
            axes.axhline(100 * claimed, color=INK, lw=1, ls=(0, (4, 3)))
            axes.annotate(
                f"claimed: {100 * claimed:.2f}", (1, 100 * claimed), (0, 3), ha="right",
                xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=8,
            )  # fmt: skip
            axes.set_ylim(top=100)
        axes.set_ylabel("accuracy (%)")
    last = f"{100 * train.mean[-1]:.2f} % of the training images, {100 * test.mean[-1]:.2f} %"
    return Drawing(
        figure, f"Figure 5, measured: accuracy of {name} after each epoch",
        f"Training: the running mean while the epoch goes on; test: all test images, after it. "
        f"{_band(test)}",
        f"Two rising lines. After {test.epochs[-1]} epochs: {last} of the test images.",
    )  # fmt: skip


def loss_by_epoch(details: Details) -> Drawing:
    """Figure 6: training against validation loss; the latter is that of the test images."""
    name, train, test = _curves(details, "loss")
    with style():
        figure = Figure((3.8, 2.8), layout="constrained")
        axes = figure.subplots()
        _plot(axes, train, test, 1)
        axes.set_ylabel("loss (cross-entropy, nats)")
        axes.set_ylim(bottom=0)
    return Drawing(
        figure, f"Figure 6, measured: loss of {name} after each epoch",
        f"The paper's validation images are not named; these are the test images. {_band(test)}",
        f"Two falling lines. After {test.epochs[-1]} epochs: {train.mean[-1]:.3f} on the training "
        f"images, {test.mean[-1]:.3f} on the test images.",
    )  # fmt: skip


def learning_curves(measured: Measured) -> Drawing | None:
    """Accuracy and loss of any runner side by side; None where its records hold no epochs."""
    curves = [
        (measured.curve(f"train_{what}"), measured.curve(f"heldout_{what}"))
        for what in ("accuracy", "loss")
    ]
    (train, test), (train_loss, test_loss) = curves
    if train is None or test is None or train_loss is None or test_loss is None:
        return None
    with style():
        figure = Figure((WIDTH, 2.3))
        # A layout by hand: one that is found takes as long again as the drawing.
        left, right = figure.subplots(
            1,
            2,
            gridspec_kw={"left": 0.085, "right": 0.99, "top": 0.97, "bottom": 0.2, "wspace": 0.24},
        )
        _plot(left, train, test, 100)
        left.set_ylabel("accuracy (%)")
        _plot(right, train_loss, test_loss, 1)
        right.set_ylabel("loss")
    last = f"{100 * test.mean[-1]:.2f} % of the test images"
    return Drawing(
        figure, f"Learning curves of {measured.entry.name}", _band(test),
        f"Accuracy and loss on training and test images; after {test.epochs[-1]} epochs {last}.",
    )  # fmt: skip


def _subject(details: Details) -> tuple[str, Measured]:
    line = details.subject
    if line is None:
        raise Missing("the suite reports no figure `of` a runner")
    if line.row.runner not in details.measured:
        raise Missing("no record")
    return line.row.label, details.measured[line.row.runner]


def _curves(details: Details, what: str) -> tuple[str, Curve, Curve]:
    name, measured = _subject(details)
    train, test = measured.curve(f"train_{what}"), measured.curve(f"heldout_{what}")
    if train is None or test is None:
        raise Missing(f"the records of {measured.entry.name} hold no {what} by epoch")
    return name, train, test


def _plot(axes: Axes, train: Curve, test: Curve, unit: float) -> None:
    """Both curves with their bands, named at their ends' legend."""
    for curve, colour, marker, label in (
        (train, VERMILLION, "s", "training images"), (test, BLUE, "o", "test images"),
    ):  # fmt: skip
        few = len(curve.epochs) <= 20
        axes.plot(
            curve.epochs, unit * curve.mean, color=colour, lw=1.4, label=label,
            marker=marker if few else "", ms=3.2,
        )  # fmt: skip
        if curve.n > 1:
            axes.fill_between(
                curve.epochs, unit * curve.low, unit * curve.high, color=colour, alpha=0.22, lw=0
            )
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.03)
    axes.legend()


def _band(curve: Curve) -> str:
    if curve.n == 1:
        return "n = 1 seed."
    return f"Line: mean of n = {curve.n} seeds; band: the lowest to the highest of them."
