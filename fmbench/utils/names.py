"""Suggests names for one that is not known, and makes names that are safe for a folder."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable


def suggest_names(name: str, known: Iterable[str]) -> str:
    """Return ``: did you mean A or B?`` with the known names nearest to ``name``, or a full stop.

    The text continues an error message that says that ``name`` is not known.
    """
    by_lower_case = {other.lower(): other for other in known}
    near = [by_lower_case[n] for n in difflib.get_close_matches(name.lower(), by_lower_case, n=3)]
    return f": did you mean {' or '.join(near)}?" if near else "."


# What may become the name of a folder: it is not a path, not hidden, and not an option.
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def make_safe_name(text: str) -> str:
    """Return ``text`` if it can be the name of a folder, else a safe name made from it.

    Different texts give different names: a changed name ends with a hash of the text.
    """
    if SAFE_NAME.fullmatch(text):
        return text
    kept = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-._")[:80]
    return f"{kept or 'runner'}-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:8]}"
