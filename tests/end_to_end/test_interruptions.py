"""A run that is killed or interrupted keeps what is finished; the same command continues it."""

import json
import os
import signal
import tempfile
from pathlib import Path

import pytest

from fmbench import __main__
from fmbench.records.protocols import QUICK
from fmbench.records.store import Store
from fmbench.suites.configurations import resolve_configuration
from tests.helpers.runs import (
    end_after_block,
    environment_with,
    list_cell_processes,
    list_descendants,
    list_fork_servers,
    list_records,
    start_fmbench,
    wait_for_output,
    wait_until,
    wait_until_dead,
)

pytestmark = pytest.mark.slow

# The fit of seed 2 does not end while there is a file `wait`.
MODEL = """
import time
from pathlib import Path
import numpy as np

class Waiting:
    def __init__(self, seed):
        self.seed = seed
    def fit(self, X, y):
        while self.seed == 2 and Path({wait!r}).exists():
            time.sleep(0.02)
        return self
    def predict(self, X):
        return np.full(len(X), self.seed)

def make(*, seed):
    return Waiting(seed)
"""
N_SEEDS = 4


@pytest.fixture
def waiting_run(tmp_path, source):
    """Starts a run whose third seed does not end while there is the file ``tmp_path / "wait"``."""
    (wait := tmp_path / "wait").touch()
    model = tmp_path / "model.py"
    model.write_text(MODEL.format(wait=str(wait)))

    def start(**options):
        return end_after_block(
            start_fmbench(
                "run", f"{model}:make", "--quick", "--seeds", N_SEEDS, "-j", 2,
                "--results", tmp_path / "results", "--data", source.folder, **options,
            )
        )  # fmt: skip

    return start


def wait_until_only_one_is_left(results, process):
    wait_until(lambda: len(list_records(results)) == N_SEEDS - 1, process=process)


def test_kill_9_leaves_no_process_and_no_half_written_result_and_the_run_continues(
    tmp_path, waiting_run
):
    results = tmp_path / "results"
    with waiting_run() as process:
        wait_until_only_one_is_left(results, process)
        started = list_descendants(process.pid)
        process.kill()
        process.wait()
        wait_until_dead(started)
    contents = Store(results).read_contents()
    assert not contents.broken
    assert len(contents.finished) == N_SEEDS - 1
    (tmp_path / "wait").unlink()
    with waiting_run() as process:
        _, err = wait_for_output(process)
        assert process.returncode == 0, err
    assert err.count(" %, fit ") == 1
    assert not list(results.glob("records/*/.*.tmp"))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_what_is_finished_and_leaves_nothing_running(
    tmp_path, temporary_folder, waiting_run, how
):
    results = tmp_path / "results"
    with waiting_run(env=environment_with(TMPDIR=temporary_folder)) as process:
        wait_until_only_one_is_left(results, process)
        started = list_descendants(process.pid)
        process.send_signal(how)
        out, err = wait_for_output(process)
        assert process.returncode == 130, err
        wait_until_dead(started)
    assert not list(temporary_folder.iterdir()), "left in the folder for temporary files"
    assert "interrupted" in err
    assert "Traceback" not in err
    assert "| measured" in out
    assert len(Store(results).read_contents().finished) == N_SEEDS - 1
    assert not list(results.glob("records/*/.*.tmp"))


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
@pytest.mark.parametrize("n_servers", [0, 1])
def test_ctrl_c_while_the_libraries_load_is_one_line_and_fails_no_cell(
    tmp_path, waiting_run, n_servers
):
    """With a server or before, the moment that is met is not always the same; the result is."""
    with waiting_run() as process:
        loaded = Path(f"/proc/{process.pid}/maps")
        wait_until(
            lambda: len(list_fork_servers(process.pid)) >= n_servers and "numpy" in read(loaded),
            process=process,
        )
        started = list_descendants(process.pid)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, err = wait_for_output(process)
        assert process.returncode == 130, err
        wait_until_dead(started)
    assert len([line for line in err.splitlines() if "interrupted" in line]) == 1
    assert "Traceback" not in err
    assert "failed" not in err
    results = Store(tmp_path / "results")
    assert not results.folder.exists() or not results.read_contents().failed


