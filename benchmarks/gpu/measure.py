"""Measures everything that needs an NVIDIA GPU, step by step, and prints a table of the results.

`README.md` beside this file lists the steps. Each step has a process and a time budget of its own,
and its result is saved when it ends: a step that fails or runs out of time is recorded, and the
next one begins. Called again with the same `--out`, the script goes on with what is missing. The
records are packed into archives of at most 16 MB, together with the results so far, after every
step. Neither root nor a network is needed once `fetch.py` has fetched packages and data.

    python benchmarks/gpu/measure.py --minutes 20
    python benchmarks/gpu/measure.py --device cpu --quick --out /tmp/rehearsal
"""

from __future__ import annotations

import argparse
import importlib.metadata
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
from collections.abc import Iterator, Sequence
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
    "lenet5": 150,
    "cnn": 180,
    "run": 560,
    "forensics": 200,
    "repeat": 180,
    "summary": 60,
}
GRACE_SECONDS = 20  # for a step to end after it was interrupted; a part of its budget
PACKING_SECONDS = 10  # kept free of --minutes, for the last archives
ARCHIVE_BYTES = 15_500_000
RESULTS, LOG, TABLE = "results.jsonl", "log.txt", "table.txt"
FINISHED, INCOMPLETE, FAILED, OUT_OF_TIME = "finished", "incomplete", "failed", "out of time"
PACKED_SUFFIXES = {".json", ".npz", ".csv", ".md"}
# With these `fmbench judge` reads documents and writes reviews. No step imports them.
ONLY_FOR_JUDGE = {
    "beautifulsoup4", "docutils", "markdown-it-py", "pdfminer.six", "pdfplumber", "pylatexenc",
    "pyyaml", "rapidfuzz",
}  # fmt: skip


# Packages without which everything can still be measured, and the rows that they make faster.
OPTIONAL = {
    "numba": "the linear SVC and logistic regression",
    "scikit-learn-intelex": "the SVC and nearest-neighbour rows",
}


# ------------------------------------------------------------------------------------ packages


def find_missing_packages() -> list[str]:
    """The requirements of the steps that this Python does not meet."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    tests = [r for r in extras["dev"] if re.match(r"pytest\b(?!-)|hypothesis", r)]
    fast = {get_name(r): r.partition(";")[0] for r in extras["fast"]}
    needed = [r for r in project["dependencies"] if get_name(r) not in ONLY_FOR_JUDGE]
    return [r for r in [*needed, *(fast[name] for name in OPTIONAL), *tests] if not is_met(r)]


def get_name(requirement: str) -> str:
    """The name in a requirement: ``numpy>=2.0`` gives ``numpy``."""
    return re.split("[>=;]", requirement)[0].strip()


def is_met(requirement: str) -> bool:
    """Whether ``name>=version`` is installed; versions are compared by their leading numbers."""
    name, _, wanted = requirement.strip().partition(">=")
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return leading_numbers(found) >= leading_numbers(wanted)


def leading_numbers(version: str) -> list[int]:
    """The numbers of a version: ``2.11.0+cu130`` gives ``[2, 11, 0]``."""
    return [int(number) for number in re.findall(r"\d+", version.partition("+")[0])]


def add_packages(site: Path) -> None:
    """Install the wheels of missing packages into ``site``, which fmbench then also searches.

    Ends the program with one line if a package is missing and there is no wheel of it.
    """
    search_packages(site)
    missing = find_missing_packages()
    wheels = {
        path.name.partition("-")[0].replace("_", "-").lower(): path
        for path in sorted(FETCHED.glob("wheels*/*.whl"))
    }
    # What a package needs itself is among the wheels too, so all are installed that are not there.
    needed = set(map(get_name, missing))
    absent = {name for name in wheels if not has_distribution(name)}
    if missing and (chosen := sorted(wheels[name] for name in absent | (needed & set(wheels)))):
        print(f"installing into {site}: {', '.join(path.name for path in chosen)}", flush=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
             "--no-compile", "--ignore-installed", "--prefix", str(site), *map(str, chosen)],
            check=True,
        )  # fmt: skip
        search_packages(site)
        missing = find_missing_packages()
    required = [r for r in missing if get_name(r) not in OPTIONAL]
    if required:
        sys.exit(
            f"this Python lacks {', '.join(required)}: install them, or run `make gpu-wheels` on a "
            "machine with a network and copy the folder .gpu here"
        )
    for requirement in missing:
        print(f"{get_name(requirement)} is not here: {OPTIONAL[get_name(requirement)]} take longer")


def find_package_folders(site: Path) -> list[Path]:
    """The folders of packages below ``site``; a wheel may have brought one of its own."""
    return sorted(site.glob("**/lib/python*/*-packages"))


def search_packages(site: Path) -> None:
    """Let this process import from ``site``, before older versions of the same packages."""
    found = [str(folder) for folder in find_package_folders(site)]
    sys.path[:] = found + [path for path in sys.path if path not in found]
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
        """What was seen; nothing about a card where there is no nvidia-smi."""
        found: dict[str, Any] = {"min_host_available_mib": self.min_host_available_mib}
        if self.card_load:
            found["peak_card_mib"] = self.peak_card_mib
            found["mean_card_load_percent"] = round(sum(self.card_load) / len(self.card_load), 1)
        return found

    def note_card(self, line: str) -> None:
        """Note a line of nvidia-smi: the memory in MiB and the load in percent."""
        numbers = re.findall(r"\d+", line)
        if len(numbers) == 2:
            self.peak_card_mib = max(self.peak_card_mib or 0, int(numbers[0]))
            self.card_load.append(int(numbers[1]))

    def note_host(self) -> None:
        """Note the host's free memory; only Linux says it."""
        path = Path("/proc/meminfo")
        if path.exists() and (found := re.search(r"MemAvailable:\s*(\d+)", path.read_text())):
            mib = int(found[1]) // 1024
            self.min_host_available_mib = min(self.min_host_available_mib or mib, mib)


