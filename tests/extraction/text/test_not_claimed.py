"""Questions, corrections, goals, examples, differences and open tasks claim nothing."""

from __future__ import annotations

import pytest

from fmbench.extraction.text.not_claimed import is_date_of_post
from fmbench.extraction.text.read import find_sentences, read_words


def _list_figures(text: str) -> list[str]:
    claims, _ = find_sentences(text, "text")
    return [claim.figure.printed for claim in claims]


@pytest.mark.parametrize(
    "text",
    [
        "How long did LeNet-5 train for an accuracy of 95.99 % on Fashion-MNIST?",
        "How can I get to an accuracy of ~96% with ResNet-20 on Fashion-MNIST?",
        "An accuracy of 99.2%??? on Fashion-MNIST with a small CNN.",
        "CNN on Fashion-MNIST: the first epoch alone gave an accuracy of 83%.",
        "The CNN has 83% accuracy after the first epoch on Fashion-MNIST.",
        "The accuracy on Fashion-MNIST falls by 2.5%, 1.9%, and 0.39% with three CNN models.",
        "With the CNN, an accuracy on Fashion-MNIST with less than 3% degradation is kept.",
        "The accuracy on Fashion-MNIST holds for the CNN up to 30% Byzantine nodes.",
        "An accuracy on Fashion-MNIST of a ResNet-20 with random erasing 0.5 was wanted.",
        "It is impossible for a small CNN to get 99% test accuracy on Fashion-MNIST.",
        "It is hard for any LeNet-5 to reach a test accuracy of 95% on Fashion-MNIST.",
        "You must not quote an accuracy of 90% for the CNN on Fashion-MNIST.",
        "O CNN no Fashion-MNIST tem maior acur\u00e1cia com 52% menos par\u00e2metros.",
        "Reaching an accuracy of over 90% with a CNN on Fashion-MNIST is a fine result.",
        "Some of them reach 95% accuracy on Fashion-MNIST.",
    ],
)
def test_figures_that_a_sentence_only_speaks_of_are_not_taken(text: str) -> None:
    assert _list_figures(text) == []


def test_a_figure_that_is_corrected_is_not_taken() -> None:
    text = "The accuracy of LeNet-5 on Fashion-MNIST is 0.9329 and not 0.939."
    assert _list_figures(text) == ["0.9329"]
    found = read_words(["By the page of its author it is 0.9329 and not 0.939"], "notes.txt")
    assert [claim.figure.printed for claim in found.claims] == ["0.9329"]


@pytest.mark.parametrize(
    "text",
    [
        "LeNet-5 reaches an accuracy of 91.2 % on Fashion-MNIST. Is that good?",
        "Test accuracy of LeNet-5 on Fashion-MNIST: 91.2 %\nWhat is next for this model?",
        "After 10 epochs, LeNet-5 has an accuracy of 91.2 % on Fashion-MNIST.",
        "LeNet-5 with random erasing has an accuracy of 91.2 % on Fashion-MNIST.",
    ],
)
def test_claims_beside_questions_and_settings_are_taken(text: str) -> None:
    assert _list_figures(text) == ["91.2 %"]


def test_lines_with_a_writer_and_a_date_get_no_note() -> None:
    lines = [
        "reader-a commented on Jul 17, 2018",
        "16 Jun 2020 · B. Writer ·",
        "reader-b · on Mar 5, 2019: SVC 89.7 %",
        "a note of 5 April 2019 names 12 models",
    ]
    assert [is_date_of_post(line) for line in lines] == [True, True, False, False]
    found = read_words([*lines[:2], "SVC: 89.7 %"], "notes.txt")
    assert len(found.claims) == 1
    assert found.notes == ()


