"""Selecting and ordering cells, grouping them into launches, and saving their records."""

import contextlib
import importlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from fmbench import runners
from fmbench.datasets.specs import DEFAULT_DATASET, MNIST_DIGITS
from fmbench.execution.backend import FreeJobs, LaunchResult, Limits, RunningLaunches
from fmbench.execution.local import LocalBackend
from fmbench.execution.schedule import (
    CELL_GIB,
    SHARE_FOR_WORKERS,
    build_record,
    choose_order,
    count_most_workers,
    group_into_launches,
    run_cells,
    select_pending,
    simulate_seconds,
    sort_cells,
)
from fmbench.models import registry
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from fmbench.records.store import Store
from tests.helpers import faulty
from tests.helpers.runs import LIMITS, WAIT_SECONDS, EventLog


def execute(cells, store, source, limits=LIMITS):
    return run_cells(cells, store, source, limits, EventLog())


@pytest.mark.slow
def test_a_finished_cell_is_not_run_again_and_a_failed_one_is(store, source):
    fine = Cell(faulty.make_runner(), QUICK, 0)
    failing = Cell(faulty.make_runner("raises", "bad"), QUICK, 0)
    execute([fine, failing], store, source)
    assert select_pending([fine, failing], store.read_contents()) == [failing]
    assert select_pending([fine, failing], store.read_contents(), force=True) == [fine, failing]


@pytest.mark.slow
def test_a_raised_revision_makes_a_record_stale_and_keeps_it(store, source):
    old = Cell(faulty.make_runner(), QUICK, 0)
    execute([old], store, source)
    new = replace(old, runner=replace(old.runner, revision=2))
    contents = store.read_contents()
    assert contents.explain_stale(new) == "revision 1 -> 2"
    assert select_pending([new], contents) == [new]
    execute([new], store, source)
    assert set(store.read_contents().finished) == {old.key, new.key}


@pytest.mark.slow
def test_a_rerun_that_fails_is_reported_and_the_earlier_result_is_kept(store, source):
    cell = Cell(faulty.make_runner("writes"), QUICK, 0)
    execute([cell], store, source)
    execute([cell], store, source, replace(LIMITS, memory=2**20))
    contents = store.read_contents()
    assert cell.key in contents.finished
    assert "memory" in contents.failed[cell.key].why
    assert select_pending([cell], contents) == [cell]
    execute([cell], store, source)
    assert not store.read_contents().failed


@pytest.mark.slow
def test_refresh_runs_cells_again_that_were_measured_with_other_versions(store, source):
    cell = Cell(faulty.make_runner(), QUICK, 0)
    [record] = execute([cell], store, source)
    assert select_pending([cell], store.read_contents(), refresh=True) == []
    store.save(
        replace(record, versions={**record.versions, "numpy": "1.0"}),
        {"y_pred": np.zeros(2000, np.uint8)},
    )
    assert select_pending([cell], store.read_contents()) == []
    assert select_pending([cell], store.read_contents(), refresh=True) == [cell]


def test_cells_run_seed_by_seed_the_cheapest_first():
    quick, slow = faulty.make_runner(name="quick"), faulty.make_runner(name="slow")
    cells = [Cell(r, QUICK, seed) for r in (slow, quick) for seed in (1, 0)]
    seconds = {"quick": 1.0, "slow": 9.0}
    ordered = sort_cells(cells, lambda cell: seconds[cell.runner.name], LIMITS)
    assert [(c.runner.name, c.seed) for c in ordered] == [
        ("quick", 0), ("slow", 0), ("quick", 1), ("slow", 1),
    ]  # fmt: skip


def test_cells_of_the_default_data_set_come_before_all_others():
    runner = faulty.make_runner()
    cells = [Cell(runner, QUICK, seed, dataset) for dataset in (MNIST_DIGITS, DEFAULT_DATASET)
             for seed in (0, 1)]  # fmt: skip
    ordered = sort_cells(cells, lambda cell: 1.0, LIMITS)
    assert [cell.dataset for cell in ordered] == [DEFAULT_DATASET] * 2 + [MNIST_DIGITS] * 2


