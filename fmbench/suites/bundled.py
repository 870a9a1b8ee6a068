"""Finds the suites that come with fmbench, and the template for a new suite."""

from __future__ import annotations

import contextlib
from pathlib import Path

from fmbench.errors import UserError
from fmbench.utils.environment import CHECKOUT
from fmbench.utils.names import suggest_names

PACKAGED = CHECKOUT / "fmbench" / "_bundled"
_FOLDERS = (CHECKOUT / "benchmarks", PACKAGED)  # in a checkout, in an installed package

DEFAULT_SUITE = "kayed2020"
NOT_A_SUITE = "ladder.toml"  # lies beside the suites
MAX_FILES = 1000  # of a folder, whose names may be suggested
TEMPLATE = Path(__file__).with_name("template.toml")


def find_bundled_suite(name: str = DEFAULT_SUITE) -> Path:
    """Find the file of a suite that comes with fmbench.

    Raises:
        UserError: this installation lacks it.
    """
    path = find_bundled_file(f"{name}.toml")
    if path is None:
        raise UserError(
            f"this installation of fmbench lacks its suite {name}.toml: install it again"
        )
    return path


def find_bundled_file(name: str) -> Path | None:
    """Find a file that lies beside the suites, in the checkout or the package."""
    return next((f / name for f in _FOLDERS if (f / name).is_file()), None)


def find_suite(text: str) -> Path:
    """Find the file for a path, or for the name of a suite that comes with fmbench.

    A file with the name of a suite comes first.

    Raises:
        UserError: it is neither.
    """
    path = Path(text)
    is_suite = text in list_suites() and not path.is_file()
    if not is_suite and (path.suffix or len(path.parts) != 1 or path.exists()):
        return path
    if text not in list_suites():
        raise UserError(
            f"there is no suite {text!r}: use {' or '.join(list_suites())}, or name a TOML file"
        )
    return find_bundled_suite(text)


def suggest_files(path: Path) -> str:
    """Return ``: did you mean A?`` with the nearest files of a folder and suites, or nothing.

    It ends the message that there is no such file.
    """
    names = list_suites() if path.name == str(path) else []
    with contextlib.suppress(OSError):
        names += [file.name for file in path.parent.iterdir() if file.is_file()][:MAX_FILES]
    return suggest_names(path.name, names).removesuffix(".")


def is_bundled(path: Path) -> bool:
    """Whether a suite's file is one of those that come with fmbench."""
    return path.resolve().parent in _FOLDERS


def list_suites() -> list[str]:
    """List the names of the suites that come with fmbench."""
    files = {file.name: file.stem for folder in _FOLDERS for file in folder.glob("*.toml")}
    return sorted(stem for name, stem in files.items() if name != NOT_A_SUITE)
