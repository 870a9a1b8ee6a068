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
