"""Tests that the figures of models are read from JSON, with their models, data and runs."""

from __future__ import annotations

import json

import pytest

from fmbench.errors import UserError
from fmbench.extraction.read import read_input

RUNS = (0.904, 0.908, 0.91)
OTHER_DATA = {
    "a field": [
        {"model": "LeNet-5", "dataset": "MNIST", "accuracy": 99.1},
        {"model": "LeNet-5", "dataset": "FashionMNIST", "accuracy": 90.4},
    ],
    "a key above": {
        "mnist": {"LeNet-5": {"accuracy": 99.1}},
        "fashion_mnist": {"LeNet-5": {"accuracy": 90.4}},
    },
    "the key of the figure": {"LeNet-5": {"mnist_accuracy": 99.1, "fashion_mnist_accuracy": 90.4}},
    "a key below": {"LeNet-5": {"MNIST": {"accuracy": 99.1}, "FashionMNIST": {"accuracy": 90.4}}},
    "a key alone": {"results": {"mnist": {"LeNet-5": 99.1}, "fashion_mnist": {"LeNet-5": 90.4}}},
    "a key at the end": {"LeNet-5": {"mnist": 99.1, "fashion_mnist": 90.4}},
    "a name with the data": {"lenet_mnist": {"acc": 99.1}, "LeNet-5": {"acc": 90.4}},
    "an object": [
        {"model": {"name": "LeNet-5"}, "dataset": {"name": name}, "metrics": {"accuracy": value}}
        for name, value in (("cifar10", 71.0), ("fashion_mnist", 90.4))
    ],
    "columns": {
        "columns": ["model", "dataset", "acc"],
        "data": [["LeNet-5", "MNIST", 99.1], ["LeNet-5", "FMNIST", 90.4]],
    },
}


def read(content):
    """Return (label, value) of each claim."""
    found = read_input(json.dumps(content), name="r.json")
    assert all(claim.metric == "accuracy" for claim in found.claims)
    return [(claim.label, claim.figure.value) for claim in found.claims]


@pytest.mark.parametrize("content", OTHER_DATA.values(), ids=OTHER_DATA)
def test_figures_of_other_data_are_noted_and_the_model_keeps_its_name(content):
    found = read_input(json.dumps(content), name="r.json")
    assert [(c.label, c.figure.value) for c in found.claims] == [("LeNet-5", "90.4")]
    assert any(note.endswith("not taken") and " of " in note for note in found.notes)


def test_a_printed_report_of_other_data_is_left_out_and_the_name_around_it_kept():
    content = {"model": "LeNet-5", "dataset": "MNIST", "log": "Report\nAccuracy of SVC: 99.1 %\n",
               "test": {"dataset": "Fashion-MNIST", "accuracy": 90.4}}  # fmt: skip
    assert read(content) == [("LeNet-5", "90.4")]


def test_the_notes_name_what_was_left_out():
    rows = [
        {"model": name, "dataset": data, "accuracy": 90.4}
        for data in ("MNIST", "SVHN", "Fashion-MNIST")
        for name in ("LeNet-5", "SVC")
    ]
    found = read_input(json.dumps(rows), name="r.json")
    assert found.notes == (
        "item 0 and item 1 are of MNIST: not taken", "item 2 and item 3 are of SVHN: not taken",
    )  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        {"dataset": "cifar10", "results": {"LeNet-5": {"accuracy": 0.71}}},
        {"model": "LeNet-5", "data_set": "MNIST", "accuracy": 0.99},
        {"mnist": {"report": {"0": {"precision": 0.9, "recall": 0.9, "support": 980},
                              "1": {"precision": 0.9, "recall": 0.9, "support": 1135},
                              "accuracy": 0.9}}},
        {"mnist": {"confusion_matrix": [[9, 0, 1], [0, 9, 1], [0, 1, 9]]}},
    ],
)  # fmt: skip
def test_a_file_of_other_data_only_is_refused_with_the_reason(content):
    with pytest.raises(UserError, match=r"of (?:cifar10|MNIST|mnist): not taken"):
        read_input(json.dumps(content), name="r.json")


