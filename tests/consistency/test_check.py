"""The consistency check finds known contradictions, and none in figures of real matrices."""

import json
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.api import claims
from fmbench.consistency import feasibility
from fmbench.consistency.check import check_consistency
from fmbench.suites.claims import ReportedFigure, Suite
from fmbench.suites.rounding import ROUNDING_RULES
from tests.helpers.commands import call_fmbench

BALANCED = [1000] * 10


def suite(n_per_class, *figures):
    return Suite(Path("made-up.toml"), "made up", tuple(n_per_class), reported=tuple(figures))


def figure(metric, value, k=None, **more):
    average = "macro" if k is None and metric in ("precision", "recall", "f1") else None
    return ReportedFigure("here", metric, value, class_=k, average=average, **more)


def conflicts_of(n_per_class, *figures, rounding="nearest"):
    result = check_consistency(suite(n_per_class, *figures), rounding, work=600_000)
    return [conflict.members for conflict in result.conflicts]


@pytest.mark.parametrize(
    ("metric", "value", "low", "high"),
    [("kappa", "0.75", 0.7705, 0.7795), ("informedness", "0.77", 0.7885, 0.7975)],
)
def test_kappa_and_informedness_imply_an_accuracy_on_a_balanced_set(metric, value, low, high):
    [(lowest, highest)] = check_consistency(suite(BALANCED, figure(metric, value))).implied
    assert (float(lowest), float(highest)) == (low, high)


def test_macro_recall_is_accuracy_on_a_balanced_set():
    assert conflicts_of(BALANCED, figure("recall", "0.9880"), figure("accuracy", "98.81")) == [
        (0, 1)
    ]
    assert conflicts_of(BALANCED, figure("recall", "0.988"), figure("accuracy", "98.81")) == []


def test_specificity_is_one_minus_a_ninth_of_the_error():
    assert (
        conflicts_of(BALANCED, figure("specificity", "0.9987"), figure("accuracy", "98.80")) == []
    )
    assert conflicts_of(BALANCED, figure("specificity", "0.9980"), figure("accuracy", "98.80"))


def class_wise(recalls, precisions):
    return [
        f
        for k, (recall, precision) in enumerate(zip(recalls, precisions, strict=True))
        for f in (figure("recall", recall, k), figure("precision", precision, k))
    ]


@pytest.mark.slow
def test_recall_and_precision_together_exclude_what_recall_alone_allows():
    """Every false negative is another class's false positive."""
    recalls = ["0.99"] * 8 + ["1.00"] * 2
    recall_only = [figure("recall", r, k) for k, r in enumerate(recalls)]
    claim = figure("accuracy", "98.80")
    assert conflicts_of(BALANCED, *recall_only, claim) == []
    table = class_wise(recalls, ["0.99"] * 4 + ["1.00"] * 6)
    assert conflicts_of(BALANCED, *table) == []
    [members, *_] = conflicts_of(BALANCED, *table, claim)
    assert len(table) in members


def test_figures_of_different_models_are_never_compared():
    pair = [figure("accuracy", "98.80"), figure("kappa", "0.75")]
    assert conflicts_of(BALANCED, *pair)
    apart = [figure("accuracy", "98.80", of="a"), figure("kappa", "0.75", of="b")]
    assert conflicts_of(BALANCED, *apart) == []


def test_a_mean_of_runs_is_compared_only_with_means_of_as_many_runs():
    assert (
        conflicts_of(BALANCED, figure("accuracy", "98.80", mean_of=10), figure("kappa", "0.75"))
        == []
    )
    both = [figure("accuracy", "98.80", mean_of=10), figure("kappa", "0.75", mean_of=10)]
    assert conflicts_of(BALANCED, *both) == [(0, 1)]
    result = check_consistency(suite(BALANCED, figure("precision", "0.99", 3, mean_of=10)))
    assert set(result.not_checked) == {0}


def test_a_figure_may_state_its_own_rounding_error():
    claim, other = figure("accuracy", "98.80"), figure("accuracy", "98.84")
    assert conflicts_of(BALANCED, claim, other)
    assert conflicts_of(BALANCED, figure("accuracy", "98.80", half_unit="0.05%"), other) == []


