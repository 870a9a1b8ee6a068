"""Draws the test images that most models get wrong."""

from __future__ import annotations

from matplotlib.figure import Figure

from fmbench.analysis.predictions import SuitePredictions
from fmbench.analysis.summary import NO_RECORD
from fmbench.datasets.loading import load_test_images
from fmbench.errors import UserError
from fmbench.report.figures.style import (
    INK,
    MUTED,
    WIDTH,
    Drawing,
    MissingData,
    use_figure_style,
)

N_ROWS, N_COLUMNS = 4, 6


def draw_hard_images(predictions: SuitePredictions) -> Drawing:
    """Draw the test images that most models get wrong, with the true and the predicted class.

    Raises:
        MissingData: nothing was measured on this data set, or its test images are not found.
    """
    source = predictions.results.source
    if source is None or predictions.y_true is None:
        raise MissingData(NO_RECORD)
    try:
        images = load_test_images(source)
    except UserError as error:
        raise MissingData(f"the test images are not found: {error}") from None
    classes, hard = source.spec.classes, predictions.hardest_images(N_ROWS * N_COLUMNS)
    with use_figure_style():
        figure = Figure((WIDTH, 6.2))
        grid = figure.subplots(
            N_ROWS, N_COLUMNS,
            gridspec_kw={"left": 0.01, "right": 0.99, "top": 0.925, "bottom": 0.0,
                         "hspace": 0.46, "wspace": 0.12},
        )  # fmt: skip
        for axes, image in zip(grid.flat, hard, strict=True):
            axes.imshow(255 - images[image.index], cmap="gray", interpolation="none", vmin=0,
                        vmax=255)  # fmt: skip
            axes.set_axis_off()
            texts = (f"{100 * image.agreement:.0f} % of models", f"→ {classes[image.predicted]}",
                     classes[image.label])  # fmt: skip
            for i, text in enumerate(texts):
                axes.annotate(
                    text, (0.5, 1), (0, 3 + 9 * i), xycoords="axes fraction", ha="center",
                    textcoords="offset points", fontsize=7.5, color=INK if i else MUTED,
                    fontweight="bold" if i == 2 else "normal",
                )  # fmt: skip
    n_models, n_all = len(predictions.on_default_dataset), predictions.n_always_wrong
    return Drawing(
        figure, "The images that most models get wrong",
        f"{len(hard)} of the {len(images):,} test images. Above each image: its true class (bold), "
        "the wrong class that the models choose most often, and the share of the models that "
        f"choose it. n = {n_models} models, {predictions.n_records} runs; "
        f"each model counts once, each of its seeds as a part of it. Every run of every model is "
        f"wrong about {n_all} test images.",
        "; ".join(f"{classes[h.label]}, classified as {classes[h.predicted]}" for h in hard),
    )  # fmt: skip
