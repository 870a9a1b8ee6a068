"""What tables and the page say about rows that were measured until decided."""

from __future__ import annotations

from fmbench.analysis.seed_allocation import RowPlan, RowToDecide, Stop
from fmbench.analysis.until_decided import SpentRow, UntilDecided
from fmbench.analysis.verdicts import Claim
from fmbench.report.until_decided import (
    LEFT_OUT,
    build_spending_table,
    describe_next_round,
    describe_until_decided,
    list_stops,
)

CLAIM = Claim(0.9, 0.00005)
SPENT = UntilDecided(
    12,
    6,
    (
        SpentRow("LeNet-5", "lenet5", 3, 450.0, "decided", "after 3 seeds", "reproduced", 3),
        SpentRow("CNN", "cnn", 5, 3600.0, "a decision is improbable", "less than 10 %"),
        SpentRow("EDEN", "eden", 0, 0.0, "a decision is improbable", "by fmbench's own 4 seeds"),
        SpentRow("SVC", "svc", 1, 20.0, "no seed can decide it", "claimed of other images"),
        SpentRow("SVC", "svc", 1, 20.0, "no seed can decide it", "claimed of other images"),
        SpentRow("LSTM", "lstm", 2, 30.0),
    ),
)


def test_the_rows_are_counted_by_the_reason_why_they_stopped():
    assert list_stops(SPENT.rows) == [
        "1 decided: LeNet-5 (n = 3)",
        "1 open, but a decision is improbable: CNN (n = 5)",
        f"1 {LEFT_OUT}: EDEN",
        "1 not finished: LSTM (n = 2)",
        "2 that no seed can decide",
    ]
    assert {row.stop for row in SPENT.rows} < {None, *(stop.value for stop in Stop)}


def test_the_notes_say_how_the_rows_are_judged_and_count_shared_seeds_once():
    judged, stopped = describe_until_decided(SPENT)
    # 450 + 3600 + 20 + 30 seconds: two rows share the seeds of one runner.
    assert judged.startswith(
        "judged by looks: 6 rows, 5 of them with seeds, in 1 h 08 min on one core."
    )
    assert "Looks are planned after each of 3 to 20 seeds" in judged
    assert stopped.startswith("why they stopped: 1 decided: LeNet-5 (n = 3); ")
    assert stopped.endswith("until-decided.json has each.")


def test_a_long_list_of_names_is_shortened():
    rows = [SpentRow(f"Row {i}", f"r{i}", 3, 1.0, "decided") for i in range(40)]
    [line] = list_stops(rows)
    assert line.startswith("40 decided: Row 0 (n = 3), ") and line.endswith(" and 32 more")


def test_the_table_has_one_line_for_each_row():
    table = build_spending_table(SPENT)
    assert [row["seeds"] for row in table.text_rows()] == ["3", "5", "0", "1", "1", "2"]
    assert [row["stopped"] for row in table.rows][-2:] == ["no seed can decide it", "not finished"]
    assert "at most 12 seeds were allowed. Rows that are tested together: 6." in table.notes[0]


def plan(runner, n, next_seeds, chance=0.5, **options):
    asked = RowToDecide(runner, runner, CLAIM, (0.9,) * n, seconds=1.0, **options)
    return RowPlan(asked, next_seeds=next_seeds, chance=chance)


def test_the_next_round_is_described_in_its_order():
    plans = [
        plan("no test", 0, (0,), 0.0, no_test="untestable: recipe not stated"),
        plan("open", 4, (4,), 0.9),
        plan("new", 0, (0, 1, 2)),
        plan("fixed", 0, (0,), 1.0, deterministic=True),
        plan("stopped", 3, ()),
    ]
    assert describe_next_round(plans) == (
        "next: one run, because the model is deterministic: fixed; one more seed: open; "
        "seeds up to 3, then the first test of the claim: new; one seed, which cannot decide: no "
        "test"
    )
    assert describe_next_round(plans[-1:]).startswith("next: cells that failed before, and")
