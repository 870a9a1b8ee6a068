"""A mean over folds is a figure of all folds together, as far as the sizes of the folds allow."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.consistency.check import check_consistency
from fmbench.consistency.conflicts import FOLD_SIZES, NOT_LINEAR, NOT_STRATIFIED
from fmbench.consistency.folds import find_fold_error
from fmbench.suites.claims import Matrix, ReportedFigure, Suite
from tests.helpers.answers import format_answer


def figure(where, metric, value, k=None, **more):
    average = "macro" if k is None and metric in ("precision", "recall", "f1") else None
    return ReportedFigure(where, metric, value, class_=k, average=average, **more)


def check(n_per_class, *figures, matrices=()):
    suite = Suite(
        Path("s.toml"), "s", tuple(n_per_class), reported=figures, matrices=tuple(matrices)
    )
    return check_consistency(suite, work=600_000)


def test_a_mean_over_equal_folds_counts_images_of_the_whole_set():
    # 5 folds of 60 images: 0.8767 is 263 of 300, and 0.8768 is no whole number of them.
    good, bad = (figure("x", "accuracy", v, folds=5) for v in ("0.87667", "0.87680"))
    assert not check([100] * 3, good).contradictory
    assert check([100] * 3, bad).contradictory


def test_figures_of_the_same_folds_are_compared_and_with_one_run_only_by_accuracy():
    accuracy, kappa = (
        figure(where, metric, value, folds=5, stratified=True)
        for where, metric, value in (("x", "accuracy", "0.90"), ("y", "kappa", "0.75"))
    )
    assert check([100] * 3, accuracy, kappa).contradictory
    result = check([100] * 3, accuracy, figure("y", "kappa", "0.75"))
    assert not result.contradictory
    assert result.pairs[0].note == "the mean of 5 folds and one run are different runs"


def test_a_matrix_of_all_folds_decides_their_means():
    rows = ((90, 8, 2), (5, 85, 10), (0, 15, 85))
    pooled = Matrix("Figure 7", rows, folds=5)
    good, bad = (figure("x", "accuracy", value, folds=5) for value in ("0.8667", "0.8767"))
    assert not check([100] * 3, good, matrices=[pooled]).contradictory
    result = check([100] * 3, bad, matrices=[pooled])
    text = " ".join(format_answer(result).split())
    assert "| x (mean of 5 folds): 5-fold accuracy 0.8767 |" in text
    assert "| Figure 7 (mean of 5 folds): the matrix gives 5-fold accuracy 0.86667 |" in text


def test_a_mean_that_does_not_follow_from_the_sum_is_not_checked():
    result = check(
        [100] * 3, figure("x", "precision", "0.9", 1, folds=5),
        figure("x", "accuracy", "0.9", folds=5, fold_sizes="unknown"),
        figure("x", "kappa", "0.9", folds=7, stratified=True),  # 100 images: no equal folds
        figure("x", "accuracy", "0.9", folds=7),
        figure("x", "recall", "0.9", folds=5),
    )  # fmt: skip
    assert result.not_checked == {
        0: NOT_LINEAR, 1: FOLD_SIZES, 2: FOLD_SIZES, 4: NOT_STRATIFIED
    }  # fmt: skip


def test_plain_folds_may_have_a_mean_recall_that_stratified_folds_cannot_have():
    # Folds of 9 + 1 and 1 + 9 images: all images of the small parts are wrong, so 18 of 20 right.
    figures = [
        figure("x", "accuracy", "0.90", folds=2), figure("x", "balanced accuracy", "0.50", folds=2)
    ]  # fmt: skip
    assert not check([10, 10], *figures).contradictory
    stratified = [msgspec.structs.replace(f, stratified=True) for f in figures]
    assert check([10, 10], *stratified).contradictory


def test_counts_add_up_whatever_the_sizes_of_the_folds_are():
    correct = figure("x", "correct", "52.6", folds=5, fold_sizes="unknown")  # 263 of 300
    assert not check([100] * 3, correct).contradictory
    wrong = figure("y", "accuracy", "0.87", folds=5)
    assert check([100] * 3, correct, wrong).contradictory


def split(n, folds):
    """The sizes of folds that differ by at most one."""
    return [n // folds + (i < n % folds) for i in range(folds)]


@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_the_mean_over_unequal_folds_is_within_the_bound(rng: random.Random):
    n_per_class, folds = rng.choices(range(20, 60), k=3), rng.randint(2, 9)
    # Stratified folds whose sizes differ by at most one: the images in order, dealt like cards.
    dealt = [k for k, n in enumerate(n_per_class) for _ in range(n)]
    rate = [rng.random() for _ in range(folds)]
    right = [[[0, 0] for _ in n_per_class] for _ in range(folds)]  # right, all
    for position, k in enumerate(dealt):
        fold = position % folds
        right[fold][k][1] += 1
        right[fold][k][0] += rng.random() < rate[fold]
    means = {
        figure("x", "accuracy", "0.9", folds=folds): (
            [Fraction(sum(r for r, _ in f), sum(n for _, n in f)) for f in right],
            Fraction(sum(r for f in right for r, _ in f), sum(n_per_class)),
        )
    }
    for k, n in enumerate(n_per_class):
        means[figure("x", "recall", "0.9", k, folds=folds, stratified=True)] = (
            [Fraction(*f[k]) for f in right], Fraction(sum(f[k][0] for f in right), n)
        )  # fmt: skip
    for printed, (values, pooled) in means.items():
        error = find_fold_error(printed, n_per_class)
        assert abs(sum(values) / folds - pooled) <= error


def test_the_bound_is_reached():
    # 10 images in 3 folds of 4, 3, 3; all right in the folds of 3, all wrong in that of 4.
    error = find_fold_error(figure("x", "accuracy", "0.6", folds=3), (5, 5))
    assert error == abs(Fraction(2, 3) - Fraction(6, 10)) == Fraction(1, 15)


@pytest.mark.parametrize(
    ("printed", "error"),
    [
        (figure("x", "accuracy", "0.9"), 0), (figure("x", "kappa", "0.9", folds=5), None),
        (figure("x", "kappa", "0.9", folds=5, stratified=True), 0),
        (figure("x", "kappa", "0.9", folds=3, stratified=True), None),
        (figure("x", "mse", "0.9", folds=3), Fraction(2 * 1, 3 * 20)),
        (ReportedFigure("x", "recall", "0.9", average="weighted", folds=3), Fraction(2, 60)),
        (ReportedFigure("x", "f1", "0.9", average="micro", folds=3), Fraction(2, 60)),
        (figure("x", "one-vs-rest accuracy", "0.9", 1, folds=3), Fraction(2, 60)),
        (figure("x", "recall", "0.9", folds=3), None),
        (figure("x", "recall", "0.9", 1, folds=3), None),
        (figure("x", "balanced accuracy", "0.9", folds=3), None),
        (figure("x", "balanced accuracy", "0.9", folds=3, stratified=True), Fraction(2, 30)),
        (figure("x", "recall", "0.9", folds=3, stratified=True), Fraction(2, 30)),
        (figure("x", "recall", "0.9", 1, folds=3, stratified=True), Fraction(2, 30)),
        (figure("x", "specificity", "0.9", 1, folds=3, stratified=True), None),
    ],
)  # fmt: skip
def test_what_is_known_of_the_error_depends_on_the_metric(printed, error):
    assert find_fold_error(printed, (10, 10)) == error


# ------------------------------------------------------------------ standard deviations


def spread_of(n_per_class, *figures):
    result = check(n_per_class, *figures)
    return [spread.possible for spread in result.spreads], result


def test_a_standard_deviation_that_no_runs_have_is_a_contradiction():
    impossible = figure("Table 3", "accuracy", "99.00", mean_of=2, sd="5.00")  # of [94, 104]
    found, result = spread_of([500, 500], impossible)
    assert found == [False] and result.contradictory
    text = " ".join(format_answer(result).split())
    assert "Contradictory: 1 standard deviation is impossible." in text
    assert (
        "Table 3 2-run accuracy 99.00 ± 5.00 %: no 2 runs of 1,000 images have this mean and this "
        "standard deviation."
    ) in text
    assert result.as_json()["spreads"] == [{"figure": 0, "possible": False, "why": ""}]
    possible = figure("Table 3", "accuracy", "99.00", mean_of=2, sd="0.50")
    assert not spread_of([500, 500], possible)[1].contradictory


def test_the_spread_of_runs_with_few_images_has_few_values():
    # Two counts of 10 images differ by d: the sample's standard deviation is d / sqrt(2) / 10.
    for sd, is_possible in (("0.1414", True), ("0.1000", True), ("0.1200", False)):
        printed = figure("x", "accuracy", "0.9", mean_of=2, sd=sd, half_unit="0.1")
        assert spread_of([5, 5], printed)[0] == [is_possible]


def test_a_row_may_have_a_standard_deviation():
    from fmbench.suites import reader

    row = {"where": "T", "label": "A", "claimed": "99.00", "mean_of": 2, "sd": "5.00"}
    content = {"test_set": {"n_per_class": [500, 500]}, "row": [row]}
    result = check_consistency(reader.build_suite(content, Path("s.toml")), work=600_000)
    assert result.contradictory and "no 2 runs of 1,000 images" in format_answer(result)


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        (figure("x", "kappa", "0.9", mean_of=5, sd="0.01"), "only the spread of"),
        (figure("x", "precision", "0.9", 1, mean_of=5, sd="0.01"), "only the spread of"),
        (figure("x", "accuracy", "0.9", mean_of=2, folds=5, sd="0.01"), "over the runs or over"),
        (figure("x", "accuracy", "0.9", folds=3, sd="0.01"), "each fold is not known"),
        (
            figure("x", "accuracy", "0.9", folds=5, sd="0.01", fold_sizes="unknown"),
            "each fold is not known",
        ),
        (figure("x", "recall", "0.9", 1, folds=5, sd="0.01"), "each fold is not known"),
        (figure("x", "balanced accuracy", "0.9", folds=5, sd="0.01"), "each fold is not known"),
    ],
)
def test_a_spread_that_cannot_be_checked_is_named_with_the_reason(printed, why):
    found, result = spread_of([500, 500], printed)
    assert found == [None] and not result.contradictory
    assert why in " ".join(format_answer(result).split())


def test_spreads_of_recalls_counts_and_folds_are_checked():
    figures = [
        figure("x", "recall", "0.990", 1, mean_of=2, sd="0.050"),
        figure("x", "errors", "10", mean_of=2, sd="30"),
        figure("x", "errors", "10", mean_of=2, sd="3"),
        figure("x", "accuracy", "0.990", folds=5, sd="0.100"),
        figure("x", "accuracy", "0.990", folds=5, sd="0.010"),
    ]
    assert [spread_of([500, 500], f)[0] for f in figures] == [
        [False], [False], [True], [False], [True]
    ]  # fmt: skip


def test_the_spread_over_folds_needs_folds_that_divide_each_class():
    # 2 stratified folds of 3 + 2 and 2 + 3 images: recalls of 1, 1 and of 1/3, 1.
    honest = figure("x", "balanced accuracy", "0.8333", folds=2, sd="0.2357", stratified=True)
    found, result = spread_of([5, 5], honest)
    assert found == [None] and not result.contradictory
    assert spread_of([6, 6], msgspec.structs.replace(honest, sd="0.2300"))[0] == [False]
    right = msgspec.structs.replace(honest, sd="0.2357")  # counts of 6 and 4 of 6 images
    assert spread_of([6, 6], right)[0] == [True]


def test_the_spread_over_folds_of_one_class_counts_its_images():
    figures = [
        figure("x", "recall", "0.900", 1, folds=2, sd=sd, stratified=True)
        for sd in ("0.141", "0.120")
    ]
    assert [spread_of([7, 20], f)[0] for f in figures] == [[True], [False]]
    assert [spread_of([7, 9], f)[0] for f in figures] == [[None], [None]]


def test_a_mean_that_is_impossible_alone_is_not_named_again_because_of_its_spread():
    printed = figure("x", "accuracy", "0.99005", mean_of=2, sd="0.00100")
    result = check([50, 50], printed)
    assert result.contradictory and result.spreads == ()
