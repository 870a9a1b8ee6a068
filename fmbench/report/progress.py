"""Shows the progress of a run: the cells that are done and running, the time left, the table.

What a finished cell predicts is scored here, in the process that coordinates the run: the processes
that measure never see the labels of the test images.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress import track
from rich.text import Text

from fmbench.datasets.specs import LocatedDataset, records_have_labels
from fmbench.errors import UserError
from fmbench.execution.backend import Limits
from fmbench.execution.estimate import DurationEstimate
from fmbench.execution.schedule import Observer, group_into_launches
from fmbench.execution.session import Verbosity
from fmbench.records.cells import Cell
from fmbench.records.protocols import Protocol, count_images, load_labels
from fmbench.records.record import Y_PRED, Y_TRUE, Record
from fmbench.records.store import Store
from fmbench.utils.formatting import format_duration
from fmbench.utils.printable import escape_on_one_line, shorten
from fmbench.utils.rich_text import make_text

if TYPE_CHECKING:
    import numpy as np

    from fmbench.report.live_table import LiveTable

logger = logging.getLogger("fmbench")

Item = TypeVar("Item")
MAX_LINE = 1000  # characters
OTHER_LINES = 8  # the title, the heads, the notes, the progress, and empty lines
MAX_RUNNING_LINES = 6  # below the table; without it, as many as the terminal has place for
LOADING = "  the libraries and the data are loading, which is not part of a cell's time"


class Scorer:
    """Computes the accuracy of finished cells from their records. Any thread may call it.

    ``sources`` are the data sets of the run, by their names; more may be added while it lasts.
    """

    def __init__(self, store: Store, sources: Mapping[str, LocatedDataset]) -> None:
        self._store, self._sources = store, sources
        self._labels: dict[tuple[str, Protocol], np.ndarray] = {}

    def describe(self, cell: Cell, record: Record) -> str:
        """Return ``accuracy 90.83 %``; where several sets of images are scored, one for each."""
        try:
            accuracies = self._compute_accuracies(cell, record)
        except (UserError, OSError) as error:  # its file was removed or replaced at once
            return f"its predictions cannot be read: {error}"
        if len(accuracies) == 1:
            return f"accuracy {100 * next(iter(accuracies.values())):.2f} %"
        each = (f"{100 * a:.2f} % ({subset} images)" for subset, a in accuracies.items())
        return f"accuracy {', '.join(each)}"

    def _compute_accuracies(self, cell: Cell, record: Record) -> dict[str, float]:
        """Compute the accuracy on each set of images that the cell's protocol scores."""
        if records_have_labels(cell.dataset.name):
            arrays = self._store.load_arrays(record, Y_TRUE, Y_PRED)
            right = arrays[Y_TRUE] == arrays[Y_PRED]
        else:
            right = self._load_labels(cell) == self._store.load_y_pred(record)
        found, start = {}, 0
        for subset in cell.protocol.scored:
            end = start + count_images(cell.protocol, subset, cell.dataset)
            found[str(subset)] = float(right[start:end].mean())
            start = end
        return found

    def _load_labels(self, cell: Cell) -> np.ndarray:
        key = cell.dataset.name, cell.protocol
        if key not in self._labels:
            self._labels[key] = load_labels(cell.protocol, self._sources[cell.dataset.name])
        return self._labels[key]


