"""Every command that takes the name of a runner takes the names that people use for it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from fmbench.cli.main import cli
from fmbench.errors import UserError
from tests.helpers.commands import call_fmbench


def invoke(*arguments: str) -> str:
    """Run a command; return what it prints, or its error."""
    done = CliRunner().invoke(cli, arguments)
    if done.exception is None or isinstance(done.exception, SystemExit):
        return done.stdout
    assert isinstance(done.exception, UserError), done.exception  # one line, exit status 2
    return str(done.exception)


def test_every_command_takes_the_names_that_people_use(tmp_path):
    results = ["--results", str(tmp_path)]
    assert invoke("show", "knn").startswith("k-neighbors: k-nearest neighbours")
    assert "\nsvc-rbf " in invoke("list", "SVC")
    table = invoke("table", "DT", "--format", "csv", *results)
    assert "decision-tree" in table
    for command in ("run", "forensics", "check-runner"):
        assert "gaussian-nb has no hyperparameter 'C'" in invoke(command, "GNB", "-p", "C=1")
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
    for command, *others in (["run"], ["forensics"], ["compare", "lenet5"], ["verify"], ["table"]):
        assert says in invoke(command, name, *others, *results)
    assert "--model: " in (error := invoke("judge", "accuracy 57 %", "--model", name))
    assert says in error


def test_two_names_of_one_runner_cannot_be_compared():
    assert "are both k-neighbors" in invoke("compare", "knn", "k-neighbors")


def test_every_command_takes_the_labels_of_a_suite(own_suite, tmp_path):
    suite = ["--suite", str(own_suite)]
    assert invoke("show", "k-NN", *suite).startswith("k-neighbors n_neighbors=3, a variant of")
    assert "k=3" in invoke("list", "k-NN", *suite)
    assert "no hyperparameter 'C'" in invoke("check-runner", "k-NN", "-p", "C=1", *suite)
    none = ["--results", str(tmp_path)]
    told = invoke("compare", "SVC (RBF)", "k-NN", *suite, *none)
    assert "svc-rbf has no full result in " in told
    assert f"`fmbench run svc-rbf --suite {own_suite} --results {tmp_path}`" in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "lenett"], "did you mean lenet5"),
        (["list", "svcc"], "did you mean svc-rbf"),
        (["table", "lenett"], "did you mean lenet5"),
        (["check-runner", "knnn"], "did you mean k-neighbors"),
        (["compare", "lenet5", "random-forrest"], "did you mean random-forest"),
        (["verify", "lenett"], "did you mean lenet5"),
        (["data", "kmnits"], "did you mean kmnist"),
        (["suite", "lst"], "Did you mean 'list'?"),
        (["results", "prun"], "Did you mean 'prune'?"),
        (["suite", "what"], "`fmbench suite --help` lists the commands."),
        (["table", "--suite", "xiao2018"], "use kayed2020 or xiao2017"),
        (["table", "--verdict", "true"], "is none of: reproduced; within one run's spread; "),
        (["table", "--format", "doc"], "'doc' is not one of 'text', 'md', 'csv', "),
        (["table", "--table", "9"], "this suite has the tables accuracies"),
        (["show", "svc-rbf", "-p", "kernel=lin"], "must be a str among {'linear', 'poly'"),
        (["show", "lenet5", "-p", "optimiser=adam"], "did you mean optimizer"),
        (["list", "--format", "yaml"], "'yaml' is not one of 'text', 'md', "),
        (["suite", "new", "claims"], "ends with .toml, such as claims.toml"),
        (["new", "model.txt"], "try my_model.py"),
        (["run", "sklearn.svm.SVC"], "write a colon before it: sklearn.svm:SVC"),
        (["run"], "name the runners to run, or --all for every row"),
        (["list", "./mine.py:model"], "`fmbench run ./mine.py:model` measures it"),
        (["run", "lenet5", "--seeds", "two"], "'two' is not a valid whole number"),
        (["table", "--margin", "wide"], "'wide' is not a valid number"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_an_unknown_word_gets_the_nearest_or_all_that_are_allowed(words, says, tmp_path):
    where = [] if words[0] not in ("verify", "table") else ["--results", str(tmp_path)]
    done = call_fmbench(*words, *where)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fmbench: error: ") and done.stderr.count("\n") == 1
    assert says in done.stderr