@pytest.mark.parametrize(
    "content",
    [
        {"model": "ResNet-18", "weights": "imagenet", "accuracy": 0.93},
        {"ResNet-18 (ImageNet weights)": {"accuracy": 0.93}},
        {"resnet18_imagenet": {"accuracy": 0.93}},
        {"dataset": "MNIST", "pretrained": {"dataset": "Fashion-MNIST", "accuracy": 0.93}},
    ],
)
def test_data_on_which_a_model_was_only_trained_leaves_its_figure(content):
    assert [value for _, value in read(content)] == ["0.93"]


@pytest.mark.parametrize(
    "content",
    [
        [
            {"model": "LeNet-5", "split": s, "accuracy": a}
            for s, a in (("train", 0.99), ("test", 0.9))
        ],
        {"LeNet-5": {"accuracy": {"train": 0.99, "val": 0.91, "test": 0.9}}},
        {"model": "LeNet-5", "train": {"accuracy": 0.99}, "test": {"accuracy": 0.9}},
    ],
)
def test_figures_of_training_images_are_left_out(content):
    assert read(content) == [("LeNet-5", "0.9")]


@pytest.mark.parametrize(
    ("content", "claims"),
    [
        ({"LeNet-5": 0.904, "SVC": 0.897}, [("LeNet-5", "0.904"), ("SVC", "0.897")]),
        ({"accuracy": {"ours": 0.95, "SVC": 0.897}}, [("ours", "0.95"), ("SVC", "0.897")]),
        ({"LeNet-5": {"accuracy": {"mean": 0.904, "std": 0.002}}}, [("LeNet-5", "0.904")]),
        ({"model": "LeNet-5", "metrics": {"accuracy": 0.904}}, [("LeNet-5", "0.904")]),
        ({"LeNet-5": {"results": {"test": {"acc": 0.904}}}}, [("LeNet-5", "0.904")]),
        (
            {"model": ["LeNet-5", "SVC"], "acc": [0.904, 0.9]},
            [("LeNet-5", "0.904"), ("SVC", "0.9")],
        ),
        ({"model": {"0": "LeNet-5"}, "acc": {"0": 0.904}}, [("LeNet-5", "0.904")]),
        (
            {"classifier": {"acc": 0.904}, "SVC": {"acc": 0.9}},
            [("classifier", "0.904"), ("SVC", "0.9")],
        ),
    ],
)
def test_the_usual_forms_of_results_are_read(content, claims):
    assert read(content) == claims


def test_a_mean_in_an_object_keeps_its_spread_and_its_number_of_runs():
    content = {"LeNet-5": {"accuracy": {"mean": 0.904, "std": 0.002, "n": 5}}}
    (claim,) = read_input(json.dumps(content), name="r.json").claims
    assert (claim.figure.value, claim.figure.sd, claim.mean_of) == ("0.904", "0.002", 5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"lr": 0.9, "dropout": 0.5, "momentum": 0.9}, "no key names a metric.*'lr', 'dropout'"),
        ({"LeNet-5": {"dropout": 0.5, "momentum": 0.9}}, "no key names a metric"),
        ({"LeNet-5": 1.2, "SVC": 89.7}, "not all like accuracies: not taken"),
        ({"LeNet-5": {"accuracy": [0.904, 0.906]}}, "a list of figures"),
        ({"accuracy": {"T-shirt/top": 0.85, "Trouser": 0.98}}, "no key names a metric"),
        ({"model": "LeNet-5", "mean": 0.9, "std": 0.01}, "no key names a metric.*'mean' and 'std'"),
    ],
)
def test_json_without_a_clear_accuracy_is_refused_with_the_reason(content, reason):
    with pytest.raises(UserError, match=reason):
        read_input(json.dumps(content), name="r.json")


@pytest.mark.parametrize(
    "content",
    [
        [{"model": "LeNet-5", "seed": s, "accuracy": a} for s, a in enumerate(RUNS)],
        {"LeNet-5": {f"seed_{s}": {"accuracy": a} for s, a in enumerate(RUNS)}},
        {"LeNet-5": {"accuracy": {f"run {s}": a for s, a in enumerate(RUNS)}}},
        {"model": "LeNet-5", "runs": [{"seed": s, "time": 9.5 + s, "metrics": {"accuracy": a}}
                                      for s, a in enumerate(RUNS)]},
    ],
    ids=["a field", "keys of objects", "keys of figures", "a list below the model"],
)  # fmt: skip
def test_runs_of_one_model_give_their_mean(content):
    (claim,) = read_input(json.dumps(content), name="r.json").claims
    assert (claim.label, claim.figure.value, claim.mean_of) == ("LeNet-5", "0.9073", 3)
    assert "printed as 0.904, 0.908 and 0.91" in claim.remark


