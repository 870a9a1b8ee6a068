"""The figures: Figures 5 to 7 of the paper as measured, and what no single table shows.

Each function takes what was gathered from a results folder and returns a drawing, or raises
:class:`Missing`. Sizes are in inches, of fonts in points as printed, accuracies in percent.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fmbench.analysis.predictions import Details
from fmbench.report.figures.confusion import confusion
from fmbench.report.figures.dot_plot import dot_plot
from fmbench.report.figures.hard_images import hard_images
from fmbench.report.figures.learning_curves import accuracy_by_epoch, loss_by_epoch
from fmbench.report.figures.speed import speed
from fmbench.report.figures.style import (
    Drawing,
    Missing,
)

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
