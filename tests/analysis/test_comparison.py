"""Comparing runners: p values, intervals, the table, and the command."""

import csv
import io
import json
import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fmbench import runners
from fmbench.analysis import comparison
from fmbench.analysis.comparison import (
    Comparison,
    build_comparison_table,
    combine_p_values,
    compare_runners,
    compute_mcnemar_p_values,
    resample_accuracies,
)
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, QUICK
from fmbench.records.store import Store
from fmbench.utils.table import format_csv
from tests.end_to_end.test_cli import assert_one_line_error
from tests.helpers.commands import call_fmbench

pytestmark = pytest.mark.slow

N = 400
Y_TRUE = np.arange(N) % 10


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(comparison, "N_RESAMPLES", 1000)


def fits(share, *, seeds=1, spread=0.0, seed=0):
    """Random predictions ``(seeds, N)`` with an accuracy for each seed."""
    generator = np.random.default_rng(seed)
    luck = generator.normal(share, spread, (seeds, 1))
    right = generator.random((seeds, N)) < luck
    return np.where(right, Y_TRUE, (Y_TRUE + 1) % 10)


def paired(only_a, only_b, both=100):
    """Predictions of two models where so many images are right for one, or for both."""
    a = np.array([1] * only_a + [0] * only_b + [1] * both, bool)
    b = np.array([0] * only_a + [1] * only_b + [1] * both, bool)
    return a[None], b[None]


# ---------------------------------------------------------------- McNemar, exactly


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 2 / 2**5), (8, 2, 2 * (1 + 10 + 45) / 2**10), (7, 7, 1.0)],
)
def test_mcnemars_p_agrees_with_a_calculation_by_hand(only_a, only_b, p):
    assert compute_mcnemar_p_values(*paired(only_a, only_b))[0, 0] == pytest.approx(p)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemars_p_agrees_with_statsmodels(only_a, only_b):
    from statsmodels.stats.contingency_tables import mcnemar as theirs

    expected = theirs([[10, only_a], [only_b, 10]], exact=True).pvalue
    assert compute_mcnemar_p_values(*paired(only_a, only_b))[0, 0] == pytest.approx(
        expected, rel=1e-9
    )


def test_every_seed_is_tested_against_every_seed():
    a, b = fits(0.8, seeds=3) == Y_TRUE, fits(0.7, seeds=2, seed=1) == Y_TRUE
    p_values = compute_mcnemar_p_values(a, b)
    assert p_values.shape == (3, 2)
    assert p_values[2, 1] == compute_mcnemar_p_values(a[2:], b[1:])[0, 0]


# ---------------------------------------------------------------- one p for many, many p at once


