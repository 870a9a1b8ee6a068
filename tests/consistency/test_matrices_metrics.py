"""Every kind of figure has the value that other libraries compute, and no real table is refused."""

import random
import warnings
from fractions import Fraction
from math import isqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from fmbench.consistency.check import check_consistency
from fmbench.consistency.constraints import ConstraintSystem, FigureConstraint
from fmbench.consistency.feasibility import decide_with_proof, find_matrix, find_proof
from fmbench.consistency.matrices import MatrixModel
from fmbench.consistency.solver import WorkLimit
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import Matrix, ReportedFigure, Suite
from fmbench.suites.rounding import Interval
from tests.consistency.test_check import as_printed

pytestmark = pytest.mark.slow

WORK = 5000.0  # for one search

OF_A_CLASS = ("precision", "recall", "f1", "specificity", "informedness", "one-vs-rest accuracy")
OF_ALL = (
    "accuracy", "error rate", "balanced accuracy", "kappa", "mcc", "mse", "mae", "correct", "errors"
)  # fmt: skip


def draw_matrix(rng, n_classes=None, size=40):
    n_classes = n_classes or rng.randint(2, 10)
    balanced = rng.random() < 0.5
    sizes = [rng.randint(1, size)] * n_classes
    if not balanced:
        sizes = [rng.randint(1, size) for _ in sizes]
    accuracy, favourite = rng.random(), rng.randrange(n_classes)
    rows = [[0] * n_classes for _ in sizes]
    for k, n in enumerate(sizes):
        for _ in range(n):
            others = favourite if rng.random() < 0.3 else rng.randrange(n_classes)
            rows[k][k if rng.random() < accuracy else others] += 1
    return rows


def spread_out(rows):
    """Return the true and the predicted class of each image."""
    pairs = [(i, j) for i, row in enumerate(rows) for j, n in enumerate(row) for _ in range(n)]
    return zip(*pairs, strict=True)


def build_model(rows, *, has_cells=True):
    return MatrixModel([sum(row) for row in rows], has_cells=has_cells)


def decide(model, figures, box=None):
    """Decide as the check does: True if a matrix was found, False if that is proven, or None."""
    system = ConstraintSystem(model, figures, box)
    limit = WorkLimit(WORK)
    found = find_matrix(system, limit)
    if found.point is not None:
        return True
    if not found.infeasible:
        return None
    if find_proof(system, limit) is not None:
        return False
    decided = decide_with_proof(system, limit)
    return True if decided.point is not None else False if decided.infeasible else None


def exactly(value):
    """The interval of one value, give or take the error of floating point."""
    value, slight = Fraction(value), Fraction(1, 10**9)
    return Interval(value - slight, value + slight)


