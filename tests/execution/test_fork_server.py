"""What the fork server loads before it forks the first process, and what it never loads."""

import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from functools import partial

import psutil
import pytest

from fmbench.errors import UserError
from fmbench.execution import fork_server, local, server_process
from fmbench.execution.fork_server import (
    THREAD_VARIABLES,
    ForkServer,
    start_fork_server,
    start_in_server,
)
from fmbench.execution.schedule import run_cells
from fmbench.models import accelerators
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from fmbench.runners import get_runner
from fmbench.suites.bundled import CHECKOUT
from fmbench.utils import environment
from tests.helpers import faulty
from tests.helpers.runs import LIMITS, WAIT_SECONDS, EventLog, environment_with

NEED_NUMBA = [
    "fmbench.models.liblinear", "fmbench.models.nn.convolutions.kernels", "fmbench.models.nn.fused",
]  # fmt: skip


def run_as_fork_server(code, source, *, neural, **variables):
    """Run ``code`` in a process that loads the same as a fork server; return its output."""
    load = f"preload.load({source.spec.name!r}, {str(source.folder)!r}, {neural})"
    result = subprocess.run(
        [sys.executable, "-c", f"from fmbench.execution import preload; {load}; {code}"],
        stdout=subprocess.PIPE, text=True, check=True, env=environment_with(**variables),
    )  # fmt: skip
    return result.stdout


@pytest.mark.slow
def test_the_fork_server_never_reads_the_test_labels(source):
    code = (
        "from fmbench.datasets import loading;"
        "print(sorted(file for _, _, file in loading._preloaded))"
        ";print({a.flags.writeable for a in loading._preloaded.values()})"
    )
    files = "['t10k-images-idx3-ubyte', 'train-images-idx3-ubyte', 'train-labels-idx1-ubyte']"
    assert run_as_fork_server(code, source, neural=False).splitlines() == [files, "{False}"]


@pytest.mark.slow
def test_the_fork_server_starts_no_thread_and_leaves_nothing_to_import_to_a_fit(source):
    code = (
        "import sys, psutil; print(psutil.Process().num_threads());"
        "import torch; from torch import nn; vector = nn.Parameter(torch.zeros(3));"
        "vector.grad = torch.ones(3); loaded = set(sys.modules);"
        "torch.optim.Adam([vector]).step(); print(len(set(sys.modules) - loaded));"
        "import pkgutil, fmbench.models as models;"
        "names = [m.name for m in pkgutil.walk_packages(models.__path__, 'fmbench.models.')];"
        "print(sorted(set(names) - set(sys.modules)))"
    )
    one_thread = dict.fromkeys(THREAD_VARIABLES, "1")
    printed = run_as_fork_server(code, source, neural=True, **one_thread)
    n_threads, n_imported, own = printed.splitlines()
    assert int(n_threads) == 1
    assert int(n_imported) < 10, "modules that every fit imports while its clock runs"
    unused = [] if accelerators.has_numba() else NEED_NUMBA
    assert own == str(unused), "code of fmbench that may have changed when a cell imports it"


COMPILE = """
import sys
sys.modules["pyarrow"] = None  # it starts a thread; `preload.load` hides it, too
import numpy as np
import psutil
from numba.core import event
from fmbench.execution import preload
from fmbench.runners import get_runner
class Listener(event.Listener):
    n_compiled = 0
    def on_start(self, event):
        pass
    def on_end(self, event):
        self.n_compiled += 1
listener = Listener()
event.register("numba:compile", listener)
random = np.random.default_rng(0)
X, y = random.integers(0, 256, (40, 28, 28), np.uint8), random.integers(0, 10, 40, np.uint8)
for name in ("lenet5", "cnn-bn-skip"):
    values = get_runner(name).resolve() | {"epochs": 1}
    for _ in range(2):
        preload.compile_loops(name, values)
        print(name, listener.n_compiled > 0, psutil.Process().num_threads())
        listener.n_compiled = 0
    get_runner(name).build(values, seed=0, device="cpu").fit(X, y)
    print(name, listener.n_compiled)
preload.compile_loops("lenet5", {"unknown": 1})
"""


@pytest.mark.slow
def test_loops_are_compiled_once_before_the_forks_and_start_no_thread():
    pytest.importorskip("numba")
    done = subprocess.run(
        [sys.executable, "-c", COMPILE], stdout=subprocess.PIPE, text=True, check=True,
        env=environment_with(**dict.fromkeys(THREAD_VARIABLES, "1")),
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "lenet5 True 1", "lenet5 False 1", "lenet5 0",
        "cnn-bn-skip True 1", "cnn-bn-skip False 1", "cnn-bn-skip 0",
    ]  # fmt: skip


def note_compiled_loops(path):
    from fmbench.models.nn.convolutions import kernels

    path.write_text(str(len(kernels.load_images.signatures)))