@given(st.lists(st.floats(0, 1), min_size=1, max_size=25))
def test_the_combined_p_lies_between_the_middle_p_and_twice_that(p_values):
    middle = sorted(p_values)[len(p_values) // 2]
    p = combine_p_values(np.array(p_values))
    assert min(1.0, middle) <= p <= min(1.0, 2 * middle)
    if len(p_values) == 1:
        assert p == p_values[0]


def test_the_combined_p_is_valid_for_equal_and_for_independent_p_values():
    generator = np.random.default_rng(0)
    together = np.repeat(generator.random((4000, 1)), 9, axis=1)
    for p_values in (together, generator.random((4000, 9))):
        assert np.mean([combine_p_values(row) < 0.05 for row in p_values]) <= 0.05


# ---------------------------------------------------------------- the interval


def test_the_interval_of_two_deterministic_runners_agrees_with_the_paired_bootstrap_of_scipy():
    from scipy import stats

    y_pred = {"a": fits(0.85), "b": fits(0.75, seed=1)}
    [found] = compare_runners(Y_TRUE, y_pred)
    right = [(y == Y_TRUE)[0].astype(float) for y in y_pred.values()]
    expected = stats.bootstrap(
        right, lambda a, b, axis: a.mean(axis) - b.mean(axis), paired=True, vectorized=True,
        method="percentile", n_resamples=5000, rng=0,
    ).confidence_interval  # fmt: skip
    assert found.low == pytest.approx(expected.low, abs=0.006)
    assert found.high == pytest.approx(expected.high, abs=0.006)


def test_resampled_accuracies_have_the_standard_error_of_a_mean_of_seeds():
    generator = np.random.default_rng(0)
    n = 20_000  # with so many images, nearly all of the spread comes from the seeds
    accuracies = np.array([0.5, 0.6, 0.7, 0.8])
    right = generator.permuted(np.arange(n) < accuracies[:, None] * n, axis=1)
    sd_of_mean = accuracies.std(ddof=1) / math.sqrt(4)
    assert resample_accuracies({"a": right})["a"].std() == pytest.approx(sd_of_mean, rel=0.1)


def test_a_recipe_is_not_called_worse_if_the_spread_of_its_fits_explains_the_gap():
    steady, unstable = fits(0.8, seeds=5), fits(0.72, seeds=5, spread=0.15, seed=3)
    [found] = compare_runners(Y_TRUE, {"steady": steady, "unstable": unstable})
    assert found.p_holm < 0.05  # the fits differ significantly
    assert found.low < 0 < found.high
    assert found.better is None


# ---------------------------------------------------------------- properties

predictions = arrays(
    np.int64, st.tuples(st.integers(1, 4), st.just(60)), elements=st.integers(0, 9)
)


@given(predictions)
def test_a_runner_does_not_differ_from_itself(y_pred):
    y_true = np.arange(60) % 10
    [found] = compare_runners(y_true, {"a": y_pred}, [("a", "a")])
    assert (found.difference, found.low, found.high, found.better) == (0, 0, 0, None)
    assert set(found.recalls) == {0.0}
    if len(y_pred) == 1:
        assert found.p == found.p_holm == 1


@given(predictions, predictions)
def test_swapping_the_runners_changes_every_sign(a, b):
    y_true = np.arange(60) % 10
    one, other = compare_runners(y_true, {"a": a, "b": b}, [("a", "b"), ("b", "a")])
    assert other.difference == -one.difference
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low), abs=1e-12)
    assert other.p == one.p
    assert other.recalls == tuple(-r for r in one.recalls)
    assert other.better == one.better


def test_a_comparison_does_not_depend_on_other_comparisons():
    y_pred = {"a": fits(0.8, seeds=3), "b": fits(0.7, seed=1), "c": fits(0.75, seeds=2, seed=2)}
    pairs = {(c.a, c.b): c for c in compare_runners(Y_TRUE, y_pred)}
    assert list(pairs) == list(combinations(y_pred, 2))
    alone = compare_runners(Y_TRUE, {"c": y_pred["c"], "a": y_pred["a"]}, [("a", "c")])[0]
    beside = pairs["a", "c"]
    assert (alone.low, alone.high, alone.p) == (beside.low, beside.high, beside.p)
    assert alone.p_holm == alone.p < beside.p_holm


def test_the_difference_is_that_of_the_mean_accuracies():
    y_pred = {"a": fits(0.9, seeds=2), "b": fits(0.5, seeds=3, seed=1)}
    [found] = compare_runners(Y_TRUE, y_pred)
    a, b = ((y == Y_TRUE).mean() for y in y_pred.values())
    assert (found.mean_a, found.mean_b, found.n_a, found.n_b) == (a, b, 2, 3)
    assert found.low < a - b < found.high
    assert found.better == "a"
    shares = [(y[:, Y_TRUE == 4] == 4).mean() for y in y_pred.values()]
    assert found.recalls[4] == pytest.approx(shares[0] - shares[1])


# ---------------------------------------------------------------- what is printed


def test_the_table_shows_the_classes_that_differ_most():
    recalls = (0.01, 0.0, 0.1, -0.2, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0)
    compared = Comparison("a", "b", 0.9, 0.8, 1, 5, 0.05, 0.15, 0.0, 0.0, recalls)
    [row] = build_comparison_table([compared], FULL).text_rows()
    assert row["classes"] == "Shirt +30.00, Dress -20.00, Pullover +10.00"
    assert (row["difference"], row["p"]) == ("+10.00", "<1e-300")


