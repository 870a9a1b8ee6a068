"""``python -m fmbench``."""

from fmbench.cli.main import main

if __name__ == "__main__":
    main()
