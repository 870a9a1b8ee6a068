"""Sources are held against each other, and one that agrees with others is never accused."""

import random
from fractions import Fraction
from itertools import product
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.consistency import explain, feasibility, severity, sources
from fmbench.consistency.check import NOT_DECIDED, check_consistency
from fmbench.consistency.conflicts import FigureGroup
from fmbench.consistency.solver import Solution, WorkLimit
from fmbench.consistency.sources import SourceResult
from fmbench.errors import UserError
from fmbench.suites import reader
from fmbench.suites.claims import ReportedFigure
from fmbench.suites.rounding import ROUNDING_RULES
from tests.consistency.test_check import BALANCED, as_printed, exact_metrics, suite
from tests.helpers.answers import format_answer

pytestmark = pytest.mark.slow


def figure(where, metric, value, k=None, **more):
    average = "macro" if k is None and metric in ("precision", "recall", "f1") else None
    return ReportedFigure(where, metric, value, class_=k, average=average, **more)


def check(n_per_class, *figures, rounding="nearest", **options):
    # By default without a limit of time, so that no test depends on the speed of the machine.
    return check_consistency(suite(n_per_class, *figures), rounding, **{"work": 600_000, **options})


def verdicts(result):
    names = [source.name for source in result.sources]
    return {(names[pair.first], names[pair.second]): pair.verdict for pair in result.pairs}


# ------------------------------------------------------------------ what a source is


def test_a_source_is_what_stands_in_one_place_about_one_model_and_one_kind_of_run():
    result = check(
        BALANCED,
        figure("Table 1, class 0", "recall", "0.99", 0, of="a"),
        figure("Table 1, class 12", "recall", "0.99", 3, of="a"),
        figure("Table 1, classes", "recall", "0.99", 4, of="a"),
        figure("Table 1", "recall", "0.99", 5, of="b"),
        figure("text", "accuracy", "98%", of="a"),
        figure("text", "accuracy", "98%", of="a", mean_of=10),
        figure("text", "accuracy", "98%", of="a", best_of=3),
    )
    found = [(s.name, s.of, s.mean_of, s.best_of, s.figures) for s in result.sources]
    assert found == [
        ("Table 1", "a", 1, 1, (0, 1)), ("Table 1, classes", "a", 1, 1, (2,)),
        ("Table 1", "b", 1, 1, (3,)), ("text", "a", 1, 1, (4,)), ("text", "a", 10, 1, (5,)),
        ("text", "a", 1, 3, (6,)),
    ]  # fmt: skip


def test_sources_of_different_models_make_no_pair_and_all_agree():
    result = check(
        BALANCED,
        figure("x", "accuracy", "98.80%", of="a"), figure("y", "accuracy", "91%", of="b"),
    )  # fmt: skip
    assert result.pairs == () and result.agreeing == (0, 1) and not result.contradictory


@pytest.mark.parametrize("more", [{"mean_of": 10}, {"best_of": 10}])
def test_different_kinds_of_run_agree_only_if_their_accuracies_overlap(more):
    one_run = figure("x", "accuracy", "98.80%")
    near = check(BALANCED, one_run, figure("y", "accuracy", "98.8%", **more))
    assert verdicts(near) == {("x", "y"): "agree"}
    far = check(BALANCED, one_run, figure("y", "accuracy", "98.9%", **more))
    assert verdicts(far) == {("x", "y"): "not compared"}
    assert not far.contradictory and not far.not_checked
    kind = "the mean of 10 runs" if "mean_of" in more else "the best of 10 runs"
    assert far.pairs[0].note == f"one run and {kind} are different runs"
    assert len(far.agreeing) == 1


def test_means_of_as_many_runs_are_compared_in_the_sum_of_their_matrices():
    # 0.05 points of 10 runs of 10,000 images are 50 images.
    result = check(
        BALANCED,
        figure("x", "accuracy", "98.801%", mean_of=10), figure("y", "accuracy", "98.8012%"),
        figure("z", "recall", "0.98801", mean_of=10),
    )  # fmt: skip
    assert [source.possible for source in result.sources] == [True, False, True]
    assert verdicts(result)["x", "z"] == "agree"


