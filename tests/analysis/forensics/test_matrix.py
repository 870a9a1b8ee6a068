"""Every story beside every printed source: what is explained, and which story is the best."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.analysis.forensics.matrix import Match, StoryMatrix, StoryRow, measure_union
from fmbench.analysis.forensics.outcomes import DEFAULT_RUNS
from fmbench.analysis.verdicts import VerdictKind, judge_claim
from tests.analysis.forensics.made import figure, outcome, sources, story

MEANINGS = ("one-vs-rest accuracy", "specificity")
HONEST = (0.905, 0.908, 0.911, 0.907, 0.909)
DIGITS = (0.9890, 0.9905, 0.9915, 0.9900, 0.9895)


def matrix_of(printed, *others, honest=HONEST):
    run = outcome(story(), *honest)
    return StoryMatrix(tuple(printed), run, (run, *others))


def test_where_the_correct_procedure_explains_a_figure_no_other_story_is_compared_with_it():
    printed = sources(figure("91.2%"))
    leak = outcome(story("test images in the training set"), 0.911, 0.912, 0.913)
    found = matrix_of(printed, leak)
    assert found.open_sources == () and found.is_settled(printed[0])
    assert found.best_story is None and found.best_pair is None and found.counts == ()
    assert {row.matches for row in found.rows} == {(Match(printed[0], None),)}


def test_a_claim_that_the_table_calls_reproduced_needs_no_mistake():
    runs = (0.9000, 0.9001, 0.9002, 0.9001, 0.9000)
    printed = figure("90.20%")
    verdict = judge_claim(printed.claim, runs, deterministic=False)
    assert verdict.kind is VerdictKind.REPRODUCED  # by the margin: it is not in the interval
    found = matrix_of(sources(printed), honest=runs)
    assert not found.honest.attempt(printed, found.honest.list_quotings(printed, 10)[0])[0].explains
    assert found.open_sources == ()
    assert matrix_of(sources(figure("91.0%")), honest=runs).open_sources


def test_the_sources_own_protocol_is_judged_as_the_table_judges_it():
    runs = (0.9200, 0.9201, 0.9202, 0.9201, 0.9200)
    printed = figure("92.40%", picked_epoch=True)
    best_epoch = outcome(story("best epoch picked on the test set", epoch="best epoch"), *runs)
    row = matrix_of(sources(printed), best_epoch).best_story
    assert row.outcome is best_epoch and row.departures == ()
    not_stated = figure("92.40%")
    assert matrix_of(sources(not_stated), best_epoch).best_story is None


def test_the_figures_that_the_correct_procedure_leaves_open_are_compared_one_by_one():
    printed = sources(figure("98.8%"), figure("0.17", "mae", where="Table 2"))
    digits = outcome(story("the digits"), *DIGITS)
    found = matrix_of(printed, digits)
    assert [source.where for source in found.open_sources] == ["Table 3"]
    assert found.best_story.explained == (printed[0],)
    by_digits = next(row for row in found.rows if row.outcome is digits)
    assert [match.explained for match in by_digits.matches] == [True, None]


def test_a_story_that_explains_more_comes_first_and_says_what_it_misses():
    printed = sources(
        figure("98.8%"), figure("0.99", "kappa", where="Table 2"),
        figure("0.75", "kappa", where="text"),
    )  # fmt: skip
    digits = outcome(story("the digits"), *DIGITS)
    other = outcome(story("another mistake"), *(0.77, 0.775, 0.78))
    found = matrix_of(printed, other, digits)
    assert found.rows[0].outcome is digits
    assert found.rows[0].missed == (printed[2],)
    pair = found.best_pair
    assert {pair.first.outcome, pair.second.outcome} == {digits, other}
    assert pair.explained == printed and pair.missed == ()


def test_among_equals_the_one_that_departs_least_from_what_is_stated_comes_first():
    printed = sources(figure("98.99%", other_meanings=MEANINGS))
    in_other_words = outcome(story(), *HONEST)  # if specificity is meant
    recipe = outcome(story("the digits"), 0.989, 0.990, 0.991)
    reading = outcome(story("the digits", answers={"optimizer": "sgd"}), 0.989, 0.990, 0.991)
    two = outcome(story("the digits", "training accuracy"), 0.989, 0.990, 0.991)
    found = StoryMatrix(printed, in_other_words, (in_other_words, two, reading, recipe))
    assert [row.outcome for row in found.rows] == [in_other_words, recipe, reading, two]
    assert [len(row.departures) for row in found.rows] == [1, 1, 1, 2]


def test_figures_of_one_table_must_fit_the_same_runs():
    wide = outcome(story("a mistake"), 0.70, 0.78, 0.86)
    kappa = figure("0.75", "kappa", where="Table 2, kappa")
    informedness = figure("0.77", "informedness", where="Table 2, informedness")
    row = matrix_of(sources(kappa, informedness), wide).rows[0]
    assert [match.explained for match in row.matches] == [True, False]
    assert row.matches[1].attempts[0].clash == "kappa 0.75"
    elsewhere = figure("0.77", "informedness", where="text")
    row = matrix_of(sources(kappa, elsewhere), wide).rows[0]
    assert [match.explained for match in row.matches] == [True, True]


def test_a_table_is_not_one_run_in_one_figure_and_the_best_of_ten_in_another():
    runs = (0.900, 0.902, 0.904, 0.901, 0.903)
    mistake = outcome(story("a mistake"), *runs)
    high = figure("0.907", where="Table 2, accuracy")  # one run would not reach it
    low = figure("0.889", "kappa", where="Table 2, kappa")  # and the best of ten is higher
    row = matrix_of(sources(high, low), mistake, honest=(0.5, 0.51, 0.52)).rows[0]
    quotings = {attempt.quoting for match in row.matches for attempt in match.attempts}
    assert len(quotings) == 1


def test_the_counts_say_how_cheap_an_explanation_is():
    printed = sources(figure("98.99%", other_meanings=MEANINGS))
    digits = outcome(story("the digits"), 0.989, 0.990, 0.991)
    [count] = matrix_of(printed, digits).counts
    assert (count.n_stories, count.n_explaining, count.n_as_stated) == (2, 2, 1)
    assert count.n_candidates == 2 * 3 * 2  # stories, metrics, one run or the best of ten
    assert count.n_explaining_candidates >= 2
    assert 0 < count.share_as_stated < count.share_of_range < 1


def test_the_number_of_runs_that_the_paper_names_is_the_number_of_the_best_of():
    printed = sources(figure("91.0%"), figure("91.1%", where="text", n_runs=7))
    assert matrix_of(printed).runs == 7
    assert matrix_of(sources(figure("91.0%"))).runs == DEFAULT_RUNS


def test_figures_that_cannot_be_compared_are_explained_by_nothing():
    run = outcome(story(), 0.988)
    found = StoryMatrix(sources(figure("98.8%")), run, (run,), comparable=False)
    assert found.rows == () and found.best_story is None and found.counts == ()


# ---------------------------------------------------------------- the best pair


@settings(max_examples=60)
@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=8))
def test_the_best_pair_explains_as_many_sources_as_any_two_stories(explained):
    printed = sources(*(figure("50.0%", where=f"Table {i}") for i in range(5)))
    found = matrix_of(printed)
    rows = [
        StoryRow(
            outcome(story("a mistake"), 0.1, 0.2),
            tuple(Match(s, yes) for s, yes in zip(printed, row, strict=True)),
        )
        for row in explained
    ]
    rows.sort(key=lambda row: row.rank)
    found.__dict__["rows"] = tuple(rows)
    most = max(len({*a.explained, *b.explained}) for a in rows for b in rows)
    if most == max(len(row.explained) for row in rows):
        assert found.best_pair is None
    else:
        pair = found.best_pair
        assert len(pair.explained) == most
        assert {*pair.explained} == {*pair.first.explained, *pair.second.explained}
        assert {*pair.explained, *pair.missed} == {*printed}


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(-20, 120), st.integers(0, 60)), max_size=8))
def test_a_union_of_intervals_is_measured_once_where_they_overlap(found):
    intervals = [(low / 100, (low + length) / 100) for low, length in found]
    steps = np.arange(1000) / 1000 + 0.0005
    inside = sum(any(low <= step <= high for low, high in intervals) for step in steps)
    assert measure_union(intervals, 0.0, 1.0) == pytest.approx(inside / 1000, abs=1e-9)