def read(text: str) -> tuple[list[str], list[str]]:
    """The figures that are taken from a text, and the notes."""
    claims, notes = find_sentences(text, "x")
    return [claim.figure.printed for claim in claims], notes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- Test accuracy: [your figure, e.g. 90.5%]", "an example"),
        ("- Test accuracy: {insert it, for example 90.5%}", "an example"),
        ("The const MIN_ACCURACY = 0.85 is for the test images.", "program accepts"),
        ("- [ ] The test accuracy on Fashion-MNIST is 85.5%.", "not done"),
        ("It has a gain of 0.8% accuracy on MNIST and 0.9% on Fashion-MNIST.", "a difference"),
    ],
)
def test_what_a_result_should_be_is_no_result(text: str, reason: str) -> None:
    claims, notes = read(text)
    line = read_words([text], "claims.txt")
    assert claims == [] == list(line.claims)
    assert reason == "program accepts" or any(reason in note for note in notes)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("One network (e.g. LeNet-5 with 90.5% accuracy) is enough.", "90.5%"),
        ("- [x] The test accuracy on Fashion-MNIST is 85.5%.", "85.5%"),
        ("It gains 0.8% on MNIST and reaches 91.2% accuracy on Fashion-MNIST.", "91.2%"),
    ],
)
def test_a_result_beside_such_words_is_taken(text: str, value: str) -> None:
    assert read(text)[0] == [value]


@pytest.mark.parametrize(
    "text",
    [
        "The net has 96.5% on MNIST and 87.1% on Fashion-MNIST.",
        "Gana ReLU, con ~96.5% en MNIST y ~87.1% en Fashion-MNIST.",
    ],
)
def test_a_share_of_each_data_set_is_an_accuracy(text: str) -> None:
    assert [figure.strip("~%") for figure in read(text)[0]] == ["87.1"]


@pytest.mark.parametrize(
    "text",
    [
        "The net fires with 7.9% on MNIST and 8.2% on Fashion-MNIST.",
        "The net saves 95.5% on MNIST and 87.1% on Fashion-MNIST.",
        "It has 95.5% sparsity on MNIST and 87.1% on Fashion-MNIST.",
        "It has 87.1% on Fashion-MNIST.",
    ],
)
def test_other_shares_of_data_sets_are_no_accuracies(text: str) -> None:
    assert read(text)[0] == []


def test_a_strength_of_an_attack_does_not_hide_the_attack() -> None:
    text = "Trained with FGSM (2/255) and tested with PGD (8/255), our net reaches 74.9% accuracy."
    claims, notes = read(text)
    assert claims == []
    assert any("changed images" in note for note in notes)


def test_an_oracle_is_no_model() -> None:
    assert read("An oracle that picks the best net reaches 99.1% accuracy.")[0] == []
    assert read("On Oracle Cloud, LeNet-5 reaches 90.1% accuracy.")[0] == ["90.1%"]


def test_a_word_of_a_section_is_no_part_of_a_name() -> None:
    line = read_words(["Results: TinyTree has a test accuracy of 90.3%"], "claims.txt")
    assert [claim.label for claim in line.claims] == ["TinyTree"]


def test_what_a_task_demands_is_only_expected() -> None:
    text = (
        "We are tasked to find classifiers that sort the 10,000 test images with an accuracy of"
        " at least 85% on Fashion-MNIST."
    )
    assert _list_figures(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Init model accuracy: 0.6236",
        "Untrained network accuracy = 0.6236",
        "The accuracy before training is 0.6236.",
    ],
)
def test_a_figure_of_an_untrained_model_is_no_result(text: str) -> None:
    assert _list_figures(text) == []
    assert len(_list_figures("Initial results: the accuracy of LeNet-5 is 0.9062.")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Earlier CNNs on Fashion-MNIST have accuracies ranging from 90% to 99%.",
        "We train the nets to reach an accuracy of at least 98% on MNIST and 85% on Fashion-MNIST.",
        "The accuracy of CapsNets on Fashion-MNIST is better with only 0.5% additional data.",
        "At least 71% of the variation of the accuracy on Fashion-MNIST is explained.",
        "We used these features in a random forest and reach 80% accuracy on our small data set.",
        "The accuracy decreased by: 8.05%",
        "With tanh it stops at an accuracy of 70% in first tests on Fashion-MNIST.",
        "Nets of high accuracies overfit, with accuracies on the training data of around 95%, and "
        "only 85% on the validation set.",
        "The nets are not alike 9 Test accuracy of nets on Fashion-MNIST",
        "The best accuracy on Fashion-MNIST with 64 tokens.",
    ],
)
def test_figures_of_ranges_goals_and_other_data_are_no_claims(text: str) -> None:
    assert read(text)[0] == []


