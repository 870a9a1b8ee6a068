"""Lets `measure.py` and its steps import what they need, also from wheels that were fetched."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FETCHED = ROOT / ".gpu"  # what fetch.py has fetched; git ignores it
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
IMPORT_SECONDS = 180  # the longest wait for the imports of some packages
# With these `fmbench judge` reads documents and writes reviews. No step imports them.
ONLY_FOR_JUDGE = {
    "beautifulsoup4", "docutils", "markdown-it-py", "pdfminer.six", "pdfplumber", "pylatexenc",
    "pyyaml", "rapidfuzz",
}  # fmt: skip
# The modules to import of a package that has another name, or that imports most in a part of it.
MODULES = {"deap": "deap.tools", "scikit-image": "skimage.feature", "scikit-learn": "sklearn.svm"}
# Prints the first of some modules that cannot be imported, and why.
TRY_IMPORTS = """
import importlib, os, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        print(f"{name} cannot be imported ({why})", flush=True)
        os._exit(1)
os._exit(0)
"""


@dataclass(frozen=True)
class Group:
    """Packages that are installed into one folder, and whose imports are tried together."""

    name: str  # of their folder below --site
    requirements: tuple[str, ...]
    modules: tuple[str, ...]
    wheels: tuple[str, ...]  # the names of all packages that may be installed
    without: str = ""  # what happens without them; empty: nothing can be measured
    blocks: str = ""  # a module that fmbench uses if it finds it, even if the import fails


def list_groups(wheels: Mapping[str, Path]) -> list[Group]:
    """List the packages that the steps import, in the versions that pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    extra = {get_name(r): r.partition(";")[0].strip() for r in (*extras["dev"], *extras["fast"])}
    needed = [r for r in project["dependencies"] if get_name(r) not in ONLY_FOR_JUDGE]
    return [
        Group(
            "needed",
            tuple(needed),
            modules=tuple(MODULES.get(name, name) for name in map(get_name, needed)),
            wheels=tuple(name for name, path in wheels.items() if path.parent.name == "wheels"),
        ),
        Group(
            "tests",
            (extra["pytest"], extra["hypothesis"]),
            modules=("pytest", "hypothesis"),
            wheels=("hypothesis", "iniconfig", "packaging", "pluggy", "pygments", "pytest",
                    "sortedcontainers"),
            without="the step tests needs them; `make check` installs them into .venv, and for a "
            "machine without a network `make gpu-wheels` fetches them",
        ),
        Group(
            "kernels",
            (extra["cuda-bindings"],),
            modules=("cuda.bindings.driver", "cuda.bindings.nvrtc"),
            wheels=("cuda-bindings", "cuda-pathfinder"),
            without="without it LeNet-5 trains with PyTorch's kernels, which are slower",
        ),
        Group(
            "numba",
            (extra["numba"],),
            modules=("numba", "llvmlite"),
            wheels=("llvmlite", "numba"),
            without="without it the linear SVC and logistic regression are slow",
            blocks="numba",
        ),
        Group(
            "intelex",
            (extra["scikit-learn-intelex"],),
            modules=("daal4py", "sklearnex.svm", "sklearnex.neighbors"),
            wheels=("daal", "scikit-learn-intelex", "tbb", "tcmlib", "umf"),
            without="without it the SVC and nearest-neighbour rows are slow",
        ),
    ]  # fmt: skip


def get_name(requirement: str) -> str:
    """The name in a requirement: ``numpy>=2.0`` gives ``numpy``."""
    return re.split("[>=;]", requirement)[0].strip()


def is_met(requirement: str) -> bool:
    """Whether ``name>=version`` is installed; versions are compared by their leading numbers."""
    name, _, wanted = requirement.partition(">=")
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return leading_numbers(found or "") >= leading_numbers(wanted)  # none in a half installed one


def leading_numbers(version: str) -> list[int]:
    """The numbers of a version: ``2.11.0+cu130`` gives ``[2, 11, 0]``."""
    return [int(number) for number in re.findall(r"\d+", version.partition("+")[0])]


def find_problem(group: Group) -> str:
    """Say on one line what is missing of a group or cannot be imported; nothing if all is well."""
    lacking = [r for r in group.requirements if not is_met(r)]
    if lacking:
        return f"this Python lacks {', '.join(lacking)}"
    return try_imports(group.modules)


