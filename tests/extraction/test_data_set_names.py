"""Tests that headings, sentences, keys and cells say of which images a figure is."""

from __future__ import annotations

import pytest

from fmbench.extraction.data_set_names import (
    Headings,
    find_data_of_title,
    find_data_sets,
    is_label_of_other_data,
    names_part,
    names_training_part,
)
from fmbench.extraction.read import read_input
from fmbench.extraction.text.read import find_sentences

TABLE = "| Model | Accuracy |\n|---|---|\n| LeNet-5 | 90.4 |\n"


def find_above(text):
    return Headings(text + TABLE).find_other_data(text.count("\n"))


@pytest.mark.parametrize(
    ("above", "found"),
    [
        ("# MNIST results\n\nThe networks are small.\n\n", "MNIST results"),
        ("# MNIST results\n\nWe use MNIST and SVHN.\n\n", "We use MNIST and SVHN."),
        ("Results on CIFAR-10.\n", "Results on CIFAR-10."),
        ("# Nets\n\n## Warm-up: MNIST\n\nWords.\n\n", "Warm-up: MNIST"),
        ("# Nets\n\n## SVHN\n\nWords.\n\n### Small nets\n\nWords.\n\n", "SVHN"),
        ("# Nets\n\n## MNIST digit classification\n\n", "MNIST digit classification"),
        ("# Nets\n\n## 3.2 Results for CIFAR-100\n\nFashion-MNIST is above.\n\nWords.\n\n",
         "3.2 Results for CIFAR-100"),
        ("# Handwritten digits\n\nWords.\n\n", "Handwritten digits"),
        ("Nets\n====\n\nMNIST\n-----\n\nWords.\n\n", "MNIST"),
        ("\\section{Results on MNIST}\n\nWords.\n\n", "Results on MNIST"),
        ("<h2 class='x'>MNIST</h2>\n<p>Words.</p>\n", "MNIST"),
        ("**CIFAR-10**\n\nThe networks are small.\n\n", "CIFAR-10"),
        ("Table 2 shows the accuracy on MNIST.\n\n", "Table 2 shows the accuracy on MNIST."),
    ],
)  # fmt: skip
def test_a_heading_or_a_sentence_above_says_that_a_table_is_of_other_data(above, found):
    assert find_above(above) == found


@pytest.mark.parametrize(
    "above",
    [
        "# Fashion-MNIST\n\nIt is a drop-in replacement for MNIST.\n\n## Results\n\n",
        "# A drop-in replacement for MNIST\n\n",
        "# MNIST variants\n\nWe use Fashion-MNIST.\n\n## Results\n\n",
        "# Nets\n\n## MNIST\n\nWords.\n\n## Results\n\n",
        "# Nets\n\n## MNIST\n\n## Fashion-MNIST\n\nWords.\n\n",
        "# Fashion-MNIST\n\n## MNIST\n\n# Results\n\n",
        "# Fashion-MNIST\n\n## MNIST-style LeNet\n\n",
        "# Fashion-MNIST\n\n## Comparison with MNIST\n\n",
        "# Fashion-MNIST\n\n## ImageNet backbones\n\n",
        "# Fashion-MNIST\n\n## Models pretrained on ImageNet\n\n",
        "# Nets\n\n## MNIST\n\nResults on Fashion-MNIST.\n\n",
        "# Results\n\nUnlike MNIST, the images are hard.\n\n",
        "# Results\n\nWe use the architecture of the MNIST example.\n\n",
        "# Results\n\nLeNet-5 was designed for MNIST.\n\n",
        "# Results\n\nIts accuracy on MNIST is higher.\n\n",
        "```\n# MNIST\n```\n\nWords.\n\n",
    ],
)
def test_a_heading_or_a_sentence_that_only_mentions_other_data_says_nothing(above):
    assert find_above(above) == ""


def test_a_heading_holds_for_tables_until_the_next_one_of_its_level():
    text = (
        f"# Benchmarks\n\n## MNIST\n\nWords.\n\n{TABLE.replace('90.4', '99.1')}\n"
        f"## Fashion-MNIST\n\nWords.\n\n{TABLE}\n## Other nets\n\nWords.\n\n"
        f"{TABLE.replace('LeNet-5', 'SVC')}"
    )
    found = read_input(text)
    assert [(c.label, c.figure.value) for c in found.claims] == [
        ("LeNet-5", "90.4%"), ("SVC", "90.4%"),
    ]  # fmt: skip
    assert found.notes == (
        "table 1 is of MNIST, as the text above it says ('MNIST'): not taken",
    )  # fmt: skip


