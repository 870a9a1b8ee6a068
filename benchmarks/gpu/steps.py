"""One step of `measure.py`: measures, prints, and writes its result as JSON.

The result file has ``result``, whose ``lines`` go into the table, and ``why``: why the step is not
complete, or an empty text. It is written again whenever a part of the step is done, so that a step
that is ended early leaves what it has. At the start it may hold the result of an earlier attempt:
`lenet5` and `cnn` measure only what that one lacks.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.models.workers import end_with_parent

if TYPE_CHECKING:
    from fmbench.records.record import Record

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "speed"))

RUN, LENET5, REPEAT = "run", "lenet5", "repeat"  # folders of records in the output folder
QUICK_ROWS = ("gaussian-nb", "three-layer-nn")
QUICK_IMAGES = 128
# GiB of the host's memory for a cell: with half of it, logistic regression fits four classes at a
# time, and no cell decides alone when a run of all rows ends.
MEMORY_GIB = 16.0
# So many of the readings have the same layers: one step then trains all of them.
READINGS_TOGETHER = 20

if __name__ == "__mp_main__":  # the process of one of the loops that a step compares
    end_with_parent(os.getppid())


@dataclass
class Step:
    """The settings of a step, and the file for its result."""

    device: str
    quick: bool
    seeds: int
    out: Path
    data: Path | None
    result_file: Path
    seconds: float  # until it is interrupted

    def read_earlier(self) -> dict[str, Any]:
        """Read what an earlier attempt has measured, with the names of its device and its code.

        If one of them is another now, only the names of today's: the parts would not fit together.
        """
        from fmbench.utils import environment

        here = {
            "device": environment.device_name(self.device),
            "package": environment.describe_package(),
        }
        earlier: dict[str, Any] = {}
        if self.result_file.exists():
            earlier = json.loads(self.result_file.read_text())["result"]
        same = all(earlier.get(name) == value for name, value in here.items())
        return earlier if same else here

    def save(self, result: dict[str, Any], why: str = "") -> None:
        """Write the result so far; ``why`` says why it is not complete."""
        temporary = self.result_file.with_suffix(".part")
        temporary.write_text(json.dumps({"result": result, "why": why}))
        temporary.replace(self.result_file)

    @property
    def fashion(self) -> Path | None:
        """The folder of Fashion-MNIST, if one was given."""
        return self.data / "fashion-mnist" if self.data else None

    @property
    def folders(self) -> dict[str, Path]:
        """The folders of the data sets by name, as far as they were given."""
        from fmbench.datasets.specs import DATASETS

        data = self.data
        return {n: data / n for n in DATASETS if (data / n).is_dir()} if data else {}


# ------------------------------------------------------------------------------------- machine


def measure_machine(step: Step) -> None:
    """Versions, card and driver; the rate of a float32 matrix product and of a copy."""
    import torch
    from cnn_speed import gemm_rate

    from fmbench.utils import environment

    facts: dict[str, Any] = {
        "device": environment.device_name(step.device),
        "processor": environment.cpu_name(),
        "cores": environment.count_cores(),
        "versions": environment.collect_versions(),
        "package": environment.describe_package(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None,
        "driver": read_driver(),
    }
    if step.device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        facts["memory_gib"] = round(properties.total_memory / 2**30, 1)
        facts["multiprocessors"] = properties.multi_processor_count
    size = 512 if step.quick else 8192
    torch.backends.cuda.matmul.allow_tf32 = False
    facts["gemm_tflops"] = round(gemm_rate(step.device, size) / 1e12, 3)
    facts["copy_tb_per_s"] = round(copy_rate(step.device, 2**20 if step.quick else 2**30) / 1e12, 3)
    versions = facts["versions"]
    facts["lines"] = [
        f"{facts['device']}, driver {facts['driver']}, torch {torch.__version__}, Python "
        f"{versions['python']}; {facts['cores']} cores of {facts['processor']}",
        f"float32 matrix product {size}: {facts['gemm_tflops']} TFLOP/s (best of 5); copy "
        f"{facts['copy_tb_per_s']} TB/s read and written (median of 5)",
    ]
    step.save(facts)


def read_driver() -> str | None:
    """The version of the NVIDIA driver."""
    try:
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        found = subprocess.run(query, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.partition("\n")[0].strip() or None  # each card of the machine has a line


def copy_rate(device: str, n_bytes: int) -> float:
    """Bytes a second of a copy within the device's memory; each is counted as read and written."""
    import torch

    source = torch.randint(0, 255, (n_bytes,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(6):  # the first warms up
        start = time.perf_counter()
        target.copy_(source)
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return 2 * n_bytes / statistics.median(seconds[1:])


# --------------------------------------------------------------------------------------- tests


def run_tests(step: Step) -> None:
    """The tests that need a GPU, in this process, so that they end with it."""
    try:
        import hypothesis  # noqa: F401 - the tests use it
        import pytest
    except ImportError as error:
        why = (
            f"{' '.join(str(error).split())}: `make check` installs it into .venv, and for a "
            "machine without a network `make gpu-wheels` fetches it"
        )
        step.save({"lines": ["-"]}, why)
        return
    report = step.result_file.with_suffix(".xml")
    if step.fashion:
        os.environ["FMBENCH_DATA"] = str(step.fashion)
    # A warning of another version of a library is no failure here.
    status = pytest.main(
        ["-q", "-p", "no:cacheprovider", "-W", "default", f"--junitxml={report}",
         str(ROOT / "tests" / "models" / "nn" / "test_cuda.py")]
    )  # fmt: skip
    if not report.exists():
        step.save({"lines": ["-"]}, f"pytest ended with status {int(status)}")
        return
    outcomes: Counter[str] = Counter()
    failed = []
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = next((k for k in ("failure", "error", "skipped") if k in kinds), "passed")
        outcomes[outcome] += 1
        if outcome in ("failure", "error"):
            failed.append(case.attrib["name"])
    report.unlink()
    line = ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items()))
    why = "" if status == pytest.ExitCode.OK else f"pytest ended with status {int(status)}"
    why = f"failed: {', '.join(failed)}"[:300] if failed else why
    step.save({"outcomes": dict(outcomes), "failed": failed, "lines": [line]}, why)


