"""What a paper claims: its rows, the figures that it reports, and what of it nobody transcribed.

Figures are strings, because their decimals are information.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fmbench.datasets.specs import FASHION_MNIST
from fmbench.suites.rounding import Interval, interval


@dataclass(frozen=True)
class Row:
    """One model of the paper. ``claimed`` and ``source`` are percent, as printed.

    It is measured by the runner of that name, or by a scikit-learn ``estimator`` with
    ``parameters``, perhaps on another data set; ``runner`` is then what these are called.
    """

    where: str
    label: str
    runner: str
    claimed: str | None = None
    source: str | None = None
    cited: str = ""
    certainty: str = "not found"
    recipe: str = "not stated"
    remark: str = ""
    mean_of: int = 1  # runs that the claimed figure averages, where that is stated
    estimator: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = FASHION_MNIST.name


@dataclass(frozen=True)
class Reported:
    """One reported figure of some model's predictions, as printed.

    ``mean_of``: the figure averages so many runs. ``half_unit``: how far the value that was rounded
    may be from the printed one, where that is not half a unit of the last decimal.
    """

    where: str
    metric: str
    value: str
    of: str | None = None
    class_: int | None = None
    average: str | None = None
    mean_of: int = 1
    half_unit: str | None = None
    remark: str = ""

    def interval(self, rule: str = "nearest") -> Interval:
        """The values that are printed as this figure; see :func:`fmbench.rounding.interval`."""
        return interval(self.value, self.metric, rule, self.half_unit)


@dataclass(frozen=True)
class NotTranscribed:
    """Figures that the paper prints and the suite does not hold, and why."""

    where: str
    what: str
    why: str


@dataclass(frozen=True)
class Suite:
    """A paper's claims."""

    path: Path
    title: str
    n_per_class: tuple[int, ...]
    rows: tuple[Row, ...] = ()
    reported: tuple[Reported, ...] = ()
    not_transcribed: tuple[NotTranscribed, ...] = ()
    authors: str = ""
    year: int | None = None
    table_titles: Mapping[str, str] = field(default_factory=dict)  # "accuracies" -> "Table 3"
    other_runners: bool = False  # its table also has fmbench's runners that no row names

    @property
    def name(self) -> str:
        """The name of its file without the ending; its tables lie in a folder of that name."""
        return self.path.stem

    def folder_in(self, results: Path) -> Path:
        """Where a results folder keeps this suite's tables, figures and report."""
        return results / self.name

    @property
    def runners(self) -> list[str]:
        """Every runner's name once, in the order of the rows."""
        return list(dict.fromkeys(row.runner for row in self.rows))

    @property
    def subject(self) -> str | None:
        """The model whose figures are reported in detail, if any: the first where there are more.

        In general a runner's name, but nothing says that there is such a runner.
        """
        return next((figure.of for figure in self.reported if figure.of), None)
