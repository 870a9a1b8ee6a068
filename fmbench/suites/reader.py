"""Reads and validates a suite: a TOML file with a paper's claims.

msgspec checks keys, types and limits, which :mod:`fmbench.suites.claims` declares; this module
checks the rules that depend on several keys. Every error is one line that names the file, the
entry, what is wrong and what is allowed. A row may name a runner that does not exist, or none;
tables then say so.
"""

from __future__ import annotations

import re
import reprlib
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from fmbench.datasets.specs import DATASETS
from fmbench.errors import UserError
from fmbench.metrics.metric import Metric
from fmbench.metrics.registry import find_metric
from fmbench.runners import load_runners
from fmbench.suites import estimators
from fmbench.suites.bundled import find_bundled_suite, list_suites, suggest_files
from fmbench.suites.claims import (
    Control,
    Flag,
    Grid,
    Line,
    Matrix,
    NotTranscribed,
    ReportedFigure,
    Row,
    Statement,
    Suite,
    Text,
)
from fmbench.suites.formulas import find_class_metric, parse_formula
from fmbench.suites.parameters import check_parameters
from fmbench.suites.rounding import (
    parse_count,
    parse_figure,
    parse_half_unit,
    parse_minutes,
    parse_sd,
    parse_share,
)
from fmbench.utils.names import suggest_names
from fmbench.utils.toml import parse_toml

MAX_BYTES = 2**20
MAX_CLASSES, MAX_IMAGES, MAX_REPORTED, MAX_MATRICES = 100, 10**9, 1000, 100
RESERVED_NAMES = ("records", "unfinished", "locks")  # folders of a results folder
STATEMENT_KEYS = {  # the keys that each kind of statement needs, and the other kinds refuse
    "formula": ("metric", "formula"),
    "training time": ("minutes",),
    "validation loss": (),
}

_Table = Annotated[dict[str, Any], Meta(description="a table")]
_Entries = Annotated[list[Any], Meta(description="a list of tables")]
_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class TableTitles(msgspec.Struct, forbid_unknown_fields=True, rename={"by_class": "by-class"}):
    """``[tables]``: the paper's own titles of the tables that a suite can have."""

    accuracies: Text = None
    by_class: Text = None
    overall: Text = None


TABLES = TableTitles.__struct_encode_fields__
ACCURACIES, BY_CLASS, OVERALL = TABLES


class FigureTitles(msgspec.Struct, forbid_unknown_fields=True, rename="kebab"):
    """``[figures]``: what the paper calls the figures of its main model, such as ``Figure 5``."""

    accuracy_by_epoch: Text = None
    loss_by_epoch: Text = None
    confusion_matrix: Text = None


class TestSet(msgspec.Struct, forbid_unknown_fields=True):
    """``[test_set]``: the number of images in each class."""

    n_per_class: Annotated[
        list[Annotated[int, Meta(gt=0)]],
        Meta(
            min_length=2,
            max_length=MAX_CLASSES,
            description=f"a list of two or more positive whole numbers, at most {MAX_CLASSES}: "
            "the images of each class",
        ),
    ]


class SuiteFile(msgspec.Struct, forbid_unknown_fields=True):
    """The top level of a suite's file."""

    test_set: _Table
    title: Text = None
    row: _Entries = msgspec.field(default_factory=list)
    grid: _Entries = msgspec.field(default_factory=list)
    reported: _Entries = msgspec.field(default_factory=list)
    matrix: _Entries = msgspec.field(default_factory=list)
    statement: _Entries = msgspec.field(default_factory=list)
    not_transcribed: _Entries = msgspec.field(default_factory=list)
    tables: _Table = msgspec.field(default_factory=dict)
    figures: _Table = msgspec.field(default_factory=dict)
    other_runners: Flag = False
    authors: Line = ""
    year: Annotated[int, Meta(description="a whole number")] | None = None
    venue: Line = ""
    doi: Line = ""