def exact_metrics(matrix):
    """Every metric of a confusion matrix, as fractions, from their definitions."""
    n_classes, n = len(matrix), [sum(row) for row in matrix]
    total, predicted = sum(n), [sum(column) for column in zip(*matrix, strict=True)]
    right = [matrix[k][k] for k in range(n_classes)]
    recall = [Fraction(right[k], n[k]) for k in range(n_classes)]
    precision = [Fraction(right[k], predicted[k] or 1) for k in range(n_classes)]
    f1 = [Fraction(2 * right[k], n[k] + predicted[k]) for k in range(n_classes)]
    specificity = [1 - Fraction(predicted[k] - right[k], total - n[k]) for k in range(n_classes)]
    informedness = [r + s - 1 for r, s in zip(recall, specificity, strict=True)]
    found = {}
    for name, values in {
        "recall": recall, "precision": precision, "f1": f1,
        "specificity": specificity, "informedness": informedness,
    }.items():  # fmt: skip
        found |= {(name, k): value for k, value in enumerate(values)}
        found[name, None] = sum(values) / n_classes
    accuracy = Fraction(sum(right), total)
    chance = Fraction(sum(a * b for a, b in zip(n, predicted, strict=True)), total**2)
    found["accuracy", None] = accuracy
    if chance != 1:
        found["kappa", None] = (accuracy - chance) / (1 - chance)
    pairs = [(i, j, matrix[i][j]) for i in range(n_classes) for j in range(n_classes)]
    found["mse", None] = Fraction(sum((i - j) ** 2 * m for i, j, m in pairs), total)
    found["mae", None] = Fraction(sum(abs(i - j) * m for i, j, m in pairs), total)
    return found


def as_printed(value, decimals, rule):
    scaled = abs(value) * 10**decimals
    whole = round(scaled) if rule == "nearest" else int(scaled)
    text = f"{whole // 10**decimals}.{whole % 10**decimals:0{decimals}d}"
    return f"-{text}" if value < 0 and whole else text


@pytest.mark.slow
@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.sampled_from(ROUNDING_RULES))
def test_figures_of_a_real_confusion_matrix_are_never_called_contradictory(
    rng: random.Random, rule
):
    n_classes = rng.randint(2, 20)
    balanced = rng.random() < 0.5
    n = [rng.randint(1, 60)] * n_classes if balanced else rng.choices(range(1, 61), k=n_classes)
    accuracy = rng.random()
    matrix = [[0] * n_classes for _ in n]
    for k, size in enumerate(n):
        for _ in range(size):
            matrix[k][k if rng.random() < accuracy else rng.randrange(n_classes)] += 1
    metrics = exact_metrics(matrix)
    chosen = rng.sample(sorted(metrics, key=str), k=min(len(metrics), rng.randint(1, 15)))
    figures = [
        figure(name, as_printed(metrics[name, k], rng.randint(1, 4), rule), k) for name, k in chosen
    ]
    result = check_consistency(suite(n, *figures), rule, work=3000)
    assert not result.contradictory, (matrix, figures)
    true = metrics["accuracy", None]
    for extent in result.implied:
        assert extent is None or extent[0] <= true <= extent[1]


@pytest.mark.slow
@settings(max_examples=10)
@given(st.integers(100, 9900), st.integers(2, 200))
def test_a_wrong_kappa_is_found_and_the_conflict_is_irreducible(n_right, off):
    accuracy = Fraction(n_right, 10_000)
    kappa = (10 * accuracy - 1) / 9 - Fraction(off, 1000)
    figures = [
        figure("accuracy", as_printed(accuracy, 4, "nearest")),
        figure("mae", "1.5"),
        figure("kappa", as_printed(max(kappa, Fraction(-1, 10)), 3, "nearest")),
    ]
    if kappa < Fraction(-1, 10):
        return
    found = conflicts_of(BALANCED, *figures)
    assert (0, 2) in found
    for members in found:
        for left_out in members:
            rest = [figures[i] for i in members if i != left_out]
            assert conflicts_of(BALANCED, *rest) == []