SECONDS = {"quick": 1.0, "slow": 100.0}


def make_rows(n_seeds):
    rows = [faulty.make_runner(name=name) for name in SECONDS]
    return [Cell(row, QUICK, seed) for row in rows for seed in range(n_seeds)]


def expected_seconds(cell):
    return SECONDS[cell.runner.name]


def test_to_finish_early_the_longest_cells_run_first():
    ordered = sort_cells(make_rows(2), expected_seconds, LIMITS, "finish")
    assert [(c.runner.name, c.seed) for c in ordered] == [
        ("slow", 0), ("slow", 1), ("quick", 0), ("quick", 1),
    ]  # fmt: skip


def test_the_time_of_an_order_is_that_of_jobs_which_take_the_next_cell_when_they_are_free():
    def simulate(seconds, jobs):
        cells = [Cell(faulty.make_runner(), QUICK, seed) for seed in range(len(seconds))]
        return simulate_seconds(cells, lambda cell: seconds[cell.seed], replace(LIMITS, jobs=jobs))

    assert simulate([1, 1, 9], jobs=2) == 10
    assert simulate([9, 1, 1], jobs=2) == 9
    assert simulate([9, 1, 1], jobs=1) == 11
    assert simulate([], jobs=3) == 0


def make_wide(name="wide", max_workers=10):
    return replace(faulty.make_runner(name=name), max_workers=max_workers)


def memory_for(n_workers, worker_gib=1.0):
    """The memory limit, in bytes, under which a fit may have so many workers."""
    return int((CELL_GIB + n_workers * worker_gib) / SHARE_FOR_WORKERS * 2**30)


def count_workers(runner, **changes):
    limits = replace(Limits(timeout=1, memory=8 * 2**30, jobs=16), **changes)
    return count_most_workers(Cell(runner, QUICK, 0), limits)


def test_by_default_a_fit_has_as_many_workers_as_stay_below_4_gib():
    """The GiB of a worker are those of one that copies the images once, and twice."""
    alone = faulty.make_runner()
    once = replace(alone, max_workers=4, worker_gib=0.75)
    twice = replace(alone, max_workers=10, worker_gib=1.5)
    assert [count_workers(runner) for runner in (once, twice, alone)] == [4, 2, 1]
    assert (count_workers(once, jobs=2), count_workers(once, memory=2**30)) == (2, 1)
    assert count_workers(once, memory=64 * 2**30) == 4
    assert count_workers(twice, memory=64 * 2**30) == 10
    assert count_workers(once, shares_jobs=False) == 1


def test_compiled_solvers_leave_room_for_eight_classes_at_once():
    pytest.importorskip("numba")
    for name in ("linear-svc", "logistic-regression"):
        assert count_workers(runners.get_runner(name)) == 8


def test_the_time_of_a_fit_is_that_with_the_workers_that_it_may_use():
    wide, narrow = Cell(make_wide(), QUICK, 0), Cell(faulty.make_runner(name="narrow"), QUICK, 0)

    def expected(cell):
        return {"wide": 100.0, "narrow": 60.0}[cell.runner.name]

    def first(jobs, n_workers=4, **changes):
        limits = replace(LIMITS, jobs=jobs, memory=memory_for(n_workers), **changes)
        return sort_cells([narrow, wide], expected, limits, "finish")[0].runner.name

    assert first(jobs=8) == first(jobs=2) == "narrow"
    assert first(jobs=1) == "wide"
    assert first(jobs=8, n_workers=1) == "wide"
    assert first(jobs=8, shares_jobs=False) == "wide", "on a cluster a fit has one worker"


