"""Tests of how the tables and sentences of one document are put together."""

from __future__ import annotations

from fmbench.extraction.read import read_input

TABLE = (
    "| Model | Accuracy |\n|-|-|\n"
    "| SmallNet | 0.8993 |\n| CNN classifier | 0.9194 |\n| emb_k11 | 0.9257 |\n"
)


def show(text):
    """Return (label, figure) of each accuracy."""
    claims = read_input(text).claims
    return [(c.label, c.figure.printed) for c in claims if c.metric == "accuracy"]


def test_a_sentence_without_a_model_that_repeats_a_figure_of_a_table_is_no_second_claim():
    table = show(TABLE)
    for sentence in (
        "The best accuracy is 0.9257.",
        "We reach an accuracy of 92 %.",
        "The winner has a test accuracy of 92.57%.",
    ):
        assert show(f"{TABLE}\n{sentence}\n") == table
    assert len(show(f"{TABLE}\nWe reach an accuracy of 94 %.\n")) == len(table) + 1


def test_a_figure_that_a_table_prints_for_another_model_is_of_that_model():
    text = (
        "- emb_k11 is the best: accuracy 0.9257 and macro F1 0.92, above the direct CNN classifier."
    )
    assert show(text) == [("CNN classifier", "0.9257")]  # what the sentence seems to say alone
    assert show(f"{TABLE}\n{text}\n") == show(TABLE)
    text = f"{TABLE}\nThe CNN classifier has an accuracy of 0.9301.\n"
    assert ("CNN classifier", "0.9301") in show(text)


def test_an_unnamed_figure_of_one_table_that_another_names_is_left_out():
    single = "| Property | Value |\n|-|-|\n| Epochs | 20 |\n| Test Accuracy | 0.9194 |\n"
    assert show(f"{single}\n## All\n\n{TABLE}") == show(TABLE)


def test_a_note_on_a_figure_that_is_claimed_anyway_is_left_out():
    found = read_input(f"{TABLE}\nBest accuracy of all: SmallNet + mixup = 0.8993.\n")
    assert not any("0.8993" in note for note in found.notes)


def test_a_figure_in_another_scale_is_no_second_claim():
    assert show(f"{TABLE}\nSmallNet (ours) reaches an accuracy of 89.93%.\n") == show(TABLE)


def test_a_figure_quoted_from_a_list_of_other_works_is_not_taken():
    text = "According to the benchmarks, the same classifier achieved an accuracy of 86.0%."
    found = read_input(f"The k-NN has an accuracy of 86.2%.\n\n{text}\n")
    assert [claim.figure.printed for claim in found.claims] == ["86.2%"]
    own = "On the Fashion-MNIST benchmark, the k-NN reaches an accuracy of 86.2%."
    assert len(read_input(own).claims) == 1


def test_a_report_is_of_the_model_of_the_heading_and_not_of_a_tag_above_it():
    report = "              precision    recall  f1-score   support\n\n" + "".join(
        f"{k:13} {0.9:9.2f} {0.9:9.2f} {0.9:9.2f} {1000:9}\n" for k in range(10)
    )
    text = "".join(
        f"## {k} {name}\n\nDetails:\n<p>\n<img src='a.png'>\n</p>\n```\n{report}```\n\n"
        for k, name in enumerate(["LeNet-5", "MobileNet"], start=1)
    )
    assert {claim.label for claim in read_input(text).claims} == {"LeNet-5", "MobileNet"}
    text = f"### First try\n</p>\n{report}\n### Second try\n</p>\n{report}\n"
    assert {claim.label for claim in read_input(text).claims} == {"First try", "Second try"}
    text = f"Training and validation loss\n</p>\n<Figure size 432x288>\n<img>\n{report}"
    assert len(read_input(text).claims) == 30  # the loss of training is too far above
