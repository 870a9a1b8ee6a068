"""The file that `fmbench new` writes works, and faults of a user's own model are named."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from fmbench.cli.main import cli
from fmbench.errors import UserError
from fmbench.models import contract


@pytest.mark.slow
def test_the_template_passes_the_checks_and_an_existing_file_is_never_overwritten(
    tmp_path, monkeypatch, sample, runner_of
):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli, ["new", "my_model.py"]).exit_code == 0
    subject = contract.RunnerUnderTest(
        runner_of("./my_model.py:make_model", "n_estimators=10"), sample
    )
    assert not [r for r in contract.check_contract(subject) if r.problem or r.remark]
    assert runner_of("./my_model.py:make_network").uses_gpu
    (tmp_path / "my_model.py").write_text("mine")
    again = CliRunner().invoke(cli, ["new", "my_model.py"])
    assert isinstance(again.exception, UserError) and "was not changed" in str(again.exception)
    assert (tmp_path / "my_model.py").read_text() == "mine"


BAD = """
import numpy as np

class Model:
    draws = np.random.default_rng()
    def __init__(self, fault): self.fault = fault
    def fit(self, X, y):
        if self.fault == "writes": X[:] = 0
        if self.fault == "raises": raise ValueError("Found array with dim 3")
        return None if self.fault == "returns nothing" else self
    def predict(self, X):
        n = len(X) - (self.fault == "too few")
        if self.fault == "draws": return self.draws.integers(10, size=n)
        return np.full(n, 11) if self.fault == "range" else np.zeros(n)

shared = Model("shared")

def make(*, fault="chance"):
    return shared if fault == "shared" else Model(fault)

def seeded(*, seed):
    return Model("chance")
"""


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("make fault=chance", "little better than guessing (10 %), and all its predictions are 0"),
        ("make fault=shared", "two calls gave the same classifier"),
        ("make fault=writes", "it writes into the arrays that it receives"),
        ("make fault=draws", "some random numbers do not come from the seed"),
        ("make fault=range", "classes 11 to 11, not 0-9"),
        ('make fault="too few"', "shape (499,), expected (500,)"),
        ('make fault="returns nothing"', "fit does not return the classifier"),
        ("make fault=raises", "fmbench.standardised"),
        ("seeded", "another seed gives the same 500 predictions"),
    ],
)
def test_each_fault_of_a_plug_in_is_named(tmp_path, monkeypatch, sample, model, problem, runner_of):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.py").write_text(BAD)
    subject = contract.RunnerUnderTest(runner_of(f"./bad.py:{model}"), sample)
    results = list(contract.check_contract(subject))
    said = " ".join(r.problem or r.remark for r in results)
    assert problem in said
    # Little accuracy and a seed without an effect break no rule.
    assert any(r.problem for r in results) == (model not in ("make fault=chance", "seeded"))
