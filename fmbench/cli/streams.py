"""Makes the standard streams usable: closed ones, old encodings, and readers that have gone.

A run goes on if nobody reads its messages any more: what it measures is on disk.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from typing import Any

from fmbench.utils.printable import escape_unencodable


class MessageStream(io.TextIOWrapper):
    """A stream for messages. What cannot be written is dropped, and no error is raised.

    The reader of a pipe may have ended, a terminal may be closed, a disk may be full.
    """

    def __init__(self, descriptor: int, encoding: str) -> None:
        file = io.FileIO(descriptor, "w", closefd=False)
        super().__init__(io.BufferedWriter(file), encoding, "backslashreplace", line_buffering=True)

    def write(self, text: str) -> int:
        """Write a text; return its length, even if it is dropped."""
        try:
            return super().write(text)
        except OSError:
            self._drop_everything()
            return len(text)

    def flush(self) -> None:
        """Write what is buffered, or drop it."""
        try:
            super().flush()
        except OSError:
            self._drop_everything()

    def _drop_everything(self) -> None:
        """Send what is still buffered, and all that follows, nowhere."""
        send_nowhere(self.fileno())
        with contextlib.suppress(OSError):
            super().flush()


def send_nowhere(descriptor: int) -> None:
    """Let a file descriptor lead to the null device from now on, whether it was open or closed."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere == descriptor:
        os.set_inheritable(descriptor, True)
        return
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def prepare_streams() -> None:
    """Open what is closed, and let no character and no message raise an error.

    A closed stream becomes the null device. Otherwise the next file that is opened would get its
    number, and what some library prints would go into that file. A character that the encoding of
    an output lacks is printed as an escape, such as ``\\u00b1``, which is valid in JSON, too.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            send_nowhere(descriptor)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # Python found it closed
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nowhere, mode, encoding="utf-8"))
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = MessageStream(sys.stderr.fileno(), sys.stderr.encoding)
    stdout: Any = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        codecs.register_error("escape", escape_unencodable)
        stdout.reconfigure(errors="escape")