@pytest.mark.slow
def test_a_process_inherits_the_loops_of_its_cells_recipe(
    tmp_path, source, fork_server_with_pytorch
):
    pytest.importorskip("numba")
    recipe = ("lenet5", get_runner("lenet5").resolve())
    note, stop = tmp_path / "note", threading.Event()
    start_server = partial(start_fork_server, 1, source, neural=True)
    process = start_in_server(
        note_compiled_loops, [note], tmp_path / "log", stop, start_server, recipe
    )
    try:
        assert process.wait(WAIT_SECONDS), "it has not ended"
    finally:
        process.end()
    assert note.read_text() == "1", (tmp_path / "log").read_text()


FOREIGN = """
import pathlib
pathlib.Path(__file__).with_name("executed").write_text(__name__)
raise ImportError("foreign code")
"""
COMMAND = "from fmbench.__main__ import main; main()"


@pytest.mark.slow
def test_nothing_that_lies_in_the_current_folder_is_executed(tmp_path, source):
    here = tmp_path / "here"
    (here / "fmbench").mkdir(parents=True)
    for name in ("random", "queue", "copy", "numpy", "socket", "fmbench/__init__"):
        (here / f"{name}.py").write_text(FOREIGN)
    done = subprocess.run(
        [sys.executable, "-P", "-c", COMMAND, "run", "gaussian-nb", "--quick", "--results",
         tmp_path / "results", "--data", source.folder],
        capture_output=True, text=True, cwd=here, stdin=subprocess.DEVNULL,
        env=environment_with(PYTHONPATH=CHECKOUT, FMBENCH_FORK_SERVER="rubbish"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (here / "executed").exists()
    assert not (here / "fmbench" / "executed").exists()


@pytest.mark.slow
def test_a_run_ends_if_the_code_has_changed_since_it_started(source, monkeypatch):
    code = environment.identify_code()
    monkeypatch.setattr(environment, "identify_code", lambda: replace(code, sha256="earlier"))
    server = ForkServer(1, source, neural=False)
    try:
        for _ in range(2):  # another thread, or a later run, gets the same answer
            with pytest.raises(UserError, match="has changed since this run started"):
                server.wait_until_ready(threading.Event())
        assert not server.is_running, "a later run starts another one"
    finally:
        server.end()


def test_code_that_a_process_imports_late_must_be_that_of_the_run(monkeypatch):
    code = environment.identify_code()
    other, elsewhere = replace(code, sha256="other"), replace(code, folder="/elsewhere/fmbench")
    monkeypatch.setattr(server_process, "_modules_of_server", set(sys.modules))
    assert server_process.describe_other_code(other) is None
    monkeypatch.setattr(server_process, "_modules_of_server", set())
    assert server_process.describe_other_code(code) is None
    assert "has changed" in server_process.describe_other_code(other)
    assert "not that in /elsewhere/fmbench" in server_process.describe_other_code(elsewhere)


def test_the_folders_that_killed_runs_have_left_are_removed_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, other, target = (tmp_path / name for name in ("fmbench-left", "fmbench-x", "target"))
    for folder in (left, other, target):
        folder.mkdir()
    (left / "0").mkdir()
    (left / "0" / "predictions.npy").touch()
    (left / "lock").touch()
    (target / "lock").touch()
    (tmp_path / "fmbench-link").symlink_to(target)
    with local.make_scratch_folder() as used:
        local.remove_left_folders(tmp_path)
        assert not left.exists()
        assert used.exists() and other.exists() and (target / "lock").exists()
    assert not used.exists()


@pytest.mark.slow
def test_loading_the_libraries_asks_nothing_of_a_gpu():
    """A process that has used CUDA cannot be forked: its children cannot use CUDA."""
    code = (
        "import importlib, torch\n"
        "def refuse(*_):\n"
        "    raise AssertionError('CUDA was asked')\n"
        "torch.cuda.is_available = torch.cuda.device_count = torch.cuda._lazy_init = refuse\n"
        "from fmbench.execution import preload\n"
        "for name in (*preload.LIBRARIES, *preload.NEURAL_LIBRARIES):\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_where_a_fork_of_loaded_libraries_is_unsafe_each_process_loads_them_itself(
    store, source, monkeypatch
):
    monkeypatch.setattr(fork_server, "LOADS_FIRST", False)  # as on macOS
    monkeypatch.setattr(fork_server, "_server", None)
    cell = Cell(faulty.make_runner(), QUICK, 0)
    try:
        [record] = run_cells([cell], store, source, LIMITS, EventLog())
        assert record.finished
        if sys.platform == "linux":
            server = psutil.Process(fork_server._server._process.pid)
            assert not any("numpy" in mapped.path for mapped in server.memory_maps())
    finally:
        fork_server._server.end()
