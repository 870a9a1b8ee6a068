"""Every command that takes the name of a runner takes the names that people use for it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from fmbench.cli.list import format_for_terminal
from fmbench.cli.main import cli
from fmbench.errors import UserError


def invoke(*arguments: str) -> str:
    """Run a command; return what it prints, or its error."""
    done = CliRunner().invoke(cli, arguments)
    if done.exception is None or isinstance(done.exception, SystemExit):
        return done.stdout
    assert isinstance(done.exception, UserError), done.exception  # one line, exit status 2
    return str(done.exception)


def test_every_command_takes_the_names_that_people_use(tmp_path):
    assert invoke("show", "knn").startswith("k-neighbors: k-nearest neighbours")
    assert "\nsvc-rbf " in invoke("list", "SVC")
    for command in ("run", "forensics"):
        assert "gaussian-nb has no hyperparameter 'C'" in invoke(command, "GNB", "-p", "C=1")
    results = ["--results", str(tmp_path)]
    assert "decision-tree has no full result" in invoke("compare", "DT", "RF", *results)
    assert "holds no record of gaussian-nb" in invoke("verify", "naive bayes", *results)
    answer = invoke("judge", "accuracy 57 %", "--model", "GNB")
    assert "gaussian-nb" in answer


@pytest.mark.parametrize(
    ("name", "says"), [("svm", "may mean svc-rbf"), ("resnet", "no runner measures 'resnet'")]
)
def test_every_command_refuses_other_names_in_one_line(name, says, tmp_path):
    results = ["--results", str(tmp_path)]
    for command in ("show", "list", "check-runner"):
        assert says in invoke(command, name)
    for command, *others in (["run"], ["forensics"], ["compare", "lenet5"], ["verify"]):
        assert says in invoke(command, name, *others, *results)
    assert "--model: " in (error := invoke("judge", "accuracy 57 %", "--model", name))
    assert says in error


def test_two_names_of_one_runner_cannot_be_compared():
    assert "are both k-neighbors" in invoke("compare", "knn", "k-neighbors")


def test_show_says_the_deciding_parameters_also_changed_ones_and_the_other_names():
    done = CliRunner().invoke(cli, ["show", "SVC", "-p", "C=1"])
    assert "parameters: RBF kernel, C=1\nalso called: SVC, SVM, " in done.stdout


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_list_fits_the_terminal_and_shows_names_and_parameters(width):
    lines = [
        ("k-neighbors", "KNeighborsClassifier", "k=5, Manhattan distance", "85.40", "86.25 (n=1)",
         "", "minutes", "cpu"),
        ("cnn-bn-skip", "CNN with Batch Normalization and Residual skip", "filters 32, Adam",
         "92.54", "91.97 ± 0.14 (n=4)", "91.90 ± 0.14 (n=4)", "hours", "cpu, cuda"),
    ]  # fmt: skip
    printed = format_for_terminal(lines, width)
    assert max(map(len, printed.splitlines())) <= width
    assert "cnn-bn-skip" in printed and "Manhattan" in printed and "91.90 ± 0.14" in printed
    assert ("hours" in printed, "cuda" in printed) == (width >= 100, width >= 120)


def test_an_empty_column_is_left_out_of_a_terminal():
    line = ("a", "A", "", "90.0", "", "", "hours", "cpu")
    assert "yours" not in format_for_terminal([line], 80)


def test_a_list_for_a_program_has_the_parameters_in_a_column():
    printed = CliRunner().invoke(cli, ["list", "k-neighbors"]).stdout.splitlines()
    assert printed[0].split("  ")[0] == "name" and " parameters " in printed[0]
    assert (
        "KNeighborsClassifier  k=5, Manhattan distance, weighted by distance  85.40" in printed[2]
    )
