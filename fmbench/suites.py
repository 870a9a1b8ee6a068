"""A suite: a TOML file with a paper's claims and the runner that answers each.

Figures are strings, because their decimals are information. A row may name a runner that does not
exist (yet); its line then says so in every table.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from fmbench.errors import UserError

PACKAGED = Path(__file__).parent / "_bundled"
CHECKOUT = Path(__file__).parent.parent
DEFAULT = "kayed2020"
MAX_BYTES = 2**20

METRICS = (
    "accuracy", "kappa", "informedness", "specificity", "mse", "mae", "precision", "recall", "f1",
)  # fmt: skip
PER_CLASS = ("precision", "recall", "f1", "specificity", "informedness")
UNBOUNDED = ("mse", "mae")
SIGNED = ("kappa", "informedness")
CERTAINTY = ("verified", "second hand", "recalled", "not found", "own")
RECIPE = ("stated", "partly stated", "not stated")


@dataclass(frozen=True)
class Row:
    """One model of the paper. ``claimed`` and ``source`` are percent, as printed."""

    where: str
    label: str
    runner: str
    claimed: str | None = None
    source: str | None = None
    cited: str = ""
    certainty: str = "not found"
    recipe: str = "not stated"
    remark: str = ""


@dataclass(frozen=True)
class Reported:
    """One reported figure of some model's predictions, as printed."""

    where: str
    metric: str
    value: str
    of: str | None = None
    class_: int | None = None
    average: str | None = None
    remark: str = ""


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
    about: Mapping[str, Any] = field(default_factory=dict)  # authors, year, venue

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def runners(self) -> list[str]:
        """Every runner's name once, in the order of the rows."""
        return list(dict.fromkeys(row.runner for row in self.rows))

    @property
    def subject(self) -> str | None:
        """The runner whose figures are reported in detail, if any."""
        return next((figure.of for figure in self.reported if figure.of), None)


def find(name: str = DEFAULT) -> Path:
    """The file of a suite that comes with fmbench, in a checkout or in an installed package."""
    for folder in (CHECKOUT / "benchmarks", PACKAGED):
        if (folder / f"{name}.toml").is_file():
            return folder / f"{name}.toml"
    raise UserError(f"this installation of fmbench lacks its suite {name}.toml: install it again")


def read(path: Path | None = None) -> Suite:
    """Read and validate a suite; without ``path``, the paper's own.

    Raises:
        UserError: one line that names the file, the entry and what is allowed.
    """
    path = path or find()
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES >> 20} MiB, not a suite")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a UTF-8 text file") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    return _Reader(path).suite(content)


