"""A name that people use leads to its runner, or to an error that lists what is near."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench import runners
from fmbench.api.names import find_configurations
from fmbench.errors import UserError
from fmbench.suites.bundled import list_suites
from fmbench.suites.configurations import build_suite_configurations
from fmbench.suites.reader import read_bundled_suite, read_suite
from fmbench.suites.typed_names import (
    describe_unknown_name,
    find_meant_runner,
    parse_mapping,
    parse_mappings,
    suggest_runners,
)

KAYED = read_bundled_suite("kayed2020")
KNN = "sklearn.neighbors:KNeighborsClassifier"
OWN_SUITE = """
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[[row]]
where = "Table 7"
label = "Our SVM"
runner = "svc-rbf"
parameters = { C = 1 }
claimed = "89.0"
[[row]]
where = "Table 7"
label = "Forest"
runner = "random-forest"
claimed = "88.0"
[[row]]
where = "Table 8"
label = "Forest"
runner = "decision-tree"
claimed = "80.0"
[[row]]
where = "Table 8"
label = "Short name"
runner = "knn"
claimed = "80.0"
[[row]]
where = "Table 8"
label = "Other network"
runner = "resnet"
claimed = "90.0"
[[row]]
where = "Table 8"
label = "Unnamed"
claimed = "90.0"
"""


@pytest.fixture
def own_suite(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(OWN_SUITE, encoding="utf-8")
    return read_suite(path)


def unknown(name: str) -> str:
    with pytest.raises(UserError) as error:
        find_meant_runner(name, KAYED)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "runner"),
    [
        ("knn", "k-neighbors"), ("k-NN", "k-neighbors"), ("KNeighborsClassifier", "k-neighbors"),
        ("SVC", "svc-rbf"), ("svc", "svc-rbf"), ("SVC_RBF", "svc-rbf"),
        ("linear svm", "linear-svc"),
        ("LeNet-5", "lenet5"), ("lenet", "lenet5"), ("LENET5", "lenet5"), ("CNN-LeNet-5", "lenet5"),
        ("RF", "random-forest"), ("Random Forest", "random-forest"), ("GBDT", "gradient-boosting"),
        ("naive bayes", "gaussian-nb"), ("LSTM", "lstm"), ("MLP", "mlp"), ("CNN", "cnn"),
        ("Support Vector Classifier with rbf kernel", "svc-rbf"),
        ("SVC C=1", "svc-rbf C=1"), ("knn p=2 n_neighbors=3", "k-neighbors p=2 n_neighbors=3"),
        ("kNN (weights=uniform, k=9, Euclidean)", f"{KNN} weights=uniform n_neighbors=9 p=2"),
    ],
)  # fmt: skip
def test_a_name_that_means_one_runner_is_taken(text, runner):
    assert find_meant_runner(text, KAYED).name == runner


def test_a_line_says_which_runner_is_meant_and_its_parameters():
    assert find_meant_runner("knn").why == (
        "knn: k-neighbors (k=5, Manhattan distance, weighted by distance)"
    )


def test_every_label_of_a_bundled_suite_means_what_measures_its_row():
    for suite in map(read_bundled_suite, list_suites()):
        for row in suite.rows:
            if row.dataset == "fashion-mnist" and row.runner:
                assert find_meant_runner(row.label, suite).name == row.runner


def test_every_alias_leads_to_its_runner_or_to_a_list_that_has_it():
    for name, runner in runners.load_runners().items():
        for alias in runner.aliases:
            if alias in {row.label for row in KAYED.rows}:
                continue
            try:
                meant = find_meant_runner(alias).name
                assert meant == name or meant == alias.lower()
            except UserError as error:
                assert f" {name} (" in str(error) and "may mean" in str(error)


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("svm", ["svc-rbf (RBF kernel, C=10)", "linear-svc (linear kernel, C=1"]),
        ("ConvNet", ["cnn (", "cnn-bn (", "cnn-bn-skip (", "cnn-svm (", "cnn-softmax ("]),
        ("neural network", ["three-layer-nn (hidden layers 128", "mlp (hidden layers 100"]),
        ("k-NN (k=5, Euclidean)", [f"'{KNN} weights=uniform n_neighbors=5 p=2'"]),
    ],
)  # fmt: skip
def test_a_name_of_several_runners_lists_them_with_their_parameters(text, listed):
    message = unknown(text)
    assert message.startswith(f"{text!r} may mean ") and message.endswith("type one of these names")
    assert all(part in message for part in listed)


@pytest.mark.parametrize("text", ["resnet", "ResNet-18", "wide resnet", "WRN-28-10"])
def test_a_model_without_a_runner_gets_the_published_figures_and_no_similar_name(text):
    message = unknown(text)
    assert message.startswith(f"no runner measures {text!r}; published of such models: ")
    assert "95.18 ± 0.04 % (ResNet-20), verified by a third party" in message
    assert "did you mean" not in message and "lenet" not in message


def test_a_model_of_which_nothing_is_published_is_told_so_alone():
    assert unknown("shufflenet") == "no runner measures 'shufflenet'; `fmbench list` shows all"


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("lenett", "lenet5 (ReLU"), ("svc-rfb", "svc-rbf (RBF"),
        ("ranodm-forest", "random-forest ("),
        ("Desicion tree", "decision-tree ("), ("multinomial-nb", "gaussian-nb"),
        ("ExtraTrees", "extra-tree ("), ("LeNet-5 (tanh)", "lenet5 ("),
    ],
)  # fmt: skip
def test_a_misspelt_or_different_name_gets_the_nearest_runner(text, near):
    message = unknown(text)
    assert message.startswith(f"unknown runner {text!r}")
    assert f"did you mean {near}" in message


def test_the_reason_is_named_where_the_name_says_something_else():
    assert "(the label says activation=tanh, but lenet5 has activation=ReLU)" in unknown(
        "LeNet-5 (tanh)"
    )
    assert "(extra-tree is one tree, the label means an ensemble)" in unknown("ExtraTrees")


def test_nothing_near_is_said_in_one_line():
    assert unknown("xyz") == "unknown runner 'xyz'. `fmbench list` shows all"


def test_the_name_of_a_plug_in_is_suggested():
    assert "did you mean quick-tree" in describe_unknown_name("quick-tre", ["quick-tree"])


def test_labels_of_the_suite_come_first(own_suite):
    assert find_meant_runner("our svm", own_suite).name == "svc-rbf C=1"
    with pytest.raises(UserError, match=r"random-forest \(Table 7\) or decision-tree \(Table 8\)"):
        find_meant_runner("Forest", own_suite)
    with pytest.raises(UserError, match="names no model for its row 'Unnamed'"):
        find_meant_runner("Unnamed", own_suite)


def test_a_row_can_change_parameters_of_a_runner(own_suite):
    found, missing = build_suite_configurations(own_suite)
    row = found["svc-rbf C=1"]
    assert (row.runner.name, row.parameters) == ("svc-rbf", {"C": 1})
    assert row.identity == find_configurations(["SVC C=1"])[0].identity
    assert "svc-rbf C=1" not in missing


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("c = 1", "svc-rbf has no hyperparameter 'c': did you mean C? It has: C, kernel, gamma"),
        ('kernel = "cubic"', "svc-rbf: The 'kernel' parameter of SVC must be a str among "
         "{'linear', 'poly', 'precomputed', 'rbf', 'sigmoid'}"),
        ('C = "much"', "svc-rbf: C must be a value like 10.0, not 'much'"),
    ],
)  # fmt: skip
def test_parameters_that_a_runner_cannot_have_are_refused_when_the_suite_is_read(
    tmp_path, parameters, message
):
    path = tmp_path / "own.toml"
    path.write_text(OWN_SUITE.replace("C = 1", parameters), encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_suite(path)
    assert f"{path}: [[row]] 1 (Our SVM): {message}" in str(error.value)
    assert "\n" not in str(error.value)


def test_parameters_of_a_row_without_a_model_are_refused(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(OWN_SUITE + "parameters = { C = 1 }", encoding="utf-8")
    with pytest.raises(UserError, match="'parameters' needs the key 'runner' or 'estimator'"):
        read_suite(path)


def test_a_row_with_a_name_that_is_not_exact_gets_the_runner_that_is_meant(own_suite):
    _, missing = build_suite_configurations(own_suite)
    assert missing["knn"].reason == "there is no 'knn': did you mean k-neighbors?"
    assert missing["resnet"].reason == "there is no 'resnet'"
    assert suggest_runners("xyz", ["k-neighbors"]) == "."


@pytest.mark.slow
@settings(max_examples=200)
@given(st.text(max_size=220) | st.from_regex(r"[A-Za-z0-9 ()=:,\[\]{}\"'._+-]{0,80}"))
def test_any_name_means_a_runner_or_is_refused_in_one_line(text):
    try:
        meant = find_meant_runner(text, KAYED)
    except UserError as error:
        assert str(error)
    else:
        assert meant.name and meant.why


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("SVM (RBF)=svc-rbf", ("SVM (RBF)", "svc-rbf")),
        ("kNN (k=5) = k-neighbors", ("kNN (k=5)", "k-neighbors")),
        ("SVM (C=1)=svc-rbf C=1 gamma=0.1", ("SVM (C=1)", "svc-rbf C=1 gamma=0.1")),
        (
            f"kNN (k=5)={KNN} weights=uniform n_neighbors=5 p=2",
            ("kNN (k=5)", f"{KNN} weights=uniform n_neighbors=5 p=2"),
        ),
        ("CNN=./net.py:make width=3", ("CNN", "./net.py:make width=3")),
        ("Ours=none", ("Ours", "none")),
    ],
)
def test_a_mapping_is_split_where_a_runner_begins(text, pair):
    assert parse_mapping(text) == pair


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SVM", "write it as LABEL=RUNNER"),
        ("=svc-rbf", "write it as LABEL=RUNNER"),
        ("SVM=svc-rfb", "--map: unknown runner 'svc-rfb': did you mean svc-rbf"),
        ("SVM=", "unknown runner ''"),
        ("SVM=svc-rbf c=1", "--map: svc-rbf has no hyperparameter 'c': did you mean C"),
    ],
)
def test_a_wrong_mapping_is_an_error_that_says_what_to_write(text, says):
    with pytest.raises(UserError, match=says):
        parse_mapping(text)


def test_a_label_is_mapped_once():
    mapping = parse_mappings(["SVM=svc-rbf", "CNN=cnn", "SVM++=linear-svc"])
    assert mapping == {"SVM": "svc-rbf", "CNN": "cnn", "SVM++": "linear-svc"}
    with pytest.raises(UserError, match="label 'svm' twice, as svc-rbf and as linear-svc: give it"):
        parse_mappings(["SVM=svc-rbf", "svm=linear-svc"])
