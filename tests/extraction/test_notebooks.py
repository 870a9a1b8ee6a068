"""Of a notebook, the results are read, and not what the program prints about itself."""

from __future__ import annotations

import json

import pytest

from fmbench.errors import UserError
from fmbench.extraction.found import Extraction
from fmbench.extraction.read import read_input
from tests.helpers.printed import make_confusion, print_report

CONFUSION = make_confusion(1)
OTHER = make_confusion(2)
RULE = "_" * 40


def read(*cells: str | tuple[str, str]) -> Extraction:
    """Read a notebook of texts, and of pairs of code and what it prints."""
    content = [
        {"cell_type": "markdown", "source": cell}
        if isinstance(cell, str)
        else {
            "cell_type": "code",
            "source": cell[0],
            "outputs": [{"output_type": "stream", "text": cell[1].splitlines(keepends=True)}],
        }
        for cell in cells
    ]
    found = read_input(json.dumps({"nbformat": 4, "cells": content}), name="a.ipynb")
    assert isinstance(found, Extraction)
    return found


def show(found: Extraction) -> list[tuple[str, str]]:
    """Label and value of each accuracy."""
    return [
        (claim.label, claim.figure.value)
        for claim in found.claims
        if claim.metric == "accuracy" and claim.class_ is None
    ]


RESULT = ("print(accuracy)", "Test accuracy: 0.9011\n")


@pytest.mark.parametrize(
    "output",
    [
        "10000/10000 [==============================] - 2s 230us/step\n",
        "54000 train samples\n6000 validation samples\n10000 test samples\n",
        "(48000, 28, 28, 1)\n(10000,)\n",
        "Total params: 113,386\nNon-trainable params: 0\n",
        "model: mlp_(100,10)_relu_lr-0.1\n",
        "Hyperparameters: (100, 10, 'tanh', 0.0, 0.1)\n",
        "drwxr-xr-x 2 1000 1000 4.0K Jun 11 10:49 data\n",
        "Training 30 epochs in 12:11.4\n",
        "lib/site-packages/launcher.py:11: UserWarning: Update your call\n  del sys.path[0]\n",
        "lib/metrics.py:11: FutureWarning: the default of accuracy: 0.5000\n",
        "<Figure size 432x288 with 1 Axes>\n",
        "2.5.1\n12.1\nTrue\n",
        "val_loss     0.275\nval_acc      0.935\nloss         0.040\nacc          0.985\n"
        "epoch       42.000\nName: 41, dtype: float64\n",
        "Best hyperparameters: {'trees': 250, 'depth': 40}\n",
    ],
)
def test_what_a_program_prints_about_itself_is_no_claim(output: str) -> None:
    found = read("# A CNN for Fashion-MNIST", ("run()", output), RESULT)
    assert show(found) == [("", "0.9011")]
    with pytest.raises(UserError):
        read(("run()", output))


def test_lines_of_a_model_and_a_figure_are_claims_and_settings_beside_them_are_none() -> None:
    assert show(read(("", "SVC: 0.897\nRandom forest: 0.877\nseed: 0.42\n"))) == [
        ("SVC", "0.897"),
        ("Random forest", "0.877"),
    ]
    assert show(read("## 3.1 CNN\n", RESULT)) == [("", "0.9011")]


def test_each_printed_line_stands_alone() -> None:
    found = read(("", "Run with model 0: 0.2065 loss / 0.9358 acc\nNow SVC follows\nkappa: 0.9\n"))
    assert [(c.label, c.metric, c.figure.value) for c in found.claims] == [
        ("", "accuracy", "0.9358"),
        ("", "kappa", "0.9"),
    ]


def test_a_heading_holds_for_the_cells_below_it() -> None:
    found = read("# Fashion-MNIST", RESULT, "# MNIST", "## Test", ("", "Test accuracy: 0.9941\n"))
    assert show(found) == [("", "0.9011")]
    assert any("of MNIST" in note for note in found.notes)


@pytest.mark.parametrize("title", ["## Training Evaluation", "### Results on the training set"])
def test_a_heading_says_that_figures_are_of_training_images(title: str) -> None:
    printed = ("", "Accuracy: 98.10%\n")
    found = read(title, printed, "## Test Evaluation", ("", "Accuracy: 91.20%\n"))
    assert show(found) == [("", "91.20%")]
    assert show(read("## Training", printed)) == [("", "98.10%")]
    assert show(read(title, RESULT)) == [("", "0.9011")]