@pytest.mark.parametrize(
    "table",
    [
        f"Table 1: Results on Fashion-MNIST\n\n{TABLE}",
        TABLE.replace("Accuracy", "Fashion-MNIST"),
        TABLE.replace("LeNet-5", "LeNet-5 on Fashion-MNIST"),
    ],
    ids=["caption", "head", "row"],
)
def test_what_a_table_itself_says_of_its_data_counts_before_the_heading(table):
    found = read_input(f"# Nets\n\n## MNIST\n\nWords.\n\n{table}")
    assert [c.figure.value for c in found.claims] == ["90.4%"]


@pytest.mark.parametrize(
    ("title", "images"),
    [
        ("Confusion matrix of LeNet-5 on MNIST", "MNIST"), ("CIFAR-10", "CIFAR-10"),
        ("Results on SVHN", "SVHN"), ("Results on MNIST and Fashion-MNIST", ""),
        ("Loading MNIST", ""), ("Results compared with MNIST", ""), ("Results", ""),
    ],
)  # fmt: skip
def test_a_title_announces_the_results_of_other_data(title, images):
    assert find_data_of_title(title) == images


@pytest.mark.parametrize(
    ("label", "is_key", "is_other"),
    [
        ("LeNet-5 on MNIST", False, True), ("LeNet-5 (MNIST)", False, True),
        ("lenet mnist", False, False), ("lenet mnist", True, True),
        ("resnet18 imagenet", True, False), ("VGG (ImageNet weights)", False, False),
        ("LeNet-5 on Fashion-MNIST", False, False),
    ],
)  # fmt: skip
def test_a_models_name_says_that_its_figure_is_of_other_data(label, is_key, is_other):
    assert is_label_of_other_data(label, is_key=is_key) is is_other


@pytest.mark.parametrize(
    ("text", "is_part", "is_training"),
    [
        ("train", True, True), ("Training set", True, True), ("val", True, True),
        ("Test", True, False), ("test (10,000)", True, False), ("hold-out", True, False),
        ("LeNet-5", False, False), ("train/test", False, False), ("", False, False),
    ],
)  # fmt: skip
def test_the_parts_of_a_data_set_are_known_by_their_names(text, is_part, is_training):
    assert (names_part(text), names_training_part(text)) == (is_part, is_training)


@pytest.mark.parametrize(
    "name",
    [
        "Split Fashion-MNIST", "permuted FMNIST", "Rotated Fashion", "Sequential Fashion MNIST",
        "Fashion-MNIST-C", "fashion-mnist-lt", "noisy_fashion_mnist",
    ],
)  # fmt: skip
def test_a_data_set_that_is_made_of_fashion_mnist_is_another_one(name):
    assert find_data_sets(name).is_other
    assert find_data_sets(f"{name} accuracy").is_other


@pytest.mark.parametrize(
    "name",
    ["Fashion-MNIST", "FMNIST", "F-MNIST", "fashion_mnist", "Fashion", "Zalando's FashionMNIST"],
)
def test_the_names_of_fashion_mnist_are_known(name):
    assert find_data_sets(name).is_fashion
    assert not find_data_sets(name).others


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("MNIST\uc5d0\uc11c 99.2%, Fashion-MNIST\uc5d0\uc11c 85.8% accuracy.", ["85.8%"]),
        ("The net `small_mnist.pt` has a test accuracy of 96.8%.", []),
        ("The net `small_fashion.pt` has a test accuracy of 87.1%.", ["87.1%"]),
        ("The net `mnist_small` has a test accuracy of 87.1%.", ["87.1%"]),
    ],
)
def test_a_data_set_is_found_before_other_letters_and_in_the_file_of_a_model(text, values):
    claims, _ = find_sentences(text, "x")
    assert [claim.figure.printed for claim in claims] == values


@pytest.mark.parametrize(
    ("above", "found"),
    [
        ("### Skewed labels\n* Cifar-10, 10 clients, size = 64\n\n",
         "* Cifar-10, 10 clients, size = 64"),
        ("## Batch size\n\n* All experiments are done on CIFAR-10.\n\n### Longer training\n\n",
         "* All experiments are done on CIFAR-10."),
        ("## Units\n\nResNet-56 is trained on SVHN with cutout.\n\n### Results\n\nWords.\n\n",
         "ResNet-56 is trained on SVHN with cutout."),
        ("## Units\n\nModels are trained on SVHN.\n\n### Fashion-MNIST\n\nWords.\n\n", ""),
        ("## Units\n\nModels are trained on MNIST and CIFAR-10.\n\n### Results\n\nWords.\n\n", ""),
        ("## Units\n\nIt was tested on MNIST.\n\nAll nets were trained on Fashion-MNIST.\n\n", ""),
    ],
)  # fmt: skip
def test_the_first_lines_of_a_section_say_on_which_data_set_all_is_done(above, found):
    assert find_above(f"# Nets\n\n{above}") == found
