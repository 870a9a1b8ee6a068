"""Defines the parts of a suite: a paper's rows, its other figures, and its statements.

The fields of the classes of msgspec are the keys of a suite's TOML file, and their types are what
:mod:`fmbench.suites.reader` accepts. The description of a type is printed in the error message:
"mean_of must be a whole number from 1 to 10,000".
Figures are strings, because their number of decimals is information.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.suites.rounding import (
    Interval,
    compute_interval,
    compute_sd_interval,
    parse_figure,
    parse_sd,
)
from fmbench.utils.files import refuse_links
from fmbench.utils.formatting import format_number_of

# No character that str.splitlines takes as the end of a line.
UNNAMED = "unnamed model"  # begins the name of a model that a document does not name
_ONE_LINE = r"\A[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*\Z"

Line = Annotated[str, Meta(pattern=_ONE_LINE, description="a string of one line")]
Text = Line | None
Runs = Annotated[
    int, Meta(ge=1, le=10_000, description="a whole number from 1 to 10,000")
]  # fmt: skip
ClassNumber = Annotated[int, Meta(description="a whole number")]
Parameters = Annotated[
    Mapping[str, Any], Meta(description="a table of parameters of the estimator")
]  # fmt: skip
Certainty = Annotated[
    Literal["verified", "second hand", "recalled", "not found", "own"],
    Meta(description="one of: verified, second hand, recalled, not found, own"),
]
Recipe = Annotated[
    Literal["stated", "partly stated", "not stated"],
    Meta(description="one of: stated, partly stated, not stated"),
]
Labels = Annotated[
    tuple[Line, ...], Meta(description="a list of strings of one line")
]  # fmt: skip
AverageKind = Literal["macro", "weighted", "micro"]
Average = Annotated[AverageKind, Meta(description="one of: macro, weighted, micro")]
RoundingRule = Annotated[
    Literal["nearest", "truncated", "either"],
    Meta(description="one of: nearest, truncated, either"),
]  # fmt: skip
Bound = Annotated[
    Literal["at least", "at most"], Meta(description="one of: at least, at most")
]  # fmt: skip
FoldSizes = Annotated[Literal["equal", "unknown"], Meta(description="one of: equal, unknown")]
Flag = Annotated[bool, Meta(description="true or false")]
MatrixRows = Annotated[
    tuple[tuple[int | Line, ...], ...],
    Meta(description="a list of rows, each a list of whole numbers, or of strings for shares"),
]  # fmt: skip
Images = Annotated[
    Literal["today", "first release"], Meta(description="one of: today, first release")
]  # fmt: skip
Picked = Annotated[
    Literal["best epoch", "best of a grid"], Meta(description="one of: best epoch, best of a grid")
]  # fmt: skip
StatementKind = Annotated[
    Literal["formula", "training time", "validation loss"],
    Meta(description="one of: formula, training time, validation loss"),
]  # fmt: skip


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The figure that the same source gives for the same model on images that have not changed.

    If a rerun gives the control's figure but not the row's, then neither the recipe nor the
    library explains the gap: the row's images were others.
    """

    dataset: Line  # such as "mnist"
    claimed: Line  # test accuracy, as printed
    mean_of: Runs = 1


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model of the paper, and what measures it. ``claimed`` and ``source`` are as printed.

    It is measured by fmbench's ``runner`` of that name, or by a scikit-learn ``estimator`` on a
    ``dataset``; both can have ``parameters``. A row with an estimator or with parameters gets its
    ``runner`` from the reader: the name that tables use for it, such as ``svc-rbf C=1``.
    """

    where: Line  # in the paper
    label: Line  # what the paper calls the model
    runner: Line = ""
    claimed: Text = None  # test accuracy
    source: Text = None  # the figure in the original publication that the paper quotes
    cited: Line = ""  # the original publication
    certainty: Certainty = "not found"  # how sure `source` is
    recipe: Recipe = "not stated"  # whether a rerun is a test of the claim
    remark: Line = ""  # printed below the table
    mean_of: Runs = 1  # the number of runs that the claimed figure averages, if stated
    best_of: Runs = 1  # the number of runs of which the claimed figure is the best
    picked: Picked | None = None  # what the source picked by looking at the test images
    grid: Line = ""  # the [[grid]] from which the figure was picked
    scored_as: Line = ""  # the flagged figure of the runner, by name, that the source reports
    images: Images = "today"  # the release of the images that the claim is about
    control: Control | None = None
    # The largest difference between the claimed value and the value before rounding, if it is not
    # half a unit of the last printed decimal ("98.80" may be a padded "98.8").
    half_unit: Text = None
    sd: Text = None  # the standard deviation over the runs of `mean_of`, as printed
    bound: Bound | None = None  # the claim is a limit: "over 98 %" is at least 98
    estimator: Line = ""
    parameters: Parameters = msgspec.field(default_factory=dict)
    dataset: Line = DEFAULT_DATASET.name


class ReportedFigure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reported figure of a model's predictions, as printed."""

    where: Line  # in the paper
    metric: Line  # a name in fmbench.metrics.registry
    value: Line
    of: Text = None  # the model; figures of different models are never compared
    class_: ClassNumber | None = msgspec.field(name="class", default=None)  # counted from 0
    average: Average | None = None  # over the classes
    predicted_as: ClassNumber | None = None  # of a cell: the class as which images were predicted
    mean_of: Runs = 1  # the number of runs that the figure averages
    best_of: Runs = 1  # the number of runs of which the figure is the best
    folds: Runs = 1  # the number of folds of a cross-validation that the figure averages
    fold_sizes: FoldSizes = "equal"  # equal: the sizes of two folds differ by at most one image
    stratified: Flag = False  # the same holds for the images of each class in the folds
    sd: Text = None  # the standard deviation over the runs or folds, as printed
    bound: Bound | None = None  # the figure is a limit: "over 98 %" is at least 98
    rounding: RoundingRule | None = None  # of this figure; default: that of the whole check
    alternative_metric: Text = None  # what the printed name may mean as well, such as "mae"
    # The largest difference between the printed value and the value before rounding, if it is not
    # half a unit of the last printed decimal.
    half_unit: Text = None
    remark: Line = ""

    def interval(self, rule: str = "nearest") -> Interval:
        """Return the values that are printed as this figure; see :func:`compute_interval`.

        The figure's own rounding rule replaces ``rule``.
        """
        return compute_interval(
            self.value, self.metric, self.rounding or rule, self.half_unit, self.bound
        )

    def sd_interval(self, rule: str = "nearest") -> Interval | None:
        """Return the standard deviations that are printed as this figure's; None without one."""
        if self.sd is None:
            return None
        return compute_sd_interval(self.sd, self.value, self.metric, self.rounding or rule)

    def describe_value(self) -> dict[str, float | str | None]:
        """Return the value and its standard deviation as numbers, and as printed, for JSON.

        A percentage is a fraction: ``{"value": 0.988, "printed": "98.80%", ...}``.
        """
        sd = None if self.sd is None else float(parse_sd(self.sd, self.value, self.metric))
        return {
            "value": float(parse_figure(self.value, self.metric)), "printed": self.value,
            "sd": sd, "printed_sd": self.sd,
        }  # fmt: skip