@pytest.mark.slow
def test_figures_of_many_classes_with_mse_and_macro_averages_are_decided(monkeypatch):
    rng, n_classes, size = random.Random(0), 25, 50
    matrix = [[0] * n_classes for _ in range(n_classes)]
    for k in range(n_classes):
        for _ in range(size):
            matrix[k][k if rng.random() < 0.8 else rng.randrange(n_classes)] += 1
    metrics = exact_metrics(matrix)
    names = ("accuracy", "kappa", "mse", "mae", "precision", "f1")
    chosen = [(name, None) for name in names]
    chosen += [(name, k) for name in ("recall", "precision") for k in range(n_classes)]
    table = [figure(name, as_printed(metrics[name, k], 2, "nearest"), k) for name, k in chosen]
    monkeypatch.setattr(feasibility, "APPROACH_WORK", 120_000.0)
    result = check_consistency(suite([size] * n_classes, *table), work=600_000)
    assert (result.conflicts, result.not_checked, result.complete) == ((), {}, True)
    low, high = result.implied[2]
    assert low <= metrics["accuracy", None] <= high
    table[1] = figure("kappa", as_printed(metrics["kappa", None] - Fraction(1, 20), 2, "nearest"))
    assert conflicts_of([size] * n_classes, *table) == [(0, 1)]


def run_check(*arguments):
    return call_fmbench("check", *arguments)


HEAD = "[test_set]\nn_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]\n"


def entry(**fields):
    lines = (f"{k} = {v if isinstance(v, int) else json.dumps(v)}" for k, v in fields.items())
    return "[[reported]]\n" + "\n".join(lines) + "\n"


@pytest.mark.slow
def test_the_command_names_the_contradicting_pairs_and_returns_1():
    done = run_check()
    assert done.returncode == 1
    assert "9 of 18 pairs of sources cannot both be true" in done.stdout
    assert "Table 1, class" not in done.stdout and "reason" not in done.stdout
    done = run_check("--explain", "--format", "md")
    assert done.returncode == 1
    assert "accuracy 98.80 % forces kappa 0.9867" in done.stdout


@pytest.mark.slow
def test_the_command_compares_figure_with_figure_if_asked_to(tmp_path):
    path = tmp_path / "claims.toml"
    classes = [entry(where="a", metric="recall", value="0.95", **{"class": k}) for k in range(10)]
    path.write_text(
        HEAD + "".join(classes) + entry(where="b", metric="kappa", value="0.75")
        + entry(where="b", metric="accuracy", value="96%")
        + entry(where="c", metric="accuracy", value="98%")
    )  # fmt: skip
    done = run_check(path)
    assert "is impossible alone" in done.stdout and "Figure by figure" not in done.stdout
    found = json.loads(run_check(path, "--json").stdout)
    everything = json.loads(run_check(path, "--json", "--all").stdout)
    # 10 and 12: b is impossible alone, so it is not compared with c unless --all is given.
    assert [10, 11] in found["conflicts"] and [10, 12] not in found["conflicts"]
    assert {(10, 11), (10, 12), (11, 12)} <= set(map(tuple, everything["conflicts"]))
    assert set(map(tuple, found["conflicts"])) <= set(map(tuple, everything["conflicts"]))
    done = run_check(path, "--all")
    assert "Figure by figure" in done.stdout and "Each figure alone" in done.stdout


