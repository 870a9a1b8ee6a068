"""A suite: a TOML file with a paper's claims and the runner that answers each.

A row may name a runner that does not exist (yet); its line then says so in every table.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fmbench.errors import UserError
from fmbench.suites import estimators
from fmbench.suites.bundled import find
from fmbench.suites.claims import NotTranscribed, Reported, Row, Suite
from fmbench.suites.rounding import METRICS, PER_CLASS, parse_figure, parse_half_unit

MAX_BYTES = 2**20
# The tables that a suite can have, by what they hold. A suite may give each a title of its own.
TABLES = ("accuracies", "by-class", "overall")
RESERVED_NAMES = ("records", "unfinished", "locks")  # folders of a results folder
MAX_CLASSES, MAX_IMAGES, MAX_REPORTED, MAX_MEAN_OF = 100, 10**9, 1000, 10_000

CERTAINTY = ("verified", "second hand", "recalled", "not found", "own")
RECIPE = ("stated", "partly stated", "not stated")


def read(path: Path | None = None) -> Suite:
    """Read and validate a suite; without ``path``, the paper's own.

    Raises:
        UserError: one line that names the file, the entry and what is allowed.
    """
    path = path or find()
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
    except (ValueError, RecursionError) as error:  # an endless number, endless brackets
        raise UserError(f"{path}: not valid TOML: {error}") from None
    if path.stem in RESERVED_NAMES:
        raise UserError(
            f"{path}: a suite cannot be called {path.stem!r}, since results folders have a folder "
            "of that name: rename the file"
        )
    return _Reader(path).suite(content)


class _Reader:
    """Turns a parsed TOML file into a suite, naming the file and the entry in every error."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def suite(self, content: dict[str, Any]) -> Suite:
        if not content:
            raise self._error("", "the file is empty; `fmbench suite new` writes one to fill in")
        about = {"authors": str, "year": int, "venue": str, "doi": str}
        self._keys(
            "top level",
            content,
            required={"test_set": dict},
            optional={
                "title": str,
                "row": list,
                "reported": list,
                "not_transcribed": list,
                "tables": dict,
                "other_runners": bool,
                **about,
            },
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
            tuple(missing), content.get("authors", ""), content.get("year"),
            self._table_titles(content.get("tables", {})), content.get("other_runners", False),
        )  # fmt: skip

    def _table_titles(self, titles: dict[str, Any]) -> dict[str, str]:
        self._keys("[tables]", titles, required={}, optional=dict.fromkeys(TABLES, str))
        return titles

    def _test_set(self, entry: dict[str, Any]) -> tuple[int, ...]:
        self._keys("[test_set]", entry, required={"n_per_class": list})
        sizes = entry["n_per_class"]
        if len(sizes) < 2 or not all(type(n) is int and n > 0 for n in sizes):
            raise self._error(
                "[test_set]", "n_per_class must list the images of each class, two or more "
                "positive whole numbers"
            )  # fmt: skip
        if len(sizes) > MAX_CLASSES:
            raise self._error(
                "[test_set]", f"{len(sizes)} classes; at most {MAX_CLASSES} are allowed"
            )
        if sum(sizes) > MAX_IMAGES:
            raise self._error("[test_set]", f"more than {MAX_IMAGES:,} images are not allowed")
        return tuple(sizes)

    def _row(self, i: int, entry: dict[str, Any]) -> Row:
        place = f"[[row]] {i}"
        optional = ("claimed", "source", "cited", "certainty", "recipe", "remark")
        self._keys(
            place,
            entry,
            required={"where": str, "label": str},
            optional={
                "runner": str, "estimator": str, "parameters": dict, "dataset": str,
                **dict.fromkeys(optional, str), "mean_of": int,
            },
        )  # fmt: skip
        place += f" ({entry['label']})"
        if entry["where"].startswith("Table") and "claimed" not in entry:
            raise self._error(place, "the figure 'claimed' is missing")
        for key in ("claimed", "source"):
            if key in entry:
                self._figure(place, key, entry[key], "accuracy")
        self._mean_of(place, entry)
        for key, allowed in (("certainty", CERTAINTY), ("recipe", RECIPE)):
            if key in entry and entry[key] not in allowed:
                raise self._error(
                    place, f"{key} {entry[key]!r} is not one of: {', '.join(allowed)}"
                )
        try:
            model = {"runner": estimators.named(entry), "parameters": estimators.parameters(entry)}
        except ValueError as error:
            raise self._error(place, str(error)) from None
        return Row(**entry | model)

    def _no_duplicates(self, rows: tuple[Row, ...]) -> None:
        seen: dict[tuple[str, str, str], int] = {}
        for i, row in enumerate(rows, 1):
            line = (row.where, row.label, row.dataset)
            if line in seen:
                raise self._error(
                    f"[[row]] {i}", f"{row.label!r} of {row.where} is there already, "
                    f"as [[row]] {seen[line]}"
                )  # fmt: skip
            seen[line] = i

    def _reported(self, i: int, entry: dict[str, Any], n_classes: int) -> Reported:
        place = f"[[reported]] {i}"
        self._keys(
            place,
            entry,
            required={"where": str, "metric": str, "value": str},
            optional={
                "of": str,
                "class": int,
                "average": str,
                "mean_of": int,
                "half_unit": str,
                "remark": str,
            },
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
        if "half_unit" in entry:
            self._figure(place, "half_unit", entry["half_unit"], metric)
        self._mean_of(place, entry)
        fields = {("class_" if key == "class" else key): value for key, value in entry.items()}
        return Reported(**fields)

    def _mean_of(self, place: str, entry: dict[str, Any]) -> None:
        if not 1 <= entry.get("mean_of", 1) <= MAX_MEAN_OF:
            raise self._error(place, f"mean_of must be a whole number from 1 to {MAX_MEAN_OF:,}")

    def _figure(self, place: str, key: str, text: str, metric: str) -> None:
        parse = parse_half_unit if key == "half_unit" else parse_figure
        try:
            parse(text, metric)
        except ValueError as error:
            raise self._error(place, f"{key}: {error}") from None

    def _entries(self, content: dict[str, Any], name: str) -> list[tuple[int, dict[str, Any]]]:
        entries = content.get(name, [])
        if name == "reported" and len(entries) > MAX_REPORTED:
            raise self._error(
                "[[reported]]", f"{len(entries)} entries; at most {MAX_REPORTED} are allowed"
            )
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
                kind = {
                    str: "a string",
                    int: "a whole number",
                    bool: "true or false",
                    list: "a list",
                    dict: "a table",
                }
                raise self._error(place, f"{key} must be {kind[allowed[key]]}")
            if type(value) is str and value != "".join(value.splitlines()):
                raise self._error(place, f"{key} must be one line")
        for key in required:
            if key not in entry:
                raise self._error(place, f"the key {key!r} is missing")

    def _error(self, place: str, what: str) -> UserError:
        return UserError(f"{self._path}: {place}: {what}" if place else f"{self._path}: {what}")