def test_the_table_names_single_seeds_of_stochastic_runners_and_a_smaller_protocol():
    found = compare_runners(Y_TRUE, {"a": fits(0.8), "b": fits(0.7, seed=1)})
    table = build_comparison_table(found, QUICK, unknown_spread=["b", "not here"])
    assert "(b): its spread over seeds is not known" in table.notes[-1]
    assert table.title == f"a against b ({QUICK.title})"
    assert len(build_comparison_table(found, FULL).notes) == 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory, record_of, source):
    """Records of two deterministic runners and of two seeds of a stochastic one."""
    from fmbench.records.protocols import load_labels

    known = runners.load_runners()
    store = Store(tmp_path_factory.mktemp("compare") / "results")
    generator = np.random.default_rng(0)
    y_true = load_labels(FULL, source)
    for name, seed, share in [
        ("gaussian-nb", 0, 0.57), ("hog-svm", 0, 0.9), ("lenet5", 0, 0.9), ("lenet5", 1, 0.9),
    ]:  # fmt: skip
        right = generator.random(len(y_true)) < share
        y_pred = np.where(right, y_true, (y_true + 1) % 10).astype(np.uint8)
        store.save(record_of(Cell(known[name], FULL, seed)), {"y_pred": y_pred})
    return store.folder


@pytest.mark.slow
def test_the_command_compares_two_runners_from_their_records(folder, source):
    common = ("compare", "lenet5", "gaussian-nb", "--results", folder, "--data", source.folder)
    done = call_fmbench(*common, "--format", "csv")
    assert done.returncode == 0, done.stderr
    [row] = csv.DictReader(io.StringIO(done.stdout))
    assert (row["a"], row["b"], row["n_a"], row["n_b"]) == ("lenet5", "gaussian-nb", "2", "1")
    assert row["better"] == "lenet5" and row["p"] == row["p_holm"] == "<1e-300"
    assert 31 < float(row["low"]) < float(row["difference"]) < float(row["high"]) < 35
    [numbers] = json.loads(call_fmbench(*common, "--format", "json").stdout)
    assert numbers["a"] == "lenet5" and numbers["n_a"] == 2 and numbers["p"] == 0.0
    assert numbers["difference"] == float(row["difference"])
    markdown = call_fmbench(*common).stdout
    assert markdown.startswith("# lenet5 against gaussian-nb\n") and row["low"] in markdown


@pytest.mark.slow
def test_all_rows_are_compared_pair_by_pair_and_missing_rows_are_named(folder, source):
    done = call_fmbench("compare", "--all", "--results", folder, "--data", source.folder,
                   "--format", "csv")  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {(r["a"], r["b"]) for r in rows} == {
        ("gaussian-nb", "lenet5"), ("gaussian-nb", "hog-svm"), ("lenet5", "hog-svm"),
    }  # fmt: skip
    assert {r["better"] for r in rows} == {"lenet5", "hog-svm", "cannot tell"}
    assert "not measured, so in no pair: " in done.stderr and "svc-rbf" in done.stderr


@pytest.mark.slow
def test_a_damaged_record_is_named_and_left_out(folder, source, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    victim = next(copy.glob("records/lenet5/*seed1*.npz"))
    victim.write_bytes(b"PK")
    done = call_fmbench("compare", "lenet5", "hog-svm", "--results", copy, "--data", source.folder,
                   "--format", "csv")  # fmt: skip
    assert done.returncode == 2
    assert str(victim.with_suffix("")) in done.stderr and "Traceback" not in done.stderr
    assert next(csv.DictReader(io.StringIO(done.stdout)))["n_a"] == "1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        ([], ["name two different runners, or --all"]),
        (["lenet5"], ["name two different runners"]),
        (["lenet5", "lenet5"], ["name two different runners"]),
        (["lenet5", "cnn", "mlp"], ["name two different runners"]),
        (["lenet5", "cnn", "--all"], ["or --all"]),
        (["lenet5", "lenett"], ["unknown runner 'lenett'", "did you mean lenet5"]),
        (["lenet5", "svc-rbf"], ["svc-rbf has no full result in", "`fmbench run svc-rbf --re"]),
        (["lenet5", "hog-svm", "--quick"], ["lenet5 has no quick result", "run lenet5 --quick "]),
        (["--all", "--quick"], ["fewer than two rows", "`fmbench run --all --quick "]),
        (["--all", "--format", "xml"], ["--format"]),
        (["--all", "--data", "/no/such/folder"], ["--data", "/no/such/folder"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_bad_input_prints_one_line(folder, arguments, messages):
    assert_one_line_error(call_fmbench("compare", *arguments, "--results", folder), *messages)


def test_the_comparison_is_printed_like_any_table():
    table = build_comparison_table(
        compare_runners(Y_TRUE, {"a": fits(0.8), "b": fits(0.7, seed=1)}), FULL
    )
    assert tuple(table.text_rows()[0]) == table.names
    assert format_csv(table).startswith(",".join(table.names))
