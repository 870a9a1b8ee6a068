import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from fmbench import runners
from fmbench.execution.backend import Limits
from fmbench.execution.schedule import in_order, launches, pending, run
from fmbench.models import registry
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from fmbench.records.store import Store
from tests.helpers import faulty

LIMITS = Limits(timeout=60, memory=4 * 2**30, jobs=2)


class Log:
    """An observer that remembers."""

    def __init__(self):
        self.events = []

    def started(self, cell):
        self.events.append(("started", cell.name))

    def ended(self, cell, record):
        self.events.append(("ended", cell.name))


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results")
    store.prepare()
    return store


def execute(cells, store, source, limits=LIMITS):
    return run(cells, store, source, limits, Log())


FAULTS = {
    "raises": "ValueError: the matrix is singular",
    "raises on predict": "RuntimeError: no such kernel",
    "exits": "SystemExit: 3",
    "vanishes": "ended with status 7",
    "segfaults": "killed by signal 11 (SIGSEGV)",
    "too few": "BadPredictions: predict returned shape (1999,), expected (2000,)",
    "wrong shape": "shape (2000, 1)",
    "out of range": "classes 10 to 10, not 0-9",
    "negative": "classes -1 to -1, not 0-9",
    "nan": "not whole numbers",
    "fractions": "not whole numbers",
    "strings": "expected whole numbers 0 to 9",
}


def test_each_fault_fails_its_own_cell_with_a_reason_and_the_others_go_on(store, source):
    cells = [
        Cell(faulty.runner(fault, fault.replace(" ", "-")), QUICK, 0)
        for fault in ["none", *FAULTS, "writes"]
    ]
    execute(cells, store, source)
    contents = store.read()
    assert not contents.broken
    assert {r.cell["runner"] for r in contents.finished.values()} == {"none", "writes"}
    for cell in cells[1:-1]:
        fault = cell.hyperparameters["fault"]
        assert FAULTS[fault] in contents.failed[cell.key].why
        assert "\n" not in contents.failed[cell.key].why


def test_a_cell_that_never_returns_is_ended_at_its_time_limit(store, source):
    cell = Cell(faulty.runner("never returns"), QUICK, 0)
    [record] = execute([cell], store, source, replace(LIMITS, timeout=3))
    assert record.why == "timed out after 3 s"
    assert record.total_seconds < 20


def test_a_cell_that_eats_memory_is_ended_at_its_memory_limit(store, source):
    cell = Cell(faulty.runner("eats memory"), QUICK, 0)
    [record] = execute([cell], store, source, replace(LIMITS, memory=2**30))
    assert record.why == "used more than 1 GB of memory"
    assert record.peak_memory_bytes > 2**30


def test_what_a_runner_writes_does_not_reach_the_terminal(store, source, capfd):
    execute([Cell(faulty.runner("writes"), QUICK, 0)], store, source)
    assert "chatter" not in "".join(capfd.readouterr())


def test_children_that_a_runner_leaves_are_ended_with_its_cell(store, source):
    [record] = execute([Cell(faulty.runner("leaves children"), QUICK, 0)], store, source)
    assert record.finished
    orphans = [p for p in psutil.process_iter(["cmdline"]) if "# orphan" in str(p.info["cmdline"])]
    assert not orphans


def test_a_finished_cell_is_not_run_again_and_a_failed_one_is(store, source):
    fine, failing = Cell(faulty.runner(), QUICK, 0), Cell(faulty.runner("raises", "bad"), QUICK, 0)
    execute([fine, failing], store, source)
    assert pending([fine, failing], store.read()) == [failing]
    assert pending([fine, failing], store.read(), force=True) == [fine, failing]


def test_a_raised_revision_makes_a_record_stale_and_keeps_it(store, source):
    old = Cell(faulty.runner(), QUICK, 0)
    execute([old], store, source)
    new = replace(old, runner=replace(old.runner, revision=2))
    contents = store.read()
    assert contents.stale(new) == "revision 1 -> 2"
    assert pending([new], contents) == [new]
    execute([new], store, source)
    assert set(store.read().finished) == {old.key, new.key}


