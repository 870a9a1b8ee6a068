"""Texts are split into sentences whatever their markup, and know of which data set they are."""

from __future__ import annotations

import pytest

from fmbench.extraction.read import read_input
from fmbench.extraction.text.mentions import clean_sentence
from fmbench.extraction.text.read import find_sentences, read_words
from fmbench.extraction.text.split import (
    find_data_set_of_line,
    join_wrapped_lines,
    split_sentences,
)

WEAKEST = "The random forest is the weakest model."


def claims_of(text: str) -> list[tuple[str, str]]:
    """The models and figures that a text claims."""
    return [(claim.label, claim.figure.value) for claim in find_sentences(text, "x")[0]]


def lines_of(text: str) -> list[tuple[str, str]]:
    """The models and figures of the lines of a list."""
    extraction = read_words(text.split("\n"), "claims.txt")
    return [(claim.label, claim.figure.value) for claim in extraction.claims]


# ---- sentences and markup ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "second",
    [
        r"\textbf{SGN} achieves 95.9\% accuracy.", "**SGN** achieves 95.9% accuracy.",
        "`SGN-S` achieves 95.9% accuracy.", r"\ours achieves 95.9\% accuracy.",
        r"\ours{} achieves 95.9\% accuracy.", r"\section{Conclusion} SGN achieves 95.9\% accuracy.",
        "<b>SGN</b> achieves 95.9% accuracy.", "*Ours* achieves 95.9% accuracy.",
        "_Ours_ achieves 95.9% accuracy.", "`sgn` achieves 95.9% accuracy.",
        r"\emph{\textbf{SGN}} achieves 95.9\% accuracy.", "$A$-Net$_2$ achieves 95.9% accuracy.",
    ],
)  # fmt: skip
def test_a_sentence_may_begin_with_markup(second: str) -> None:
    assert claims_of(f"{WEAKEST} {second}") == [("", "95.9%")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("**The random forest is the weakest model.**", "SGN achieves 95.9% accuracy."),
        (r"\textbf{The random forest is the weakest model.}", r"SGN achieves 95.9\% accuracy."),
        ("<i>The random forest is the weakest model.</i>", "SGN achieves 95.9% accuracy."),
    ],
)
def test_a_sentence_may_end_with_markup(first: str, second: str) -> None:
    assert claims_of(f"{first} {second}") == [("", "95.9%")]


def test_a_sentence_may_begin_with_a_small_letter_of_a_name() -> None:
    text = "Logistic regression has 84.2 % accuracy. k-NN has 85.4 % accuracy."
    assert claims_of(text) == [("Logistic regression", "84.2%"), ("k-NN", "85.4%")]


def test_an_abbreviation_before_markup_ends_no_sentence() -> None:
    assert claims_of("In Fig. **2** LeNet-5 has 90.4 % accuracy.") == [("LeNet-5", "90.4%")]


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (r"As Table~\ref{tab:x} shows, SVC has 89.7~\%.", "As Table shows, SVC has 89.7 %."),
        (r"{\bf LeNet-5} has $90.4\;\%$.", "LeNet-5 has 90.4 %."),
        (r"\textbf{\emph{SVC}} has \textcolor{red}{89.7}\,\%", "SVC has 89.7%"),
        (r"\ours{} has $\approx 95.9$\%", r"\ours has ~ 95.9%"),
        (r"accuracy. \end{document}", "accuracy."), (r"\begin{table} As shown", "As shown"),
        (r"$92.5_{\pm 0.2}$", "92.5 +- 0.2"),
        ("*Our* CNN and _its_ name, 5 * 3 * 2", "Our CNN and its name, 5 * 3 * 2"),
        ("my_model_v2 of fashion_mnist*", "my_model_v2 of fashion_mnist*"),
        ("{'accuracy': 0.91}", "{'accuracy': 0.91}"),
    ],
)  # fmt: skip
def test_no_rest_of_a_command_remains(text: str, cleaned: str) -> None:
    assert clean_sentence(text) == cleaned


def test_quotations_hold_no_commands_of_latex() -> None:
    text = (
        "\\begin{document}\nAs Table~\\ref{a} shows, LeNet-5 has 90.4\\% accuracy.\n"
        "\\end{document}\n"
    )
    (claim,), _ = find_sentences(text, "text")
    assert claim.where == 'text, "As Table shows, LeNet-5 has 90.4% accuracy."'


def test_comments_and_definitions_of_latex_are_not_read() -> None:
    text = (
        "\\documentclass{article}\n\\newcommand{\\acc}{92.3\\% accuracy}\n"
        "% LeNet-5 has 99.9\\% accuracy.\nLeNet-5 has 90.4\\% accuracy.\n"
    )
    assert claims_of(text) == [("LeNet-5", "90.4%")]


