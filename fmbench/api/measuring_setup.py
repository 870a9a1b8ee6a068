"""What every function that measures needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from fmbench.api.inputs import check_options, collect_folders, locate_verified_data

if TYPE_CHECKING:
    from fmbench.datasets.specs import LocatedDataset
    from fmbench.execution.estimate import DurationEstimate
    from fmbench.execution.session import MakeObserver, MeasuringSession, RunOptions
    from fmbench.records.cells import Cell
    from fmbench.records.store import StoreContents
    from fmbench.report.live_table import LiveTable


class MeasuringSetup:
    """What every measuring function needs: the results folder, the data, the cluster."""

    def __init__(
        self,
        results: Path,
        data: Mapping[str, Path] | str | Path | None,
        options: RunOptions | None,
        make_observer: MakeObserver | None,
        verbosity: int = 0,
    ) -> None:
        from fmbench.execution.session import RunOptions, Verbosity
        from fmbench.records.store import Store

        self._stack = ExitStack()
        self._options = options or RunOptions()
        check_options(self._options)
        self._make_observer = make_observer
        self._verbosity = Verbosity(verbosity)
        self.store = Store(results)
        self.store.prepare()
        self._results = results
        self._folders = collect_folders(data)
        self.source = locate_verified_data(self._folders)
        self._sources = {self.source.spec.name: self.source}

    def __enter__(self) -> MeasuringSetup:
        self._cluster = self._stack.enter_context(self._options.connect(self._results))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    @cached_property
    def estimate(self) -> DurationEstimate:
        """How long a cell will take, from records here and from fmbench's own runs."""
        from fmbench.analysis.reference import load_reference_fit_seconds
        from fmbench.execution.estimate import DurationEstimate

        return DurationEstimate(self._contents, load_reference_fit_seconds())

    @cached_property
    def _contents(self) -> StoreContents:
        return self.store.read_contents()

    def find_sources(self, cells: Sequence[Cell]) -> Mapping[str, LocatedDataset]:
        """Find the other data sets that these cells need.

        If one is missing, a message says so, and its cells are left out.
        """
        from fmbench.datasets.locate import find_other_datasets

        self._sources |= find_other_datasets(
            {cell.dataset.name for cell in cells}, self._folders, fetch=True
        )
        return self._sources

    def start_loading(self, cells: Sequence[Cell]) -> None:
        """Start to load the libraries and the images of these cells, while a run is prepared.

        On a cluster its workers load them. ``find_sources`` must have found the images.
        """
        from fmbench.execution.fork_server import start_fork_server
        from fmbench.execution.schedule import group_by_dataset

        if cells and self._cluster is None:
            source = self._sources[group_by_dataset(cells)[0].dataset.name]
            neural = any(cell.runner.uses_gpu for cell in cells)
            start_fork_server(self._options.threads, source, neural=neural)

    def session(
        self, cells: Sequence[Cell], make_table: Callable[[], LiveTable] | None = None
    ) -> MeasuringSession:
        """What measures the cells, within the limits that the options give for them.

        ``make_table``: makes the table that is shown above the progress.
        """
        from fmbench.execution.memory import MemoryEstimate
        from fmbench.execution.session import MeasuringSession
        from fmbench.report.progress import Scorer, show_progress

        limits = self._options.limits(cells, MemoryEstimate(self._contents), self._cluster)
        show = partial(
            show_progress, scorer=Scorer(self.store, self._sources), make_table=make_table,
            verbosity=self._verbosity,
        )  # fmt: skip
        return MeasuringSession(
            self.store, self._sources, limits, self.estimate, self._cluster,
            self._make_observer or show, self._options.order,
        )  # fmt: skip
