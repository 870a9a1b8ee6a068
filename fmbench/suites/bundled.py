"""The suites that come with fmbench."""

from __future__ import annotations

from pathlib import Path

from fmbench.errors import UserError
from fmbench.utils.environment import CHECKOUT

PACKAGED = CHECKOUT / "fmbench" / "_bundled"

DEFAULT = "kayed2020"
TEMPLATE = Path(__file__).with_name("template.toml")  # for a suite of the user's own


def find(name: str = DEFAULT) -> Path:
    """The file of a suite that comes with fmbench, in a checkout or in an installed package."""
    for folder in (CHECKOUT / "benchmarks", PACKAGED):
        if (folder / f"{name}.toml").is_file():
            return folder / f"{name}.toml"
    raise UserError(f"this installation of fmbench lacks its suite {name}.toml: install it again")


def named(text: str) -> Path:
    """The file that a person means by a path or by the name of a suite that comes with fmbench."""
    path = Path(text)
    if path.suffix or len(path.parts) != 1 or path.exists():
        return path
    if text not in bundled():
        raise UserError(f"no suite {text!r}: there are {', '.join(bundled())}, or name a TOML file")
    return find(text)


def is_bundled(path: Path) -> bool:
    """Whether a suite's file is one of those that come with fmbench."""
    return path.resolve().parent in (CHECKOUT / "benchmarks", PACKAGED)


def bundled() -> list[str]:
    """The names of the suites that come with fmbench."""
    folders = (CHECKOUT / "benchmarks", PACKAGED)
    return sorted({file.stem for folder in folders for file in folder.glob("*.toml")})