@pytest.mark.parametrize(
    ("code", "output", "values"),
    [
        ("accuracy_score(y_test, guess)", "0.8207", ["0.8207"]),
        ("p = 1\naccuracy_score(labels, guess)", "0.8207", ["0.8207"]),
        ("accuracy_score(y_train, guess)", "0.8207", []),
        ("clf.score(X_test, y_test)", "0.8207", ["0.8207"]),
        ("clf.score(X, y)", "0.8207", []),
        ("f1_score(y_test, guess)", "0.8207", []),
        ("net.evaluate(x_test, y_test)", "[0.2485, 0.9104]", ["0.9104"]),
        ("net.evaluate(x_val, y_val)", "[0.2485, 0.9104]", []),
        (
            "loss, acc = net.evaluate(x_test, y_test)",
            "313/313 [=====] - 1s 2ms/step - loss: 0.2485 - accuracy: 0.9104\n",
            ["0.9104"],
        ),
        (
            "net.fit(x, y)\nnet.evaluate(x_test, y_test)",
            "1875/1875 [=====] - 1s 2ms/step - loss: 0.2485 - accuracy: 0.9104\n",
            [],
        ),
    ],
)
def test_the_code_says_what_a_number_alone_is(code: str, output: str, values: list[str]) -> None:
    found = read("# CNN\n\nCNN: 91.91 %", (code, output))
    assert [value for label, value in show(found) if not label] == values


def test_a_pair_as_python_2_prints_it_is_a_name_and_its_value() -> None:
    assert show(read(("", "('Test loss:', 0.6238)\n('Test accuracy:', 0.7664)\n"))) == [
        ("", "0.7664")
    ]


def test_the_mean_over_folds_is_no_accuracy_on_the_test_images() -> None:
    folds = "Accuracy for each fold: [0.8787    0.8792     0.8871    ]\nAverage accuracy: 0.88\n"
    found = read(("", f"Forest with 50 PCA components:\n{folds}"), RESULT)
    assert show(found) == [("", "0.9011")]
    assert any("a mean over the folds" in note for note in found.notes)
    assert show(read(("", "Accuracy: 0.87\nAverage test accuracy: 0.88\n")))[-1] == ("", "0.88")


# ---- names ---------------------------------------------------------------------------------------


def test_a_title_of_a_record_names_its_model() -> None:
    text = (
        "Results for tiny_net:\nTraining Accuracy: 0.9333\nTesting Accuracy: 0.9034\n\n"
        "Results for ResNet:\nTraining Accuracy: 0.9478\nTesting Accuracy: 0.9093\n\n"
        "Test results:\nAccuracy: 0.9001\n"
    )
    assert show(read(("", text))) == [
        ("tiny_net", "0.9034"), ("ResNet", "0.9093"), ("", "0.9001"),
    ]  # fmt: skip


def test_a_printed_line_names_its_model_as_a_whole() -> None:
    text = "\u2699 kNN (PCA) Accuracy: 85.49%\n\u2699 Tuned kNN (PCA) Accuracy: 85.76%\n"
    assert show(read(("", text))) == [("kNN (PCA)", "85.49%"), ("Tuned kNN (PCA)", "85.76%")]
    assert show(read(("", "Final accuracy for mini_cnn: 0.9093\n"))) == [("mini_cnn", "0.9093")]
    assert show(read(("", "Accuracy of test_loader: 90.93%\n"))) == [("", "90.93%")]


def test_the_last_epoch_of_a_model_is_not_listed_beside_its_result() -> None:
    log = "".join(f"Epoch: {i} | Test Acc: 0.90{i}1\n" for i in range(1, 4))
    text = f"{log}Final testing accuracy for mini_cnn: 0.9031\n"
    assert show(read(("", text))) == [("mini_cnn", "0.9031")]


def test_an_accuracy_above_a_report_names_its_model_if_it_is_the_same() -> None:
    right, wrong = (100 * sum(m[k][k] for k in range(10)) / 10_000 for m in (CONFUSION, OTHER))
    reports = [
        (f"{name} Accuracy: {right:.2f}%\nClassification Report:\n\n", print_report(CONFUSION))
        for name in ("SVC (PCA)", "kNN (PCA)")
    ]
    found = read(*(("", f"{title}{report}") for title, report in reports))
    labels = {c.label for c in found.claims if c.source.startswith("classification report")}
    assert labels == {"SVC (PCA)", "kNN (PCA)"}
    assert f"{right:.1f}" != f"{wrong:.1f}"
    other = f"SVC (PCA) Accuracy: {wrong:.2f}%\n\n{print_report(CONFUSION)}"
    claims = read(("", other), ("", print_report(OTHER))).claims
    assert not any(c.label == "SVC (PCA)" for c in claims if c.source.startswith("class"))


def test_a_figure_is_no_name_of_a_report() -> None:
    picture = "<Figure size 1080x864 with 2 Axes>\n"
    cells = [("", picture), ("", print_report(CONFUSION))] * 2
    labels = {claim.label for claim in read(*cells).claims}
    assert labels == {"model 1", "model 2"}


# ---- models that nobody names --------------------------------------------------------------------