# -------------------------------------------------------------------------------------- speeds


def measure_steps(step: Step) -> None:
    """A training step of several LeNet-5 at once, with fmbench's own kernels and without."""
    import torch
    from stacks import measure_stacks

    torch.set_num_threads(choose_threads(step))
    found: dict[str, Any] = {}
    for found in measure_stacks(step.device, step.fashion, quick=step.quick):
        step.save(found, "it was not measured to its end")
    step.save(found, "; ".join(found["warnings"]))


def measure_lenet5(step: Step) -> None:
    """The paper's protocol of LeNet-5, and the plain loop on the same device."""
    from lenet_speed import N_IMAGES, run_trials, time_plain_epochs
    from side_by_side import Task

    from fmbench.utils import environment

    found = step.read_earlier()
    trials = 2 if step.quick else 10
    if "training_seconds" in found:
        print("the trials are measured already", flush=True)
    else:
        records, wall = run_trials(
            trials, step.device, step.fashion, step.out / LENET5, jobs=environment.count_cores(),
            quick=step.quick,
        )  # fmt: skip
        found |= describe_trials(records, wall)
        step.save(found, "the plain loop was not timed")
    if "plain_seconds" not in found:
        n_images = QUICK_IMAGES if step.quick else N_IMAGES
        n_epochs = 2 if step.quick else 3
        task = Task("lenet5", n_images, n_epochs, choose_threads(step), step.device, step.fashion)
        epochs = time_plain_epochs(task)
        # The same number of images as the trials were trained on.
        n_trained = 3000 if step.quick else N_IMAGES
        plain = statistics.median(epochs) * found["epochs"] * trials * n_trained / n_images
        found |= {"plain_epoch_seconds": epochs, "plain_seconds": plain}
        found["lines"].append(
            f"plain loop {plain:.0f} s (median of {len(epochs)} epochs, multiplied): "
            f"{plain / found['training_seconds']:.1f} times as long as the training"
        )
    step.save(found)


