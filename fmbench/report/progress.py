"""Shows the progress of a run: how many cells are done, which are running, and the time left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console, Group
from rich.live import Live
from rich.progress import track
from rich.text import Text

from fmbench.execution.estimate import DurationEstimate
from fmbench.execution.schedule import Observer
from fmbench.records.cells import Cell
from fmbench.records.record import Record
from fmbench.utils.formatting import format_duration
from fmbench.utils.printable import escape_on_one_line, shorten
from fmbench.utils.rich_text import make_text

Item = TypeVar("Item")
MAX_LINE = 1000  # characters


class Progress(Observer):
    """Counts what a run does, and renders it as text. Any thread may call its methods."""

    def __init__(
        self,
        todo: Sequence[Cell],
        jobs: int,
        n_planned: int,
        estimate: DurationEstimate,
        console: Console,
    ) -> None:
        self._waiting = list(todo)
        self._jobs = jobs
        self._n_planned = n_planned
        self._n_done = n_planned - len(todo)
        self._n_failed = 0
        self._estimate = estimate
        self._console = console
        self._running: dict[int, tuple[Cell, float]] = {}
        self._lock = threading.Lock()

    def on_start(self, cell: Cell) -> None:
        """A cell's process has been started."""
        with self._lock:
            self._waiting.remove(cell)
            self._running[id(cell)] = (cell, time.monotonic())

    def on_end(self, cell: Cell, record: Record) -> None:
        """A cell's record has been written."""
        with self._lock:
            del self._running[id(cell)]
        self._count_done(cell, record)

    def on_measured_elsewhere(self, cell: Cell, record: Record) -> None:
        """Another run has measured a cell in the meantime."""
        with self._lock:
            self._waiting.remove(cell)
        self._count_done(cell, record, ", by another run")

    def on_wait(self, cell: Cell, holder: str) -> None:
        """All cells that are left are being measured by other runs."""
        self._say(f"waiting for {cell.name}, which {holder} is measuring")

    def _count_done(self, cell: Cell, record: Record, by: str = "") -> None:
        with self._lock:
            self._n_done += 1
            self._n_failed += not record.finished
            self._estimate.learn(record)
            done, left = f"[{self._n_done}/{self._n_planned}]", self.seconds_left()
        if record.finished:
            said = f"fit {format_duration(record.fit_seconds or 0)}{by}"
        else:
            said = f"failed{by}: {record.why}"
        self._say(f"{done} {cell.name}: {said}; {_format_left(left)}")

    def _say(self, text: str) -> None:
        line = escape_on_one_line(shorten(text, MAX_LINE))
        self._console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def seconds_left(self) -> float:
        """The work that is left, divided by the jobs, but at least the longest single cell."""
        now = time.monotonic()
        left = [self._estimate.expected_seconds(cell) for cell in self._waiting]
        # A cell that takes longer than estimated is assumed to have one tenth left.
        left += [
            max(self._estimate.expected_seconds(cell) - (now - start), (now - start) / 9)
            for cell, start in self._running.values()
        ]
        return max(sum(left) / self._jobs, max(left, default=0.0))

    def __rich__(self) -> Group:
        with self._lock:
            now = time.monotonic()
            lines = [
                f"  running {cell.name}, {format_duration(now - start)}"
                for cell, start in self._running.values()
            ]
            failed = f", {self._n_failed} failed" if self._n_failed else ""
            head = (
                f"{self._n_done} of {self._n_planned} cells done{failed}; "
                f"{_format_left(self.seconds_left())}"
            )
        return Group(Text(head, style="bold"), *map(make_text, lines))


@contextmanager
def show_progress(
    todo: Sequence[Cell], jobs: int, estimate: DurationEstimate, n_planned: int
) -> Iterator[Progress]:
    """Show the progress of a run on stderr: live in a terminal, else one line for each cell.

    ``n_planned`` counts all cells that were asked for, with those that are finished already.
    """
    console = Console(stderr=True)
    progress = Progress(todo, jobs, n_planned, estimate, console)
    if console.is_terminal and todo:
        with Live(progress, console=console, refresh_per_second=2, transient=True):
            yield progress
    else:
        yield progress


def _format_left(seconds: float) -> str:
    return f"about {format_duration(seconds)} left" if seconds else "nothing left"


def track_progress(items: Iterable[Item], title: str, n: int) -> Iterable[Item]:
    """Yield the items and show a progress bar for ``n`` of them, if stderr is a terminal."""
    console = Console(stderr=True)
    return track(items, title, n, console=console, transient=True, disable=not console.is_terminal)