# ------------------------------------------------------------------ one source alone


def test_an_impossible_source_is_searched_figure_by_figure_and_not_compared():
    result = check(
        [100] * 3,
        figure("table", "accuracy", "0.9755"), figure("table", "kappa", "0.5"),
        figure("table", "recall", "0.99", 0), figure("text", "accuracy", "0.5"),
    )  # fmt: skip
    assert result.sources[0].possible is False
    assert [conflict.members for conflict in result.conflicts] == [(0,)]
    assert verdicts(result) == {("table", "text"): "not compared"}
    assert result.pairs[0].note == "table is impossible alone"
    assert result.contradictory and result.agreeing == (1,)
    text = format_answer(result)
    assert "Contradictory: 1 of 2 sources is impossible alone." in text
    assert "no confusion matrix of this test set gives this value" in text


def test_the_severity_of_an_impossible_source_is_the_distance_to_the_nearest_count():
    [source] = check([100] * 3, figure("x", "accuracy", "0.9755")).sources
    # 293 of 300 is 0.976667, which is 0.00116667 away: 23.3 half-units of 0.00005.
    assert source.severity == pytest.approx(0.00116667 / 0.00005, rel=0.01)


def test_a_figure_that_cannot_be_checked_leaves_its_source_without_an_answer():
    result = check(BALANCED, figure("x", "top-2 accuracy", "0.9"), figure("y", "accuracy", "0.9"))
    assert (result.sources[0].possible, result.sources[0].implied) == (None, {})
    assert verdicts(result) == {("x", "y"): "not compared"}
    assert result.pairs[0].note == "no figure of x can be checked"
    assert "x: not checked" in explain.describe_source(result.sources[0], result)


# ------------------------------------------------------------------ pairs


def test_kappa_and_informedness_may_differ_on_an_unbalanced_test_set():
    kappa, informedness = figure("x", "kappa", "0.75"), figure("y", "informedness", "0.77")
    assert check([1500, *[1000] * 8, 500], kappa, informedness).conflicts == ()
    assert check(BALANCED, kappa, informedness).contradictory


def table(recalls, precisions):
    return [
        figure("Table 1", metric, value, k)
        for k, values in enumerate(zip(recalls, precisions, strict=True))
        for metric, value in zip(("recall", "precision"), values, strict=True)
    ]


def test_the_reason_is_one_column_where_one_column_suffices():
    claim = figure("text", "accuracy", "98.80")
    both = table(["0.99"] * 10, ["0.99"] * 4 + ["1.00"] * 6)
    [pair] = check(BALANCED, *both, claim).pairs
    # With precision 0.99 at most 15 of 1,000 are false positives, with 1.00 at most 5: 90 in all.
    assert pair.reason == (*range(1, 20, 2), 20)


def test_the_reason_is_two_columns_where_one_does_not_suffice():
    """If only class 2 errs, and no other class gets its images, there is no error at all."""
    recalls = [figure("Table 1", "recall", "1.000", k) for k in (0, 1)]
    precisions = [figure("Table 1", "precision", "1.000", k) for k in (0, 1)]
    claim = figure("text", "accuracy", "0.95")
    for column in (recalls, precisions):
        assert not check([100] * 3, *column, claim).contradictory
    f1 = figure("Table 1", "f1", "1.00", 0)
    [pair] = check([100] * 3, f1, *recalls, *precisions, claim).pairs
    assert pair.reason == (1, 2, 3, 4, 5)


def test_a_pair_without_a_metric_in_which_it_differs_is_described_as_such():
    result = check(
        [100] * 3,
        figure("x", "recall", "1.00", 0), figure("y", "precision", "1.00", 0),
        figure("z", "f1", "0.50", 0),
    )  # fmt: skip
    assert set(verdicts(result).values()) == {"agree"}
    [conflict] = result.conflicts
    assert conflict.members == (0, 1, 2)
    text = format_answer(result)
    assert "1 group of three or more sources cannot all be true" in text
    pair = check(
        [100] * 3,
        figure("x", "recall", "1.00", 0), figure("x", "precision", "1.00", 0),
        figure("z", "f1", "0.50", 0),
    )  # fmt: skip
    line = explain.describe_pair(pair.pairs[0], pair)
    assert line.startswith("x and z: no one matrix gives both; severity ")


