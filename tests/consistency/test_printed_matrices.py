"""A printed confusion matrix decides every figure of its model, and names the wrong ones."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.consistency import explain
from fmbench.consistency.check import check_consistency
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import Matrix, ReportedFigure, Suite
from tests.consistency.test_check import as_printed, exact_metrics
from tests.helpers.answers import format_answer

pytestmark = pytest.mark.slow

ROWS = [[90, 8, 2], [5, 85, 10], [0, 15, 85]]  # accuracy 260 / 300
N = (100, 100, 100)


def matrix(rows=ROWS, where="Figure 7", **more):
    return Matrix(where, tuple(map(tuple, rows)), **more)


def figure(where, metric, value, k=None, **more):
    average = "macro" if k is None and metric in ("precision", "recall", "f1") else None
    return ReportedFigure(where, metric, value, class_=k, average=average, **more)


def check(matrices, *figures, n=N, rounding="nearest", work=600_000):
    suite = Suite(Path("s.toml"), "s", tuple(n), reported=figures, matrices=tuple(matrices))
    return check_consistency(suite, rounding, find_implied=False, work=work)


def tell(result):
    return " ".join(format_answer(result).split())


def verdicts(result):
    names = [source.name for source in result.sources]
    return {(names[pair.first], names[pair.second]): pair.verdict for pair in result.pairs}


def print_metrics(rows, decimals=4, rule="nearest", where="report"):
    return [
        figure(where, name, as_printed(value, decimals, rule), k)
        for (name, k), value in exact_metrics(rows).items()
        if not METRICS[name].is_count
    ]


def test_every_figure_of_a_matrix_agrees_with_it():
    figures = [
        *print_metrics(ROWS), figure("text", "correct", "260"), figure("text", "mcc", "0.8007"),
        ReportedFigure("text", "f1", "0.8678", average="weighted"),
        ReportedFigure("text", "cell", "15", class_=2, predicted_as=1),
    ]  # fmt: skip
    result = check([matrix()], *figures)
    assert not result.contradictory and not result.not_checked
    assert set(verdicts(result).values()) == {"agree"} and result.agreeing == (0, 1, 2)
    implied = result.sources[2].implied
    assert implied["accuracy"] == (Fraction(260, 300), Fraction(260, 300))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (figure("text", "accuracy", "86.8%"), "accuracy 86.8 %, the matrix gives 86.67 %"),
        (figure("text", "f1", "0.9100", 1), "class 1 F1 0.9100, the matrix gives 0.81731"),
        (figure("text", "precision", "0.90"), "macro precision 0.90, the matrix gives 0.8"),
        (figure("text", "mcc", "0.82"), "MCC 0.82, the matrix gives 0.8"),
        (figure("text", "errors", "41"), "number of wrong images 41, the matrix gives 40"),
        (
            ReportedFigure("text", "cell", "14", class_=2, predicted_as=1),
            "images of class 2 predicted as class 1: 14, the matrix gives 15",
        ),
    ],
)
def test_a_figure_that_the_matrix_contradicts_is_named_with_what_the_matrix_gives(wrong, told):
    result = check([matrix()], *print_metrics(ROWS), wrong)
    assert result.contradictory
    [pair] = [p for p in result.contradicting_pairs if p.clashes]
    last = len(result.figures) - 1
    assert [clash.figure for clash in pair.clashes] == [last] == list(pair.reason)
    assert pair.severity > 1
    assert f"text beside Figure 7: {told}" in explain.describe_pair(pair, result)
    printed, value = told.split(", the matrix gives ")
    title = printed.rpartition(" ")[0].removesuffix(" 86.8")
    assert f"| text: {printed} | Figure 7: the matrix gives {title} {value}" in tell(result)
    [found] = [p["clashes"] for p in result.as_json()["pairs"] if p["clashes"]]
    assert found[0]["figure"] == last and len(found[0]["matrix_gives"]) == 2


def test_the_severity_is_the_distance_in_half_units():
    [pair] = check([matrix()], figure("text", "accuracy", "0.868")).pairs
    exact = abs(Fraction("0.868") - Fraction(260, 300)) / Fraction("0.0005")
    assert pair.severity == pytest.approx(float(exact))


def test_a_figure_inside_a_source_that_is_impossible_alone_is_named_too():
    result = check([matrix()], figure("text", "accuracy", "86.67%"), figure("text", "kappa", "0.5"))
    assert result.sources[0].possible is False
    [pair] = result.contradicting_pairs
    assert [clash.figure for clash in pair.clashes] == [1]


def test_only_figures_of_the_same_model_and_kind_of_run_are_compared():
    figures = [
        figure("a", "accuracy", "0.9", of="b"), figure("b", "accuracy", "0.9", mean_of=5),
        figure("c", "accuracy", "0.9", best_of=5), figure("d", "accuracy", "0.9", folds=5),
    ]  # fmt: skip
    result = check([matrix()], *figures)
    assert not result.contradictory
    assert all(pair.clashes == () for pair in result.pairs)
    [_, with_mean, *_] = [pair for pair in result.pairs if result.sources[pair.second].matrix == 0]
    assert with_mean.note.startswith("the best of 5 runs and one run: the accuracies")


def test_what_stands_in_the_place_of_a_matrix_and_agrees_is_fixed_by_the_matrix():
    accuracy = figure("Figure 7", "accuracy", "0.8667")
    result = check([matrix()], accuracy)
    [row] = explain.build_source_rows(result)
    assert row == explain.build_source_rows(check([matrix()]))[0]
    assert "stand alone" not in tell(result) and "stands alone" not in tell(result)
    elsewhere = explain.build_source_rows(check([matrix()], figure("text", "accuracy", "0.8667")))
    assert [row["source"] for row in elsewhere] == ["text", "Figure 7"]
    wrong = explain.build_source_rows(check([matrix()], figure("Figure 7", "accuracy", "0.8")))
    assert [row["source"] for row in wrong] == ["Figure 7", "Figure 7"]


def test_a_matrix_alone_says_what_it_implies():
    result = check([matrix()])
    assert not result.contradictory
    assert "| Figure 7 | 86.67 |" in tell(result)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (matrix([[90, 8, 2], [5, 85, 9], [0, 15, 85]]), "row 2 adds up to 99 images, but class 1"),
        (
            matrix([["0.90", "0.08", "0.03"], *[["0.0", "0.5", "0.5"]] * 2], shares=True),
            "row 1 adds up to 1.01, not to 1",
        ),
        (
            matrix([["0.904", "0.076", "0.02"], *[["0", "0.5", "0.5"]] * 2], shares=True),
            "no number of 100 images is printed as 0.904 (row 1)",
        ),
    ],
)
def test_a_matrix_that_no_predictions_give_is_impossible_alone(found, told):
    result = check([found], figure("text", "accuracy", "0.9"))
    assert result.contradictory and told in tell(result)
    assert verdicts(result) == {("text", "Figure 7"): "not compared"}
    assert told in result.as_json()["sources"][1]["problem"]


def test_two_matrices_of_one_model_must_be_the_same():
    assert not check([matrix(), matrix(where="Figure 8")]).contradictory
    other = [[90, 8, 2], [5, 86, 9], [0, 15, 85]]
    result = check([matrix(), matrix(other, "Figure 8")])
    assert "| Figure 7 | Figure 8: no one matrix is printed like both |" in tell(result)
    shares = [["0.90", "0.08", "0.02"], ["0.05", "0.85", "0.10"], ["0", "15%", "85%"]]
    assert not check([matrix(), matrix(shares, "Figure 8", shares=True)]).contradictory
    assert check([matrix(other), matrix(shares, "Figure 8", shares=True)]).contradictory


# ------------------------------------------------------------------ shares and means


def as_shares(rows, decimals):
    return [[as_printed(Fraction(c, sum(row)), decimals, "nearest") for c in row] for row in rows]


LARGE = [[812, 120, 68], [31, 955, 14], [140, 33, 827]]


def test_shares_with_few_digits_leave_room_and_those_with_many_decide_exactly():
    n = (1000, 1000, 1000)
    near, far = figure("text", "accuracy", "0.866"), figure("text", "accuracy", "0.92")
    rounded, exact = (matrix(as_shares(LARGE, d), shares=True) for d in (2, 3))
    assert not check([rounded], near, n=n).contradictory
    assert check([exact], near, n=n).contradictory  # 0.86467
    result = check([rounded], far, n=n)
    assert result.contradictory and "the matrix gives accuracy 0.86" in tell(result)
    low, high = result.sources[1].implied["accuracy"]
    assert low < Fraction(2594, 3000) < high


def test_the_shares_of_a_row_add_up_to_the_class_which_limits_each_of_them():
    shares = matrix([["0.9", "0.1", "0.0"], *[["0.0", "0.5", "0.5"]] * 2], shares=True)
    result = check([shares], figure("text", "recall", "0.96", 0))
    assert result.contradictory


@pytest.mark.parametrize(("rows", "mean_of"), [(ROWS, 5), (ROWS, 1)])
def test_a_mean_of_runs_may_be_printed_as_sum_or_as_mean(rows, mean_of):
    total = [[mean_of * cell for cell in row] for row in rows]
    agrees = figure("text", "accuracy", "0.8667", mean_of=mean_of)
    differs = figure("text", "accuracy", "0.8767", mean_of=mean_of)
    for printed in (matrix(total, mean_of=mean_of), matrix(rows, mean_of=mean_of)):
        assert not check([printed], agrees).contradictory
        assert check([printed], differs).contradictory


def test_a_mean_of_matrices_is_rounded():
    near = figure("text", "accuracy", "0.870", mean_of=5)
    assert not check([matrix(mean_of=5)], near).contradictory  # each cell may be 0.4 more or less
    total = [[5 * cell for cell in row] for row in ROWS]
    assert check([matrix(total, mean_of=5)], near).contradictory


# ------------------------------------------------------------------ random matrices


def draw_matrix(rng):
    n_classes = rng.randint(2, 6)
    sizes = rng.choices(range(5, 200), k=n_classes)
    rows = [[0] * n_classes for _ in sizes]
    for k, size in enumerate(sizes):
        for _ in range(size):
            rows[k][k if rng.random() < 0.8 else rng.randrange(n_classes)] += 1
    return rows


def find_readings(rows, metric, k):
    """Every value that a paper may print for a metric: 0/0 as 0, as 1, or left out of the mean."""
    true = exact_metrics(rows)[metric, k]  # with 0/0 as 0
    undefined = [not any(column) for column in zip(*rows, strict=True)]
    if metric != "precision" or not (any(undefined) if k is None else undefined[k]):
        return [true]
    if k is not None:
        return [0, 1]
    share = Fraction(sum(undefined), len(rows))
    return [true, true + share, true / (1 - share)]


def is_printed_as(value, text, rule):
    """Whether a value is printed as a text; a half may be rounded up or down."""
    unit = Fraction(1, 10 ** len(text.partition(".")[2]))
    if rule == "nearest":
        return abs(value - Fraction(text)) <= unit / 2
    return unit * int(value / unit) == Fraction(text)  # int() cuts off towards zero


def move_figure(rng, old):
    """Print a figure three units of its last digit higher or lower, within its metric's range."""
    decimals = len(old.value.partition(".")[2])
    lowest, highest = METRICS[old.metric].lowest, METRICS[old.metric].highest
    moved = [Fraction(old.value) + Fraction(way * 3, 10**decimals) for way in (1, -1)]
    inside = [x for x in moved if lowest <= x and (highest is None or x <= highest)]
    text = as_printed(rng.choice(inside), decimals, "nearest")
    return figure(old.where, old.metric, text, old.class_)


