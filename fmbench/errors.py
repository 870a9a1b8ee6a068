"""The exceptions whose messages are meant for the user."""

from __future__ import annotations


class UserError(Exception):
    """An error that the user can correct: one line that says what is wrong and what to do.

    The command line prints it without a traceback and exits with status 2.
    """


class DivergedError(Exception):
    """A fit did not converge: its loss or its scores are not numbers.

    The message says so in one line. It is the reason in the record of the failed cell.
    """


def describe_exception(error: BaseException, filename: str) -> str:
    """Return an exception in one line, with the line number in ``filename`` that raised it."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    message = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())[:300]
    where = f" (line {line})" if line is not None else ""
    return f"{type(error).__name__}: {message}{where}"