def test_three_sources_that_agree_in_pairs_may_contradict_each_other():
    result = check(
        [10, 10],
        figure("x", "recall", "1.00", 0), figure("y", "recall", "1.00", 1),
        figure("z", "accuracy", "0.90"),
    )  # fmt: skip
    assert set(verdicts(result).values()) == {"agree"}
    assert [conflict.members for conflict in result.conflicts] == [(0, 1, 2)]
    assert result.contradictory and len(result.agreeing) == 2


def test_an_alternative_reading_under_which_a_pair_agrees_is_said():
    # 120 errors: a mean squared error below 0.012 is impossible, a mean absolute error, too.
    result = check(
        BALANCED,
        figure("x", "accuracy", "98.80%"), figure("y", "mse", "1.9", alternative_metric="mae"),
    )  # fmt: skip
    [pair] = result.pairs
    assert pair.alternative is not None and pair.alternative[1] > pair.severity
    result = check(
        BALANCED,
        figure("x", "recall", "0.50"), figure("y", "accuracy", "0.9", alternative_metric="recall"),
        figure("z", "specificity", "0.944", alternative_metric="accuracy"),
    )  # fmt: skip
    readings = {(pair.first, pair.second): pair.alternative for pair in result.contradicting_pairs}
    assert readings[0, 1][0] == "recall"
    assert (1, 2) not in readings or readings[1, 2] is None or readings[1, 2][1] != 0
    result = check(
        BALANCED,
        figure("x", "specificity", "0.9", alternative_metric="accuracy"),
        figure("y", "accuracy", "0.9"),
    )  # fmt: skip
    [pair] = result.pairs
    assert pair.alternative == ("accuracy", None)
    assert "read as accuracy: they agree" in explain.describe_pair(pair, result)


# ------------------------------------------------------------------ the largest set that agrees


def test_the_largest_set_that_agrees_is_found_exactly():
    values = ["0.90", "0.92", "0.915", "0.93", "0.92"]
    figures = [figure(f"s{i}", "accuracy", value) for i, value in enumerate(values)]
    result = check(BALANCED, *figures)
    assert result.agreeing == (1, 2, 4)  # 0.915 to 0.9155 and 0.915 to 0.925
    assert [result.sources[i].name for i in result.agreeing] == ["s1", "s2", "s4"]


def test_of_equally_large_sets_the_one_with_more_figures_counts():
    few = [figure("few", "accuracy", "0.91")]
    many = [figure("many", "recall", "0.95", k) for k in range(10)]
    assert check(BALANCED, *few, *many).agreeing == (1,)


# ------------------------------------------------------------------ nothing is said without proof


def test_a_solver_that_wrongly_says_infeasible_accuses_nobody(monkeypatch):
    wrong = Solution(None, infeasible=True)
    monkeypatch.setattr(feasibility, "minimise", lambda *_, **__: wrong)
    result = check(
        BALANCED, figure("x", "accuracy", "0.988"), figure("y", "kappa", "0.987"),
        figure("z", "recall", "0.99", 3),
    )  # fmt: skip
    assert not result.contradictory


def test_a_solver_that_wrongly_says_feasible_reconciles_nobody(monkeypatch):
    real = feasibility.minimise

    def shifted(*arguments, **options):
        found = real(*arguments, **options)
        values = None if found.values is None else [value + 7 for value in found.values]
        return Solution(values, found.infeasible, found.optimal)

    monkeypatch.setattr(feasibility, "minimise", shifted)
    result = check(BALANCED, figure("x", "accuracy", "0.98800"), figure("y", "recall", "0.988", 3))
    assert [source.possible for source in result.sources] == [None, None]
    assert set(result.not_checked.values()) == {NOT_DECIDED}
    assert result.agreeing == ()


