"""Describes the machine and the software that make a result: versions, device, commit.

Records store all of this. It is not part of a cell's key.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fmbench.errors import UserError
from fmbench.utils import cgroups, gpu

# The folder that holds the package: a checkout of the repository, or site-packages.
CHECKOUT = Path(__file__).parents[2]

# The libraries that can change a prediction or a timing.
LIBRARIES = (
    "numba",
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-learn-intelex",
    "scikit-image",
    "torch",
)

# The parts of the package that can change what is measured.
MEASURING_CODE = (
    "__init__.py", "errors.py", "datasets", "execution", "metrics", "models", "plugins", "records",
    "runners", "utils",
)  # fmt: skip

# Processors with the same name may differ in these, and then they round sums differently.
INSTRUCTIONS = "vector instructions"

ANSWER_SECONDS = 120.0  # the longest wait for git or the system to say what a record names

# With these, as in a hook, git would describe another repository than that of its folder.
GIT_VARIABLES = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR",
)  # fmt: skip


@cache
def collect_versions() -> dict[str, str]:
    """Versions of Python and of each installed library that can change a result.

    On Linux also the widest vector instructions that the processor has.
    """
    found = {"python": platform.python_version()}
    flags = _read_cpu_info("flags").split()
    widest = [name for name in ("avx512f", "avx2", "avx") if name in flags]
    if widest:
        found[INSTRUCTIONS] = widest[0]
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def package_version() -> str:
    """The version of fmbench: of the installed package, or of a checkout that is not installed."""
    try:
        return importlib.metadata.version("fmbench")
    except importlib.metadata.PackageNotFoundError:
        return tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]


@cache
def describe_package() -> dict[str, Any]:
    """Version of fmbench and, in a checkout, its commit and whether the code differs from it.

    Raises:
        UserError: git does not answer.
    """
    facts: dict[str, Any] = {"version": package_version()}
    if (CHECKOUT / ".git").exists():
        commit = _run_git(CHECKOUT, "rev-parse", "HEAD")
        if commit is not None:
            changed = _run_git(CHECKOUT, "status", "--porcelain", "--", "fmbench", "benchmarks")
            facts |= {"commit": commit, "dirty": changed != ""}
    return facts


@dataclass(frozen=True)
class CodeIdentity:
    """Which code measures: the package's folder and a hash of the files that can matter."""

    folder: str
    sha256: str


@cache
def identify_code() -> CodeIdentity:
    """Identify the code of this process, as its files were at the first call."""
    return read_code_identity()


def read_code_identity() -> CodeIdentity:
    """Identify the code as its files are now."""
    package = Path(__file__).resolve().parents[1]
    files = hashlib.sha256()
    for part in MEASURING_CODE:
        path = package / part
        code = [*path.rglob("*.py"), *path.rglob("*.cu")] if path.is_dir() else [path]
        for file in sorted(code):
            files.update(f"{file.relative_to(package)}\0".encode())
            files.update(hashlib.sha256(file.read_bytes()).digest())
    return CodeIdentity(str(package), files.hexdigest())


def describe_other_code(expected: CodeIdentity, here: CodeIdentity) -> str | None:
    """Return one line that says how ``here`` differs from ``expected``; None if they are equal."""
    if here.folder != expected.folder:
        return f"its process has the fmbench in {here.folder}, not that in {expected.folder}"
    if here != expected:
        return (
            f"the code in {here.folder} has changed since this run started: run the same command "
            "again"
        )
    return None


def _run_git(folder: Path, *arguments: str) -> str | None:
    # Without "optional locks", git leaves the checkout to the user's own git.
    return _ask(["git", "--no-optional-locks", "-C", str(folder), *arguments])


