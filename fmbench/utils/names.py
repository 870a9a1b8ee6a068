"""TODO docstring."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable


def suggestion(name: str, known: Iterable[str]) -> str:
    """``: did you mean ...?`` with the names nearest to one that is not known, or a full stop."""
    by_letters = {other.lower(): other for other in known}
    near = [by_letters[n] for n in difflib.get_close_matches(name.lower(), by_letters, n=3)]
    return f": did you mean {' or '.join(near)}?" if near else "."


# What may become the name of a folder: it cannot be a path, nor hidden, nor an option.
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def safe_name(text: str) -> str:
    """``text`` where it can be the name of a folder, or one made of it that no other text gives."""
    if SAFE_NAME.fullmatch(text):
        return text
    kept = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-._")[:80]
    return f"{kept or 'runner'}-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:8]}"
