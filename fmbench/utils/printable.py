"""Makes text from files and other programs safe to print.

A label, a record, an exception or a file name may hold control characters, which command a
terminal, marks that turn the direction of the text around them, or halves of a character that
cannot be encoded. All are shown as ``\\u001b``: an escape that JSON, TOML and Python read back.
"""

from __future__ import annotations

import re

# Control characters but for tab and line feed, direction marks, separators of lines, surrogates,
# and what XML does not allow.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff\ufffe\uffff]"
)
_LINE_BREAK = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


def escape_unsafe(text: str) -> str:
    r"""Return ``text`` with ``\u001b`` in place of an escape character, and so on.

    Tabs and line feeds stay.
    """
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def escape_on_one_line(text: str) -> str:
    """Return ``text`` on one line, with a space for each line break, and escaped."""
    return escape_unsafe(_LINE_BREAK.sub(" ", text))


def write_on_one_line(text: str) -> str:
    """Join the words of a text with single blanks, so that it stands on one line.

    Line breaks, tabs and characters that cannot be printed count as blanks.
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shorten(text: str, most: int) -> str:
    """Return ``text``, or its first ``most`` characters and how many more there are."""
    if len(text) <= most:
        return text
    return f"{text[:most]}... ({len(text) - most:,} more characters)"


def escape_unencodable(error: UnicodeError) -> tuple[str, int]:
    """Replace what an encoding lacks by escapes, as a handler of ``codecs.register_error``.

    The escapes are those of JSON: a character beyond U+FFFF becomes two of them.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    codes = (int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2))
    return "".join(f"\\u{code:04x}" for code in codes), error.end
