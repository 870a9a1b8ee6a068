"""Summaries: the records of a runner become a mean, a spread, and a status with a reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fmbench import runners
from fmbench.analysis.summary import BEST_EPOCH_TEXT, FlaggedFigure, Status, Summary, summarise
from fmbench.models.registry import BEST_EPOCH
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, QUICK
from fmbench.records.store import Store
from fmbench.suites.configurations import Configuration

Y_TRUE = np.resize(np.arange(10, dtype=np.uint8), 10_000)


def right(percent: int) -> dict[str, np.ndarray]:
    """Predictions of which exactly ``percent`` % are right."""
    y_pred, n = (Y_TRUE + 1) % 10, 100 * percent
    y_pred[:n] = Y_TRUE[:n]
    return {"y_pred": y_pred.astype(np.uint8)}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


def summary_of(cell: Cell, store: Store, protocol=FULL) -> Summary:
    y_true = Y_TRUE[: protocol.n_test]
    return summarise(Configuration(cell.runner), protocol, store.read_contents(), store, y_true)


def test_without_a_record_a_runner_is_not_run(store, toy_cell):
    assert summary_of(toy_cell(), store) == Summary("toy", Status.NOT_RUN)


def test_seeds_are_summarised_in_their_order(store, toy_cell, record_of):
    for seed, n in ((2, 90), (0, 80), (10, 70), (1, 100)):
        cell = toy_cell(seed)
        store.save(record_of(cell, fit_seconds=seed, device=f"cpu {seed % 2}"), right(n))
    found = summary_of(toy_cell(), store)
    assert found.status is Status.MEASURED
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


def test_records_of_another_protocol_do_not_count(store, toy_cell, record_of):
    quick = Cell(toy_cell().runner, QUICK, 0)
    store.save(record_of(quick), {"y_pred": right(10)["y_pred"][:2000]})
    assert summary_of(quick, store).status is Status.NOT_RUN
    assert summary_of(quick, store, QUICK).mean == 0.5


def test_records_of_another_variant_do_not_count(store, toy_cell, record_of):
    runner = toy_cell().runner
    store.save(record_of(Cell(runner, FULL, 0, overrides={"epochs": 99})), right(50))
    assert summary_of(toy_cell(), store).status is Status.NOT_RUN


def test_a_failed_seed_makes_the_whole_row_failed_and_keeps_the_other_seeds(
    store, toy_cell, record_of
):
    store.save(record_of(toy_cell(0)), right(90))
    store.save(record_of(toy_cell(1), status="failed", why="ran out of memory"))
    found = summary_of(toy_cell(), store)
    assert (found.status, found.reason) == (Status.FAILED, "ran out of memory (seed 1)")
    assert found.status_text == "failed: ran out of memory (seed 1)"
    assert (found.n, found.mean) == (1, 0.9)


def test_a_failure_alone_has_no_figures(store, toy_cell, record_of):
    cell = toy_cell(deterministic=True)
    store.save(record_of(cell, status="failed", why="timed out after 5 s"))
    assert summary_of(cell, store) == Summary("toy", Status.FAILED, reason="timed out after 5 s")


def test_a_failure_of_an_older_revision_does_not_count(store, toy_cell, record_of):
    store.save(record_of(toy_cell(revision=1), status="failed", why="killed"))
    assert summary_of(toy_cell(revision=2), store) == Summary("toy", Status.NOT_RUN)


def test_a_stale_record_gives_a_reason_and_no_figure(store, toy_cell, record_of):
    store.save(record_of(toy_cell(revision=2)), right(90))
    found = summary_of(toy_cell(revision=3), store)
    assert found == Summary("toy", Status.STALE, reason="revision 2 -> 3")


def test_a_stale_seed_does_not_hide_the_measured_ones(store, toy_cell, record_of):
    store.save(record_of(toy_cell(0, revision=2)), right(10))
    store.save(record_of(toy_cell(1, revision=3)), right(90))
    found = summary_of(toy_cell(revision=3), store)
    assert (found.status, found.accuracies) == (Status.MEASURED, (0.9,))


def test_a_damaged_record_gives_a_reason_and_no_figure(store, toy_cell, record_of):
    path = store.path(store.save(record_of(toy_cell()), right(90)))
    path.with_suffix(".npz").write_bytes(b"")
    assert summary_of(toy_cell(), store) == Summary(
        "toy", Status.FAILED, reason=f"the record {path.name} is damaged"
    )
    assert summary_of(toy_cell(), store, QUICK) == Summary("toy", Status.NOT_RUN)


def test_a_damaged_record_is_left_out_of_the_mean(store, toy_cell, record_of):
    path = store.path(store.save(record_of(toy_cell(0)), right(10)))
    store.save(record_of(toy_cell(1)), right(90))
    path.write_text("{")
    found = summary_of(toy_cell(), store)
    assert (found.status, found.accuracies) == (Status.MEASURED, (0.9,))


def test_a_flagged_figure_is_scored_in_addition_to_the_result(store, toy_cell, record_of):
    for seed, n in ((0, 80), (1, 90)):
        cell = toy_cell(seed)
        arrays = {**right(n), "flagged_sign": right(n - 5)["y_pred"]}
        store.save(record_of(cell), arrays)
    runner = replace(toy_cell().runner, flagged={"sign": "scored by signs"})
    found = summarise(Configuration(runner), FULL, store.read_contents(), store, Y_TRUE)
    assert found.accuracies == (0.8, 0.9)
    assert found.flagged == {"sign": FlaggedFigure("scored by signs", (0.75, 0.85))}
    assert summary_of(toy_cell(), store).flagged == {}


def test_a_flagged_figure_counts_the_records_that_have_it(store, toy_cell, record_of):
    store.save(record_of(toy_cell(0)), right(80))
    store.save(record_of(toy_cell(1)), {**right(90), "flagged_sign": right(70)["y_pred"]})
    runner = replace(toy_cell().runner, flagged={"sign": "scored by signs"})
    found = summarise(Configuration(runner), FULL, store.read_contents(), store, Y_TRUE)
    assert (found.n, found.flagged) == (2, {"sign": FlaggedFigure("scored by signs", (0.7,))})


def test_the_best_epoch_is_scored_only_if_asked_for_and_not_stored_already(
    store, toy_cell, record_of
):
    for seed, n in ((0, 80), (1, 90)):
        epochs = np.array([right(n - 10)["y_pred"], right(n + 5)["y_pred"], right(n)["y_pred"]])
        arrays = {**right(n), "epoch_y_pred": epochs, "flagged_best_epoch": right(7)["y_pred"]}
        store.save(record_of(toy_cell(seed)), arrays)
    runner, contents = toy_cell().runner, store.read_contents()

    def flagged(runner, **options):
        return summarise(Configuration(runner), FULL, contents, store, Y_TRUE, **options).flagged

    assert flagged(runner) == {}
    assert flagged(runner, picks_epoch=True) == {
        BEST_EPOCH: FlaggedFigure(BEST_EPOCH_TEXT, (0.85, 0.95))
    }
    own = replace(runner, flagged={BEST_EPOCH: "as the source did"})
    assert flagged(own, picks_epoch=True) == {
        BEST_EPOCH: FlaggedFigure("as the source did", (0.07, 0.07))
    }


def test_a_model_without_epochs_has_no_best_one(store, toy_cell, record_of):
    store.save(record_of(toy_cell()), right(80))
    contents = store.read_contents()
    found = summarise(
        Configuration(toy_cell().runner), FULL, contents, store, Y_TRUE, picks_epoch=True
    )
    assert found.flagged == {BEST_EPOCH: FlaggedFigure(BEST_EPOCH_TEXT)}


def test_every_runner_that_flags_the_best_epoch_describes_it_by_the_same_words():
    flagged = [r.flagged[BEST_EPOCH] for r in runners.load_runners().values()
               if BEST_EPOCH in r.flagged]  # fmt: skip
    assert flagged and all(text.startswith(BEST_EPOCH_TEXT) for text in flagged)
