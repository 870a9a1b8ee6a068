"""Runs the command line, for the command ``fmbench`` and for ``python -m fmbench``.

It imports little at first, so that Ctrl-C is one line also while the rest is imported, and so that
a system on which fmbench cannot run gets one line, too.
"""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from fmbench.utils.platforms import describe_problem

BAD_INPUT, INTERRUPTED = 2, 130  # exit statuses; the second after Ctrl-C


def main() -> NoReturn:
    """Run the command that the user has typed."""
    if problem := describe_problem():
        print(f"fmbench: error: {problem}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    try:
        from fmbench.cli.main import main as run_command

        run_command()
    except KeyboardInterrupt:
        print("fmbench: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    finally:
        # What is left takes milliseconds; interrupted, it would print a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    if not getattr(sys.flags, "safe_path", False):
        # Python has put the current folder first: nothing in it may replace a library.
        sys.path.append(sys.path.pop(0))
    main()
