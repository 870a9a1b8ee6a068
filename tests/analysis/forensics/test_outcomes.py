"""When a story explains a printed figure or a table of classes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.analysis.forensics.outcomes import (
    Outcome,
    TableAttempt,
    average_over_partners,
    compute_permutation_p,
)
from fmbench.analysis.forensics.printed import ClassTable, PrintedFigure
from fmbench.analysis.statistics import Quoting, compute_interval, lies_in
from fmbench.analysis.summary import Status
from tests.analysis.forensics.made import confusion, figure, outcome, story

ONE, BEST = Quoting(), Quoting(best_of=10)
RUNS = (0.905, 0.908, 0.911, 0.907, 0.909)
MEANINGS = ("one-vs-rest accuracy", "specificity")


def attempt(found, printed, quoting=ONE, metric=None):
    attempts = found.attempt(printed, quoting)
    return next(a for a in attempts if a.metric == (metric or printed.metric))


# ---------------------------------------------------------------- single figures


@settings(max_examples=50)
@given(st.integers(8500, 9500), st.sampled_from([ONE, BEST, Quoting(n_runs=4)]))
def test_a_figure_is_explained_if_it_lies_in_the_interval_of_what_it_is(hundredths, quoting):
    printed = figure(f"{hundredths / 100:.2f}%")
    found = attempt(outcome(story(), *RUNS), printed, quoting)
    interval = compute_interval(RUNS, n_runs=quoting.n_runs, best_of=quoting.best_of)
    assert (found.low, found.high) == pytest.approx(interval)
    assert found.explains == lies_in(interval, printed.low, printed.high)
    assert found.value == pytest.approx(np.mean(RUNS))


def test_a_name_may_mean_other_metrics_and_that_is_a_departure():
    printed = figure("98.99%", other_meanings=MEANINGS)
    named, one_vs_rest, specificity = outcome(story(), *RUNS).attempt(printed, ONE)
    assert (named.explains, named.departures) == (False, ())
    assert one_vs_rest.value == pytest.approx(1 - 2 * (1 - np.mean(RUNS)) / 10)
    assert specificity.value == pytest.approx(1 - (1 - np.mean(RUNS)) / 9)
    assert specificity.explains and specificity.departures == ("specificity is meant",)


def test_another_way_of_quoting_than_the_paper_describes_is_a_departure():
    printed = figure("91.3%", n_runs=10)
    found = outcome(story(), *RUNS)
    assert found.list_quotings(printed, 10) == (Quoting(n_runs=10), ONE, BEST)
    described, best = (attempt(found, printed, q) for q in (Quoting(n_runs=10), BEST))
    assert (described.explains, described.departures) == (False, ())
    assert best.explains
    assert best.departures == ("it is the best of 10 runs, not the mean of 10 runs",)


def test_the_best_of_several_runs_has_the_smallest_error():
    found = outcome(story(), 0.90, 0.91, 0.92)
    one, best = (attempt(found, figure("0.09", "mae"), quoting) for quoting in (ONE, BEST))
    assert best.low < one.low and best.high < one.high


def test_a_deterministic_model_explains_its_own_figure_and_no_other():
    found = outcome(story(deterministic=True), 0.9)
    assert attempt(found, figure("90.00%")).explains
    assert not attempt(found, figure("90.01%")).explains
    assert found.list_quotings(figure("90.00%"), 10) == (ONE,)


def test_fewer_than_three_seeds_without_a_recipe_to_compare_with_explain_nothing():
    assert outcome(story(), 0.9).attempt(figure("90.0%"), ONE) == []
    assert outcome(story(), 0.9, 0.91).attempt(figure("90.0%"), ONE) == []
    two = outcome(story(), 0.9, 0.91, like=outcome(story(), *RUNS))
    assert two.attempt(figure("90.0%"), ONE)[0].explains


@pytest.mark.parametrize("quoting", [ONE, BEST, Quoting(n_runs=4)])
def test_one_seed_takes_the_interval_of_the_recipe_moved_to_its_own_mean(quoting):
    lender = outcome(story(), *RUNS)
    reading = outcome(story(answers={"optimizer": "sgd"}), 0.85, like=lender)
    printed = figure("85.5%")
    found, lent = attempt(reading, printed, quoting), attempt(lender, printed, quoting)
    assert lender.has_enough_seeds and not reading.has_enough_seeds
    shift = 0.85 - np.mean(RUNS)
    assert (found.low, found.high) == pytest.approx((lent.low + shift, lent.high + shift))


@settings(max_examples=50)
@given(st.integers(8900, 9300), st.integers(8900, 9300))
def test_fewer_seeds_never_turn_a_miss_into_a_match(hundredths, mean):
    lender = outcome(story(), *RUNS)
    reading = outcome(story(answers={"optimizer": "sgd"}), mean / 10_000, like=lender)
    printed = figure(f"{hundredths / 100:.2f}%")
    recipe, one_seed = attempt(lender, printed), attempt(reading, printed)
    if one_seed.explains and not recipe.explains:
        assert abs(one_seed.value - printed.value) < abs(recipe.value - printed.value)


def test_a_reading_with_three_seeds_has_a_spread_of_its_own():
    lender = outcome(story(), *RUNS)
    runs = (0.85, 0.86, 0.87)
    reading = outcome(story(answers={"optimizer": "sgd"}), *runs, like=lender)
    found = attempt(reading, figure("85.5%"))
    assert reading.has_enough_seeds
    assert (found.low, found.high) == pytest.approx(compute_interval(runs))


def test_distances_are_in_half_widths_and_misses_end_at_the_rounding():
    found = attempt(outcome(story(), *RUNS), figure("90.8%"))
    half = (found.high - found.low) / 2
    high = figure("92.0%")
    assert found.measure_distance(high) == pytest.approx((0.92 - np.mean(RUNS)) / half)
    assert found.measure_miss(high) == pytest.approx(0.9195 - found.high)
    assert found.measure_miss(figure("90.8%")) == 0
    exact = attempt(outcome(story(deterministic=True), 0.9), figure("90.0%"))
    assert exact.measure_distance(figure("90.0%")) == 0


def test_where_only_the_accuracy_is_known_one_vs_rest_accuracy_follows_and_nothing_else():
    printed = Outcome(story(), Status.MEASURED, n=2, accuracies=(0.91, 0.93))
    assert printed.compute_values("one-vs-rest accuracy") == pytest.approx((0.982, 0.986))
    assert printed.compute_values("kappa") == ()
    assert printed.attempt(figure("0.9", "kappa"), ONE) == []


def test_a_run_that_may_have_stopped_anywhere_explains_every_accuracy_that_it_passed():
    long = Outcome(story(epoch="any epoch"), Status.MEASURED, n=1, by_epoch=(0.8, 0.95, 0.99))
    assert long.list_quotings(figure("95.0%"), 10) == (ONE,)
    explained = [attempt(long, figure(text)).explains for text in ("79.0%", "93.1%", "99.5%")]
    assert explained == [False, True, False]
    assert long.attempt(figure("0.9", "kappa"), ONE) == []


def test_kappa_and_informedness_are_equal_on_a_balanced_test_set_so_they_cannot_differ():
    found = outcome(story(), 0.70, 0.78, 0.86)
    kappa, informedness = figure("0.75", "kappa"), figure("0.77", "informedness")
    first, second = attempt(found, kappa), attempt(found, informedness)
    assert first.explains and second.explains  # one by one
    assert not found.can_be_one_run(kappa, first, informedness, second)
    same = figure("0.75", "informedness")
    assert found.can_be_one_run(kappa, first, same, attempt(found, same))


# ---------------------------------------------------------------- tables of classes


def table_of(run, metrics=("precision", "recall"), unit=0.01):
    """The table that a paper would print of one run: these metrics of each class."""
    values = np.stack([run.class_metrics[name][0] for name in metrics])
    printed = np.round(values / unit) * unit
    return ClassTable(metrics, printed - unit / 2, printed + unit / 2)


@st.composite
def matrices(draw, n_runs):
    """Confusion matrices of several runs of one model: each class has its own difficulty.

    With 997 images of each class no recall lies halfway between two printed figures.
    """
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    shares = generator.dirichlet(np.full(10, 0.3), size=10) * 0.2 + np.eye(10) * 0.8
    return [
        np.stack([generator.multinomial(997, share) for share in shares]) for _ in range(n_runs)
    ]


@settings(max_examples=20)
@given(matrices(4))
def test_hits_count_the_printed_figures_that_a_run_gives(runs):
    first = outcome(story(), matrices=runs[:1])
    table = table_of(first, ("recall",))
    found = outcome(story(), matrices=runs)
    shared = found.count_shared(table)
    assert (np.diagonal(shared) == 10).all()
    assert ((shared >= 0) & (shared <= 10)).all()
    hits = [
        sum(
            low - 1e-9 <= outcome(story(), matrices=[run]).class_metrics[name][0, k] <= high + 1e-9
            for name, lows, highs in zip(table.metrics, table.low, table.high, strict=True)
            for k, (low, high) in enumerate(zip(lows, highs, strict=True))
        )
        for run in runs
    ]
    attempt = found.attempt_table(table)
    assert attempt.hits == pytest.approx(np.mean(hits)) and attempt.of == 10
    assert hits == shared[:, 0].tolist()  # the table is that of run 0


def test_a_table_of_another_run_is_explained_and_that_of_another_model_is_not():
    generator = np.random.default_rng(1)
    easy, hard = np.linspace(0.97, 0.999, 10), np.linspace(0.80, 0.95, 10)

    def run(recalls):
        counts = [generator.binomial(1000, recall) for recall in recalls]
        eye = np.eye(10, dtype=int)
        return np.diag(counts) + np.diag(1000 - np.array(counts)) @ np.roll(eye, 1, axis=1)

    model = outcome(story(), matrices=[run(easy) for _ in range(5)])
    own = model.attempt_table(table_of(outcome(story(), matrices=[run(easy)])))
    assert own.explains and own.hits > 8
    other = model.attempt_table(table_of(outcome(story(), matrices=[run(hard)])))
    assert other.explains is False and other.hits < own.low


def test_a_deterministic_model_must_give_every_figure_of_a_table():
    fixed = outcome(story(deterministic=True), 0.9)
    every = table_of(fixed)
    own = fixed.attempt_table(every)
    assert own.explains and own.hits == own.low == every.n_figures
    low, high = every.low.copy(), every.high.copy()
    low[0, 0], high[0, 0] = 0.495, 0.505
    other = fixed.attempt_table(replace(every, low=low, high=high))
    assert other.explains is False and other.hits == every.n_figures - 1


def test_two_runs_that_share_too_few_figures_decide_nothing():
    wild = [confusion(accuracy) for accuracy in (0.1, 0.2, 0.9, 0.9)]
    found = outcome(story(), matrices=wild)
    table = table_of(outcome(story(), matrices=[confusion(0.9)]))
    attempt = found.attempt_table(table)
    assert attempt.hits > 0 and attempt.low <= 0 and attempt.explains is None
    nothing = table_of(outcome(story(), matrices=[confusion(0.5)]))
    assert found.attempt_table(nothing).explains is False  # not one figure in common


def test_one_seed_without_a_recipe_to_compare_with_says_nothing_about_a_table():
    table = table_of(outcome(story(), 0.9))
    assert outcome(story(), 0.9).attempt_table(table).explains is None
    no_matrix = Outcome(story(), Status.MEASURED, n=1, accuracies=(0.9,))
    assert no_matrix.attempt_table(table) is None


def test_one_seed_needs_as_many_figures_of_a_table_as_the_recipe():
    lender = outcome(story(), 0.9, 0.9, 0.902, 0.9)
    reading = outcome(story(answers={"optimizer": "sgd"}), 0.9, like=lender)
    table = table_of(outcome(story(), 0.9))
    one_seed, recipe = reading.attempt_table(table), lender.attempt_table(table)
    assert (one_seed.low, one_seed.shared) == (recipe.low, recipe.shared)
    assert one_seed.hits == 20 and one_seed.measure_distance() == 0


def test_the_distance_of_a_table_is_one_at_the_fewest_hits_that_count():
    assert TableAttempt(10.0, 30, 20.0, 10.0, True).measure_distance() == pytest.approx(1.0)
    assert TableAttempt(25.0, 30, 20.0, 10.0, True).measure_distance() == 0.0


def test_partners_are_the_other_runs():
    shared = np.array([[9, 1, 2], [3, 9, 4], [5, 6, 9]])  # row: gives, column: prints
    assert average_over_partners(shared).tolist() == [4.0, 3.5, 3.0]


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.integers(2, 10))
def test_the_permutation_p_is_a_probability_and_does_not_depend_on_the_order_of_classes(seed, n):
    generator = np.random.default_rng(seed)
    agreement = generator.integers(0, 4, (n, n)).astype(float)
    p = compute_permutation_p(agreement)
    assert 0 < p <= 1
    order = generator.permutation(n)
    again = compute_permutation_p(agreement[np.ix_(order, order)])
    # The same law, other random orders: 0.05 is seven standard deviations of the difference.
    assert again == pytest.approx(p, abs=0.05)


def test_the_permutation_p_is_small_only_if_the_pattern_of_the_classes_fits():
    assert compute_permutation_p(np.eye(10) * 3) == pytest.approx(0.0001)
    assert compute_permutation_p(np.full((10, 10), 3.0)) == 1.0


def test_a_table_with_fewer_classes_than_the_model_has_is_compared_with_those():
    low = np.full((1, 3), 0.895)
    table = ClassTable(("recall",), low, low + 0.01)
    attempt = outcome(story(), 0.9, 0.9, 0.9).attempt_table(table)
    assert (attempt.hits, attempt.of, attempt.explains) == (3.0, 3, True)


def test_figures_are_compared_by_what_they_are_and_not_by_their_values():
    first, second = figure("90.0%"), figure("90.0%")
    assert isinstance(first, PrintedFigure) and first != second
