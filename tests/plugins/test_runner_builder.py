"""A model from outside the package becomes a runner with hyperparameters, or one clear error."""

from __future__ import annotations

import json
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from click.testing import CliRunner

from fmbench import runners
from fmbench.analysis import evaluation
from fmbench.cli.main import cli
from fmbench.errors import UserError
from fmbench.execution import schedule
from fmbench.plugins import runner_builder
from fmbench.records.protocols import QUICK
from fmbench.records.store import Store
from fmbench.report.tables import build_table
from fmbench.suites import configurations, reader
from tests.helpers.runs import LIMITS
from tests.plugins.conftest import MODEL

pytestmark = pytest.mark.slow

LAZY = """
from torch import nn

def network():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.LazyLinear(10))
"""


def send(thing):
    """Pickle and unpickle an object, as if it were sent to another process."""
    return ForkingPickler.loads(ForkingPickler.dumps(thing))


def test_a_function_is_a_runner_with_its_defaults_as_hyperparameters(plug_in_folder, runner_of):
    runner = runner_of("my_model.py:make_model", "max_depth=5")
    assert runner.requested_as == "./my_model.py:make_model"
    assert {n: (h.value, h.why) for n, h in runner.hyperparameters.items()} == {
        "max_depth": (5, "given with -p")
    }
    assert not runner.deterministic and not runner.uses_gpu
    assert send(runner) == runner


def test_a_registered_function_keeps_what_it_states_and_is_not_added_to_the_packages_runners(
    plug_in_folder, runner_of
):
    runner = runner_of("my_model.py:registered")
    assert (runner.revision, runner.cost, runner.title) == (7, "seconds", "Theirs")
    assert runner.hyperparameters["k"].why == "as they like it"
    assert runner.name == "my_model.py-registered" and "theirs" not in runners.load_runners()


def test_the_settings_of_a_networks_training_can_be_given(plug_in_folder, runner_of):
    runner = runner_of("my_model.py:network", "hidden=6", "epochs=1")
    values = runner.resolve()
    assert (values["hidden"], values["epochs"], values["batch_size"]) == (6, 1, 128)
    assert runner.uses_gpu and not runner.deterministic
    classifier = runner.build(values, seed=0, device="cpu")
    assert classifier.config.epochs == 1
    assert sum(p.numel() for p in classifier.network().parameters()) == 785 * 6 + 7 * 10


def test_a_network_may_leave_the_sizes_of_its_layers_to_pytorch(plug_in_folder, runner_of):
    (plug_in_folder / "lazy.py").write_text(LAZY)
    runner = runner_of("lazy.py:network", "epochs=1")
    X, y = np.zeros((20, 28, 28), np.uint8), np.arange(20, dtype=np.uint8) % 10
    seeds = (0, 0, 1)
    models = [runner.build(runner.resolve(), seed=seed, device="cpu").fit(X, y) for seed in seeds]
    assert models[0].predict(X).shape == (20,)
    weights = [next(model.network_.parameters()).detach().numpy() for model in models]
    assert np.array_equal(weights[0], weights[1]) and not np.array_equal(weights[0], weights[2])


def test_an_estimator_gets_standardised_features_and_the_seed(runner_of):
    runner = runner_of("sklearn.tree:DecisionTreeClassifier max_depth=4")
    pipeline = runner.build(runner.resolve(), seed=3, device="cpu")
    assert [type(step).__name__ for _, step in pipeline.steps][:2] == ["Flatten", "StandardScaler"]
    assert (pipeline[-1].max_depth, pipeline[-1].random_state) == (4, 3)
    assert runner.hyperparameters["max_depth"].why == "given with -p"
    assert runner.hyperparameters["criterion"].why == f"{runner.source}'s default"
    assert any("our choice" in note for note in runner.notes)
    assert runner_of("sklearn.naive_bayes:GaussianNB").deterministic
    assert runner_of("sklearn.svm:SVC random_state=0").deterministic