def test_items_of_a_list_in_latex_stand_alone() -> None:
    text = "\\begin{itemize}\n\\item \\textbf{LeNet-5}: 90.4\\,\\%\n\\item SVC: 89.7\\,\\%\n"
    assert claims_of(text) == [("LeNet-5", "90.4%"), ("SVC", "89.7%")]


def test_a_figure_of_an_unknown_model_is_noted_where_nothing_names_an_accuracy() -> None:
    claims, notes = find_sentences("SGN achieves 95.9 % with fewer parameters.", "x")
    assert not claims
    assert "does not say what it is" in notes[0]
    text = "# Results on Fashion-MNIST\n\nSGN achieves 95.9 % with fewer parameters."
    assert claims_of(text) == [("", "95.9%")]


# ---- the data set of lines -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "data_set"),
    [
        ("MNIST:", "MNIST"), ("Dataset: MNIST", "MNIST"), ("dataset: mnist", "mnist"),
        ("## Results on MNIST", "MNIST"), ("Results on CIFAR-10", "CIFAR-10"),
        ("**MNIST**", "MNIST"), ("### MNIST (test set, 10,000 images)", "MNIST"),
        ("Table 2: Accuracy on MNIST", "MNIST"), ("- MNIST:", "MNIST"),
        ("dataset: fashion_mnist", "Fashion-MNIST"), ("Dataset: Zalando", "Fashion-MNIST"),
        ("MNIST and Fashion-MNIST:", "Fashion-MNIST"), ("Dataset: GTZAN", "GTZAN"),
        ("dataset: my_clothes", "my_clothes"), ("dataset: local", None), ("dataset: test", None),
        ("LeNet-5:", None), ("MNIST 99.1", None), ("We also use MNIST.", None),
        ("LeNet-5 on MNIST: 99.1 %", None), ("| | Fashion-MNIST | 90.4 |", None), ("", None),
    ],
)  # fmt: skip
def test_a_line_that_only_names_a_data_set_is_known(line: str, data_set: str | None) -> None:
    assert find_data_set_of_line(line) == data_set


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("MNIST:", "Fashion-MNIST:"), ("MNIST", "Fashion-MNIST"),
        ("Dataset: MNIST", "Dataset: Fashion-MNIST"), ("dataset: MNIST", "dataset: fashion_mnist"),
        ("# MNIST", "# Fashion-MNIST"), ("Results on MNIST", "Results on Fashion-MNIST"),
    ],
)  # fmt: skip
def test_a_data_set_holds_for_the_lines_below_it(first: str, second: str) -> None:
    text = f"{first}\nLeNet-5: 99.1\nSVC: 98.6\n{second}\nLeNet-5: 90.4\nSVC: 89.7"
    assert lines_of(text) == [("LeNet-5", "90.4"), ("SVC", "89.7")]
    notes = read_words(text.split("\n"), "claims.txt").notes
    assert notes[0] == (
        'line 2: not taken (of MNIST, which the text before it names): "LeNet-5: 99.1"'
    )
    assert len(notes) == 2


def test_a_file_of_lines_below_names_of_data_sets_is_read() -> None:
    text = "MNIST:\n  LeNet-5 99.1\n  SVC 98.6\nFashion-MNIST:\n  LeNet-5 90.4\n  SVC 89.7\n"
    found = read_input(text, name="results.txt")
    assert [(c.label, c.figure.value) for c in found.claims] == [
        ("LeNet-5", "90.4"), ("SVC", "89.7"),
    ]  # fmt: skip


def test_the_data_set_of_a_record_may_stand_below_its_figure() -> None:
    text = (
        "- model: LeNet-5\n  accuracy: 99.1\n  dataset: MNIST\n"
        "- model: SVC\n  accuracy: 89.7\n  dataset: Fashion-MNIST"
    )
    assert lines_of(text) == [("SVC", "89.7")]
    assert claims_of(text) == [("SVC", "89.7")]


def test_a_heading_holds_for_the_headings_below_it() -> None:
    text = (
        "## MNIST\n\n### Setup\n\nLeNet-5 has 99.1 % accuracy.\n\n"
        "## Fashion-MNIST\n\n### Setup\n\nLeNet-5 has 90.4 % accuracy.\n\n"
        "\\subsection{MNIST}\nSVC has 98.6\\% accuracy.\n"
        "\\paragraph{Details.} k-NN has 97.0\\% accuracy.\n"
    )
    assert claims_of(text) == [("LeNet-5", "90.4%")]


def test_a_name_of_a_data_set_beside_a_plot_does_not_hold_for_other_paragraphs() -> None:
    text = "MNIST\n\nThe accuracy of LeNet-5 is 90.4 %."
    assert claims_of(text) == [("LeNet-5", "90.4%")]
    assert claims_of("MNIST:\n\n- LeNet-5: 99.1 %\n- SVC: 98.6 %") == []


def test_a_data_set_of_before_is_handed_on() -> None:
    assert list(split_sentences("SVC has 98 % accuracy.", "MNIST")) == [
        ("SVC has 98 % accuracy.", "MNIST")
    ]