def test_runs_with_other_settings_are_not_averaged():
    rows = [
        {"model": "LeNet-5", "seed": seed, "lr": lr, "accuracy": value}
        for seed, lr, value in ((0, 0.1, 0.9), (1, 0.01, 0.8))
    ]
    assert [value for _, value in read(rows)] == ["0.9", "0.8"]


def test_of_the_epochs_of_a_training_the_last_one_counts():
    rows = [
        {"model": name, "epoch": epoch, "test_acc": value}
        for name in ("LeNet-5", "CNN")
        for epoch, value in enumerate((0.8, 0.9, 0.91))
    ]
    assert read(rows) == [("LeNet-5", "0.91"), ("CNN", "0.91")]


def test_a_matrix_beside_the_accuracy_of_a_named_model_is_of_this_model():
    content = {"model": "LeNet-5", "accuracy": 0.95,
               "confusion_matrix": [[900, 50, 50], [40, 910, 50], [30, 30, 940]]}  # fmt: skip
    found = read_input(json.dumps(content), name="r.json")
    assert [matrix.label for matrix in found.matrices] == ["LeNet-5"]


@pytest.mark.parametrize("quote", ['"', "'"], ids=["JSON", "Python"])
def test_lines_that_each_name_a_model_give_a_claim_each(quote):
    lines = [
        {"model": "LeNet-5", "dataset": "fmnist", "acc": 0.904},
        {"model": "LeNet-5", "dataset": "mnist", "acc": 0.991},
        {"model": "SVC", "dataset": "fmnist", "acc": 0.897},
    ]
    text = "\n".join(map(json.dumps, lines)).replace('"', quote)
    expected = [("LeNet-5", "0.904"), ("SVC", "0.897")]
    assert [(c.label, c.figure.value) for c in read_input(text).claims] == expected
    in_log = f"Start of the runs.\n{text}\nEnd of the runs.\n"
    assert [(c.label, c.figure.value) for c in read_input(in_log).claims] == expected
    if quote == '"':
        found = read_input(text, kind="JSON")
        assert [(c.label, c.figure.value) for c in found.claims] == expected


def test_lines_without_a_model_are_a_log_of_which_the_last_one_counts():
    text = "\n".join(json.dumps({"epoch": k, "test_acc": 0.9 + k / 100}) for k in range(3))
    found = read_input(text)
    assert [(c.label, c.figure.value) for c in found.claims] == [("", "0.92")]
    assert found.notes == ("test_acc is printed 3 times: only the last one is taken",)


def test_the_settings_of_a_run_say_what_the_figures_beside_them_are_of():
    runs = [
        {"run_id": f"r{k}", "params": {"model": "LeNet-5", "dataset": data, "seed": k},
         "metrics": {"test_accuracy": value}}
        for k, data, value in (
            (0, "FashionMNIST", 0.904), (1, "FashionMNIST", 0.906), (2, "MNIST", 0.991)
        )
    ]  # fmt: skip
    found = read_input(json.dumps(runs))
    (claim,) = found.claims
    assert (claim.label, claim.figure.value, claim.mean_of) == ("LeNet-5", "0.905", 2)
    assert any("of MNIST: not taken" in note for note in found.notes)


@pytest.mark.parametrize("field", ["attack", "label_noise", "sparsity"])
def test_a_field_may_say_that_the_task_is_changed(field):
    rows = [
        {"model": "LeNet-5", field: value, "accuracy": accuracy}
        for value, accuracy in (("none", 0.904), (0.4, 0.703))
    ]
    found = read_input(json.dumps(rows))
    assert [(c.label, c.figure.value) for c in found.claims] == [("LeNet-5", "0.904")]
    assert any("another task" in note for note in found.notes)


