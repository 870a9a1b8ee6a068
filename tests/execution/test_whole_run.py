"""`benchmarks/speed/whole_run.py`: what a whole run until decided took."""

import importlib
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench.analysis.evaluation import read_results
from fmbench.records.record import decode_record
from fmbench.suites.reader import read_suite
from fmbench.utils.environment import CHECKOUT

FOLDER = CHECKOUT / "benchmarks" / "speed"
REFERENCE = CHECKOUT / "results" / "reference"
RECORD = decode_record(next((REFERENCE / "records" / "lenet5").glob("full-*.json")).read_bytes())
START = datetime(2026, 11, 27, 23, 59, 0, tzinfo=UTC)  # the next day begins a minute later


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module("whole_run")
    sys.path.remove(str(FOLDER))
    sys.modules.pop("whole_run")


def measured(second, seconds, threads=1):
    """A record of a cell that started at this second and took so many."""
    started = (START + timedelta(seconds=second)).isoformat(timespec="seconds")
    return replace(
        RECORD, started=started, total_seconds=seconds, fit_seconds=0.0,
        threads=threads,
    )  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 50)), max_size=8))
def test_a_second_in_which_several_cells_run_is_one_second_of_wall_time(script, spans):
    busy = {second for start, length in spans for second in range(start, start + length)}
    records = [measured(start, float(length)) for start, length in spans]
    assert script.count_wall_seconds(records) == pytest.approx(len(busy))


def test_the_seconds_of_a_cell_count_for_each_of_its_threads(script):
    assert sum(map(script.count_core_seconds, [measured(0, 10.0), measured(5, 20.0, 2)])) == 50.0


def test_the_committed_table_is_that_of_the_committed_records(script):
    results = read_results(script.FOLDER, read_suite())
    text = (script.FOLDER / script.README).read_text(encoding="utf-8")
    between = text.split(script.START)[1].split(script.END)[0].strip()
    assert between == script.format_whole_run(results)
    unfinished = [row for row in results.until_decided.rows if row.stop is None]
    assert ("The run has not ended" in between) == bool(unfinished)


def test_a_folder_that_was_not_measured_until_decided_is_refused(script):
    results = read_results(REFERENCE, read_suite())
    with pytest.raises(SystemExit, match="was not measured until decided: run `fmbench run --all"):
        script.build_whole_run_table(results)


def test_fixed_seeds_count_a_row_without_chance_once(script):
    results = read_results(script.FOLDER, read_suite())
    asked = {
        row.runner: results.configurations[row.runner].runner
        for row in results.suite.rows
        if row.runner and not results.configurations[row.runner].runner.by_name_only
    }
    seconds = dict.fromkeys(asked, 1.0)
    n_without_chance = sum(runner.deterministic for runner in asked.values())
    assert n_without_chance == 5
    expected = 5 * (len(asked) - n_without_chance) + n_without_chance
    assert script.estimate_fixed_seconds(results, seconds) == expected
    seconds.pop("eden")
    assert script.estimate_fixed_seconds(results, seconds) is None
