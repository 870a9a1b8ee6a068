"""One step of `measure.py`: measures, prints, and writes its result as JSON.

The result file has ``result``, whose ``lines`` go into the table, and ``why``: why the step is not
complete, or an empty text. It is written again whenever a part of the step is done, so that a step
that is ended early leaves what it has.
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
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "speed"))

RUN, LENET5, REPEAT = "run", "lenet5", "repeat"  # folders of records in the output folder
QUICK_ROWS = ("gaussian-nb", "three-layer-nn")
QUICK_IMAGES = 128
# GiB of the host's memory for a cell: with half of it, logistic regression fits four classes at a
# time, and no cell decides alone when a run of all rows ends.
MEMORY_GIB = 16.0


@dataclass
class Step:
    """The settings of a step, and the file for its result."""

    device: str
    quick: bool
    seeds: int
    out: Path
    data: Path | None
    result_file: Path

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
        names = ("fashion-mnist", "mnist")
        return {n: self.data / n for n in names if (self.data / n).is_dir()} if self.data else {}


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
    return found.stdout.strip() or None


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
    """The tests that need a GPU."""
    report = step.result_file.with_suffix(".xml")
    environment = dict(os.environ)
    if step.fashion:
        environment["FMBENCH_DATA"] = str(step.fashion)
    # A warning of another version of a library is no failure here.
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default",
        f"--junitxml={report}", "tests/models/nn/test_cuda.py",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=environment)
    if not report.exists():
        step.save({"lines": ["-"]}, f"pytest ended with status {done.returncode}")
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
    why = f"failed: {', '.join(failed)}"[:300] if failed else ""
    step.save({"outcomes": dict(outcomes), "failed": failed, "lines": [line]}, why)


# -------------------------------------------------------------------------------------- speeds


def measure_lenet5(step: Step) -> None:
    """The paper's protocol of LeNet-5, and the plain loop on the same device."""
    from lenet_speed import N_IMAGES, run_trials, time_plain_epochs
    from side_by_side import Task

    from fmbench.utils import environment

    trials = 2 if step.quick else 10
    records, wall = run_trials(
        trials, step.device, step.fashion, step.out / LENET5, jobs=environment.count_cores(),
        quick=step.quick,
    )  # fmt: skip
    n_epochs = len(records[0].history)
    accuracies = [100 * record.history[-1]["heldout_accuracy"] for record in records]
    training = sum(record.fit_seconds for record in records)
    found = {
        "trials": trials,
        "epochs": n_epochs,
        "together": records[0].together,
        "training_seconds": training,
        "wall_seconds": wall,
        "accuracies_percent": accuracies,
        "peak_memory_bytes": max(r.peak_memory_bytes for r in records),
        "peak_gpu_memory_bytes": max(r.peak_gpu_memory_bytes or 0 for r in records),
    }
    found["lines"] = [
        f"{trials} trials of {n_epochs} epochs: {training:.1f} s of training, {wall:.1f} s in all; "
        f"accuracy {statistics.mean(accuracies):.2f} +- {statistics.stdev(accuracies):.2f}"
    ]
    step.save(found, "the plain loop was not timed")
    n_images = QUICK_IMAGES if step.quick else N_IMAGES
    task = Task(
        "lenet5", n_images, 2 if step.quick else 3, choose_threads(step), step.device, step.fashion
    )
    epochs = time_plain_epochs(task)
    # The same number of images as the trials were trained on.
    n_trained = 3000 if step.quick else N_IMAGES
    plain = statistics.median(epochs) * n_epochs * trials * n_trained / n_images
    found |= {"plain_epoch_seconds": epochs, "plain_seconds": plain}
    found["lines"].append(
        f"plain loop {plain:.0f} s (median of {len(epochs)} epochs, multiplied): "
        f"{plain / training:.1f} times as long as the training"
    )
    step.save(found)


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
    found: dict[str, Any] = {"n_images": n_images, "rows": {}, "lines": []}
    failed = []
    for position, name in enumerate(names, 1):
        try:
            row = measure(Task(name, n_images, 2, threads, step.device, step.fashion))
        except (EOFError, RuntimeError, ConnectionError) as error:  # a loop's process has ended
            failed.append(name)
            found["lines"].append(f"{name}: {type(error).__name__}: {' '.join(str(error).split())}")
        else:
            found["rows"][name] = row
            found["lines"].append(
                f"{name}: an epoch in {row['fmbench s']:.2f} s, plain {row['plain s']:.2f} s: "
                f"{row['times as fast']:.1f} times as fast, {row['GFLOP/s']:.0f} GFLOP/s"
            )
        print(found["lines"][-1], flush=True)
        left = names[position:]
        why = f"failed: {', '.join(failed)}" if failed else ""
        step.save(found, f"not measured: {', '.join(left)}" if left else why)


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
    found, why = run_command(step, REPEAT, names)
    second = Store(step.out / REPEAT)
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


def run_command(step: Step, folder: str, names: tuple[str, ...] | list[str]) -> tuple[Any, str]:
    """Do what `fmbench run` does; return the result, and why it is not complete."""
    import fmbench

    start = time.perf_counter()
    found = fmbench.run(
        tuple(names), every_row=not names, seeds=step.seeds, quick=step.quick,
        results=step.out / folder, data=step.folders,
        options=fmbench.RunOptions(device=step.device, memory_gib=MEMORY_GIB, order="finish"),
    )  # fmt: skip
    seconds = time.perf_counter() - start
    failed = [record for record in found.new_records if not record.finished]
    why = f"{len(failed)} cells failed: {failed[0].why}" if failed else ""
    why = "interrupted" if found.interrupted else why
    result = {
        "seconds": seconds,
        "n_cells": len(found.new_records),
        "n_failed": len(failed),
        "lines": [f"{len(found.new_records)} cells in {seconds:.1f} s"],
    }
    return result, why


def run_forensics(step: Step) -> None:
    """Which story explains the paper's LeNet-5, as `fmbench forensics lenet5 --run` finds out."""
    import fmbench
    from fmbench.report.forensics import format_findings

    start = time.perf_counter()
    found = fmbench.forensics(
        "lenet5", run=True, seeds=1 if step.quick else None, quick=step.quick,
        readings=not step.quick, results=step.out / "forensics", data=step.folders,
        options=fmbench.RunOptions(device=step.device),
    )  # fmt: skip
    seconds = time.perf_counter() - start
    print(format_findings(found.findings, 100), flush=True)
    failed = [record for record in found.new_records if not record.finished]
    why = f"{len(failed)} cells failed: {failed[0].why}" if failed else ""
    left = sum(cells.n_pending for cells in found.planned)
    step.save(
        {
            "seconds": seconds, "n_cells": len(found.new_records), "n_pending": left,
            "lines": [f"{len(found.new_records)} cells in {seconds:.1f} s, {left} not measured"],
        },
        "interrupted" if found.interrupted else why,
    )  # fmt: skip


# ------------------------------------------------------------------------------------- summary


def summarise(step: Step) -> None:
    """The largest memory of card and host, and accuracies beside those of the CPU."""
    from fmbench.records.record import Record
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
    options = parser.parse_args()
    STEPS[options.step](
        Step(
            options.device, options.quick, options.seeds, options.out, options.data, options.result
        )
    )


if __name__ == "__main__":
    main()