def test_a_figure_that_changes_from_one_value_to_another_is_still_the_last_one() -> None:
    assert read("With dropout, the accuracy of LeNet-5 rises from 90.1% to 92.2%.")[0] == ["92.2%"]


@pytest.mark.parametrize(
    "text",
    [
        "Unlike MNIST, where 99.0% is easy, LeNet-5 reaches an accuracy of 90.2% on Fashion-MNIST.",
        "On this small data set LeNet-5 reaches an accuracy of 90.2%.",
        "LeNet-5 reaches an accuracy of 90.2%, and more images may help.",
    ],
)
def test_figures_beside_such_words_are_still_claims(text: str) -> None:
    assert read(text)[0] == ["90.2%"]


def test_the_number_of_a_printed_line_is_no_figure_and_the_line_is_one_of_a_log() -> None:
    line = "#{} Accuracy: {}% Training: 62.15s Testing: 3.12s"
    lines = [line.format(1, 85.2), line.format(2, 86.6), line.format(3, 87.5)]
    claims, notes = find_sentences("```bash\n" + "\n".join(lines) + "\n```\n", "x")
    assert [claim.figure.printed for claim in claims] == ["87.5%"]
    assert any("only the last one is taken" in note for note in notes)


SECTIONS = """\
# Nets

## XOR

Accuracy: 100.0%

## MNIST

```python
# Load the images
```

Accuracy: 98.1%

## Fashion-MNIST

Accuracy: 87.9%

## Others

Accuracy: 99.9%, and the accuracy of LeNet-5 is 90.2%.
"""


def test_below_headings_that_tell_data_sets_apart_a_figure_needs_a_data_set_or_a_name() -> None:
    claims, notes = find_sentences(SECTIONS, "x")
    assert [claim.figure.printed for claim in claims] == ["87.9%", "90.2%"]
    assert any("the one above it names none" in note for note in notes)
    text = SECTIONS.replace("## MNIST", "## Second").replace("## XOR", "## First")
    claims, _ = find_sentences(text, "x")
    assert "99.9%" in [claim.figure.printed for claim in claims]


@pytest.mark.parametrize(
    "text",
    [
        "On Fashion-MNIST, higher values of k decrease the accuracy of kNN, up to 50%.",
        "On Fashion-MNIST it raised the accuracy of the CNN, up to 60% from its initial value.",
        "On Fashion-MNIST, the values of k that give the highest accuracies are 20 and 50.",
        "Finished trial with {'lr': 0.001} and got accuracy 0.8885 on Fashion-MNIST.",
        "Trial 3 finished with an accuracy of 0.8885 on Fashion-MNIST.",
        "The CNN on Fashion-MNIST has a 7% accuracy divergence.",
        "A simple CNN is built with the objective of achieving 90% accuracy on Fashion-MNIST.",
    ],
)
def test_changes_settings_trials_and_objectives_are_not_taken(text: str) -> None:
    assert _list_figures(text) == []


def test_levels_that_are_reached_are_taken() -> None:
    assert _list_figures("The CNN reaches up to 92.1% accuracy on Fashion-MNIST.") != []
    assert _list_figures("In the trial, LeNet-5 has 92.1% accuracy on Fashion-MNIST.") == ["92.1%"]
    text = "Trees do not perform well (64.1% accuracy on the test set of Fashion-MNIST)."
    assert _list_figures(text) == ["64.1%"]
    text = "The accuracy of the CNN on Fashion-MNIST went from 87% accuracy to (92%) accuracy."
    assert _list_figures(text) == ["92%"]
    text = "With the CNN, the accuracy on Fashion-MNIST got better, from 79% we reached 85%."
    assert _list_figures(text) == ["85%"]


def test_reaching_a_figure_is_a_claim_where_a_model_follows() -> None:
    text = "Reaching an accuracy of 91.3% on Fashion-MNIST, the CNN is small."
    assert _list_figures(text) == ["91.3%"]
    assert _list_figures("CNN on Fashion-MNIST: 91.3% test set accuracy.") == ["91.3%"]