def read_suite(path: Path | None = None) -> Suite:
    """Read and validate a suite; by default the one that fmbench uses when none is named.

    Raises:
        UserError: one line that names the file, the entry and what is allowed.
    """
    path = path or find_bundled_suite()
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES >> 20} MiB, not a suite")
        content = parse_toml(text.decode())
    except FileNotFoundError:
        raise UserError(f"there is no file '{path}'{suggest_files(path)}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a UTF-8 text file") from None
    except ValueError as error:  # also raised by endless numbers
        raise UserError(f"{path}: not valid TOML: {error}") from None
    if path.stem in RESERVED_NAMES:
        raise UserError(
            f"{path}: a suite cannot be called {path.stem!r}, since results folders have a folder "
            "of that name: rename the file"
        )
    if path.stem in (".", ".."):  # tables would be written beside the results folder
        raise UserError(f"{path}: a suite cannot be called {path.stem!r}: rename the file")
    return build_suite(content, path)


def build_suite(content: dict[str, Any], path: Path) -> Suite:
    """Build a suite from the content of its TOML file ``path``.

    Raises:
        UserError: see :func:`read_suite`.
    """
    return _SuiteBuilder(path).build(content)


def find_grid_rows(suite: Suite, name: str, dataset: str) -> tuple[Row, ...]:
    """Find the rows on a data set from which a source picked the best: those of one [[grid]].

    Raises:
        UserError: the suite that the grid names has no such rows.
    """
    grid = next(grid for grid in suite.grids if grid.name == name)
    other = read_bundled_suite(grid.suite) if grid.suite else suite
    rows = grid.select_rows(other.rows, dataset)
    missing = set(grid.labels) - {row.label for row in rows}
    if missing or not rows:
        what = min(missing) if missing else grid.estimator
        raise UserError(
            f"{suite.path}: [[grid]] ({name}): no row of {other.name} on {dataset} is {what!r}"
        )
    return rows


@cache
def read_bundled_suite(name: str) -> Suite:
    """Read a suite that comes with fmbench, by its name; each is read once in a process."""
    return read_suite(find_bundled_suite(name))


