"""A model from outside the package: its name, its code, its parameters, and what it leaves."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fmbench import runners
from fmbench.analysis import evaluation
from fmbench.cli.main import cli
from fmbench.errors import UserError
from fmbench.execution import schedule
from fmbench.models import contract
from fmbench.plugins import code, model_spec
from fmbench.records.protocols import QUICK
from fmbench.records.store import Store
from fmbench.report.tables import build_table
from fmbench.suites import configurations, reader
from fmbench.utils import names
from fmbench.utils.names import SAFE_NAME

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
    return make_model(max_depth=k, seed=0)

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
def here(tmp_path, monkeypatch):
    (tmp_path / "my_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def runner_of(text, *parameters):
    return configurations.resolve_configuration(text, parameters).runner


def sent(thing):
    """As another process gets it."""
    return ForkingPickler.loads(ForkingPickler.dumps(thing))


# ---------------------------------------------------------------- spellings

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True), json_values))
def test_what_a_table_prints_can_be_typed(parameters):
    written = str(model_spec.ModelSpec("sklearn.svm:SVC", parameters))
    assert model_spec.parse_model_spec(written) == model_spec.ModelSpec("sklearn.svm:SVC", parameters)


@pytest.mark.parametrize(
    ("text", "value"),
    [("10", 10), ("0.5", 0.5), ("1e-3", 0.001), ("true", True), ("[100, 10]", [100, 10]),
     ("null", None), ("None", None), ("relu", "relu"), ('"10"', "10"), ("2020-01-01", "2020-01-01"),
     ("{'a' = 1}", {"a": 1}), ('{"a": 1}', {"a": 1}), ("1\nb = 2", "1\nb = 2"), ("", "")],
)  # fmt: skip
def test_a_parameters_value_is_toml_or_json_or_a_word(text, value):
    assert model_spec.parse_parameter(f"name={text}") == ("name", value)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "[1, nan]"])
def test_a_parameter_is_a_finite_number(text):
    with pytest.raises(UserError, match="no finite number"):
        model_spec.parse_parameter(f"C={text}")


@given(st.text())
def test_no_name_leads_out_of_the_results_folder(text):
    name = names.make_safe_name(text)
    assert SAFE_NAME.fullmatch(name)
    assert Path("records", name).resolve().parent == Path("records").resolve()


def test_two_texts_never_become_one_name():
    names = [names.make_safe_name(t) for t in ("a b", "a/b", "a-b", "../a-b", "..", "...", "", "é")]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["../escape", "a/b", "..", ".hidden", "", "a" * 101, "-o", "a\n"])
def test_a_runner_cannot_have_a_name_that_no_folder_has(name):
    lenet5 = runners.get_runner("lenet5")
    with pytest.raises(ValueError, match="cannot be the name of a folder"):
        replace(lenet5, name=name)


def test_a_file_with_a_hostile_name_keeps_its_records_in_the_folder(here):
    (here / "...py").write_text(MODEL)
    (here / "a\\b ; c.py").write_text(MODEL)
    for target in ("./...py:make_model", "./a\\b ; c.py:make_model"):
        entry = configurations.resolve_configuration(target)
        path = Store(here / "results").workspace_path(entry.cell(QUICK, 0))
        assert path.resolve().parent.parent == here / "results" / "unfinished"


# ---------------------------------------------------------------- what a plug-in is


def test_a_function_is_a_runner_with_its_defaults_as_hyperparameters(here):
    runner = runner_of("my_model.py:make_model", "max_depth=5")
    assert runner.requested_as == "./my_model.py:make_model"
    assert {n: (h.value, h.why) for n, h in runner.hyperparameters.items()} == {
        "max_depth": (5, "given with -p")
    }
    assert not runner.deterministic and not runner.uses_gpu
    assert sent(runner) == runner


def test_a_registered_function_keeps_what_it_says_and_adds_nothing_to_the_package(here):
    runner = runner_of("my_model.py:registered")
    assert (runner.revision, runner.cost, runner.title) == (7, "seconds", "Theirs")
    assert runner.hyperparameters["k"].why == "as they like it"
    assert runner.name == "my_model.py-registered" and "theirs" not in runners.load_runners()


def test_a_network_is_trained_with_settings_that_can_be_given(here):
    runner = runner_of("my_model.py:network", "hidden=6", "epochs=1")
    values = runner.resolve()
    assert (values["hidden"], values["epochs"], values["batch_size"]) == (6, 1, 128)
    assert runner.uses_gpu and not runner.deterministic
    classifier = runner.build(values, seed=0, device="cpu")
    assert classifier.config.epochs == 1
    assert sum(p.numel() for p in classifier.network().parameters()) == 785 * 6 + 7 * 10


def test_an_estimator_gets_standardised_features_and_the_seed():
    runner = runner_of("sklearn.tree:DecisionTreeClassifier max_depth=4")
    pipeline = runner.build(runner.resolve(), seed=3, device="cpu")
    assert [type(step).__name__ for _, step in pipeline.steps][:2] == ["Flatten", "StandardScaler"]
    assert (pipeline[-1].max_depth, pipeline[-1].random_state) == (4, 3)
    assert runner.hyperparameters["max_depth"].why == "given with -p"
    assert runner.hyperparameters["criterion"].why == f"{runner.source}'s default"
    assert any("our choice" in note for note in runner.notes)
    assert runner_of("sklearn.naive_bayes:GaussianNB").deterministic
    assert runner_of("sklearn.svm:SVC random_state=0").deterministic


def test_an_estimator_within_another_has_parameters_too():
    runner = runner_of(
        "sklearn.multiclass:OneVsRestClassifier estimator=sklearn.linear_model:LogisticRegression",
        "estimator__C=10",
    )
    inner = runner.build(runner.resolve(), seed=2, device="cpu")[-1].estimator
    assert (type(inner).__name__, inner.C, inner.random_state) == ("LogisticRegression", 10, 2)
    with pytest.raises(UserError, match=r"no parameter 'c': did you mean C\?"):
        runner_of(
            "sklearn.multiclass:OneVsRestClassifier",
            "estimator=sklearn.linear_model:LogisticRegression", "estimator__c=10",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["./none.py:make_model"], "./none.py cannot be read: No such file"),
        (["./my_model.py"], "say what makes the model in it: ./my_model.py:NAME"),
        (["./my_model.py:make_modle"], "has no 'make_modle': did you mean make_model"),
        (["./my_model.py:number"], "is a int: nothing that makes a model"),
        (["./my_model.py:needs"], "needs 'x': give it a default, or -p x=..."),
        (["./my_model.py:raises"], "raises: ZeroDivisionError: division by zero (line"),
        (["./my_model.py:no_classifier"], "gives a list, which is no classifier: it has no fit"),
        (["./my_model.py:wide"], "gives (2, 11) of 2 images, not logits (2, 10)"),
        (["./my_model.py:make_model", "-p", "max_dept=3"], "did you mean max_depth?"),
        (["./my_model.py:make_model", "-p", "seed=3"], "has no parameter 'seed'"),
        (["./my_model.py:make_model", "-p", "max_depth"], "write it as name=value"),
        (["./my_model.py:registered", "-p", "kk=3"], "no hyperparameter 'kk': did you mean k?"),
        (["./my_model.py:network", "-p", "optimizer=adma"], "optimizer is one of sgd, adam"),
        (["./my_model.py:network", "-p", "epochs=few"], "epochs is like 10, not 'few'"),
        (["./syntax.py:f"], "does not load: SyntaxError: '(' was never closed (line 1)"),
        (["./imports.py:f"], "No module named 'no_such_module' (line 2)"),
        (["./exits.py:f"], "does not load: SystemExit: 3 (line 1)"),
        (["no_such_module:f"], "no module 'no_such_module' is installed"),
        (["sklearn.svm:SCV"], "has no 'SCV': did you mean "),
        (["sklearn.svm:SVR"], "is an estimator, but no classifier"),
        (["sklearn.svm:SVC", "-p", "c=3"], "SVC has no parameter 'c': did you mean C"),
        (["a:b:c"], "neither FILE.py:NAME nor module:NAME"),
        (["lenet5", "-p", "epochs=many"], "epochs is something like 10, not 'many'"),
        (["--all", "-p", "epochs=3"], "-p goes with the names"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_used_is_said_in_one_line(here, arguments, said):
    (here / "syntax.py").write_text("f = (1\n")
    (here / "imports.py").write_text("\nimport no_such_module\n")
    (here / "exits.py").write_text("raise SystemExit(3)\n")
    done = CliRunner().invoke(cli, ["run", *arguments, "--results", "r"])
    assert isinstance(done.exception, UserError)  # which the entry point prints, with status 2
    assert said in str(done.exception) and "\n" not in str(done.exception)


def test_whose_code_is_run_is_said_once(here):
    said = []
    for name in ("make_model", "network"):
        configurations.resolve_configuration(f"./my_model.py:{name}", announce=said.append)
    configurations.resolve_configuration("sklearn.naive_bayes:GaussianNB", announce=said.append)
    assert said[:2] == ["./my_model.py"] * 2 and said[2].startswith("sklearn.naive_bayes (scikit-")
    done = CliRunner().invoke(cli, ["show", "./my_model.py:network"])
    assert done.stderr == "fmbench: runs the code of ./my_model.py\n"


# ---------------------------------------------------------------- what it leaves


def measured(folder, cells, source):
    limits = schedule.Limits(timeout=300, memory=2**33)
    return schedule.run_cells(cells, Store(folder), source, limits, schedule.Observer())


def test_a_plug_in_is_measured_tabulated_and_stale_once_its_file_changes(here, source):
    entry = configurations.resolve_configuration("./my_model.py:make_model", ["max_depth=4"])
    path = here / "my_model.py"
    before = path.read_text()
    path.write_text("this is no Python any more (")  # what was read is what runs
    [record] = measured(here / "r", [entry.cell(QUICK, 0)], source)
    assert record.finished, record.why
    path.write_text(before)
    assert record.cell["source"] == entry.runner.source
    assert record.asked == {
        "runner": "./my_model.py:make_model",
        "parameters": {"max_depth": 4},
        "deterministic": False,
    }

    def line():
        outcome = evaluation.read_results(here / "r", reader.read_suite(), QUICK, source.folder)
        assert outcome.summaries.keys() - set(outcome.suite.runners) == {entry.name}
        return build_table(outcome, "accuracies").rows[-1]

    assert line()["runner"] == "./my_model.py:make_model max_depth=4"
    assert line()["status"] == "measured" and float(line()["mean"]) > 30
    path.write_text(before + "# changed\n")
    assert line()["status"].startswith("stale: source sha256:") and line()["mean"] == ""
    path.unlink()
    assert line()["status"] == "measured"


def test_the_same_recipe_with_another_text_is_another_cell(here):
    before = configurations.resolve_configuration("./my_model.py:make_model").cell(QUICK, 0)
    (here / "my_model.py").write_text(MODEL + "# changed\n")
    after = configurations.resolve_configuration("./my_model.py:make_model").cell(QUICK, 0)
    assert before.key != after.key
    assert before.definition() | {"source": after.runner.source} == after.definition()


def test_a_runner_of_the_package_takes_parameters_too():
    entry = configurations.resolve_configuration("decision-tree", ["max_depth=2"])
    cell = entry.cell(QUICK, 0)
    assert entry.name == "decision-tree max_depth=2"
    assert cell.hyperparameters["max_depth"] == 2
    assert cell.key != configurations.resolve_configuration("decision-tree").cell(QUICK, 0).key
    assert sent(cell) == cell


def test_an_entry_point_is_a_runner_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "their_models.py").write_text(MODEL)
    info = tmp_path / "their_models-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-models\nVersion: 1.5\n")
    (info / "RECORD").write_text("their_models.py,,\n")
    (info / "entry_points.txt").write_text(
        "[fmbench.runners]\ntheir-tree = their_models:make_model\nlenet5 = their_models:raises\n"
        "../up = their_models:raises\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    code.find_entry_points.cache_clear()
    try:
        assert set(code.find_entry_points()) == {"their-tree"}
        runner = runner_of("their-tree")
        assert (runner.name, runner.source) == ("their-tree", "their-models 1.5")
        listed = CliRunner().invoke(cli, ["list", "their-tree"])
        assert "installed: their_models:make_model" in listed.stdout
        assert runner_of("lenet5") is runners.get_runner("lenet5")
    finally:
        code.find_entry_points.cache_clear()


# ---------------------------------------------------------------- a file to start from


@pytest.fixture(scope="module")
def sample(source):
    return contract.load_sample(source)


def test_the_file_to_start_from_keeps_the_rules_and_is_never_overwritten(
    tmp_path, monkeypatch, sample
):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli, ["new", "my_model.py"]).exit_code == 0
    subject = contract.RunnerUnderTest(
        runner_of("./my_model.py:make_model", "n_estimators=10"), sample
    )
    assert not [r for r in contract.check_contract(subject) if r.problem]
    assert runner_of("./my_model.py:make_network").uses_gpu
    (tmp_path / "my_model.py").write_text("mine")
    again = CliRunner().invoke(cli, ["new", "my_model.py"])
    assert isinstance(again.exception, UserError) and "stays as it is" in str(again.exception)
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
    ("model", "said"),
    [
        ("make fault=chance", "little better than chance"),
        ("make fault=shared", "two calls gave the same classifier"),
        ("make fault=writes", "it writes into the arrays that it receives"),
        ("make fault=draws", "some random numbers do not come from the seed"),
        ("make fault=range", "classes 11 to 11, not 0-9"),
        ('make fault="too few"', "shape (499,), expected (500,)"),
        ('make fault="returns nothing"', "fit does not return the classifier"),
        ("make fault=raises", "fmbench.standardised"),
        ("seeded", "its seed has no effect"),
    ],
)
def test_what_is_wrong_with_a_runner_is_said_in_words(tmp_path, monkeypatch, sample, model, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.py").write_text(BAD)
    subject = contract.RunnerUnderTest(runner_of(f"./bad.py:{model}"), sample)
    assert said in " ".join(r.problem for r in contract.check_contract(subject))
