"""How long the report takes, and how large it is: from the committed records, and from many.

    python benchmarks/report_speed.py --records 10000

The many are the committed ones under other seeds: each runner's own files in turn, predictions,
class scores and epochs included, so that they are as heavy as real ones (a link each, where the
disk allows it: their content is read from memory). Prints seconds, which grow with whatever else
runs, seconds of processor time, megabytes, and the machine's load when it began.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from fmbench import runners
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from fmbench.records.record import Record, encode_record
from fmbench.records.store import Store
from fmbench.utils.environment import cpu_name, n_cores

REFERENCE = Path(__file__).parent.parent / "results" / "reference"


def current(store: Store) -> list[Record]:
    """The committed records that answer for a row today."""
    known = runners.load_runners()
    return [
        record
        for record in store.read_contents().finished.values()
        if record.cell["runner"] in known
        and record.key == Cell(known[record.cell["runner"]], FULL, record.cell["seed"]).key
    ]


def multiply(folder: Path, n_records: int) -> None:
    """Fill ``folder`` with so many records, as evenly over the runners as seeds allow."""
    known, here, there = runners.load_runners(), Store(REFERENCE), Store(folder)
    records = current(here)
    seeds = dict.fromkeys((record.cell["runner"] for record in records), 0)
    for record in islice(cycle(records), n_records):
        name = record.cell["runner"]
        cell = Cell(known[name], FULL, seeds[name])
        seeds[name] += 1
        copy = replace(record, key=cell.key, cell=cell.definition())
        path = there.path(copy)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_record(copy))
        source = here.path(record).with_suffix(".npz")
        try:
            os.link(source, path.with_suffix(".npz"))
        except OSError:  # another disk
            shutil.copyfile(source, path.with_suffix(".npz"))


def measure(folder: Path, page: Path) -> tuple[float, float, float]:
    """Wall and processor seconds of the whole command, and the page's size in megabytes."""
    command = ["report", "--results", str(folder), "-o", str(page)]
    start, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, "-m", "fmbench", *command], check=True, capture_output=True)
    seconds, after = time.perf_counter() - start, os.times()
    processor = sum(after[2:4]) - sum(before[2:4])  # of the child, user and system
    return seconds, processor, page.stat().st_size / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description="How long the report takes.")
    parser.add_argument("--records", type=int, default=10_000, help="how many synthetic ones")
    n_records = parser.parse_args().records
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"{cpu_name()}, {n_cores()} cores; load when it began: {load}")
    with tempfile.TemporaryDirectory() as temporary:
        page = Path(temporary) / "report.html"
        committed = len(current(Store(REFERENCE)))
        for n, folder in ((committed, REFERENCE), (n_records, Path(temporary) / "many")):
            if folder is not REFERENCE:
                multiply(folder, n)
            seconds, processor, megabytes = measure(folder, page)
            print(
                f"{n:6} records: {seconds:5.1f} s ({processor:.1f} s of processor time), "
                f"{megabytes:.2f} MB"
            )


if __name__ == "__main__":
    main()
