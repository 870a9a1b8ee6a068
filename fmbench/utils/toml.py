"""Parses TOML that other people wrote: nesting too deep to follow is an error, not a long wait."""

from __future__ import annotations

import re
import tomllib
from typing import Any

MAX_KEY_PARTS = 50  # of a key such as a.b.c
# A part is bare or in quotes. Possessive quantifiers keep the search linear.
_LONG_KEY = re.compile(
    r"""(?<![\w"'.-])(?:(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+)"""
    f"{{{MAX_KEY_PARTS}}}"
)


def parse_toml(text: str) -> dict[str, Any]:
    """Parse a TOML document.

    A key of 50,000 parts would take ``tomllib`` minutes and gigabytes, so it is refused.

    Raises:
        ValueError: it is not valid, or nested too deeply.
    """
    if _LONG_KEY.search(text):
        raise ValueError(f"a key has more than {MAX_KEY_PARTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("lists or tables are nested too deeply") from None