def test_a_rerun_that_fails_neither_hides_itself_nor_loses_the_result(store, source, monkeypatch):
    cell = Cell(faulty.runner("writes"), QUICK, 0)
    execute([cell], store, source)
    execute([cell], store, source, replace(LIMITS, memory=2**20))
    contents = store.read()
    assert cell.key in contents.finished
    assert "memory" in contents.failed[cell.key].why
    assert pending([cell], contents) == [cell]
    execute([cell], store, source)
    assert not store.read().failed


def test_refresh_runs_again_what_other_versions_measured(store, source):
    cell = Cell(faulty.runner(), QUICK, 0)
    [record] = execute([cell], store, source)
    assert pending([cell], store.read(), refresh=True) == []
    store.save(replace(record, versions={**record.versions, "numpy": "1.0"}), {})
    assert pending([cell], store.read()) == []
    assert pending([cell], store.read(), refresh=True) == [cell]


def test_cells_run_seed_by_seed_the_cheapest_first():
    quick, slow = faulty.runner(name="quick"), faulty.runner(name="slow")
    cells = [Cell(r, QUICK, seed) for r in (slow, quick) for seed in (1, 0)]
    ordered = in_order(cells, lambda cell: {"quick": 1.0, "slow": 9.0}[cell.runner.name])
    assert [(c.runner.name, c.seed) for c in ordered] == [
        ("quick", 0), ("slow", 0), ("quick", 1), ("slow", 1),
    ]  # fmt: skip


def test_seeds_of_one_neural_recipe_share_a_launch_and_nothing_else_does():
    neural, other, search, classical = (
        runners.get(name) for name in ("three-layer-nn", "lenet5", "eden", "decision-tree")
    )
    cells = [Cell(r, QUICK, s) for s in range(3) for r in (classical, neural, search, other)]
    cells.append(Cell(neural, QUICK, 0, overrides={"epochs": 1}))

    def planned(together):
        return [[cells.index(cell) for cell in launch] for launch in launches(cells, together)]

    assert planned(1) == [[i] for i in range(13)]
    assert planned(2) == [[0], [1, 5], [2], [3, 7], [4], [6], [8], [9], [10], [11], [12]]
    assert planned(10) == [[0], [1, 5, 9], [2], [3, 7, 11], [4], [6], [8], [10], [12]]


def test_a_launch_of_several_seeds_leaves_the_records_of_each(store, source, tmp_path):
    cells = [Cell(runners.get("three-layer-nn"), QUICK, seed) for seed in range(3)]
    together = execute(cells, store, source, replace(LIMITS, together=3))
    alone = Store(tmp_path / "alone")
    alone.prepare()
    for one, shared in zip(execute(cells, alone, source), together, strict=True):
        assert (one.key, one.together, shared.together) == (shared.key, 1, 3)
        same = alone.y_pred(one) == store.y_pred(shared)
        assert same.mean() > 0.99
        assert [e["epoch"] for e in shared.history] == [1, 2]
        assert 0 < shared.fit_seconds < shared.total_seconds
    assert pending(cells, store.read()) == []


def test_a_launch_that_fails_fails_each_of_its_cells(store, source):
    cells = [Cell(runners.get("three-layer-nn"), QUICK, seed) for seed in range(2)]
    records = execute(cells, store, source, replace(LIMITS, together=2, memory=2**20))
    assert [record.why for record in records] == ["used more than 0.000976562 GB of memory"] * 2
    assert set(store.read().failed) == {cell.key for cell in cells}


def test_the_key_is_made_of_what_decides_the_predictions_and_nothing_else():
    cell = Cell(faulty.runner(), QUICK, 0)
    assert cell.key == Cell(replace(cell.runner, title="renamed", cost="hours"), QUICK, 0).key
    others = [
        replace(cell, seed=1),
        replace(cell, overrides={"fault": "exits"}),
        replace(cell, runner=replace(cell.runner, revision=2)),
        replace(cell, protocol=replace(QUICK, n_test=1000)),
    ]
    assert len({cell.key, *(other.key for other in others)}) == 5