def make_matrix(rng, n):
    accuracy, n_classes = rng.random(), len(n)
    matrix = [[0] * n_classes for _ in n]
    for k, size in enumerate(n):
        for _ in range(size):
            matrix[k][k if rng.random() < accuracy else rng.randrange(n_classes)] += 1
    return matrix


def make_sizes(rng, n_classes):
    size = rng.randint(5, 60)
    return [size] * n_classes if rng.random() < 0.5 else rng.choices(range(5, 61), k=n_classes)


@pytest.mark.slow
@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.sampled_from(ROUNDING_RULES))
def test_figures_of_one_real_matrix_agree_however_they_are_grouped(rng: random.Random, rule):
    n = make_sizes(rng, rng.randint(2, 12))
    metrics = exact_metrics(make_matrix(rng, n))
    chosen = rng.sample(sorted(metrics, key=str), k=min(len(metrics), rng.randint(1, 12)))
    figures = [
        figure(
            f"source {rng.randint(1, 4)}", name,
            as_printed(metrics[name, k], rng.randint(1, 4), rule), k,
        )
        for name, k in chosen
    ]  # fmt: skip
    result = check(n, *figures, rounding=rule, work=5000)
    assert not result.contradictory
    assert all(pair.verdict != "contradictory" for pair in result.pairs)
    for source in result.sources:
        for name, (low, high) in source.implied.items():
            if (name, None) in metrics:
                assert low <= metrics[name, None] <= high


def widen(figures, factor):
    """The same figures with half-units that have grown by the factor."""
    widened = []
    for printed in figures:
        interval = printed.interval()
        half = (interval.high - interval.low) / 2 * factor
        text = f"{float(half):.15f}"[:22]
        widened.append(
            ReportedFigure(
                printed.where, printed.metric, printed.value, class_=printed.class_,
                average=printed.average, half_unit=text,
            )
        )  # fmt: skip
    return widened


MEANS_OF_RATIOS = ("precision", "f1")


def choose_figures(rng, n, n_figures, decimals):
    """Two sources with a few figures each, of two unrelated matrices."""
    figures = []
    for where in ("x", "y"):
        metrics = exact_metrics(make_matrix(rng, n))
        possible = [key for key in metrics if key[1] is not None or key[0] not in MEANS_OF_RATIOS]
        for name, k in rng.sample(sorted(possible, key=str), k=min(len(possible), n_figures)):
            value = as_printed(metrics[name, k], rng.randint(1, decimals), "nearest")
            figures.append(figure(where, name, value, k))
    return figures


@pytest.mark.slow
@settings(max_examples=8)
@given(st.randoms(use_true_random=False))
def test_widened_by_the_severity_a_pair_agrees_and_by_less_it_does_not(rng: random.Random):
    n = make_sizes(rng, rng.randint(2, 6))
    figures = choose_figures(rng, n, n_figures=4, decimals=3)
    for pair in check(n, *figures, work=30_000).contradicting_pairs:
        assert pair.severity is not None and pair.severity >= 1
        if float(max(f.interval().high - f.interval().low for f in figures)) * pair.severity > 1.9:
            continue  # a half-unit may not be larger than the metric
        [wider] = check(n, *widen(figures, Fraction(pair.severity * 1.05)), work=30_000).pairs
        assert wider.verdict == "agree"
        if pair.severity * 0.95 > 1:
            [narrower] = check(n, *widen(figures, Fraction(pair.severity * 0.95))).pairs
            assert narrower.verdict != "agree"


def list_matrices(n):
    """Every confusion matrix of a very small test set."""
    rows = [
        [row for row in product(range(size + 1), repeat=len(n)) if sum(row) == size] for size in n
    ]
    return [list(map(list, matrix)) for matrix in product(*rows)]


def compute_distance(printed, matrix, metrics):
    """How many half-units a figure is away from a matrix; 0/0 counts as 0 or as 1."""
    interval, k = printed.interval(), printed.class_
    half, middle = (interval.high - interval.low) / 2, (interval.high + interval.low) / 2
    is_never_predicted = k is not None and not sum(row[k] for row in matrix)
    values = [Fraction(0), Fraction(1)]
    if not (printed.metric == "precision" and is_never_predicted):
        values = [metrics[printed.metric, k]] if (printed.metric, k) in metrics else []
    return min((abs(value - middle) / half for value in values), default=Fraction(10**9))