def test_an_inner_estimator_has_parameters_too(runner_of):
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
    ("arguments", "message"),
    [
        (["./none.py:make_model"], "./none.py cannot be read: No such file"),
        (["./my_model.py"], "also name the function or class in it: ./my_model.py:NAME"),
        (["./my_model.py:make_modle"], "has no 'make_modle': did you mean make_model"),
        (["./my_model.py:svm"], "has no 'svm'. It has: make_model, "),
        (["./my_model.py:number"], "cannot make a model: name a function or a class"),
        (["./my_model.py:needs"], "needs 'x': give it a default, or -p x=..."),
        (["./my_model.py:raises"], "raises: ZeroDivisionError: division by zero (line"),
        (
            ["./my_model.py:no_classifier"],
            "returns a value of type list, which is not a classifier: it has no fit",
        ),
        (["./my_model.py:wide"], "returns shape (2, 11) for 2 images, not logits (2, 10)"),
        (["./my_model.py:make_model", "-p", "max_dept=3"], "did you mean max_depth?"),
        (["./my_model.py:make_model", "-p", "seed=3"], "has no parameter 'seed'"),
        (["./my_model.py:make_model", "-p", "q=3"], "has no parameter 'q'. It has: max_depth"),
        (
            ["./my_model.py:network", "-p", "epoch=3"],
            "has no parameter 'epoch': did you mean epochs? It has: hidden, epochs, batch_size",
        ),
        (["sklearn.naive_bayes:GaussianNB", "-p", "q=3"], "It has: priors, var_smoothing"),
        (["./my_model.py:make_model", "-p", "max_depth"], "write it as name=value"),
        (["./my_model.py:registered", "-p", "kk=3"], "no hyperparameter 'kk': did you mean k?"),
        (["./my_model.py:network", "-p", "optimizer=adma"], "optimizer must be one of sgd, adam"),
        (
            ["./my_model.py:network", "-p", "epochs=few"],
            "epochs must be a value like 10, not 'few'",
        ),
        (["./syntax.py:f"], "does not load: SyntaxError: '(' was never closed (line 1)"),
        (["./imports.py:f"], "No module named 'no_such_module' (line 2)"),
        (["./exits.py:f"], "does not load: SystemExit: 3 (line 1)"),
        (["no_such_module:f"], "no module 'no_such_module' is installed"),
        (["sklearn.svm:SCV"], "has no 'SCV': did you mean "),
        (
            ["sklearn.svm:SVC", "-p", "kernel=x"],
            "The 'kernel' parameter of SVC must be a str among",
        ),
        (["sklearn.svm:SVR"], "is an estimator, but not a classifier"),
        (["sklearn.svm:SVC", "-p", "c=3"], "SVC has no parameter 'c': did you mean C"),
        (["a:b:c"], "is not FILE.py:NAME, not module:NAME and not a runner"),
        (["lenet5", "-p", "epochs=many"], "lenet5: epochs must be a value like 10, not 'many'"),
        (["lenet5", "-p", "optimizer=lion"], "optimizer must be one of sgd, adam, adamax, rmsprop"),
        (["lenet5", "-p", "epochs=0"], "lenet5: epochs must be a whole number from 1 on, not 0"),
        (["lenet5", "-p", "epochs=1.5"], "epochs must be a whole number from 1 on, not 1.5"),
        (["--all", "-p", "epochs=3"], "-p goes with the names"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_plug_in_that_cannot_be_used_is_an_error_of_one_line(plug_in_folder, arguments, message):
    (plug_in_folder / "syntax.py").write_text("f = (1\n")
    (plug_in_folder / "imports.py").write_text("\nimport no_such_module\n")
    (plug_in_folder / "exits.py").write_text("raise SystemExit(3)\n")
    done = CliRunner().invoke(cli, ["run", *arguments, "--results", "r"])
    assert isinstance(done.exception, UserError)  # printed in one line, with status 2
    assert message in str(done.exception) and "\n" not in str(done.exception)


def test_the_user_is_told_once_whose_code_runs(plug_in_folder):
    announced = []
    for name in ("cheap", "again"):
        configurations.resolve_configuration(f"./my_model.py:{name}", announce=announced.append)
    configurations.resolve_configuration(
        "sklearn.naive_bayes:GaussianNB", announce=announced.append
    )
    assert announced[:2] == ["./my_model.py"] * 2 and announced[2].startswith(
        "sklearn.naive_bayes (scikit-"
    )
    done = CliRunner().invoke(cli, ["show", "./my_model.py:cheap"])
    assert done.stderr == "fmbench: runs the code of ./my_model.py\n"


HOSTILE = """
import ctypes, os, sys
class Own(BaseException): pass
class NoText(Exception):
    def __str__(self): raise Own("no text")
def crash(): ctypes.string_at(0)
def exit_(): os._exit(0)
def own(): raise Own("my own")
def interrupt(): raise KeyboardInterrupt
def no_text(): raise NoText
def hang():
    while True: pass
def takes_memory():
    taken = []
    while True: taken.append(b"x" * 2**24)
def two_lines(): raise ValueError("one\\ntwo")
def prints():
    print("noise"); print("noise", file=sys.stderr)
    return type("Model", (), {"fit": lambda self, X, y: self, "predict": lambda self, X: X})()
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("crash", "./hostile.py:crash cannot be used: while it made a model, its process was "
         "killed by signal 11 (SIGSEGV)"),
        ("exit_", "while it made a model, it ended its process with status 0"),
        ("own", "./hostile.py:own raises: Own: my own (line"),
        ("interrupt", "./hostile.py:interrupt raises: KeyboardInterrupt:"),
        ("no_text", "./hostile.py:no_text raises: NoText"),
        ("hang", "it took more than 0.5 s"),
        ("takes_memory", "while it made a model, it used more than 0.25 GiB of memory"),
        ("two_lines", "raises: ValueError: one two (line"),
    ],
)  # fmt: skip
def test_a_plug_in_that_crashes_exits_or_hangs_is_an_error_of_one_line(
    tmp_path, monkeypatch, runner_of, name, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hostile.py").write_text(HOSTILE)
    if name == "hang":
        monkeypatch.setattr(runner_builder, "LOAD_SECONDS", 0.5)
    monkeypatch.setattr(runner_builder, "LOAD_MEMORY", 2**28)
    with pytest.raises(UserError) as error:
        runner_of(f"./hostile.py:{name}")
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import os; os._exit(3)", "while it was loaded, it ended its process with status 3"),
        ("import ctypes; ctypes.string_at(0)", "while it was loaded, its process was killed by"),
        ("raise KeyboardInterrupt", "raises: KeyboardInterrupt:"),
        ("raise BaseException('of mine')", "does not load: BaseException: of mine (line 1)"),
    ],
)
def test_a_file_that_ends_its_process_when_it_is_loaded_is_an_error_of_one_line(
    tmp_path, monkeypatch, runner_of, text, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hostile.py").write_text(text)
    with pytest.raises(UserError) as error:
        runner_of("./hostile.py:f")
    assert message in str(error.value) and "\n" not in str(error.value)


def test_what_a_plug_in_prints_and_does_stays_in_its_process(
    tmp_path, monkeypatch, runner_of, capfd
):
    monkeypatch.chdir(tmp_path)
    text = HOSTILE + "\nimport json; json.loads = None\n"
    (tmp_path / "hostile.py").write_text(text)
    assert runner_of("./hostile.py:prints").deterministic
    assert capfd.readouterr() == ("", "")
    assert json.loads("1") == 1


REGISTERED = """
from fmbench import our_choice, register
SIZES, BAD = (100, 10), object()
@register("theirs", title="Theirs", revision=2, cost="minutes", scores="predict_proba",
          hyperparameters={"sizes": our_choice(SIZES, "for a test"),
                           "table": our_choice({"tuple": [1], "a": (2,)}, "for a test")},
          quick={"sizes": (5,)}, notes=("A note.",), aliases=("Theirs",),
          readings={"size": ({"sizes": (100, 10)}, {"sizes": (1,)})})
def make(*, sizes, table, seed):
    assert isinstance(sizes, tuple)
    return type("Model", (), {"fit": lambda self, X, y: self, "predict": lambda self, X: X})()
@register("bad", title="Bad", revision=2, cost="minutes",
          hyperparameters={"value": our_choice(BAD, "for a test")})
def bad(*, value):
    return make(sizes=SIZES, table={}, seed=0)
"""


def test_a_runner_comes_back_from_its_process_as_its_file_states_it(
    tmp_path, monkeypatch, runner_of
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.py").write_text(REGISTERED)
    runner = runner_of("./theirs.py:make")
    assert runner.resolve() == {"sizes": (100, 10), "table": {"tuple": [1], "a": (2,)}}
    assert runner.quick == {"sizes": (5,)}
    assert runner.readings == {"size": ({"sizes": (100, 10)}, {"sizes": (1,)})}
    assert (runner.notes, runner.aliases, runner.cost) == (("A note.",), ("Theirs",), "minutes")
    assert (runner.scores, runner.deterministic) == ("predict_proba", False)
    with pytest.raises(UserError, match=r"a record cannot hold the value of .* value, <obj"):
        runner_of("./theirs.py:bad")


# ---------------------------------------------------------------- cells and records


def test_files_of_one_name_in_two_folders_are_two_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entries = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "hostile.py").write_text(HOSTILE)  # even if the text is the same
        entries.append(configurations.resolve_configuration(f"./{folder}/hostile.py:prints"))
    assert [entry.name for entry in entries] == [
        "./one/hostile.py:prints", "./two/hostile.py:prints",
    ]  # fmt: skip
    assert entries[0].runner.source == entries[1].runner.source
    assert entries[0].identity != entries[1].identity
    assert entries[0].cell(QUICK, 0).key != entries[1].cell(QUICK, 0).key


def test_a_file_with_a_malicious_name_keeps_its_records_in_the_folder(plug_in_folder):
    (plug_in_folder / "...py").write_text(MODEL)
    (plug_in_folder / "a\\b ; c.py").write_text(MODEL)
    for target in ("./...py:cheap", "./a\\b ; c.py:cheap"):
        entry = configurations.resolve_configuration(target)
        path = Store(plug_in_folder / "results").workspace_path(entry.cell(QUICK, 0))
        assert path.resolve().parent.parent == plug_in_folder / "results" / "unfinished"


def measure(folder, cells, source):
    return schedule.run_cells(cells, Store(folder), source, LIMITS, schedule.Observer())


def test_a_plug_in_is_measured_and_shown_and_is_stale_once_its_file_changes(plug_in_folder, source):
    entry = configurations.resolve_configuration("./my_model.py:make_model", ["max_depth=4"])
    path = plug_in_folder / "my_model.py"
    before = path.read_text()
    path.write_text("this is not Python (")  # the text that was read first is used
    [record] = measure(plug_in_folder / "r", [entry.cell(QUICK, 0)], source)
    assert record.finished, record.why
    path.write_text(before)
    assert record.cell["source"] == entry.runner.source
    assert record.asked == {
        "runner": "./my_model.py:make_model",
        "parameters": {"max_depth": 4},
        "deterministic": False,
    }

    def line():
        outcome = evaluation.read_results(
            plug_in_folder / "r", reader.read_suite(), QUICK, source.folder
        )
        assert outcome.summaries.keys() - set(outcome.suite.runners) == {entry.name}
        return build_table(outcome, "accuracies").rows[-1]

    assert line()["runner"] == "./my_model.py:make_model max_depth=4"
    assert line()["status"] == "measured" and line()["mean"] > 0.3
    path.write_text(before + "# changed\n")
    assert line()["status"].startswith("stale: source sha256:") and line()["mean"] is None
    path.unlink()
    assert line()["status"] == "measured"


def test_a_change_of_a_plug_ins_text_gives_another_cell(plug_in_folder):
    before = configurations.resolve_configuration("./my_model.py:cheap").cell(QUICK, 0)
    (plug_in_folder / "my_model.py").write_text(MODEL + "# changed\n")
    after = configurations.resolve_configuration("./my_model.py:cheap").cell(QUICK, 0)
    assert before.key != after.key
    assert before.to_definition() | {"source": after.runner.source} == after.to_definition()


def test_a_runner_of_the_package_takes_parameters_too():
    entry = configurations.resolve_configuration("decision-tree", ["max_depth=2"])
    cell = entry.cell(QUICK, 0)
    assert entry.name == "decision-tree max_depth=2"
    assert cell.hyperparameters["max_depth"] == 2
    assert cell.key != configurations.resolve_configuration("decision-tree").cell(QUICK, 0).key
    assert send(cell) == cell
