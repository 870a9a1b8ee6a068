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
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import machine_watch
import packages

ROOT = Path(__file__).parents[2]
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
    parser.add_argument("--site", type=Path, default=packages.FETCHED / f"site-{packages.PYTHON}",
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
    if options.data is None and (packages.FETCHED / "data").is_dir():
        options.data = packages.FETCHED / "data"
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
    packages.add_packages(options.site.resolve())
    check_device(options.device)
    card = machine_watch.find_card() if options.device == "cuda" else None
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
    status, why, watch = FAILED, "interrupted", machine_watch.MachineWatch()
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
        with machine_watch.watch_machine(card) as watch:
            command = make_command(step, options, output.folder, result, limit)
            status, why = run_step(command, limit, result, log, save)
    finally:
        note(status=status, why=why)
        result.unlink(missing_ok=True)
        print(f"--- {step}: {status}{f': {why}' if why else ''}", flush=True)


if __name__ == "__main__":
    main()