def describe_trials(records: list[Record], wall: float) -> dict[str, Any]:
    """What the trials have given, and a line for the table."""
    n_epochs = len(records[0].history)
    accuracies = [100 * record.history[-1]["heldout_accuracy"] for record in records]
    training = sum(record.fit_seconds or 0.0 for record in records)
    return {
        "trials": len(records),
        "epochs": n_epochs,
        "together": records[0].together,
        "training_seconds": training,
        "wall_seconds": wall,
        "accuracies_percent": accuracies,
        "peak_memory_bytes": max(r.peak_memory_bytes or 0 for r in records),
        "peak_gpu_memory_bytes": max(r.peak_gpu_memory_bytes or 0 for r in records),
        "lines": [
            f"{len(records)} trials of {n_epochs} epochs: {training:.1f} s of training, "
            f"{wall:.1f} s in all; accuracy {statistics.mean(accuracies):.2f} +- "
            f"{statistics.stdev(accuracies):.2f}"
        ],
    }


def choose_threads(step: Step) -> int:
    """Threads of a loop: beside a GPU every core, else one, as a cell of `fmbench run` has."""
    from fmbench.utils import environment

    return environment.count_cores() if step.device == "cuda" else 1


def measure_cnns(step: Step) -> None:
    """An epoch of each CNN row, with fmbench's loop and with the plain one."""
    from cnn_speed import ROWS, measure
    from side_by_side import Task

    n_images = QUICK_IMAGES if step.quick else 60_000
    names = ROWS[:1] if step.quick else ROWS
    threads = choose_threads(step)
    found = {"n_images": n_images, "rows": {}, **step.read_earlier()}
    errors: dict[str, str] = {}

    def save() -> None:
        left = [name for name in names if name not in found["rows"] and name not in errors]
        why = {"failed": list(errors), "not measured": left}
        found["lines"] = [format_speed(name, row) for name, row in found["rows"].items()]
        found["lines"] += [f"{name}: {error}" for name, error in errors.items()]
        step.save(found, "; ".join(f"{k}: {', '.join(v)}" for k, v in why.items() if v))

    save()
    for name in names:
        if name in found["rows"]:
            print(f"{name} is measured already", flush=True)
            continue
        try:
            row = measure(Task(name, n_images, 2, threads, step.device, step.fashion))
        except (EOFError, RuntimeError, ConnectionError) as error:  # a loop's process has ended
            errors[name] = f"{type(error).__name__}: {' '.join(str(error).split())}"
        else:
            found["rows"][name] = row
        save()
        print(errors.get(name) or format_speed(name, found["rows"][name]), flush=True)


def format_speed(name: str, row: dict[str, float]) -> str:
    """Write one line: how long an epoch of a row takes with fmbench and with the plain loop."""
    return (
        f"{name}: an epoch in {row['fmbench s']:.2f} s, plain {row['plain s']:.2f} s: "
        f"{row['times as fast']:.1f} times as fast, {row['GFLOP/s']:.0f} GFLOP/s"
    )


# ---------------------------------------------------------------------------------------- runs


def run_rows(step: Step) -> None:
    """Every row, as `fmbench run --all` does."""
    names = QUICK_ROWS if step.quick else ()
    step.save(*run_command(step, RUN, names))


