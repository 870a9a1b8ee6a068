import pytest

from fmbench.datasets.specs import FASHION_MNIST
from fmbench.extraction.class_names import find_class_number, find_class_numbers

NAMES = FASHION_MNIST.classes


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("T-shirt/top", 0), ("T-Shirt", 0), ("tshirt_top", 0), ("Trousers", 1), ("Pullover", 2),
        ("DRESS", 3), ("Class 4 (Coat)", 4), ("Sandals", 5), ("shirt", 6), ("6 - Shirt", 6),
        ("Sneaker", 7), ("Bag", 8), ("Ankle boot", 9), ("ankle_boots", 9), ("Predicted Bag", 8),
        ("T-shirt/top 0", 0), ("top", 0),
        ("LeNet-5", None), ("", None), ("accuracy", None), ("Top-1", None), ("Top-5 (%)", None),
        ("top 5", None), ("top_1", None), ("top@5", None),
    ],
)  # fmt: skip
def test_a_class_is_known_in_its_usual_spellings(name, number):
    assert find_class_number(name) == number


def test_names_in_alphabetical_order_get_the_right_numbers():
    found = find_class_numbers(sorted(NAMES))
    assert [NAMES[k] for k in found.numbers] == sorted(NAMES)
    assert found.sort(sorted(NAMES)) == NAMES
    assert found.is_known
    assert not found.is_partial


@pytest.mark.parametrize("form", ["{}", "class {}", "Class_{}", "{}: name", "{}.0", "label {}"])
def test_numbers_are_known_in_their_usual_forms(form):
    order = [3, 1, 0, 2, 9, 8, 7, 6, 5, 4]
    assert find_class_numbers([form.format(k) for k in order]).numbers == tuple(order)


def test_numbers_from_1_to_10_are_shifted_and_noted():
    found = find_class_numbers([str(k) for k in range(1, 11)])
    assert found.numbers == tuple(range(10))
    assert "from 1" in found.note


def test_some_of_the_classes_are_partial():
    found = find_class_numbers(["Shirt", "Coat", "Bag"])
    assert (found.numbers, found.is_partial) == ((6, 4, 8), True)
    assert find_class_numbers(["2", "5", "7"]).is_partial


def test_names_of_another_data_set_are_numbered_in_their_order_with_a_note():
    found = find_class_numbers(["airplane", "automobile", "bird", "cat"])
    assert (found.numbers, found.is_known) == ((0, 1, 2, 3), False)
    assert "printed order" in found.note


def test_one_unknown_name_takes_the_class_that_is_missing():
    found = find_class_numbers([*NAMES[:5], "Slipper", *NAMES[6:]])
    assert found.numbers == tuple(range(10))
    assert "Slipper" in found.note


@pytest.mark.parametrize(
    "names",
    [["Bag", "Bag", "Coat"], ["3", "3", "4"], ["x", "x"], ["Bag", "hat", "T-shirt", "scarf"]],
)
def test_names_that_cannot_be_told_apart_give_none(names):
    assert find_class_numbers(names) is None
