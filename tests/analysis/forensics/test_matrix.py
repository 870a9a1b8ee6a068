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


def test_at_equal_distance_the_one_that_departs_least_from_what_is_stated_comes_first():
    printed = sources(figure("98.99%", other_meanings=MEANINGS))
    runs = 0.989, 0.990, 0.991
    recipe = outcome(story("the digits"), *runs)
    reading = outcome(story("the digits", answers={"optimizer": "sgd"}), *runs)
    two = outcome(story("the digits", "training accuracy"), *runs)
    found = matrix_of(printed, two, reading, recipe)
    ranked = [row.outcome for row in found.rows if row.outcome is not found.honest]
    assert ranked == [recipe, reading, two]
    assert [row.departures for row in found.rows if row.outcome is recipe] == [("the digits",)]
    assert [len(row.departures) for row in found.rows if row.outcome is two] == [2]


def test_a_story_that_comes_nearer_comes_before_one_that_departs_less():
    printed = sources(figure("98.8%"))
    far = outcome(story("the digits"), *DIGITS)
    near = outcome(story("the digits", "a mistake"), *(each - 0.0019 for each in DIGITS))
    found = matrix_of(printed, far, near)
    assert [row.outcome for row in found.rows[:2]] == [near, far]
    assert found.rows[0].distance < found.rows[1].distance


def few(answer, accuracy, like):
    return outcome(story("the digits", answers={"optimizer": answer}), accuracy, like=like)


def test_a_story_with_few_seeds_comes_after_one_with_enough_even_if_it_is_nearer():
    digits = outcome(story("the digits"), *DIGITS)
    near = few("sgd", 0.988, digits)
    found = matrix_of(sources(figure("98.8%")), near, digits)
    assert [row.outcome for row in found.rows[:2]] == [digits, near]
    assert found.best_story.outcome is digits and found.further_stories == ()


def test_a_story_with_few_seeds_is_not_the_best_if_its_family_has_one_with_enough():
    printed = sources(figure("98.8%"), figure("98.6%", where="text"))
    digits = outcome(story("the digits"), *DIGITS)
    reach = [few("sgd", 0.9866, digits), few("adam", 0.9868, digits)]
    far = few("rmsprop", 0.95, digits)
    elsewhere = outcome(story("another mistake"), 0.90, 0.91, 0.90)
    found = matrix_of(printed, digits, *reach, far, elsewhere)
    assert found.top_story.outcome in reach and len(found.top_story.explained) == 2
    assert found.best_story.outcome is digits
    [further] = found.further_stories
    assert further.source is printed[1] and further.n == 3
    assert [row.outcome for row in further.rows] == reach  # the nearest first
    assert found.equals_of_best == ()
    assert [row.outcome for row in found.unconfirmed] == [found.top_story.outcome]


def test_a_story_with_few_seeds_is_the_best_if_its_family_has_no_other():
    digits = outcome(story("the digits"), *DIGITS)
    other = outcome(story("a mistake", answers={"optimizer": "sgd"}), 0.95, like=digits)
    found = matrix_of(sources(figure("95.0%")), digits, other)
    assert found.best_story is found.top_story and found.best_story.outcome is other
    assert found.further_stories == ()


def test_stories_that_are_just_as_good_are_all_given():
    first, second = (outcome(story(name), 0.989, 0.990, 0.991) for name in ("one", "two"))
    for stories in ((first, second), (second, first)):
        found = matrix_of(sources(figure("99.0%")), *stories)
        best, others = found.best_story.outcome, found.equals_of_best
        assert {best, *(row.outcome for row in others)} == {first, second}


def test_a_way_of_scoring_is_no_departure_only_if_the_source_says_so():
    sign = outcome(story("scored by the sign", flagged="sign"), *DIGITS)
    for scored_as, departures in (("sign", ()), ("", ("scored by the sign",))):
        found = matrix_of(sources(figure("98.8%", scored_as=scored_as)), sign)
        assert found.best_story.departures == departures


def test_the_second_story_of_a_pair_is_the_nearest_in_what_it_adds():
    printed = sources(
        figure("99.0%"), figure("0.99", "kappa", where="text"),
        figure("0.75", "kappa", where="Table 2"),
    )  # fmt: skip
    digits = outcome(story("the digits"), *DIGITS)
    runs = (0.770, 0.775, 0.780)
    near, far = (
        outcome(story(name, name), *(each + shift for each in runs))
        for name, shift in (("near", 0.0), ("far", 0.01))
    )
    for stories in ((near, far), (far, near)):
        pair = matrix_of(printed, digits, *stories).best_pair
        assert (pair.first.outcome, pair.second.outcome, pair.n_equal) == (digits, near, 0)


def test_the_second_story_of_a_pair_is_the_one_that_departs_least_if_both_are_as_near():
    printed = sources(
        figure("99.0%"), figure("0.99", "kappa", where="text"),
        figure("0.75", "kappa", where="Table 2"),
    )  # fmt: skip
    digits = outcome(story("the digits"), *DIGITS)
    runs = 0.770, 0.775, 0.780
    one, two = outcome(story("one"), *runs), outcome(story("one", "another"), *runs)
    for stories in ((one, two), (two, one)):
        pair = matrix_of(printed, digits, *stories).best_pair
        assert (pair.second.outcome, pair.n_equal) == (one, 0)


def test_second_stories_that_are_just_as_good_are_counted():
    printed = sources(
        figure("99.0%"), figure("0.99", "kappa", where="text"),
        figure("0.75", "kappa", where="Table 2"),
    )  # fmt: skip
    digits = outcome(story("the digits"), *DIGITS)
    others = [outcome(story(name), 0.770, 0.775, 0.780) for name in ("one", "two", "three")]
    assert matrix_of(printed, digits, *others).best_pair.n_equal == 2


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


def contradict(figures):
    return {f.metric for f in figures} == {"accuracy", "kappa"}


def test_what_cannot_be_of_the_run_of_an_explained_accuracy_is_compared_with_no_story():
    printed = sources(
        figure("91.0%"), figure("0.75", "kappa"), figure("1.4", "mse", where="Table 3, MSE"),
        figure("0.76", "kappa", where="text"),
    )  # fmt: skip
    other = outcome(story("a mistake"), 0.77, 0.775, 0.78)
    honest = outcome(story(), *HONEST)
    found = StoryMatrix(printed, honest, (honest, other), contradict=contradict)
    [clash] = found.clashes
    assert (clash.source, clash.accuracy) == (printed[0], printed[0].figures[0])
    assert clash.figures == printed[0].figures[1:]
    assert [s.where for s in found.open_sources] == ["Table 3, MSE", "text"]
    assert not found.is_settled(printed[0])
    [row] = [row for row in found.rows if row.outcome is other]
    assert row.get_match(printed[0]) == Match(printed[0], None)
    assert [s.where for s in row.explained] == ["text"], "another place may have another run"
    assert StoryMatrix(printed, honest, (honest, other)).clashes == ()


def test_an_accuracy_that_is_not_explained_takes_no_other_figure_away():
    printed = sources(figure("98.0%"), figure("0.75", "kappa"))
    honest = outcome(story(), *HONEST)
    assert StoryMatrix(printed, honest, (honest,), contradict=contradict).clashes == ()


def test_if_two_figures_and_the_accuracy_clash_the_accuracy_is_kept():
    wide = (0.70, 0.78, 0.86)
    printed = sources(
        figure("86.0%"), figure("0.75", "kappa"), figure("0.75", "informedness"),
    )  # fmt: skip
    found = matrix_of(printed, honest=wide)
    assert [f.metric for f in found.needs_no_mistake] == ["accuracy"]


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
