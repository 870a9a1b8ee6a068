"""What the fork server has loaded before it forks the first process."""

import subprocess
import sys
import tempfile

import pytest

from fmbench.errors import UserError
from fmbench.execution import preload
from fmbench.execution.fork_server import THREAD_VARIABLES, start_fork_server
from tests.helpers.runs import environment_with


def run_as_fork_server(code, source, *, neural, **variables):
    """Run ``code`` in a process that loads the same as a fork server; return its output."""
    result = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True,
        env=environment_with(**variables, **preload.make_variables(source, neural=neural)),
    )  # fmt: skip
    return result.stdout


@pytest.mark.slow
def test_the_fork_server_never_reads_the_test_labels(source):
    code = (
        "from fmbench.execution import preload; from fmbench.datasets import loading;"
        "print(sorted(file for _, _, file in loading._preloaded))"
        ";print({a.flags.writeable for a in loading._preloaded.values()})"
    )
    files = "['t10k-images-idx3-ubyte', 'train-images-idx3-ubyte', 'train-labels-idx1-ubyte']"
    assert run_as_fork_server(code, source, neural=False).splitlines() == [files, "{False}"]


@pytest.mark.slow
def test_the_fork_server_starts_no_thread_and_leaves_nothing_to_import_to_a_fit(source):
    code = (
        "import sys, psutil; from fmbench.execution import preload;"
        "print(psutil.Process().num_threads());"
        "import torch; from torch import nn; vector = nn.Parameter(torch.zeros(3));"
        "vector.grad = torch.ones(3); loaded = set(sys.modules);"
        "torch.optim.Adam([vector]).step(); print(len(set(sys.modules) - loaded))"
    )
    one_thread = dict.fromkeys(THREAD_VARIABLES, "1")
    printed = run_as_fork_server(code, source, neural=True, **one_thread)
    n_threads, n_imported = map(int, printed.split())
    assert n_threads == 1
    assert n_imported < 10, "modules that every fit imports while its clock runs"


def test_a_folder_for_temporary_files_with_too_long_a_path_is_refused(monkeypatch, source):
    monkeypatch.setattr(tempfile, "tempdir", f"/tmp/{'x' * 100}")
    with pytest.raises(UserError, match="set TMPDIR to a folder with a shorter path"):
        start_fork_server(1, source, neural=False)


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
