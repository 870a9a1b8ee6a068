"""`fmbench run --until-decided` from the command to the table; the measurements are made up."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

import fmbench
from fmbench.analysis.until_decided import UNTIL_DECIDED_FILE, read_until_decided
from fmbench.analysis.verdicts import FEWEST_SEEDS, MAX_SEEDS
from fmbench.cli.run import LOOKS
from fmbench.execution.session import MeasuringSession
from fmbench.records.protocols import FULL, load_labels
from tests.helpers.commands import call_fmbench

pytestmark = pytest.mark.slow

SUITE = """
title = "A paper"
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[[row]]
where = "Table 1"
label = "Far"
runner = "decision-tree"
claimed = "98.80"
recipe = "stated"
[[row]]
where = "Table 1"
label = "Near"
runner = "random-forest"
claimed = "87.60"
recipe = "stated"
[[row]]
where = "Table 1"
label = "Between"
runner = "sgd"
claimed = "83.50"
recipe = "stated"
[[row]]
where = "Table 1"
label = "Bayes"
runner = "gaussian-nb"
claimed = "57.10"
recipe = "stated"
[[row]]
where = "Table 1"
label = "Unknown"
runner = "perceptron"
claimed = "88.00"
"""
# Accuracies by seed. "Between" is never decided: its gap is near the margin.
ACCURACIES = {
    "decision-tree": (0.908, 0.909, 0.910, 0.908, 0.909),
    "random-forest": (0.8745, 0.8775, 0.8752, 0.8768, 0.8757, 0.8761, 0.8764, 0.8758, 0.876),
    "sgd": (0.8300, 0.8260, 0.8325, 0.8282, 0.8295, 0.8291, 0.8309, 0.8288, 0.8297, 0.8294),
    "gaussian-nb": (0.5706,),
    "perceptron": (0.88, 0.881),
    "eden-full": (0.9128, 0.9131, 0.9125),
}
NAMED_ROW = """
[[row]]
where = "Table 1"
label = "Hours"
runner = "eden-full"
claimed = "91.30"
recipe = "stated"
"""


@pytest.fixture
def made_up(monkeypatch, record_of, source, tmp_path):
    """Replaces every measurement; ``cells`` lists what was asked for, round by round."""
    y_true = load_labels(FULL, source)
    log = SimpleNamespace(rounds=[], fails=set(), interrupt_after=None)

    def measure(self, todo, contents, *, n_planned):
        log.rounds.append([(cell.runner.name, cell.seed) for cell in todo])
        for cell in todo:
            if log.interrupt_after == 0:
                raise KeyboardInterrupt
            if log.interrupt_after is not None:
                log.interrupt_after -= 1
            name = cell.runner.name, cell.seed
            if name in log.fails:
                record = record_of(cell, status="failed", why="killed", measurement_id="f" * 32)
                self._store.save(record)
            else:
                right = np.arange(len(y_true)) < round(
                    ACCURACIES[cell.runner.name][cell.seed] * len(y_true)
                )
                y_pred = np.where(right, y_true, (y_true + 1) % 10).astype(np.uint8)
                record = record_of(cell, fit_seconds=2.0, total_seconds=2.0)
                self._store.save(record, {"y_pred": y_pred})
            self.records.append(record)

    monkeypatch.setattr(MeasuringSession, "measure", measure)
    monkeypatch.setattr("fmbench.datasets.loading.verify_files", lambda *_: None)  # takes long
    # Fmbench's own measurements of these runners would take the place of some.
    monkeypatch.setattr("fmbench.analysis.evaluation.find_reference_summaries", lambda *_: {})
    path = tmp_path / "paper.toml"
    path.write_text(SUITE)
    log.suite, log.results = path, tmp_path / "results"
    return log


def run(made_up, *arguments, source):
    return call_fmbench(
        "run", "--suite", made_up.suite, "--results", made_up.results, "--data", source.folder,
        "--until-decided", *arguments,
    )  # fmt: skip


def read_rows(made_up):
    return {row.label: row for row in read_until_decided(made_up.results / "paper").rows}


def read_table(made_up, source):
    found = fmbench.load_results(made_up.results, made_up.suite, data=source.folder)
    return {row.label: row for row in found.evaluation.rows}


def test_seeds_go_where_a_verdict_is_open_until_each_row_stops(made_up, source):
    done = run(made_up, "--all", source=source)
    assert done.returncode == 0, done.stderr
    assert "written: 1 table as Markdown and CSV in " in done.stderr
    first, *later = made_up.rounds
    # Each row up to its first look, and what no seed can decide last, with one seed.
    assert sorted(first) == sorted([
        *((name, seed) for name in ("decision-tree", "random-forest", "sgd") for seed in range(3)),
        ("gaussian-nb", 0), ("perceptron", 0),
    ])  # fmt: skip
    assert first[-1] == ("perceptron", 0)
    assert not {"decision-tree", "gaussian-nb", "perceptron"} & {
        name for cells in later for name, _ in cells
    }
    rows = read_rows(made_up)
    assert {label: row.stop for label, row in rows.items()} == {
        "Far": "decided", "Near": "decided", "Between": "a decision is improbable",
        "Bayes": "decided", "Unknown": "no seed can decide it",
    }  # fmt: skip
    assert (rows["Far"].n_seeds, rows["Far"].decided_at, rows["Far"].core_seconds) == (3, 3, 6.0)
    assert rows["Near"].verdict == "reproduced"
    assert rows["Near"].decided_at == rows["Near"].n_seeds > 3
    assert rows["Unknown"].reason == "untestable: recipe not stated"
    measured = sum(len(cells) for cells in made_up.rounds)
    assert sum(row.n_seeds for row in rows.values()) == measured


def test_the_table_says_which_rows_were_measured_so_and_judges_them_by_looks(made_up, source):
    printed = run(made_up, "--all", source=source).stdout
    assert "judged by looks: 5 rows" in printed
    assert "3 decided: Far (n = 3), Near (n = " in printed
    assert "1 that no seed can decide" in printed
    rows, table = read_rows(made_up), read_table(made_up, source)
    for label in ("Far", "Near", "Bayes"):
        assert table[label].verdict.word == rows[label].verdict
        assert table[label].n == rows[label].n_seeds
    assert table["Near"].summary.n_looked_at == rows["Near"].n_seeds
    again = call_fmbench(
        "table", "--suite", made_up.suite, "--results", made_up.results, "--data", source.folder,
        "--format", "json",
    )  # fmt: skip
    lines = {row["label"]: row for row in json.loads(again.stdout)}
    assert {label: line["judged_by_looks"] for label, line in lines.items()} == {
        "Far": True, "Near": True, "Between": True, "Bayes": False, "Unknown": True,
    }  # fmt: skip


def test_the_page_says_what_was_spent_and_why_each_row_stopped(made_up, source):
    run(made_up, "--all", source=source)
    page = made_up.results / "page.html"
    done = call_fmbench(
        "report", "--suite", made_up.suite, "--results", made_up.results, "--data", source.folder,
        "--output", page,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    _, section = page.read_text(encoding="utf-8").split('<section id="until-decided"')
    section = section.split("</section>")[0]
    assert section.count("<tr>") == 1 + len(read_rows(made_up))
    for text in ("random-forest", "a decision is improbable", "All rows together took"):
        assert text in section


def test_a_row_that_stopped_early_is_never_judged_by_the_fixed_test(made_up, source):
    made_up.results.mkdir()
    run(made_up, "random-forest", "--max-seeds", "3", source=source)
    three = read_table(made_up, source)["Near"]
    assert three.verdict.p_within > 0.05  # the looks are corrected for
    (made_up.results / "paper" / UNTIL_DECIDED_FILE).unlink()
    fixed = read_table(made_up, source)["Near"]
    assert fixed.verdict.p_within < 0.05 and fixed.verdict.word == "reproduced"


def test_an_interrupted_run_keeps_its_looks_and_the_same_command_goes_on(made_up, source):
    run(made_up, "--all", source=source)
    wanted, n_cells = read_rows(made_up), sum(map(len, made_up.rounds))
    made_up.results = made_up.results.with_name("interrupted")
    n_done = 0
    for interrupt_after in (0, 4, 5):
        made_up.interrupt_after = interrupt_after
        stopped = run(made_up, "--all", source=source)
        assert stopped.returncode == 130, stopped.stderr
        n_done += interrupt_after
        rows = read_rows(made_up)
        assert sum(row.n_seeds for row in rows.values()) == n_done
        assert all(row.runner for row in rows.values()) and len(rows) == 5
    made_up.interrupt_after, made_up.rounds = None, []
    run(made_up, "--all", source=source)
    assert read_rows(made_up) == wanted
    assert sum(map(len, made_up.rounds)) == n_cells - n_done


def test_records_of_a_fixed_number_of_seeds_give_the_same_looks(made_up, source):
    run(made_up, "--all", source=source)
    wanted = read_rows(made_up)
    made_up.results = made_up.results.with_name("fixed before")
    call_fmbench(
        "run", "--suite", made_up.suite, "--results", made_up.results, "--data", source.folder,
        "decision-tree", "random-forest", "--seeds", "5",
    )  # fmt: skip
    assert not (made_up.results / "paper" / UNTIL_DECIDED_FILE).exists()
    made_up.rounds = []
    run(made_up, "--all", source=source)
    rows = read_rows(made_up)
    assert ("decision-tree", 0) not in made_up.rounds[0]
    assert (rows["Far"].decided_at, rows["Far"].n_seeds) == (wanted["Far"].decided_at, 5)
    assert (rows["Near"].verdict, rows["Near"].decided_at) == (
        wanted["Near"].verdict, wanted["Near"].decided_at
    )  # fmt: skip


def test_records_of_other_seeds_are_used_when_their_turn_comes(made_up, source):
    call_fmbench(
        "run", "--suite", made_up.suite, "--results", made_up.results, "--data", source.folder,
        "decision-tree", "--seed", "1", "--seed", "2", "--seed", "4",
    )  # fmt: skip
    made_up.rounds = []
    run(made_up, "decision-tree", source=source)
    assert made_up.rounds == [[("decision-tree", 0)]]
    far = read_rows(made_up)["Far"]
    assert (far.n_seeds, far.stop) == (3, "decided")


def test_a_failed_seed_stops_its_row_and_is_measured_again_by_the_next_run(made_up, source):
    made_up.fails.add(("random-forest", 1))
    assert run(made_up, "--all", source=source).returncode != 0
    assert read_rows(made_up)["Near"].stop == "a seed failed"
    assert ("random-forest", 3) not in [cell for cells in made_up.rounds for cell in cells]
    assert read_rows(made_up)["Far"].stop == "decided"
    made_up.fails.clear()
    made_up.rounds = []
    assert run(made_up, "--all", source=source).returncode == 0
    assert made_up.rounds[0] == [("random-forest", 1)]
    assert read_rows(made_up)["Near"].stop == "decided"


def test_a_row_that_runs_only_if_named_is_tested_with_the_others_once_it_is_measured(
    made_up, source
):
    made_up.suite.write_text(SUITE + NAMED_ROW)
    run(made_up, "--all", source=source)
    file = made_up.results / "paper"
    assert read_until_decided(file).n_tests == 3  # Far, Near and Between
    call_fmbench(
        "run", "--suite", made_up.suite, "--results", made_up.results, "--data", source.folder,
        "eden-full", "--seeds", "3",
    )  # fmt: skip
    run(made_up, "--all", source=source)
    assert read_until_decided(file).n_tests == 4
    table = read_table(made_up, source)
    decided = {row.label: row for row in read_until_decided(file).rows if row.verdict}
    assert {label: table[label].verdict.kind.word for label in decided} == {
        label: row.verdict for label, row in decided.items()
    }


def test_a_larger_limit_lets_a_row_go_on(made_up, source):
    run(made_up, "random-forest", "--max-seeds", "3", source=source)
    assert read_rows(made_up)["Near"].stop == "the limit on the seeds is reached"
    run(made_up, "random-forest", source=source)
    assert read_rows(made_up)["Near"].stop == "decided"
    assert [cells[0][1] for cells in made_up.rounds] == [0, *range(3, len(made_up.rounds) + 2)]


def test_a_run_until_decided_with_nothing_left_measures_nothing(made_up, source):
    run(made_up, "--all", source=source)
    made_up.rounds = []
    again = run(made_up, "--all", source=source)
    assert made_up.rounds == [] and again.returncode == 0


def test_fmbenchs_own_measurement_takes_the_place_of_rows_that_it_could_not_decide(
    made_up, source, monkeypatch
):
    undecided = fmbench.load_results(made_up.results, made_up.suite, data=source.folder)
    [summary] = [s for s in undecided.evaluation.summaries.values() if s.runner == "sgd"]
    own = {
        "sgd": _measured(summary, ACCURACIES["sgd"]),
        "perceptron": _measured(summary, ACCURACIES["perceptron"], runner="perceptron"),
    }
    monkeypatch.setattr("fmbench.analysis.evaluation.find_reference_summaries", lambda *_: own)
    run(made_up, "--all", source=source)
    assert {name for cells in made_up.rounds for name, _ in cells} == {
        "decision-tree", "random-forest", "gaussian-nb",
    }  # fmt: skip
    rows, table = read_rows(made_up), read_table(made_up, source)
    assert (rows["Between"].n_seeds, rows["Unknown"].n_seeds) == (0, 0)
    assert rows["Between"].reason.startswith("by fmbench's own 10 seeds")
    assert table["Between"].from_reference and table["Unknown"].from_reference
    made_up.rounds = []
    run(made_up, "sgd", source=source)  # whoever names a row gets it measured
    assert made_up.rounds[0] == [("sgd", 0), ("sgd", 1), ("sgd", 2)]


def plan(made_up, *arguments, source):
    """The plan of ``--dry-run``, and its sentences."""
    common = (*arguments, "--dry-run", "--jobs", 1, "--format")
    made_up.rounds = []
    done = run(made_up, *common, "json", source=source)
    assert done.returncode == 0, done.stderr
    text = run(made_up, *common, "text", source=source).stdout
    assert made_up.rounds == []
    return json.loads(done.stdout), " ".join(text.split())


def test_a_dry_run_plans_the_cells_before_the_next_look_and_writes_nothing(made_up, source):
    found, text = plan(made_up, "--all", source=source)
    assert not made_up.results.exists()
    assert {row["row"]: (row["cells"], row["to_do"]) for row in found["rows"]} == {
        "decision-tree": (3, 3), "random-forest": (3, 3), "sgd": (3, 3), "gaussian-nb": (1, 1),
        "perceptron": (1, 1),
    }  # fmt: skip
    # Three rows may get 20 seeds; no more than one of the two others.
    assert (found["to_do"], found["later_looks"]["cells_at_most"]) == (11, 62)
    assert found["core_seconds"] < found["later_looks"]["core_seconds_at_most"]
    assert "11 of 11 cells must be measured before the claims are tested again" in text
    assert "at most 62 cells in all" in text and "Rows that get no seed" not in text
    assert (
        plan(made_up, "--all", "--max-seeds", 4, source=source)[0]["later_looks"]["cells_at_most"]
        == 3 * 4 + 2
    )


def test_a_dry_run_counts_only_the_seeds_from_0_without_a_gap(made_up, source):
    call_fmbench(
        "run", "--suite", made_up.suite, "--results", made_up.results, "--data", source.folder,
        "decision-tree", "--seed", "2", "--seed", "3", "--seed", "4",
    )  # fmt: skip
    found, text = plan(made_up, "decision-tree", source=source)
    assert found["to_do"] == 2 and "Rows that get no seed" not in text
    run(made_up, "decision-tree", source=source)
    assert made_up.rounds == [[("decision-tree", 0), ("decision-tree", 1)]]


def test_a_dry_run_of_an_interrupted_run_plans_exactly_the_next_round(made_up, source):
    made_up.interrupt_after = 11
    run(made_up, "--all", source=source)
    before = read_rows(made_up)
    made_up.interrupt_after = None
    found, text = plan(made_up, "--all", source=source)
    assert read_rows(made_up) == before
    run(made_up, "--all", source=source)
    todo = {row["row"]: row["to_do"] for row in found["rows"] if row["to_do"]}
    assert todo == {name: 1 for name, _ in made_up.rounds[0]} and "decision-tree" not in todo
    assert "Rows that get no seed: 2 decided: Far (n = 3) and Bayes (n = 1)" in text
    found, text = plan(made_up, "--all", source=source)
    assert found["to_do"] == found["later_looks"]["cells_at_most"] == 0
    assert "0 of" in text and "at most" not in text


def _measured(summary, accuracies, runner="sgd"):
    from dataclasses import replace

    from fmbench.analysis.summary import Status

    return replace(
        summary, runner=runner, status=Status.MEASURED, n=len(accuracies), accuracies=accuracies,
        mean=float(np.mean(accuracies)), sd=float(np.std(accuracies, ddof=1)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "5"], "--until-decided and --seeds exclude each other"),
        (["--seed", "3"], "--until-decided and --seeds exclude each other"),
        (["--quick"], "--until-decided and --quick exclude each other"),
        (["--force"], "--until-decided and --force exclude each other"),
        (["--refresh"], "--until-decided and --refresh exclude each other"),
        (["--dry-run", "--quick"], "--until-decided and --quick exclude each other"),
        (["--max-seeds", "2"], "--max-seeds"),
        (["--max-seeds", "21"], "--max-seeds"),
    ],
)
def test_options_that_exclude_each_other_are_refused_in_one_line(
    made_up, source, arguments, message
):
    refused = run(made_up, "--all", *arguments, source=source)
    assert refused.returncode == 2 and made_up.rounds == []
    assert message in refused.stderr


def test_max_seeds_goes_with_until_decided(made_up, source):
    refused = call_fmbench("run", "--all", "--max-seeds", "5", "--data", source.folder)
    assert refused.returncode == 2 and "--max-seeds goes with --until-decided" in refused.stderr


def test_the_limits_of_the_option_are_those_of_the_looks():
    assert LOOKS == (FEWEST_SEEDS, MAX_SEEDS)
