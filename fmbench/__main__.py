"""Runs the command line: ``python -m fmbench`` is the same as ``fmbench``.

It imports little at first, so that Ctrl-C is one line also while the rest is imported.
"""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

INTERRUPTED = 130  # the exit status after Ctrl-C


def main() -> NoReturn:
    """Run the command that the user has typed."""
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
    if not sys.flags.safe_path:
        # Python has put the current folder first: nothing in it may replace a library.
        sys.path.append(sys.path.pop(0))
    main()