@pytest.mark.slow
@settings(max_examples=25)
@given(st.randoms(use_true_random=False), st.sampled_from([(4, 5), (3, 3), (2, 2, 3)]))
def test_verdict_ranges_and_severity_are_those_of_all_matrices(rng: random.Random, n):
    figures = choose_figures(rng, n, n_figures=3, decimals=2)
    result = check(n, *figures, work=30_000)
    matrices = [(matrix, exact_metrics(matrix)) for matrix in list_matrices(n)]
    distances = [
        [compute_distance(printed, matrix, metrics) for printed in figures]
        for matrix, metrics in matrices
    ]
    for source in result.sources:
        assert source.possible is True
        possible = [
            metrics for (_, metrics), away in zip(matrices, distances, strict=True)
            if all(away[i] <= 1 for i in source.figures)
        ]  # fmt: skip
        for name, (low, high) in source.implied.items():
            values = [metrics[name, None] for metrics in possible if (name, None) in metrics]
            assert low <= min(values) and max(values) <= high
            is_exact = not any(f.metric in ("mse", "mae") for f in figures) and name != "kappa"
            assert not is_exact or (low, high) == (min(values), max(values))
    severity = float(min(map(max, distances)))
    [pair] = result.pairs
    assert pair.verdict == ("agree" if severity <= 1 else "contradictory")
    assert severity <= 1 or pair.severity == pytest.approx(severity, rel=0.02)


def list_mean_precisions(matrix):
    """The mean precision, where a class that is never predicted counts as 0, as 1 or not at all."""
    predicted = [sum(column) for column in zip(*matrix, strict=True)]
    known = [Fraction(matrix[k][k], n) for k, n in enumerate(predicted) if n]
    total, n_classes = sum(known), len(matrix)
    return {total / n_classes, (total + n_classes - len(known)) / n_classes, total / len(known)}


@pytest.mark.slow
@settings(max_examples=12)
@given(st.randoms(use_true_random=False), st.sampled_from([(4, 5), (3, 3), (2, 2, 3)]))
def test_means_of_ratios_are_judged_as_all_matrices_say_or_not_at_all(rng: random.Random, n):
    metrics = exact_metrics(make_matrix(rng, n))
    name = rng.choice(MEANS_OF_RATIOS)
    figures = [
        figure("x", name, as_printed(metrics[name, None], 2, "nearest")),
        *choose_figures(rng, n, n_figures=2, decimals=2)[2:],  # of another matrix
    ]
    result = check(n, *figures, work=30_000)
    exists = False
    for matrix in list_matrices(n):
        found = exact_metrics(matrix)
        means = list_mean_precisions(matrix) if name == "precision" else {found[name, None]}
        exists |= any(mean in figures[0].interval() for mean in means) and all(
            compute_distance(other, matrix, found) <= 1 for other in figures[1:]
        )
    proven = "agree" if exists else "contradictory"
    assert result.pairs[0].verdict in ("not decided", "not compared", proven)


def test_the_names_of_the_verdicts_are_those_of_the_json():
    names = {sources.AGREE, sources.CONTRADICTORY, sources.NOT_COMPARED, sources.NOT_DECIDED}
    assert names == {"agree", "contradictory", "not compared", "not decided"}


# ------------------------------------------------------------------ claims of rows


def check_content(reported=(), **content):
    content = {"test_set": {"n_per_class": [1000] * 10}, "reported": list(reported), **content}
    return check_consistency(reader.build_suite(content, Path("s.toml")), work=600_000)


KAPPA = {"where": "Table 2", "of": "lenet5", "metric": "kappa", "value": "0.75"}
CLAIM = {"where": "Table 3", "label": "LeNet-5", "runner": "lenet5", "claimed": "98.80"}


