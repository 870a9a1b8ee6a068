"""Sections about goals, other works and validation images claim nothing; logs have borders."""

from __future__ import annotations

import pytest

from fmbench.extraction.text.read import find_sentences


def _read(text: str) -> tuple[list[str], str]:
    claims, notes = find_sentences(text, "text")
    return [claim.figure.printed for claim in claims], " ".join(notes)


@pytest.mark.parametrize("title", ["Goal", "The task:", "2. Objectives", "Our project goal"])
def test_a_section_on_the_goal_claims_nothing(title: str) -> None:
    text = f"# Clothes\n\n## {title}\n\nBuild a CNN which reaches accuracies near 95.5 %.\n"
    found, notes = _read(f"{text}\n## Results\n\nThe CNN has an accuracy of 91.2 %.\n")
    assert found == ["91.2 %"]
    assert "a goal, as the heading says" in notes


@pytest.mark.parametrize("title", ["Goals and results", "Task 1: SVC", "Targets of the classes"])
def test_a_title_with_more_than_the_goal_is_none(title: str) -> None:
    assert _read(f"## {title}\n\nThe CNN has an accuracy of 91.2 %.\n")[0] == ["91.2 %"]


@pytest.mark.parametrize(
    "title", ["## Related work", "## 2. Literature review", "# Previous works", "## Prior research"]
)
def test_figures_of_other_works_are_not_claimed(title: str) -> None:
    text = f"{title}\n\nA SVC has 99.1 % accuracy on Fashion-MNIST in [4].\n\n### Networks\n\n"
    text += "A CNN reaches 98.7 % on Fashion-MNIST.\n\n"
    level = title.split()[0]
    found, notes = _read(f"# Clothes\n\n{text}{level} Ours\n\nLeNet-5 has 90.2 % accuracy.\n")
    assert found == ["90.2 %"]
    assert notes.count("of other works") == 2


def test_a_title_in_capitals_may_stand_before_its_first_sentence() -> None:
    text = (
        "II. RELATED WORK A SVC reaches 99.1 % on Fashion-MNIST.\n\nMore reach 97.5 % with a CNN."
    )
    found, _ = _read(f"{text}\n\nIII. METHODS We use LeNet-5. Its accuracy is 90.2 %.")
    assert found == ["90.2 %"]
    assert _read("Related work of SVC reaches 91.1 % on Fashion-MNIST.")[0] == ["91.1 %"]


def test_what_is_measured_on_validation_images_goes_on_in_its_paragraph() -> None:
    text = (
        "The curves show our models evaluated on the validation set. The CNN has an accuracy of"
        " 88.1 %. On the test set, the CNN has an accuracy of 87.2 %.\n\nLeNet-5 reaches 90.2 %."
    )
    found, notes = _read(text)
    assert found == ["87.2 %", "90.2 %"]
    assert "of training or validation images" in notes


def test_the_caption_of_a_picture_names_the_data_of_the_paragraph_below_it() -> None:
    text = (
        "**Figure 1. Accuracy of both networks on [MNIST](http://a.example/mnist).**\n\n"
        "The red line is of LeNet-5, with a test accuracy of 99.2 %.\n\n"
        "**Figure 2. Accuracy of both networks on [Fashion-MNIST](http://a.example/f).**\n\n"
        "The red line is of LeNet-5, with a test accuracy of 90.2 %.\n"
    )
    found, notes = _read(text)
    assert found == ["90.2 %"]
    assert "of MNIST" in notes


def test_a_text_about_two_kinds_of_images_says_so_once() -> None:
    text = "# Shoes\n\n**Binary image classification** of the **Fashion-MNIST** images: {}.\n\n"
    result = "The obtained accuracy on the test set is 98.9 %.\n"
    found, notes = _read(text.format("shoes or not") + "A network has two layers.\n\n" + result)
    assert found == []
    assert "some of the ten classes" in notes
    assert _read("# Clothes\n\nThe ten classes of Fashion-MNIST are told apart.\n\n" + result)[0]


LOG = "Epoch: 0\nTest accuracy: {}\nEpoch: 1\nTest accuracy: {}\n"


@pytest.mark.parametrize(
    "border", ["Without dropout:", "Now we train the wider network for longer."]
)
def test_a_log_ends_at_a_label_or_at_prose(border: str) -> None:
    text = f"{LOG.format('60.1%', '61.2%')}\n{border}\n\n{LOG.format('80.1%', '81.2%')}"
    assert _read(text)[0] == ["61.2%", "81.2%"]


def test_a_line_that_is_printed_after_each_epoch_is_no_border() -> None:
    saving = "Saving the weights of the network now.\n"
    log = "Epoch: {}\nTest accuracy: {}\n" + saving
    assert _read(log.format(0, "60.1%") + log.format(1, "61.2%"))[0] == ["61.2%"]
