"""Makes texts for rich, the library that prints in a terminal, from text that is not our own."""

from __future__ import annotations

from rich.text import Text

from fmbench.utils.printable import escape_unsafe


def make_text(text: str, style: str = "") -> Text:
    """Return a text with a style, safe to print: see :mod:`fmbench.utils.printable`."""
    return Text(escape_unsafe(text), style)
