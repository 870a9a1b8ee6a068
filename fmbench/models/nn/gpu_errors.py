"""Tells the errors of a GPU apart, says what to do about each, and warns where there is a remedy.

It goes by their texts, because PyTorch has few classes for them, and so needs no PyTorch itself.
"""

from __future__ import annotations

import re
import warnings

# What cuDNN's front end says if no engine keeps to the settings, such as a fixed order of sums.
NO_ENGINE = ("unable to find an engine", "no valid execution plans")
# PyTorch's own allocator knows the share of a process; CUDA and its libraries only the whole card.
OUT_OF_SHARE = "CUDA out of memory"
OUT_OF_MEMORY = (
    OUT_OF_SHARE,
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",  # the same since cuDNN 9
)
BUSY = "busy or unavailable"
# A kernel has touched memory that is not its own; the texts of PyTorch and of the driver.
MISTAKES = (
    "illegal memory access",
    "misaligned address",
    "illegal instruction",
    "CUDA_ERROR_ILLEGAL",
    "CUDA_ERROR_MISALIGNED",
)
KERNEL_SWITCH = "FMBENCH_GPU_KERNELS"  # an environment variable; "0": only PyTorch's own kernels
MAX_TEXT = 200  # characters of PyTorch's own text
UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


class GpuStartError(RuntimeError):
    """A process cannot use the GPU at all. The text is PyTorch's."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the GPU, not the host, had too little memory."""
    if not isinstance(error, RuntimeError):
        return False
    return type(error).__name__ == "OutOfMemoryError" or _names_missing_memory(str(error))


def _names_missing_memory(text: str) -> bool:
    return any(part in text for part in OUT_OF_MEMORY)


def is_no_engine(error: BaseException) -> bool:
    """Whether cuDNN has no way to compute a convolution under the present settings."""
    message = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in message for part in NO_ENGINE)


def describe_gpu_error(name: str, text: str) -> str | None:
    """Say on one line what a GPU has not done, and what to do; None for any other error.

    ``name`` is that of the error's class, and ``text`` its text on one line.
    """
    is_named = name in ("OutOfMemoryError", "AcceleratorError", GpuStartError.__name__)
    is_out = name == "OutOfMemoryError" or _names_missing_memory(text)
    is_mistake = any(part in text for part in MISTAKES)
    is_other = is_mistake or "CUDA error" in text or "No CUDA GPUs" in text
    if not (is_named or is_out or is_other):
        return None
    first = shorten_cuda_text(text)
    if is_mistake:
        return (
            f"a kernel failed on the GPU ({first}): run the same command with {KERNEL_SWITCH}=0, "
            "so that only PyTorch's own kernels are used"
        )
    if is_out and _has_used_up_its_share(text):
        return f"ran out of the GPU's memory ({first}): allow more with --gpu-memory"
    if is_out:
        return (
            f"the GPU's memory is full ({first}): start fewer launches at a time on it, such as "
            "--gpu-jobs 1, or end other programs that use it"
        )
    if BUSY in text:
        return (
            f"another process has the GPU ({first}): if its compute mode is EXCLUSIVE_PROCESS, add "
            "--gpu-jobs 1; otherwise end the other process"
        )
    return f"the GPU failed ({first}): if nvidia-smi finds it, run the same command again"


def shorten_cuda_text(text: str) -> str:
    """Return the part of a text of PyTorch that says what has happened."""
    for end in (". ", " Search for `cuda", " CUDA kernel errors"):
        text = text.partition(end)[0]
    return text[:MAX_TEXT]


def _has_used_up_its_share(text: str) -> bool:
    """Whether the memory that a process may take was used up, and not that of the whole card."""
    sizes = [
        re.search(rf"{what} ([\d.]+) ({'|'.join(UNITS)})", text)
        for what in ("Tried to allocate", "of which")
    ]
    if OUT_OF_SHARE not in text or None in sizes:
        return OUT_OF_SHARE in text
    wanted, free = (float(size[1]) * UNITS[size[2]] for size in sizes if size)
    return free >= wanted


def warn_once(message: str) -> None:
    """Give a warning on one line; a record keeps each warning once."""
    warnings.warn(" ".join(message.split())[:300], RuntimeWarning, stacklevel=2)
