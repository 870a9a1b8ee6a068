from dataclasses import replace

from fmbench.execution.estimate import (
    DEFAULT_QUICK_SECONDS,
    DEFAULT_SECONDS,
    DurationEstimate,
)
from fmbench.records.protocols import QUICK
from fmbench.records.store import StoreContents

EMPTY = StoreContents({}, {}, [])


def test_a_runner_that_was_never_measured_takes_what_its_declared_cost_suggests(toy_cell):
    estimate = DurationEstimate(EMPTY)
    assert estimate.expected_seconds(toy_cell()) == DEFAULT_SECONDS["seconds"]
    assert estimate.expected_seconds(replace(toy_cell(), protocol=QUICK)) == DEFAULT_QUICK_SECONDS


def test_the_committed_records_are_used_until_the_runner_is_measured_here(toy_cell, record_of):
    estimate = DurationEstimate(EMPTY, {"toy": 77.0})
    assert estimate.expected_seconds(toy_cell()) == 77.0
    estimate.learn(record_of(toy_cell(), total_seconds=5.0))
    assert estimate.expected_seconds(toy_cell(seed=3)) == 5.0


def test_the_same_variant_counts_more_than_the_runner(toy_cell, record_of):
    estimate = DurationEstimate(EMPTY)
    variant = replace(toy_cell(), overrides={"epochs": 99})
    estimate.learn(record_of(variant, total_seconds=50.0))
    estimate.learn(record_of(toy_cell(), total_seconds=5.0))
    assert estimate.expected_seconds(replace(variant, seed=1)) == 50.0
    assert estimate.expected_seconds(replace(variant, overrides={"epochs": 98})) == 5.0


def test_a_launch_is_shared_by_its_cells_and_a_resumed_fit_counts_in_full(toy_cell, record_of):
    estimate = DurationEstimate(EMPTY)
    estimate.learn(record_of(toy_cell(), total_seconds=60.0, together=10))
    assert estimate.expected_seconds(toy_cell()) == 6.0
    estimate.learn(record_of(toy_cell(), total_seconds=5.0, fit_seconds=300.0))
    assert estimate.expected_seconds(toy_cell()) == 300.0


def test_a_failed_record_teaches_nothing(toy_cell, record_of):
    estimate = DurationEstimate(EMPTY)
    estimate.learn(record_of(toy_cell(), status="failed", total_seconds=0.1, why="killed"))
    assert estimate.expected_seconds(toy_cell()) == DEFAULT_SECONDS["seconds"]