class Matrix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A printed confusion matrix; the rows are the true classes, in the order of the class sizes.

    ``rows`` are whole numbers of images; with ``shares`` strings, which are shares of their row:
    fractions, or percentages with a percent sign.
    """

    where: Line  # in the paper
    rows: MatrixRows
    of: Text = None  # the model
    shares: Flag = False
    mean_of: Runs = 1  # the number of runs of which it is the sum or the mean
    folds: Runs = 1  # the number of folds of a cross-validation of which it is the sum
    remark: Line = ""


class Grid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows from which a source picked the best by their test accuracy.

    Its members are the rows of ``suite`` (the name of a suite that comes with fmbench; by default
    the same file) that have this ``estimator``, or one of these ``labels``, on the data set of the
    row that names the grid.
    """

    name: Line
    suite: Line = ""
    estimator: Line = ""
    labels: Labels = ()

    def contains(self, row: Row) -> bool:
        """Whether a row of the grid's suite is a member, on whatever data set."""
        if self.labels:
            return row.label in self.labels
        return row.estimator == self.estimator

    def select_rows(self, rows: Iterable[Row], dataset: str) -> tuple[Row, ...]:
        """Select the members on a data set from the rows of the grid's suite."""
        return tuple(row for row in rows if row.dataset == dataset and self.contains(row))


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sentence or an equation of the paper that can be tested without a verdict on a row."""

    where: Line  # in the paper
    kind: StatementKind
    text: Line  # what the paper says, in short
    of: Text = None  # the model that it is about; by default the subject of the suite
    metric: Text = None  # kind "formula": the metric that the formula should give
    formula: Text = None  # kind "formula": in terms of other metrics, such as "2 * precision"
    minutes: Text = None  # kind "training time", as printed
    runs: Runs = 1  # kind "training time": the number of runs that took the time
    remark: Line = ""


class NotTranscribed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figures that the paper prints and the suite leaves out, and why."""

    where: Line
    what: Line
    why: Line


@dataclass(frozen=True)
class Suite:
    """A paper's claims."""

    path: Path
    title: str
    n_per_class: tuple[int, ...]
    rows: tuple[Row, ...] = ()
    reported: tuple[ReportedFigure, ...] = ()
    not_transcribed: tuple[NotTranscribed, ...] = ()
    authors: str = ""
    year: int | None = None
    table_titles: Mapping[str, str] = field(default_factory=dict)  # "accuracies" -> "Table 3"
    other_runners: bool = False  # its table also shows fmbench's runners that no row names
    # "accuracy-by-epoch" -> "Figure 5"
    figure_titles: Mapping[str, str] = field(default_factory=dict)
    venue: str = ""  # the journal or conference
    doi: str = ""
    grids: tuple[Grid, ...] = ()
    statements: tuple[Statement, ...] = ()
    matrices: tuple[Matrix, ...] = ()

    def __repr__(self) -> str:
        rows, figures = format_number_of(len(self.rows), "row"), len(self.reported)
        return f"<Suite {self.name}: {rows}, {format_number_of(figures, 'other figure')}>"

    @property
    def name(self) -> str:
        """The file's name without the ending."""
        return self.path.stem

    def folder_in(self, results: Path) -> Path:
        """The folder for this suite's tables, figures and report inside a results folder."""
        return results / self.name

    def find_writable_folder(self, results: Path, *parts: str) -> Path:
        """Return that folder, or the one along ``parts`` below it, to write into; it may be absent.

        Raises:
            OSError: one of them is a symbolic link.
        """
        refuse_links(results, self.name, *parts)
        return self.folder_in(results).joinpath(*parts)

    @property
    def runners(self) -> list[str]:
        """The names of the runners in the order of the rows, each once."""
        return list(dict.fromkeys(row.runner for row in self.rows))

    @property
    def subject(self) -> str | None:
        """The model whose figures are reported in detail, if any; of several, the first.

        Usually a runner's name, but there may be no runner of this name.
        """
        return next((figure.of for figure in self.reported if figure.of), None)
