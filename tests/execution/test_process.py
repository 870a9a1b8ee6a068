"""A runner that fails ends its own cell, with a reason, and no other cell."""

import json
import sys
import tempfile
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from fmbench import runners
from fmbench.errors import UserError
from fmbench.execution import process
from fmbench.execution.schedule import run_cells, select_pending
from fmbench.models.nn.gpu_errors import GpuStartError
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from fmbench.utils import environment, gpu
from tests.helpers import faulty
from tests.helpers.runs import LIMITS, EventLog, is_dead

pytestmark = pytest.mark.slow

FAULTS = {
    "raises": "ValueError: the matrix is singular",
    "raises on predict": "RuntimeError: no such kernel",
    "loses the GPU": "the GPU failed (CUDA error: unspecified launch failure): if nvidia-smi finds",
    "exits": "SystemExit: 3",
    "raises BaseException": "Fatal: (its text cannot be read)",
    "exits without a result": "ended with status 7",
    "segfaults": "killed by signal 11 (SIGSEGV)",
    "too few": "InvalidPredictions: predict returned shape (1999,), expected (2000,)",
    "wrong shape": "shape (2000, 1)",
    "out of range": "classes 10 to 10, not 0-9",
    "negative": "classes -1 to -1, not 0-9",
    "nan": "not whole numbers",
    "fractions": "not whole numbers",
    "strings": "expected whole numbers 0 to 9",
}


def execute(cells, store, source, limits=LIMITS):
    return run_cells(cells, store, source, limits, EventLog())


def test_each_fault_fails_its_own_cell_with_a_reason_and_the_other_cells_finish(store, source):
    cells = [
        Cell(faulty.make_runner(fault, fault.replace(" ", "-")), QUICK, 0)
        for fault in ["none", *FAULTS, "closes everything", "writes"]
    ]
    execute(cells, store, source)
    contents = store.read_contents()
    assert not contents.broken
    finished = {r.cell["runner"] for r in contents.finished.values()}
    assert finished == {"none", "closes-everything", "writes"}
    for cell in cells[1:-2]:
        fault = cell.hyperparameters["fault"]
        assert FAULTS[fault] in contents.failed[cell.key].why
        assert "\n" not in contents.failed[cell.key].why


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            torch.cuda.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 ..."
            ),
            "ran out of the GPU's memory (CUDA out of memory): allow more with --gpu-memory",
        ),
        (
            RuntimeError("CUDA error: an illegal memory access\nCUDA kernel errors might be ..."),
            "a kernel failed on the GPU (CUDA error: an illegal memory access): run the same "
            "command with FMBENCH_GPU_KERNELS=0, so that only PyTorch's own kernels are used",
        ),
        (
            GpuStartError("No CUDA GPUs are available"),
            "the GPU failed (No CUDA GPUs are available): if nvidia-smi finds it, run the same "
            "command again",
        ),
        (ValueError("two\nlines"), "ValueError: two lines"),
    ],
)
def test_the_errors_of_a_gpu_are_told_on_one_line_with_what_to_do(error, expected):
    assert process.describe_error(error) == expected


def test_a_gpu_that_was_lost_has_no_name_and_does_not_end_the_run(monkeypatch):
    lost = gpu.GpuAnswer(problem="No CUDA GPUs are available")
    monkeypatch.setattr(gpu, "seems_to_be_here", lambda: True)
    monkeypatch.setattr(gpu, "ask", lambda: lost)
    cell = Cell(runners.get_runner("lenet5"), QUICK, 0)
    limits = replace(LIMITS, device="cuda")
    failure = process._make_failure([cell], limits, "the GPU failed", peak_memory=0)
    assert (failure.failure, failure.device) == ("the GPU failed", process.environment.cpu_name())


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_after_two_launches_that_cannot_use_the_gpu_no_other_cell_is_started_on_it(store, source):
    neural, classical = runners.get_runner("three-layer-nn"), runners.get_runner("gaussian-nb")
    cells = [*(Cell(neural, QUICK, seed) for seed in range(5)), Cell(classical, QUICK, 0)]
    records = execute(cells, store, source, replace(LIMITS, device="cuda", gpu_jobs=1))
    assert sorted(record.status for record in records) == ["failed", "failed", "finished"]
    for record in records:
        if not record.finished:
            assert record.why.startswith("the GPU failed (")
            assert record.cell["seed"] in (0, 1), "in their order"
    contents = store.read_contents()
    assert len(contents.failed) == 2 and select_pending(cells, contents) == cells[:5]


def test_a_process_whose_threads_cannot_be_set_fails_with_the_reason(source, tmp_path, monkeypatch):
    def fail(threads):
        raise ImportError("libtbb.so.12: cannot open shared object file")

    monkeypatch.setattr(process, "use_threads", fail)
    cell = Cell(runners.get_runner("gaussian-nb"), QUICK, 0)
    process._run_child(
        [cell], [cell.key], source, "cpu", LIMITS, tmp_path, [], environment.identify_code()
    )
    message = json.loads((tmp_path / process.RESULT).read_text())
    assert message["failure"] == "ImportError: libtbb.so.12: cannot open shared object file"
    assert message["gpu_started"]


def test_a_cell_that_exceeds_its_time_limit_is_ended(store, source):
    cell = Cell(faulty.make_runner("never returns"), QUICK, 0)
    [record] = execute([cell], store, source, replace(LIMITS, timeout=1))
    assert record.why == "timed out after 1 s"
    assert record.total_seconds >= 1


