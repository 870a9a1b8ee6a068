"""Removes from an HTML or Markdown text what a reader of the page does not see.

Comments, scripts, style sheets and elements that are hidden hold numbers, too, but no claims. The
text is scanned once from left to right, whatever is in it; tables are read elsewhere
(:mod:`fmbench.extraction.markup`).
"""

from __future__ import annotations

import html
import re

_IS_HTML = re.compile(
    r"<(?:!doctype html|html|head|body|div|p|span|script|h[1-6])\b", re.IGNORECASE
)
_TAG = re.compile(r"<(?P<comment>!--)|<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9]*)(?=[\s/>])")
# Their content is not shown.
_UNSEEN = {
    "script",
    "style",
    "template",
    "noscript",
    "title",
    "select",
    "textarea",
    "svg",
    "object",
}
_WITHOUT_END = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
}  # fmt: skip
_HIDDEN = re.compile(
    r"\shidden(?=[\s=/>])(?!\s*=\s*[\"']?false)"
    r"|\sstyle\s*=\s*(?:\"[^\"]{0,2000}?|'[^']{0,2000}?)\b(?:display\s*:\s*none"
    r"|visibility\s*:\s*(?:hidden|collapse))",
    re.IGNORECASE,
)
_BLOCK = (
    "p|div|li|ul|ol|dl|dt|dd|h[1-6]|table|thead|tbody|tfoot|tr|td|th|caption|section|article"
    "|header|footer|main|nav|aside|figure|figcaption|blockquote|pre|hr|form|body|html|details"
    "|summary"
)
_BLOCK_TAG = re.compile(rf"</?(?:{_BLOCK})\b[^<>]{{0,20000}}>", re.IGNORECASE)
_ANY_TAG = re.compile(r"</?[A-Za-z][^<>]{0,20000}>|<![A-Za-z][^<>]{0,2000}>")


def is_html(text: str) -> bool:
    """Whether a text is HTML, and not only a text with some tags in it, such as Markdown."""
    return _IS_HTML.search(text[:20_000]) is not None


def blank_hidden(text: str) -> str:
    """Replace by blanks what a browser does not show; lines keep their numbers.

    Outside HTML only comments that end are replaced, and scripts, styles and hidden elements.
    """
    if "<" not in text:
        return text
    ends_open = is_html(text)
    parts: list[str] = []
    done = position = 0
    without_end: set[str] = set()  # each is searched for once, so the time stays linear
    while (tag := _TAG.search(text, position)) is not None:
        name = tag["comment"] or tag["name"].lower()
        end = 0 if name in without_end else _find_hidden_end(text, tag)
        if end is None:
            without_end.add(name)
        if end is None and ends_open:
            end = len(text)
        if not end:
            position = tag.end()
            continue
        parts += [text[done : tag.start()], _blank(text[tag.start() : end])]
        done = position = end
    return "".join([*parts, text[done:]])


def _blank(text: str) -> str:
    return re.sub(r"[^\n]+", " ", text)


def _find_hidden_end(text: str, tag: re.Match[str]) -> int | None:
    """Return where the hidden part ends that begins with a tag; 0: it is shown; None: never."""
    if tag["comment"]:
        end = text.find("-->", tag.end())
        return None if end < 0 else end + 3
    name = tag["name"].lower()
    if tag["close"] or name in _WITHOUT_END:
        return 0
    close = text.find(">", tag.end(), tag.end() + 20_000)
    if close < 0 or (name not in _UNSEEN and not _HIDDEN.search(text, tag.end(), close + 1)):
        return 0
    if text[close - 1] == "/":
        return close + 1
    depth = 1
    for inner in re.compile(rf"<(/?){name}(?=[\s/>])", re.IGNORECASE).finditer(text, close + 1):
        depth += -1 if inner[1] else int(name not in ("script", "style", "textarea", "title"))
        if depth == 0:
            end = text.find(">", inner.end())
            return len(text) if end < 0 else end + 1
    return None


def strip_tags(text: str) -> str:
    """Return the text that an HTML page shows, each paragraph by itself; other texts unchanged."""
    if not is_html(text):
        return text
    text = re.sub(r"<br\b[^<>]{0,200}>", "\n", text, flags=re.IGNORECASE)
    text = _ANY_TAG.sub("", _BLOCK_TAG.sub("\n\n", text))
    return html.unescape(text)
