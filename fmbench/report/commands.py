"""Builds the commands that the page, the README and messages show next to a number."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.records.protocols import QUICK
from fmbench.suites.bundled import find_bundled_suite, is_bundled
from fmbench.suites.reader import ACCURACIES
from fmbench.utils.files import is_default_results

if TYPE_CHECKING:
    from fmbench.analysis.evaluation import SuiteResults
    from fmbench.suites.claims import Suite


@dataclass(frozen=True)
class Commands:
    """Builds fmbench's commands for one results folder and one suite.

    Each method returns a command line that can be pasted into a shell.
    """

    results: Path | None = None  # None: the default folder, which commands need not name
    suite: Path | None = None  # None: the suite that is built in; may be a name without an ending
    against: Path | None = None  # the results that the page compares with these
    quick: bool = False  # the commands `run` and `table` are about quick runs

    def run(self, *names: str, seeds: int | None = None, refresh: bool = False) -> str:
        """Measure runners, or ``--all``, in this results folder."""
        flags = [*(["--seeds", str(seeds)] if seeds else []), *(["--refresh"] if refresh else [])]
        return self._build("run", *names, *self._quick_flag, *flags)

    def list_runners(self, *words: str) -> str:
        """List the rows and the runners."""
        return self._build("list", *words)

    def measure_again(self, name: str, seeds: int | None) -> str:
        """Measure a runner again, in the default results folder."""
        return Commands(suite=self.suite).run(name, seeds=seeds)

    def table(
        self, name: str = ACCURACIES, *, rows: Sequence[str] = (), write: bool = False
    ) -> str:
        """Print a table from the records.

        ``rows``: only the rows of these runners; ``write``: also write all tables into the folder.
        """
        flags = [*rows, *(["--table", name] if name != ACCURACIES else []), *self._quick_flag]
        return self._build("table", *flags, *(["--write"] if write else []))

    @property
    def _quick_flag(self) -> tuple[str, ...]:
        return ("--quick",) if self.quick else ()

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


def build_commands(folder: Path, suite: Suite, *, quick: bool = False) -> Commands:
    """Build the commands for a results folder and a suite: they leave out what is the default."""
    path = suite.path
    is_default = path.resolve() == find_bundled_suite().resolve()
    named = None if is_default else Path(path.stem) if is_bundled(path) else path
    return Commands(None if is_default_results(folder) else folder, named, quick=quick)


def build_commands_of(results: SuiteResults) -> Commands:
    """Build the commands for what was read from a results folder."""
    return build_commands(results.store.folder, results.suite, quick=results.protocol is QUICK)
