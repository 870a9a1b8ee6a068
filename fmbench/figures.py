"""The figures: Figures 5 to 7 of the paper as measured, and what no single table shows.

Each function takes what was gathered from a results folder and returns a drawing, or raises
:class:`Missing`. Sizes are in inches, of fonts in points as printed, accuracies in percent.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from fmbench.datasets import FASHION_MNIST, load_test_images
from fmbench.details import Curve, Details, Measured
from fmbench.dots import dot_plot
from fmbench.drawing import BLUE, INK, MUTED, VERMILLION, WIDTH, Drawing, Missing, style
from fmbench.errors import UserError
from fmbench.scatter import speed

N_HARD = 24


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


def confusion(details: Details) -> Drawing:
    """Figure 7: the subject's confusion matrix, the mean over its seeds."""
    name, measured = _subject(details)
    matrix = measured.confusions.mean(axis=0)
    sizes = matrix.sum(axis=1)
    classes = FASHION_MNIST.classes
    with style():
        figure = Figure((WIDTH * 0.86, 4.9), layout="constrained")
        axes = figure.subplots()
        worst = max(1.0, (matrix - np.diag(np.diag(matrix))).max())
        for i in range(len(classes)):
            for j in range(len(classes)):
                right = i == j
                # Never so deep that the figure on it could not be read, on a page of any colour.
                depth = (
                    matrix[i, j] / sizes[i] * 0.5 if right else 0.7 * (matrix[i, j] / worst) ** 0.5
                )
                axes.add_patch(Rectangle(
                    (j - 0.48, i - 0.48), 0.96, 0.96, alpha=depth, lw=0,
                    facecolor=BLUE if right else VERMILLION,
                ))  # fmt: skip
                axes.text(
                    j, i, count(matrix[i, j]), ha="center", va="center", fontsize=8,
                    color=INK if matrix[i, j] >= 0.5 else MUTED,
                )  # fmt: skip
        axes.set(xlim=(-0.5, 9.5), ylim=(9.5, -0.5), xlabel="predicted class", ylabel="true class")
        axes.set_xticks(range(10), classes, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(10), classes)
        axes.grid(False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    off = [(matrix[i, j], i, j) for i in range(10) for j in range(10) if i != j]
    n_most, i, j = max(off)
    return Drawing(
        figure, f"Figure 7, measured: confusion matrix of {name}",
        f"Test images by true and predicted class, {sizes[0]:,.0f} of each true class; mean over "
        f"n = {measured.n} seeds. Blue: right; orange: wrong.",
        f"Most often confused: {n_most:.0f} of {sizes[i]:,.0f} images of {classes[i]} are taken "
        f"for {classes[j]}.",
    )  # fmt: skip


def hard_images(details: Details) -> Drawing:
    """The test images that most models get wrong, each with its label and what they say."""
    if details.outcome.source is None or details.y_true is None:
        raise Missing("no record")
    try:
        images = load_test_images(details.outcome.source)
    except UserError as error:
        raise Missing(f"the test images are not at hand: {error}") from None
    classes, hard = FASHION_MNIST.classes, details.hardest(N_HARD)
    with style():
        figure = Figure((WIDTH, 6.2))
        grid = figure.subplots(
            4, 6, gridspec_kw={"left": 0.01, "right": 0.99, "top": 0.925, "bottom": 0.0,
                               "hspace": 0.46, "wspace": 0.12}
        )  # fmt: skip
        for axes, image in zip(grid.flat, hard, strict=True):
            axes.imshow(255 - images[image.index], cmap="gray", interpolation="none", vmin=0,
                        vmax=255)  # fmt: skip
            axes.set_axis_off()
            words = (f"{100 * image.agreement:.0f} % say so", f"→ {classes[image.predicted]}",
                     classes[image.label])  # fmt: skip
            for i, text in enumerate(words):
                axes.annotate(
                    text, (0.5, 1), (0, 3 + 9 * i), xycoords="axes fraction", ha="center",
                    textcoords="offset points", fontsize=7.5, color=INK if i else MUTED,
                    fontweight="bold" if i == 2 else "normal",
                )  # fmt: skip
    n_all = details.n_always_wrong
    return Drawing(
        figure, "The images that most models get wrong",
        f"{len(hard)} of {len(images):,} test images. Above each: its label, what the models most "
        f"often say instead, and how many of them do; n = {len(details.here)} models, "
        f"{details.n_records} runs; a model of several seeds counts by their share. "
        f"{n_all} of the images are taken for something else by every run of every model.",
        "; ".join(f"{classes[h.label]}, taken for {classes[h.predicted]}" for h in hard),
    )  # fmt: skip


def count(mean: float) -> str:
    """A mean number of images, whole; what is not none is not called 0."""
    return "<1" if 0 < mean < 0.5 else f"{mean:.0f}"


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


# What `fmbench figures` writes, by the name of the file.
FIGURES: dict[str, Callable[[Details], Drawing]] = {
    "figure-5": accuracy_by_epoch,
    "figure-6": loss_by_epoch,
    "figure-7": confusion,
    "dot-plot": dot_plot,
    "speed": speed,
    "hard-images": hard_images,
}


def write(details: Details, folder: Path, format_: str) -> tuple[list[Path], dict[str, str]]:
    """Write every figure that can be drawn; returns the files, and why others are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    written, missing = [], {}
    for name, draw in FIGURES.items():
        try:
            drawing = draw(details)
        except Missing as why:
            missing[name] = str(why)
            continue
        path = folder / f"{name}.{format_}"
        drawing.save(path)
        written.append(path)
    return written, missing