def test_a_fit_on_several_jobs_is_taken_to_be_so_many_times_as_fast():
    wide = make_wide()
    cells = [Cell(runner, QUICK, 0) for runner in (wide, faulty.make_runner(), wide)]
    limits = replace(LIMITS, jobs=4, memory=memory_for(3))
    # Three jobs for 10 s beside a fourth for 30 s; then the three again.
    assert simulate_seconds(cells, lambda cell: 30.0, limits) == 30
    assert simulate_seconds(cells[:1], lambda cell: 30.0, limits) == 10
    assert simulate_seconds(cells[:1], lambda cell: 30.0, replace(limits, jobs=2)) == 15
    assert simulate_seconds(cells, lambda cell: 30.0, replace(limits, memory=2**30)) == 30
    assert simulate_seconds(cells[:1], lambda cell: 30.0, replace(limits, memory=2**30)) == 30


def test_a_fit_that_can_use_four_jobs_waits_for_two():
    """Alone on the one job that is free at first it would take 120 s."""
    narrow = [Cell(faulty.make_runner(name=f"narrow{n}"), QUICK, 0) for n in range(3)]
    cells = [*narrow, Cell(make_wide(), QUICK, 0)]
    seconds = {"narrow0": 10.0, "narrow1": 20.0, "narrow2": 30.0, "wide": 120.0}
    limits = replace(LIMITS, jobs=4, memory=memory_for(4))
    assert simulate_seconds(cells, lambda cell: seconds[cell.runner.name], limits) == 10 + 120 / 2


# Seconds with one worker and the number of cells of each row that is not neural.
ROWS = {
    "logistic": (1316.0, 1), "linear": (600.0, 5), "hog": (300.0, 1), "rbf": (220.0, 1),
    "forest": (130.0, 5), "perceptron": (100.0, 5), "tree": (33.0, 5), "others": (10.0, 20),
}  # fmt: skip


@pytest.mark.parametrize("jobs", [2, 4, 8, 12, 16, 24, 32])
def test_cores_hardly_idle_at_the_end_of_a_table_that_is_measured_for_an_early_end(jobs):
    runners_of_rows = {
        name: make_wide(name, 10 if name in ("logistic", "linear") else 1) for name in ROWS
    }
    cells = [
        Cell(runner, QUICK, seed)
        for name, runner in runners_of_rows.items()
        for seed in range(ROWS[name][1])
    ]

    def expected(cell):
        return ROWS[cell.runner.name][0]

    limits = replace(LIMITS, jobs=jobs, memory=memory_for(4))
    least = max(sum(map(expected, cells)) / jobs, 1316 / min(jobs, 4))
    ordered = sort_cells(cells, expected, limits, "finish")
    assert simulate_seconds(ordered, expected, limits) < 1.25 * least


def test_the_order_is_that_of_a_table_unless_cores_would_idle_at_the_end():
    quick, slow = (faulty.make_runner(name=name) for name in SECONDS)
    cells = [*(Cell(quick, QUICK, seed) for seed in range(100)), Cell(slow, QUICK, 100)]
    # One job does everything in any order. Of two, one would wait for the long cell at the end.
    assert choose_order(cells, expected_seconds, replace(LIMITS, jobs=1)) == "table"
    assert choose_order(cells, expected_seconds, replace(LIMITS, jobs=2)) == "finish"
    assert choose_order(make_rows(50), expected_seconds, replace(LIMITS, jobs=2)) == "table"
    assert choose_order([], expected_seconds, LIMITS) == "table"


def test_cells_of_a_gpu_do_not_decide_the_order():
    neural = [Cell(runners.get_runner(name), QUICK, 0) for name in ("lenet5", "lstm", "mlp-elu")]

    def expected(cell):
        return 900.0 if cell.runner.name == "lstm" else 500.0

    assert choose_order(neural, expected, replace(LIMITS, jobs=2)) == "finish"
    assert choose_order(neural, expected, replace(LIMITS, jobs=2, device="cuda")) == "table"


@contextlib.contextmanager
def take(free, at_most):
    with free.line_up() as place, free.take(place, at_most) as n_jobs:
        yield n_jobs