def repeat_rows(step: Step) -> None:
    """The neural rows a second time: how many predictions differ from the first time?"""
    import numpy as np

    from fmbench import runners
    from fmbench.records.store import Store

    first = Store(step.out / RUN)
    records = {r.key: r for r in first.read_contents().finished.values()}
    names = sorted(
        {
            record.cell["runner"]
            for record in records.values()
            if record.cell["runner"] in runners.load_runners()
            and runners.get_runner(record.cell["runner"]).uses_gpu
        }
    )
    if not names:
        step.save({"lines": ["-"]}, "the step run has left no record of a neural row")
        return
    second = Store(step.out / REPEAT)
    done = second.read_contents().finished
    left = [r for r in records.values() if r.cell["runner"] in names and r.key not in done]
    found, why = run_command(step, REPEAT, names, choose_order(step, left))
    differing: dict[str, list[int]] = {}
    n_images = 0
    for record in sorted(second.read_contents().finished.values(), key=lambda r: r.cell["seed"]):
        if record.key in records:
            a, b = first.load_y_pred(records[record.key]), second.load_y_pred(record)
            n_images = len(a)
            differing.setdefault(record.cell["runner"], []).append(int(np.sum(a != b)))
    found |= {"differing": differing, "n_images": n_images}
    found["lines"] += [
        f"{name}: of {n_images:,} predictions {', '.join(map(str, counts))} differ"
        for name, counts in differing.items()
    ]
    step.save(found, why)


def choose_order(step: Step, first: list[Record]) -> str:
    """The order in which to measure again what these records were measured of.

    The longest rows come first if there is time for all, because then the last ones end early. Else
    the shortest do: the longest alone may take all the time, and would leave nothing.
    """
    from fmbench import RunOptions
    from fmbench.utils import environment

    at_a_time = RunOptions().gpu_jobs if step.device == "cuda" else environment.count_cores()
    seconds = sum(record.total_seconds / record.together for record in first) / at_a_time
    return "finish" if seconds <= step.seconds else "table"


def count_finished(folder: Path) -> int:
    """The number of cells with a finished record in a folder."""
    from fmbench.records.store import Store

    return len(Store(folder).read_contents().finished)


def run_command(
    step: Step, folder: str, names: tuple[str, ...] | list[str], order: str = "finish"
) -> tuple[Any, str]:
    """Do what `fmbench run` does; return the result, and why it is not complete."""
    import fmbench

    start, before = time.perf_counter(), count_finished(step.out / folder)
    found = fmbench.run(
        tuple(names), every_row=not names, seeds=step.seeds, quick=step.quick,
        results=step.out / folder, data=step.folders,
        options=fmbench.RunOptions(device=step.device, memory_gib=MEMORY_GIB, order=order),
    )  # fmt: skip
    seconds = time.perf_counter() - start
    failed = [record for record in found.new_records if not record.finished]
    why = f"{len(failed)} cells failed: {failed[0].why}" if failed else ""
    # Counted in the folder: a call that was interrupted does not return its records.
    n_finished = count_finished(step.out / folder)
    result = {
        "seconds": seconds,
        "n_cells": n_finished - before,
        "n_finished": n_finished,
        "n_failed": len(failed),
        "lines": [f"{n_finished - before} cells in {seconds:.1f} s, {n_finished} in all"],
    }
    return result, found.interruption or why


def run_forensics(step: Step) -> None:
    """Which story explains the paper's LeNet-5, as `fmbench forensics lenet5 --run` finds out."""
    import fmbench
    from fmbench.report.forensics import format_findings

    folder = step.out / "forensics"
    start, before = time.perf_counter(), count_finished(folder)
    found = fmbench.forensics(
        "lenet5", run=True, seeds=1 if step.quick else None, quick=step.quick,
        readings=not step.quick, results=folder, data=step.folders,
        options=fmbench.RunOptions(
            device=step.device, together=READINGS_TOGETHER if step.device == "cuda" else None
        ),
    )  # fmt: skip
    seconds, n_cells = time.perf_counter() - start, count_finished(folder) - before
    print(format_findings(found.findings, 100), flush=True)
    failed = [record for record in found.new_records if not record.finished]
    left = sum(cells.n_pending for cells in found.planned)
    groups = ", ".join(f"{cells.what} ({cells.n_pending})" for cells in found.planned)
    why = [
        found.interruption,
        f"{len(failed)} cells failed: {failed[0].why}" if failed else "",
        f"{left} cells were not measured: {groups}" if left else "",
    ]
    step.save(
        {
            "seconds": seconds, "n_cells": n_cells, "n_pending": left,
            "lines": [f"{n_cells} cells in {seconds:.1f} s, {left} not measured"],
        },
        "; ".join(filter(None, why)),
    )  # fmt: skip