def test_a_claim_of_a_row_is_compared_with_the_other_figures_of_its_model():
    result = check_content([KAPPA], row=[CLAIM])
    assert verdicts(result) == {("Table 2", "Table 3"): "contradictory"}
    assert result.pairs[0].severity == pytest.approx(46.81, rel=0.01)
    text = format_answer(result, explain=True)
    assert "Table 3: 98.80 %" in text and "| accuracy 98.80 % forces kappa 0.9867 |" in text
    figures = result.as_json()["figures"]
    assert [(f["metric"], f["where"], f["row"]) for f in figures] == [
        ("kappa", "Table 2", None), ("accuracy", "Table 3", 0)
    ]  # fmt: skip
    assert result.as_json()["sources"][1]["figures"] == [1]


@pytest.mark.parametrize(
    ("where", "metric", "value", "named", "printed"),
    [
        ("Table 2", "kappa", "0.75", "Table 2 (kappa)", "Table 2 (kappa 0.75)"),
        ("Table 2, kappa", "kappa", "0.75", "Table 2, kappa", "Table 2, kappa (0.75)"),
        ("text", "error rate", "12 %", "text (error rate)", "text (error rate 12 %)"),
    ],
)
def test_a_source_that_does_not_say_what_it_prints_is_named_with_its_metric(
    where, metric, value, named, printed
):
    entry = {"where": where, "of": "lenet5", "metric": metric, "value": value}
    result = check_content([entry], row=[CLAIM])
    [pair] = result.contradicting_pairs
    assert explain.describe_pair_in_words(pair, result).startswith(f"{printed} allows an accuracy")
    rows = explain.build_source_rows(result)
    assert [row["source"] for row in rows] == [named, "Table 3"]
    assert f"| {named}: " in format_answer(result)


def test_a_source_with_several_metrics_gets_none_of_them():
    other = {**KAPPA, "metric": "informedness"}
    result = check_content([KAPPA, other], row=[CLAIM])
    assert [row["source"] for row in explain.build_source_rows(result)] == ["Table 2", "Table 3"]


def test_a_claim_that_is_reported_too_is_compared_once():
    same = {"where": "Table 3", "of": "lenet5", "metric": "accuracy", "value": "0.9880"}
    result = check_content([KAPPA, same], row=[CLAIM])
    assert len(result.figures) == 2 and len(result.sources) == 2


def test_a_claim_about_other_images_is_named_as_not_compared():
    result = check_content([KAPPA], row=[{**CLAIM, "images": "first release"}])
    assert not result.contradictory and len(result.figures) == 1
    text = " ".join(format_answer(result).split())
    assert (
        "Not compared: LeNet-5 (Table 3), claimed 98.80: it is about the first release of the "
        "images."
    ) in text
    assert "Not compared" not in format_answer(check_content([KAPPA]))


def test_claims_alone_are_counted_and_not_listed():
    rows = [CLAIM, {**CLAIM, "label": "MLP", "runner": "mlp", "claimed": "87.23"}]
    result = check_content(row=rows)
    assert not result.contradictory and result.agreeing == ()
    text = " ".join(format_answer(result).split())
    assert "The claims of 2 rows are possible, and stand alone" in text and "Each fig" not in text
    assert explain.build_figure_rows(result) == explain.build_source_rows(result) == []


def test_a_claim_that_no_count_of_images_gives_is_impossible_alone():
    result = check_content(row=[{**CLAIM, "claimed": "98.805"}])
    assert result.contradictory
    text = " ".join(format_answer(result).split())
    assert "1 of 1 sources is impossible alone" in text
    assert "gives this value in one run (of a mean, say mean_of)" in text
    assert not check_content(row=[{**CLAIM, "claimed": "98.805", "mean_of": 2}]).contradictory


def test_two_claims_of_one_label_are_compared():
    rows = [CLAIM, {**CLAIM, "where": "text", "claimed": "98.9"}]
    assert verdicts(check_content(row=rows)) == {("Table 3", "text"): "contradictory"}


def test_a_suite_with_nothing_to_check_is_refused():
    with pytest.raises(UserError, match="nothing to check"):
        check_content(row=[{**CLAIM, "images": "first release"}])


