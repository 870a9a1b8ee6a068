"""Builds the commands that the page, the README and messages show next to a number."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from fmbench.suites.reader import ACCURACIES


@dataclass(frozen=True)
class Commands:
    """Builds fmbench's commands for one results folder and one suite.

    Each method returns a command line that can be pasted into a shell.
    """

    results: Path | None = None  # None: the default folder, which commands need not name
    suite: Path | None = None  # None: the suite that is built in
    against: Path | None = None  # the results that the page compares with these

    def run(self, *names: str, seeds: int | None = None) -> str:
        """Measure runners, or ``--all``, in this results folder."""
        return self._build("run", *names, *(["--seeds", str(seeds)] if seeds else []))

    def measure_again(self, name: str, seeds: int | None) -> str:
        """Measure a runner again, in the default results folder."""
        return Commands(suite=self.suite).run(name, seeds=seeds)

    def table(self, name: str = ACCURACIES) -> str:
        """Print a table from the records."""
        return self._build("table", *(["--table", name] if name != ACCURACIES else []))

    def check(self) -> str:
        """Check whether the reported figures can all be true; this needs no records."""
        return shlex.join(["fmbench", "check", *([str(self.suite)] if self.suite else [])])

    def forensics(self, name: str, *, run: bool = False) -> str:
        """Print what the records say about the known mistakes of a runner; ``run``: measure."""
        return self._build("forensics", name, *(["--run"] if run else []))

    def figures(self) -> str:
        """Write every figure as a file."""
        return self._build("figures")

    def report(self) -> str:
        """Write the page."""
        return self._build("report", *(["--against", str(self.against)] if self.against else []))

    def _build(self, command: str, *arguments: str) -> str:
        words = ["fmbench", command, *arguments]
        if self.suite:
            words += ["--suite", str(self.suite)]
        if self.results:
            words += ["--results", str(self.results)]
        return shlex.join(words)
