"""Measures everything that needs an NVIDIA GPU, step by step, and prints a table of the results.

`README.md` beside this file lists the steps. Each step has a process and a time budget of its own.
A step that fails or runs out of time is recorded, and the next one begins. Called again with the
same `--out`, the script goes on with what is missing. After every step, and once a minute during a
step if there is something new, the results so far and the records are packed into archives of at
most 16 MB. So a call that is killed loses one minute at most, and its step ends with it. Neither
root nor a network is needed once `fetch.py` has fetched packages and data.

    python benchmarks/gpu/measure.py --minutes 20
    python benchmarks/gpu/measure.py --device cpu --quick --out /tmp/rehearsal
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
FETCHED = ROOT / ".gpu"  # what fetch.py has fetched; git ignores it
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# The budget of each step in seconds, in the order of the steps. They fit a machine with an H100 and
# 16 cores, with time to spare.
BUDGETS = {
    "machine": 60,
    "tests": 150,
    "stacks": 90,
    "lenet5": 150,
    "cnn": 180,
    "run": 560,
    "forensics": 200,
    "repeat": 400,
    "summary": 60,
}
GRACE_SECONDS = 20  # for a step to end after it was interrupted; a part of its budget
PACKING_SECONDS = 10  # kept free of --minutes, for the last archives
SAVE_SECONDS = 60  # between two looks whether a running step has left something new
WATCH_END_SECONDS = 5  # the longest wait for nvidia-smi, which may hang
IMPORT_SECONDS = 180  # the longest wait for the imports of some packages
ARCHIVE_BYTES = 15_500_000
RESULTS, LOG, TABLE = "results.jsonl", "log.txt", "table.txt"
RESULT_SUFFIX = ".result.json"  # of the file into which a step writes its result
FINISHED, INCOMPLETE, FAILED, OUT_OF_TIME = "finished", "incomplete", "failed", "out of time"
NOT_ENDED = "not ended"
ENTRY_FACTS = {"step", "status", "why", "seconds", "settings"}  # every attempt in results.jsonl
PACKED_SUFFIXES = {".json", ".npz", ".csv", ".md"}
NOT_PACKED = {"unfinished", "locks"}  # folders
# These steps get the result of the attempt before, and measure only what it lacks.
RESUMING = ("lenet5", "cnn")
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
# Prints how nvidia-smi calls the card that PyTorch uses. It is always the PCI address if PyTorch
# knows it: a part of a card (MIG) has an identifier of its own, which nvidia-smi may refuse.
FIND_CARD = """
import torch
card = torch.cuda.get_device_properties(0)
if hasattr(card, "pci_bus_id"):
    print(f"{card.pci_domain_id:08x}:{card.pci_bus_id:02x}:{card.pci_device_id:02x}.0")
else:
    print(f"GPU-{card.uuid}")
"""


# ------------------------------------------------------------------------------------ packages


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
    """The packages that the steps need, as pyproject.toml requires them."""
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
    for group in groups:
        problem = find_problem(group)
        for chosen in choose_wheels(group, wheels):
            if problem:
                install_wheels(chosen, site / group.name)
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
    """The wheels to install; for a needed group first the missing ones, then, if need be, all.

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
    """The folders of packages below ``prefix``; a wheel may have brought one of its own."""
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


# ------------------------------------------------------------------------------------ watching


@dataclass
class MachineWatch:
    """Reads the card's memory and load, and the host's free memory, twice a second."""

    peak_card_mib: int | None = None
    min_host_available_mib: int | None = None
    card_load: list[int] = field(default_factory=list)  # percent of the time that a kernel ran

    def facts(self) -> dict[str, Any]:
        """Return the extremes that were read; a value that nvidia-smi did not give is left out."""
        found: dict[str, Any] = {"min_host_available_mib": self.min_host_available_mib}
        if self.peak_card_mib is not None:
            found["peak_card_mib"] = self.peak_card_mib
        if self.card_load:
            found["mean_card_load_percent"] = round(sum(self.card_load) / len(self.card_load), 1)
        return found

    def note_card(self, line: str) -> None:
        """Note a line of nvidia-smi: the memory in MiB and the load in percent.

        It writes [N/A] for what it cannot say, such as the load of a card in parts (MIG).
        """
        memory, _, load = (part.strip() for part in line.partition(","))
        if memory.isdecimal():
            self.peak_card_mib = max(self.peak_card_mib or 0, int(memory))
        if load.isdecimal():
            self.card_load.append(int(load))

    def note_host(self) -> None:
        """Note the host's free memory; only Linux says it."""
        path = Path("/proc/meminfo")
        if path.exists() and (found := re.search(r"MemAvailable:\s*(\d+)", path.read_text())):
            mib = int(found[1]) // 1024
            self.min_host_available_mib = min(self.min_host_available_mib or mib, mib)