# ------------------------------------------------------------------ limits and rounding

SMALL = [5000] * 2  # with few classes, a check takes less time


def test_a_limit_is_compared_on_one_side_only():
    over = figure("x", "accuracy", "98%", bound="at least")
    assert not check(SMALL, over, figure("y", "kappa", "0.99")).contradictory
    assert check(SMALL, over, figure("y", "kappa", "0.75")).contradictory
    below = figure("x", "accuracy", "98%", bound="at most")
    assert check(SMALL, below, figure("y", "kappa", "0.99")).contradictory
    assert "at least 98 %" in format_answer(check(SMALL, over))


def cut_off(**more):
    """An accuracy of 89.87 % and its kappa of 0.7974, both cut off."""
    return [figure("x", "accuracy", "89.8%", **more), figure("y", "kappa", "0.7974", **more)]


def test_figures_that_agree_under_another_rounding_are_said_to():
    result = check(SMALL, *cut_off())
    assert result.contradictory and result.consistent_under == ("truncated", "either")
    text = " ".join(format_answer(result).split())
    assert (
        "But all figures can be true together if their further digits were cut off instead of "
        "rounded (--rounding truncated)."
    ) in text
    assert result.as_json()["consistent_under"] == ["truncated", "either"]
    for rule in ("truncated", "either"):
        other = check(SMALL, *cut_off(), rounding=rule)
        assert not other.contradictory and other.consistent_under == ()
    assert check(SMALL, *cut_off(), figure("z", "mse", "50")).consistent_under == ()


def test_figures_of_which_some_are_cut_off_agree_only_under_either_rule():
    mixed = [*cut_off(), figure("z", "recall", "0.899")]
    assert check(SMALL, *mixed).consistent_under == ("either",)
    assert "some of them were rounded" in format_answer(check(SMALL, *mixed))


def test_a_figure_may_have_its_own_rounding():
    one, other = cut_off()
    own = msgspec.structs.replace(one, rounding="truncated")
    assert not check(SMALL, own, other).contradictory
    nearest = [msgspec.structs.replace(f, rounding="nearest") for f in (one, other)]
    assert check(SMALL, *nearest, rounding="truncated").contradictory


# ------------------------------------------------------------------ more metrics


def test_counts_and_error_rates_say_the_same_as_the_accuracy():
    accuracy = figure("a", "accuracy", "91.12%")
    for metric, value in (("correct", "9112"), ("errors", "888"), ("error rate", "8.88%")):
        assert not check(SMALL, accuracy, figure("b", metric, value)).contradictory
    for metric, value in (("correct", "9107"), ("errors", "893"), ("error rate", "8.93%")):
        [pair] = check(SMALL, accuracy, figure("b", metric, value)).pairs
        assert pair.verdict == "contradictory"
    result = check(SMALL, accuracy, figure("b", "correct", "9107"))
    text = " ".join(format_answer(result, explain=True).split())
    assert "accuracy" in text and "9107" in text


def test_a_count_that_is_a_mean_of_runs_is_the_mean_of_their_counts():
    accuracy = figure("a", "accuracy", "91.12%", mean_of=5)
    assert not check(SMALL, accuracy, figure("b", "correct", "9112", mean_of=5)).contradictory
    assert check(SMALL, accuracy, figure("b", "correct", "9113.2", mean_of=5)).contradictory


def test_a_cell_limits_the_recall_of_its_class_and_the_precision_of_the_other():
    cell = ReportedFigure("text", "cell", "114", class_=1, predicted_as=0)
    assert not check([1000] * 3, cell, figure("a", "recall", "0.886", 1)).contradictory
    result = check([1000] * 3, cell, figure("a", "recall", "0.90", 1))
    assert result.contradictory
    text = " ".join(format_answer(result, explain=True).split())
    assert "images of class 1 predicted as class 0: 114" in text


def test_balanced_accuracy_is_the_macro_recall():
    n = [1500, 1000, 500]
    balanced, recall = figure("a", "balanced accuracy", "0.900"), figure("b", "recall", "0.91")
    assert check(n, balanced, recall).contradictory
    assert not check(n, balanced, figure("b", "recall", "0.900")).contradictory
    assert not check(n, balanced, figure("b", "accuracy", "0.91")).contradictory


