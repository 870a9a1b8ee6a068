"""Draws the figures of one model: accuracy and loss after each epoch, and the confusion matrix.

A suite may report figures of one model in detail, its subject. That model has three figures of its
own. :mod:`fmbench.report.html.charts` draws the learning curves of every model for the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmbench.analysis.predictions import Curve, RunnerPredictions, SuitePredictions
from fmbench.analysis.summary import NO_RECORD
from fmbench.records.record import HELDOUT_ACCURACY, HELDOUT_LOSS, TRAIN_ACCURACY, TRAIN_LOSS
from fmbench.report.commands import build_commands_of
from fmbench.report.figures.style import (
    BLUE,
    INK,
    MUTED,
    VERMILLION,
    WIDTH,
    Drawing,
    MissingData,
    NotApplicable,
    use_figure_style,
)
from fmbench.utils.formatting import format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The values on the training and on the test images that a figure shows, by quantity.
CURVES = {
    "accuracy": (TRAIN_ACCURACY, HELDOUT_ACCURACY),
    "loss": (TRAIN_LOSS, HELDOUT_LOSS),
}
# The name of the figure of each quantity.
FIGURE_NAMES = {"accuracy": "accuracy-by-epoch", "loss": "loss-by-epoch"}
MAX_MARKED_EPOCHS = 20  # with more epochs, markers would hide the curve


def draw_accuracy_by_epoch(predictions: SuitePredictions) -> Drawing:
    """Draw the subject's accuracy after each epoch, on the training and on the test images.

    Raises:
        MissingData: there is no subject, no record of it, or no epochs in its records.
    """
    from matplotlib.figure import Figure

    label, train, test = find_subject_curves(predictions, "accuracy")
    with use_figure_style():
        figure = Figure((3.8, 2.8), layout="constrained")
        axes = figure.subplots()
        _plot_curves(axes, train, test, 100)
        claimed = predictions.subject.claimed if predictions.subject else None
        if claimed is not None:
            axes.axhline(100 * claimed, color=INK, lw=1, ls=(0, (4, 3)))
            axes.annotate(
                f"claimed: {100 * claimed:.2f}", (1, 100 * claimed), (0, 3), ha="right",
                xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=8,
            )  # fmt: skip
            axes.set_ylim(top=100)
        axes.set_ylabel("accuracy (%)")
    last = f"{100 * train.mean[-1]:.2f} % on the training images, {100 * test.mean[-1]:.2f} %"
    return Drawing(
        figure,
        build_title(predictions, "accuracy-by-epoch", f"accuracy of {label} after each epoch"),
        describe_curves("accuracy", test),
        f"Two rising curves. After {test.epochs[-1]} epochs: {last} on the test images.",
    )  # fmt: skip


def draw_loss_by_epoch(predictions: SuitePredictions) -> Drawing:
    """Draw the subject's loss after each epoch, on the training and on the test images.

    Raises:
        MissingData: see :func:`draw_accuracy_by_epoch`.
    """
    from matplotlib.figure import Figure

    label, train, test = find_subject_curves(predictions, "loss")
    with use_figure_style():
        figure = Figure((3.8, 2.8), layout="constrained")
        axes = figure.subplots()
        _plot_curves(axes, train, test, 1)
        axes.set_ylabel("loss (cross-entropy, nats)")
        axes.set_ylim(bottom=0)
    return Drawing(
        figure, build_title(predictions, "loss-by-epoch", f"loss of {label} after each epoch"),
        describe_curves("loss", test),
        f"Two falling curves. After {test.epochs[-1]} epochs: {train.mean[-1]:.3f} on the training "
        f"images, {test.mean[-1]:.3f} on the test images.",
    )  # fmt: skip


def draw_confusion_matrix(predictions: SuitePredictions) -> Drawing:
    """Draw the subject's confusion matrix, the mean over its seeds.

    Raises:
        MissingData: there is no subject, or no record of it.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    label, measured = _find_subject(predictions)
    matrix = measured.confusions.mean(axis=0)
    sizes = matrix.sum(axis=1)
    classes = measured.configuration.dataset.classes
    n = len(classes)
    wrong = matrix - np.diag(np.diag(matrix))
    largest_wrong = max(1.0, wrong.max())
    with use_figure_style():
        figure = Figure((WIDTH * 0.86, 4.9), layout="constrained")
        axes = figure.subplots()
        for i, j in np.ndindex(n, n):
            # Light enough that the number on it can be read on a light and on a dark page.
            if i == j:
                colour, alpha = BLUE, 0.5 * matrix[i, j] / sizes[i]
            else:
                colour, alpha = VERMILLION, 0.7 * (matrix[i, j] / largest_wrong) ** 0.5
            axes.add_patch(
                Rectangle((j - 0.48, i - 0.48), 0.96, 0.96, facecolor=colour, alpha=alpha, lw=0)
            )
            axes.text(
                j, i, format_count(matrix[i, j]), ha="center", va="center", fontsize=8,
                color=INK if matrix[i, j] >= 0.5 else MUTED,
            )  # fmt: skip
        axes.set(
            xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5),
            xlabel="predicted class", ylabel="true class",
        )  # fmt: skip
        axes.set_xticks(range(n), classes, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(n), classes)
        axes.grid(False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    n_most, i, j = max((matrix[i, j], i, j) for i, j in np.ndindex(n, n) if i != j)
    return Drawing(
        figure, build_title(predictions, "confusion-matrix", f"confusion matrix of {label}"),
        f"Number of test images by true class (rows) and predicted class (columns). Each class has "
        f"{sizes[0]:,.0f} images; the numbers are means over n = {measured.n} seeds. Blue: right. "
        "Orange: wrong; the darker, the more images.",
        f"The most frequent error: {n_most:.0f} of the {sizes[i]:,.0f} images of {classes[i]} are "
        f"classified as {classes[j]}.",
    )  # fmt: skip


def _find_subject(predictions: SuitePredictions) -> tuple[str, RunnerPredictions]:
    """Return the label of the subject's row, and its records or fmbench's own measurement."""
    row = predictions.subject
    if row is None:
        raise NotApplicable("no [[reported]] figure of the suite names a runner in `of`")
    measured = predictions.find(row.runner)
    if measured is None:
        raise MissingData(NO_RECORD)
    return row.label, measured


def build_title(predictions: SuitePredictions, name: str, content: str) -> str:
    """Begin with what the paper calls the figure, if the suite says so."""
    if own := predictions.results.suite.figure_titles.get(name):
        return f"{own}, measured: {content}"
    return content[0].upper() + content[1:]


def find_subject_curves(predictions: SuitePredictions, quantity: str) -> tuple[str, Curve, Curve]:
    """Find the subject's label, and its curves on the training and on the test images.

    Raises:
        MissingData: see :func:`draw_accuracy_by_epoch`.
    """
    label, measured = _find_subject(predictions)
    train, test = (measured.curve(name) for name in CURVES[quantity])
    if train is None or test is None:
        if measured.from_reference:
            command = build_commands_of(predictions.results).run(measured.configuration.name)
            raise MissingData(
                f"fmbench's own measurement comes without its epochs: `{command}` measures them"
            )
        raise MissingData(
            f"the records of {measured.configuration.name} have no {quantity} by epoch"
        )
    return label, train, test


def _plot_curves(axes: Axes, train: Curve, test: Curve, scale: float) -> None:
    """Plot both curves, multiplied by ``scale``, with their bands and a legend."""
    from matplotlib.ticker import MaxNLocator

    for curve, colour, marker, label in (
        (train, VERMILLION, "s", "training images"), (test, BLUE, "o", "test images"),
    ):  # fmt: skip
        few = len(curve.epochs) <= MAX_MARKED_EPOCHS
        axes.plot(
            curve.epochs, scale * curve.mean, color=colour, lw=1.4, label=label,
            marker=marker if few else "", ms=3.2,
        )  # fmt: skip
        if curve.n > 1:
            axes.fill_between(
                curve.epochs, scale * curve.low, scale * curve.high, color=colour, alpha=0.22, lw=0
            )
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.03)
    axes.legend()


def describe_curves(quantity: str, test: Curve) -> str:
    """Describe the subject's curves of a quantity: a caption."""
    text = {
        "accuracy": (
            "Training images: the mean over the epoch, while the model is still learning. Test "
            "images: measured at the end of the epoch."
        ),
        "loss": (
            "If the paper shows a validation loss, compare it with the loss on the test images."
        ),
    }[quantity]
    return f"{text} {describe_band(test)}"


def describe_band(curve: Curve) -> str:
    """Say what line and band of a curve are."""
    if curve.n == 1:
        return "One seed (n = 1)."
    return f"Line: mean of n = {curve.n} seeds. Band: from the lowest seed to the highest."