def find_card() -> str | None:
    """How nvidia-smi calls the card that PyTorch uses; None, with a line, if that is not known.

    Another process asks PyTorch, so that this one takes no memory of the card.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", FIND_CARD], capture_output=True, text=True,
            timeout=IMPORT_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        why = f"it has not answered for {IMPORT_SECONDS} s"
    else:
        if done.returncode == 0:
            return done.stdout.split()[-1]
        why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1][:200]
    print(f"memory and load of the card are not watched: PyTorch does not name it ({why})")
    return None


@contextmanager
def watch_machine(card: str | None) -> Iterator[MachineWatch]:
    """Watch the host and, if ``card`` names one for nvidia-smi, this card during the block."""
    watch, stop = MachineWatch(), threading.Event()

    def read_host() -> None:
        watch.note_host()
        while not stop.wait(0.5):
            watch.note_host()

    def read_card(lines: IO[str]) -> None:
        with lines:
            for line in lines:
                watch.note_card(line)

    threads = [threading.Thread(target=read_host, daemon=True)]
    reader: subprocess.Popen[str] | None = None
    if card is not None and shutil.which("nvidia-smi"):
        query = "--query-gpu=memory.used,utilization.gpu"
        reader = subprocess.Popen(
            ["nvidia-smi", "-i", card, query, "--format=csv,noheader,nounits", "-lms", "500"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        threads.append(threading.Thread(target=read_card, args=(reader.stdout,), daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        stop.set()
        if reader is not None:
            reader.kill()
            # A driver that hangs does not let it end: it is left alone then.
            with contextlib.suppress(subprocess.TimeoutExpired):
                reader.wait(WATCH_END_SECONDS)
        for thread in threads:
            thread.join(WATCH_END_SECONDS)


# --------------------------------------------------------------------------------------- steps


class Journal:
    """The results of the steps: one line of JSON for each attempt, in ``results.jsonl``."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self._path, self._settings = path, settings
        self.entries = list(read_entries(path))
        if any(entry["settings"] != settings for entry in self.entries):
            sys.exit(
                f"{path.parent} holds results of other settings than {settings}: choose another "
                "folder with --out"
            )

    def add(self, entry: dict[str, Any]) -> None:
        """Append an attempt."""
        self.entries.append({**entry, "settings": self._settings})
        self._write()

    def change_last(self, **facts: Any) -> None:
        """Change facts of the last attempt."""
        self.entries[-1] |= facts
        self._write()

    def _write(self) -> None:
        # All lines anew, then one renaming: a kill leaves the old file or the new one.
        temporary = self._path.with_suffix(".part")
        temporary.write_text("".join(json.dumps(entry) + "\n" for entry in self.entries))
        temporary.replace(self._path)

    def last(self, step: str) -> dict[str, Any] | None:
        """The newest attempt at a step."""
        return next((e for e in reversed(self.entries) if e["step"] == step), None)

    def is_done(self, step: str) -> bool:
        """Whether a step need not be run again."""
        entry = self.last(step)
        return entry is not None and entry["status"] == FINISHED

    def total_seconds(self, step: str) -> tuple[float, int]:
        """Return the seconds of all attempts at a step, and the number of attempts."""
        attempts = [e for e in self.entries if e["step"] == step]
        return sum(e["seconds"] for e in attempts), len(attempts)


def read_entries(path: Path) -> Iterator[dict[str, Any]]:
    """Read the attempts in ``results.jsonl``; a line that is none is left out with a warning."""
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            entry = None
        if isinstance(entry, dict) and entry.keys() >= ENTRY_FACTS:
            yield entry
        else:
            print(
                f"{path}: line {number} is damaged and is left out; a step that lacks its result "
                "now is measured again"
            )


