"""Lists all figures by name, and writes them into a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fmbench.analysis.predictions import SuitePredictions
from fmbench.report.figures.dot_plot import draw_dot_plot
from fmbench.report.figures.hard_images import draw_hard_images
from fmbench.report.figures.speed import draw_speed
from fmbench.report.figures.style import Drawing, MissingData
from fmbench.report.figures.subject import (
    draw_accuracy_by_epoch,
    draw_confusion_matrix,
    draw_loss_by_epoch,
)

# The function that draws each figure. The name is that of the file, and an anchor on the page.
FIGURES: dict[str, Callable[[SuitePredictions], Drawing]] = {
    "accuracy-by-epoch": draw_accuracy_by_epoch,
    "loss-by-epoch": draw_loss_by_epoch,
    "confusion-matrix": draw_confusion_matrix,
    "dot-plot": draw_dot_plot,
    "speed": draw_speed,
    "hard-images": draw_hard_images,
}


def write_figures(
    predictions: SuitePredictions, folder: Path, format_: str
) -> tuple[list[Path], dict[str, str]]:
    """Write every figure that can be drawn, as ``svg`` or ``png``.

    Returns the files, and for each figure that cannot be drawn the reason.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written, missing = [], {}
    for name, draw in FIGURES.items():
        try:
            drawing = draw(predictions)
        except MissingData as why:
            missing[name] = str(why)
            continue
        path = folder / f"{name}.{format_}"
        drawing.save(path)
        written.append(path)
    return written, missing
