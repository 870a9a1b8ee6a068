"""Records become a mean, an honest interval and a status in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fmbench.analysis.reference import Reference, read_summary, write_summary
from fmbench.analysis.statistics import spread
from fmbench.analysis.summary import Summary, summarise
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, QUICK
from fmbench.records.store import Store
from fmbench.suites.entries import Entry

Y_TRUE = np.arange(100, dtype=np.uint8) % 10


def right(n: int) -> dict[str, np.ndarray]:
    """Predictions of which exactly ``n`` of 100 are right."""
    y_pred = (Y_TRUE + 1) % 10
    y_pred[:n] = Y_TRUE[:n]
    return {"y_pred": y_pred.astype(np.uint8)}


# ---------------------------------------------------------------- the spread

ACCURACIES = st.lists(st.floats(0.49, 0.51), min_size=2, max_size=10)


@given(ACCURACIES)
def test_the_interval_is_students_for_one_new_run(accuracies):
    n, sd = len(accuracies), np.std(accuracies, ddof=1)
    low, high = stats.t.interval(0.95, n - 1, np.mean(accuracies), sd * np.sqrt(1 + 1 / n) or 1e-99)
    found = spread(accuracies, deterministic=False)
    assert found == pytest.approx((np.mean(accuracies), sd, max(low, 0), min(high, 1)), abs=1e-9)


def test_two_runs_have_the_wide_interval_of_one_degree_of_freedom():
    mean, sd, low, high = spread([0.90, 0.92], deterministic=False)
    assert (mean, sd) == pytest.approx((0.91, 0.0141421), abs=1e-7)
    assert (low, high) == pytest.approx((0.91 - 12.7062 * 0.0141421 * 1.5**0.5, 1.0), abs=1e-5)


def test_an_interval_ends_at_0_and_1():
    assert spread([0.0, 1.0], deterministic=False)[2:] == (0.0, 1.0)


def test_one_run_of_a_stochastic_runner_has_no_spread_to_tell():
    assert spread([0.9], deterministic=False) == (0.9, None, None, None)


def test_a_deterministic_runner_has_a_spread_of_zero():
    assert spread([0.9], deterministic=True) == (0.9, 0.0, 0.9, 0.9)


# ---------------------------------------------------------------- a folder's records


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


def summary_of(cell: Cell, store: Store, protocol=FULL) -> Summary:
    return summarise(Entry(cell.runner), protocol, store.read(), store, Y_TRUE)


def test_without_a_record_a_runner_is_not_run(store, toy_cell):
    assert summary_of(toy_cell(), store) == Summary("toy", "not run")


def test_seeds_are_summarised_in_their_order(store, toy_cell, record_of):
    for seed, n in ((2, 90), (0, 80), (10, 70), (1, 100)):
        cell = toy_cell(seed)
        store.save(record_of(cell, fit_seconds=seed, device=f"cpu {seed % 2}"), right(n))
    found = summary_of(toy_cell(), store)
    assert found.status == "measured"
    assert found.accuracies == (0.8, 1.0, 0.9, 0.7)
    assert (found.n, found.mean, found.fit_seconds) == (4, pytest.approx(0.85), 3.25)
    assert found.sd == pytest.approx(np.std([0.7, 0.8, 0.9, 1.0], ddof=1))
    assert found.low < 0.85 < found.high == 1
    assert found.device == "cpu 0, cpu 1"


def test_a_deterministic_runner_is_measured_by_one_seed(store, toy_cell, record_of):
    cell = toy_cell(deterministic=True)
    store.save(record_of(cell), right(87))
    found = summary_of(cell, store)
    assert (found.n, found.mean, found.sd, found.low, found.high) == (1, 0.87, 0.0, 0.87, 0.87)


def test_another_protocols_records_do_not_count(store, toy_cell, record_of):
    quick = Cell(toy_cell().runner, QUICK, 0)
    store.save(record_of(quick), right(50))
    assert summary_of(quick, store).status == "not run"
    assert summary_of(quick, store, QUICK).mean == 0.5


def test_another_variants_and_another_runners_records_do_not_count(store, toy_cell, record_of):
    runner = toy_cell().runner
    store.save(record_of(Cell(runner, FULL, 0, overrides={"epochs": 99})), right(50))
    assert summary_of(toy_cell(), store).status == "not run"


def test_a_failure_is_the_status_even_beside_what_was_measured(store, toy_cell, record_of):
    store.save(record_of(toy_cell(0)), right(90))
    store.save(record_of(toy_cell(1), status="failed", why="ran out of memory"))
    found = summary_of(toy_cell(), store)
    assert found.status == "failed: ran out of memory (seed 1)"
    assert (found.n, found.mean) == (1, 0.9)


def test_a_failure_alone_has_no_figures(store, toy_cell, record_of):
    cell = toy_cell(deterministic=True)
    store.save(record_of(cell, status="failed", why="timed out after 5 s"))
    assert summary_of(cell, store) == Summary("toy", "failed: timed out after 5 s")


def test_a_failure_of_an_older_recipe_is_not_todays(store, toy_cell, record_of):
    store.save(record_of(toy_cell(revision=1), status="failed", why="killed"))
    assert summary_of(toy_cell(revision=2), store) == Summary("toy", "not run")


def test_a_stale_record_is_named_and_gives_no_figure(store, toy_cell, record_of):
    store.save(record_of(toy_cell(revision=2)), right(90))
    found = summary_of(toy_cell(revision=3), store)
    assert found == Summary("toy", "stale: revision 2 -> 3")


def test_a_stale_record_does_not_hide_what_is_measured(store, toy_cell, record_of):
    store.save(record_of(toy_cell(0, revision=2)), right(10))
    store.save(record_of(toy_cell(1, revision=3)), right(90))
    found = summary_of(toy_cell(revision=3), store)
    assert (found.status, found.accuracies) == ("measured", (0.9,))


def test_a_damaged_record_is_named_and_gives_no_figure(store, toy_cell, record_of):
    path = store.path(store.save(record_of(toy_cell()), right(90)))
    path.with_suffix(".npz").write_bytes(b"")
    assert summary_of(toy_cell(), store) == Summary(
        "toy", f"failed: the record {path.name} is damaged"
    )
    assert summary_of(toy_cell(), store, QUICK) == Summary("toy", "not run")


def test_a_damaged_record_is_left_out_of_the_mean(store, toy_cell, record_of):
    path = store.path(store.save(record_of(toy_cell(0)), right(10)))
    store.save(record_of(toy_cell(1)), right(90))
    path.write_text("{")
    found = summary_of(toy_cell(), store)
    assert (found.status, found.accuracies) == ("measured", (0.9,))


def test_a_flagged_figure_is_scored_beside_the_result(store, toy_cell, record_of):
    for seed, n in ((0, 80), (1, 90)):
        cell = toy_cell(seed)
        arrays = {**right(n), "flagged_sign": right(n - 5)["y_pred"]}
        store.save(record_of(cell), arrays)
    runner = replace(toy_cell().runner, flagged={"sign": "scored by signs"})
    found = summarise(Entry(runner), FULL, store.read(), store, Y_TRUE)
    assert found.accuracies == (0.8, 0.9)
    assert found.flagged == {"scored by signs": (0.75, 0.85)}
    assert summary_of(toy_cell(), store).flagged == {}


def test_a_flagged_figure_counts_the_records_that_have_it(store, toy_cell, record_of):
    store.save(record_of(toy_cell(0)), right(80))
    store.save(record_of(toy_cell(1)), {**right(90), "flagged_sign": right(70)["y_pred"]})
    runner = replace(toy_cell().runner, flagged={"sign": "scored by signs"})
    found = summarise(Entry(runner), FULL, store.read(), store, Y_TRUE)
    assert (found.n, found.flagged) == (2, {"scored by signs": (0.7,)})


# ---------------------------------------------------------------- the summary file


def test_a_summary_file_is_read_as_it_was_written(tmp_path):
    measured = Summary("a", "measured", 2, 0.85, 0.05, 0.1, 1.0, 2.5, "cpu", (0.8, 0.9))
    one = Summary("b", "failed: killed", n=1, mean=0.5, accuracies=(0.5,), fit_seconds=4.0)
    flagged = replace(measured, runner="d", flagged={"scored by signs": (0.7, 0.75)})
    versions = [{"python": "3.11.7"}]
    path = tmp_path / "summary.json"
    write_summary(path, [measured, one, Summary("c", "not run"), flagged], versions)
    found = read_summary(path)
    assert found == {"a": measured, "b": one, "d": flagged}
    assert path.read_text().count("flagged") == 1
    assert Reference(found).fit_seconds == {"a": 2.5, "b": 4.0, "d": 2.5}


def test_a_summary_file_does_not_depend_on_the_last_bits(tmp_path):
    texts = []
    for mean in (0.1 + 0.2, 0.3):
        path = tmp_path / "summary.json"
        write_summary(path, [Summary("a", "measured", 1, mean, accuracies=(mean,))], [])
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]