# ------------------------------------------------------------------------------------- summary


def summarise(step: Step) -> None:
    """The largest memory of card and host, and accuracies beside those of the CPU."""
    from fmbench.records.store import Store

    records: list[Record] = []
    for folder in (LENET5, RUN, "forensics", REPEAT):
        if (step.out / folder).is_dir():
            records += Store(step.out / folder).read_contents().finished.values()
    if not records:
        step.save({"lines": ["-"]}, "no step has left a record")
        return
    host: dict[str, int] = {}
    card: dict[str, int] = {}
    for record in records:
        name = record.cell["runner"]
        host[name] = max(host.get(name, 0), record.peak_memory_bytes or 0)
        card[name] = max(card.get(name, 0), record.peak_gpu_memory_bytes or 0)
    most, on_card = max(host, key=host.__getitem__), max(card, key=card.__getitem__)
    lines = [
        f"most memory of a process: {host[most] / 2**30:.2f} GiB ({most})",
        f"most memory of a process on the card: {card[on_card] / 2**30:.2f} GiB ({on_card})",
    ]
    rows = compare_with_cpu(step)
    step.save(
        {
            "peak_memory_bytes": host, "peak_gpu_memory_bytes": card, "accuracies": rows,
            "lines": lines + [format_row(row) for row in rows],
        }
    )  # fmt: skip


def compare_with_cpu(step: Step) -> list[dict[str, Any]]:
    """Each neural row: its accuracies here, and those of the committed records of a CPU.

    ``low`` and ``high`` bound the accuracy of one new run there at 95 %.
    """
    import fmbench
    from fmbench.analysis.reference import load_reference_summaries
    from fmbench.analysis.two_results import pair_rows
    from fmbench.runners import load_runners

    if step.quick or not (step.out / RUN).is_dir():
        return []  # the committed records are of the full protocol
    suite = fmbench.load_suite()
    found = fmbench.load_results(step.out / RUN, data=step.folders)
    known = load_runners()
    return [
        {
            "runner": row.runner,
            "gpu": list(row.against.accuracies), "cpu": list(row.first.accuracies),
            "low": row.first.low, "high": row.first.high, "inside": row.inside,
            "gpu_fit_seconds": row.against.fit_seconds, "cpu_fit_seconds": row.first.fit_seconds,
        }
        for row in pair_rows(load_reference_summaries(suite), found.evaluation.summaries)
        if row.runner in known and known[row.runner].uses_gpu
    ]  # fmt: skip


def format_row(row: dict[str, Any]) -> str:
    """Write one line of text about a row: its accuracy on the GPU beside that on the CPU."""
    here, there = (100 * statistics.mean(row[which]) for which in ("gpu", "cpu"))
    interval = "no interval: one seed"
    if row["inside"] is not None:
        side = "inside" if row["inside"] else "OUTSIDE"
        interval = f"{side} {100 * row['low']:.2f} to {100 * row['high']:.2f}"
    return (
        f"{row['runner']:16} {here:.2f} (n={len(row['gpu'])}), CPU {there:.2f} "
        f"(n={len(row['cpu'])}), {interval}; a fit {row['gpu_fit_seconds']:.1f} s, CPU "
        f"{row['cpu_fit_seconds']:.1f} s"
    )


STEPS: dict[str, Callable[[Step], None]] = {
    "machine": measure_machine,
    "tests": run_tests,
    "stacks": measure_steps,
    "lenet5": measure_lenet5,
    "cnn": measure_cnns,
    "run": run_rows,
    "forensics": run_forensics,
    "repeat": repeat_rows,
    "summary": summarise,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--device", choices=("cuda", "cpu"), required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--result", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="until it is interrupted")
    parser.add_argument("--parent", type=int, required=True, help="the process with which it ends")
    options = parser.parse_args()
    end_with_parent(options.parent)
    STEPS[options.step](
        Step(
            options.device, options.quick, options.seeds, options.out, options.data,
            options.result, options.seconds,
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