@contextmanager
def watch_machine() -> Iterator[MachineWatch]:
    """Watch the card and the host during the block."""
    watch, stop = MachineWatch(), threading.Event()

    def read_host() -> None:
        watch.note_host()
        while not stop.wait(0.5):
            watch.note_host()

    threads = [threading.Thread(target=read_host, daemon=True)]
    card: subprocess.Popen[str] | None = None
    if shutil.which("nvidia-smi"):
        query = "--query-gpu=memory.used,utilization.gpu"
        card = subprocess.Popen(
            ["nvidia-smi", query, "--format=csv,noheader,nounits", "-lms", "500"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        lines = card.stdout

        def read_card() -> None:
            for line in lines or ():
                watch.note_card(line)

        threads.append(threading.Thread(target=read_card, daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        stop.set()
        if card is not None:
            card.kill()
            card.wait()
        for thread in threads:
            thread.join()
        if card is not None and card.stdout is not None:
            card.stdout.close()


# --------------------------------------------------------------------------------------- steps


class Journal:
    """The results of the steps: one line of JSON for each attempt, in ``results.jsonl``."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self._path, self._settings = path, settings
        lines = path.read_text().splitlines() if path.exists() else []
        self.entries: list[dict[str, Any]] = [json.loads(line) for line in lines]
        if any(entry["settings"] != settings for entry in self.entries):
            sys.exit(
                f"{path.parent} holds results of other settings than {settings}: choose another "
                "folder with --out"
            )

    def add(self, entry: dict[str, Any]) -> None:
        """Append the result of an attempt."""
        self.entries.append({**entry, "settings": self._settings})
        with self._path.open("a") as file:
            file.write(json.dumps(self.entries[-1]) + "\n")

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


def run_step(command: Sequence[str], limit: float, result: Path, log: IO[str]) -> tuple[str, str]:
    """Run a step's process within its limit; return its status and, if it did not finish, why.

    The process writes its result into the file ``result``, also an incomplete one. At the limit it
    is interrupted as by Ctrl-C, so that it can save what it has, and killed after a grace period.
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
    timed_out = False
    try:
        process.wait(max(1.0, limit - GRACE_SECONDS))
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        end_group(process)
        thread.join(GRACE_SECONDS)
        if process.stdout is not None and not thread.is_alive():
            process.stdout.close()
    if timed_out:
        return OUT_OF_TIME, f"its {limit:.0f} s were over"
    if process.returncode:
        return FAILED, (tail or [f"it ended with status {process.returncode}"])[-1][:300]
    found = json.loads(result.read_text()) if result.exists() else {}
    if "why" not in found:
        return FAILED, "it ended without a result"
    return (INCOMPLETE, found["why"]) if found["why"] else (FINISHED, "")


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


def pack(out: Path, archives: Path) -> list[Path]:
    """Pack the records and tables in ``out`` into archives, and put the results beside them.

    An archive is at most ``ARCHIVE_BYTES`` long, and unpacks to the same relative paths.
    """
    archives.mkdir(parents=True, exist_ok=True)
    bins: list[list[Path]] = [[]]
    size = 0
    for path in sorted(p for p in out.rglob("*") if p.is_file()):
        relative = path.relative_to(out)
        if archives in path.parents or not is_packed(relative):
            continue
        length = 512 + -(-path.stat().st_size // 512) * 512  # a header, and whole blocks
        if bins[-1] and size + length > ARCHIVE_BYTES - 20_480:  # the end of a tar file
            bins.append([])
            size = 0
        bins[-1].append(path)
        size += length
    made = []
    for number, paths in enumerate(bins, 1):
        archive = archives / f"records-{number}.tar"
        temporary = archive.with_suffix(".part")
        with tarfile.open(temporary, "w") as tar:
            for path in paths:
                tar.add(path, str(path.relative_to(out)))
        temporary.replace(archive)
        made.append(archive)
    for name in (TABLE, LOG):
        if (out / name).exists():
            shutil.copyfile(out / name, archives / name)
    return made


def is_packed(path: Path) -> bool:
    """Whether a file of the output folder goes into an archive."""
    if path.name == RESULTS:
        return True
    return path.suffix in PACKED_SUFFIXES and not {"unfinished", "locks"} & set(path.parts)


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
    parser.add_argument("--data", type=Path, help="folder with fashion-mnist/ and mnist/ [.gpu/data"
                        " if it exists, else found or fetched]")  # fmt: skip
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


def make_command(step: str, options: argparse.Namespace, out: Path, result: Path) -> list[str]:
    """The command line of a step's process."""
    command = [
        sys.executable, str(Path(__file__).with_name("steps.py")), step,
        "--device", options.device, "--out", str(out), "--result", str(result),
        "--seeds", str(2 if options.quick else options.seeds),
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
    add_packages(options.site)
    check_device(options.device)
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    paths += [str(folder.resolve()) for folder in find_package_folders(options.site)]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    os.environ["PYTHONUNBUFFERED"] = "1"
    out = options.out.resolve()
    archives = (options.archives or out / "archives").resolve()
    out.mkdir(parents=True, exist_ok=True)
    journal = Journal(out / RESULTS, {"device": options.device, "quick": options.quick})
    interrupted = False
    with (out / LOG).open("a") as log:
        try:
            for step in options.steps:
                if journal.is_done(step) and step not in options.again:
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
                measure_step(step, options, out, journal, left, log)
                save_output(out, archives, journal, options.steps)
        except KeyboardInterrupt:
            interrupted = True
            print("interrupted: the same command goes on with what is missing", flush=True)
    made = save_output(out, archives, journal, options.steps)
    print("\n" + format_table(journal, options.steps), end="")
    print(f"archives: {', '.join(str(path) for path in made)}")
    if interrupted:
        sys.exit(130)
    sys.exit(not all(map(journal.is_done, options.steps)))


def measure_step(
    step: str,
    options: argparse.Namespace,
    out: Path,
    journal: Journal,
    limit: float,
    log: IO[str],
) -> None:
    """Run one step and append its result to the journal, also if it is interrupted."""
    headline = f"--- {step}, at most {limit:.0f} s"
    print(headline, flush=True)
    log.write(headline + "\n")
    result = out / f"{step}.result.json"
    result.unlink(missing_ok=True)
    started, begin = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    status, why, watch = FAILED, "interrupted", MachineWatch()
    try:
        with watch_machine() as watch:
            status, why = run_step(make_command(step, options, out, result), limit, result, log)
    finally:
        found = json.loads(result.read_text()) if result.exists() else {}
        result.unlink(missing_ok=True)
        journal.add(
            {
                "step": step, "status": status, "why": why, "started": started,
                "seconds": round(time.monotonic() - begin, 1), **watch.facts(),
                "result": found.get("result"),
            }
        )  # fmt: skip
        print(f"--- {step}: {status}{f': {why}' if why else ''}", flush=True)


def save_output(out: Path, archives: Path, journal: Journal, steps: Sequence[str]) -> list[Path]:
    """Write the table and the archives of what there is so far."""
    (out / TABLE).write_text(format_table(journal, steps))
    return pack(out, archives)


if __name__ == "__main__":
    main()