def test_a_runner_may_be_made_by_a_loop(store, source, tmp_path, monkeypatch):
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
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    importlib.import_module("looped")
    cells = [Cell(runners.get(f"looped-{n}"), QUICK, 0) for n in (1, 2)]
    assert [r.status for r in execute(cells, store, source)] == ["finished", "finished"]


def test_the_record_says_how_many_cells_ran_beside(store, source):
    slow = [Cell(faulty.runner(name=f"slow{n}"), QUICK, 0) for n in (1, 2)]
    assert [r.jobs for r in execute(slow[:1], store, source)] == [1]
    assert max(r.jobs for r in execute(slow, store, source)) == 2


def test_a_disk_that_is_full_costs_one_cell_and_the_run_goes_on(store, source, monkeypatch):
    save = Store.save

    def full(self, record, arrays=None):
        if record.cell["runner"] == "unlucky":
            raise OSError(28, "No space left on device")
        return save(self, record, arrays)

    monkeypatch.setattr(Store, "save", full)
    cells = [Cell(faulty.runner(name=name), QUICK, 0) for name in ("unlucky", "lucky")]
    unlucky, lucky = execute(cells, store, source)
    assert unlucky.why == "its result could not be written: No space left on device"
    assert lucky.finished and not store.read().broken


def test_a_neural_cell_gives_the_same_predictions_in_any_process(store, source, tmp_path):
    cell = Cell(runners.get("three-layer-nn"), QUICK, 3)
    [first] = execute([cell], store, source)
    again = Store(tmp_path / "again")
    again.prepare()
    [second] = execute([cell], again, source)
    assert first.predictions_sha256 == second.predictions_sha256
    assert [e["epoch"] for e in first.history] == [1, 2]
    final = store.arrays(first)
    assert (final["epoch_y_pred"][-1] == final["y_pred"]).all()


def fmbench(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "fmbench", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a shell's background job, and so the tests in one, would hand down an ignored SIGINT
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def descendants(pid):
    return [p.pid for p in psutil.Process(pid).children(recursive=True)]


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize("moment", [0.0, 0.3])
def test_kill_9_of_a_run_leaves_no_process_and_no_half_result_and_it_resumes(
    tmp_path, source, moment
):
    results = tmp_path / "results"
    arguments = (
        "run", "decision-tree", "sgd", "--quick", "--seeds", "3",
        "--results", str(results), "--data", str(source.folder),
    )  # fmt: skip
    process = fmbench(*arguments)
    wait_until(lambda: len(list(results.glob("records/*/*.json"))) >= 1)
    time.sleep(moment)
    started = descendants(process.pid)
    process.kill()
    process.communicate()
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in started), 20)
    contents = Store(results).read()
    assert not contents.broken
    n_before = len(contents.finished)
    assert n_before >= 1
    process = fmbench(*arguments)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert err.count(": fit ") == 6 - n_before
    assert not list(results.glob("records/*/.*.tmp"))


@pytest.mark.parametrize("fault", ["raises", "segfaults", "never returns"])
def test_a_cell_that_failed_goes_on_with_what_it_left_and_takes_it_away_at_the_end(
    store, source, fault
):
    cell = Cell(faulty.runner(fault, factory=faulty.resumable), QUICK, 0)
    other = replace(cell, seed=1)
    limits = replace(LIMITS, timeout=3)
    for attempt in (1, 2):
        [record] = execute([cell], store, source, limits)
        assert not record.finished
        assert (store.workspace(cell) / "attempts").read_text() == str(attempt)
    [failed] = execute([other], store, source, limits)
    assert not failed.finished  # it is another cell's first attempt
    [record] = execute([cell], store, source, limits)
    assert record.finished
    assert record.details == {"earlier_attempts": 2}
    assert record.fit_seconds == pytest.approx(200, abs=3)
    assert not store.workspace(cell).exists()
    assert store.workspace(other).exists()
    assert store.read().finished == {cell.key: record}


