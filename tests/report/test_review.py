"""A review has each number with n and interval; the hub's file can be read back."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from fmbench.api import claims, writing
from fmbench.api.results import load_results
from fmbench.cli.main import cli
from fmbench.report.review import describe_measurement, write_eval_results, write_review
from fmbench.suites import reader
from fmbench.utils.environment import CHECKOUT

REFERENCE = CHECKOUT / "results" / "reference"
# Words that would say more than numbers can.
UNFAIR = re.compile(
    r"fraud|cheat|fabricat|dishonest|mislead|over-?claim|suspicious|wrong(ly)?", re.I
)


@pytest.fixture(scope="module")
def results():
    return load_results(REFERENCE)


@pytest.fixture(scope="module")
def rows(results):
    return [row for row in results.evaluation.rows if row.row.claimed]


@pytest.fixture(scope="module")
def consistency():
    return claims.check()


@pytest.fixture
def text(rows, consistency):
    return write_review("A paper", rows, consistency, ["fmbench run --all"], made_with="fmbench 9")


@pytest.mark.slow
def test_every_claim_stands_in_one_line_with_what_was_measured(text, rows):
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    for row in rows:
        [line] = [line for line in lines if line.startswith(f"- {row.label} ({row.where}):")]
        assert row.row.claimed in line
        assert row.verdict.kind.word in line or row.misquote
        if row.mean is not None:
            assert f"{100 * row.mean:.2f}" in line and f"(n = {row.n}" in line
        if row.n > 1:
            assert f"one new run {100 * row.low:.2f} to {100 * row.high:.2f}" in line


@pytest.mark.slow
def test_the_words_are_neutral_and_the_commands_come_last(text):
    assert not UNFAIR.search(text)
    assert "A paper" in text and "fmbench 9" in text
    assert text.endswith("To repeat this:\n    fmbench run --all\n")


@pytest.mark.slow
def test_a_paper_without_rows_or_figures_gets_only_what_is_known(consistency):
    assert write_review("A paper", [], None, []) == "We checked the figures of A paper.\n"
    only_figures = write_review("A paper", [], consistency, [])
    assert "cannot be true together" in only_figures and "Table 2, kappa" in only_figures


def test_remarks_follow_the_rows(rows):
    text = write_review("A paper", rows[:1], None, [], remarks=["ResNet-18 has no rerun."])
    assert text.endswith("\n\n- ResNet-18 has no rerun.\n")


def test_what_cannot_be_true_and_what_was_not_read_stand_below_the_rows(rows):
    text = write_review(
        "A paper", rows[:1], None, ["fmbench judge a.md"],
        impossible=["line 4: it cannot be true."], reading=["line 5: not taken"],
    )  # fmt: skip
    parts = text.split("\n\n")
    assert parts[-3:] == [
        "Accuracies that cannot be true:\n- line 4: it cannot be true.",
        "What was left out, and how the rest was read:\n- line 5: not taken",
        "To repeat this:\n    fmbench judge a.md\n",
    ]


def test_one_run_of_a_stochastic_model_has_no_interval(rows):
    row = next(row for row in rows if row.n > 1)
    one = replace(row, summary=replace(row.summary, n=1, sd=None, low=None, high=None))
    assert describe_measurement(one) == f"{100 * row.mean:.2f} % (n = 1)"


def test_the_hubs_file_has_each_measured_row_and_is_plain_yaml(rows):
    today = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    text = write_eval_results(rows, made_with="fmbench 9", today=today)
    entries = yaml.safe_load(text)
    measured = [row for row in rows if row.mean is not None]
    assert len(entries) == len(measured)
    for entry, row in zip(entries, measured, strict=True):
        assert entry["dataset"]["id"] == "zalando-datasets/fashion_mnist"
        assert entry["value"] == pytest.approx(100 * row.mean, abs=1e-4)
        assert (entry["date"], entry["source"]) == ("2026-01-02T03:04:05Z", {"name": "fmbench 9"})
        assert row.runner in entry["notes"] and row.verdict.word in entry["notes"]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["table", "report"])
@pytest.mark.parametrize("format_", ["review", "eval-results", "tex"])
def test_the_commands_print_each_format(command, format_):
    ran = CliRunner().invoke(
        cli, [command, "--results", str(REFERENCE), "--format", format_], catch_exceptions=False
    )
    assert ran.exit_code == 0
    assert "90.83" in ran.stdout and "CNN-LeNet-5" in ran.stdout


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex")
def test_the_table_of_the_paper_compiles_and_fits_on_a_page(tmp_path: Path):
    ran = CliRunner().invoke(
        cli,
        ["report", "--results", str(REFERENCE), "--format", "tex", "-o", str(tmp_path / "a.tex")],
        catch_exceptions=False,
    )
    assert ran.exit_code == 0
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "(1 page" in done.stdout and "Overfull \\hbox" not in done.stdout


def test_a_suite_with_figures_and_no_row_can_be_reviewed(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(
        "[test_set]\nn_per_class = [1000, 1000]\n"
        '[[reported]]\nwhere = "Table 1"\nmetric = "accuracy"\nvalue = "0.9"\n'
    )
    found = load_results(tmp_path / "none", reader.read_suite(path))
    text = writing.format_review(found)
    assert "The printed figures do not contradict each other." in text
    assert f"fmbench check {path}" in text
