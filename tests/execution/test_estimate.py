from dataclasses import replace

from fmbench.execution.estimate import (
    DEFAULT_QUICK_SECONDS,
    DEFAULT_SECONDS,
    DurationEstimate,
)
from fmbench.records.protocols import QUICK
from fmbench.records.store import StoreContents

EMPTY = StoreContents({}, {}, [])


def test_a_runner_without_records_is_estimated_from_its_declared_cost(toy_cell):
    estimate = DurationEstimate(EMPTY)
    assert estimate.expected_seconds(toy_cell()) == DEFAULT_SECONDS["seconds"]
    assert estimate.expected_seconds(replace(toy_cell(), protocol=QUICK)) == DEFAULT_QUICK_SECONDS


def test_the_committed_records_are_used_until_the_runner_is_measured_here(toy_cell, record_of):
    estimate = DurationEstimate(EMPTY, {"toy": 77.0})
    assert estimate.expected_seconds(toy_cell()) == 77.0
    estimate.learn(record_of(toy_cell(), total_seconds=5.0))
    assert estimate.expected_seconds(toy_cell(seed=3)) == 5.0


def test_records_of_the_same_variant_are_preferred_to_others_of_the_runner(toy_cell, record_of):
    estimate = DurationEstimate(EMPTY)
    variant = replace(toy_cell(), overrides={"epochs": 99})
    estimate.learn(record_of(variant, total_seconds=50.0))
    estimate.learn(record_of(toy_cell(), total_seconds=5.0))
    assert estimate.expected_seconds(replace(variant, seed=1)) == 50.0
    other = replace(variant, overrides={})
    assert estimate.expected_seconds(other) == 5.0


def test_the_time_grows_with_the_number_of_epochs(toy_cell, record_of):
    estimate, cell = DurationEstimate(EMPTY, {"toy": 7.0}), toy_cell()
    epochs = cell.hyperparameters["epochs"]
    long = replace(cell, overrides={"epochs": 10 * epochs})
    quick = replace(long, protocol=QUICK)
    assert estimate.expected_seconds(long) == 70.0
    recipe = replace(cell, protocol=QUICK).hyperparameters["epochs"]
    assert estimate.expected_seconds(quick) == DEFAULT_QUICK_SECONDS * 10 * epochs / recipe
    estimate.learn(record_of(cell, total_seconds=5.0))
    assert estimate.expected_seconds(long) == 50.0
    estimate.learn(record_of(long, total_seconds=44.0))
    assert estimate.expected_seconds(long) == 44.0
    assert estimate.expected_seconds(replace(cell, seed=1)) == 5.0, "of its own variant"


def test_the_seconds_are_those_of_a_fit_with_one_worker(toy_cell, record_of):
    estimate = DurationEstimate(EMPTY)
    estimate.learn(record_of(toy_cell(), total_seconds=60.0, details={"workers": 4}))
    assert estimate.expected_seconds(toy_cell()) == 240.0
    estimate.learn(record_of(toy_cell(), total_seconds=60.0, details={"workers": "a few"}))
    assert estimate.expected_seconds(toy_cell()) == 60.0


def test_cells_of_one_launch_share_its_time_and_a_resumed_fit_includes_its_earlier_time(
    toy_cell, record_of
):
    estimate = DurationEstimate(EMPTY)
    estimate.learn(record_of(toy_cell(), total_seconds=60.0, together=10))
    assert estimate.expected_seconds(toy_cell()) == 6.0
    estimate.learn(record_of(toy_cell(), total_seconds=5.0, fit_seconds=300.0))
    assert estimate.expected_seconds(toy_cell()) == 300.0


def test_failed_records_do_not_change_an_estimate(toy_cell, record_of):
    estimate = DurationEstimate(EMPTY)
    estimate.learn(record_of(toy_cell(), status="failed", total_seconds=0.1, why="killed"))
    assert estimate.expected_seconds(toy_cell()) == DEFAULT_SECONDS["seconds"]