def test_a_fit_takes_the_jobs_that_are_free_and_gives_them_back():
    free = FreeJobs(4)
    with take(free, 1) as one:
        with take(free, 6) as others:
            assert (one, others) == (1, 3)
        with take(free, 2) as two, take(free, 0) as least:
            assert (two, least) == (2, 1)
    with take(free, 10) as all_jobs:
        assert all_jobs == 4


def test_jobs_are_given_out_in_the_order_of_the_line():
    """Though a job is free, a launch that needs one does not pass two that wait for several."""
    free, taken = FreeJobs(4), []

    def run(place, name, at_most):
        with free.take(place, at_most) as n_jobs:
            taken.append((name, n_jobs))

    with contextlib.ExitStack() as line, ThreadPoolExecutor(3) as executor:
        with take(free, 3):
            first, second, last = (line.enter_context(free.line_up()) for _ in range(3))
            futures = [
                executor.submit(run, *arguments)
                for arguments in ((last, "last", 1), (second, "second", 4), (first, "first", 4))
            ]
            assert not taken
        for future in futures:
            future.result(WAIT_SECONDS)
    assert taken == [("first", 4), ("second", 4), ("last", 1)]


def test_a_launch_that_leaves_the_line_without_jobs_does_not_hold_up_the_others():
    free = FreeJobs(1)
    with free.line_up():
        pass
    with take(free, 1) as n_jobs:
        assert n_jobs == 1


def test_launches_of_the_gpu_and_of_the_cpu_do_not_wait_for_each_other():
    neural, classical = runners.get_runner("lenet5"), faulty.make_runner()
    launches = [[Cell(runner, QUICK, 0)] for runner in (classical, neural, classical)]
    limits = replace(LIMITS, jobs=3, gpu_jobs=2, device="cuda")
    cpu, gpu = LocalBackend(neural=True).split_into_queues(launches, limits)
    assert (cpu.launches, cpu.jobs) == ([launches[0], launches[2]], 3)
    assert (gpu.launches, gpu.jobs) == ([launches[1]], 2)
    [together] = LocalBackend(neural=True).split_into_queues(launches, LIMITS)
    assert (together.launches, together.jobs) == (launches, LIMITS.jobs)


@pytest.mark.slow
def test_a_lone_cell_fits_its_classes_on_all_cores_with_the_same_predictions(
    store, source, tmp_path
):
    cell = Cell(runners.get_runner("logistic-regression"), QUICK, 0, overrides={"max_iter": 5})
    memory = memory_for(4, cell.runner.worker_gib)
    [alone] = execute([cell], store, source, replace(LIMITS, jobs=1, memory=memory))
    again = Store(tmp_path / "again")
    again.prepare()
    [shared] = execute([cell], again, source, replace(LIMITS, jobs=3, memory=memory))
    assert (alone.details, shared.details) == ({}, {"workers": 3})
    assert shared.key == alone.key
    assert shared.predictions_sha256 == alone.predictions_sha256
    assert shared.warnings == alone.warnings != []


def test_only_seeds_of_the_same_neural_recipe_share_a_launch():
    neural, other, search, classical = (
        runners.get_runner(name) for name in ("three-layer-nn", "lenet5", "eden", "decision-tree")
    )
    cells = [Cell(r, QUICK, s) for s in range(3) for r in (classical, neural, search, other)]
    cells.append(Cell(neural, QUICK, 0, overrides={"epochs": 1}))

    def planned(together):
        launches = group_into_launches(cells, together)
        return [[cells.index(cell) for cell in launch] for launch in launches]

    assert planned(1) == [[i] for i in range(13)]
    assert planned(2) == [[0], [1, 5], [2], [3, 7], [4], [6], [8], [9], [10], [11], [12]]
    assert planned(10) == [[0], [1, 5, 9], [2], [3, 7, 11], [4], [6], [8], [10], [12]]


