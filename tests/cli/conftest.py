"""Fixtures for tests of commands: a suite of one's own, and what a terminal shows."""

import pytest

from tests.helpers.commands import call_fmbench
from tests.helpers.layout import VERY_WIDE

OWN_SUITE = """
title = "A paper of my own"
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[[row]]
where = "Table 1"
label = "SVC (RBF)"
runner = "svc-rbf"
claimed = "89.9"
[[row]]
where = "Table 1"
label = "Random forest"
estimator = "sklearn.ensemble:RandomForestClassifier"
parameters = {n_estimators = 100, max_depth = 50}
claimed = "88.1"
[[row]]
where = "Table 1"
label = "ResNet-18"
claimed = "93.4"
[[row]]
where = "Table 1"
label = "k-NN"
runner = "k-neighbors"
parameters = {n_neighbors = 3}
claimed = "85.5"
"""
COMMAND = "    fmbench "  # how a line to copy begins


@pytest.fixture
def own_suite(tmp_path):
    """The file of a suite of one's own: four rows, one of them without a model."""
    path = tmp_path / "claims.toml"
    path.write_text(OWN_SUITE, encoding="utf-8")
    return path


@pytest.fixture
def view(monkeypatch):
    """``view(80, "list")``: the lines that a terminal of 80 columns shows.

    None is too long, except commands to copy, and none has a part of a word.
    """

    def show(width, *arguments, status=0):
        texts = []
        for columns in (width, VERY_WIDE):
            monkeypatch.setenv("COLUMNS", str(columns))
            done = call_fmbench(*arguments, "--format", "text")
            assert done.returncode == status, done.stderr
            texts.append(done.stdout)
        words = set(texts[1].split())
        lines = texts[0].splitlines()
        wrapped = [line for line in lines if not line.startswith(COMMAND)]
        assert [line for line in wrapped if len(line) > width] == []
        assert [line for line in wrapped if not words.issuperset(line.split())] == []
        return lines

    return show