def test_weighted_and_micro_averages_are_compared():
    n = [30, 10]
    accuracy = figure("a", "accuracy", "0.900")
    for average in ("weighted", "micro"):
        recall = ReportedFigure("b", "recall", "0.900", average=average)
        assert not check(n, accuracy, recall).contradictory
        recall = ReportedFigure("b", "recall", "0.95", average=average)
        result = check(n, accuracy, recall)
        assert result.contradictory and f"{average} recall 0.95" in format_answer(
            result, all_figures=True, explain=True
        )


# ------------------------------------------------------------------ the search ends in time

PRECISIONS = ("0.82", "0.98", "0.82", "0.89", "0.82", "0.96", "0.71", "0.93", "0.96", "0.95")
CONTRADICTORY_REPORT = [
    *(figure("report", "precision", value, k) for k, value in enumerate(PRECISIONS)),
    figure("report", "precision", "0.87"),  # their mean is 0.884
]


def test_the_other_figures_and_a_mean_of_ratios_force_the_last_class():
    result = check(BALANCED, *CONTRADICTORY_REPORT)
    [conflict] = result.conflicts
    assert conflict.members == tuple(range(11)) and conflict.forced_figure == 9
    low, high = conflict.forced_range
    # The others add up to 7.89, and each is rounded by 0.005 at most; ten times 0.87 is 8.7.
    assert float(low) <= 0.86 - 0.045 and high < Fraction("0.945")
    assert result.sources[0].severity == pytest.approx(14 / 10, rel=0.01)


def build_group(*figures):
    return FigureGroup(BALANCED, dict(enumerate(figures)), "nearest", WorkLimit(600_000))


def test_a_short_search_for_conflicts_does_not_shorten_those_after_it():
    group = build_group(*CONTRADICTORY_REPORT)
    group.find_conflicts_within(range(11), 0)
    assert not group.conflicts
    group.find_conflicts()
    assert group.conflicts == [frozenset(range(11))]


def test_a_source_that_is_impossible_has_one_conflict_without_further_search():
    two = [figure("x", "accuracy", v) for v in ("0.90", "0.80")]
    more = [*two, figure("x", "kappa", "0.50"), figure("x", "recall", "0.10")]
    for share, n in ((0.0, 1), (1.0, 6)):  # each of the six pairs
        group = build_group(*more)
        whole = SourceResult("x", None, (0, 1, 2, 3), (0, 1, 2, 3))
        found = sources.check_source(whole, group, work=share * 600_000)
        assert found.possible is False and len(group.conflicts) == n
        assert (found.severity is None) == (not share)


@pytest.mark.parametrize(("width", "expected"), [(0.04, 3.6), (0.2, None)])
def test_a_severity_may_be_rough_if_the_search_does_not_decide(monkeypatch, width, expected):
    """Not decided from 3.6 (1 - width) to 3.6 (1 + width)."""

    def decide(model, figures, factor, limit):
        return None if abs(factor / 3.6 - 1) < width else factor > 3.6

    monkeypatch.setattr(severity, "_solve_relaxation", lambda *_: 3.1)
    monkeypatch.setattr(severity, "_can_be_true", decide)
    found = severity.compute_severity(None, [], WorkLimit(600_000))
    assert found == (None if expected is None else pytest.approx(expected, rel=0.05))


def test_a_severity_is_found_where_the_solver_rounds_too_much():
    figures = [
        figure("x", "accuracy", "0.7"), figure("x", "f1", "0.7", 0),
        figure("x", "recall", "0.468", 1), figure("x", "specificity", "0.962", 1),
        figure("y", "mse", "0.709"), figure("y", "informedness", "0.77"),
        figure("y", "recall", "0.827", 0), figure("y", "f1", "0.80", 2),
    ]  # fmt: skip
    [pair] = check([52, 47, 17, 11], *figures).contradicting_pairs
    assert pair.severity == pytest.approx(6.8, rel=0.02)