def read(path):
    try:
        return path.read_text()
    except OSError:  # the process has ended
        return ""


def test_ctrl_c_while_the_command_is_imported_is_one_line(monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("fmbench.cli.main.main", interrupt)
    try:
        with pytest.raises(SystemExit) as ended:
            __main__.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "fmbench: interrupted\n")


@pytest.fixture
def temporary_folder():
    """A folder for temporary files."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


# The search of `fmbench run eden --quick`. While there is a file `pause`, it waits after the number
# of answers in that file, so that a test can kill it there.
SEARCH = """
import time
from pathlib import Path
from fmbench import runners
from fmbench.models.evolution.journal import Journal

PAUSE = Path({pause!r})
load_or_compute = Journal.load_or_compute

def load_or_compute_and_pause(self, question, compute):
    answer = load_or_compute(self, question, compute)
    while PAUSE.exists() and self.n_asked >= int(PAUSE.read_text()):
        time.sleep(0.02)
    return answer

Journal.load_or_compute = load_or_compute_and_pause

def make(*, seed, device, workspace):
    runner = runners.get_runner("eden")
    values = runner.resolve(runner.quick)
    values |= {{"train_images": 300, "validation_images": 200, "final_epochs": 1}}
    values |= {{"max_work": 300_000}}
    return runner.build(values, seed=seed, device=device, workspace=workspace)
"""


def test_a_search_that_is_killed_twice_gives_the_same_predictions(tmp_path, source):
    pause, model = tmp_path / "pause", tmp_path / "search.py"
    model.write_text(SEARCH.format(pause=str(pause)))
    [cell] = resolve_configuration(f"{model}:make").cells(QUICK, 1)
    whole, interrupted = Store(tmp_path / "whole"), Store(tmp_path / "interrupted")
    journal = interrupted.workspace_path(cell) / "search.json"

    def start_search(store):
        return end_after_block(
            start_fmbench(
                "run", f"{model}:make", "--quick", "--seeds", 1, "-j", 1, "--device", "cpu",
                "--results", store.folder, "--data", source.folder,
            )
        )  # fmt: skip

    def count_answers():
        return len(json.loads(journal.read_text())["entries"]) if journal.exists() else 0

    pause.write_text("2")
    with start_search(interrupted) as process:
        wait_until(lambda: count_answers() == 2, process=process)
        [cell_process] = list_cell_processes(process.pid)
        cell_process.kill()
        _, err = wait_for_output(process)
        assert process.returncode == 1, err
    [failure] = interrupted.read_contents().failed.values()
    assert failure.why == "killed by signal 9 (SIGKILL)"

    pause.write_text("4")
    with start_search(interrupted) as process:
        wait_until(lambda: count_answers() == 4, process=process)
        started = list_descendants(process.pid)
        process.kill()
        process.wait()
        wait_until_dead(started)
    assert count_answers() == 4
    assert not interrupted.read_contents().finished

    pause.unlink()
    for store in (interrupted, whole):
        with start_search(store) as process:
            _, err = wait_for_output(process)
            assert process.returncode == 0 and " %, fit " in err, err
    [resumed], [expected] = (s.read_contents().finished.values() for s in (interrupted, whole))
    assert resumed.predictions_sha256 == expected.predictions_sha256
    found, at_once = (dict(record.details["search"]) for record in (resumed, expected))
    assert found.pop("taken_from_an_interrupted_run") == 4
    assert at_once.pop("taken_from_an_interrupted_run") == 0
    assert found == at_once
    assert resumed.details["winner"] == expected.details["winner"]
    assert resumed.warnings == []
    assert not interrupted.unfinished.exists()
    assert not interrupted.read_contents().failed