def parse_figure(text: str, metric: str) -> Decimal:
    """A figure as a number: ``"98.80"``, ``"98.80%"`` and ``"0.9880"`` are the same accuracy.

    Raises:
        ValueError: not a number, or outside what the metric can be; the message says which.
    """
    stripped = text.strip()
    percent = stripped.endswith("%")
    try:
        value = Decimal(stripped.removesuffix("%").strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    if metric in UNBOUNDED:
        if percent:
            raise ValueError(f"{metric} is not a percentage")
        if value < 0:
            raise ValueError(f"{metric} {text} is below 0")
        return value
    if percent or value > 1:
        value = value.scaleb(-2)
    lowest = -1 if metric in SIGNED else 0
    if not lowest <= value <= 1:
        raise ValueError(f"{metric} {text} is outside [{lowest}, 1]")
    return value


class _Reader:
    """Turns a parsed TOML file into a suite, naming the file and the entry in every error."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def suite(self, content: dict[str, Any]) -> Suite:
        if not content:
            raise self._error("", "the file is empty; see benchmarks/kayed2020.toml")
        about = {"authors": str, "year": int, "venue": str, "doi": str}
        self._keys(
            "top level",
            content,
            required={"test_set": dict},
            optional={"title": str, "row": list, "reported": list, "not_transcribed": list} | about,
        )
        n_per_class = self._test_set(content["test_set"])
        rows = tuple(self._row(i, entry) for i, entry in self._entries(content, "row"))
        self._no_duplicates(rows)
        reported = tuple(
            self._reported(i, entry, len(n_per_class))
            for i, entry in self._entries(content, "reported")
        )
        missing = []
        for i, entry in self._entries(content, "not_transcribed"):
            fields = {"where": str, "what": str, "why": str}
            self._keys(f"[[not_transcribed]] {i}", entry, required=fields)
            missing.append(NotTranscribed(**entry))
        return Suite(
            self._path, content.get("title", self._path.stem), n_per_class, rows, reported,
            tuple(missing), {k: content[k] for k in about if k in content},
        )  # fmt: skip

    def _test_set(self, entry: dict[str, Any]) -> tuple[int, ...]:
        self._keys("[test_set]", entry, required={"n_per_class": list})
        sizes = entry["n_per_class"]
        if len(sizes) < 2 or not all(type(n) is int and n > 0 for n in sizes):
            raise self._error(
                "[test_set]", "n_per_class must list the images of each class, two or more "
                "positive whole numbers"
            )  # fmt: skip
        return tuple(sizes)

    def _row(self, i: int, entry: dict[str, Any]) -> Row:
        place = f"[[row]] {i}"
        optional = ("claimed", "source", "cited", "certainty", "recipe", "remark")
        self._keys(
            place,
            entry,
            required={"where": str, "label": str, "runner": str},
            optional=dict.fromkeys(optional, str),
        )
        place += f" ({entry['label']})"
        if entry["where"].startswith("Table") and "claimed" not in entry:
            raise self._error(place, "the figure 'claimed' is missing")
        for key in ("claimed", "source"):
            if key in entry:
                self._figure(place, key, entry[key], "accuracy")
        for key, allowed in (("certainty", CERTAINTY), ("recipe", RECIPE)):
            if key in entry and entry[key] not in allowed:
                raise self._error(
                    place, f"{key} {entry[key]!r} is not one of: {', '.join(allowed)}"
                )
        return Row(**entry)

    def _no_duplicates(self, rows: tuple[Row, ...]) -> None:
        seen: dict[tuple[str, str], int] = {}
        for i, row in enumerate(rows, 1):
            if (row.where, row.label) in seen:
                raise self._error(
                    f"[[row]] {i}", f"{row.label!r} of {row.where} is there already, "
                    f"as [[row]] {seen[row.where, row.label]}"
                )  # fmt: skip
            seen[row.where, row.label] = i

    def _reported(self, i: int, entry: dict[str, Any], n_classes: int) -> Reported:
        place = f"[[reported]] {i}"
        self._keys(
            place,
            entry,
            required={"where": str, "metric": str, "value": str},
            optional={"of": str, "class": int, "average": str, "remark": str},
        )
        place += f" ({entry['where']})"
        metric = entry["metric"]
        if metric not in METRICS:
            raise self._error(place, f"metric {metric!r} is not one of: {', '.join(METRICS)}")
        of_class, average = entry.get("class"), entry.get("average")
        if of_class is not None and average is not None:
            raise self._error(place, "a figure has a class or an average, not both")
        if average not in (None, "macro"):
            raise self._error(place, f"average {average!r} is not one of: macro")
        if of_class is not None and metric not in PER_CLASS:
            raise self._error(place, f"{metric} is not a figure of one class")
        if of_class is not None and not 0 <= of_class < n_classes:
            raise self._error(place, f"class {of_class} is not one of 0 to {n_classes - 1}")
        if metric in ("precision", "recall", "f1") and of_class is average is None:
            raise self._error(place, f'{metric} needs class = k or average = "macro"')
        self._figure(place, "value", entry["value"], metric)
        fields = {("class_" if key == "class" else key): value for key, value in entry.items()}
        return Reported(**fields)

    def _figure(self, place: str, key: str, text: str, metric: str) -> None:
        try:
            parse_figure(text, metric)
        except ValueError as error:
            raise self._error(place, f"{key}: {error}") from None

    def _entries(self, content: dict[str, Any], name: str) -> list[tuple[int, dict[str, Any]]]:
        entries = content.get(name, [])
        for i, entry in enumerate(entries, 1):
            if not isinstance(entry, dict):
                raise self._error(f"[[{name}]] {i}", "is not a table")
        return list(enumerate(entries, 1))

    def _keys(
        self,
        place: str,
        entry: Any,
        *,
        required: Mapping[str, type],
        optional: Mapping[str, type] | None = None,
    ) -> None:
        allowed = {**required, **(optional or {})}
        for key, value in entry.items():
            if key not in allowed:
                raise self._error(place, f"unknown key {key!r}; allowed: {', '.join(allowed)}")
            if type(value) is not allowed[key]:
                kind = {str: "a string", int: "a whole number", list: "a list", dict: "a table"}
                raise self._error(place, f"{key} must be {kind[allowed[key]]}")
        for key in required:
            if key not in entry:
                raise self._error(place, f"the key {key!r} is missing")

    def _error(self, place: str, what: str) -> UserError:
        return UserError(f"{self._path}: {place}: {what}" if place else f"{self._path}: {what}")
