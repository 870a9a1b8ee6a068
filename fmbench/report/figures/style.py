"""Defines the style of all figures, and writes a figure as a file.

The colours are those of Okabe & Ito (2008), which colour-blind readers can tell apart. A shape
always repeats what a colour says. A file is drawn for a white page and has its caption below. The
same records always give the same bytes.

Sizes are in inches, font sizes in points as printed, accuracies in percent.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.utils.file_errors import name_file
from fmbench.utils.files import write_atomically
from fmbench.utils.printable import escape_unsafe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1b1f24", "#57606b", "#d9dde3", "#fefefe"
BLUE, SKY, GREEN, ORANGE, VERMILLION, PURPLE = (
    "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7",
)  # fmt: skip

# By the names that the page's style sheet gives them, too.
COLOURS = {
    "ink": INK, "muted": MUTED, "grid": GRID, "card": PAPER, "blue": BLUE, "sky": SKY,
    "green": GREEN, "orange": ORANGE, "vermillion": VERMILLION, "purple": PURPLE,
}  # fmt: skip

WIDTH = 7.2  # inches: the text width of an A4 page
CAPTION_SIZE = 7.5
CHARACTER_WIDTH = 0.53  # of an average letter, as a share of its font size

MATPLOTLIB_SETTINGS: dict[str, Any] = {
    # Matplotlib brings DejaVu along, so figures do not depend on the fonts of a machine.
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a label is only a dollar sign
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "savefig.facecolor": PAPER,
    "savefig.dpi": 200,
    "svg.fonttype": "none",  # text stays text, which people can search, select and listen to
    "svg.hashsalt": "fmbench",
}


class MissingData(Exception):
    """A figure cannot be drawn, because the records lack what it shows. The message says what."""


class NotApplicable(MissingData):
    """A figure cannot be drawn, because the suite does not ask for it."""


@contextmanager
def use_figure_style() -> Iterator[None]:
    """Draw in fmbench's style, and ignore the user's own matplotlib settings."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        # A browser finds another font for letters that DejaVu lacks. In a file they become boxes.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(MATPLOTLIB_SETTINGS)  # type: ignore[arg-type]
        yield


@dataclass(frozen=True)
class Drawing:
    """A finished figure with its texts."""

    figure: Figure
    title: str
    caption: str
    alt: str  # says in words what the figure shows, for readers who cannot see it

    def save(self, path: Path) -> None:
        """Write the figure and its caption. The ending of ``path`` chooses the format."""
        with use_figure_style():
            width = self.figure.get_figwidth() * 72
            n_characters = int(width / (CAPTION_SIZE * CHARACTER_WIDTH))
            text = textwrap.fill(f"{self.title}. {self.caption}", n_characters)
            caption = self.figure.text(
                0.012, -0.02, text, va="top", fontsize=CAPTION_SIZE, color=MUTED
            )
            with name_file(path), write_atomically(path) as [temporary]:
                self.figure.savefig(
                    temporary, format=path.suffix[1:], bbox_inches="tight", pad_inches=0.12,
                    metadata=_no_metadata(path.suffix[1:]),
                )  # fmt: skip
                if path.suffix == ".svg":  # a label can hold what XML does not allow
                    svg = escape_unsafe(temporary.read_text(encoding="utf-8"))
                    temporary.write_text(svg, encoding="utf-8")
            caption.remove()


def _no_metadata(format_: str) -> dict[str, None]:
    """Leave out the date and the program, so that the same figure gives the same bytes."""
    names = ("Date", "Creator", "Format", "Type") if format_ == "svg" else ("Software",)
    return dict.fromkeys(names)
