"""TODO docstring."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fmbench.analysis.predictions import Details
from fmbench.datasets.specs import FASHION_MNIST
from fmbench.report.figures.learning_curves import _subject
from fmbench.report.figures.style import (
    BLUE,
    INK,
    MUTED,
    VERMILLION,
    WIDTH,
    Drawing,
    style,
)
from fmbench.utils.formatting import count


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
