"""The one exception whose message is meant for the user."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend: one line that says what is wrong and what to do.

    The command line prints it without a traceback and exits with status 2.
    """


def in_words(error: BaseException, place: str) -> str:
    """An exception in one line, with the line of the file ``place`` where it came about."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == place:
            line = trace.tb_lineno
        trace = trace.tb_next
    what = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())[:300]
    where = f" (line {line})" if line is not None else ""
    return f"{type(error).__name__}: {what}{where}"
