"""Makes a table of the seeds and the time that a `fmbench run --all --until-decided` needed.

It reads a results folder and measures nothing. With --write the table goes into the folder's
README.md, between two marks.

    fmbench run --all --until-decided --results results/until-decided
    python benchmarks/speed/whole_run.py --write
    python benchmarks/speed/whole_run.py --results DIR  # prints the table of another folder
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from fmbench.analysis.evaluation import SuiteResults, read_results
from fmbench.analysis.seed_allocation import Stop
from fmbench.execution.estimate import count_core_seconds
from fmbench.records.record import Record
from fmbench.records.store import Store
from fmbench.runners import load_runners
from fmbench.suites.reader import read_suite
from fmbench.utils.environment import CHECKOUT
from fmbench.utils.files import write_text_atomically
from fmbench.utils.formatting import format_duration, format_number_of, join_words, replace_between
from fmbench.utils.table import (
    COUNT,
    MEAN_SD,
    PRINTED_FIGURE,
    SECONDS,
    Column,
    MeanSd,
    Table,
    format_markdown,
)

FOLDER = CHECKOUT / "results" / "until-decided"
ALONE = "alone"  # in it: a seed of each row that was measured while no other cell was
FIXED_SEEDS = 5  # of each row without --until-decided
README = "README.md"
START, END = "<!-- made by benchmarks/speed/whole_run.py -->", "<!-- end of the table -->"
COLUMNS = (
    Column("row"),
    Column("runner"),
    Column("claimed %", PRINTED_FIGURE),
    Column("measured %", MEAN_SD),
    Column("seeds", COUNT),
    Column("wall s", SECONDS),
    Column("core s", SECONDS),
    Column("why it stopped"),
)
# The libraries whose versions are named below the table.
LIBRARIES = ("torch", "numba", "scikit-learn", "scikit-learn-intelex", "numpy")


def count_wall_seconds(records: Iterable[Record]) -> float:
    """Count the seconds in which at least one of these cells was being measured."""
    spans = sorted(
        (start, start + record.total_seconds)
        for record in records
        for start in [datetime.fromisoformat(record.started).timestamp()]
    )
    seconds, until = 0.0, 0.0
    for start, end in spans:
        seconds += max(0.0, end - max(start, until))
        until = max(until, end)
    return seconds


def measure_core_seconds(folders: Iterable[Path]) -> dict[str, float]:
    """Return the mean seconds of a seed on one core, by runner, from the records of the folders.

    Only cells that ran alone count: others have waited for memory, which all cores share.
    """
    seconds: dict[str, list[float]] = {}
    for folder in folders:
        for record in Store(folder).read_contents().finished.values():
            if record.jobs == 1:
                seconds.setdefault(record.cell["runner"], []).append(count_core_seconds(record))
    return {name: sum(values) / len(values) for name, values in seconds.items()}


def estimate_fixed_seconds(results: SuiteResults, seconds: Mapping[str, float]) -> float | None:
    """Estimate how many seconds one core needs for `run --all` with five seeds of every row.

    ``seconds`` are those of a seed, by runner. None if a row was never measured.
    """
    asked = {
        row.runner for row in results.suite.rows
        if (c := results.configurations.get(row.runner)) and not c.runner.by_name_only
    }  # fmt: skip
    if not asked <= set(seconds):
        return None
    known = load_runners()
    n_seeds = {name: 1 if known[name].deterministic else FIXED_SEEDS for name in asked}
    return sum(n_seeds[name] * seconds[name] for name in asked)


def build_whole_run_table(results: SuiteResults) -> Table:
    """Build a table with the seeds, seconds and end of each row; rows that no seed can decide and
    that have no seed are only counted, in a note.

    Raises:
        SystemExit: the folder was not measured until decided.
    """
    spent, folder = results.until_decided, results.store.folder
    if spent is None:
        raise SystemExit(
            f"{folder} was not measured until decided: run `fmbench run --all --until-decided "
            f"--results {folder}` first"
        )
    claims = {(row.label, row.runner): row.claimed for row in results.suite.rows}
    rows, measured, n_hidden = [], {}, 0
    for row in spent.rows:
        # A plug-in that was measured may be gone.
        configuration = results.configurations.get(row.runner)
        finished = results.records_of(configuration) if configuration else []
        failed = results.failed_records_of(configuration) if configuration else []
        records = finished + failed
        measured.update({record.measurement_id or record.key: record for record in records})
        if not records and row.stop == Stop.NO_TEST.value:
            n_hidden += 1
            continue
        accuracies = results.summaries[row.runner].accuracies if finished else ()
        rows.append(
            {
                "row": row.label, "runner": row.runner,
                "claimed %": claims.get((row.label, row.runner)),
                "measured %": MeanSd.of([100 * accuracy for accuracy in accuracies], 2),
                "seeds": len(finished),
                "wall s": count_wall_seconds(records) if records else None,
                "core s": sum(map(count_core_seconds, records)) if records else None,
                "why it stopped": ": ".join(filter(None, [row.stop or "not finished", row.reason])),
            }
        )  # fmt: skip
    notes = list(_write_notes(list(measured.values()), n_hidden)) if measured else []
    seconds = measure_core_seconds((folder, folder / ALONE))
    if measured and (fixed := estimate_fixed_seconds(results, seconds)):
        alone = sum(seconds[record.cell["runner"]] for record in measured.values())
        notes.append(
            f"One cell at a time (`{ALONE}/`), the {format_number_of(len(measured), 'cell')} need "
            f"{format_duration(alone)}, and {FIXED_SEEDS} seeds of every row (one where a row has "
            f"no chance) {format_duration(fixed)}: this run is {100 * alone / fixed:.0f} % of that."
        )
    if unfinished := [row.label for row in spent.rows if row.stop is None]:
        notes.append(f"The run has not ended. Not stopped by a look yet: {join_words(unfinished)}.")
    return Table("What the run took", COLUMNS, rows, tuple(notes))


def _write_notes(records: list[Record], n_hidden: int) -> Iterable[str]:
    started = sorted(record.started[:16].replace("T", " ") for record in records)
    versions = {
        f"{name} {r.versions[name]}" for r in records for name in LIBRARIES if name in r.versions
    }
    of_fmbench = {f"{r.package['version']} ({str(r.package['commit'])[:7]})" for r in records}
    devices = join_words(sorted({record.device for record in records}))
    yield (
        f"All: {format_number_of(len(records), 'cell')} on {devices}, "
        f"at most {max(r.jobs for r in records)} at a time, in "
        f"{format_duration(count_wall_seconds(records))} of wall time; one core alone would need "
        f"{format_duration(sum(map(count_core_seconds, records)))}. The first cell started at "
        f"{started[0]} UTC, the last at {started[-1]}."
    )
    yield f"fmbench {join_words(sorted(of_fmbench))}; {', '.join(sorted(versions))}."
    yield (
        "Wall s: the seconds in which at least one cell of the row was being measured; core s: the "
        "seconds of all its cells, also of those that failed, times their threads."
    )
    if n_hidden:
        yield (
            f"Rows that no seed can decide and that got no seed, not shown above: {n_hidden}. They "
            "show fmbench's own measurement, and so do the rows above that stopped without a seed."
        )


# ------------------------------------------------------------------------------------------ main


def format_whole_run(results: SuiteResults) -> str:
    """Return the table and its notes as Markdown, without a title."""
    return format_markdown(replace(build_whole_run_table(results), title="")).strip("# \n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR")
    parser.add_argument("--write", action="store_true", help="put it into README.md of the folder")
    options = parser.parse_args()
    table = format_whole_run(read_results(options.results, read_suite()))
    if options.write:
        path = options.results / README
        text = path.read_text(encoding="utf-8")
        write_text_atomically(path, replace_between(text, START, END, f"\n\n{table}\n\n"))
    print(table)


if __name__ == "__main__":
    main()
