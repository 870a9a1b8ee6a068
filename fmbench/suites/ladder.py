"""Says where an accuracy stands among what has been verified and claimed on Fashion-MNIST.

The entries are in ``benchmarks/ladder.toml``, each with its published source.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from fmbench.errors import UserError
from fmbench.suites.bundled import find_bundled_file

LADDER_FILE = "ladder.toml"
Evidence = Literal["verified by a third party", "scored by a third party", "claimed", "people"]
Percentage = Annotated[str, Meta(pattern=r"\A\d{1,2}(\.\d{1,3})?\Z")]


class LadderEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A published accuracy, and who checked it.

    ``accuracy`` and ``sd`` are in percent, as printed (or 100 minus the printed error). ``source``
    says where it is published.
    """

    model: str
    accuracy: Percentage
    evidence: Evidence
    source: str
    sd: Percentage | None = None
    remark: str = ""

    @property
    def fraction(self) -> float:
        """The accuracy in [0, 1]."""
        return float(self.accuracy) / 100

    def __str__(self) -> str:
        return f"{self.figure} % ({self.model})"

    @property
    def figure(self) -> str:
        """The accuracy with its spread, in percent: ``95.55 ± 0.04``."""
        return f"{self.accuracy} ± {self.sd}" if self.sd else self.accuracy


@dataclass(frozen=True)
class LadderPlace:
    """Where an accuracy (a fraction) stands: the entries that are higher, equal and lower.

    ``above`` begins with the nearest entry, and so does ``below``. ``sentence`` says it in words.
    """

    accuracy: float
    above: tuple[LadderEntry, ...]
    equal: tuple[LadderEntry, ...]
    below: tuple[LadderEntry, ...]
    sentence: str


@dataclass(frozen=True)
class Ladder:
    """The published accuracies, the highest first."""

    entries: tuple[LadderEntry, ...]

    def place(self, accuracy: float) -> LadderPlace:
        """Say where an accuracy (a fraction in [0, 1]) stands."""
        key = round(accuracy, 6)
        above = tuple(e for e in reversed(self.entries) if round(e.fraction, 6) > key)
        equal = tuple(e for e in self.entries if round(e.fraction, 6) == key)
        below = tuple(e for e in self.entries if round(e.fraction, 6) < key)
        return LadderPlace(accuracy, above, equal, below, self._describe(accuracy, above, below))

    def exceeds_checked(self, accuracy: float, margin: float) -> bool:
        """Whether it is above every result that a third party has checked, by more than a margin.

        Both are fractions.
        """
        kinds: tuple[Evidence, ...] = ("verified by a third party", "scored by a third party")
        return accuracy > max(self.find_best(kind).fraction for kind in kinds) + margin + 1e-9

    def find_best(self, evidence: Evidence) -> LadderEntry:
        """Return the highest entry with this evidence."""
        return next(entry for entry in self.entries if entry.evidence == evidence)

    def _describe(
        self, accuracy: float, above: tuple[LadderEntry, ...], below: tuple[LadderEntry, ...]
    ) -> str:
        """Compare it first with the best that somebody other than its authors has checked."""
        verified = self.find_best("verified by a third party")
        scored = self.find_best("scored by a third party")
        people = self.find_best("people")
        shown = f"{100 * accuracy:.2f} %"
        if not above:
            highest = self.entries[0]
            word = "equals" if below != self.entries else "is higher than"
            return f"{shown} {word} the highest entry of the ladder, {highest}, {highest.evidence}"
        if verified in below:
            higher_than = [f"{verified}, the best that a third party has rerun with a spread"]
            if scored in below:
                higher_than.append(f"{scored}, the best that a third party has scored")
            neighbours = [f"the next above is {above[0]}, {above[0].evidence}"]
            if below[0] not in (verified, scored):
                neighbours.append(f"the next below is {below[0]}, {below[0].evidence}")
            return f"{shown} is higher than {', and '.join(higher_than)}; {'; '.join(neighbours)}"
        if people in above:
            return f"{shown} is lower than {people}"
        word = "is lower than" if verified in above else "equals"
        return f"{shown} {word} {verified}, the best that a third party has rerun with a spread"


@cache
def load_ladder() -> Ladder:
    """Load the ladder that comes with fmbench.

    Raises:
        UserError: this installation lacks it.
    """
    path = find_bundled_file(LADDER_FILE)
    if path is None:
        raise UserError(f"this installation of fmbench lacks {LADDER_FILE}: install it again")
    return read_ladder(path)


def read_ladder(path: Path) -> Ladder:
    """Read a ladder file.

    Raises:
        UserError: it cannot be read, or an entry is malformed.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = msgspec.convert(content["entry"], list[LadderEntry])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} is damaged ({error}): install fmbench again") from None
    if missing := set(get_args(Evidence)) - {entry.evidence for entry in entries}:
        raise UserError(f"{path} is damaged: it has no entry {min(missing)!r}")
    return Ladder(tuple(sorted(entries, key=lambda e: (-e.fraction, e.model))))
