"""Rows in two results folders are paired by runner, and compared by the interval of the first."""

from fmbench.analysis.summary import Status, Summary
from fmbench.analysis.two_results import build_two_results_table, pair_rows


def summary(name, mean, low, high, n=5, device="a CPU", seconds=10.0):
    return Summary(name, Status.MEASURED, n, mean, 0.001, low, high, seconds, device, (mean,) * n)


def compare(first, against):
    rows = pair_rows({s.runner: s for s in first}, {s.runner: s for s in against})
    return {row.runner: row.inside for row in rows}


def test_a_mean_is_inside_if_it_lies_in_the_interval_of_the_first_results():
    first = [summary("a", 0.9, 0.89, 0.91), summary("b", 0.9, 0.89, 0.91)]
    against = [summary("a", 0.91, 0.5, 0.6), summary("b", 0.9101, 0.89, 0.92)]
    assert compare(first, against) == {"a": True, "b": False}


def test_a_deterministic_row_must_be_equal():
    first = [summary("a", 0.9, 0.9, 0.9, n=1), summary("b", 0.9, 0.9, 0.9, n=1)]
    against = [summary("a", 0.9, 0.9, 0.9, n=1), summary("b", 0.9001, 0.9001, 0.9001, n=1)]
    assert compare(first, against) == {"a": True, "b": False}


def test_a_first_result_of_one_seed_has_no_interval():
    assert compare([summary("a", 0.9, None, None, n=1)], [summary("a", 0.9, 0.8, 1)]) == {"a": None}


def test_only_rows_that_both_have_measured_are_compared():
    missing = Summary("b", Status.NOT_RUN)
    first = [summary("a", 0.9, 0.89, 0.91), summary("b", 0.9, 0.89, 0.91), missing]
    assert compare(first, [summary("a", 0.9, 0.89, 0.91), missing]) == {"a": True}


def test_the_table_names_folders_and_devices():
    rows = list(
        pair_rows(
            {"a": summary("a", 0.9, 0.89, 0.91)},
            {"a": summary("a", 0.905, 0.89, 0.92, device="a GPU", seconds=0.5)},
        )
    )
    table = build_two_results_table(rows, "mine", "theirs")
    [text] = table.text_rows()
    assert (text["mean"], text["against"], text["inside"]) == ("90.00", "90.50", "yes")
    assert (text["fit_seconds"], text["against_fit_seconds"]) == ("10.0", "0.5")
    assert "mine (a CPU)" in table.notes[0] and "theirs (a GPU)" in table.notes[0]
