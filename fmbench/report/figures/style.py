"""How every figure looks, and how it becomes a file or part of the page: the same bytes each time.

Colours are those of Okabe & Ito (2008), told apart by people who see few of them; what a colour
says, a shape says too. A file is for a white page and carries its caption. The page's copy has
none, and its colours are the page's own, which change with its background.
"""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.utils.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1b1f24", "#57606b", "#d9dde3", "#fefefe"
BLUE, SKY, GREEN, ORANGE, VERMILLION, PURPLE = (
    "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7",
)  # fmt: skip

# By what the page's style sheet calls them.
NAMES = {
    INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "card", BLUE: "blue", SKY: "sky",
    GREEN: "green", ORANGE: "orange", VERMILLION: "vermillion", PURPLE: "purple",
}  # fmt: skip

WIDTH = 7.2  # inches: an A4 page between its margins
CAPTION_SIZE = 7.5
FORMATS = ("svg", "png")

STYLE: dict[str, Any] = {
    # DejaVu comes with matplotlib, so that no figure depends on a machine's fonts.
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.color": INK,
    "text.parse_math": False,  # a label is text, whatever dollar signs it has
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
    "svg.fonttype": "none",  # text stays text: it can be searched, selected and read aloud
    "svg.hashsalt": "fmbench",
}


class Missing(Exception):
    """A figure cannot be drawn; the message says what is missing."""


@contextmanager
def style() -> Iterator[None]:
    """Draw as fmbench does, whatever the user's own settings of matplotlib are."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        # A browser has fonts for what DejaVu lacks; a file shows a box in its place.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]
        yield


@dataclass(frozen=True)
class Drawing:
    """A figure; ``alt`` says in words what it shows, for who cannot see it."""

    figure: Figure
    title: str
    caption: str
    alt: str

    def save(self, path: Path) -> None:
        """Write the figure and its caption; the format is that of the path's ending."""
        with style():
            width = self.figure.get_figwidth() * 72
            text = textwrap.fill(f"{self.title}. {self.caption}", int(width / CAPTION_SIZE / 0.53))
            caption = self.figure.text(
                0.012, -0.02, text, va="top", fontsize=CAPTION_SIZE, color=MUTED
            )
            with replacing(path) as [temporary]:
                self.figure.savefig(
                    temporary, format=path.suffix[1:], bbox_inches="tight", pad_inches=0.12,
                    metadata=_metadata(path.suffix[1:]),
                )  # fmt: skip
            caption.remove()

    def inline(self, name: str) -> str:
        """The figure as an ``<svg>`` element; ``name`` makes its ids its own."""
        with style():
            buffer = io.StringIO()
            self.figure.savefig(buffer, format="svg", facecolor="none", metadata=_metadata("svg"))
        svg = buffer.getvalue()
        svg = re.sub(r"<(metadata|style).*?</\1>\s*", "", svg[svg.index("<svg") :], flags=re.DOTALL)
        _, body = svg.split(">", 1)
        body = re.sub(r"<[^>]*>", lambda tag: _of_the_page(tag[0], name), body)
        width, height = (72 * inches for inches in self.figure.get_size_inches())
        label = _attribute(self.alt)
        return (
            f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}" '
            f'style="max-width:{width / 0.75:.0f}px">{body.strip()}'
        )


def _of_the_page(tag: str, name: str) -> str:
    """One tag of an ``<svg>`` with ids, colours and fonts that are the page's."""
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = tag.replace('href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    for colour, variable in NAMES.items():
        tag = tag.replace(colour, f"var(--{variable})")
    return re.sub(r" ?\n", " ", tag)


def _attribute(text: str) -> str:
    import html

    return html.escape(text, quote=True)


def _metadata(format_: str) -> dict[str, None]:
    """No date and no program: the same figure gives the same bytes."""
    names = ("Date", "Creator", "Format", "Type") if format_ == "svg" else ("Software",)
    return dict.fromkeys(names)
