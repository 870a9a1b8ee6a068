"""TODO docstring."""

from __future__ import annotations

from matplotlib.figure import Figure

from fmbench.analysis.predictions import Details
from fmbench.datasets.loading import load_test_images
from fmbench.datasets.specs import FASHION_MNIST
from fmbench.errors import UserError
from fmbench.report.figures.style import (
    INK,
    MUTED,
    WIDTH,
    Drawing,
    Missing,
    style,
)

N_HARD = 24


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