def read_result(path: Path) -> dict[str, Any]:
    """Read what a step has written into its file; an empty dictionary if there is no file."""
    return json.loads(path.read_text()) if path.exists() else {}


def run_step(
    command: Sequence[str], limit: float, result: Path, log: IO[str], save: Callable[[], None]
) -> tuple[str, str]:
    """Run a step's process within its limit; return its status and, if it did not finish, why.

    The process writes its result into the file ``result``, also an incomplete one. At the limit it
    is interrupted as by Ctrl-C, so that it can save what it has, and killed after a grace period.
    While it runs, ``save`` is called every ``SAVE_SECONDS``.
    """
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        start_new_session=True, cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},  # in the order in which it is printed
    )  # fmt: skip
    tail: list[str] = []

    def show() -> None:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            log.write(line)
            log.flush()
            if line.strip():
                tail[:] = [*tail, line.strip()][-1:]

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        timed_out = not wait_for_end(process, max(1.0, limit - GRACE_SECONDS), save)
    finally:
        end_group(process)
        thread.join(GRACE_SECONDS)
        if process.stdout is not None and not thread.is_alive():
            process.stdout.close()
    found = read_result(result)
    if timed_out:
        over = f"its {limit:.0f} s were over"
        return OUT_OF_TIME, f"{over}; {found['why']}" if found.get("why") else over
    if process.returncode:
        return FAILED, (tail or [f"it ended with status {process.returncode}"])[-1][:300]
    if "why" not in found:
        return FAILED, "it ended without a result"
    return (INCOMPLETE, found["why"]) if found["why"] else (FINISHED, "")


