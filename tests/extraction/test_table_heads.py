"""Tests of what the heads of tables say."""

from __future__ import annotations

import pytest

from fmbench.extraction.read import read_input
from fmbench.extraction.tables import read_tables
from tests.extraction.table_writers import write_markdown


def read(text):
    """Return (label, value) of each accuracy of the tables of a text."""
    claims = read_tables(text, "input").claims
    return [(claim.label, claim.figure.value) for claim in claims if claim.metric == "accuracy"]


@pytest.mark.parametrize(
    "rows",
    [
        [["Layer (type)", "Output Shape", "Param #"], ["Conv2D", "(None, 26, 26, 32)", "320"]],
        [["Name", "Examples", "Size"], ["train-images", "60,000", "26 MB"]],
        [["Setting", "Value"], ["Batch size", "64"], ["Epochs", "20"]],
        [["Label", "Description"], ["0", "T-shirt/top"], ["1", "Trouser"], ["9", "Ankle boot"]],
        [
            ["Resource", "Used", "Utilization (%)"],
            ["LUT", "1,616", "2.55%"],
            ["DSP", "25", "10.42%"],
        ],
        [["Package", "Version"], ["torch", "2.1"], ["numpy", "1.26"]],
    ],
)
def test_a_table_without_shares_needs_no_note(rows):
    found = read_tables(write_markdown(rows), "input")
    assert found.claims == ()
    assert found.notes == ()


def test_a_table_with_shares_of_no_named_metric_is_noted_with_their_heads_only():
    rows = [["Image", "Seen as", "Confidence"], ["1", "Bag", "26.16 %"], ["2", "Coat", "60.82 %"]]
    (note,) = read_tables(write_markdown(rows), "input").notes
    assert "('Confidence')" in note


def test_metrics_in_the_rows_are_those_of_the_models_in_the_columns_and_no_report():
    rows = [
        ["Metric", "SmallNet", "ResNet"],
        ["**Accuracy**", "0.8993", "0.9146"],
        ["**Precision**", "0.8995", "0.9149"],
        ["**Recall**", "0.8993", "0.9146"],
        ["**F1-Score**", "0.8992", "0.9146"],
    ]
    found = read_input(write_markdown(rows))
    accuracies = [(c.label, c.figure.value) for c in found.claims if c.metric == "accuracy"]
    assert accuracies == [("SmallNet", "0.8993"), ("ResNet", "0.9146")]
    assert len(found.claims) == 8


def test_a_row_that_names_its_metric_in_each_cell_is_of_the_models_above():
    rows = [
        ["CNN", "MLP"],
        ["![a](a.png)", "![b](b.png)"],
        ["Test Accuracy: 91.7%", "Test Accuracy: 89%"],
    ]
    assert read(write_markdown(rows)) == [("CNN", "91.7%"), ("MLP", "89%")]


def test_heads_that_name_models_beside_the_metric_are_no_choice():
    rows = [
        ["Dataset", "Bayes Accuracy", "KNN Accuracy"],
        ["LDA Training set", "75.1 %", "87.0 %"],
        ["LDA Testing set", "73.7 %", "83.1 %"],
        ["PCA Testing set", "71.6 %", "85.5 %"],
    ]
    assert read(write_markdown(rows)) == [
        ("Bayes LDA Testing set", "73.7%"), ("KNN LDA Testing set", "83.1%"),
        ("Bayes PCA Testing set", "71.6%"), ("KNN PCA Testing set", "85.5%"),
    ]  # fmt: skip
    for heads in (["Local Acc", "Colab Acc"], ["Local CNN Acc", "Colab CNN Acc"]):
        places = [["Loss", *heads], ["Cross entropy", "90.7 %", "90.8 %"]]
        (note,) = read_tables(write_markdown(places), "input").notes
        assert "2 columns that may hold the accuracy" in note


def test_a_status_beside_a_figure_is_no_model():
    rows = [
        ["Batch Size", "Activation", "Test Accuracy", "Status"],
        ["1", "relu", "10.0%", "Failed"], ["1", "sigmoid", "86.7%", ""],
        ["10", "relu", "89.4%", "BEST"], ["10", "sigmoid", "85.8%", ""],
    ]  # fmt: skip
    labels = [label for label, _ in read(write_markdown(rows))]
    assert len(set(labels)) == 4
    assert all(label.startswith(("relu", "sigmoid")) for label in labels)


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("Precision", ["Half precision", "Single precision"]),
        ("Training data", ["Clean labels", "All images"]),
        ("Task", ["Single image", "Batch of images"]),
        ("Recommended Model", ["Small network", "Wide network"]),
    ],
)
def test_names_below_a_head_of_another_kind_are_labels(head, names):
    rows = [[head, "Test Accuracy", "Time"], [names[0], "91.2%", "3 s"], [names[1], "90.1%", "5 s"]]
    assert read(write_markdown(rows)) == [(names[0], "91.2%"), (names[1], "90.1%")]


@pytest.mark.parametrize(
    "text",
    [
        "## Performance expected\n\n{}", "Expected accuracy on the test set:\n\n{}",
    ],
)  # fmt: skip
def test_a_table_of_what_is_only_expected_is_not_taken(text):
    table = write_markdown([["Model", "Accuracy"], ["CNN", "93%"], ["ResNet", "94%"]])
    found = read_tables(text.format(table), "input")
    assert found.claims == ()
    assert "only expected" in found.notes[0]


def test_means_over_several_models_are_not_taken():
    rows = [["Group", "Models", "Avg Accuracy"], ["FC", "3", "87.7%"], ["CNN", "4", "90.4%"]]
    assert read(write_markdown(rows)) == []


def test_shifted_images_are_left_out_and_the_original_ones_are_read():
    rows = [["Test Data", "Accuracy"], ["Original", "84.3%"], ["Right shift (2 px)", "57.2%"]]
    assert read(write_markdown(rows)) == [("Original", "84.3%")]


def test_a_study_of_quantisation_that_names_floating_point_is_read():
    caption = "Sensitivity of quantization, comparing floating point with fixed point"
    rows = [["Precision", "Test Accuracy"], ["Floating point", "91.2%"], ["Fixed point", "90.1%"]]
    assert ("Floating point", "91.2%") in read(write_markdown(rows, caption))
