"""Shows the test images that most models get wrong: as a figure, and as parts of the page."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fmbench.analysis.predictions import HardImage, SuitePredictions
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
TITLE = "The images that most models get wrong"


@dataclass(frozen=True)
class ShownImage:
    """One image on the page, with what is written beside it."""

    source: str  # the image as a `data:` address
    label: str
    predicted: str
    agreement: str  # the share of the models that predict it


@dataclass(frozen=True)
class ShownImages:
    """The images on the page, with their caption."""

    title: str
    caption: str
    images: tuple[ShownImage, ...]


def show_hard_images(predictions: SuitePredictions) -> ShownImages:
    """Collect the images for the page, which arranges them as its width allows.

    Raises:
        MissingData: see :func:`draw_hard_images`.
    """
    images, hard, classes = _find_images(predictions)
    shown = tuple(
        ShownImage(
            encode_image(255 - images[image.index]), classes[image.label],
            classes[image.predicted], _format_agreement(image),
        )
        for image in hard
    )  # fmt: skip
    return ShownImages(TITLE, _write_caption(predictions, len(hard), len(images)), shown)


def encode_image(grey: np.ndarray) -> str:
    """Encode a grey image ``uint8 (height, width)`` as a PNG file in a ``data:`` address."""
    height, width = grey.shape

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)  # 8 bits of grey
    lines = b"".join(b"\0" + line.tobytes() for line in np.ascontiguousarray(grey))
    png = b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines, 9)),
         chunk(b"IEND", b"")]
    )  # fmt: skip
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def draw_hard_images(predictions: SuitePredictions) -> Drawing:
    """Draw the test images that most models get wrong, with the true and the predicted class.

    Raises:
        MissingData: nothing was measured on this data set, or its test images are not found.
    """
    from matplotlib.figure import Figure

    images, hard, classes = _find_images(predictions)
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
            texts = (_format_agreement(image), f"→ {classes[image.predicted]}",
                     classes[image.label])  # fmt: skip
            for i, text in enumerate(texts):
                axes.annotate(
                    text, (0.5, 1), (0, 3 + 9 * i), xycoords="axes fraction", ha="center",
                    textcoords="offset points", fontsize=7.5, color=INK if i else MUTED,
                    fontweight="bold" if i == 2 else "normal",
                )  # fmt: skip
    return Drawing(
        figure, TITLE, _write_caption(predictions, len(hard), len(images)),
        "; ".join(f"{classes[h.label]}, classified as {classes[h.predicted]}" for h in hard),
    )  # fmt: skip


def _find_images(
    predictions: SuitePredictions,
) -> tuple[np.ndarray, list[HardImage], Sequence[str]]:
    """Find all test images, the hardest of them, and the names of the classes."""
    source = predictions.results.source
    if source is None or predictions.y_true is None:
        if predictions.own:
            raise MissingData(
                "fmbench's own measurement travels without its predictions of single images"
            )
        raise MissingData(NO_RECORD)
    try:
        images = load_test_images(source)
    except UserError as error:
        raise MissingData(f"the test images are not found: {error}") from None
    return images, predictions.hardest_images(N_ROWS * N_COLUMNS), source.spec.classes


def _format_agreement(image: HardImage) -> str:
    return f"{100 * image.agreement:.0f} % of models"


def _write_caption(predictions: SuitePredictions, n_shown: int, n_images: int) -> str:
    n_models = len(predictions.on_default_dataset)
    return (
        f"{n_shown} of the {n_images:,} test images. With each image: its true class (bold), "
        "the wrong class that the models choose most often, and the share of the models that "
        f"choose it. n = {n_models} models, {predictions.n_records} runs; "
        "each model counts once, each of its seeds as a part of it. Every run of every model is "
        f"wrong about {predictions.n_always_wrong} test images."
    )