def test_one_accuracy_printed_as_fraction_and_percentage_is_one_claim() -> None:
    text = "SVC accuracy on test data: 0.8848, and in percentage: 88.48%\n"
    assert show(read(("", text))) == [("SVC", "0.8848")]
    found = read(("", "Test accuracy: 0.9104\n"), "My accuracy is 91.04%!", RESULT)
    assert [value for _, value in show(found)] == ["0.9104", "0.9011"]
    again = read(("", "SVC accuracy: 0.8848\n"), "The former has an accuracy of 88.48%.")
    assert show(again) == [("SVC", "0.8848")]


def test_a_report_without_an_accuracy_belongs_to_the_accuracy_that_it_allows() -> None:
    report = "\n".join(
        line for line in print_report(CONFUSION).split("\n") if "accuracy" not in line
    )
    right = sum(CONFUSION[k][k] for k in range(10)) / 10_000
    before, after = f"{right - 0.04:.4f}", f"{right:.4f}"
    cells = [("", f"Test accuracy: {value}\n") for value in (before, after)]
    found = read(cells[0], "Now with augmented images:", cells[1], ("", report))
    assert show(found) == [(f"unnamed ({before})", before), ("", after)]


def test_accuracies_that_may_all_be_of_one_report_are_of_none() -> None:
    right = sum(CONFUSION[k][k] for k in range(10)) / 10_000
    near = [f"{right + d:.4f}" for d in (-0.001, 0.001)]
    cells = [("", f"Test accuracy: {value}\n") for value in near]
    found = read(*cells, ("", print_report(CONFUSION)))
    assert {label for label, value in show(found) if value in near} == {
        f"unnamed ({value})" for value in near
    }


def test_figures_of_a_class_that_differ_are_of_several_models() -> None:
    text = "Extra model {}\nPrecision of Shirt: {}%, Change: 7.36%\n"
    found = read(("", text.format(0, 89.17)), ("", text.format(1, 84.44)), RESULT)
    assert [claim.metric for claim in found.claims] == ["accuracy"]
    assert any("the precision of the same class" in note for note in found.notes)
    one = read(("", text.format(0, 89.17)), RESULT)
    assert [claim.metric for claim in one.claims] == ["precision", "accuracy"]


def test_a_line_above_a_log_names_its_model() -> None:
    log = "Epoch: 1 | Test Acc: 0.89{0}1\nEpoch: 2 | Test Acc: 0.90{0}1\n"
    text = f"Fine-tuning tiny_net...\n{log.format(1)}\nTraining SVC with PCA ...\n{log.format(2)}"
    assert show(read(("", text))) == [("tiny_net", "0.9011"), ("SVC with PCA", "0.9021")]
    assert show(read(("", f"=== ResNet ===\n{RESULT[1]}"))) == [("ResNet", "0.9011")]
    other = f"Training SVC...\nSVC accuracy: 0.8971\nTraining the last one...\n{RESULT[1]}"
    assert show(read(("", other))) == [("SVC", "0.8971"), ("", "0.9011")]


def test_a_colon_joins_a_figure_to_the_metric_before_it() -> None:
    found = read(("", "Test set: Loss: 3.3507 Accuracy: 0.6199 F1_score: 0.5362 kappa: 0.5777\n"))
    assert [(c.metric, c.figure.value) for c in found.claims] == [
        ("accuracy", "0.6199"),
        ("kappa", "0.5777"),
    ]


def test_a_log_needs_no_note_on_what_it_prints_beside_the_accuracy() -> None:
    line = "Epoch: 1 | Train Loss: 0.53 | Train Acc: 0.8060 | Test Loss: 0.31 | Test Acc: 0.8912\n"
    found = read(("", line))
    assert show(found) == [("", "0.8912")]
    assert found.notes == ()
    assert "of training" in read(("", "Train Acc: 0.8060 | Val Acc: 0.8\n"), RESULT).notes[0]


def test_a_progress_bar_between_the_lines_of_a_log_does_not_part_them() -> None:
    texts = ("Training SVC...\n", "  0%|   | 0/10 [00:00<?, ?it/s]\n", "Test accuracy: 0.8971\n")
    outputs = [{"output_type": "stream", "text": text} for text in texts]
    cell = {"cell_type": "code", "source": "fit()", "outputs": outputs}
    found = read_input(json.dumps({"nbformat": 4, "cells": [cell]}), name="a.ipynb")
    assert isinstance(found, Extraction)
    assert show(found) == [("SVC", "0.8971")]


