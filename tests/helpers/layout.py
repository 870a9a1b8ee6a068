"""Checks how a document is laid out in a terminal."""

from fmbench.utils.document import Command, format_document

VERY_WIDE = 10_000


def list_bad_lines(document, width):
    """List the lines that are too long, or have a part of a word, and the commands that wrap."""
    words = set(format_document(document, "text", VERY_WIDE).split())
    commands = {f"    {block.line}" for block in document.blocks if isinstance(block, Command)}
    lines = format_document(document, "text", width).splitlines()
    bad = [
        line
        for line in lines
        if line not in commands and (len(line) > width or not words.issuperset(line.split()))
    ]
    return [*bad, *commands.difference(lines)]
