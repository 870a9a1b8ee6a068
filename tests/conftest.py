"""Fixtures and settings for all tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from fmbench.analysis import evaluation
from fmbench.datasets import loading, locate, specs
from fmbench.errors import UserError
from fmbench.models.registry import Runner, our_choice
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from fmbench.records.record import Record
from fmbench.records.store import Store
from fmbench.suites import reader
from fmbench.suites.bundled import CHECKOUT
from fmbench.utils import environment
from fmbench.utils.files import find_user_cache
from tests.helpers.runs import WAIT_SECONDS

if TYPE_CHECKING:
    from fmbench.analysis.predictions import SuitePredictions

# No limit on time: a test must pass on a busy machine. Speeds are measured in benchmarks/.
# A failing example is not made smaller, which may take five minutes: the printed blob reproduces
# it, and `--hypothesis-profile=shrink` makes it small.
# The examples are the same each time, so that no test fails by chance: to look for others, give
# `--hypothesis-profile=random`.
settings.register_profile(
    "random",
    deadline=None,
    print_blob=True,
    phases=[phase for phase in Phase if phase not in (Phase.shrink, Phase.explain)],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("fmbench", settings.get_profile("random"), derandomize=True)
settings.register_profile("shrink", settings.get_profile("random"), phases=list(Phase))
settings.load_profile("fmbench")

# Whoever runs the tests may have set these, and what they change is not what the tests expect: the
# width and the colours of a terminal, what Python does at its start, the folders of fmbench, the
# repository of a git hook.
VARIABLES_OF_THE_USER = (
    "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLORTERM",
    "TTY_COMPATIBLE", "TTY_INTERACTIVE", "PYTHONSAFEPATH", "PYTHONWARNINGS", "PYTHONIOENCODING",
    "FMBENCH_RESULTS", "FMBENCH_FORK_SERVER", *environment.GIT_VARIABLES,
)  # fmt: skip


# The files whose tests take longest, the longest first. They are begun first, so that at the end no
# worker waits for another: a worker gets one file after the other.
LONGEST_FILES = (
    "runners/test_contract.py", "execution/test_gpu_measurements.py",
    "end_to_end/test_forensics.py", "execution/cluster/test_cluster.py",
    "end_to_end/test_interruptions.py", "consistency/test_sources.py",
    "execution/test_fork_server.py", "end_to_end/test_faults.py", "report/html/test_browser.py",
    "audit/test_mutations.py", "models/nn/test_training.py", "plugins/test_runner_builder.py",
    "execution/test_schedule.py", "end_to_end/test_cli.py", "test_packaging.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first; the others keep their order."""
    folder = Path(__file__).parent
    ranks = {folder / name: rank for rank, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests away from the user's settings and caches, all but the data set there."""
    for name in VARIABLES_OF_THE_USER:
        os.environ.pop(name, None)
    os.environ["TERM"] = "xterm-256color"
    try:
        source = locate.locate_dataset()
    except UserError:
        return  # the first test that needs the data set fetches it into the user's cache
    folder = tempfile.TemporaryDirectory(prefix="fmbench-tests-")
    config.add_cleanup(folder.cleanup)
    cache = Path(folder.name)
    theirs = find_user_cache()
    if source.folder.is_relative_to(theirs):
        os.environ[locate.ENVIRONMENT_VARIABLE] = str(source.folder)
    # Other programs keep theirs: without it, Matplotlib would search all fonts again.
    if os.access(theirs.parent, os.R_OK | os.X_OK):
        for other in theirs.parent.iterdir():
            if other.name != theirs.name:
                (cache / other.name).symlink_to(other)
    os.environ["XDG_CACHE_HOME"] = str(cache)
    os.environ["XDG_CONFIG_HOME"] = str(cache / "config")
    os.environ["KERAS_HOME"] = str(cache / "keras")


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """On a slow machine, nothing for which this process waits by the clock comes too late."""
    from fmbench.execution import fork_server
    from fmbench.execution.cluster import connection
    from fmbench.extraction.pdf import reader as pdf_reader
    from fmbench.plugins import runner_builder

    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (environment, "ANSWER_SECONDS"),
            (fork_server, "ANSWER_SECONDS"),
            (fork_server, "END_SECONDS"),
            (connection, "HANDSHAKE_SECONDS"),
            (connection, "ANSWER_SECONDS"),
            (pdf_reader, "MAX_SECONDS"),
            (runner_builder, "LOAD_SECONDS"),
        ):
            patch.setattr(module, name, float(WAIT_SECONDS))
        yield


