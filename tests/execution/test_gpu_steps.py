"""The steps of `make gpu`: what they resume, count and leave out, and which data are fetched."""

import importlib.util
import json
import os
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import psutil
import pytest

import fmbench
from fmbench.datasets.specs import FASHION_MNIST, FIRST_RELEASE, MNIST_DIGITS
from fmbench.errors import UserError
from fmbench.records.store import Store
from fmbench.utils import environment
from fmbench.utils.environment import CHECKOUT
from tests.helpers.runs import end_after_block, environment_with, is_alive, wait_until_dead

SCRIPTS = CHECKOUT / "benchmarks" / "gpu"


def load_script(name):
    spec = importlib.util.spec_from_file_location(f"gpu_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def steps():
    path = list(sys.path)
    yield load_script("steps")
    sys.path[:] = path
    del sys.modules["gpu_steps"]


@pytest.fixture(scope="module")
def fetch():
    yield load_script("fetch")
    del sys.modules["gpu_fetch"]


@pytest.fixture
def step(steps, tmp_path):
    return steps.Step("cpu", True, 2, tmp_path / "out", None, tmp_path / "step.json", 1000.0)


def read_result(step):
    found = json.loads(step.result_file.read_text())
    return found["result"], found["why"]


def leave_result(step, **facts):
    """Leave what an earlier attempt with the same code on the same device had measured."""
    here = {"device": environment.cpu_name(), "package": environment.describe_package()}
    step.result_file.write_text(json.dumps({"result": here | facts, "why": "it was killed"}))


@pytest.fixture
def speeds(monkeypatch):
    """Stand-ins for the benchmarks of speed; returns the list of what is measured."""
    done = []
    row = {"fmbench s": 1.0, "plain s": 4.0, "times as fast": 4.0, "GFLOP/s": 100.0}

    def measure(task):
        done.append(task[0])
        if task[0] == "c":
            raise EOFError("its process\nhas ended")
        return row

    def run_trials(trials, *arguments, **options):
        done.append(f"{trials} trials")
        record = SimpleNamespace(
            history=[{"heldout_accuracy": 0.5}] * 3, fit_seconds=2.0, together=1,
            peak_memory_bytes=10, peak_gpu_memory_bytes=None,
        )  # fmt: skip
        return [record] * trials, 5.0

    def time_plain_epochs(task):
        done.append("plain loop")
        return [3.0]

    for name, parts in {
        "side_by_side": {"Task": lambda *arguments: arguments},
        "cnn_speed": {"ROWS": ("a", "b", "c"), "measure": measure},
        "lenet_speed": {
            "N_IMAGES": 60_000, "run_trials": run_trials, "time_plain_epochs": time_plain_epochs
        },
    }.items():  # fmt: skip
        module = ModuleType(name)
        vars(module).update(parts)
        monkeypatch.setitem(sys.modules, name, module)
    return SimpleNamespace(done=done, row=row)


def test_only_the_cnn_rows_that_are_missing_are_measured(steps, step, speeds):
    step.quick = False
    leave_result(step, rows={"b": speeds.row}, lines=["b: an old line"])
    steps.measure_cnns(step)
    found, why = read_result(step)
    assert speeds.done == ["a", "c"]
    assert sorted(found["rows"]) == ["a", "b"]
    assert why == "failed: c"
    assert found["lines"] == [
        "b: an epoch in 1.00 s, plain 4.00 s: 4.0 times as fast, 100 GFLOP/s",
        "a: an epoch in 1.00 s, plain 4.00 s: 4.0 times as fast, 100 GFLOP/s",
        "c: EOFError: its process has ended",
    ]


def test_a_cnn_step_that_is_ended_says_which_rows_are_left(steps, step, speeds, monkeypatch):
    step.quick = False

    def end(task):
        raise KeyboardInterrupt

    leave_result(step, rows={"b": speeds.row})
    monkeypatch.setattr(sys.modules["cnn_speed"], "measure", end)
    with pytest.raises(KeyboardInterrupt):
        steps.measure_cnns(step)
    found, why = read_result(step)
    assert (list(found["rows"]), why) == (["b"], "not measured: a, c")


def test_what_another_device_or_other_code_has_measured_is_measured_again(steps, step, speeds):
    for other in ({"device": "another card"}, {"package": {"version": "0.1"}}):
        speeds.done.clear()
        leave_result(step, rows={"a": speeds.row}, **other)
        steps.measure_cnns(step)
        assert speeds.done == ["a"]


def test_the_trials_of_lenet5_are_not_run_again_if_only_the_plain_loop_is_missing(
    steps, step, speeds, monkeypatch
):
    def end(task):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["lenet_speed"], "time_plain_epochs", end)
        with pytest.raises(KeyboardInterrupt):
            steps.measure_lenet5(step)
    assert speeds.done == ["2 trials"]
    assert read_result(step)[1] == "the plain loop was not timed"
    steps.measure_lenet5(step)
    assert speeds.done == ["2 trials", "plain loop"]
    found, why = read_result(step)
    assert (len(found["lines"]), found["trials"], why) == (2, 2, "")
    steps.measure_lenet5(step)
    assert speeds.done == ["2 trials", "plain loop"]
    assert read_result(step) == (found, "")


