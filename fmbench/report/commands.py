"""The exact commands that make a results folder's numbers, for whoever wants them again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Commands:
    """Commands for one results folder and one suite; ``None`` where they are the usual ones."""

    results: Path | None = None
    suite: Path | None = None

    def run(self, *names: str, seeds: int | None = None) -> str:
        """Measure into this folder."""
        return self._line("run", *names, *_seeds(seeds))

    def anew(self, name: str, seeds: int | None) -> str:
        """Measure a runner again where nothing is measured yet: in the user's own folder."""
        return Commands(suite=self.suite).run(name, seeds=seeds)

    def table(self, name: str = "accuracies") -> str:
        """Print a table from the records."""
        return self._line("table", *(["--table", name] if name != "accuracies" else []))

    def check(self) -> str:
        """The arithmetic."""
        return shlex.join(["fmbench", "check", *([str(self.suite)] if self.suite else [])])

    def forensics(self, name: str) -> str:
        """The known mistakes."""
        return self._line("forensics", name)

    def figures(self) -> str:
        """The figures as files."""
        return self._line("figures")

    def report(self) -> str:
        """The page itself."""
        return self._line("report")

    def _line(self, verb: str, *words: str) -> str:
        line = ["fmbench", verb, *words]
        if self.suite:
            line += ["--suite", str(self.suite)]
        if self.results:
            line += ["--results", str(self.results)]
        return shlex.join(line)


def _seeds(n: int | None) -> list[str]:
    return ["--seeds", str(n)] if n else []
