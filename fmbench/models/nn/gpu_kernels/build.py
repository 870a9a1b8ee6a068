"""Compiles CUDA kernels while the program runs, and starts them on PyTorch's current stream.

NVIDIA's package ``cuda-bindings`` calls the driver and NVRTC, a compiler that needs neither CUDA's
toolkit nor a C compiler on the machine. PyTorch 2.11 built for CUDA installs both.
Compiled kernels are kept in the user's cache, because compiling takes up to a second, and each
process of a run needs them.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from fmbench.errors import UserError
from fmbench.models.nn.gpu_errors import KERNEL_SWITCH
from fmbench.utils.files import find_user_cache, read_regular_file, write_atomically

# By name, the constants that a file of kernels needs.
Constants = tuple[tuple[str, int | float], ...]

# CUDA's limit for what a kernel asks for in its source, in bytes.
MAX_SHARED_BYTES = 48 * 1024
MAX_THREADS = 512  # of a block: with 128 registers each, as many as a block may have
WARP = 32  # threads that run in step, so a block has a multiple of it
MAX_BINARY_BYTES = 2**24  # of compiled kernels; those of a block take some 50,000


class KernelError(RuntimeError):
    """Kernels cannot be compiled or started here. The text says why."""


class Kernels(Protocol):
    """The compiled kernels of one file."""

    def launch(self, name: str, n_blocks: int, n_threads: int, *arguments: Tensor | int) -> None:
        """Start a kernel on the current stream, with at least ``n_threads`` threads in each block.

        Raises:
            KernelError: it does not start.
        """


def use_kernels(tensor: Tensor) -> bool:
    """Whether kernels should compute with this tensor: it is float32 on an NVIDIA GPU.

    The environment variable FMBENCH_GPU_KERNELS=0 turns them off.
    """
    on_card = tensor.is_cuda and tensor.dtype == torch.float32 and torch.version.cuda is not None
    return on_card and os.environ.get(KERNEL_SWITCH) != "0"


def move_to_gpu(tensor: Tensor) -> Tensor:
    """Return the tensor as one that kernels can compute with."""
    return tensor.to("cuda", torch.float32)


@lru_cache
def load_kernels(file: str, constants: Constants) -> Kernels:
    """Compile the kernels of ``file``, in this folder, for the GPU in use; once in a process.

    Raises:
        KernelError: they cannot be compiled or loaded.
    """
    major, minor = torch.cuda.get_device_capability()
    binary = compile_kernels(file, constants, f"sm_{major}{minor}")
    try:
        return _LoadedKernels(binary)
    except RuntimeError as error:
        raise KernelError(f"{file} cannot be loaded: {error}") from error


def compile_kernels(file: str, constants: Constants, architecture: str) -> bytes:
    """Compile the kernels of ``file``, in this folder, for an architecture such as "sm_90".

    No GPU is needed. What was compiled before is read from the user's cache.

    Raises:
        KernelError: the compiler is missing, or finds a mistake.
    """
    try:
        from cuda.bindings import nvrtc
    except ImportError as error:
        version = (torch.version.cuda or "13").partition(".")[0]
        raise KernelError(f"{error}: pip install 'cuda-bindings=={version}.*'") from error
    source = (resources.files(__package__) / file).read_bytes()
    options = [f"-D{name}={value}" for name, value in constants]
    options.append(f"--gpu-architecture={architecture}")
    try:
        version = ".".join(map(str, _check(nvrtc.nvrtcVersion())))
        path = _find_cached(source, [*options, version])
        if path and (binary := _read_cached(path)):
            return binary
        [program] = _check(nvrtc.nvrtcCreateProgram(source, file.encode(), 0, [], []))
        try:
            _compile(nvrtc, program, options)
            [size] = _check(nvrtc.nvrtcGetCUBINSize(program))
            binary = bytes(size)
            _check(nvrtc.nvrtcGetCUBIN(program, binary))
        finally:
            nvrtc.nvrtcDestroyProgram(program)
    except RuntimeError as error:  # among them: the library is not there
        raise KernelError(f"{file} cannot be compiled: {error}") from error
    if path:
        _write_cached(path, binary)
    return binary


def _find_cached(source: bytes, options: list[str]) -> Path | None:
    """Return where the cache has what is compiled from this; None if the user has no cache."""
    digest = hashlib.sha256("\0".join(options).encode() + b"\0" + source).hexdigest()
    try:
        return find_user_cache() / "gpu_kernels" / f"{digest}.cubin"
    except UserError:
        return None


def _read_cached(path: Path) -> bytes | None:
    """Read compiled kernels; None if there are none, or they are not what was written."""
    with contextlib.suppress(OSError, ValueError):
        content = read_regular_file(path, MAX_BINARY_BYTES)
        digest, binary = content[:32], content[32:]
        if digest == hashlib.sha256(binary).digest():
            return binary
    return None


def _write_cached(path: Path, binary: bytes) -> None:
    """Write compiled kernels behind their SHA-256, if the cache can be written."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as [temporary]:
            temporary.write_bytes(hashlib.sha256(binary).digest() + binary)


def _compile(nvrtc: Any, program: Any, options: list[str]) -> None:
    encoded = [option.encode() for option in options]
    [error] = nvrtc.nvrtcCompileProgram(program, len(encoded), encoded)
    if error.value:
        [size] = _check(nvrtc.nvrtcGetProgramLogSize(program))
        log = bytes(size)
        _check(nvrtc.nvrtcGetProgramLog(program, log))
        raise KernelError(log.decode(errors="replace").strip("\0\n ") or str(error))


class _LoadedKernels:
    """Kernels in the GPU's memory. Any thread may start them."""

    def __init__(self, binary: bytes) -> None:
        from cuda.bindings import driver

        self._driver = driver
        [device] = _check(driver.cuDeviceGet(torch.cuda.current_device()))
        [self._context] = _check(driver.cuDevicePrimaryCtxRetain(device))  # the one of PyTorch
        self._enter_context()
        [self._module] = _check(driver.cuModuleLoadData(binary))
        self._functions: dict[str, Any] = {}

    def _enter_context(self) -> None:
        """Let this thread use the GPU.

        The driver refuses a thread that has no current context. PyTorch's autograd walks back in a
        thread of its own, which gets one only with the first kernel of PyTorch's that it starts.
        """
        _check(self._driver.cuCtxSetCurrent(self._context))

    def launch(self, name: str, n_blocks: int, n_threads: int, *arguments: Tensor | int) -> None:
        """Start a kernel; see :class:`Kernels`."""
        self._enter_context()
        if name not in self._functions:
            [function] = _check(self._driver.cuModuleGetFunction(self._module, name.encode()))
            self._functions[name] = function
        values = tuple(a.data_ptr() if isinstance(a, Tensor) else a for a in arguments)
        types = tuple(ctypes.c_void_p if isinstance(a, Tensor) else ctypes.c_int for a in arguments)
        grid, block = (n_blocks, 1, 1), (round_to_warps(n_threads), 1, 1)
        stream = torch.cuda.current_stream().cuda_stream
        _check(
            self._driver.cuLaunchKernel(
                self._functions[name], *grid, *block, 0, stream, (values, types), 0
            )
        )


def round_to_warps(n_threads: int) -> int:
    """Round a number of threads up to whole warps."""
    return -(-n_threads // WARP) * WARP


def _check(result: Iterable[Any]) -> list[Any]:
    """Return what a call of cuda-bindings has returned behind its error code.

    Raises:
        KernelError: the code is not that of success.
    """
    error, *values = result
    if error.value:
        raise KernelError(error.name)
    return values
