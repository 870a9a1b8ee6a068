"""What a run would do: the cells of each row, and the time."""

import pytest

from fmbench.execution.estimate import DEFAULT_SECONDS, DurationEstimate
from fmbench.execution.plan import plan_cells
from fmbench.execution.session import RunOptions
from fmbench.records.store import Store, StoreContents
from fmbench.utils import environment

ESTIMATE = DurationEstimate(StoreContents({}, {}, []))
ONE = DEFAULT_SECONDS["seconds"]


@pytest.fixture(autouse=True)
def enough_memory(monkeypatch):
    """As many cells at a time as are asked for, whatever else runs on the machine."""
    monkeypatch.setattr(environment, "measure_free_memory", lambda: 2**36)


def plan(tmp_path, rows, pending, **options):
    return plan_cells(rows, pending, Store(tmp_path), ESTIMATE, RunOptions(**options))


def test_the_time_is_that_of_the_pending_cells_on_the_jobs(toy_cell, tmp_path):
    cells = [toy_cell(seed=seed) for seed in range(5)]
    found = plan(tmp_path, {"a": cells[:3], "b": cells[3:]}, cells[1:], jobs=2)
    assert [(row.name, row.n_cells, row.n_pending, row.seconds) for row in found.rows] == [
        ("a", 3, 2, 2 * ONE), ("b", 2, 2, 2 * ONE),
    ]  # fmt: skip
    assert (found.n_cells, found.n_pending, found.core_seconds) == (5, 4, 4 * ONE)
    assert (found.jobs, found.at_a_time, found.seconds) == (2, "2 at a time", 2 * ONE)


def test_a_cell_that_two_rows_share_is_counted_once(toy_cell, tmp_path):
    cell = toy_cell()
    found = plan(tmp_path, {"a": [cell], "b": [cell]}, [cell], jobs=1)
    assert [row.n_cells for row in found.rows] == [1, 0]
    assert found.core_seconds == ONE


def test_the_time_on_a_cluster_is_not_known(toy_cell, tmp_path):
    cell = toy_cell()
    found = plan(tmp_path, {"a": [cell]}, [cell], backend="dask", scheduler="tcp://nobody:1")
    assert (found.jobs, found.seconds, found.core_seconds) == (None, None, ONE)