def test_variants_with_the_same_layers_share_a_launch_and_the_recipe_itself_only_with_its_seeds():
    lenet5 = runners.get_runner("lenet5")
    overrides = [
        {}, {"optimizer": "adam"}, {"loss": "mean squared error"}, {"activation": "tanh"},
        {"scaling": "standard", "optimizer": "adam"}, {"activation": "tanh", "optimizer": "adam"},
        {"epochs": 1, "optimizer": "adam"}, {"batch_size": 64}, {"pooling": "max"},
    ]  # fmt: skip
    cells = [Cell(lenet5, QUICK, 0, overrides=each) for each in overrides]
    cells += [Cell(lenet5, QUICK, 1), Cell(lenet5, QUICK, 1, overrides={"optimizer": "adam"})]
    cells += [Cell(lenet5, QUICK, 1, MNIST_DIGITS, {"optimizer": "adam"})]

    def planned(together):
        launches = group_into_launches(cells, together)
        return [sorted(cells.index(cell) for cell in launch) for launch in launches]

    assert planned(10) == [[0, 9], [1, 2, 4, 10], [3, 5], [6], [7], [8], [11]]
    assert planned(2) == [[0, 9], [1, 2], [3, 5], [4, 10], [6], [7], [8], [11]]
    launch = group_into_launches(cells, 10)[1]
    assert [cell.hyperparameters["optimizer"] for cell in launch] == ["adam"] * 3 + ["adamax"]


@pytest.mark.slow
def test_a_launch_of_several_seeds_leaves_the_record_of_each(store, source, tmp_path):
    runner = runners.get_runner("three-layer-nn")
    cells = [Cell(runner, QUICK, seed) for seed in range(3)]
    together = execute(cells, store, source, replace(LIMITS, together=3))
    alone = Store(tmp_path / "alone")
    alone.prepare()
    for one, shared in zip(execute(cells, alone, source), together, strict=True):
        assert (one.key, one.together, shared.together) == (shared.key, 1, 3)
        same = alone.load_y_pred(one) == store.load_y_pred(shared)
        assert same.mean() > 0.99
        assert [e["epoch"] for e in shared.history] == [1, 2]
        assert 0 < shared.fit_seconds < shared.total_seconds
    assert select_pending(cells, store.read_contents()) == []


@pytest.mark.slow
def test_recipes_with_the_same_layers_leave_the_record_of_each_though_one_diverges(store, source):
    lenet5 = runners.get_runner("lenet5")
    overrides = [
        {"optimizer": "adam"},
        {"optimizer": "sgd", "learning_rate": 1e30},
        {"loss": "mean squared error", "scaling": "standard"},
    ]
    cells = [Cell(lenet5, QUICK, 0, overrides=each) for each in overrides]
    records = execute(cells, store, source, replace(LIMITS, together=10))
    by_key = {record.key: record for record in records}
    first, second, third = (by_key[cell.key] for cell in cells)
    assert {record.together for record in records} == {3}
    assert (first.status, second.status, third.status) == ("finished", "failed", "finished")
    assert second.why.startswith("the training diverged: ")
    for cell, record in ((cells[0], first), (cells[2], third)):
        assert record.overrides == cell.overrides
        alone = Store(store.folder / f"alone-{cell.key}")
        alone.prepare()
        [other] = execute([cell], alone, source, LIMITS)
        assert (alone.load_y_pred(other) == store.load_y_pred(record)).mean() > 0.98


@pytest.mark.slow
def test_a_neural_cell_gives_the_same_predictions_in_any_process(store, source, tmp_path):
    cell = Cell(runners.get_runner("three-layer-nn"), QUICK, 3)
    [first] = execute([cell], store, source)
    again = Store(tmp_path / "again")
    again.prepare()
    [second] = execute([cell], again, source)
    assert first.predictions_sha256 == second.predictions_sha256
    assert [e["epoch"] for e in first.history] == [1, 2]
    final = store.load_arrays(first)
    assert (final["epoch_y_pred"][-1] == final["y_pred"]).all()


