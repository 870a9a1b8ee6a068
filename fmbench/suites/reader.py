"""Reads and validates a suite: a TOML file with a paper's claims.

msgspec checks keys, types and limits, which :mod:`fmbench.suites.claims` declares; this module
checks the rules that depend on several keys. Every error is one line that names the file, the
entry, what is wrong and what is allowed. A row may name a runner that does not exist; tables then
say so.
"""

from __future__ import annotations

import re
import reprlib
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from fmbench.errors import UserError
from fmbench.metrics.registry import find_metric
from fmbench.suites import estimators
from fmbench.suites.bundled import find_bundled_suite
from fmbench.suites.claims import Line, NotTranscribed, ReportedFigure, Row, Suite, Text
from fmbench.suites.rounding import parse_figure, parse_half_unit
from fmbench.utils.names import suggest_names

MAX_BYTES = 2**20
MAX_CLASSES, MAX_IMAGES, MAX_REPORTED = 100, 10**9, 1000
RESERVED_NAMES = ("records", "unfinished", "locks")  # folders of a results folder

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
    reported: _Entries = msgspec.field(default_factory=list)
    not_transcribed: _Entries = msgspec.field(default_factory=list)
    tables: _Table = msgspec.field(default_factory=dict)
    figures: _Table = msgspec.field(default_factory=dict)
    other_runners: Annotated[bool, Meta(description="true or false")] = False
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
        content = tomllib.loads(text.decode())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a UTF-8 text file") from None
    except (ValueError, RecursionError) as error:  # also raised by endless numbers or brackets
        raise UserError(f"{path}: not valid TOML: {error}") from None
    if path.stem in RESERVED_NAMES:
        raise UserError(
            f"{path}: a suite cannot be called {path.stem!r}, since results folders have a folder "
            "of that name: rename the file"
        )
    return build_suite(content, path)


def build_suite(content: dict[str, Any], path: Path) -> Suite:
    """Build a suite from the content of its TOML file ``path``.

    Raises:
        UserError: see :func:`read_suite`.
    """
    return _SuiteBuilder(path).build(content)


class _SuiteBuilder:
    """Builds a suite; knows the file's name for the error messages."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def build(self, content: dict[str, Any]) -> Suite:
        if not content:
            raise self._build_error(
                "", "the file is empty; `fmbench suite new` writes one to fill in"
            )
        file = self._convert("top level", content, SuiteFile)
        self._convert("[tables]", file.tables, TableTitles)
        self._convert("[figures]", file.figures, FigureTitles)
        n_per_class = self._read_test_set(file.test_set)
        rows = tuple(self._read_row(i, entry) for i, entry in enumerate(file.row, 1))
        self._refuse_duplicates(rows)
        if len(file.reported) > MAX_REPORTED:
            raise self._build_error(
                "[[reported]]", f"{len(file.reported)} entries; at most {MAX_REPORTED} are allowed"
            )
        reported = tuple(
            self._read_reported(i, entry, len(n_per_class))
            for i, entry in enumerate(file.reported, 1)
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
            file.authors,
            file.year,
            file.tables,
            file.other_runners,
            file.figures,
            file.venue,
            file.doi,
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
        row = self._convert(place, entry, Row)
        if row.where.startswith("Table") and row.claimed is None:
            raise self._build_error(
                place, f"the key 'claimed' is missing: a row with where = \"{row.where}\" needs it"
            )
        try:
            for key in ("claimed", "source"):
                if entry.get(key) is not None:
                    self._check_figure(key, entry[key], "accuracy")
            runner, parameters = (
                estimators.parse_row_model_name(entry),
                estimators.parse_row_parameters(entry),
            )
        except ValueError as error:
            raise self._build_error(place, str(error)) from None
        return msgspec.structs.replace(row, runner=runner, parameters=parameters)

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

    def _read_reported(self, i: int, entry: Any, n_classes: int) -> ReportedFigure:
        place = self._name_place(f"[[reported]] {i}", entry, "where")
        figure = self._convert(place, entry, ReportedFigure)
        try:
            metric = find_metric(figure.metric)
            if figure.class_ is not None:
                if figure.average is not None:
                    raise ValueError("a figure has a class or an average, not both")
                if not metric.is_per_class:
                    raise ValueError(f"{metric.name} is not a figure of one class")
                if not 0 <= figure.class_ < n_classes:
                    raise ValueError(f"class {figure.class_} is not one of 0 to {n_classes - 1}")
            elif metric.average_is_stated and figure.average is None:
                raise ValueError(f'{metric.name} needs class = NUMBER or average = "macro"')
            self._check_figure("value", figure.value, metric.name)
            if figure.half_unit is not None:
                self._check_figure("half_unit", figure.half_unit, metric.name)
        except ValueError as error:
            raise self._build_error(place, str(error)) from None
        return msgspec.structs.replace(figure, metric=metric.name)

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
