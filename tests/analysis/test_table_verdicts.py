"""The verdicts of a table: which rule comes first, and what the source's own protocol gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fmbench.analysis.controls import compare_control
from fmbench.analysis.evaluation import judge_suite, read_results
from fmbench.analysis.reference import REFERENCE_RESULTS, SUMMARY_FILE, read_summary, write_summary
from fmbench.analysis.statistics import SampleFigure
from fmbench.analysis.summary import BEST_EPOCH_TEXT, FlaggedFigure, Status, Summary
from fmbench.analysis.table_verdicts import (
    GridMembers,
    find_untested,
    judge_on_todays_images,
    judge_rows,
    judge_source_protocols,
    load_grids,
)
from fmbench.analysis.verdicts import VerdictKind
from fmbench.errors import UserError
from fmbench.models.registry import BEST_EPOCH
from fmbench.suites import reader
from fmbench.suites.bundled import find_bundled_suite
from fmbench.suites.claims import Control, Grid, Row, Suite


def row(claimed="90.00", recipe="stated", **options):
    return Row("Table 3", "A model", "model", claimed, recipe=recipe, **options)


def measured(*accuracies, name="model", **options):
    n, mean = len(accuracies), float(np.mean(accuracies))
    sd = float(np.std(accuracies, ddof=1)) if n > 1 else 0.0
    return Summary(name, Status.MEASURED, n, mean, sd, accuracies=accuracies, **options)


FIVE = measured(0.898, 0.899, 0.9, 0.901, 0.902)
ONE_SEED = replace(measured(0.9), sd=None)
FAILED = replace(FIVE, status=Status.FAILED, reason="killed (seed 5)")
STALE = Summary("model", Status.STALE, reason="revision 1 -> 2")
NOT_RUN = Summary("model", Status.NOT_RUN)
NO_RUNNER = Summary("model", Status.NO_RUNNER, reason="there is no 'model'. Did you mean 'mode'?")
QUOTES = {"source": "51.1", "cited": "Xiao", "certainty": "verified"}
OLD = {"images": "first release"}
MISQUOTED = "misquotes its source: the source says 51.1, the claim is 90.00: another figure"
RERUN = f"{MISQUOTED}; a rerun of the claim as printed: "


# ---------------------------------------------------------------- which rule comes first


@pytest.mark.parametrize(
    ("the_row", "summary", "verdict"),
    [
        (row(), FIVE, "reproduced"),
        (row(recipe="partly stated"), FIVE, "reproduced"),
        (row("90.40"), FIVE, "within one run's spread"),
        (row("98.80"), FIVE, "not reproduced, claim higher"),
        (row("80.00"), FIVE, "not reproduced, claim lower"),
        (row("90.50"), measured(0.9), "reproduced"),
        (row("90.51"), measured(0.9), "not reproduced, claim higher"),
        (row("90.5"), measured(0.8996), "reproduced"),
        (row(), measured(0.9, 0.9001), "untestable: 2 seeds of a stochastic model, 3 needed"),
        (row(), ONE_SEED, "untestable: 1 seed of a stochastic model, 3 needed"),
        # Not measured.
        (row(), None, "not run: no runner"),
        (row(), NO_RUNNER, f"not run: no runner: {NO_RUNNER.reason}"),
        (row(), NOT_RUN, "not run"),
        (row(), STALE, "not run: stale: revision 1 -> 2"),
        (row(), FAILED, "failed: killed (seed 5)"),
        # A misquotation is known without a run, and comes before everything else.
        (row(**QUOTES), FIVE, f"{RERUN}reproduced"),
        (row(**QUOTES), measured(0.5), f"{RERUN}not reproduced, claim higher"),
        (row(**QUOTES), ONE_SEED, MISQUOTED),
        (row(**QUOTES, **OLD), FIVE, MISQUOTED),
        (row(recipe="not stated", **QUOTES), FIVE, MISQUOTED),
        (row(**QUOTES), None, MISQUOTED),
        (row(**QUOTES), NOT_RUN, MISQUOTED),
        (row(**QUOTES), FAILED, MISQUOTED),
        (row(recipe="not stated", **QUOTES, **OLD), STALE, MISQUOTED),
        (row(**(QUOTES | {"certainty": "second hand"})), FIVE, "reproduced"),
        (row(**(QUOTES | {"source": "90.0"})), FIVE, "reproduced"),
        # Untestable comes before the release of the images.
        (row(recipe="not stated"), FIVE, "untestable: recipe not stated"),
        (row(None), FIVE, "untestable: nothing claimed"),
        (row(None, **OLD), FIVE, "untestable: nothing claimed"),
        (row(recipe="not stated", **OLD), FIVE, "untestable: recipe not stated"),
        (row(**OLD), NOT_RUN, "not run"),
        (row(**OLD), FAILED, "failed: killed (seed 5)"),
        (row(**OLD), FIVE, "claimed of other images: the first release"),
        (row("98.80", **OLD), FIVE, "claimed of other images: the first release"),
        (row(**OLD), ONE_SEED, "claimed of other images: the first release"),
        # A limit that the rerun keeps is no figure to compare with.
        (
            row("85", bound="at least"),
            FIVE,
            "untestable: the claim is only a limit, at least 85, and the rerun keeps it",
        ),
        (row("98.80", bound="at least"), FIVE, "not reproduced, claim higher"),
        (
            row("95", bound="at most"),
            FIVE,
            "untestable: the claim is only a limit, at most 95, and the rerun keeps it",
        ),
        (row("80.00", bound="at most"), FIVE, "not reproduced, claim lower"),
    ],
)
def test_each_row_of_a_table_gets_a_verdict(the_row, summary, verdict):
    summaries = {} if summary is None else {"model": summary}
    assert [str(v) for v in judge_rows([the_row], summaries)] == [verdict]


def test_a_reason_makes_every_claim_of_a_table_untestable_except_misquotations():
    rows = [row(), row(**OLD), row(**QUOTES)]
    verdicts = judge_rows(rows, {"model": FIVE}, untestable="claimed of another test set")
    assert [str(v) for v in verdicts] == [
        "untestable: claimed of another test set",
        "untestable: claimed of another test set",
        MISQUOTED,
    ]


def test_the_control_stands_in_the_reason_of_a_claim_of_other_images():
    control = compare_control(Control("mnist", "87.3"), (0.8735,), deterministic=True)
    [verdict] = judge_rows([row(**OLD)], {"model": measured(0.9)}, controls=[control])
    assert verdict.reason == (
        "the first release; on the MNIST handwritten digits, which have not changed, it gets 87.35 "
        "against 87.3"
    )
    without = compare_control(Control("mnist", "87.3"), (), deterministic=True)
    [verdict] = judge_rows([row(**OLD)], {"model": measured(0.9)}, controls=[without])
    assert verdict.reason == "the first release"


def test_an_untested_row_still_shows_its_interval_and_whether_it_agrees_to_the_digit():
    [verdict] = judge_rows([row("90.00", **OLD)], {"model": measured(0.9)})
    assert (verdict.interval, verdict.to_the_digit) == ((0.9, 0.9), True)
    [verdict] = judge_rows([row("90.00", mean_of=5, **OLD)], {"model": FIVE})
    assert verdict.interval == SampleFigure(FIVE.accuracies, 5).interval
    assert (verdict.p_within, verdict.p_beyond, verdict.delta_star) == (None, None, None)
    [verdict] = judge_rows([row("90.00", best_of=7, **OLD)], {"model": FIVE})
    assert verdict.interval == SampleFigure(FIVE.accuracies, 1, 7).interval


def test_a_claim_of_other_images_is_also_judged_as_if_it_were_about_todays():
    rows = [row(**OLD), row("98.80", **OLD), row(), row(None, **OLD)]
    verdicts = judge_rows(rows, {"model": FIVE})
    found = judge_on_todays_images(rows, {"model": FIVE}, verdicts)
    assert [verdict and verdict.word for verdict in found] == [
        "reproduced", "not reproduced, claim higher", None, None
    ]  # fmt: skip
    assert found[1].p_holm == pytest.approx(3 * found[1].p_beyond), "three claims are tested"
    assert judge_on_todays_images(rows[2:3], {"model": FIVE}, verdicts[2:3]) == [None]
    wide = judge_on_todays_images(rows[:1], {"model": FIVE}, verdicts[:1], margin=0.0001)
    assert wide[0].kind is VerdictKind.WITHIN_SPREAD


def test_margin_and_level_change_the_verdict():
    near = row("90.40")
    assert judge_rows([near], {"model": FIVE})[0].kind is VerdictKind.WITHIN_SPREAD
    assert judge_rows([near], {"model": FIVE}, margin=0.01)[0].kind is VerdictKind.REPRODUCED
    far = row("90.55")
    assert judge_rows([far], {"model": FIVE})[0].kind is VerdictKind.UNDECIDABLE
    strict = judge_rows([far], {"model": FIVE}, margin=0.0)
    assert strict[0].kind is VerdictKind.CLAIM_HIGHER


def test_more_rows_make_each_test_stricter():
    close = row("91.00")
    alone = judge_rows([close], {"model": FIVE})
    among = judge_rows([close, *[row()] * 30], {"model": FIVE})
    assert alone[0].kind is VerdictKind.CLAIM_HIGHER
    assert not among[0].kind.differs
    assert (alone[0].p_beyond, alone[0].p_holm) == (among[0].p_beyond, alone[0].p_beyond)
    assert among[0].p_holm == pytest.approx(31 * among[0].p_beyond)


def test_rows_that_are_not_tested_do_not_count_for_the_correction():
    close = row("91.00")
    others = [row(recipe="not stated"), row(None), row(**OLD), row(**QUOTES)] * 8
    assert judge_rows([close, *others], {"model": FIVE})[0].kind is VerdictKind.CLAIM_HIGHER


def test_the_rerun_of_a_misquotation_is_corrected_for_all_rows_with_a_test():
    close = row("91.00", **QUOTES)
    assert judge_rows([close], {"model": FIVE})[0].reason.endswith("claim higher")
    among = judge_rows([close, *[row()] * 30], {"model": FIVE})
    assert "not reproduced" not in among[0].reason
    assert {v.kind for v in among[1:]} == {VerdictKind.REPRODUCED}


def test_the_reason_names_the_number_of_rows_if_only_their_number_prevents_a_decision():
    rows = [row("90.85"), *[row()] * 60]
    alone, among = (judge_rows(some, {"model": FIVE})[0] for some in (rows[:1], rows))
    assert alone.kind is VerdictKind.MORE_SEEDS
    assert among.kind is VerdictKind.UNDECIDABLE
    assert among.reason == (
        "61 rows are tested together, so 20 seeds would probably not decide; by itself, this row "
        f"would need {alone.seeds_needed}"
    )
    decided = judge_rows([row("91.00"), *rows[1:]], {"model": FIVE})[0]
    assert judge_rows([row("91.00")], {"model": FIVE})[0].kind is VerdictKind.CLAIM_HIGHER
    assert decided.kind is VerdictKind.UNDECIDABLE
    assert decided.reason.endswith("by itself, this row would need 5")


# ---------------------------------------------------------------- the source's own protocol

SIGN = "scored by signs"
SCORED = {"scored_as": "sign"}
EPOCHS = FlaggedFigure(f"{BEST_EPOCH_TEXT}, as they did", (0.9, 0.91, 0.92))


def sign(*accuracies):
    return {"sign": FlaggedFigure(SIGN, accuracies)}


def protocol_of(the_row, summary, grids=None):
    rows, summaries = [the_row], {"model": summary}
    untested = find_untested(rows, summaries)
    found = {key: GridMembers(tuple(members)) for key, members in (grids or {}).items()}
    [result] = judge_source_protocols(rows, summaries, untested, found)
    return result


def test_another_way_of_scoring_is_judged_beside_the_honest_one():
    worse = tuple(a - 0.0125 for a in FIVE.accuracies)
    summary = replace(FIVE, flagged=sign(*worse))
    result = protocol_of(row("88.75", **SCORED), summary)
    assert (result.description, result.accuracies, result.n) == (SIGN, worse, 5)
    assert (result.mean, result.flatters) == pytest.approx((0.8875, -0.0125))
    assert result.sd == pytest.approx(FIVE.sd)
    assert result.verdict.kind is VerdictKind.REPRODUCED
    assert judge_rows([row("88.75")], {"model": summary})[0].kind is VerdictKind.CLAIM_LOWER


def test_where_the_source_s_protocol_is_the_honest_one_there_is_no_second_verdict():
    assert protocol_of(row(), FIVE) is None
    assert protocol_of(row(picked="best epoch"), FIVE) is None, "no epochs are stored"


def test_a_row_gets_a_second_verdict_only_by_the_protocol_that_it_names():
    summary = replace(FIVE, flagged={**sign(0.7, 0.71, 0.72), BEST_EPOCH: EPOCHS})
    rows = [row(), row(picked="best epoch"), row(**SCORED), row(scored_as="sing"), row(best_of=5)]
    untested = find_untested(rows, {"model": summary})
    results = judge_source_protocols(rows, {"model": summary}, untested, {})
    expected = [None, EPOCHS.description, SIGN, None, None]
    assert [result and result.description for result in results] == expected
    for the_row, description in zip(rows, expected, strict=True):
        alone = protocol_of(the_row, summary)
        assert (alone and alone.description) == description, "other rows change nothing"
    assert protocol_of(row(picked="best epoch"), replace(FIVE, flagged=sign(0.7, 0.71))) is None


def test_one_seed_of_a_stochastic_model_has_no_spread():
    one = replace(ONE_SEED, flagged=sign(0.9))
    assert (protocol_of(row(**SCORED), one).sd, protocol_of(row(**SCORED), one).n) == (None, 1)
    fixed = replace(measured(0.9), flagged=sign(0.9))
    assert protocol_of(row(**SCORED), fixed).sd == 0.0


def test_a_source_figure_with_fewer_seeds_is_judged_by_its_own_number_of_seeds():
    summary = replace(FIVE, flagged=sign(0.9, 0.901))
    verdict = protocol_of(row(**SCORED), summary).verdict
    assert str(verdict) == "untestable: 2 seeds of a stochastic model, 3 needed"


def test_the_best_of_several_runs_has_one_verdict_which_compares_it_with_such_a_figure():
    the_row = row("90.20", best_of=5)
    assert protocol_of(the_row, FIVE) is None
    [verdict] = judge_rows([the_row], {"model": FIVE})
    assert verdict.interval == SampleFigure(FIVE.accuracies, 1, 5).interval


@pytest.mark.parametrize("options", [{"recipe": "not stated"}, OLD, QUOTES, {"claimed": None}])
def test_what_cannot_be_tested_has_the_same_verdict_by_both_protocols(options):
    the_row = row(**({"claimed": "90.00"} | SCORED | options))
    summary = replace(FIVE, flagged=sign(*FIVE.accuracies))
    [honest] = judge_rows([the_row], {"model": summary})
    by_source = protocol_of(the_row, summary).verdict
    assert by_source.kind is honest.kind and honest.reason.startswith(by_source.reason)
    assert by_source.interval == SampleFigure(FIVE.accuracies).interval


def test_a_row_that_is_not_measured_or_failed_has_no_second_verdict():
    for summary in (NOT_RUN, STALE, replace(FAILED, flagged=sign(0.9, 0.9, 0.9))):
        assert protocol_of(row(**SCORED), summary) is None


def test_the_second_verdicts_are_corrected_among_themselves():
    summary = replace(FIVE, flagged=sign(*FIVE.accuracies))
    rows = [row("91.00", **SCORED), *[row(**SCORED)] * 30, *[row()] * 30]
    untested = find_untested(rows, {"model": summary})
    alone = protocol_of(rows[0], summary).verdict
    among = judge_source_protocols(rows, {"model": summary}, untested, {})[0].verdict
    assert alone.kind is VerdictKind.CLAIM_HIGHER and not among.kind.differs
    assert among.p_holm == pytest.approx(31 * among.p_beyond)


# ---------------------------------------------------------------- grids

PICKED = {"picked": "best of a grid", "grid": "All"}
KEY = ("All", "fashion-mnist", "model")


def test_the_best_of_a_grid_is_judged_from_all_its_members():
    members = [FIVE, measured(0.897, 0.899, 0.9, 0.901, 0.903), measured(0.85)]
    result = protocol_of(row("90.10", **PICKED), FIVE, {KEY: members})
    assert result.description == "best of a grid of 3 configurations, picked on the test set"
    assert (result.accuracies, result.n) == ((), 5)
    assert 0 < result.flatters < 0.002
    assert result.verdict.kind in (VerdictKind.REPRODUCED, VerdictKind.WITHIN_SPREAD)


@pytest.mark.parametrize("members", [[], [FIVE, None], [FIVE, NOT_RUN]])
def test_a_grid_with_a_member_without_records_gives_no_figure(members):
    assert protocol_of(row(**PICKED), FIVE, {KEY: members}) is None


def test_a_member_with_one_run_borrows_the_spread_of_the_picked_one():
    result = protocol_of(row(**PICKED), FIVE, {KEY: [FIVE, ONE_SEED]})
    assert (result.n, result.sd) == (1, None), "the spread is not that of its own runs"
    assert result.borrows_spread
    assert not protocol_of(row(**PICKED), FIVE, {KEY: [FIVE, FIVE]}).borrows_spread
    assert not protocol_of(row(**PICKED), FIVE, {KEY: [FIVE, measured(0.8)]}).borrows_spread
    low, high = protocol_of(row(**PICKED), FIVE, {KEY: [FIVE, FIVE]}).verdict.interval
    assert high - low > 0
    assert result.verdict.interval[1] - result.verdict.interval[0] > high - low
    assert protocol_of(row(**PICKED), ONE_SEED, {KEY: [ONE_SEED]}) is None, "there is no spread"


def test_the_description_says_if_most_configurations_were_measured_once():
    def describe(*members):
        return protocol_of(row(**PICKED), FIVE, {KEY: members}).description

    once = "best of a grid of 3 configurations, most of them measured once, picked on the test set"
    assert describe(FIVE, ONE_SEED, ONE_SEED) == once
    assert "once" not in describe(FIVE, FIVE, ONE_SEED)
    assert "once" not in describe(FIVE, measured(0.8), measured(0.81)), "they are deterministic"


def test_what_a_grid_adds_is_given_if_it_is_larger_than_its_error():
    far = measured(*(a + 0.01 for a in FIVE.accuracies))
    result = protocol_of(row(**PICKED), FIVE, {KEY: [FIVE, far]})
    assert result.flatters == pytest.approx(0.01, abs=1e-4)
    noisy = protocol_of(row(**PICKED), FIVE, {KEY: [FIVE, replace(ONE_SEED, accuracies=(0.899,))]})
    assert noisy.mean > FIVE.mean and noisy.flatters is None
    sure = protocol_of(row(**PICKED), FIVE, {KEY: [FIVE, measured(0.85)]})
    assert sure.flatters == pytest.approx(0, abs=1e-9), "the row is the best, whatever the noise"


def make_suite(path, **options):
    grid = Grid("All", estimator="sklearn.tree:DecisionTreeClassifier", **options)
    rows = [
        Row("Table 3", f"{label} {dataset}", f"{label} {dataset}", "90.0", recipe="stated",
            picked="best of a grid", grid="All", estimator=grid.estimator, dataset=dataset)
        for label in ("shallow", "deep")
        for dataset in ("fashion-mnist", "mnist")
    ]  # fmt: skip
    return Suite(path, "A suite", (1000,) * 10, tuple(rows), grids=(grid,))


FASHION = ["shallow fashion-mnist", "deep fashion-mnist"]


def test_the_members_of_a_grid_in_the_same_suite_are_its_rows_on_the_same_data_set(tmp_path):
    suite = make_suite(tmp_path / "own.toml")
    summaries = {r.runner: replace(FIVE, runner=r.runner) for r in suite.rows[:3]}
    grids = load_grids(suite, tmp_path, summaries)
    names = {key[1:]: [m and m.runner for m in g.summaries] for key, g in grids.items()}
    assert names == {
        ("fashion-mnist", "shallow fashion-mnist"): FASHION,
        ("fashion-mnist", "deep fashion-mnist"): FASHION,
        ("mnist", "shallow mnist"): ["shallow mnist", None],
    }
    assert not any(grid.from_reference for grid in grids.values())
    grids = load_grids(suite, tmp_path, summaries, from_reference=FASHION[:1])
    filled = {dataset: grid.from_reference for (_, dataset, _), grid in grids.items()}
    assert filled == {"fashion-mnist": True, "mnist": False}, "one of its members is fmbench's own"


def test_the_members_of_a_grid_in_another_suite_come_from_the_results_folder_or_the_reference(
    tmp_path, caplog
):
    suite = reader.read_suite()
    [the_row] = [r for r in suite.rows if r.runner == "extra-tree"]
    summaries = {"extra-tree": replace(FIVE, runner="extra-tree")}
    key = (the_row.grid, the_row.dataset, "extra-tree")
    from_reference = load_grids(suite, tmp_path, summaries)[key]
    at_home = load_grids(suite, tmp_path, summaries, is_reference=True)[key]
    assert at_home == replace(from_reference, from_reference=False)
    assert from_reference.from_reference and len(from_reference.summaries) == 12
    assert from_reference.summaries[1].mean == pytest.approx(0.78318)
    other = reader.read_suite(find_bundled_suite("xiao2017"))
    members = reader.find_grid_rows(suite, the_row.grid, the_row.dataset)
    own = [replace(FIVE, runner=member.runner) for member in members]
    path = other.folder_in(tmp_path) / SUMMARY_FILE
    path.parent.mkdir()
    write_summary(path, own[:-1], [])
    assert load_grids(suite, tmp_path, summaries)[key] == from_reference, "one is missing"
    write_summary(path, own, [])
    found = load_grids(suite, tmp_path, summaries)[key]
    assert [m.mean for m in found.summaries] == [FIVE.mean] * 12 and not found.from_reference
    assert load_grids(suite, tmp_path, {}) == {}, "nothing is measured that was picked"

    path.write_text("{")
    with caplog.at_level("WARNING", "fmbench"):
        assert load_grids(suite, tmp_path, summaries)[key] == from_reference, "damaged"
    assert "is damaged" in caplog.text and "fmbench's own run is used" in caplog.text


def test_a_grid_that_names_a_row_that_does_not_exist_is_an_error(tmp_path):
    the_row = row(picked="best of a grid", grid="trees")
    grid = Grid("trees", "xiao2017", labels=("no such model",))
    suite = Suite(tmp_path / "s.toml", "S", (1000,) * 10, (the_row,), grids=(grid,))
    with pytest.raises(UserError, match=r"\[\[grid\]\] \(trees\): no row of xiao2017"):
        load_grids(suite, tmp_path, {"model": FIVE})


@pytest.mark.parametrize("runner", ["perceptron", "decision-tree", "random-forest", "linear-svc"])
def test_the_member_that_is_the_row_s_own_configuration_has_all_seeds_of_the_row(tmp_path, runner):
    suite = reader.read_suite()
    [the_row] = [r for r in suite.rows if r.runner == runner]
    own = replace(FIVE, runner=runner)
    grids = load_grids(suite, tmp_path, {runner: own})
    members = grids[the_row.grid, the_row.dataset, runner].summaries
    places = [i for i, member in enumerate(members) if member == own]
    rows = reader.find_grid_rows(suite, the_row.grid, the_row.dataset)
    source = float(the_row.source.strip("%")) / 100
    assert [float(rows[i].claimed) for i in places] == pytest.approx([source])


def test_a_runner_with_other_parameters_is_no_member(tmp_path):
    suite = reader.read_suite()
    summaries = {"svc-rbf": replace(FIVE, runner="svc-rbf")}
    [members] = load_grids(suite, tmp_path, summaries).values()
    assert summaries["svc-rbf"] not in members.summaries, "the grid states gamma in another way"


# ---------------------------------------------------------------- controls of a suite


def test_a_control_comes_from_the_user_s_runs_or_else_from_the_reference(tmp_path):
    suite = Suite(tmp_path / "own.toml", "A suite", (1000,) * 10,
                  (row("90.0", control=Control("mnist", "87.3"), **OLD),))  # fmt: skip
    own = measured(0.9, controls={"mnist": (0.873,)})
    reference = measured(0.9, controls={"mnist": (0.8,)})
    [judged] = judge_suite(suite, {"model": own}, {"model": reference})
    assert (judged.control.mean, judged.control.agrees) == (0.873, True)
    assert not judged.control.from_reference and judged.control.borrows_spread is False
    [judged] = judge_suite(suite, {"model": measured(0.9)}, {"model": reference})
    assert (judged.control.mean, judged.control.agrees) == (0.8, False)
    assert judged.control.from_reference and judged.as_dict()["control_from_reference"]
    [judged] = judge_suite(suite, {"model": measured(0.9)}, {})
    assert (judged.control.mean, judged.control.agrees) == (None, None)
    assert judged.as_dict()["control_claimed"] == 0.873


# ---------------------------------------------------------------- the committed records


@pytest.fixture(scope="module")
def reference(source):
    results = read_results(REFERENCE_RESULTS, reader.read_suite(), data=source.folder)
    return {row.label: row for row in results.rows}


@pytest.mark.parametrize(
    ("label", "mean", "honest", "flatters", "source_mean", "delta_star"),
    [
        ("CNN using SVM activation function", 0.9180, VerdictKind.UNDECIDABLE, -0.0125, 0.9055,
         0.0038),
        ("CNN with Batch Normalization", 0.9211, VerdictKind.REPRODUCED, 0.0023, 0.9233, 0.0020),
        ("CNN with Batch Normalization and Residual skip", 0.9197, VerdictKind.UNDECIDABLE, 0.0036,
         0.9233, 0.0039),
    ],
)  # fmt: skip
def test_three_rows_are_reproduced_by_their_source_s_protocol(
    reference, label, mean, honest, flatters, source_mean, delta_star
):
    row = reference[label]
    assert row.mean == pytest.approx(mean, abs=1e-4) and row.verdict.kind is honest
    protocol = row.source_protocol
    assert protocol.verdict.kind is VerdictKind.REPRODUCED
    assert protocol.mean == pytest.approx(source_mean, abs=1e-4)
    assert protocol.flatters == pytest.approx(flatters, abs=1e-4)
    assert protocol.verdict.delta_star == pytest.approx(delta_star, abs=1e-4)


def test_the_honest_intervals_of_two_rows_exclude_their_claims(reference):
    for label, low, high in (
        ("CNN using SVM activation function", 0.9090, 0.9269),
        ("CNN with Batch Normalization and Residual skip", 0.9146, 0.9248),
    ):
        row = reference[label]
        assert row.verdict.interval == pytest.approx((low, high), abs=1e-4)
        assert not low <= row.claimed <= high


def test_the_best_of_the_twelve_extra_trees_is_a_mean_of_five_runs(reference):
    # One run of each of the twelve would give 78.92 with a spread of 0.54.
    protocol = reference["ExtraTreeClassifier"].source_protocol
    assert protocol.description.startswith("best of a grid of 12 configurations")
    assert (protocol.mean, protocol.sd) == pytest.approx((0.7854, 0.0026), abs=5e-5)
    row = reference["ExtraTreeClassifier"]
    assert (row.mean, row.sd) == pytest.approx((0.7792, 0.0084), abs=5e-5)


@pytest.mark.parametrize(
    ("label", "mean", "flatters"),
    [("Decision Tree Classifier", 0.8110, 0.0), ("RandomForestClassifier", 0.8779, None),
     ("Perceptron", 0.8026, None)],
)  # fmt: skip
def test_grids_of_single_runs_use_all_seeds_of_the_row_and_say_no_noisy_gain(
    reference, label, mean, flatters
):
    protocol = reference[label].source_protocol
    assert protocol.mean == pytest.approx(mean, abs=1e-4)
    assert (
        protocol.flatters == (flatters and pytest.approx(flatters)) or abs(protocol.flatters) < 1e-6
    )
    assert "most of them measured once" in protocol.description
    assert reference["ExtraTreeClassifier"].source_protocol.flatters == pytest.approx(
        0.0062, abs=1e-4
    )


def test_rows_of_the_first_release_are_never_called_not_reproduced(reference):
    rows = [r for r in reference.values() if r.row.images == "first release" and r.n]
    assert len(rows) >= 8
    assert {r.verdict.kind for r in rows if r.row.claimed} == {
        VerdictKind.OTHER_IMAGES, VerdictKind.MISQUOTED
    }  # fmt: skip


def test_the_naive_bayes_row_misquotes_its_source_and_lenet5_is_not_reproduced(reference):
    bayes = reference["GaussianNB"]
    assert bayes.verdict.kind is VerdictKind.MISQUOTED and bayes.misquote.source == "51.1"
    assert "GradientBoostingClassifier" in bayes.verdict.reason
    assert [label for label, row in reference.items() if row.misquote] == ["GaussianNB"]
    lenet = reference["CNN-LeNet-5"].verdict
    assert lenet.kind is VerdictKind.CLAIM_HIGHER and lenet.p_holm < 1e-4


def test_the_verdicts_can_be_given_from_the_written_summary_alone(reference, tmp_path):
    summaries = {row.runner: row.summary for row in reference.values()}
    path = tmp_path / SUMMARY_FILE
    write_summary(path, summaries.values(), [])
    read = {name: summary for name, summary in summaries.items() if not summary.n}
    read |= read_summary(path)
    suite = reader.read_suite()
    grids = load_grids(suite, REFERENCE_RESULTS, read)
    for again in judge_suite(suite, read, {}, grids=grids):
        row = reference[again.label]
        assert str(again.verdict) == str(row.verdict)
        assert again.control == row.control
        assert (again.source_protocol is None) == (row.source_protocol is None)
        if row.source_protocol:
            assert again.source_protocol.verdict.kind is row.source_protocol.verdict.kind
            assert again.source_protocol.mean == pytest.approx(row.source_protocol.mean, abs=1e-6)
            assert again.source_protocol.flatters == (
                row.source_protocol.flatters and pytest.approx(row.source_protocol.flatters)
            )
