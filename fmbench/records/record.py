"""The record of a cell: what it says, how its file is named, how it is written in JSON.

Metrics are not in it: they are computed from the predictions beside it (see ``store``).
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict

from fmbench.records.cells import Cell, Definition
from fmbench.utils.json_types import fits, hints
from fmbench.utils.names import SAFE_NAME

if TYPE_CHECKING:
    pass

SCHEMA = 1


class Asked(TypedDict):
    """How a person asked for a cell that is no row's: what a later table knows of a plug-in."""

    runner: str
    parameters: dict[str, Any]
    deterministic: bool


def asked(cell: Cell) -> Asked | None:
    """How a person asked for a cell; None for a recipe of the package or of a suite."""
    if not cell.runner.spelling:
        return None
    return {
        "runner": cell.runner.spelling,
        "parameters": dict(cell.overrides),
        "deterministic": cell.runner.deterministic,
    }


@dataclass(frozen=True)
class Record:
    """The facts of one run of one cell. Seconds are wall time, memory is in bytes."""

    status: Literal["finished", "failed"]
    key: str
    cell: Definition
    device: str
    threads: int
    jobs: int  # the most cells that ran at a time while this one did, itself included
    versions: dict[str, str]
    package: dict[str, Any]  # version, commit, dirty
    started: str  # ISO 8601, UTC
    total_seconds: float
    peak_memory_bytes: int | None = None
    peak_gpu_memory_bytes: int | None = None
    together: int = 1  # cells of one launch: they share its process, its memory, its seconds
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)  # what the classifier says of its fit
    warnings: list[str] = field(default_factory=list)
    predictions_sha256: str | None = None
    why: str | None = None  # failed: the reason, in words
    asked: Asked | None = None
    schema: int = SCHEMA

    @property
    def identity(self) -> tuple[str, str, str, int, str]:
        """Which question the record answers, whatever the recipe was at the time."""
        return identity_of(self.cell)

    @property
    def finished(self) -> bool:
        """Whether there are predictions."""
        return self.status == "finished"


def identity_of(definition: Definition) -> tuple[str, str, str, int, str]:
    """Runner, data set, protocol, seed and variant of a cell's definition."""
    return (
        definition["runner"], definition["dataset"], definition["protocol"]["name"],
        definition["seed"], definition["variant"],
    )  # fmt: skip


def flagged_array(name: str) -> str:
    """What the predictions of a flagged figure are called among a record's arrays."""
    return f"flagged_{name}"


class Name(NamedTuple):
    """What the name of a record's file says."""

    runner: str
    protocol: str
    seed: int
    key: str
    finished: bool

    @classmethod
    def of(cls, record: Record) -> Name:
        """The name of a record."""
        cell = record.cell
        return cls(
            cell["runner"], cell["protocol"]["name"], cell["seed"], record.key, record.finished
        )

    @classmethod
    def of_cell(cls, cell: Cell, *, finished: bool = True) -> Name:
        """The name that the record of a cell has or will have."""
        return cls(cell.runner.name, cell.protocol.name, cell.seed, cell.key, finished)

    @classmethod
    def parse(cls, path: Path) -> Name | None:
        """The name behind a path; ``None`` if it is none of ours."""
        found = re.fullmatch(r"([a-z]+)-seed(\d+)-([0-9a-f]{16})(\.failed)?\.json", path.name)
        if found is None or not SAFE_NAME.fullmatch(path.parent.name):
            return None
        protocol, seed, key, failed = found.groups()
        return cls(path.parent.name, protocol, int(seed), key, not failed)

    def path(self, folder: Path) -> Path:
        """The JSON file in ``folder``; a failure never takes the name of a result.

        Raises:
            ValueError: the name would lead out of the folder.
        """
        if not SAFE_NAME.fullmatch(self.runner) or not SAFE_NAME.fullmatch(self.protocol):
            raise ValueError(f"{self.runner!r} under {self.protocol!r} is the name of no record")
        ending = "json" if self.finished else "failed.json"
        return folder / self.runner / f"{self.stem}.{ending}"

    @property
    def stem(self) -> str:
        """What the names of all files of a cell begin with."""
        return f"{self.protocol}-seed{self.seed}-{self.key}"


class AnotherVersion(ValueError):
    """A record of a schema that this fmbench does not know."""


def difference(old: Definition, new: Definition) -> str:
    """What changed between two definitions of a cell, in words."""
    changes = []
    if old["revision"] != new["revision"]:
        changes.append(f"revision {old['revision']} -> {new['revision']}")
    if old.get("source") != new.get("source"):
        changes.append(f"source {_short(old.get('source'))} -> {_short(new.get('source'))}")
    if old["data_sha256"] != new["data_sha256"]:
        changes.append(f"data {_short(old['data_sha256'])} -> {_short(new['data_sha256'])}")
    for before, after in (
        (old["hyperparameters"], new["hyperparameters"]),
        (old["protocol"], new["protocol"]),
    ):
        changes += [
            f"{name} {before.get(name, 'none')} -> {after.get(name, 'none')}"
            for name in sorted(before | after)
            if before.get(name) != after.get(name)
        ]
    return ", ".join(changes) or "written by another version of fmbench"


def _short(value: Any) -> str:
    return re.sub(r"\b([0-9a-f]{8})[0-9a-f]{56}\b", r"\1...", str(value))


def serialise(record: Record) -> bytes:
    """A record as the content of its file."""
    return (json.dumps(asdict(record), indent=1, sort_keys=True) + "\n").encode()


def parse(text: str) -> Record:
    """The record in a file's content.

    Raises:
        ValueError, TypeError, KeyError, RecursionError: it is none.
    """
    fields = json.loads(text, parse_constant=_no_number)
    if not isinstance(fields, dict) or "schema" not in fields:
        raise ValueError("not a record of fmbench")
    if fields["schema"] != SCHEMA:
        raise AnotherVersion(f"version {fields['schema']!r}, this fmbench reads version {SCHEMA}")
    declared = hints(Record)
    for name, value in fields.items():
        if name not in declared:
            raise ValueError(f"unknown field {name!r}")
        if not fits(value, declared[name]):
            raise ValueError(f"{name} holds {str(value)[:40]!r}")
    return Record(**fields)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number that is ever recorded")
