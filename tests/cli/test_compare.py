"""`fmbench compare`: two runners, and two results folders, from the committed records."""

import json

import pytest
from click.testing import CliRunner

from fmbench.analysis.comparison import Comparison, build_comparison_table
from fmbench.analysis.reference import read_summary
from fmbench.analysis.two_results import build_two_results_table, pair_rows
from fmbench.cli.compare import (
    RANKING_OF_PAIRS,
    RANKING_OF_RESULTS,
    build_document,
    count_inside,
    describe_pairs,
)
from fmbench.cli.main import cli
from fmbench.errors import UserError
from fmbench.records.protocols import FULL
from fmbench.utils.document import format_document
from fmbench.utils.environment import CHECKOUT
from tests.helpers.layout import list_bad_lines

REFERENCE, GPU = (CHECKOUT / "results" / name for name in ("reference", "gpu"))


def run(*arguments):
    words = ["compare", "--results", str(REFERENCE), *map(str, arguments)]
    return CliRunner().invoke(cli, words)


def test_rows_on_two_machines_are_compared(source):
    done = run("--against", GPU, "lenet5", "eden", "--format", "json", "--data", source.folder)
    assert done.exit_code == 0, done.output
    rows = {row["runner"]: row for row in json.loads(done.stdout)}
    assert set(rows) == {"lenet5", "eden"}
    for row in rows.values():
        assert row["inside"] == "yes"
        assert row["low"] <= row["against"] <= row["high"]
        assert row["against_fit_seconds"] < row["fit_seconds"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("gradient-boosting", "--against", GPU), "gradient-boosting is not measured in both"),
        (("--all", "--against", GPU), "--against compares rows with themselves"),
        (("lenet5", "--against", GPU / "nowhere"), "does not exist"),
        (("lenet5", "--against", GPU, "--quick"), "lenet5 is not measured in both"),
    ],
)
def test_what_cannot_be_compared_is_one_line(source, arguments, told):
    done = run(*arguments, "--data", source.folder)
    assert isinstance(done.exception, UserError | SystemExit)  # both become one line and status 2
    assert told in f"{done.output} {done.exception}"


def pair(a, b, difference, low, high):
    recalls = tuple(difference + k / 100 for k in range(10))
    return Comparison(a, b, 0.9, 0.9 - difference, 5, 1, low, high, 1e-9, 1e-8, recalls)


PAIRS = [
    pair("logistic-regression", "gradient-boosting", 0.1, 0.08, 0.12),
    pair("lenet5", "sgd", -0.01, -0.03, 0.01),
]


@pytest.mark.parametrize("width", [80, 120])
def test_the_longest_names_fit_a_terminal_and_stay_whole(width):
    document = build_document(
        build_comparison_table(PAIRS, FULL), describe_pairs(PAIRS), RANKING_OF_PAIRS
    )
    assert not list_bad_lines(document, width)
    text = format_document(document, "text", width)
    assert "2 pairs: in 1 one runner is better, in 1 the predictions cannot tell" in text
    assert text.count("logistic-regression") == 3, "a, better, and its parameters"


@pytest.mark.parametrize("width", [80, 120])
def test_the_rows_of_two_folders_fit_a_terminal(width):
    first, against = (read_summary(f / "kayed2020" / "summary.json") for f in (REFERENCE, GPU))
    rows = list(pair_rows(first, against))
    table = build_two_results_table(rows, "results/cpu", "results/gpu")
    document = build_document(table, count_inside(table), RANKING_OF_RESULTS)
    assert not list_bad_lines(document, width)
    text = format_document(document, "text", width)
    assert f"\n{len(rows)} rows: {len(rows)} inside the interval, 0 outside\n" in text
    assert "\n- lenet5 (ReLU, Adamax, 10 epochs)\n" in text


def test_one_sentence_says_which_of_two_runners_is_better():
    better, unclear = PAIRS
    assert describe_pairs([better]) == (
        "logistic-regression is better (logistic-regression minus gradient-boosting: +10.00 "
        "points, +8.00 to +12.00)."
    )
    assert describe_pairs([unclear]) == (
        "The predictions cannot tell which is better (lenet5 minus sgd: -1.00 points, -3.00 to "
        "+1.00)."
    )