@pytest.mark.parametrize(
    ("code", "is_read"),
    [
        ('show_table("train")', False),
        ("show_table(y_train, predictions)", False),
        ("show_table(model, val_loader)", False),
        ('show_table("test")', True),
        ("show_table(y_train, y_test)", True),
        ("train(model, images)", True),
        ("show_table(trained)", True),
    ],
)
def test_the_code_says_that_a_table_is_of_training_images(code: str, is_read: bool) -> None:
    table = (
        "<table><tr><th>Model</th><th>Accuracy</th></tr><tr><td>SVC</td><td>0.897</td></tr></table>"
    )
    cell = {
        "cell_type": "code",
        "source": f"import report\n{code}",
        "outputs": [{"output_type": "execute_result", "data": {"text/html": table}}],
    }
    result = {"cell_type": "markdown", "source": "MLP: 88.1 % test accuracy"}
    found = read_input(json.dumps({"nbformat": 4, "cells": [cell, result]}), name="a.ipynb")
    assert [c.label for c in found.claims] == (["SVC", "MLP"] if is_read else ["MLP"])
    assert any(f"(of training or validation images): {code!r}" in n for n in found.notes) != is_read


@pytest.mark.parametrize(
    ("code", "printed", "values"),
    [
        ("evaluate(model, x_train)", "accuracy 0.9912\n", []),
        ("evaluate(model, x_train)", "test accuracy 0.9012\n", ["0.9012"]),
        ("run(test)\nevaluate(model, x_train)", "accuracy 0.9012\n", ["0.9012"]),
    ],
)
def test_what_is_printed_is_of_training_images_if_nothing_speaks_of_a_test(
    code: str, printed: str, values: list[str]
) -> None:
    found = read((code, printed), "MLP: 88.1 % test accuracy")
    assert [value for _, value in show(found)] == [*values, "88.1%"]


def test_files_of_weights_name_the_models_of_the_results_below_them() -> None:
    printed = (
        "Evaluating TinyNet_units=10.pth\nTest accuracy: 0.8826\n----\n"
        "Evaluating models/WideNet.pth\nTest accuracy: 0.9011\n"
    )
    assert show(read(("", printed))) == [("TinyNet_units=10", "0.8826"), ("WideNet", "0.9011")]
    assert show(read(("", "Loading best_model.pth\nTest accuracy: 0.9011\n"))) == [("", "0.9011")]


def test_a_bar_that_is_not_full_is_of_the_training() -> None:
    bar = "\x1b[1m 33/1500\x1b[0m \x1b[37m\u2501\u2501\x1b[0m 7s - accuracy: 0.31 - loss: 1.9"
    assert show(read(("", f"{bar}\n"), ("", "Test accuracy: 0.9094\n"))) == [("", "0.9094")]


@pytest.mark.parametrize(
    ("code", "n_claims"),
    [
        ("(x, y), test = datasets.cifar10.load_data()", 0),
        ("data = datasets.MNIST('d')", 0),
        ("data = datasets.MNIST('d')\nnames = ['T-shirt', 'Trouser']", 1),
        ("data = datasets.FashionMNIST('d')", 1),
        ("other = datasets.CIFAR10('d')\ndata = datasets.FashionMNIST('d')", 1),
        ("data = load('d')", 1),
    ],
)
def test_code_that_loads_only_another_data_set_leaves_its_results_out(
    code: str, n_claims: int
) -> None:
    cells = [(code, "done\n"), ("", "Test accuracy: 0.8902\n")]
    if n_claims:
        assert show(read(*cells)) == [("", "0.8902")]
    else:
        with pytest.raises(UserError, match="nowhere Fashion-MNIST"):
            read(*cells)


def test_a_printed_title_holds_for_its_own_output_only() -> None:
    of_training = ("", "Results on the training set:\nAccuracy: 0.9903\n")
    assert show(read("# SVC", of_training, ("", "Accuracy: 0.8902\n"))) == [("", "0.8902")]


def test_a_notebook_that_names_only_mnist_files_is_of_mnist() -> None:
    code = "!python examples/mnist/train.py --epochs 9"
    with pytest.raises(UserError, match="nowhere Fashion-MNIST"):
        read((code, "Test accuracy: 0.9843\n"))
    assert show(read((code, "Test accuracy: 0.9043\nworst class: Pullover\n")))
    assert show(read("# Zalando", (code, "Test accuracy: 0.9043\n"))) == [("", "0.9043")]
    reader = "x, y = utils/mnist_reader.load_mnist(folder)"
    assert show(read((reader, "Test accuracy: 0.9043\n"))) == [("", "0.9043")]


def test_mean_errors_of_a_regression_are_not_judged() -> None:
    errors = "MSE:  1.871\nMAE:  4.3632\n{}R2 Score:  0.7739\n"
    code = "print(errors)"
    found = read(RESULT, (code, errors.format("RMSE:  1.3678\n")))
    assert {claim.metric for claim in found.claims} == {"accuracy"}
    assert any("of a regression" in note for note in found.notes)
    found = read(RESULT, (code, errors.partition("{}")[0]))
    assert {claim.metric for claim in found.claims} > {"accuracy"}