def try_imports(modules: Sequence[str]) -> str:
    """Import modules in another process; say on one line which one fails, and nothing if none.

    That a package is installed does not say that all is there that it needs.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", TRY_IMPORTS, *modules],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=IMPORT_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"the import of {', '.join(modules)} does not end"
    if done.returncode == 0:
        return ""
    crashed = f"the import of {', '.join(modules)} ends Python with status {done.returncode}"
    return (done.stdout.splitlines() or [crashed])[-1]


def add_packages(site: Path) -> None:
    """Let this process and the steps import what they need, also from folders below ``site``.

    Wheels of what is missing are installed there. Optional packages that cannot be imported even
    so are left out, and one line says what that means. If others cannot, that ends the program.
    """
    wheels = {
        path.name.partition("-")[0].replace("_", "-").lower(): path
        for path in sorted(FETCHED.glob("wheels*/*.whl"))
    }
    groups = list_groups(wheels)
    used = [group.name for group in groups]
    use_packages(site, used)
    with ThreadPoolExecutor() as pool:  # first imports mostly wait for the disk
        problems = list(pool.map(find_problem, groups))
    installed = False
    for group, problem in zip(groups, problems, strict=True):
        if problem and installed:  # a package that it needs may be there now
            problem = find_problem(group)
        for chosen in choose_wheels(group, wheels):
            if problem:
                install_wheels(chosen, site / group.name)
                installed = True
                use_packages(site, used)
                problem = find_problem(group)
        if not problem:
            continue
        if not group.without:
            sys.exit(
                f"{problem}: install it (`make install` does so in .venv), or run `make "
                "gpu-wheels` on a machine with a network and copy the folder .gpu here"
            )
        used.remove(group.name)
        use_packages(site, used)
        is_there = group.blocks and importlib.util.find_spec(group.blocks)
        if is_there and (why := try_imports(group.modules)):
            sys.exit(f"{why}: uninstall {group.name}, or install it again with what it needs")
        print(f"{problem}: {group.without}", flush=True)


def choose_wheels(group: Group, wheels: Mapping[str, Path]) -> list[list[Path]]:
    """Choose the wheels to install, as a list of attempts.

    Of a needed group, only the missing packages are tried first, and then all of them.

    What a missing package needs may be there, but too old. Of an optional group all are installed
    at once, because its compiled libraries look for one another in their own folder.
    """
    names = sorted(set(group.wheels) & set(wheels))
    old = {get_name(r) for r in group.requirements if not is_met(r)}
    missing = [name for name in names if name in old or not has_distribution(name)]
    attempts = [names] if group.without else [missing, names]
    return [[wheels[name] for name in attempt] for attempt in attempts if attempt]


def install_wheels(wheels: Sequence[Path], prefix: Path) -> None:
    """Install wheels below ``prefix``; say on one line if pip could not."""
    print(f"installing into {prefix}: {', '.join(path.name for path in wheels)}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
         "--no-compile", "--ignore-installed", "--disable-pip-version-check",
         "--prefix", str(prefix), *map(str, wheels)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode:
        last = (done.stdout.strip().splitlines() or [f"status {done.returncode}"])[-1]
        print(f"pip has not installed them: {last}", flush=True)


def find_package_folders(prefix: Path) -> list[Path]:
    """Find the folders of packages below ``prefix``; a wheel may have brought another one."""
    return sorted(prefix.glob("**/lib/python*/*-packages"))


def use_packages(site: Path, groups: Sequence[str]) -> None:
    """Let this process and those that it starts import what ``site`` has of these groups.

    It comes before older versions of the same packages, and nothing else of ``site`` is used.
    """
    folders = [str(path) for name in groups for path in find_package_folders(site / name)]
    sys.path[:] = folders + [p for p in sys.path if not Path(p).is_relative_to(site)]
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    named = [p for p in named if p not in ("", str(ROOT)) and not Path(p).is_relative_to(site)]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *named, *folders])
    importlib.invalidate_caches()


def has_distribution(name: str) -> bool:
    """Whether a package is installed, whatever its version."""
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
