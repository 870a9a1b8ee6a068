"""What a result was made with: versions, device, commit. Recorded, never part of a cell's key."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from fmbench.errors import UserError

# Whatever can change a prediction or a timing.
LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-learn-intelex",
    "scikit-image",
    "torch",
)


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of each installed library that can change a result."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@cache
def package() -> dict[str, Any]:
    """Version of fmbench and, in a checkout, its commit and whether the code differs from it."""
    facts: dict[str, Any] = {"version": importlib.metadata.version("fmbench")}
    checkout = Path(__file__).parent.parent
    if (checkout / ".git").exists():
        commit = _git(checkout, "rev-parse", "HEAD")
        if commit is not None:
            changed = _git(checkout, "status", "--porcelain", "--", "fmbench", "benchmarks")
            facts |= {"commit": commit, "dirty": bool(changed)}
    return facts


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def cpu_name() -> str:
    """The processor's own name for itself."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def resolve_device(wanted: str) -> str:
    """``auto``, ``cpu`` or ``cuda`` to the device to use; raises UserError without CUDA."""
    if wanted == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise UserError(
            "--device cuda: PyTorch finds no CUDA device here; use --device cpu or auto"
        )
    return "cpu"


def device_name(device: str) -> str:
    """The name of the processor or GPU behind ``device``."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return cpu_name()


def differences(recorded_versions: dict[str, str], recorded_device: str) -> list[str]:
    """How a recorded environment differs from today's, in words (``torch 2.11.0, here 2.13.0``)."""
    today = versions()
    found = [
        f"{name} {recorded_versions.get(name, 'absent')}, here {today.get(name, 'absent')}"
        for name in sorted(recorded_versions | today)
        if recorded_versions.get(name) != today.get(name)
    ]
    if recorded_device not in (cpu_name(), here := _any_gpu() or cpu_name()):
        found.append(f"device {recorded_device}, here {here}")
    return found


@cache
def _any_gpu() -> str | None:
    """Name of the GPU, if any. PyTorch takes seconds to load and is asked only if a driver is."""
    if not Path("/proc/driver/nvidia").exists() or resolve_device("auto") == "cpu":
        return None
    return device_name("cuda")
