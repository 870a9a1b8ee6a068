"""Tests of what headings say about the figures below them."""

from __future__ import annotations

import pytest

from fmbench.errors import UserError
from fmbench.extraction.read import read_input
from fmbench.extraction.text.conditions import find_set_of_title

FILLING = "\n\n".join(["This line of a long page says nothing."] * 25)


def show(text):
    """Return (label, figure) of each claim of a long text."""
    return [(c.label, c.figure.printed) for c in read_input(f"{text}\n\n{FILLING}\n").claims]


def show_or_nothing(text):
    try:
        return show(text)
    except UserError:
        return []


def test_a_heading_names_the_model_of_the_only_accuracy_below_it():
    text = "# Results\n\n### SVC\n\nAccuracy: 89.7 %\n\n### LeNet-5\n\n- Test accuracy: 90.6 %\n"
    assert show(text) == [("SVC", "89.7 %"), ("LeNet-5", "90.6 %")]


def test_a_heading_names_none_of_several_accuracies_and_not_two_models_of_one_name():
    several = "# Results\n\n### KNN\n\nAccuracy: 85.3 %\n\nAccuracy: 73.6 %\n"
    assert [label for label, _ in show(several)] == ["", "unnamed (73.6 %)"]
    alike = "# A\n\n### Simple CNN\n\nAccuracy: 83.8 %\n\n### Deep CNN\n\nAccuracy: 88.9 %\n"
    assert [label for label, _ in show(alike)] == ["", "unnamed (88.9 %)"]


def test_final_figures_are_no_log_of_epochs():
    text = (
        "# A\n\n## B\n\nFinal loss: 0.3, accuracy: 84.2%\n\n## C\n\nFinal loss: 1, accuracy: 52.7%"
    )
    assert [figure for _, figure in show(text)] == ["84.2%", "52.7%"]


LOG = (
    "[RESULTS - TEST SET]\n====\nTest accuracy: 0.8812\n\n"
    "[RESULTS - TRAIN SET]\n====\nTest accuracy: 0.9933\n"
)


def test_titles_say_of_which_images_the_lines_below_them_are():
    """A program that prints the same words for both sets has the title alone to tell them apart."""
    assert [c.figure.printed for c in read_input(LOG).claims] == ["0.8812"]
    text = (
        "Start evaluating training set ...\n\n- accuracy: 0.9011\n\nFinish evaluating\n\n"
        "Start evaluating test set ...\n\n- accuracy: 0.8622\n"
    )
    assert [c.figure.printed for c in read_input(text).claims] == ["0.8622"]


@pytest.mark.parametrize(
    ("line", "images"),
    [
        ("[RESULTS - TRAIN SET]", "other"),
        ("Evaluating on the validation data ...", "other"),
        ("=== Test set results ===", "test"),
        ("Classification report for the test set:", "test"),
        ("Training set: 60,000 images", None),
        ("Test set", None),
        ("The results on the training set are better than ours", None),
    ],
)
def test_a_title_of_a_set_has_a_word_of_evaluation_and_nothing_else(line, images):
    assert find_set_of_title(line) == images


def test_a_test_figure_below_the_first_training_title_is_taken():
    text = "# A\n\nEvaluation on the training set:\n\nAccuracy: 99.1 %\n\nTest accuracy: 90.6 %\n"
    assert [figure for _, figure in show(text)] == ["90.6 %"]


def test_comments_in_code_are_no_headings():
    text = "# A\n\n## MNIST\n\n```python\n# load the model\nrun()\n```\n\nAccuracy: 99.1 %\n"
    assert show_or_nothing(text) == []


@pytest.mark.parametrize(
    ("code", "n_claims"),
    [
        ("data = load_iris()", 0),
        ("x, y = all_datasets['breast_cancer']()", 0),
        ("data = datasets.CIFAR10('d')", 0),
        ("data = datasets.FashionMNIST('d')", 1),
        ("data = datasets.ImageFolder('d')", 1),
        ("both = datasets.SVHN('d'), datasets.CIFAR10('d')", 1),
        ("row = dataset['train']", 1),
    ],
)
def test_code_says_of_which_data_set_the_output_below_it_is(code, n_claims):
    program = f"```python\n# a comment\n{code}\nrun()\n```"
    text = f"# A\n\n## Example\n\n{program}\n\n```\nTest accuracy: 0.9011\n```\n"
    assert len(show_or_nothing(text)) == n_claims
    below = "# A\n\n## Example\n\n```python\ndata = load_iris()\n```\n\n## Fashion-MNIST\n\n"
    assert len(show_or_nothing(f"{below}Test accuracy: 0.9011\n")) == 1
