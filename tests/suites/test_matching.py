"""Labels as people write them are matched with runners; whatever is in doubt is a question."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench import runners
from fmbench.errors import UserError
from fmbench.suites.bundled import find_bundled_suite
from fmbench.suites.labels import is_same_value, parse_label, simplify
from fmbench.suites.matching import (
    LabelMatch,
    describe_configuration,
    find_bundled_row,
    load_catalogue,
    match_labels,
)
from fmbench.suites.reader import read_suite

KAYED = read_suite(find_bundled_suite("kayed2020"))
XIAO = read_suite(find_bundled_suite("xiao2017"))
KNN = "sklearn.neighbors:KNeighborsClassifier"


def match(label: str) -> LabelMatch:
    [found] = match_labels([label], {})
    assert found.label == label
    return found


@pytest.mark.parametrize(
    ("label", "runner"),
    [
        ("SVC", "svc-rbf"), ("SVM (RBF)", "svc-rbf"), ("SVM with RBF kernel", "svc-rbf"),
        ("SVC (RBF, C=10)", "svc-rbf"), ("RBF-SVM", "svc-rbf"),
        ("Linear SVM", "linear-svc"), ("SVM-linear", "linear-svc"), ("LinearSVC", "linear-svc"),
        ("LeNet5", "lenet5"), ("Le-Net 5", "lenet5"), ("LeNet-5", "lenet5"),
        ("CNN-LeNet-5", "lenet5"), ("LeNet-5 (ours)", "lenet5"), ("LeNet-5 [21]", "lenet5"),
        ("RF", "random-forest"), ("Random forests", "random-forest"),
        ("Random forest (100 trees)", "random-forest"), ("RF-100", "random-forest"),
        ("Decision tree", "decision-tree"), ("DT", "decision-tree"),
        ("DecisionTreeClassifier", "decision-tree"), ("ExtraTreeClassifier", "extra-tree"),
        ("GNB", "gaussian-nb"), ("Gaussian Naïve Bayes", "gaussian-nb"),
        ("Logistic Regression", "logistic-regression"), ("LR", "logistic-regression"),
        ("SGD", "sgd"), ("Perceptron", "perceptron"), ("MLPClassifier", "mlp"),
        ("MLP (100)", "mlp"), ("HOG+SVM", "hog-svm"), ("HOG features + SVM", "hog-svm"),
        ("Gradient boosting", "gradient-boosting"), ("GBDT", "gradient-boosting"),
        ("EDEN", "eden"), ("svc-rbf", "svc-rbf"), ("eden-full", "eden-full"),
        ("k-NN (k=5, Manhattan, weighted by distance)", "k-neighbors"),
        ("LeNet-5 (baseline)", "lenet5"), ("baseline SVC", "svc-rbf"), ("our LeNet-5", "lenet5"),
        ("HOG+ SVM", "hog-svm"), ("'LeNet-5'", "lenet5"), ("“SVC”", "svc-rbf"),
    ],
)  # fmt: skip
def test_a_name_that_means_one_runner_is_sure(label, runner):
    found = match(label)
    assert (found.runner, found.is_doubtful, found.score) == (runner, False, 100.0)


@pytest.mark.parametrize(
    ("label", "runner", "doubt"),
    [
        ("svm", "svc-rbf", "several configurations"),
        ("Support Vector Machine", "svc-rbf", "several configurations"),
        ("k-NN", "k-neighbors", "does not state the distance"),
        ("kNN (k=5)", "k-neighbors", "does not state the distance"),
        ("K-Nearest Neighbours", "k-neighbors", "does not state the distance"),
        ("5-NN", "k-neighbors", "does not state the distance"),
        ("kNN (k=3)", "k-neighbors", "n_neighbors=3, but k-neighbors has n_neighbors=5"),
        ("3-NN", "k-neighbors", "n_neighbors=3"),
        ("LeNet", "lenet5", "does not say which LeNet"),
        ("LeNet-1", "lenet5", "also says '1'"),
        ("Modified LeNet-5", "lenet5", "also says 'modified'"),
        ("LeNet-5 (tanh)", "lenet5", "activation=tanh, but lenet5 has activation=ReLU"),
        ("LeNet-5 (20 epochs)", "lenet5", "epochs=20, but lenet5 has epochs=10"),
        ("ExtraTrees", "extra-tree", "one tree, the label means an ensemble"),
        ("Extremely Randomized Trees", "extra-tree", "one tree"),
        ("ExtraTreesClassifier", "extra-tree", "one tree"),
        ("HistGradientBoosting", "gradient-boosting", "another algorithm"),
        ("Softmax regression", "logistic-regression", "one class against the rest"),
        ("Naive Bayes", "gaussian-nb", "which distribution"),
        ("Multinomial Naive Bayes", "gaussian-nb", "also says 'multinomial'"),
        ("MLP", "mlp", "a kind of network"),
        ("MLP 256-128-64", "mlp", "hidden_layer_sizes=256-128-64"),
        ("MLP 100-100", "mlp", "hidden_layer_sizes=100-100"),
        ("CNN", "cnn", "a kind of network"),
        ("ConvNet", "cnn", "a kind of network"),
        ("CNN + BatchNorm", "cnn-bn", "a kind of network"),
        ("CNN with skip connections", "cnn-bn-skip", "a kind of network"),
        ("LSTM", "lstm", "a kind of network"),
        ("PCA + SVM", "svc-rbf", "also says 'pca'"),
        ("SVM (gamma=scale)", "svc-rbf", "gamma=scale"),
        ("LeNet-5 + Ours", "lenet5", "also says 'ours'"),
        ("Ours (LeNet-5)", "lenet5", "also says 'ours'"),
        ("SVC + Ours", "svc-rbf", "also says 'ours'"),
        ("LeNet-5 (proposed method)", "lenet5", "also says 'proposed'"),
        ("SVC (our approach)", "svc-rbf", "also says 'ours'"),
        ("LeNet-5++", "lenet5", "also says '++'"),
        ("SVC++", "svc-rbf", "also says '++'"),
        ("LeNet-5+ [21]", "lenet5", "also says '+'"),
        ("LeNet-5'", "lenet5", 'also says "\'"'),
        ("CNN-LeNet-5′", "lenet5", 'also says "\'"'),
        ("SVC''", "svc-rbf", "also says \"''\""),
        ("Random Forrest", "random-forest", "spelling"),
        ("Desicion tree", "decision-tree", "spelling"),
    ],
)
def test_a_name_that_may_mean_something_else_is_a_question(label, runner, doubt):
    found = match(label)
    assert found.is_doubtful and found.runner == runner == found.alternatives[0]
    assert doubt in found.why and len(found.why.splitlines()) == 1


@pytest.mark.parametrize(
    "label",
    [
        "ResNet-18", "ResNet50 + SVM", "VGG16", "XGBoost", "AlexNet", "WRN-28-10",
        "Capsule Network", "Ours", "Our method", "Proposed method", "DenseNet-BC",
        "Baseline", "Ours + baseline", "DARTS", "k-means", "ResNet-18 (ours)",
        "Vision Transformer", "GRU+SVM",
        "2 Conv+pooling", "Dyra-Net", "Xception", "Adam", "", "...", "支持向量机", "L2", "x" * 300,
    ],
)  # fmt: skip
def test_a_label_without_a_runner_has_none(label):
    found = match(label)
    assert found.runner is None and not found.is_doubtful and found.alternatives == ()


def test_every_label_of_the_papers_table_is_sure_when_the_table_is_pasted():
    rows = [row for row in KAYED.rows if row.where == "Table 3"]
    assert len(rows) == 19
    for row, found in zip(rows, match_labels([row.label for row in rows], {}), strict=True):
        assert (found.runner, found.is_doubtful) == (row.runner, False), row.label


def test_alone_only_the_labels_that_name_a_kind_of_model_are_questions():
    rows = [row for row in KAYED.rows if row.where == "Table 3"]
    found = [match(row.label) for row in rows]
    assert [m.runner for m in found] == [row.runner for row in rows]
    assert {m.label for m in found if m.is_doubtful} == {
        "CNN", "KNeighborsClassifier", "Multilayer perceptron",
    }  # fmt: skip


def test_every_label_of_xiao_is_sure_together_and_alone():
    rows = [row for row in XIAO.rows if not row.runner.endswith(" on mnist")]
    together = match_labels([row.label for row in rows], {})
    for row, found in zip(rows, together, strict=True):
        assert (found.runner, found.is_doubtful) == (row.runner, False)
        assert match(row.label).runner == row.runner


@pytest.mark.parametrize(
    ("label", "runner"),
    [
        ("kNN (weights=uniform, k=9, Euclidean)", f"{KNN} weights=uniform n_neighbors=9 p=2"),
        (
            'KNeighborsClassifier {"weights": "distance", "n_neighbors": 1, "p": 2}',
            f"{KNN} weights=distance n_neighbors=1 p=2",
        ),
        (
            "Random forest, 10 trees, gini, max depth 50",
            "sklearn.ensemble:RandomForestClassifier n_estimators=10 criterion=gini max_depth=50",
        ),
        (
            "MLPClassifier(hidden_layer_sizes=(100, 10), activation=tanh)",
            "sklearn.neural_network:MLPClassifier activation=tanh hidden_layer_sizes=[100,10]",
        ),
    ],
)
def test_a_label_with_all_parameters_means_that_configuration_of_xiao(label, runner):
    found = match(label)
    assert (found.runner, found.is_doubtful) == (runner, False)
    row = find_bundled_row(runner)
    assert row is not None and row.estimator == runner.split()[0] and row.parameters


def test_the_euclidean_configurations_are_offered_the_library_default_first():
    found = match("k-NN (k=5, Euclidean)")
    uniform, distance = (f"{KNN} weights={w} n_neighbors=5 p=2" for w in ("uniform", "distance"))
    assert found.is_doubtful and found.alternatives == (uniform, distance)
    assert found.runner_up == (distance, 100.0)


def test_sgd_beside_other_optimizers_is_a_question():
    assert not match("SGD").is_doubtful
    sgd, adam = match_labels(["SGD", "Adam"], {})
    assert sgd.is_doubtful and "optimizer" in sgd.why and adam.runner is None


def test_what_the_user_says_comes_first():
    labels = ["SVM (RBF)", "CNN", "SVC"]
    svm, cnn, svc = match_labels(labels, {"svm RBF": "hog-svm", "CNN": "./net.py:make"})
    assert (svm.runner, cnn.runner, svc.runner) == ("hog-svm", "./net.py:make", "svc-rbf")
    assert not svm.is_doubtful and "--map" in svm.why
    [none] = match_labels(["SVC"], {"SVC": "none"})
    assert none.runner is None and not none.is_doubtful
    with pytest.raises(UserError, match="there is no label 'SVX': did you mean SVC"):
        match_labels(labels, {"SVX": "svc-rbf"})


@pytest.mark.parametrize("label", ["LeNet-5 with a long…", "CNN-LeNet-5…", "LeNet-5 (tanh, sto…"])
def test_a_label_that_is_cut_is_a_question_and_no_cut_word_is_named(label):
    found = match(label)
    assert found.is_doubtful and found.runner == "lenet5" == found.alternatives[0]
    assert found.why == "the label is not complete, so it may say more"
    [said] = match_labels([label], {label: "svc-rbf"})
    assert (said.runner, said.is_doubtful) == ("svc-rbf", False)


def test_the_mark_of_a_variant_makes_another_label():
    assert simplify("LeNet-5'") == simplify("lenet5′") != simplify("'LeNet-5'")
    assert len({simplify(label) for label in ("SVC", "SVC+", "SVC++", "SVC'", "SVC''")}) == 5


def test_deciding_parameters_are_in_words():
    assert describe_configuration("k-neighbors") == (
        "k=5, Manhattan distance, weighted by distance"
    )
    assert describe_configuration(f"{KNN} weights=uniform n_neighbors=5 p=2") == (
        "k=5, Euclidean distance, not weighted"
    )
    assert describe_configuration("svc-rbf") == "RBF kernel, C=10"
    assert describe_configuration("random-forest") == "100 trees, entropy, depth at most 100"
    assert describe_configuration("lenet5") == "ReLU, Adamax, 10 epochs"
    assert describe_configuration("svc-rbf C=1") == "RBF kernel, C=1"
    assert describe_configuration("svc-rbf D=1") == describe_configuration("no such runner") == ""
    names = set(load_catalogue().candidates) - {"gaussian-nb"}
    empty = {name for name in names if not describe_configuration(name)}
    assert all(name.startswith("sklearn.naive_bayes") for name in empty)


def test_every_runner_but_readings_and_budgets_has_an_alias_that_leads_to_it():
    for name, runner in runners.load_runners().items():
        if name not in ("lenet5-section3", "lenet5-section4", "eden-full"):
            assert name in match(runner.aliases[0]).alternatives


def test_an_alias_does_not_change_a_cell():
    from dataclasses import replace

    from fmbench.records.cells import Cell
    from fmbench.records.protocols import FULL

    runner = runners.get_runner("sgd")
    other = replace(runner, aliases=("another name",))
    assert Cell(runner, FULL, 0).key == Cell(other, FULL, 0).key


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (10, 10.0, True), ("RBF", "rbf", True), ([100], (100,), True), (100, [100], True),
        ([100, 10], [100], False), (5, "5", True), (1, 2, False), (None, None, True),
    ],
)  # fmt: skip
def test_values_are_compared_as_people_write_them(a, b, same):
    assert is_same_value(a, b) is same


def test_words_and_parameters_of_a_label_are_taken_apart():
    parsed = parse_label("Random-Forest Classifier (n_estimators=50, criterion: gini) [3, 7]")
    assert parsed.words == ("randomforest",)
    assert parsed.parameters == {"n_estimators": 50, "criterion": "gini"}
    assert parse_label("Method: CNN").words == ("cnn",)
    assert simplify("Le-Net 5 ") == simplify("lenet5")


@settings(max_examples=100)
@given(st.text(max_size=220) | st.from_regex(r"[A-Za-z0-9 ()=:,\[\]{}\"'._+-]{0,80}"))
def test_any_text_gives_one_match_with_a_known_runner(label):
    found = match(label)
    assert found.runner is None or found.runner in load_catalogue().candidates
    assert 0 <= found.score <= 100 and found.why and len(found.why.splitlines()) == 1
    assert not found.is_doubtful or found.runner is not None


@pytest.mark.parametrize("label", ["init_lr 0.01", "hidden 32 lr 0.001", "lr=0.01"])
def test_a_learning_rate_is_no_logistic_regression(label):
    assert "logisticregression" not in parse_label(label).words


def test_lr_alone_is_logistic_regression():
    assert parse_label("LR (C=1)").words == ("logisticregression",)
