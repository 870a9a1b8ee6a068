"""Finds the class numbers that printed class names mean, in whatever order they stand.

scikit-learn, pandas and people print the classes by name, by number or by both, in the order of the
numbers or of the alphabet. Names of Fashion-MNIST are known in their usual spellings. Other names
(of another data set, or in another language) are numbered in their printed order, and a note says
so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from fmbench.datasets.specs import FASHION_MNIST
from fmbench.utils.formatting import join_words

# Spellings of Fashion-MNIST's classes besides FASHION_MNIST.classes: small letters only.
_SPELLINGS = (
    ("tshirt", "tshirts", "tshirttop", "tshirtstops", "tshirtortop", "tshirtandtop", "top", "tee",
     "ttop", "teeshirt", "camiseta"),
    ("trouser", "trousers", "pants", "pant", "pantalon"),
    ("pullover", "pullovers", "sweater", "jumper", "jersey", "pull"),
    ("dress", "dresses", "vestido"),
    ("coat", "coats", "jacket", "abrigo"),
    ("sandal", "sandals", "sandalia"),
    ("shirt", "shirts", "camisa"),
    ("sneaker", "sneakers", "trainers", "zapatilla"),
    ("bag", "bags", "handbag", "bolso"),
    ("ankleboot", "ankleboots", "boot", "boots", "botin"),
)  # fmt: skip
_NUMBER_OF_SPELLING = {
    spelling: number for number, spellings in enumerate(_SPELLINGS) for spelling in spellings
}
_TOP_K = re.compile(r"\W*top[\W_]*[0-9]", re.IGNORECASE)  # an accuracy, not the class T-shirt/top
N_CLASSES = FASHION_MNIST.n_classes


@dataclass(frozen=True)
class ClassNumbers:
    """The class number of each printed name, in the order of the names.

    ``is_partial``: some classes are missing. ``is_known``: the names or numbers themselves say
    which class they mean; else the classes are numbered in their printed order.
    """

    numbers: tuple[int, ...]
    is_partial: bool = False
    is_known: bool = True
    note: str = ""

    def sort(self, items: Sequence[str]) -> tuple[str, ...]:
        """Sort items that stand in the order of the names into the order of the class numbers."""
        return tuple(items[i] for i in sorted(range(len(items)), key=self.numbers.__getitem__))


def find_class_number(name: str) -> int | None:
    """Find the number of a class of Fashion-MNIST by its name, such as ``Ankle boot``."""
    if _TOP_K.match(name):
        return None
    decomposed = unicodedata.normalize("NFKD", name.lower())
    letters = re.sub(r"[^a-z]", "", decomposed)
    letters = re.sub(r"^(?:class|label|actual|true|predicted|pred)(?=[a-z])", "", letters)
    return _NUMBER_OF_SPELLING.get(letters)


def find_class_numbers(names: Sequence[str]) -> ClassNumbers | None:
    """Find the class number of each name; None if they cannot be told apart.

    All names of one report or matrix are given at once, because they explain each other: numbers
    from 1 are known as such only if there is no 0.
    """
    found = [find_class_number(name) for name in names]
    printed = [_find_printed_number(name) for name in names]
    known = [number for number in found if number is not None]
    if len(known) == len(names):
        return _number_by_name(known)
    digits = [number for number in printed if number is not None]
    if len(digits) == len(names):
        return _number_by_digits(names, digits)
    if len(set(names)) < len(names):
        return None
    if len(known) == len(names) - 1 == len(set(known)) == N_CLASSES - 1:
        (missing,) = set(range(N_CLASSES)) - set(known)
        (other,) = (name for name, number in zip(names, found, strict=True) if number is None)
        return ClassNumbers(
            tuple(missing if number is None else number for number in found),
            note=f"{other!r} is taken for class {missing}, {FASHION_MNIST.classes[missing]}, "
            "because all other classes are named",
        )
    if any(number not in (None, place) for place, number in enumerate(found)):
        return None
    return ClassNumbers(
        tuple(range(len(names))),
        is_known=False,
        note=f"the class names {join_words(map(repr, names), 3)} are not those of "
        f"{FASHION_MNIST.title}: the classes are numbered in their printed order",
    )


def _number_by_name(numbers: list[int]) -> ClassNumbers | None:
    if len(set(numbers)) < len(numbers):
        return None
    return ClassNumbers(tuple(numbers), is_partial=len(numbers) < N_CLASSES)


def _number_by_digits(names: Sequence[str], numbers: list[int]) -> ClassNumbers | None:
    n = len(numbers)
    if len(set(numbers)) < n:
        return None
    if set(numbers) == set(range(n)):
        return ClassNumbers(tuple(numbers))
    if set(numbers) == set(range(1, n + 1)) and (n == N_CLASSES or n > N_CLASSES):
        return ClassNumbers(
            tuple(number - 1 for number in numbers),
            is_known=False,
            note=f"the classes are numbered from 1: {names[0]} is taken for class {numbers[0] - 1}",
        )
    if max(numbers) < N_CLASSES:
        return ClassNumbers(tuple(numbers), is_partial=True)
    return None


def _find_printed_number(name: str) -> int | None:
    """Find the number in ``3``, ``class 3``, ``Class_3``, ``3: Dress``, ``3.0``."""
    match = re.fullmatch(
        r"(?:class|label|klasse|clase|classe|digit|actual|true|predicted|pred|[tp])?[\s_:#.-]*"
        r"([0-9]{1,3})(?:\.0+)?(?![0-9])(?:[\s:.)(_=-].{0,100})?",
        name.strip(),
        flags=re.IGNORECASE,
    )
    return int(match.group(1)) if match else None