def compare_with_sklearn(rows):
    y_true, y_pred = spread_out(rows)
    found = {
        ("accuracy", None): sklearn_metrics.accuracy_score(y_true, y_pred),
        ("error rate", None): 1 - sklearn_metrics.accuracy_score(y_true, y_pred),
        ("balanced accuracy", None): sklearn_metrics.balanced_accuracy_score(y_true, y_pred),
        ("kappa", None): sklearn_metrics.cohen_kappa_score(y_true, y_pred),
        ("mcc", None): sklearn_metrics.matthews_corrcoef(y_true, y_pred),
        ("correct", None): sklearn_metrics.accuracy_score(y_true, y_pred, normalize=False),
    }
    for average in ("macro", "weighted", "micro"):
        values = sklearn_metrics.precision_recall_fscore_support(
            y_true, y_pred, average=average, labels=range(len(rows)), zero_division=0
        )
        for name, value in zip(("precision", "recall", "f1"), values, strict=False):
            found[name, average] = value
    return found


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_expressions_have_the_values_that_scikit_learn_computes(rng):
    rows = draw_matrix(rng)
    model = build_model(rows)
    point = model.build_point(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = compare_with_sklearn(rows)
    for (name, average), value in expected.items():
        if np.isfinite(value):
            expression = model.expression(name, average=average)
            assert expression.lies_in(exactly(float(value)), point), (name, average)


@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_mcc_kappa_and_micro_averages_have_the_values_that_pycm_computes(rng):
    import pycm

    rows = draw_matrix(rng)
    matrix = pycm.ConfusionMatrix(matrix={
        i: dict(enumerate(row)) for i, row in enumerate(rows)
    })  # fmt: skip
    model = build_model(rows)
    point = model.build_point(rows)
    for value, name, average in (
        (matrix.Overall_MCC, "mcc", None), (matrix.Kappa, "kappa", None),
        (matrix.PPV_Micro, "precision", "micro"), (matrix.F1_Micro, "f1", "micro"),
        (matrix.TNR_Micro, "specificity", "micro"),
    ):  # fmt: skip
        if value != "None":
            assert model.expression(name, average=average).lies_in(exactly(value), point), name


def test_counts_are_counts_of_the_matrix():
    rows = [[5, 1, 0], [2, 7, 1], [0, 3, 4]]
    model = build_model(rows)
    point = model.build_point(rows)
    for (name, class_, predicted_as), count in {
        ("correct", None, None): 16, ("errors", None, None): 7,
        ("cell", 1, 0): 2, ("cell", 2, 0): 0, ("cell", 1, 1): 7,
    }.items():  # fmt: skip
        expression = model.expression(name, class_, predicted_as=predicted_as)
        near = Interval(count - Fraction(1, 2), count + Fraction(1, 2))
        assert expression.is_linear and expression.lies_in(near, point)
        assert not expression.lies_in(Interval(near.high, near.high + 1), point)


def test_a_count_of_a_mean_of_runs_is_divided_by_the_runs():
    model = MatrixModel([40, 40], has_cells=True, n_runs=4)
    point = model.build_point([[30, 10], [6, 34]])
    [part] = model.expression("cell", 0, predicted_as=1).parts
    assert part.value_at(point) == Fraction(10, 4)
    [part] = model.expression("correct").parts
    assert part.value_at(point) == 16


def test_a_cell_needs_a_model_with_cells():
    with pytest.raises(ValueError, match="no cells"):
        MatrixModel([4, 4], has_cells=False).expression("cell", 0, predicted_as=1)
    with pytest.raises(ValueError, match="needs a class"):
        MatrixModel([4, 4], has_cells=True).expression("cell", 0)


def test_weighted_and_micro_averages_are_linear_where_they_are_the_accuracy():
    model = MatrixModel([10, 20, 30], has_cells=False)
    accuracy = model.expression("accuracy")
    for name, average in (("recall", "weighted"), ("recall", "micro"), ("f1", "micro")):
        assert model.expression(name, average=average) == accuracy
    assert model.expression("recall", average="macro") == model.expression("balanced accuracy")
    assert model.expression("f1", average="weighted").weights == (1, 2, 3)
    balanced = MatrixModel([10, 10], has_cells=False)
    weighted = balanced.expression("precision", average="weighted")
    assert weighted == balanced.expression("precision", average="macro")


# ------------------------------------------------------------------ MCC


def compute_mcc(rows):
    """The MCC to 20 decimals, by whole numbers; ``None`` for 0/0."""
    sizes = [sum(row) for row in rows]
    predicted = [sum(column) for column in zip(*rows, strict=True)]
    n = sum(sizes)
    x = n * sum(rows[k][k] for k in range(len(rows)))
    x -= sum(a * b for a, b in zip(sizes, predicted, strict=True))
    square = (n * n - sum(p * p for p in predicted)) * (n * n - sum(p * p for p in sizes))
    return Fraction(x * 10**20, isqrt(square * 10**40)) if square else None


@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_the_constraints_of_the_mcc_exclude_no_matrix_that_has_it(rng):
    rows = draw_matrix(rng)
    if rng.random() < 0.3:  # all errors go from one class to another, which S can show
        rows = [
            [n if i == j else 0 for j in range(len(rows))] for i, n in enumerate(map(sum, rows))
        ]
        rows[0][1] = rng.randint(0, rows[0][0])
        rows[0][0] -= rows[0][1]
    if (value := compute_mcc(rows)) is None:
        return
    decimals = rng.randint(1, 12)
    half, printed = Fraction(1, 2 * 10**decimals), round(value, decimals)
    interval = Interval(printed - half, printed + half)
    model = build_model(rows, has_cells=False)
    point = model.build_point(rows)
    width = rng.choice((0, 3, 30))
    box = [
        (max(low, x - rng.randint(0, width)), min(high, x + rng.randint(0, width)))
        for x, (low, high) in zip(point, model.bounds, strict=True)
    ]
    expression = model.expression("mcc")
    assert expression.lies_in(interval, point)
    for bounds in (box, model.bounds):
        assert all(c.holds_at(point) for c in expression.constraints(interval, bounds))
    system = ConstraintSystem(model, [FigureConstraint(expression, interval)])
    tight = system.tightened(system.box)
    assert all(low <= x <= high for x, (low, high) in zip(point, tight, strict=True))


@settings(max_examples=40)
@given(st.randoms(use_true_random=False))
def test_an_mcc_is_decided_as_by_trying_all_matrices(rng):
    """Two classes of up to 8 images: the counts decide everything, and there are few of them."""
    sizes = rng.randint(1, 8), rng.randint(1, 8)
    model = MatrixModel(sizes, has_cells=False)
    low, width = Fraction(rng.randint(-100, 98), 100), Fraction(1, rng.choice((50, 500)))
    accuracy = Fraction(rng.randint(0, sum(sizes)), sum(sizes))
    figures = [
        FigureConstraint(model.expression("mcc"), Interval(low, low + width)),
        FigureConstraint(model.expression("accuracy"), exactly(accuracy)),
    ]
    exists = any(
        ConstraintSystem(model, figures).is_solved_by(
            model.build_point([[a, sizes[0] - a], [sizes[1] - b, b]])
        )
        for a in range(sizes[0] + 1) for b in range(sizes[1] + 1)
    )  # fmt: skip
    system = ConstraintSystem(model, figures)
    decided = decide_with_proof(system, WorkLimit(WORK))
    assert (decided.point is not None, decided.infeasible) == (exists, not exists)
    assert decide(model, figures) in (exists, None)


@pytest.mark.parametrize(
    ("accuracy", "mcc", "is_possible"),
    [
        ("0.9000", "0.8889", True),  # kappa: each class is predicted as often as it occurs
        ("0.9000", "0.8880", False),  # no MCC on equally large classes is below kappa
        ("0.9000", "0.8895", True),
        ("0.9000", "0.9050", False),  # and not above kappa / sqrt(1 - 2 e^2 / Q) = 0.8990
        ("0.9880", "0.7500", False),
    ],
)
def test_the_mcc_is_held_against_the_accuracy(accuracy, mcc, is_possible):
    model = MatrixModel([1000] * 10, has_cells=False)
    figures = [
        FigureConstraint(model.expression(name), Interval(value - half, value + half))
        for name, value, half in (
            ("accuracy", Fraction(accuracy), Fraction(1, 20_000)),
            ("mcc", Fraction(mcc), Fraction(1, 20_000)),
        )
    ]
    assert decide(model, figures) is is_possible


# ------------------------------------------------------------------ tables of real matrices

RULES = (["nearest"], ["truncated"], ["nearest", "truncated"])  # of the figures of a table
AVERAGES = ("macro", "weighted", "micro")


def list_figures(n_classes):
    """Every figure that a matrix can have: metric, class, predicted class, average."""
    classes = range(n_classes)
    found = [(name, None, None, None) for name in OF_ALL]
    for name in OF_A_CLASS:
        found += [(name, k, None, None) for k in classes]
        found += [(name, None, None, average) for average in AVERAGES]
    return found + [("cell", i, j, None) for i in classes for j in classes]


def compute_value(model, rows, name, class_=None, predicted_as=None, average=None):
    """The exact value; 0 for a class of 0/0, as scikit-learn prints it; ``None`` for other 0/0."""
    if name == "mcc":
        return compute_mcc(rows)
    expression = model.expression(name, class_, average=average, predicted_as=predicted_as)
    values = [part.value_at(model.build_point(rows)) for part in expression.parts]
    if values == [None] and class_ is None:
        return None
    weighted = (w * (value or 0) for w, value in zip(expression.weights, values, strict=True))
    return sum(weighted, Fraction(0)) / sum(expression.weights)


def print_figure(value, key, decimals, rule):
    name, class_, predicted_as, average = key
    text = str(value) if METRICS[name].is_count else as_printed(value, decimals, rule)
    return ReportedFigure(
        f"source {decimals}", name, text,
        class_=class_, predicted_as=predicted_as, average=average,
    )  # fmt: skip


def print_matrix(rows, decimals, rule):
    if not decimals:
        return Matrix("matrix", tuple(map(tuple, rows)))
    shares = [[as_printed(Fraction(n, sum(row)), decimals, rule) for n in row] for row in rows]
    return Matrix("matrix", tuple(map(tuple, shares)), shares=True)


def build_suite(rows, figures, *matrices):
    sizes = tuple(sum(row) for row in rows)
    return Suite(
        Path("made-up.toml"), "made up", sizes, reported=tuple(figures), matrices=matrices
    )  # fmt: skip


def check_real_table(rng, rule, n_figures, work, decimals=(1, 5)):
    """Print some figures of a random matrix, and check them."""
    rows = draw_matrix(rng, size=rng.choice((12, 60, 1000)))
    model = build_model(rows)
    every = list_figures(len(rows))
    few = rng.sample(every, min(len(every), rng.randint(1, n_figures)))
    chosen = [(key, compute_value(model, rows, *key)) for key in few]
    figures = [
        print_figure(value, key, rng.randint(*decimals), rng.choice(rule))
        for key, value in chosen if value is not None
    ]  # fmt: skip
    matrices = (
        [print_matrix(rows, rng.randint(0, 4), rng.choice(rule))] if rng.random() < 0.3 else []
    )
    if figures or matrices:
        checked = rule[0] if len(rule) == 1 else "either"
        result = check_consistency(build_suite(rows, figures, *matrices), checked, work=work)
        assert not result.contradictory, (rows, figures, matrices)


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.sampled_from(RULES))
def test_a_few_figures_of_a_real_matrix_are_never_called_contradictory(seed, rule):
    check_real_table(random.Random(seed), rule, n_figures=5, work=300)