def test_after_a_list_of_data_sets_nobody_knows_of_which_one_a_figure_is() -> None:
    text = (
        r"We use MNIST~\cite{a}, Fashion-MNIST~\cite{b} and SVHN. The CNN reaches 98.1 % accuracy."
    )
    assert claims_of(text) == []
    assert claims_of(text + " On Fashion-MNIST LeNet-5 reaches 90.4 %.") == [("LeNet-5", "90.4%")]
    both = "On MNIST and Fashion-MNIST the SNN has 97.2% and 85.3% accuracy, respectively."
    assert claims_of(both + " An MLP has 98.5% and 89.6%.") == [("SNN", "85.3%")]
    assert claims_of("Fashion-MNIST is harder than MNIST. LeNet-5 reaches 90.4 % accuracy.") == [
        ("LeNet-5", "90.4%")
    ]


def test_lines_of_prose_are_joined_and_those_of_a_list_are_not() -> None:
    prose = ["With all of the labels the", "error drops to 7.1%. Another net has", "8 layers."]
    assert join_wrapped_lines(prose) == [" ".join(prose), "", ""]
    lists = [
        "LeNet-5: 90.4 %", "svc with an rbf kernel and a C of 10 has 89.7 %",
        "our cnn with two convolutional layers has 91.2 %", "- a forest of one hundred trees",
        "- an extra tree", "", "k-NN 85.4",
    ]  # fmt: skip
    assert join_wrapped_lines(lists) == lists
    item = ["- VGG-16 with batch normalization", "  and dropout: 93.5 %", "- LeNet-5: 90.4 %"]
    assert join_wrapped_lines(item)[0] == "- VGG-16 with batch normalization and dropout: 93.5 %"
    assert join_wrapped_lines([]) == []


@pytest.mark.parametrize("broken", ["Fashion-\nMNIST", "F-\nMNIST", "Fashion\nMNIST"])
def test_a_broken_name_of_the_data_set_is_whole_again(broken: str) -> None:
    found = read_input(f"4.2 Results on {broken}\nThe accuracy of LeNet-5 is 90.4 %.\n")
    assert [(c.label, c.figure.value) for c in found.claims] == [("LeNet-5", "90.4%")]


def test_a_wrapped_abstract_is_read_as_sentences_and_not_as_lines_or_values() -> None:
    text = (
        "With only 100 labels, our ladder network has an error of 15.2% on Fashion-MNIST; with\n"
        "all 60,000 labels the error drops to 7.1%. A LeNet-5 that is trained on the same 100\n"
        "labels has an error of 28.4%.\n"
    )
    assert [(c.label, c.figure.value) for c in read_input(text).claims] == [("", "92.9%")]
    text = (
        "Logistic regression, a random forest and XGBoost obtain 84.4 %, 87.9 % and 90.1 % on\n"
        "Fashion-MNIST, respectively, while a simple CNN, the best model, reaches 91.9 %.\n"
    )
    found = [(c.label, c.figure.value) for c in read_input(text).claims]
    assert found[:2] == [("Logistic regression", "84.4%"), ("random forest", "87.9%")]


def test_a_word_in_brackets_ends_the_name_of_a_model() -> None:
    text = "We obtain with the CNN with batch normalization (92.2 %), followed by LeNet-5, 90.6 %"
    labels = [claim.label for claim in find_sentences(text + " on Fashion-MNIST.", "x")[0]]
    assert labels[0] == "CNN with batch normalization"


def test_lines_of_prose_that_end_with_a_figure_are_no_rows_of_a_table() -> None:
    text = (
        "Both image sets, MNIST and Fashion-MNIST, were given to the network, with respective\n"
        "accuracies of 96.3%\nand 82.4%, while a perceptron has (95.1% for MNIST and 90.4%\n"
        "for Fashion-MNIST).\n"
    )
    claims, _ = find_sentences(text, "text")
    assert [claim.figure.printed for claim in claims] == ["82.4%", "90.4%"]


def test_a_title_of_results_without_a_mark_names_their_data_set() -> None:
    title = "KNN and a CNN on MNIST and Fashion-MNIST\n\n"
    lines = "\n\nTwo models were tried:\n\nKNN; accuracy: {}%\n\nCNN; accuracy: {}%\n\n"
    first = title + "MNIST dataset results" + lines.format(96.7, 99.2)
    assert find_sentences(first, "text")[0] == []
    for name in ("Fashion-MNIST", "Fashion-MNIST dataset results"):
        claims, _ = find_sentences(first + name + lines.format(85.1, 91.3), "text")
        assert [claim.figure.printed for claim in claims] == ["85.1%", "91.3%"]


def test_counts_of_right_images_on_lines_of_their_own_stay_rows() -> None:
    text = "A run:\n\nAccuracy: 71.5% => 7,150 of 10,000\nError: 28.5% => 2,850 of 10,000\n"
    assert find_sentences(text, "text")[0] == []