def _ask(command: list[str]) -> str | None:
    """Return what a program prints; None if there is no such program, or if it fails.

    Raises:
        UserError: it does not answer. A record without its answer would be another record.
    """
    variables = {name: value for name, value in os.environ.items() if name not in GIT_VARIABLES}
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=ANSWER_SECONDS, env=variables
        )
    except OSError:
        return None
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{command[0]} has not answered for {ANSWER_SECONDS:g} s, and records would lack what "
            "it says: run the same command again"
        ) from None
    return result.stdout.strip() if result.returncode == 0 else None


def count_cores() -> int:
    """Count the processor cores that this process may use.

    These are the cores of the machine, of the process's affinity mask (``taskset``), or of the
    quota of a container or service, whichever are fewest.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return min(allowed, cgroups.count_quota_cores() or allowed)


def measure_free_memory() -> int:
    """Measure the memory that new processes may take, in bytes, without those that run being ended.

    It is what is free on the machine, or what the limit of a container or service leaves, whichever
    is less.
    """
    import psutil

    free = int(psutil.virtual_memory().available)
    left = cgroups.read_free_memory()
    return free if left is None else min(free, left)


@cache
def cpu_name() -> str:
    """The name of the processor, as it reports itself.

    Raises:
        UserError: the system does not answer (on macOS).
    """
    named = _ask_macos() if sys.platform == "darwin" else _read_cpu_info("model name")
    return named or platform.processor() or platform.machine()


def _ask_macos() -> str:
    """The processor's name, such as Apple M2; Python knows only "arm". Empty without an answer."""
    return _ask(["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]) or ""


def _read_cpu_info(entry: str) -> str:
    """An entry of /proc/cpuinfo for the first processor; empty on other systems than Linux."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        name, _, value = line.partition(":")
        if name.strip() == entry:
            return value.strip()
    return ""


def resolve_device(wanted: str) -> str:
    """Turn ``auto``, ``cpu`` or ``cuda`` into the device to use: ``cpu`` or ``cuda``.

    Raises:
        UserError: ``cuda`` is wanted, and PyTorch cannot use a GPU.
    """
    if wanted == "cpu":
        return "cpu"
    problem = gpu.ask().problem
    if problem and wanted == "cuda":
        raise UserError(f"--device cuda: {problem}; --device cpu needs no GPU")
    return "cpu" if problem else "cuda"


def describe_unused_gpu() -> str | None:
    """Say on one line why no GPU is used; None if one is used or none seems to be here."""
    problem = gpu.ask().problem
    if problem and gpu.seems_to_be_here():
        return f"neural networks run on the CPU, although there seems to be a GPU: {problem}"
    return None


def measure_free_gpu_memory() -> int:
    """Measure the free memory of the GPU, in bytes; 0 if PyTorch cannot use one."""
    return gpu.ask().free_memory


def device_name(device: str) -> str:
    """The name of the processor or GPU behind ``device``."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return cpu_name()


def describe_differences(
    recorded_versions: dict[str, str],
    recorded_device: str,
    today: tuple[dict[str, str], str] | None = None,
) -> list[str]:
    """List the differences between a recorded environment and today's.

    Each difference is a text such as ``torch 2.11.0, here 2.13.0``. ``today`` are the versions and
    the device to compare with, maybe of another machine; by default those of this machine. Old
    records name neither the vector instructions nor numba; that is no difference.
    """
    now = dict(today[0] if today else collect_versions())
    for name in (INSTRUCTIONS, "numba"):
        if name not in recorded_versions:
            now.pop(name, None)
    found = [
        f"{name} {recorded_versions.get(name, 'absent')}, here {now.get(name, 'absent')}"
        for name in sorted(recorded_versions | now)
        if recorded_versions.get(name) != now.get(name)
    ]
    devices = [today[1]] if today else [cpu_name(), gpu_name() or cpu_name()]
    if recorded_device not in devices:
        found.append(f"device {recorded_device}, here {devices[-1]}")
    return found


def gpu_name() -> str | None:
    """The name of the GPU, if there is one that PyTorch can use.

    PyTorch takes seconds to load, so it is asked only where there are traces of a GPU.
    """
    return (gpu.ask().name or None) if gpu.seems_to_be_here() else None
