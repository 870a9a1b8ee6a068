"""Prints the answer of ``fmbench check`` for the tests."""

from fmbench.consistency.answer import build_answer
from fmbench.utils.document import format_document


def format_answer(result, width=None, **options):
    """Format the answer as text for a terminal of ``width`` columns, or as Markdown, unwrapped."""
    document = build_answer(result, **options)
    return format_document(document, "md" if width is None else "text", width or 100)
