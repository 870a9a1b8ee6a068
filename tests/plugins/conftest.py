"""A file with plug-ins, for the tests of this folder."""

from __future__ import annotations

import pytest

from fmbench.models import contract
from fmbench.suites import configurations

MODEL = """
from fmbench import our_choice, register

def make_model(*, max_depth=3, options=("not", "json"), seed):
    from sklearn.tree import DecisionTreeClassifier
    from fmbench.models.features import Flatten
    from sklearn.pipeline import make_pipeline
    return make_pipeline(Flatten(), DecisionTreeClassifier(max_depth=max_depth, random_state=seed))

@register("theirs", title="Theirs", hyperparameters={"k": our_choice(2, "as they like it")},
          revision=7, cost="seconds")
def registered(*, k):
    return cheap()

def cheap():
    return type("Model", (), {"fit": lambda self, X, y: self, "predict": lambda self, X: X})()

again = cheap

def network(*, hidden=4):
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.Linear(hidden, 10))

def wide():
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 11))

def no_classifier():
    return [1]

def needs(x):
    return x

def raises():
    return 1 / 0

number = 3
"""


@pytest.fixture
def plug_in_folder(tmp_path, monkeypatch):
    """The current folder, which contains ``my_model.py``."""
    (tmp_path / "my_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def runner_of():
    """``runner_of("my_model.py:make_model", "max_depth=5")``: the runner that a user names."""

    def build(text, *parameters):
        return configurations.resolve_configuration(text, parameters).runner

    return build


@pytest.fixture(scope="session")
def sample(source):
    return contract.load_sample(source)
