"""Tests of what headings say about the figures below them."""

from __future__ import annotations

from fmbench.extraction.read import read_input

FILLING = "\n\n".join(["This line of a long page says nothing."] * 25)


def show(text):
    """Return (label, figure) of each claim of a long text."""
    return [(c.label, c.figure.printed) for c in read_input(f"{text}\n\n{FILLING}\n").claims]


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