def test_a_cell_that_exceeds_its_memory_limit_is_ended(store, source):
    cell = Cell(faulty.make_runner("needs much memory"), QUICK, 0)
    limit = 2 * 2**30  # above the size of the fork server, below what the runner allocates
    [record] = execute([cell], store, source, replace(LIMITS, memory=limit))
    assert record.why == "used more than 2 GiB of memory"
    assert record.peak_memory_bytes > limit


def test_if_a_launch_fails_all_its_cells_fail(store, source):
    runner = runners.get_runner("three-layer-nn")
    cells = [Cell(runner, QUICK, seed) for seed in range(2)]
    records = execute(cells, store, source, replace(LIMITS, together=2, memory=2**20))
    assert [record.why for record in records] == ["used more than 0.000976562 GiB of memory"] * 2
    assert set(store.read_contents().failed) == {cell.key for cell in cells}


def test_the_output_of_a_runner_does_not_reach_the_terminal(store, source, capfd):
    execute([Cell(faulty.make_runner("writes"), QUICK, 0)], store, source)
    assert "chatter" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("fault", ["leaves children", "leaves a daemon", "leaves a copy of itself"])
def test_processes_that_a_runner_leaves_are_ended_with_its_cell(store, source, tmp_path, fault):
    noted = tmp_path / "process"
    runner = faulty.make_runner(fault, "leaves", faulty.make_parent, note=str(noted))
    [record] = execute([Cell(runner, QUICK, 0)], store, source)
    assert record.finished
    assert is_dead(int(noted.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere orphans escape")
def test_a_daemon_of_a_runner_counts_for_the_memory_limit_and_is_ended(store, source, tmp_path):
    noted, fault = tmp_path / "process", "starts a daemon that needs much memory"
    runner = faulty.make_runner(fault, "daemon", faulty.make_parent, note=str(noted))
    limit = 3 * 2**29
    [record] = execute([Cell(runner, QUICK, 0)], store, source, replace(LIMITS, memory=limit))
    assert record.why == "used more than 1.5 GiB of memory"
    assert not noted.exists() or is_dead(int(noted.read_text()))


def test_a_cell_whose_folder_for_temporary_files_is_removed_fails_with_a_reason(
    store, source, tmp_path, monkeypatch
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    runner = faulty.make_runner(
        "removes its folder", "removes", faulty.make_parent, note=str(temporary)
    )
    [record] = execute([Cell(runner, QUICK, 0)], store, source)
    assert record.why.startswith(f"its folder for temporary files, {temporary}/fmbench-")
    assert record.why.endswith("was removed")
    with pytest.raises(UserError, match="set TMPDIR to another folder"):
        execute([Cell(faulty.make_runner(), QUICK, 0)], store, source)


def test_a_process_that_would_measure_another_recipe_fails_with_a_reason():
    cell = Cell(runners.get_runner("gaussian-nb"), QUICK, 0)
    process._check_keys([cell], [cell.key])
    with pytest.raises(UserError, match="start it again"):
        process._check_keys([cell], ["of another recipe"])


@pytest.mark.parametrize("fault", ["raises", "segfaults", "never returns"])
def test_a_failed_cell_continues_from_its_workspace_which_is_removed_when_it_finishes(
    store, source, fault, monkeypatch
):
    cell = Cell(faulty.make_runner(fault, factory=faulty.make_resumable), QUICK, 0)
    other = replace(cell, seed=1)

    def execute_until_attempt(cell, n):
        # The time limit passes only after the attempt has begun.
        def monotonic():
            return 1e9 if count_attempts(store, cell) >= n else 0.0

        monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=monotonic))
        return execute([cell], store, source)[0]

    for attempt in (1, 2):
        assert not execute_until_attempt(cell, attempt).finished
        assert count_attempts(store, cell) == attempt
    assert not execute_until_attempt(other, 1).finished  # the first attempt of another cell
    monkeypatch.undo()
    [record] = execute([cell], store, source)
    assert record.finished
    assert record.details == {"earlier_attempts": 2}
    assert record.fit_seconds >= 200  # of the earlier attempts
    assert not store.workspace_path(cell).exists()
    assert store.workspace_path(other).exists()
    assert store.read_contents().finished == {cell.key: record}


def count_attempts(store, cell):
    mark = store.workspace_path(cell) / "attempts"
    return int(mark.read_text() or 0) if mark.exists() else 0


def test_a_runner_without_a_workspace_parameter_gets_no_workspace(store, source):
    execute([Cell(faulty.make_runner(), QUICK, 0)], store, source)
    assert [path.name for path in store.folder.iterdir()] == ["records"]


def test_the_fork_server_compiles_the_loops_of_cells_on_the_cpu_and_no_plug_in():
    lenet = runners.get_runner("lenet5")
    find = process._find_recipe_to_compile
    name, values = find(Cell(lenet, QUICK, 3, overrides={"optimizer": "adam"}), "cpu")
    assert (name, values) == ("lenet5", lenet.resolve({"optimizer": "adam", "epochs": 2}))
    assert find(Cell(lenet, QUICK, 0), "cuda") is None
    assert find(Cell(replace(lenet, source="a hash"), QUICK, 0), "cpu") is None
    assert find(Cell(runners.get_runner("gaussian-nb"), QUICK, 0), "cpu") is None


def test_an_error_while_loops_are_compiled_is_the_cells_own(store, source):
    cells = [
        Cell(runners.get_runner("lenet5"), QUICK, 0, overrides={"to_32": "stretch"}),
        Cell(runners.get_runner("gaussian-nb"), QUICK, 0),
    ]
    failed, finished = execute(cells, store, source)
    assert failed.why == "ValueError: to_32 is 'stretch': use 'pad' or 'resize'"
    assert finished.finished