def wait_for_end(process: subprocess.Popen[str], seconds: float, save: Callable[[], None]) -> bool:
    """Wait so long for the end of a process, and save meanwhile; return whether it has ended."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        try:
            process.wait(min(left, SAVE_SECONDS))
        except subprocess.TimeoutExpired:
            save()
        else:
            return True
    return process.poll() is not None


def end_group(process: subprocess.Popen[str]) -> None:
    """End a step and the processes that it started: with Ctrl-C first, then by force."""
    for sent in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is not None:
            break
        send_to_group(process.pid, sent)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    send_to_group(process.pid, signal.SIGKILL)  # children that outlived the step


def send_to_group(pid: int, sent: signal.Signals) -> None:
    """Send a signal to a process group, if it still exists."""
    try:
        os.killpg(pid, sent)
    except ProcessLookupError:
        return


# --------------------------------------------------------------------------------------- output


class Output:
    """The folder for all results: the journal of the steps, the table, and the archives."""

    def __init__(
        self, folder: Path, archives: Path, settings: dict[str, Any], steps: Sequence[str]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.archives = folder, archives
        self.journal = Journal(folder / RESULTS, settings)
        self._steps = steps
        self._saved: dict[Path, tuple[int, int]] = {}

    def save(self) -> list[Path]:
        """Write the table and the archives of what there is so far; return the archives."""
        found = self._find_files()
        (self.folder / TABLE).write_text(format_table(self.journal, self._steps))
        made = pack(self.folder, self.archives)
        self._saved = found
        return made

    def save_if_new(self) -> None:
        """Save if a step has left something new since it was saved."""
        if self._find_files() != self._saved:
            self.save()

    def _find_files(self) -> dict[Path, tuple[int, int]]:
        """The time and the size of each file that steps write: records, tables and results."""
        found = {}
        for path in list_files(self.folder, self.archives):
            is_result = path.name.endswith(RESULT_SUFFIX)
            if path.name != RESULTS and (is_result or is_packed(path)):
                state = path.stat()
                found[path] = (state.st_mtime_ns, state.st_size)
        return found


def list_files(out: Path, archives: Path) -> list[Path]:
    """List the files in ``out``, without the archives and what only a running step needs.

    A step may remove folders meanwhile; ``os.walk`` goes on then.
    """
    found = []
    for folder, below, names in os.walk(out):
        below[:] = [n for n in below if n not in NOT_PACKED and Path(folder, n) != archives]
        found += [Path(folder, name) for name in names]
    return sorted(found)


def is_packed(path: Path) -> bool:
    """Whether a file goes into an archive."""
    if path.name.endswith(RESULT_SUFFIX):
        return False  # the journal has what is in it
    return path.name == RESULTS or path.suffix in PACKED_SUFFIXES


def pack(out: Path, archives: Path) -> list[Path]:
    """Pack the records and tables in ``out`` into archives, and put the results beside them.

    An archive is at most ``ARCHIVE_BYTES`` long, and unpacks to the same relative paths.
    """
    archives.mkdir(parents=True, exist_ok=True)
    bins: list[list[Path]] = [[]]
    size = 0
    for path in filter(is_packed, list_files(out, archives)):
        length = 512 + -(-path.stat().st_size // 512) * 512  # a header, and whole blocks
        if bins[-1] and size + length > ARCHIVE_BYTES - 20_480:  # the end of a tar file
            bins.append([])
            size = 0
        bins[-1].append(path)
        size += length
    made = [archives / f"records-{number}.tar" for number in range(1, len(bins) + 1)]
    for archive, paths in zip(made, bins, strict=True):
        with tarfile.open(archive.with_suffix(".part"), "w") as tar:
            for path in paths:
                tar.add(path, str(path.relative_to(out)))
    for archive in made:  # when all are complete, so that they belong together
        archive.with_suffix(".part").replace(archive)
    for name in (TABLE, LOG):
        if (out / name).exists():
            shutil.copyfile(out / name, archives / name)
    return made


def format_table(journal: Journal, steps: Sequence[str]) -> str:
    """What was measured, then what is missing."""
    lines = [f"{'step':11}{'status':13}{'seconds':>8}  result"]
    missing = []
    for step in steps:
        entry = journal.last(step)
        if entry is None:
            missing.append(f"{step}: not begun")
            continue
        seconds, n_attempts = journal.total_seconds(step)
        parts = f" in {n_attempts} parts" if n_attempts > 1 else ""
        result = (entry.get("result") or {}).get("lines") or ["-"]
        lines.append(f"{step:11}{entry['status']:13}{seconds:8.1f}  {result[0]}{parts}")
        lines += [f"{'':34}{line}" for line in result[1:]]
        if entry["status"] != FINISHED:
            missing.append(f"{step}: {entry['status']}: {entry['why']}")
    lines += ["", "missing: nothing" if not missing else "missing:"]
    lines += [f"  {line}" for line in missing]
    return "\n".join(lines) + "\n"


# ----------------------------------------------------------------------------------------- main


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0],
        epilog=f"The steps, in this order: {', '.join(BUDGETS)}.",
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="a rehearsal: few rows, few images")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "local" / "gpu",
                        help="folder for the records and results")  # fmt: skip
    parser.add_argument("--archives", type=Path, help="folder for the archives [OUT/archives]")
    parser.add_argument(
        "--patience",
        type=float,
        default=1.0,
        metavar="N",
        help="give each step N times its seconds, on a slow machine [1]",
    )
    parser.add_argument("--minutes", type=float, help="of all steps together [no limit]")
    parser.add_argument("--data", type=Path, help="folder with fashion-mnist/, mnist/ and"
                        " fashion-mnist-first-release/ [.gpu/data if it exists, else found or"
                        " fetched]")  # fmt: skip
    parser.add_argument("--steps", help="only these, separated by commas")
    parser.add_argument("--again", help="these steps, even if they are finished")
    parser.add_argument("--site", type=Path, default=FETCHED / f"site-{PYTHON}",
                        help="folder into which missing packages are installed")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=5, help="seeds of `fmbench run --all`")
    options = parser.parse_args()
    for name in ("steps", "again"):
        value = getattr(options, name)
        chosen = value.split(",") if value else []
        if unknown := [step for step in chosen if step not in BUDGETS]:
            parser.error(f"--{name}: unknown step {unknown[0]}; steps: {', '.join(BUDGETS)}")
        setattr(options, name, [step for step in BUDGETS if step in chosen])
    options.steps = options.steps or list(BUDGETS)
    if options.data is None and (FETCHED / "data").is_dir():
        options.data = FETCHED / "data"
    if options.data is not None and not (options.data / "fashion-mnist").is_dir():
        parser.error(f"--data: {options.data} has no folder fashion-mnist")
    return options


def make_command(
    step: str, options: argparse.Namespace, out: Path, result: Path, limit: float
) -> list[str]:
    """The command line of a step's process."""
    command = [
        sys.executable, str(Path(__file__).with_name("steps.py")), step,
        "--device", options.device, "--out", str(out), "--result", str(result),
        "--seeds", str(2 if options.quick else options.seeds),
        "--seconds", f"{limit - GRACE_SECONDS:.1f}", "--parent", str(os.getpid()),
    ]  # fmt: skip
    command += ["--quick"] if options.quick else []
    command += ["--data", str(options.data.resolve())] if options.data else []
    return command