def test_objects_of_a_list_without_a_model_are_named_by_the_settings_in_which_they_differ():
    content = [
        {"batch_size": size, "epochs": 20, "activation": activation, "seed": 1, "test_acc": value}
        for size, activation, value in ((10, "relu", 88.1), (10, "tanh", 86.2), (99, "relu", 85.3))
    ]
    assert read(content) == [
        ("batch_size=10, activation=relu", "88.1"), ("batch_size=10, activation=tanh", "86.2"),
        ("batch_size=99, activation=relu", "85.3"),
    ]  # fmt: skip


def test_a_key_that_names_the_test_images_counts_more_than_the_training_around_it():
    assert read({"plain_training": {"test_acc": 88.5, "acc": 94.8, "train_acc": 95.1}}) == [
        ("plain_training", "88.5")
    ]


def test_figures_of_changed_images_or_labels_are_noted_once():
    content = {
        name: {"clean_acc": 88.3, "adv_acc": 68.1, "polluted_data": {"test_acc": 70.2}}
        for name in ("CNN", "MLP")
    }
    found = read_input(json.dumps(content), name="r.json")
    assert [(c.label, c.figure.value) for c in found.claims] == [("CNN", "88.3"), ("MLP", "88.3")]
    assert [note for note in found.notes if "not taken" in note] == [
        "CNN/adv_acc and MLP/adv_acc are of a changed task: not taken",
        "CNN/polluted_data/test_acc and MLP/polluted_data/test_acc are of training with wrong "
        "labels: not taken",
    ]


def test_the_last_figure_of_the_validation_images_is_none_of_the_test_images():
    content = {"CNN": {"val_acc": [81.2, 85.9], "final_acc": 85.9},
               "MLP": {"val_acc": [80.1, 84.4], "final_acc": 84.6}}  # fmt: skip
    assert read(content) == [("MLP", "84.6")]


def test_the_figures_of_many_epochs_are_noted_in_one_line():
    epochs = [{"epoch": k, "val_acc": 80 + k} for k in range(1, 10)]
    found = read_input(json.dumps({"test_acc": 83.9, "history": epochs}), name="r.json")
    assert found.notes == (
        "history/0/val_acc, history/1/val_acc, history/2/val_acc and 6 more are of training or "
        "validation images: not taken",
    )


def test_the_curves_of_a_training_are_named_if_there_is_nothing_else():
    curves = {"Train Accuracy": [{"1": 79.9}, {"2": 85.5}], "Val Accuracy": [0.8, 0.9]}
    with pytest.raises(UserError, match="Train Accuracy and Val Accuracy are of training or"):
        read(curves)
    found = read_input(json.dumps({**curves, "test_accuracy": 0.88}), name="r.json")
    assert not found.notes
    histories = {name: {"test_acc": 0.9, "history": {"test_acc": [0.8, 0.9]}} for name in "AB"}
    assert read_input(json.dumps(histories), name="r.json").notes == (
        "A/history/test_acc and B/history/test_acc are lists of figures, as of runs or epochs: not "
        "taken",
    )
    with pytest.raises(UserError, match="Test Accuracy is a list of figures"):
        read({"Test Accuracy": [{"1": 79.9}, {"2": 85.5}]})


def test_a_count_of_errors_is_no_error_rate():
    assert read({"LeNet-5": {"error_example_count": 12, "test_accuracy": 0.904}}) == [
        ("LeNet-5", "0.904")
    ]


@pytest.mark.parametrize(
    ("key", "value", "n_claims"),
    [
        ("test_limit", 2000, 0),
        ("n_test", 500, 0),
        ("eval_samples", 1000, 0),
        ("test_samples", 10000, 1),
        ("num_test", 5, 1),
        ("test_size", 0.2, 1),
        ("test_batch_size", 1000, 1),
    ],
)
def test_figures_of_a_part_of_the_test_images_are_left_out(key, value, n_claims):
    content = {"config": {key: value}, "results": {"LeNet-5": {"test_accuracy": 0.904}}}
    try:
        found = read(content)
    except UserError as error:
        found = []
        assert f"of {value:,} test images" in str(error)
    assert len(found) == n_claims