def hold_a_changed_figure_against_its_matrix(rng, rule, work):
    rows = draw_matrix(rng)
    printed = print_metrics(rows, rng.randint(2, 4), rule)
    figures = rng.sample(printed, k=min(len(printed), 8))
    options = {"n": [sum(row) for row in rows], "rounding": rule, "work": work}
    assert not check([matrix(rows)], *figures, **options).contradictory
    changed = rng.randrange(len(figures))
    moved = figures[changed] = move_figure(rng, figures[changed])
    readings = find_readings(rows, moved.metric, moved.class_)
    is_true = any(is_printed_as(value, moved.value, rule) for value in readings)
    result = check([matrix(rows)], *figures, **options)
    clashes = {clash.figure for pair in result.pairs for clash in pair.clashes}
    assert clashes == (set() if is_true else {changed})
    assert not result.not_checked


RULES = st.sampled_from(["nearest", "truncated"])


@settings(max_examples=60)
@given(st.randoms(use_true_random=False), RULES)
def test_a_matrix_never_contradicts_its_own_figures_and_always_a_changed_one(
    rng: random.Random, rule
):
    hold_a_changed_figure_against_its_matrix(rng, rule, work=0)  # the matrix alone decides


@settings(max_examples=8)
@given(st.randoms(use_true_random=False), RULES)
def test_a_search_beside_the_matrix_changes_no_answer_wherever_it_ends(rng: random.Random, rule):
    hold_a_changed_figure_against_its_matrix(rng, rule, work=rng.choice([50, 200, 1000]))


def test_a_matrix_decides_a_figure_that_the_search_leaves_open():
    wrong = figure("report", "mae", "0.20")  # it is 42 / 300
    result = check([matrix()], *print_metrics(ROWS, 2)[:8], wrong, work=0)
    assert [clash.figure for pair in result.pairs for clash in pair.clashes] == [8]
    assert result.contradictory and not result.not_checked
    assert "the matrix gives MAE 0.14" in tell(result)


@settings(max_examples=15)
@given(st.randoms(use_true_random=False))
def test_shares_never_contradict_the_figures_of_the_matrix_that_they_show(rng: random.Random):
    rows = draw_matrix(rng)
    shares = matrix(as_shares(rows, rng.randint(1, 3)), shares=True)
    printed = print_metrics(rows, 3)
    figures = rng.sample(printed, k=min(len(printed), 5))
    result = check([shares], *figures, n=[sum(row) for row in rows])
    assert not result.contradictory
    for name, (low, high) in result.sources[-1].implied.items():
        assert low <= exact_metrics(rows)[name, None] <= high