@pytest.mark.slow
@settings(max_examples=15)
@given(st.integers(0, 2**32), st.sampled_from(RULES))
def test_many_figures_of_a_real_matrix_are_never_called_contradictory(seed, rule):
    check_real_table(random.Random(seed), rule, n_figures=25, work=1000)


# ------------------------------------------------------------------ tables with one wrong figure

REPORT = [(name, k, None, None) for k in range(10) for name in ("precision", "recall", "f1")]
REPORT += [("accuracy", None, None, None)]
REPORT += [(name, None, None, a) for a in AVERAGES[:2] for name in ("precision", "recall", "f1")]


def draw_model_like_matrix(seed):
    """A matrix of 10 x 1000 images, as of a model with 75 to 99 % whose classes differ."""
    rng, generator = random.Random(seed), np.random.default_rng(seed)
    accuracy = rng.uniform(0.75, 0.99)
    rows = []
    for k in range(10):
        right = min(0.998, max(0.4, rng.gauss(accuracy, 0.6 * (1 - accuracy))))
        shares = list(generator.dirichlet([0.4] * 9) * (1 - right))
        rows.append(generator.multinomial(1000, [*shares[:k], right, *shares[k:]]).tolist())
    return rows


def change_one_figure(rows, seed, decimals):
    """Print a classification report, one of whose 37 figures is off by 0.02; return it."""
    rng, model = random.Random(seed), build_model(rows, has_cells=False)
    values = [compute_value(model, rows, *key) for key in REPORT]
    wrong = rng.randrange(len(REPORT))
    off = rng.choice((-1, 1)) * Fraction(1, 50)
    printed = round(values[wrong], decimals)
    values[wrong] = printed + off if 0 <= printed + off <= 1 else printed - off
    return [
        print_figure(value, key, decimals, "nearest")
        for key, value in zip(REPORT, values, strict=True)
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("decimals", "least"), [(2, 38), (3, 60), (4, 60)])
def test_how_often_a_report_with_one_wrong_figure_is_caught(decimals, least):
    """Of 60 draws. With two decimals, every fourth wrong report is true of another matrix."""
    n_caught = 0
    for seed in range(60):
        rows = draw_model_like_matrix(seed)
        model = build_model(rows, has_cells=False)
        constraints = [
            FigureConstraint(
                model.expression(figure.metric, figure.class_, average=figure.average),
                figure.interval(),
            )
            for figure in change_one_figure(rows, seed, decimals)
        ]
        answer = decide(model, constraints)
        assert answer is not None
        n_caught += answer is False
    assert n_caught >= least
