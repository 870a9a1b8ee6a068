"""Whether PyTorch can use a GPU is found out in a process of its own; the cause is told if not."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from fmbench.utils import gpu, gpu_probe

TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 12040). Please update your GPU "
    "driver."
)
NO_KERNEL = (
    "CUDA error: no kernel image is available for execution on the device\nSearch for "
    "`cudaErrorNoKernelImageForDevice' in https://docs.nvidia.com for more information.\n"
    "CUDA kernel errors might be asynchronously reported."
)


def make_torch(error=None, version="2.13.0+cu130", cuda="13.0", hip=None):
    """A stand-in for PyTorch on a machine with one GPU; its first kernel raises ``error``."""

    def ones(n, device):
        assert device == "cuda"
        if error is not None:
            raise error
        return SimpleNamespace(add_=lambda n: SimpleNamespace(item=lambda: 2.0))

    card = SimpleNamespace(
        mem_get_info=lambda: (5 * 2**30, 8 * 2**30),
        get_device_name=lambda: "A card",
        get_device_capability=lambda: (6, 1),
    )
    versions = SimpleNamespace(cuda=cuda, hip=hip)
    return SimpleNamespace(ones=ones, cuda=card, version=versions, __version__=version)


def test_a_gpu_that_runs_a_kernel_is_named_with_its_free_memory():
    assert gpu_probe.probe(make_torch()) == {"name": "A card", "free_memory": 5 * 2**30}


@pytest.mark.parametrize(
    ("torch", "visible", "expected"),
    [
        (
            make_torch(AssertionError("Torch not compiled with CUDA enabled"), "2.13.0+cpu", None),
            "",
            "this PyTorch, 2.13.0+cpu, is built for CPUs only: install one for CUDA from "
            "pytorch.org",
        ),
        (
            make_torch(RuntimeError("No CUDA GPUs are available")), "",
            "CUDA_VISIBLE_DEVICES='' hides the GPUs: unset this variable",
        ),
        (
            make_torch(RuntimeError("No CUDA GPUs are available")), None,
            "PyTorch says: No CUDA GPUs are available",
        ),
        (
            make_torch(RuntimeError(NO_KERNEL)), None,
            "this PyTorch, 2.13.0+cu130, has no code for A card (compute capability 6.1): install "
            "one that has, see pytorch.org",
        ),
        (make_torch(RuntimeError(TOO_OLD)), "0", f"PyTorch says: {TOO_OLD[:-1]}"),
        (
            make_torch(RuntimeError("CUDA error: out of memory\nCUDA"), cuda=None, hip="6.4"),
            None,
            "PyTorch says: CUDA error: out of memory",
        ),
        (make_torch(RuntimeError()), None, "PyTorch says: RuntimeError"),
    ],
)  # fmt: skip
def test_why_a_gpu_cannot_be_used_is_told_on_one_line(torch, visible, expected, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_probe.probe(torch) == {"problem": expected}


@pytest.fixture
def answer(monkeypatch):
    """Lets the process that is asked print something and end with a status."""

    def set_answer(stdout="", status=0, error=None):
        def run(*_, **__):
            if error:
                raise error
            return SimpleNamespace(stdout=stdout, returncode=status)

        monkeypatch.setattr(gpu.subprocess, "run", run)
        return gpu.ask.__wrapped__()

    return set_answer


def test_what_libraries_print_before_the_answer_is_no_part_of_it(answer):
    found = answer('a greeting\n{"name": "A card", "free_memory": 7}\n')
    assert found == gpu.GpuAnswer("A card", 7)


def test_a_driver_that_crashes_or_hangs_is_a_gpu_that_cannot_be_used(answer):
    slow = subprocess.TimeoutExpired("python", gpu.ANSWER_SECONDS)
    assert answer(error=slow).problem == "the GPU has not answered for 120 s"
    assert answer("{}", status=-11).problem == "asking for the GPU ended with status -11"
    assert answer(stdout="").problem == "asking for the GPU ended with status 0"


@pytest.mark.slow
def test_pytorch_is_asked_without_being_loaded_here_and_nothing_in_this_folder_is_executed(
    tmp_path,
):
    for name in ("torch", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('foreign code')")
    code = (
        "import sys\n"
        "from fmbench.utils import gpu\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "answer = gpu.ask()\n"
        "assert 'torch' not in sys.modules\n"
        "assert bool(answer.name) != bool(answer.problem), answer\n"
        "assert 'imported' not in answer.problem and 'status' not in answer.problem, answer\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_the_traces_of_a_gpu_are_files_of_the_driver_or_that_of_wsl(monkeypatch, tmp_path):
    assert "/dev/dxg" in map(str, gpu.TRACES)
    trace = tmp_path / "dxg"
    monkeypatch.setattr(gpu, "TRACES", (tmp_path / "nvidia0", trace))
    assert not gpu.seems_to_be_here()
    trace.touch()
    assert gpu.seems_to_be_here()


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("cuda = hip = None", "this PyTorch, 9.9+odd, is built for CPUs only"),
        ("cuda = None", "this PyTorch, 9.9+odd, is built for CPUs only"),  # an old one
        ("cuda, hip = '13.0', None", "PyTorch cannot be imported: it was imported"),
        ("cuda, hip = None, '6.4'", "PyTorch cannot be imported: it was imported"),
        ("raise OSError('broken')", "PyTorch cannot be imported: broken"),
        (None, "PyTorch cannot be imported: it was imported"),
    ],
)
def test_a_pytorch_for_cpus_is_known_by_its_file_and_is_not_imported(tmp_path, version, expected):
    """To import it takes seconds."""
    folder = tmp_path / "torch"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('it was imported')")
    if version:
        (folder / "version.py").write_text(f"__version__ = '9.9+odd'\n{version}\n")
    done = subprocess.run(
        [sys.executable, "-P", str(gpu.PROBE), json.dumps([str(tmp_path), *sys.path])],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["problem"].startswith(expected)