def check_device(device: str) -> None:
    """End the program with one line if there is no GPU."""
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            sys.exit(
                "PyTorch finds no CUDA device here: run this on a machine with an NVIDIA GPU, or "
                "rehearse it with --device cpu --quick"
            )


def main() -> None:
    start = time.monotonic()
    options = parse_options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    add_packages(options.site.resolve())
    check_device(options.device)
    card = find_card() if options.device == "cuda" else None
    out = options.out.resolve()
    archives = (options.archives or out / "archives").resolve()
    settings = {"device": options.device, "quick": options.quick}
    output = Output(out, archives, settings, options.steps)
    interrupted = False
    with (out / LOG).open("a") as log:
        try:
            for step in options.steps:
                if output.journal.is_done(step) and step not in options.again:
                    print(f"{step}: finished already")
                    continue
                left = options.patience * BUDGETS[step]
                if options.minutes is not None:
                    left = min(
                        left, 60 * options.minutes - PACKING_SECONDS - time.monotonic() + start
                    )
                if left < GRACE_SECONDS + 5:
                    print(f"{step}: no time left")
                    continue
                measure_step(step, options, output, card, left, log)
                output.save()
        except KeyboardInterrupt:
            interrupted = True
            print("interrupted: the same command goes on with what is missing", flush=True)
    made = output.save()
    print("\n" + format_table(output.journal, options.steps), end="")
    print(f"archives: {', '.join(str(path) for path in made)}")
    if interrupted:
        sys.exit(130)
    sys.exit(not all(map(output.journal.is_done, options.steps)))


def measure_step(
    step: str,
    options: argparse.Namespace,
    output: Output,
    card: str | None,
    limit: float,
    log: IO[str],
) -> None:
    """Run one step, and keep its result in the journal: so far while it runs, then the whole.

    So a call that is killed leaves what the step had measured a minute before.
    """
    headline = f"--- {step}, at most {limit:.0f} s"
    print(headline, flush=True)
    log.write(headline + "\n")
    journal, result = output.journal, output.folder / f"{step}{RESULT_SUFFIX}"
    earlier = None
    if step in RESUMING and step not in options.again:
        # The file that a killed call has left is newer than its line in the journal.
        earlier = read_result(result).get("result") or (journal.last(step) or {}).get("result")
    result.unlink(missing_ok=True)
    if earlier:
        result.write_text(json.dumps({"result": earlier}))
    started, begin = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    status, why, watch = FAILED, "interrupted", MachineWatch()
    begun = {"status": NOT_ENDED, "why": "it still runs, or the call was killed"}
    journal.add({"step": step, **begun, "started": started, "seconds": 0.0, "result": earlier})

    def note(**facts: Any) -> None:
        journal.change_last(
            **facts, seconds=round(time.monotonic() - begin, 1), **watch.facts(),
            result=read_result(result).get("result"),
        )  # fmt: skip

    def save() -> None:
        try:
            note()
            output.save_if_new()
        except OSError as error:  # a file that was just renamed, or a full disk: in a minute again
            print(f"the results so far cannot be saved now: {error}", flush=True)

    try:
        with watch_machine(card) as watch:
            command = make_command(step, options, output.folder, result, limit)
            status, why = run_step(command, limit, result, log, save)
    finally:
        note(status=status, why=why)
        result.unlink(missing_ok=True)
        print(f"--- {step}: {status}{f': {why}' if why else ''}", flush=True)


if __name__ == "__main__":
    main()