def test_the_key_consists_of_what_decides_the_predictions_and_nothing_else():
    cell = Cell(faulty.make_runner(), QUICK, 0)
    assert cell.key == Cell(replace(cell.runner, title="renamed", cost="hours"), QUICK, 0).key
    others = [
        replace(cell, seed=1),
        replace(cell, overrides={"fault": "exits"}),
        replace(cell, runner=replace(cell.runner, revision=2)),
        replace(cell, protocol=replace(QUICK, n_test=1000)),
    ]
    assert len({cell.key, *(other.key for other in others)}) == 5


@pytest.mark.slow
def test_a_runner_may_be_registered_in_a_loop(store, source, tmp_path, monkeypatch):
    (tmp_path / "looped.py").write_text(
        "from fmbench import our_choice, register\n"
        "from tests.helpers.faulty import Faulty\n\n"
        "for n in (1, 2):\n"
        "    @register(f'looped-{n}', title='Made by a loop', revision=1, cost='seconds',\n"
        "              hyperparameters={'fault': our_choice('none', 'for a test')})\n"
        "    def factory(*, fault):\n"
        "        return Faulty(fault)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with registry.isolate_registrations():
        importlib.import_module("looped")
        cells = [Cell(runners.get_runner(f"looped-{n}"), QUICK, 0) for n in (1, 2)]
        assert [r.status for r in execute(cells, store, source)] == ["finished", "finished"]


def test_the_largest_number_of_launches_at_the_same_time_is_counted():
    running, first, second, third = RunningLaunches(), ["a"], ["b"], ["c"]
    with running.track(first):
        assert running.count_max_concurrent(first) == 1
        with running.track(second), running.track(third):
            pass
        with running.track(third):
            assert (running.count_max_concurrent(first), running.count_max_concurrent(third)) == (
                3,
                2,
            )
    running.wait_until_none()


@pytest.mark.slow
def test_a_record_says_how_many_launches_ran_at_the_same_time(store, source):
    both_started = threading.Barrier(2, timeout=WAIT_SECONDS)

    class Together(EventLog):
        def on_start(self, cell):
            both_started.wait()

    cells = [Cell(faulty.make_runner(name=f"slow{n}"), QUICK, 0) for n in (1, 2)]
    assert [r.jobs for r in execute(cells[:1], store, source)] == [1]
    assert [r.jobs for r in run_cells(cells, store, source, LIMITS, Together())] == [2, 2]


@pytest.mark.slow
def test_a_cell_that_cannot_be_saved_on_a_full_disk_fails_and_the_run_continues(
    store, source, monkeypatch
):
    save = Store.save

    def save_unless_unlucky(self, record, arrays=None):
        if record.cell["runner"] == "unlucky":
            raise OSError(28, "No space left on device")
        return save(self, record, arrays)

    monkeypatch.setattr(Store, "save", save_unless_unlucky)
    cells = [Cell(faulty.make_runner(name=name), QUICK, 0) for name in ("unlucky", "lucky")]
    unlucky, lucky = execute(cells, store, source)
    assert unlucky.why == "its result could not be written: No space left on device"
    assert lucky.finished and not store.read_contents().broken


@pytest.mark.parametrize("fault", ["none", "raises"])
@pytest.mark.slow
def test_two_measurements_of_a_cell_never_have_equal_records(store, source, fault):
    cell = Cell(faulty.make_runner(fault), QUICK, 0)
    [first], [second] = (execute([cell], store, source) for _ in range(2))
    times = {"started": "", "total_seconds": 0.0, "fit_seconds": None, "predict_seconds": None}
    times |= {"peak_memory_bytes": None}
    assert replace(first, **times) != replace(second, **times)
    times |= {"measurement_id": None}
    assert replace(first, **times) == replace(second, **times)


def test_the_record_of_a_failure_has_the_reason_and_no_result(toy_cell):
    record = build_record(toy_cell(), LaunchResult(1, together=1, failure="a reason"), None)
    assert (record.status, record.why) == ("failed", "a reason")
    assert (record.fit_seconds, record.history, record.predictions_sha256) == (None, [], None)
