"""Tests of figures in items of lists, headings and links."""

from __future__ import annotations

import pytest

from fmbench.errors import UserError
from fmbench.extraction.read import read_input
from fmbench.extraction.text.read import find_sentences, read_words

FILLING = "\n\n".join(["This line of a long page says nothing."] * 25)


def show(text):
    """Return (label, figure) of each claim of a long text."""
    try:
        found = read_input(f"{text}\n\n{FILLING}\n")
    except UserError:
        return []
    return [(claim.label, claim.figure.printed) for claim in found.claims]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "## Score\n\n- **ResNet-8 -**\n 90.38%\n- **ResNet-18 -**\n 89.52%",
            [("ResNet-8", "90.38%"), ("ResNet-18", "89.52%")],
        ),
        ("## Result\n\n## MNIST - 0.994\n\ntext\n\n## Fashion-MNIST - 0.932\n", [("", "0.932")]),
        ("- TinyNet test accuracy: **89.9%**\n", [("TinyNet", "89.9%")]),
    ],
)
def test_a_name_and_a_share_are_a_claim(text, expected):
    assert show(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "- [Fashion MNIST 94% accuracy using a CNN](https://a.b/c)\n",
        "We begin with [Fashion MNIST 94% accuracy using a CNN](https://a.b/c) of others.\n",
        "- [MobileNet 95% accuracy](https://a.b/c)\n",
        "- CNN - 10% of the images\n",
        "- LeNet-5 - 3 epochs\n",
    ],
)
def test_titles_of_other_works_and_other_shares_are_none(text):
    assert show(text) == []


def test_a_link_in_words_of_ones_own_is_read():
    text = "Our [CNN reaches 93.2 % accuracy on Fashion-MNIST](https://a.b/c)."
    assert [figure for _, figure in show(text)] == ["93.2 %"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("This is a base for future work targeting >90% accuracy.", "only expected"),
        ("It's easy to reach an accuracy of 90%.", "only expected"),
        ("Imagine a model that has an accuracy of 90%.", "only expected"),
        ("The gap between training and test accuracy (~1.5%) is small.", "a difference"),
        ("The accuracies are alike (approximately 1.5% gap).", "a difference"),
        ("The accuracy is above 10% random chance.", "of guessing"),
        ("It might just guess 'Bag' every time and get 90% accuracy.", "of guessing"),
        ("Four out of eight configurations exceeded 85% accuracy.", "a bound for several models"),
        ("Accuracy: 59% => 59 of 100 images.", "of a few images"),
        ("This pushes the accuracy into the 94% range.", "a range"),
        ("A 2-pixel rightward shift gives an accuracy of 57.2%.", "changed images"),
    ],
)
def test_what_is_no_result_is_left_out_with_a_reason(text, reason):
    found = read_input(f"{text}\n\nThe SVC has an accuracy of 89.7%.\n\n{FILLING}\n")
    assert [claim.figure.printed for claim in found.claims] == ["89.7%"]
    assert any(reason in note for note in found.notes)


def test_what_one_would_like_to_share_is_a_result():
    assert show("I would like to share my results (93.4% accuracy).") == [("", "93.4%")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A small CNN (90.7%) beats a large FC network (88.9%).", [("", "88.9%")]),
        ("Compare the wide one and the Baseline CNN: accuracy 88.1% vs 91.3%.", [("", "91.3%")]),
    ],
)
def test_a_figure_of_another_network_is_not_of_the_named_one(text, expected):
    assert [pair for pair in show(text) if pair[1] == expected[0][1]] in (
        expected, [("unnamed (91.3%)", "91.3%")], [],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "label"),
    [
        (
            "Benchmark: Wide ResNet 16-8 + cutout, top-1 accuracy: 95.3%",
            "Wide ResNet 16-8 + cutout",
        ),
        ("Benchmark - 3 Conv 2 FC (+93% accuracy on Fashion-MNIST)", "3 Conv 2 FC"),
        ("By the table of the author it is 0.932 on Fashion-MNIST", ""),
    ],
)
def test_what_only_stands_around_a_name_is_no_part_of_it(line: str, label: str) -> None:
    claims = read_words([line], "notes.txt").claims
    assert [claim.label for claim in claims] == [label]


def test_state_of_the_art_results_of_others_are_not_taken():
    others = "Notice that the state of the art results are around 95% of accuracy."
    assert show(f"# Fashion-MNIST\n\n{others}\n") == []
    others = "The state-of-the-art methods on Fashion-MNIST achieve 96.9% accuracy."
    assert show(f"# Fashion-MNIST\n\n{others}\n") == []
    ours = "Our state-of-the-art model reaches an accuracy of 93.2% on Fashion-MNIST."
    assert [figure for _, figure in show(f"# A\n\n{ours}\n")] == ["93.2%"]


def test_the_state_of_the_art_on_a_data_set_is_that_of_others() -> None:
    text = "The state of the art Fashion-MNIST model accuracy is about 96.9%."
    assert find_sentences(text, "text")[0] == []


def test_an_item_that_names_no_data_set_where_others_do_is_of_an_unknown_one() -> None:
    text = "Accuracy: MNIST accuracy 98.1%; Fashion-MNIST accuracy 86.2%; heart accuracy 88.3%."
    claims, notes = find_sentences(text, "text")
    assert [claim.figure.printed for claim in claims] == ["86.2%"]
    assert any("several data sets" in note and "88.3%" in note for note in notes)


def test_a_data_set_in_brackets_behind_a_sentence_belongs_to_it() -> None:
    text = "A small CNN reaches 99.2% accuracy. (MNIST) Then came Fashion-MNIST."
    assert find_sentences(text, "text")[0] == []


@pytest.mark.parametrize(
    "line",
    ["@user-a 91.7 test set accuracy", "* Précision maximale : ~88%", "Trefferquote: 90.4 %"],
)
def test_a_user_and_a_metric_of_another_language_are_no_names(line: str) -> None:
    claims = read_words([line], "notes.txt").claims
    assert [claim.label for claim in claims] == [""]
