"""Compiling kernels: what is said where it fails, and how it is turned off."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from fmbench.models.nn.gpu_kernels import build, convolution_block, optimizer
from fmbench.models.nn.gpu_kernels.build import KernelError
from tests.helpers.cuda_emulator import (
    COMPILER,
    HEADER,
    needs_compiler,
    use_kernels_on_cpu,
)
from tests.helpers.networks import fit_small_stack

pytestmark = pytest.mark.slow


def test_without_a_compiler_two_lines_say_so_and_pytorchs_kernels_are_used(small, monkeypatch):
    def fail(file, constants):
        raise KernelError("no compiler")

    use_kernels_on_cpu(monkeypatch)
    for module in (convolution_block, optimizer):
        monkeypatch.setattr(module, "load_kernels", fail)
    with pytest.warns(RuntimeWarning, match="no compiler") as warned:
        classifiers = fit_small_stack(small)
    assert len(warned) == 2
    assert len(np.unique(classifiers[0].predict(small[2]))) > 1


def test_the_environment_variable_turns_the_kernels_off(monkeypatch):
    class OnCard:
        is_cuda, dtype = True, torch.float32

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert build.use_kernels(OnCard())
    monkeypatch.setenv("FMBENCH_GPU_KERNELS", "0")
    assert not build.use_kernels(OnCard())
    monkeypatch.delenv("FMBENCH_GPU_KERNELS")
    assert not build.use_kernels(torch.zeros(1))


def test_a_mistake_in_a_kernel_is_named():
    pytest.importorskip("cuda.bindings", reason="no CUDA compiler here")
    with pytest.raises(KernelError, match=r'identifier "ADAM_BETA1" is undefined'):
        build.compile_kernels(optimizer.FILE, (), "sm_90")


def test_without_the_bindings_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(KernelError, match=r"pip install 'cuda-bindings==13\.\*'"):
        build.compile_kernels(optimizer.FILE, optimizer.CONSTANTS, "sm_90")


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """The options of each compilation; the user's cache is empty."""
    pytest.importorskip("cuda.bindings", reason="no CUDA compiler here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls, compile_program = [], build._compile

    def count(nvrtc, program, options):
        calls.append(options)
        compile_program(nvrtc, program, options)

    monkeypatch.setattr(build, "_compile", count)
    return calls


def compile_update(architecture="sm_90"):
    return build.compile_kernels(optimizer.FILE, optimizer.CONSTANTS, architecture)


def test_kernels_are_compiled_once_for_each_architecture(compiled):
    first, second, other = compile_update(), compile_update(), compile_update("sm_80")
    assert first == second != other
    assert [options[-1] for options in compiled] == [
        "--gpu-architecture=sm_90", "--gpu-architecture=sm_80"
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"x" * 1000, None])
def test_a_cache_that_was_changed_is_not_used(compiled, tmp_path, content):
    binary = compile_update()
    [path] = tmp_path.rglob("*.cubin")
    path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    assert compile_update() == binary
    assert len(compiled) == 2
    assert compile_update() == binary
    assert len(compiled) == 2


def test_without_a_cache_kernels_are_compiled_each_time(compiled, tmp_path):
    (tmp_path / "fmbench").write_text("no folder")
    assert compile_update() == compile_update()
    assert len(compiled) == 2


START_A_KERNEL = """
from threading import Thread
from types import SimpleNamespace
import torch
from fmbench.models.nn.gpu_kernels import build

torch.cuda.current_device = lambda: 3
torch.cuda.current_stream = lambda: SimpleNamespace(cuda_stream=0x56)
kernels = build._LoadedKernels(b"program")
first, second = torch.zeros(3), torch.zeros(4)
print("tensors at", hex(first.data_ptr()), hex(second.data_ptr()))
thread = Thread(target=kernels.launch, args=("update", 7, 100, first, second, 5, -6))
thread.start()
thread.join()
try:
    kernels.launch("update", 9, 100, first, second, 5, -6)
except build.KernelError as error:
    print("error", error)
"""


@needs_compiler
@pytest.mark.skipif(sys.platform != "linux", reason="the name of the driver's file is Linux's")
def test_the_driver_gets_the_addresses_of_tensors_and_the_numbers(tmp_path):
    """A stand-in for the driver prints what it is asked for; blocks have whole warps.

    Like a real one, it refuses a thread without a context. PyTorch's autograd walks back in such a
    thread, so the test starts the first kernel in another thread than the one that has loaded it.
    """
    pytest.importorskip("cuda.bindings", reason="the package calls the driver")
    source = HEADER.with_name("fake_cuda_driver.c")
    library = tmp_path / "libcuda.so.1"
    command = [COMPILER, "-x", "c", "-shared", "-fPIC", "-o", library, source, "-ldl"]
    subprocess.run(command, check=True)
    done = subprocess.run(
        [sys.executable, "-c", START_A_KERNEL], capture_output=True, text=True, check=True,
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    lines = sorted(done.stdout.splitlines())  # the stand-in's own come at the end of the process
    context, error, found, loaded, first, second, tensors = lines
    a, b = tensors.split()[-2:]
    assert context == "context of device 3"
    assert error == "error CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"
    assert (loaded, found) == ("load program", "find update in 0x12")
    for line, n_blocks in ((first, 7), (second, 9)):
        assert line == (
            f"start 0x34 with {n_blocks} 1 1 blocks of 128 1 1 threads, 0 bytes, stream 0x56: "
            f"{a} {b} 5 -6"
        )
