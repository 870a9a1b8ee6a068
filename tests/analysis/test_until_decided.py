"""What `run --until-decided` writes about its rows, and how tables judge these rows."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fmbench.analysis.evaluation import judge_suite, read_results
from fmbench.analysis.reference import SUMMARY_FILE, read_summary, write_summary
from fmbench.analysis.seed_allocation import (
    RowPlan,
    RowToDecide,
    Stop,
    make_look_plan,
    plan_row,
)
from fmbench.analysis.sequential import judge_sequentially, make_sequential_trial
from fmbench.analysis.summary import FlaggedFigure, Status, Summary, count_leading_seeds
from fmbench.analysis.table_verdicts import (
    GridMembers,
    explain_no_test,
    judge_rows,
    judge_source_protocols,
)
from fmbench.analysis.until_decided import (
    UNTIL_DECIDED_FILE,
    UntilDecided,
    count_tests,
    describe_spending,
    find_rows,
    list_rows,
    read_until_decided,
    write_until_decided,
)
from fmbench.analysis.verdicts import Claim, VerdictKind, decide_together, make_trial
from fmbench.errors import UserError
from fmbench.suites.claims import Row
from fmbench.suites.configurations import build_suite_configurations
from fmbench.suites.reader import read_suite

SUITE = read_suite()
CONFIGURATIONS, _ = build_suite_configurations(SUITE)


def row(claimed="90.00", recipe="stated", **options):
    return Row("Table 3", "A model", "model", claimed, recipe=recipe, **options)


def measured(*accuracies, n_looked_at=None, **options):
    n, mean, sd = len(accuracies), float(np.mean(accuracies)), float(np.std(accuracies, ddof=1))
    return Summary(
        "model", Status.MEASURED, n, mean, sd, accuracies=accuracies, n_looked_at=n_looked_at,
        **options,
    )  # fmt: skip


# The mean of three seeds is within the margin by the test for a fixed number of seeds (p = .02),
# but not by the looks, which might have stopped at another number.
DOUBTFUL = (0.8984, 0.9000, 0.9016)


def judge_one(the_row, summary):
    return judge_rows([the_row], {"model": summary})[0]


# ---------------------------------------------------------------- how tables judge such rows


def test_a_row_that_was_measured_until_decided_is_never_judged_by_the_fixed_test():
    fixed, by_looks = (judge_one(row(), measured(*DOUBTFUL, n_looked_at=n)) for n in (None, 3))
    assert fixed.kind is VerdictKind.REPRODUCED and fixed.p_within < 0.05
    assert by_looks.kind is VerdictKind.WITHIN_SPREAD and by_looks.p_within > 0.05


def test_a_decision_of_an_early_look_stays_although_later_seeds_differ():
    early, later = (0.9000, 0.9001, 0.9002), (0.9121, 0.9118, 0.9122)
    summary = measured(*early, *later, n_looked_at=6)
    assert judge_one(row("91.20"), summary).kind is VerdictKind.CLAIM_HIGHER
    assert judge_one(row("91.20"), replace(summary, n_looked_at=None)).kind is not (
        VerdictKind.CLAIM_HIGHER
    )


def test_only_the_seeds_from_0_without_a_gap_count():
    assert [count_leading_seeds(seeds) for seeds in ((), (1, 2), (0, 1, 3), (0, 1, 2))] == [
        0, 0, 2, 3,
    ]  # fmt: skip
    few = "seeds of a stochastic model from seed 0 without a gap, 3 needed"
    verdict = judge_one(row(), measured(0.9, 0.9001, 0.9002, 0.9001, n_looked_at=2))
    assert str(verdict) == f"untestable: 2 {few}"
    verdict = judge_one(row(), measured(0.9, 0.9001, 0.9002, n_looked_at=0))
    assert str(verdict) == f"untestable: 0 {few}"


def test_two_seeds_give_the_interval_of_what_is_claimed_as_without_looks():
    of_five = row(mean_of=5)
    fixed, by_looks = (
        judge_one(of_five, measured(0.9, 0.91, n_looked_at=n)).interval for n in (None, 2)
    )
    assert by_looks == fixed
    assert by_looks != judge_one(row(), measured(0.9, 0.91, n_looked_at=2)).interval


def test_seeds_after_the_last_look_do_not_count():
    accuracies = tuple(np.round(np.random.default_rng(1).normal(0.9, 0.002, 25), 4).tolist())
    claim = Claim(0.9, 0.00005)
    assert make_sequential_trial(claim, accuracies) == make_sequential_trial(claim, accuracies[:20])


@pytest.mark.parametrize("claimed", [0.9, 0.905, 0.9075, 0.92])
def test_a_table_gives_the_verdict_of_the_looks(claimed):
    accuracies = tuple(np.round(np.random.default_rng(2).normal(0.9, 0.002, 6), 4).tolist())
    claim = Claim(claimed, 0.00005)
    trials = [make_sequential_trial(claim, accuracies)] * 3
    last = judge_sequentially(claim, accuracies, make_look_plan(3), deterministic=False)[-1]
    for verdict in decide_together(trials):
        if last.decided_at is not None:
            assert verdict.kind is last.verdict.kind
        assert (verdict.p_within, verdict.p_beyond) == (
            last.verdict.p_within,
            last.verdict.p_beyond,
        )


def test_holms_correction_joins_rows_of_both_kinds():
    claim = Claim(0.92, 0.00005)
    fixed = make_trial(claim, DOUBTFUL, deterministic=False)
    by_looks = make_sequential_trial(claim, DOUBTFUL)
    assert fixed.p_beyond < by_looks.p_beyond  # the looks are corrected for
    first, second = decide_together([fixed, by_looks])
    assert (first.p_holm, second.p_holm) == (
        pytest.approx(2 * fixed.p_beyond), pytest.approx(max(2 * fixed.p_beyond, by_looks.p_beyond))
    )  # fmt: skip


def test_an_open_row_says_that_it_needs_more_seeds_and_one_without_a_chance_that_it_does_not():
    open_row = judge_one(row("90.60"), measured(0.8981, 0.9001, 0.9022, n_looked_at=3))
    assert open_row.kind is VerdictKind.WITHIN_SPREAD
    hopeless = judge_one(
        row("90.70"), measured(0.9000, 0.9012, 0.9024, 0.9005, 0.9019, n_looked_at=5)
    )
    assert str(hopeless).startswith("not decidable at this margin: less than 10 % chance")
    promising = judge_one(row("91.00"), measured(0.9000, 0.9012, 0.9024, 0.9005, n_looked_at=4))
    assert promising.kind is VerdictKind.MORE_SEEDS and "% chance of a decision" in str(promising)


def test_equal_accuracies_are_compared_directly():
    assert judge_one(row(), measured(0.9, 0.9, 0.9, n_looked_at=3)).kind is VerdictKind.REPRODUCED


# ---------------------------------------------------------------- the source's own protocol


def judge_protocol(summary, the_row, grids=None):
    return judge_source_protocols([the_row], {"model": summary}, [None], grids or {})[0].verdict


def test_the_sources_own_figure_is_judged_by_looks_too():
    the_row = row(scored_as="sign")
    flagged = {"sign": FlaggedFigure("by the sign", DOUBTFUL)}
    fixed, by_looks = (
        judge_protocol(measured(0.95, 0.951, 0.952, flagged=flagged, n_looked_at=n), the_row)
        for n in (None, 3)
    )
    assert fixed.kind is VerdictKind.REPRODUCED
    assert by_looks.kind is VerdictKind.WITHIN_SPREAD and by_looks.p_within > 0.05


def test_where_the_looks_are_not_known_one_by_one_each_counts_as_a_test():
    the_row = row(scored_as="sign")
    flagged = {"sign": FlaggedFigure("by the sign", DOUBTFUL)}  # one older record lacks it
    four = measured(0.95, 0.951, 0.952, 0.953, flagged=flagged)
    fixed, counted = (
        judge_protocol(replace(four, n_looked_at=n), the_row).p_within for n in (None, 4)
    )
    assert counted == pytest.approx(18 * fixed)
    grid_row = row(picked="best of a grid", grid="all")
    members = (measured(*DOUBTFUL), measured(0.8880, 0.8890, 0.8900))
    fixed, counted = (
        judge_protocol(
            members[0], grid_row,
            {("all", grid_row.dataset, "model"): GridMembers(
                (members[0], replace(members[1], n_looked_at=n)))},
        ).p_within
        for n in (None, 3)
    )  # fmt: skip
    assert counted == pytest.approx(min(1, 18 * fixed))


# ---------------------------------------------------------------- the files


def make_content():
    plan = make_look_plan(6, 12)
    decided = plan_row(
        RowToDecide("lenet5", "CNN-LeNet-5", Claim(0.988, 0.00005), (0.908, 0.909, 0.9085)), plan
    )
    waiting = RowPlan(RowToDecide("cnn", "CNN", None), next_seeds=(0,))
    return describe_spending([decided, waiting], plan, {"lenet5": 450.12345, "cnn": 0.0}.get)


def test_the_file_says_what_was_spent_and_why_each_row_stopped(tmp_path):
    content = make_content()
    write_until_decided(tmp_path / "suite", content)
    assert read_until_decided(tmp_path / "suite") == content
    [lenet5, cnn] = content.rows
    assert (lenet5.n_seeds, lenet5.core_seconds, lenet5.stop) == (3, 450.123, "decided")
    assert (lenet5.verdict, lenet5.decided_at) == ("not reproduced, claim higher", 3)
    assert (cnn.stop, cnn.verdict) == (None, None)
    assert (content.max_seeds, content.n_tests, content.runners) == (12, 6, {"lenet5", "cnn"})
    assert read_until_decided(tmp_path) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: "{",
        lambda content: json.dumps([content]),
        lambda content: json.dumps(content | {"max_seeds": 21}),
        lambda content: json.dumps(content | {"rows": [{"label": "a"}]}),
        lambda content: json.dumps(content | {"rows": [{**content["rows"][0], "stop": "tired"}]}),
        lambda content: json.dumps(content | {"rows": [{**content["rows"][0], "verdict": "no"}]}),
        lambda content: json.dumps(content | {"rows": [{**content["rows"][0], "n_seeds": -1}]}),
    ],
)
def test_a_damaged_file_is_refused_in_one_line_that_names_it(tmp_path, damage):
    write_until_decided(tmp_path, make_content())
    path = tmp_path / UNTIL_DECIDED_FILE
    path.write_text(damage(json.loads(path.read_text())))
    with pytest.raises(UserError) as error:
        read_until_decided(tmp_path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_run_adds_its_rows_and_keeps_the_others():
    content = make_content()
    more = content.add_runners([Row("", "LSTM", "lstm"), Row("", "CNN", "cnn")])
    assert more.rows[:2] == content.rows and more.runners == {"lenet5", "cnn", "lstm"}


def test_a_summary_keeps_that_its_row_is_judged_by_looks(tmp_path):
    summaries = [measured(*DOUBTFUL, n_looked_at=3), replace(measured(*DOUBTFUL), runner="fixed")]
    write_summary(tmp_path / SUMMARY_FILE, summaries, [])
    read = read_summary(tmp_path / SUMMARY_FILE)
    assert (read["model"].n_looked_at, read["fixed"].n_looked_at) == (3, None)
    text = (tmp_path / SUMMARY_FILE).read_text()
    assert text.count("n_looked_at") == 1  # rows with a fixed number of seeds stay as they were
    (tmp_path / SUMMARY_FILE).write_text(text.replace('"n_looked_at": 3', '"n_looked_at": 4'))
    with pytest.raises(UserError, match="damaged"):
        read_summary(tmp_path / SUMMARY_FILE)


def test_a_damaged_file_stops_the_table_because_it_says_how_to_judge(tmp_path):
    folder = SUITE.folder_in(tmp_path)
    folder.mkdir()
    (folder / UNTIL_DECIDED_FILE).write_text("{")
    with pytest.raises(UserError, match="it is not known which rows were measured until decided"):
        read_results(tmp_path, SUITE)


# ---------------------------------------------------------------- the rows


def test_the_rows_of_the_paper_that_are_tested_together_are_counted_without_a_measurement():
    # EDEN, four convolutional networks, LeNet-5: the claim is about today's images, its recipe is
    # stated, and the model has a spread.
    assert count_tests(SUITE, CONFIGURATIONS) == 6
    assert count_tests(SUITE, CONFIGURATIONS, {"eden-full"}) == 7  # it runs only if named
    assert count_tests(SUITE, CONFIGURATIONS, untestable="claimed of another test set") == 0


def test_no_table_of_the_suite_tests_more_rows_together_than_a_run_until_decided_plans_for():
    # Otherwise a row that a look has decided could be open again in the table.
    summaries = {
        name: replace(measured(0.9, 0.901, 0.902, n_looked_at=3), runner=name)
        for name in SUITE.runners
    }
    tested = [r for r in judge_suite(SUITE, summaries, {}) if r.verdict.p_holm is not None]
    stochastic = [r for r in tested if not CONFIGURATIONS[r.runner].runner.deterministic]
    assert "eden-full" in {r.runner for r in stochastic}  # it runs only if named
    assert len(stochastic) == count_tests(SUITE, CONFIGURATIONS, SUITE.runners)


def test_it_is_known_without_a_measurement_which_claims_no_rerun_tests():
    def explain(the_row, **options):
        return explain_no_test(the_row, [the_row], **options)

    assert explain(row()) == ""
    assert explain(row(None)) == "untestable: nothing claimed"
    assert explain(row(recipe="not stated")) == "untestable: recipe not stated"
    assert explain(row(images="first release")) == "claimed of other images: the first release"
    assert explain(row(), untestable="claimed of another test set") == (
        "untestable: claimed of another test set"
    )
    limit = row("89.00", bound="at least")
    assert explain(limit) == ""
    assert "only a limit" in explain(limit, summary=measured(0.9, 0.901))
    assert explain(limit, summary=measured(0.8, 0.801)) == ""


def list_one(runner, summary, reference=None, n_seeds=None, **options):
    [found] = list_rows(
        find_rows(SUITE, [runner]), SUITE, CONFIGURATIONS, {runner: summary},
        {runner: reference} if reference else {},
        lambda name: summary.n if n_seeds is None else n_seeds, lambda name: 7.0, **options,
    )  # fmt: skip
    return found


NOT_RUN = Summary("lenet5", Status.NOT_RUN)


def test_a_row_is_described_by_its_claim_its_seeds_and_its_expected_seconds():
    found = list_one("lenet5", measured(0.9, 0.91, 0.92), n_seeds=2)
    assert (found.runner, found.label, found.seconds) == ("lenet5", "CNN-LeNet-5", 7.0)
    assert (found.claim.accuracy, found.accuracies) == (0.988, (0.9, 0.91))
    assert (found.no_test, found.failure, found.deterministic) == ("", "", False)
    assert list_one("hog-svm", Summary("hog-svm", Status.NOT_RUN)).deterministic


def test_a_failed_seed_stops_a_row_unless_it_is_measured_again():
    failed = replace(measured(0.9, 0.91, n_looked_at=2), status=Status.FAILED, reason="killed")
    assert list_one("lenet5", failed).failure == "killed"
    assert list_one("lenet5", failed, retries_failed=True).failure == ""


def test_fmbenchs_own_seeds_count_only_where_they_take_the_place_of_a_measurement():
    own = measured(*DOUBTFUL)
    assert list_one("lenet5", NOT_RUN, own).reference == DOUBTFUL
    for summary in (measured(0.9, 0.91), Summary("lenet5", Status.STALE), replace(
        NOT_RUN, status=Status.FAILED, reason="killed")):  # fmt: skip
        assert list_one("lenet5", summary, own).reference == ()
    assert list_one("lenet5", NOT_RUN, replace(own, status=Status.FAILED)).reference == ()


def test_a_runner_in_no_row_has_nothing_to_decide():
    [added] = find_rows(SUITE, ["my_model"])
    assert (added.label, added.claimed) == ("my_model", None)
    assert explain_no_test(added, SUITE.rows) == "untestable: nothing claimed"


def test_two_rows_of_one_runner_are_both_described():
    assert len(find_rows(SUITE, ["svc-rbf"])) == 2


@pytest.mark.parametrize("looks", [None, 3])
def test_a_suite_is_judged_by_looks_where_the_summary_says_so(looks):
    summaries = {"lenet5": replace(measured(*DOUBTFUL, n_looked_at=looks), runner="lenet5")}
    judged = {r.runner: r for r in judge_suite(SUITE, summaries, {})}["lenet5"]
    fixed = make_trial(Claim.of_runner(SUITE.rows, "lenet5"), DOUBTFUL, deterministic=False)
    assert (judged.verdict.p_beyond == pytest.approx(fixed.p_beyond)) == (looks is None)


def test_stop_words_are_those_of_the_file():
    assert {stop.value for stop in Stop} >= {r.stop for r in make_content().rows if r.stop}
    assert UntilDecided(20, 0, ()).runners == frozenset()