@pytest.fixture(scope="session")
def published() -> specs.LocatedDataset:
    """The data set where fmbench finds it, or has fetched it: usually the packed files."""
    return locate.locate_dataset(fetch=True)


@pytest.fixture(scope="session")
def source(published: specs.LocatedDataset) -> Iterator[specs.LocatedDataset]:
    """The same files, unpacked: they are checked as packed ones are, in a fifth of the time."""
    with tempfile.TemporaryDirectory(prefix="fmbench-tests-") as name:
        folder = Path(name)
        for file in specs.FILES:
            content = loading.read_verified_file(published.spec, published.folder, file)
            (folder / file).write_bytes(content)
        yield replace(published, folder=folder)


@pytest.fixture(scope="session")
def dataset(source: specs.LocatedDataset) -> loading.Dataset:
    return loading.load_dataset(source)


@pytest.fixture(scope="session")
def toy_cell() -> Callable[..., Cell]:
    """A cell of a runner that is never run: ``toy_cell(seed=1, revision=3, epochs=12)``."""

    def build(
        seed: int = 0, *, revision: int = 2, epochs: int = 10, deterministic: bool = False
    ) -> Cell:
        def stochastic_factory(*, epochs: int, seed: int) -> None:
            raise AssertionError("never run")

        def factory(*, epochs: int) -> None:
            raise AssertionError("never run")

        runner = Runner(
            "toy",
            "A runner for tests",
            factory if deterministic else stochastic_factory,
            {"epochs": our_choice(epochs, "for tests")},
            revision,
            "seconds",
        )
        return Cell(runner, FULL, seed)

    return build


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty results folder."""
    store = Store(tmp_path / "results")
    store.prepare()
    return store


@pytest.fixture(scope="session")
def record_of() -> Callable[..., Record]:
    """A record of a cell, as a run would leave it; keywords replace its fields."""

    def build(cell: Cell, **changes: Any) -> Record:
        fields = {
            "status": "finished",
            "key": cell.key,
            "cell": cell.to_definition(),
            "overrides": dict(cell.overrides),
            "device": "a processor",
            "threads": 1,
            "jobs": 2,
            "versions": {"python": "3.11.7"},
            "package": {"version": "0.1.0", "commit": None, "dirty": False},
            "started": "2026-01-01T00:00:00+00:00",
            "total_seconds": 3.5,
            "fit_seconds": 2.0,
        }
        return Record(**{**fields, **changes})

    return build


@pytest.fixture(scope="session")
def reference(source: specs.LocatedDataset) -> SuitePredictions:
    """The committed records, read as far as figures and page need them."""
    from fmbench.analysis.predictions import load_predictions

    suite = reader.read_suite()
    results, against = (
        evaluation.read_results(CHECKOUT / "results" / name, suite, data=source.folder)
        for name in ("reference", "gpu")
    )
    return load_predictions(results, against)


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory, reference: SuitePredictions) -> Path:
    """The page that `fmbench report --results results/reference` writes."""
    from fmbench.report.commands import Commands
    from fmbench.report.html.page import render_page

    path = tmp_path_factory.mktemp("report") / "report.html"
    commands = Commands(Path("results/reference"), against=Path("results/gpu"))
    path.write_text(render_page(reference, commands), encoding="utf-8")
    return path


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write missing golden predictions")
