"""The search for contradictions ends after the same work on every machine."""

import time
from pathlib import Path

import pytest
from scipy import optimize

from fmbench.consistency.check import check_consistency
from fmbench.consistency.solver import WorkLimit
from fmbench.suites import reader

TABLE = Path(__file__).parent / "tables" / "tutorial_example_output_8742.toml"


def test_work_counts_for_the_limit_around_it():
    whole = WorkLimit(100)
    part = WorkLimit(30, whole)
    part.add(20)
    assert not part.reached
    part.add(10)
    assert part.reached
    assert not whole.reached
    whole.add(70)
    assert whole.reached
    assert WorkLimit(50, whole).reached
    assert WorkLimit(0).reached


@pytest.mark.slow
@pytest.mark.parametrize("work", [100, 400, 1500])
def test_a_slow_machine_gives_the_same_answer(work, monkeypatch):
    suite = reader.read_suite(TABLE)
    found = check_consistency(suite, all_figures=True, work=work)
    assert not found.complete

    def slow(solve):
        def solve_slowly(*args, **options):
            end = time.process_time() + 0.005  # about as long again as a solve takes
            while time.process_time() < end:
                pass
            return solve(*args, **options)

        return solve_slowly

    monkeypatch.setattr(optimize, "milp", slow(optimize.milp))
    monkeypatch.setattr(optimize, "linprog", slow(optimize.linprog))
    assert check_consistency(suite, all_figures=True, work=work) == found


@pytest.mark.slow
def test_more_work_decides_more():
    suite = reader.read_suite(TABLE)
    n_undecided = [
        len(check_consistency(suite, all_figures=True, work=work).not_checked)
        for work in (0, 200, 20_000)
    ]
    assert n_undecided[0] > n_undecided[1] >= n_undecided[2] == 0
