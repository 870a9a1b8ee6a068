"""Defines what is read from a document: figures, claims about models, and confusion matrices.

Every reader of this package (tables, classification reports, confusion matrices, PDF files, free
text, ...) returns an :class:`Extraction`. :mod:`fmbench.judging` turns it into a suite. A reader
never guesses: what it does not take for a claim it names in ``notes``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Bound = Literal["", "at least", "at most"]
Average = Literal["macro", "weighted", "micro"]


@dataclass(frozen=True)
class PrintedFigure:
    """One number as a document prints it, with what is printed beside it.

    ``printed`` is the text in the document, such as ``92,16 ± 0,21 %``. ``value`` is the same
    number as a suite takes it: with a decimal point and every printed decimal, and with a percent
    sign if there is one or if it is known to be a percentage: ``92.16%``. An error rate is already
    turned into the accuracy, with as many decimals, and ``is_error_rate`` says so. ``sd`` is a
    printed spread, in the same form. For a quotient such as ``58591/60000``, ``value`` is
    ``58591`` and ``out_of`` is 60,000. A binary number that was written out in full is rounded.
    """

    printed: str
    value: str
    sd: str | None = None
    bound: Bound = ""  # "at least" for ">98"
    out_of: int | None = None
    is_error_rate: bool = False


@dataclass(frozen=True)
class FoundClaim:
    """One figure of one model.

    ``label`` is the document's name of the model, without markup; empty if it names none.
    ``metric`` is a name in :data:`fmbench.metrics.registry.METRICS`. ``source`` is the table,
    column or sentence to which the figure belongs, as :attr:`ReportedFigure.where` in a suite;
    ``where`` is the exact place, for people: ``line 12``, ``page 3, table 2, row 4``. Both are one
    line. ``class_`` counts from 0. ``predicted_as``: the figure is one cell of the confusion
    matrix, the number of images of ``class_`` that were predicted as this class.
    """

    label: str
    metric: str
    figure: PrintedFigure
    source: str
    where: str
    class_: int | None = None
    average: Average | None = None
    predicted_as: int | None = None
    mean_of: int = 1
    best_of: int = 1
    folds: int = 1  # the mean over so many folds of a cross-validation
    remark: str = ""  # for people, such as "'class accuracy' is the recall of the class"


@dataclass(frozen=True)
class FoundMatrix:
    """A confusion matrix as printed; rows are the true classes.

    ``rows`` holds the printed numbers as strings (decimal point). ``is_shares``: they are shares
    of their row (fractions, or percentages with a sign), not counts.
    """

    label: str
    source: str
    where: str
    rows: tuple[tuple[str, ...], ...]
    is_shares: bool = False
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extraction:
    """Everything that was read from one input.

    ``name`` is the file's name, ``standard input`` or ``the command line``. ``n_per_class`` is the
    size of each class of the test set, if the input says it (the support of a report, the row sums
    of a matrix). ``notes`` are sentences about what was seen and not taken, or how it was read.
    """

    kind: str  # a name in fmbench.extraction.read.KINDS, such as "classification report"
    name: str
    claims: tuple[FoundClaim, ...] = ()
    matrices: tuple[FoundMatrix, ...] = ()
    n_per_class: tuple[int, ...] | None = None
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