def test_an_interrupted_run_reports_the_cells_that_it_has_finished(
    steps, step, toy_cell, record_of, monkeypatch
):
    store = Store(step.out / "run")
    y_pred = {"y_pred": [1] * FASHION_MNIST.n_test}

    def save(seed):
        import numpy as np

        arrays = {name: np.array(values, np.uint8) for name, values in y_pred.items()}
        store.save(record_of(toy_cell(seed)), arrays)

    def run(*names, **options):
        for seed in (1, 2):
            save(seed)
        return SimpleNamespace(new_records=(), interruption="interrupted: 3 of 9 cells")

    save(0)
    monkeypatch.setattr(fmbench, "run", run)
    found, why = steps.run_command(step, "run", ("toy",))
    assert (found["n_cells"], found["n_finished"], why) == (2, 3, "interrupted: 3 of 9 cells")
    assert found["lines"][0].startswith("2 cells in ") and found["lines"][0].endswith(", 3 in all")


@pytest.mark.parametrize(
    ("planned", "why"),
    [
        ([], ""),
        (
            [SimpleNamespace(what="the first release", n_pending=5),
             SimpleNamespace(what="other readings", n_pending=478)],
            "483 cells were not measured: the first release (5), other readings (478)",
        ),
    ],
)  # fmt: skip
def test_forensics_is_not_complete_while_cells_are_not_measured(
    steps, step, monkeypatch, planned, why
):
    def forensics(*names, **options):
        return SimpleNamespace(findings=None, new_records=(), interruption="", planned=planned)

    monkeypatch.setattr(fmbench, "forensics", forensics)
    monkeypatch.setattr("fmbench.report.forensics.format_findings", lambda *arguments: "")
    steps.run_forensics(step)
    assert read_result(step)[1] == why


def test_every_data_set_that_is_there_is_given_to_the_commands(step, tmp_path):
    assert step.folders == {}
    step.data = tmp_path / "data"
    for name in ("fashion-mnist", "fashion-mnist-first-release", "something else"):
        (step.data / name).mkdir(parents=True)
    assert step.folders == {
        name: step.data / name for name in ("fashion-mnist", "fashion-mnist-first-release")
    }


@pytest.mark.parametrize(("seconds", "order"), [(25.0, "finish"), (24.0, "table")])
def test_short_rows_are_repeated_first_if_the_time_is_too_short_for_all(
    steps, step, seconds, order
):
    """Four launches run at a time on a GPU; one takes 90 s with five seeds, one 10 s."""
    five = [SimpleNamespace(total_seconds=90.0, together=5)] * 5
    step.device, step.seconds = "cuda", seconds
    assert steps.choose_order(step, [*five, SimpleNamespace(total_seconds=10.0, together=1)]) == (
        order
    )


@pytest.mark.parametrize("name", ["pytest", "hypothesis"])
def test_without_its_packages_the_step_tests_says_how_to_get_them(steps, step, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    steps.run_tests(step)
    _, why = read_result(step)
    assert why.startswith(f"import of {name} halted")
    assert "make check" in why and "make gpu-wheels" in why


# In place of PyTorch: starts a process as the comparison of two loops does, and never ends.
ENDLESS_TORCH = """
import multiprocessing, os, time
from endless_loop import run
process = multiprocessing.get_context("spawn").Process(target=run)
process.start()
print(os.getpid(), process.pid, flush=True)
time.sleep(9999)
"""
ENDLESS_LOOP = """
import time
def run():
    print("the loop runs", flush=True)
    time.sleep(9999)
"""
# Starts a step, as measure.py does, and waits for its end.
PARENT = """
import os, subprocess, sys
subprocess.run([sys.executable, *sys.argv[1:], "--parent", str(os.getpid())])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_step_and_its_loops_end_when_the_script_is_killed(tmp_path):
    (tmp_path / "torch.py").write_text(ENDLESS_TORCH)
    (tmp_path / "endless_loop.py").write_text(ENDLESS_LOOP)
    command = [
        sys.executable, "-c", PARENT, SCRIPTS / "steps.py", "machine", "--device", "cpu", "--seeds",
        "1", "--out", tmp_path, "--result", tmp_path / "result.json", "--seconds", "1",
    ]  # fmt: skip
    parent = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, text=True,
        env=environment_with(PYTHONPATH=f"{tmp_path}{os.pathsep}{CHECKOUT}"),
    )  # fmt: skip
    with end_after_block(parent):
        pids = list(map(int, parent.stdout.readline().split()))
        processes = list(map(psutil.Process, pids))
        assert parent.stdout.readline() == "the loop runs\n"
        parent.kill()
        try:
            wait_until_dead(processes)
        finally:
            for process in filter(is_alive, processes):
                process.kill()


@pytest.fixture
def copied(fetch, tmp_path, monkeypatch):
    """Lets `fetch_data` copy nothing; returns what it was asked for."""
    asked = []

    def copy_data(spec, folder, given):
        asked.append((spec.name, given))
        if spec == FIRST_RELEASE:
            raise UserError(f"{spec.title} could not be fetched: name it with {spec.option}")

    monkeypatch.setattr(fetch, "copy_data", copy_data)
    return asked


def test_if_the_first_release_cannot_be_fetched_one_line_says_so(fetch, copied, tmp_path, capsys):
    fetch.fetch_data(tmp_path, tmp_path / "digits", None)
    assert copied == [
        (FASHION_MNIST.name, None), (MNIST_DIGITS.name, tmp_path / "digits"),
        (FIRST_RELEASE.name, None),
    ]  # fmt: skip
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert printed.startswith("the step forensics will lack the cells on these images: the first")
    assert printed.endswith("name it with --first-release DIR\n")


def test_a_folder_of_the_first_release_that_the_user_names_must_have_it(fetch, copied, tmp_path):
    with pytest.raises(UserError):
        fetch.fetch_data(tmp_path, None, tmp_path / "first")


def test_a_data_set_is_copied_into_a_folder_of_its_name(fetch, tmp_path, source):
    fetch.copy_data(FASHION_MNIST, tmp_path, source.folder)
    assert len(list((tmp_path / "fashion-mnist").iterdir())) == 4
