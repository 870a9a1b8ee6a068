"""Finds out whether there is a GPU that PyTorch can use, its name and its free memory.

A process of its own asks. So the process that coordinates a run does not load PyTorch, and takes
none of the GPU's memory, of which each process that uses CUDA needs some hundred megabytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fmbench.utils.import_path import copy_variables, split_path

PROBE = Path(__file__).with_name("gpu_probe.py")
ANSWER_SECONDS = 120.0  # the longest wait for PyTorch and the driver

# Files that an NVIDIA driver makes. In some containers there are only the devices; WSL has only
# /dev/dxg, for any GPU.
TRACES = tuple(
    map(Path, ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg"))
)  # fmt: skip


@dataclass(frozen=True)
class GpuAnswer:
    """The GPU's name and its free memory in bytes; or ``problem``, why PyTorch cannot use one."""

    name: str = ""
    free_memory: int = 0
    problem: str = ""


def seems_to_be_here() -> bool:
    """Whether this machine has the traces of a GPU. PyTorch may still not be able to use it."""
    return any(trace.exists() for trace in TRACES)


@cache
def ask() -> GpuAnswer:
    """Ask PyTorch for the GPU; this takes seconds. The answer is kept."""
    path, _ = split_path(sys.path, os.environ.get("PYTHONPATH", ""))
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    try:
        done = subprocess.run(
            [sys.executable, *flags, "-P", str(PROBE), json.dumps(path)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, env=copy_variables(),
            timeout=ANSWER_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return GpuAnswer(problem=f"the GPU has not answered for {ANSWER_SECONDS:g} s")
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        return GpuAnswer(problem=f"asking for the GPU ended with status {done.returncode}")
    return GpuAnswer(**json.loads(lines[-1]))
