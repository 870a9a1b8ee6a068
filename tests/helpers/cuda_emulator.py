"""Compiles CUDA kernels with the machine's C++ compiler and runs them on tensors of a CPU."""

import ctypes
import re
import shutil
import subprocess
from functools import lru_cache
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch

from fmbench.models.nn import stacked, training
from fmbench.models.nn.gpu_kernels import build, convolution_block, optimizer

COMPILER = shutil.which("c++") or shutil.which("g++")
needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason="the kernels are compiled with a C++ compiler, and there is none here"
)
HEADER = Path(__file__).with_name("cuda_emulator.hpp")
KERNEL = re.compile(r'extern "C" __global__ void (\w+)\((.*?)\) {', re.DOTALL)


class EmulatedKernels:
    """Stands in for the kernels of one file in a GPU's memory."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self.backwards = False  # whether the threads run in falling order
        self.launched: list[str] = []

    def launch(self, name, n_blocks, n_threads, *arguments):
        self.launched.append(name)
        for each in arguments:
            assert not isinstance(each, torch.Tensor) or each.is_cpu
        values = [
            ctypes.c_void_p(a.data_ptr()) if isinstance(a, torch.Tensor) else ctypes.c_int(a)
            for a in arguments
        ]
        n_threads = build.round_to_warps(n_threads)
        assert n_threads <= 1024
        run = getattr(self._library, f"run_{name}")
        run(n_blocks, n_threads, int(self.backwards), *values)


@lru_cache
def compile_for_cpu(file: str, constants) -> ctypes.CDLL:
    """Compile a file of kernels, and a function for each that runs it; once in a process."""
    source = (resources.files(build.__package__) / file).read_text()
    parts = [f'#include "{HEADER}"', source]
    for name, parameters in KERNEL.findall(source):
        names = ", ".join(re.findall(r"(\w+)\s*(?:,|$)", parameters))
        parts.append(
            f'extern "C" void run_{name}(int blocks, int threads, int backwards, {parameters})'
            f" {{ run_blocks(blocks, threads, backwards, [=] {{ {name}({names}); }}); }}"
        )
    stem = "-".join([Path(file).stem, *(str(value) for _, value in constants)])
    options = ["-std=c++20", "-O1", "-w", "-shared", "-fPIC"]
    options += [f"-D{name}={value}" for name, value in constants]
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{stem}.cpp"
        path.write_text("\n".join(parts))
        library = path.with_suffix(".so")
        subprocess.run([COMPILER, *options, "-o", library, path], check=True)
        return ctypes.CDLL(str(library))


def use_on_cpu(monkeypatch) -> dict[tuple, EmulatedKernels]:
    """Let stacks of networks on the CPU use the kernels; return those that are loaded."""
    loaded = {}

    def load(file, constants):
        key = file, constants
        if key not in loaded:
            loaded[key] = EmulatedKernels(compile_for_cpu(*key))
        return loaded[key]

    use_kernels_on_cpu(monkeypatch)
    for module in (convolution_block, optimizer):
        monkeypatch.setattr(module, "load_kernels", load)
    return loaded


def use_kernels_on_cpu(monkeypatch) -> None:
    """Let stacks on the CPU look for kernels as they do on a GPU."""
    for module in (stacked, training):
        monkeypatch.setattr(module, "use_kernels", lambda t: t.dtype == torch.float32)
    for module in (convolution_block, optimizer):
        monkeypatch.setattr(module, "move_to_gpu", lambda tensor: tensor.float())
        module.load_checked.cache_clear()
