"""Measures how long `fmbench report` takes, and how large its page is, for few and many records.

The few records are the committed ones.

The many records are copies of the committed ones under other seeds, with their predictions, class
scores and epochs, so that they are as large as real ones. They are hard links where the disk allows
it. Wall seconds depend on what else runs on the machine, so the processor seconds and the load at
the start are printed as well.

    python benchmarks/speed/report_speed.py --records 10000
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
from fmbench.utils.environment import count_cores, cpu_name

REFERENCE = Path(__file__).parents[2] / "results" / "reference"


def current(store: Store) -> list[Record]:
    """The committed records that are not stale."""
    known = runners.load_runners()
    return [
        record
        for record in store.read_contents().finished.values()
        if record.cell["runner"] in known
        and record.key == Cell(known[record.cell["runner"]], FULL, record.cell["seed"]).key
    ]


def multiply(folder: Path, n_records: int) -> None:
    """Fill ``folder`` with ``n_records`` records, spread evenly over the runners."""
    known, here, there = runners.load_runners(), Store(REFERENCE), Store(folder)
    records = current(here)
    seeds = dict.fromkeys((record.cell["runner"] for record in records), 0)
    for record in islice(cycle(records), n_records):
        name = record.cell["runner"]
        cell = Cell(known[name], FULL, seeds[name])
        seeds[name] += 1
        copy = replace(record, key=cell.key, cell=cell.to_definition())
        path = there.path(copy)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_record(copy))
        source = here.path(record).with_suffix(".npz")
        try:
            os.link(source, path.with_suffix(".npz"))
        except OSError:  # another disk
            shutil.copyfile(source, path.with_suffix(".npz"))


def measure(folder: Path, page: Path) -> tuple[float, float, float]:
    """Wall seconds and processor seconds of the whole command, and the size of the page in MB."""
    command = ["report", "--results", str(folder), "-o", str(page)]
    start, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, "-m", "fmbench", *command], check=True, capture_output=True)
    seconds, after = time.perf_counter() - start, os.times()
    processor = sum(after[2:4]) - sum(before[2:4])  # user and system time of child processes
    return seconds, processor, page.stat().st_size / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=10_000, help="number of copied records")
    n_records = parser.parse_args().records
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"{cpu_name()}, {count_cores()} cores; load at the start: {load}")
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
