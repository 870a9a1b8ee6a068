"""Runs the command line: ``python -m fmbench`` is the same as ``fmbench``."""

from fmbench.cli.main import main

if __name__ == "__main__":
    main()