@pytest.mark.slow
def test_the_command_prints_json(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(
        HEAD + entry(where="a", metric="accuracy", value="98.80%")
        + entry(where="b", metric="kappa", value="0.75")
        + entry(where="c", metric="recall", value="0.95", **{"class": 3})
    )  # fmt: skip
    done = run_check(path, "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert set(answer) == {
        "verdict", "rounding", "consistent_under", "conflicts", "not_checked", "implied_accuracy",
        "sources", "pairs", "agreeing", "spreads", "figures",
    }  # fmt: skip
    assert answer["verdict"] == "contradictory" and answer["conflicts"] == [[0, 1]]
    assert answer["implied_accuracy"][1] == [0.7705, 0.7795]
    assert [source["name"] for source in answer["sources"]] == ["a", "b", "c"]
    assert [source["figures"] for source in answer["sources"]] == [[0], [1], [2]]
    worst, *others = answer["pairs"]
    assert (worst["first"], worst["second"], worst["verdict"]) == (0, 1, "contradictory")
    assert worst["reason"] == [0, 1] and worst["alternative"] is None
    assert worst["severity"] == pytest.approx(46.81, rel=0.01)
    assert [implied["accuracy"] for implied in worst["implied"]] == [[0.988] * 2, [0.7705, 0.7795]]
    assert [pair["verdict"] for pair in others] == ["agree", "agree"]
    assert answer["agreeing"] == [0, 2]
    assert answer["figures"][2] == {
        "where": "c", "of": None, "metric": "recall", "class": 3, "average": None,
        "predicted_as": None, "value": 0.95, "printed": "0.95", "sd": None, "printed_sd": None,
        "row": None,
    }  # fmt: skip
    path.write_text(HEAD + entry(where="a", metric="accuracy", value="98.80%"))
    done = run_check(path, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["verdict"] == "consistent"


MATRIX = "[[90, 8, 2],\n [5, 85, 10],\n [0, 15, 85]]\n"
REPORT = """
              precision    recall  f1-score   support

           0     0.9474    0.9000    0.9231       100
           1     0.7870    0.8500    0.8173       100
           2     0.8763    0.8500    0.8629       100

    accuracy                         0.8667       300
"""


@pytest.mark.parametrize(("recall", "is_contradictory"), [("0.8500", False), ("0.8700", True)])
def test_a_report_beside_a_matrix_is_read_from_any_file(tmp_path, recall, is_contradictory):
    path = tmp_path / "results.txt"
    changed = REPORT.replace("0.7870    0.8500", f"0.7870    {recall}")
    path.write_text(MATRIX + changed)
    result = claims.check(path)
    assert result.contradictory == is_contradictory
    if is_contradictory:
        [clash] = [clash for pair in result.pairs for clash in pair.clashes]
        figure = result.figures[clash.figure]
        assert (figure.metric, figure.class_, clash.low) == ("recall", 1, Fraction("0.85"))


def test_words_are_checked_as_a_file_is():
    assert not claims.check("LeNet-5 98.80 %").contradictory
    assert claims.check("LeNet-5 98.805 %").contradictory  # of 10,000 images


@pytest.mark.slow
def test_the_command_reads_standard_input_and_says_which_kinds_there_are(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "fmbench", "check", "-"],
        input=MATRIX, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0 and "confusion matrix" in done.stdout, done.stderr
    path = tmp_path / "m.txt"
    path.write_text(MATRIX)
    for arguments in (["--as", "nonsense", path], ["--as", "table"], [tmp_path / "none.txt"]):
        done = run_check(*arguments)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        (HEAD, "no [[reported]] figure"),
        (HEAD + entry(where="a", metric="auc", value="0.9"), "metric 'auc' is not one of"),
        (HEAD + entry(where="a", metric="kappa", value="1.2.3"), "not a number"),
        (HEAD + entry(where="a", metric="kappa", value="-1.5"), "outside [-1, 1]"),
        (HEAD + entry(where="a", metric="accuracy", value="101%"), "outside [0, 1]"),
        (HEAD + entry(where="a", metric="recall", value="0.9", **{"class": 10}), "class 10"),
        ("[test_set]\nn_per_class = [10, 0]\n", "positive whole numbers"),
        ("[test_set]\nn_per_class = [10, -3]\n", "positive whole numbers"),
    ],
)
def test_bad_input_is_refused_with_one_line_and_status_2(tmp_path, content, message):
    path = tmp_path / "claims.toml"
    path.write_text(content)
    done = run_check(path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(path) in done.stderr and message in done.stderr
