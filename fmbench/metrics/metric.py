"""Defines what a metric declares about itself, and the counts that its formula may use.

A formula is written once and used twice. With numbers it gives the value of a metric for stored
predictions (:mod:`fmbench.metrics.compute`). With unknown counts it gives the constraint that a
printed figure puts on the confusion matrix (:mod:`fmbench.consistency`). That is why a formula
returns a numerator and a denominator, both made of counts with ``+``, ``-`` and ``*`` only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np

# A whole number, an array of whole numbers, or a sum of unknown whole numbers.
Count = Any
Quotient = tuple[Count, Count]  # numerator, denominator


@dataclass(frozen=True)
class ClassCounts:
    """What a formula for one class may use: that class against all the others."""

    true_positives: Count  # images of the class that were predicted as the class
    predicted: Count  # all images that were predicted as the class
    actual: Count  # images of the class
    n_images: Count  # images of the test set

    @property
    def false_positives(self) -> Count:
        """Images of other classes that were predicted as this class."""
        return self.predicted - self.true_positives

    @property
    def other_images(self) -> Count:
        """Images of all the other classes."""
        return self.n_images - self.actual


class MatrixCounts(Protocol):
    """What a formula for the whole confusion matrix may use."""

    @property
    def n_images(self) -> int:
        """Images of the test set."""

    @property
    def actual(self) -> Sequence[int]:
        """Images of each class."""

    @property
    def predicted(self) -> Sequence[Count]:
        """The number of images that were predicted as each class."""

    @property
    def n_correct(self) -> Count:
        """Images that were predicted correctly."""

    @property
    def correct_by_class(self) -> Sequence[Count]:
        """Images of each class that were predicted correctly."""

    def weighted_sum(self, weight: Callable[[Any, Any], Any]) -> Count:
        """The sum over all images of ``weight(true class number, predicted class number)``."""


@dataclass(frozen=True)
class Predictions:
    """What a formula may use if it needs more than the confusion matrix.

    ``y_true`` and ``y_pred`` are class numbers ``(n,)``; ``confusion`` is their confusion matrix
    ``int (n_classes, n_classes)``, whose rows are the true classes. ``scores`` are
    ``(n, n_classes)``, larger for a more likely class, or ``None`` if none were stored.
    """

    y_true: np.ndarray
    y_pred: np.ndarray
    confusion: np.ndarray
    scores: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric: its names, its formula, its range and how it is printed.

    Exactly one of the four formulas is given:

    - ``class_fraction``: numerator and denominator for one class. The metric then exists for each
      class, and its overall value is the macro average, the plain mean over the classes.
    - ``overall_fraction``: numerator and denominator for the whole confusion matrix.
    - ``cell_fraction``: numerator and denominator for the number of images of one class that were
      predicted as one class. Such a metric has no overall value and no value for each class.
    - ``overall_value``: any function of the predictions; it returns ``None`` if the metric cannot
      be computed. Such a metric is shown, but ``fmbench check`` cannot check its printed figures,
      unless :mod:`fmbench.consistency` has constraints of its own for it (``has_constraints``).

    A metric of the first two kinds is *linear* if its denominator is a known number (recall), and
    not linear if its denominator contains unknown counts (precision). ``fmbench check`` finds this
    out itself. For figures that average several runs, it can only check linear metrics.
    """

    name: str  # in suites, tables and JSON
    title: str  # in sentences
    class_fraction: Callable[[ClassCounts], Quotient] | None = None
    overall_fraction: Callable[[MatrixCounts], Quotient] | None = None
    cell_fraction: Callable[[Count], Quotient] | None = None
    overall_value: Callable[[Predictions], float | None] | None = None
    synonyms: tuple[str, ...] = ()  # other names that a suite may use
    lowest: int = 0  # the smallest possible value
    highest: int | None = 1  # the largest possible value; None: there is none
    percent: bool = False  # whether tables print it in percent instead of as a fraction
    decimals: int = 4  # digits after the point in tables
    value_of_zero_by_zero: float = 0.0  # its value where the denominator is 0
    has_constraints: bool = False
    needs_cells: bool = False  # its formula uses `MatrixCounts.weighted_sum`
    # Over what its fraction is taken, if that is known without the predictions: all images, or the
    # images of each class.
    share_of: Literal["images", "class"] | None = None
    # The averages over the classes with which it is the accuracy; None: as it is, without one.
    accuracy_averages: tuple[str | None, ...] = ()
    # The same for a test set whose classes are equally large.
    balanced_accuracy_averages: tuple[str | None, ...] = ()
    average_is_stated: bool = False  # a suite must state a class or an average
    in_class_table: bool = False  # whether the table "by-class" has a column for it
    # Whether the table "overall" has a line for it. It always has one if the suite reports the
    # metric, so this is False for a metric that only repeats another one in other words.
    in_overall_table: bool = True
    is_count: bool = False  # its value is a number of images
    less_is_better: bool = False
    # If several figures contradict each other, the sentence about this says that the others "force"
    # a value on the figure with the highest priority.
    forced_priority: int = 0

    def __post_init__(self) -> None:
        formulas = (
            self.class_fraction, self.overall_fraction, self.cell_fraction, self.overall_value,
        )  # fmt: skip
        if sum(formula is not None for formula in formulas) != 1:
            raise ValueError(
                f"metric {self.name!r}: give one of class_fraction, overall_fraction, "
                "cell_fraction, overall_value"
            )

    @property
    def is_per_class(self) -> bool:
        """Whether there is a value for each class."""
        return self.class_fraction is not None

    @property
    def is_of_a_cell(self) -> bool:
        """Whether it is the value of one cell of the confusion matrix."""
        return self.cell_fraction is not None

    @property
    def can_be_checked(self) -> bool:
        """Whether ``fmbench check`` can check a printed figure of this metric."""
        return self.overall_value is None or self.has_constraints

    @property
    def is_share_of_images(self) -> bool:
        """Whether each of all images adds 0 or 1 to its numerator, as to that of accuracy."""
        is_of_all = self.share_of == "images" and not self.is_per_class
        return is_of_all and (self.is_count or self.highest == 1)

    def is_accuracy(self, average: str | None, *, is_balanced: bool) -> bool:
        """Whether its overall value is the accuracy, whatever the predictions are.

        ``average``: over the classes; None is the macro average of a metric of one class.
        ``is_balanced``: all classes have equally many images.
        """
        average = (average or "macro") if self.is_per_class else None
        return average in self.accuracy_averages or (
            is_balanced and average in self.balanced_accuracy_averages
        )

    @property
    def can_be_percentage(self) -> bool:
        """Whether a printed figure may be in percent, which needs a largest possible value."""
        return self.highest is not None