class _SuiteBuilder:
    """Builds a suite; knows the file's name for the error messages."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def build(self, content: dict[str, Any]) -> Suite:
        if not content:
            raise self._build_error(
                "", "the file is empty; `fmbench suite new claims.toml` writes one to fill in"
            )
        file = self._convert("top level", content, SuiteFile)
        self._convert("[tables]", file.tables, TableTitles)
        self._convert("[figures]", file.figures, FigureTitles)
        n_per_class = self._read_test_set(file.test_set)
        rows = tuple(self._read_row(i, entry) for i, entry in enumerate(file.row, 1))
        self._refuse_duplicates(rows)
        grids = tuple(self._read_grid(i, entry, rows) for i, entry in enumerate(file.grid, 1))
        self._check_grids(rows, grids)
        for key, entries, limit in (
            ("reported", file.reported, MAX_REPORTED), ("matrix", file.matrix, MAX_MATRICES)
        ):  # fmt: skip
            if len(entries) > limit:
                raise self._build_error(
                    f"[[{key}]]", f"{len(entries)} entries; at most {limit} are allowed"
                )
        reported = tuple(
            self._read_reported(i, entry, n_per_class) for i, entry in enumerate(file.reported, 1)
        )
        matrices = tuple(
            self._read_matrix(i, entry, n_per_class) for i, entry in enumerate(file.matrix, 1)
        )
        statements = tuple(
            self._read_statement(i, entry) for i, entry in enumerate(file.statement, 1)
        )
        not_transcribed = tuple(
            self._convert(f"[[not_transcribed]] {i}", entry, NotTranscribed)
            for i, entry in enumerate(file.not_transcribed, 1)
        )
        return Suite(
            self._path,
            self._path.stem if file.title is None else file.title,
            n_per_class,
            rows,
            reported,
            not_transcribed,
            authors=file.authors,
            year=file.year,
            table_titles=file.tables,
            other_runners=file.other_runners,
            figure_titles=file.figures,
            venue=file.venue,
            doi=file.doi,
            grids=grids,
            statements=statements,
            matrices=matrices,
        )

    def _read_test_set(self, entry: dict[str, Any]) -> tuple[int, ...]:
        sizes = self._convert("[test_set]", entry, TestSet).n_per_class
        if sum(sizes) > MAX_IMAGES:
            raise self._build_error(
                "[test_set]", f"more than {MAX_IMAGES:,} images are not allowed"
            )
        return tuple(sizes)

    def _read_row(self, i: int, entry: Any) -> Row:
        place = self._name_place(f"[[row]] {i}", entry, "label")
        if isinstance(entry, dict) and "control" in entry:  # first, so that the message names it
            self._convert(f"{place}: control", entry["control"], Control)
        row = self._convert(place, entry, Row)
        if row.where.startswith("Table") and row.claimed is None:
            raise self._build_error(
                place, f"the key 'claimed' is missing: a row with where = \"{row.where}\" needs it"
            )
        try:
            for key in ("claimed", "source", "half_unit"):
                if entry.get(key) is not None:
                    self._check_figure(key, entry[key], "accuracy")
            self._check_kind_of_claim(row)
            if row.sd is not None and row.claimed is not None:
                self._check_sd(row.sd, row.claimed, "accuracy", is_mean=row.mean_of > 1)
            runner, parameters = (
                estimators.parse_row_model_name(entry),
                estimators.parse_row_parameters(entry),
            )
            self._check_control(row)
            self._check_parameters(row, parameters)
        except (ValueError, UserError) as error:
            raise self._build_error(place, str(error)) from None
        return msgspec.structs.replace(row, runner=runner, parameters=parameters)

    @staticmethod
    def _check_parameters(row: Row, parameters: dict[str, Any]) -> None:
        """Check those of a runner. The library of an estimator may not be installed."""
        if row.runner and parameters:
            runner = load_runners().get(row.runner)
            if runner is not None:  # a row may name a runner that does not exist
                check_parameters(runner, parameters)

    @staticmethod
    def _check_kind_of_claim(row: Row) -> None:
        """Check whether the figure is of one run, a mean, or the best of some."""
        if row.mean_of > 1 and row.best_of > 1:
            raise ValueError("give mean_of or best_of, not both")
        for key in ("half_unit", "sd", "bound"):
            if getattr(row, key) is not None and row.claimed is None:
                raise ValueError(f"the key {key!r} needs the key 'claimed'")
        if row.picked == "best of a grid" and not row.grid:
            raise ValueError(
                f"picked = \"{row.picked}\" needs the key 'grid', the name of a [[grid]]"
            )
        if row.scored_as and row.picked is not None:
            raise ValueError("give picked or scored_as, not both")
        if row.grid and row.picked != "best of a grid":
            raise ValueError("the key 'grid' needs picked = \"best of a grid\"")

    def _check_control(self, row: Row) -> None:
        if row.control is None:
            return
        dataset = row.control.dataset
        others = ", ".join(name for name in DATASETS if name != row.dataset)
        if dataset == row.dataset:
            raise ValueError(
                f"control: dataset {dataset!r} is the data set of the row; allowed: {others}"
            )
        if dataset not in DATASETS:
            raise ValueError(f"control: dataset {dataset!r} is not one of: {others}")
        try:
            self._check_figure("claimed", row.control.claimed, "accuracy")
        except ValueError as error:
            raise ValueError(f"control: {error}") from None

    def _refuse_duplicates(self, rows: tuple[Row, ...]) -> None:
        seen: dict[tuple[str, str, str], int] = {}
        for i, row in enumerate(rows, 1):
            line = (row.where, row.label, row.dataset)
            if line in seen:
                raise self._build_error(
                    f"[[row]] {i}", f"{row.label!r} of {row.where} is already in "
                    f"[[row]] {seen[line]}"
                )  # fmt: skip
            seen[line] = i

    def _read_grid(self, i: int, entry: Any, rows: tuple[Row, ...]) -> Grid:
        place = self._name_place(f"[[grid]] {i}", entry, "name")
        grid = self._convert(place, entry, Grid)
        if bool(grid.estimator) == bool(grid.labels):
            raise self._build_error(place, "give one of the keys 'estimator' and 'labels'")
        if grid.suite and grid.suite not in list_suites():
            raise self._build_error(
                place, f"there is no suite {grid.suite!r}; allowed: {', '.join(list_suites())}"
            )
        if not grid.suite:
            known = {row.label for row in rows} | {row.estimator for row in rows}
            for name in grid.labels or [grid.estimator]:
                if name not in known:
                    raise self._build_error(place, f"no [[row]] of this file is {name!r}")
        return grid

    def _check_grids(self, rows: tuple[Row, ...], grids: tuple[Grid, ...]) -> None:
        names = [grid.name for grid in grids]
        for i, name in enumerate(names, 1):
            if name in names[: i - 1]:
                raise self._build_error(
                    f"[[grid]] {i} ({name})", f"[[grid]] {names.index(name) + 1} has this name"
                )
        for i, row in enumerate(rows, 1):
            if row.grid and row.grid not in names:
                near = suggest_names(row.grid, names)
                raise self._build_error(
                    f"[[row]] {i} ({row.label})", f"there is no [[grid]] {row.grid!r}{near}"
                )

    def _read_reported(self, i: int, entry: Any, n_per_class: tuple[int, ...]) -> ReportedFigure:
        place = self._name_place(f"[[reported]] {i}", entry, "where")
        figure = self._convert(place, entry, ReportedFigure)
        try:
            metric = find_metric(figure.metric)
            self._check_classes(figure, metric, len(n_per_class))
            self._check_figure("value", figure.value, metric.name)
            if figure.half_unit is not None:
                self._check_figure("half_unit", figure.half_unit, metric.name)
            self._check_kind_of_figure(figure, metric)
            if metric.is_count:
                self._check_count(figure, metric, n_per_class)
            if figure.sd is not None:
                is_mean = figure.mean_of > 1 or figure.folds > 1
                self._check_sd(figure.sd, figure.value, metric.name, is_mean=is_mean)
            other = self._find_alternative_metric(figure, metric, len(n_per_class))
        except ValueError as error:
            raise self._build_error(place, str(error)) from None
        return msgspec.structs.replace(figure, metric=metric.name, alternative_metric=other)

    @staticmethod
    def _check_kind_of_figure(figure: ReportedFigure, metric: Metric) -> None:
        """Check whether the figure is of one run, a mean, or the best of some; and its bound."""
        if figure.mean_of > 1 and figure.best_of > 1:
            raise ValueError("give mean_of or best_of, not both")
        if figure.folds > 1 and figure.best_of > 1:
            raise ValueError("give folds or best_of, not both")
        if figure.best_of > 1 and metric.name != "accuracy":
            raise ValueError(
                f"{metric.name} cannot have best_of: only accuracy can, since the best run is "
                "the one with the highest accuracy"
            )
        if figure.fold_sizes != "equal" and figure.folds == 1:
            raise ValueError("the key 'fold_sizes' needs the key 'folds'")
        if figure.stratified and figure.folds == 1:
            raise ValueError("the key 'stratified' needs the key 'folds'")
        if figure.stratified and figure.fold_sizes != "equal":
            raise ValueError("stratified folds have equal sizes: leave out the key 'fold_sizes'")
        if figure.bound == "at least" and metric.highest is None:
            raise ValueError(
                f'{metric.name} cannot have bound = "at least", since it has no largest value'
            )

    @staticmethod
    def _check_classes(figure: ReportedFigure, metric: Metric, n_classes: int) -> None:
        if metric.is_of_a_cell:
            if figure.average is not None:
                raise ValueError(f"{metric.name} has no average")
            if figure.class_ is None or figure.predicted_as is None:
                raise ValueError(
                    f"{metric.name} needs class = NUMBER (the true class) and predicted_as = NUMBER"
                )
        elif figure.predicted_as is not None:
            raise ValueError("the key 'predicted_as' needs metric = \"cell\"")
        for class_ in (figure.class_, figure.predicted_as):
            if class_ is not None and not 0 <= class_ < n_classes:
                raise ValueError(f"class {class_} is not one of 0 to {n_classes - 1}")
        if figure.class_ is not None:
            if figure.average is not None:
                raise ValueError("a figure has a class or an average, not both")
            if not (metric.is_per_class or metric.is_of_a_cell):
                raise ValueError(f"{metric.name} is not a figure of one class")
        elif figure.average in ("weighted", "micro") and not metric.is_per_class:
            raise ValueError(f"{metric.name} has no {figure.average} average over the classes")
        elif metric.average_is_stated and figure.average is None:
            raise ValueError(
                f'{metric.name} needs class = NUMBER, or average = "macro", "weighted" or "micro"'
            )

    @staticmethod
    def _check_count(figure: ReportedFigure, metric: Metric, n_per_class: tuple[int, ...]) -> None:
        """Check a number of images; a mean need not be a whole number."""
        most = sum(n_per_class) if figure.class_ is None else n_per_class[figure.class_]
        if figure.mean_of == 1 and figure.folds == 1:
            try:
                parse_count(figure.value)
            except ValueError as error:
                raise ValueError(f"value: {error}") from None
        if parse_figure(figure.value, metric.name) > most:
            images = "images" if figure.class_ is None else f"images of class {figure.class_}"
            raise ValueError(f"value: {figure.value} of {most:,} {images} in [test_set]")

    @staticmethod
    def _check_sd(text: str, value: str, metric: str, *, is_mean: bool) -> None:
        if not is_mean:
            raise ValueError("the key 'sd' needs the number of runs: mean_of, or folds")
        try:
            parse_sd(text, value, metric)
        except ValueError as error:
            raise ValueError(f"sd: {error}") from None

    def _read_matrix(self, i: int, entry: Any, n_per_class: tuple[int, ...]) -> Matrix:
        place = self._name_place(f"[[matrix]] {i}", entry, "where")
        matrix = self._convert(place, entry, Matrix)
        n_classes = len(n_per_class)
        lengths = {len(row) for row in matrix.rows}
        try:
            if len(matrix.rows) != n_classes or lengths != {n_classes}:
                found = f"{len(matrix.rows)} rows of {' or '.join(map(str, sorted(lengths)))}"
                raise ValueError(
                    f"rows: {found}; [test_set] has {n_classes} classes, so give {n_classes} rows "
                    f"of {n_classes}"
                )
            for k, row in enumerate(matrix.rows, 1):
                for cell in row:
                    self._check_cell(k, cell, is_share=matrix.shares)
        except ValueError as error:
            raise self._build_error(place, str(error)) from None
        return matrix

    @staticmethod
    def _check_cell(row: int, cell: int | str, *, is_share: bool) -> None:
        if is_share and isinstance(cell, int):
            raise ValueError(
                f'row {row}: {cell} is a number; write shares as strings, such as "0.85" or "85%"'
            )
        try:
            if is_share:
                parse_share(str(cell))
            else:
                parse_count(str(cell))
        except ValueError as error:
            hint = "" if is_share else "; a matrix of shares needs shares = true"
            raise ValueError(f"row {row}: {error}{hint}") from None

    def _find_alternative_metric(
        self, figure: ReportedFigure, metric: Metric, n_classes: int
    ) -> str | None:
        """Find the name of the other metric that the printed figure may be; None if none."""
        if figure.alternative_metric is None:
            return None
        try:
            other = find_metric(figure.alternative_metric)
            if other == metric:
                raise ValueError(f"{other.name} is the figure's metric; name another one")
            self._check_classes(figure, other, n_classes)
            self._check_figure("value", figure.value, other.name)
        except ValueError as error:
            raise ValueError(f"alternative_metric: {error}") from None
        return other.name

    def _read_statement(self, i: int, entry: Any) -> Statement:
        place = self._name_place(f"[[statement]] {i}", entry, "where")
        statement = self._convert(place, entry, Statement)
        needed = STATEMENT_KEYS[statement.kind]
        try:
            for kind, keys in STATEMENT_KEYS.items():
                for key in keys:
                    given = getattr(statement, key) is not None
                    if key in needed and not given:
                        raise ValueError(f'kind = "{statement.kind}" needs the key {key!r}')
                    if given and key not in needed:
                        raise ValueError(f'the key {key!r} needs kind = "{kind}"')
            if statement.runs > 1 and statement.kind != "training time":
                raise ValueError("the key 'runs' needs kind = \"training time\"")
            if statement.minutes is not None:
                self._check_minutes(statement.minutes)
            if statement.metric is None or statement.formula is None:
                return statement
            metric = self._check_formula(statement.metric, statement.formula)
        except ValueError as error:
            raise self._build_error(place, str(error)) from None
        return msgspec.structs.replace(statement, metric=metric)

    @staticmethod
    def _check_minutes(text: str) -> None:
        try:
            parse_minutes(text)
        except ValueError as error:
            raise ValueError(f"minutes: {error}") from None

    @staticmethod
    def _check_formula(metric: str, formula: str) -> str:
        """Check a formula, and return the name of the metric that it should give."""
        try:
            name = find_class_metric(metric)
        except ValueError as error:
            raise ValueError(f"metric: {error}") from None
        try:
            parse_formula(formula)
        except ValueError as error:
            raise ValueError(f"formula: {error}") from None
        return name

    @staticmethod
    def _check_figure(key: str, text: str, metric: str) -> None:
        parse = parse_half_unit if key == "half_unit" else parse_figure
        try:
            parse(text, metric)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None

    @staticmethod
    def _name_place(number: str, entry: Any, key: str) -> str:
        """Return ``[[row]] 3 (label)``; without the label if there is none on one line."""
        text = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(text, str) and len(text.splitlines()) == 1:
            return f"{number} ({text.strip()})"
        return number

    def _convert(self, place: str, entry: Any, kind: type[_Struct]) -> _Struct:
        try:
            return msgspec.convert(entry, kind)
        except msgspec.ValidationError as error:
            raise self._build_error(place, _explain(error, entry, kind)) from None

    def _build_error(self, place: str, what: str) -> UserError:
        return UserError(f"{self._path}: {place}: {what}" if place else f"{self._path}: {what}")


def _explain(error: msgspec.ValidationError, entry: Any, kind: type[msgspec.Struct]) -> str:
    """Describe what is wrong with an entry, for the person who wrote it."""
    if not isinstance(entry, dict):
        return "is not a table"
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key in entry:
        if key not in fields:
            near = suggest_names(key, fields).removesuffix("?").removesuffix(".")
            return f"unknown key {key!r}{near}; allowed: {', '.join(fields)}"
    for key, field in fields.items():
        if field.required and key not in entry:
            return f"the key {key!r} is missing"
    at = re.search(r"`\$\.([\w-]+)", str(error))
    if at is None:
        return str(error)
    key = at.group(1)
    hint = get_type_hints(kind, include_extras=True)[fields[key].name]
    return f"{key} must be {_find_description(hint)}, not {reprlib.repr(entry[key])}"


def _find_description(hint: Any) -> str | None:
    """Find the description that is declared with a type, or with one of the types of a union."""
    for meta in getattr(hint, "__metadata__", ()):
        if isinstance(meta, Meta) and meta.description:
            return meta.description
    return next(filter(None, map(_find_description, get_args(hint))), None)