class Progress(Observer):
    """Counts what a run does, and renders it as text. Any thread may call its methods.

    ``scorer``: says the accuracy of finished cells. ``table``: is shown above the progress.
    """

    def __init__(
        self,
        todo: Sequence[Cell],
        limits: Limits,
        n_planned: int,
        estimate: DurationEstimate,
        console: Console,
        *,
        scorer: Scorer | None = None,
        table: LiveTable | None = None,
        verbosity: Verbosity = Verbosity.USUAL,
    ) -> None:
        self._waiting = list(todo)
        self._limits = limits
        # The number of each cell's launch, and how many cells it has: they share its time.
        self._launches = {
            id(cell): (number, len(launch))
            for number, launch in enumerate(group_into_launches(todo, limits.together))
            for cell in launch
        }
        self._n_planned = n_planned
        self._n_done = n_planned - len(todo)
        self._n_failed = 0
        self._estimate = estimate
        self._console = console
        self._scorer, self._table, self._verbosity = scorer, table, verbosity
        self._running: dict[int, tuple[Cell, float]] = {}
        self._has_started = False
        self._lock = threading.Lock()

    def on_start(self, cell: Cell) -> None:
        """A cell's process has been started."""
        with self._lock:
            self._has_started = True
            self._waiting.remove(cell)
            self._running[id(cell)] = (cell, time.monotonic())
        if self._verbosity is Verbosity.VERBOSE:
            self._say(f"{cell.name}: started")

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
        if self._verbosity is not Verbosity.QUIET:
            self._say(f"waiting for {cell.name}, which {holder} is measuring")

    def _count_done(self, cell: Cell, record: Record, by: str = "") -> None:
        if record.finished:
            accuracy = f"{self._scorer.describe(cell, record)}, " if self._scorer else ""
            said = f"{accuracy}fit {format_duration(record.fit_seconds or 0)}{by}"
        else:
            said = f"failed{by}: {record.why}"
        with self._lock:
            self._n_done += 1
            self._n_failed += not record.finished
            self._estimate.learn(record)
            done, left = f"[{self._n_done}/{self._n_planned}]", self.seconds_left()
        if self._table:
            self._table.mark_changed()
        if self._verbosity is not Verbosity.QUIET or not record.finished:
            self._say(f"{done} {cell.name}: {said}; {_format_left(left)}")

    def _say(self, text: str) -> None:
        line = escape_on_one_line(shorten(text, MAX_LINE))
        self._console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def seconds_left(self) -> float:
        """The seconds that are left on the CPU or on the GPU, whichever takes longer.

        They are the work divided by the launches at a time, but at least the longest launch.
        """
        now = time.monotonic()
        left: dict[str, dict[int, float]] = {"cpu": {}, "cuda": {}}

        def add(cell: Cell, seconds: float) -> None:
            of_device, (number, _) = left[self._limits.get_device(cell)], self._launches[id(cell)]
            of_device[number] = of_device.get(number, 0.0) + seconds

        for cell in self._waiting:
            add(cell, self._estimate.expected_seconds(cell))
        for cell, start in self._running.values():
            spent = (now - start) / self._launches[id(cell)][1]
            # A cell that takes longer than estimated is assumed to have one tenth left.
            add(cell, max(self._estimate.expected_seconds(cell) - spent, spent / 9))
        jobs = {"cpu": self._limits.jobs, "cuda": self._limits.gpu_jobs}
        return max(
            max(sum(seconds.values()) / jobs[device], max(seconds.values(), default=0.0))
            for device, seconds in left.items()
        )

    def has_place_for(self, table: LiveTable) -> bool:
        """Whether all rows of a table fit into the terminal above the progress."""
        return table.n_rows + MAX_RUNNING_LINES + OTHER_LINES <= self._console.height

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        most = MAX_RUNNING_LINES if self._table else console.height - 3
        status = self._describe_status(max(1, min(most, console.height // 3)))
        if self._table:
            with self._lock:
                running = [cell for cell, _ in self._running.values()]
            try:
                self._table.update()
            except (UserError, OSError) as error:  # the cells may finish all the same
                status.append(make_text(f"  the table is not up to date: {error}"))
            # One line is empty, and the terminal's last line is left free.
            height = console.height - len(status) - 2
            yield self._table.render(options.max_width, height, running)
            yield Text()
        for line in status:
            line.truncate(options.max_width, overflow="ellipsis")
            yield line

    def _describe_status(self, max_running: int) -> list[Text]:
        """Describe what is done, and up to so many of the cells that run."""
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
            if not self._has_started:
                lines = [LOADING]
        if len(lines) > max_running:
            lines = [*lines[: max_running - 1], f"  and {len(lines) - max_running + 1} more"]
        return [Text(head, style="bold"), *map(make_text, lines)]


@contextmanager
def show_progress(
    todo: Sequence[Cell],
    limits: Limits,
    estimate: DurationEstimate,
    n_planned: int,
    *,
    scorer: Scorer | None = None,
    make_table: Callable[[], LiveTable] | None = None,
    verbosity: Verbosity = Verbosity.USUAL,
) -> Iterator[Progress]:
    """Show the progress of a run on stderr: live in a terminal, else one line for each cell.

    ``n_planned`` counts all cells that were asked for, with those that are finished already.
    ``make_table``: in a terminal, this table is shown above the progress; if it does not fit, it is
    also printed once, before the first cell starts. Elsewhere a line says what is known already.
    """
    console = Console(stderr=True)
    is_quiet = verbosity is Verbosity.QUIET
    table = make_table() if make_table and todo and not is_quiet else None
    is_live = console.is_terminal and bool(todo) and not is_quiet
    progress = Progress(
        todo, limits, n_planned, estimate, console,
        scorer=scorer, table=table if is_live else None, verbosity=verbosity,
    )  # fmt: skip
    if table and not table.is_introduced:
        table.is_introduced = True
        if not is_live and (line := table.describe_known()):
            logger.info("%s", line)
        if is_live and not progress.has_place_for(table):
            console.print(table.render_whole(console.width), highlight=False)
            console.print()
    if not is_live:
        yield progress
        return
    with Live(progress, console=console, refresh_per_second=2, transient=True):
        yield progress


def _format_left(seconds: float) -> str:
    return f"about {format_duration(seconds)} left" if seconds else "nothing left"


def track_progress(items: Iterable[Item], title: str, n: int) -> Iterable[Item]:
    """Yield the items and show a progress bar for ``n`` of them, if stderr is a terminal."""
    console = Console(stderr=True)
    return track(items, title, n, console=console, transient=True, disable=not console.is_terminal)