def test_no_workspace_is_made_for_a_runner_that_keeps_nothing(store, source):
    execute([Cell(faulty.runner(), QUICK, 0)], store, source)
    assert [path.name for path in store.folder.iterdir()] == ["records"]


def search(store, source):
    return fmbench(
        "run", "eden", "--quick", "--seeds", "1", "-j", "1", "--device", "cpu",
        "--results", str(store.folder), "--data", str(source.folder),
    )  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted_search(tmp_path_factory, source):
    store = Store(tmp_path_factory.mktemp("whole"))
    _, err = search(store, source).communicate(timeout=240)
    assert "eden seed 0: fit" in err
    [record] = store.read().finished.values()
    return record


@pytest.mark.parametrize("victim", ["the run", "the cell"])
def test_a_search_that_is_killed_goes_on_and_comes_to_the_same_predictions(
    tmp_path, source, victim, uninterrupted_search
):
    cell = Cell(runners.get("eden"), QUICK, 0)
    store = Store(tmp_path / "killed")
    journal = store.workspace(cell) / "search.json"

    def n_answers():
        return len(json.loads(journal.read_text())["entries"]) if journal.exists() else 0

    process = search(store, source)
    wait_until(lambda: n_answers() >= 2, 180)
    started = descendants(process.pid)
    if victim == "the run":
        process.kill()
    else:
        children = [p.pid for p in psutil.Process(process.pid).children()]
        [the_cell] = set(started) - set(children)
        os.kill(the_cell, signal.SIGKILL)
    process.communicate(timeout=60)
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in started), 20)
    contents, n_before = store.read(), n_answers()
    assert not contents.finished
    assert 2 <= n_before < 8
    for failure in contents.failed.values():
        assert failure.why == "killed by signal 9 (SIGKILL)"
    _, err = search(store, source).communicate(timeout=240)
    assert "eden seed 0: fit" in err
    resumed = store.read().finished[cell.key]
    assert resumed.predictions_sha256 == uninterrupted_search.predictions_sha256
    found, expected = (dict(r.details["search"]) for r in (resumed, uninterrupted_search))
    assert found.pop("taken_from_an_interrupted_run") == n_before
    assert expected.pop("taken_from_an_interrupted_run") == 0
    assert found == expected
    assert resumed.details["winner"] == uninterrupted_search.details["winner"]
    assert resumed.warnings == []
    assert not store.unfinished.exists()
    assert not store.read().failed


def test_a_folder_for_temporary_files_with_too_long_a_path_is_one_line(tmp_path, source):
    deep = tmp_path / "x" / ("y" * 100)
    deep.mkdir(parents=True)
    process = fmbench(
        "run", "gaussian-nb", "--results", str(tmp_path / "results"),
        "--data", str(source.folder), env={**os.environ, "TMPDIR": str(deep)},
    )  # fmt: skip
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.splitlines()[-1].endswith("set TMPDIR to a folder with a shorter path")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_what_is_finished_and_leaves_nothing_running(tmp_path, source, how):
    # A short path, as fork servers need it.
    results, scratch = tmp_path / "results", Path(tempfile.mkdtemp())
    process = fmbench(
        "run", "gaussian-nb", "mlp", "-j", "2", "--results", str(results),
        "--data", str(source.folder), env={**os.environ, "TMPDIR": str(scratch)},
    )  # fmt: skip
    wait_until(lambda: len(list(results.glob("records/*/*.json"))) >= 1, 120)
    started = descendants(process.pid)
    os.kill(process.pid, how)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert not list(scratch.iterdir()), "left in the folder for temporary files"
    assert "interrupted" in err
    assert "Traceback" not in err
    assert "| measured" in out
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in started), 20)
    assert not list(results.glob("records/*/.*.tmp"))
    scratch.rmdir()
