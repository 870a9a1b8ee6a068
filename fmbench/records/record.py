"""The record of a cell: its fields, the name of its file, and its JSON.

Metrics are not part of a record. They are computed from the predictions that are stored beside it
(see ``store``).
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

import msgspec

from fmbench.records.cells import Cell, Definition
from fmbench.utils.names import SAFE_NAME

SCHEMA = 1


class UserRequest(TypedDict):
    """The text and parameters with which a user asked for a model.

    Only for models that are no row of a suite and no recipe of the package.
    Later tables show the model from this, without running any plug-in code.
    """

    runner: str  # what the user typed, without the parameters
    parameters: dict[str, Any]
    deterministic: bool


def make_user_request(cell: Cell) -> UserRequest | None:
    """Return what a user typed to get a cell; None for a recipe of the package or of a suite."""
    if not cell.runner.requested_as:
        return None
    return {
        "runner": cell.runner.requested_as,
        "parameters": dict(cell.overrides),
        "deterministic": cell.runner.deterministic,
    }


class RecordIdentity(NamedTuple):
    """The identity of a record: the cell that it is about, without the details of the recipe.

    Records of an older and of a newer recipe of the same runner have the same identity.
    """

    runner: str
    dataset: str
    protocol: str
    seed: int
    variant: str


def identify_definition(definition: Definition) -> RecordIdentity:
    """Return the identity of the record of a cell with this definition."""
    return RecordIdentity(
        definition["runner"],
        definition["dataset"],
        definition["protocol"]["name"],
        definition["seed"],
        definition["variant"],
    )


@dataclass(frozen=True)
class Record:
    """The facts of one run of one cell. Seconds are wall time, memory is in bytes."""

    status: Literal["finished", "failed"]
    key: str
    cell: Definition
    device: str
    threads: int
    jobs: int  # the largest number of launches that ran at the same time, this one included
    versions: dict[str, str]
    package: dict[str, Any]  # version, commit, dirty
    started: str  # ISO 8601, UTC
    total_seconds: float
    peak_memory_bytes: int | None = None
    peak_gpu_memory_bytes: int | None = None
    together: int = 1  # cells that shared this one's process, and so its memory and seconds
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    # One item for each epoch. The values whose names begin with heldout_ are of the scored images:
    # in the full protocol the test images.
    history: list[dict[str, int | float]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)  # what the classifier reports of its fit
    warnings: list[str] = field(default_factory=list)
    predictions_sha256: str | None = None  # of the .npz file; None for a failed cell
    why: str | None = None  # why the cell failed
    asked: UserRequest | None = None
    # Hyperparameters that replace the recipe's; None in records of fmbench 0.3 and older.
    overrides: dict[str, Any] | None = None
    # Different for every measurement, even of the same cell; None in records of 0.3 and older.
    measurement_id: str | None = None
    schema: int = SCHEMA

    @property
    def identity(self) -> RecordIdentity:
        """The cell that the record is about, without the details of the recipe."""
        return identify_definition(self.cell)

    @property
    def finished(self) -> bool:
        """Whether there are predictions."""
        return self.status == "finished"


# The names of the arrays that are stored with a finished record; `store` gives their shapes.
Y_PRED = "y_pred"
Y_TRUE = "y_true"
SCORES = "scores"
EPOCH_Y_PRED = "epoch_y_pred"
FLAGGED_PREFIX = "flagged_"

# The names of the values in each item of a record's history.
TRAIN_LOSS = "train_loss"
TRAIN_ACCURACY = "train_accuracy"
HELDOUT_LOSS = "heldout_loss"
HELDOUT_ACCURACY = "heldout_accuracy"


def flagged_array_name(name: str) -> str:
    """Return the name of the array with the predictions of a runner's flagged figure."""
    return f"{FLAGGED_PREFIX}{name}"


class RecordName(NamedTuple):
    """The facts about a record that the path of its file contains."""

    runner: str
    protocol: str
    seed: int
    key: str
    finished: bool

    @classmethod
    def from_record(cls, record: Record) -> RecordName:
        """Return the name of a record's file."""
        cell = record.cell
        return cls(
            cell["runner"], cell["protocol"]["name"], cell["seed"], record.key, record.finished
        )

    @classmethod
    def from_cell(cls, cell: Cell, *, finished: bool = True) -> RecordName:
        """Return the name that the record of a cell has or will have."""
        return cls(cell.runner.name, cell.protocol.name, cell.seed, cell.key, finished)

    @classmethod
    def from_path(cls, path: Path) -> RecordName | None:
        """Return the name that a path stands for; None if it is not the path of a record."""
        found = re.fullmatch(r"([a-z]+)-seed(\d+)-([0-9a-f]{16})(\.failed)?\.json", path.name)
        if found is None or not SAFE_NAME.fullmatch(path.parent.name):
            return None
        protocol, seed, key, failed = found.groups()
        return cls(path.parent.name, protocol, int(seed), key, not failed)

    def path(self, folder: Path) -> Path:
        """Return the JSON file in ``folder``. Failed and finished records have different names.

        Raises:
            ValueError: the path would lead out of the folder.
        """
        if not SAFE_NAME.fullmatch(self.runner) or not SAFE_NAME.fullmatch(self.protocol):
            raise ValueError(
                f"runner {self.runner!r} under protocol {self.protocol!r} cannot be a file name"
            )
        ending = "json" if self.finished else "failed.json"
        return folder / self.runner / f"{self.stem}.{ending}"

    @property
    def stem(self) -> str:
        """The part with which the names of all files of a cell begin."""
        return f"{self.protocol}-seed{self.seed}-{self.key}"


def describe_changes(old: Definition, new: Definition) -> str:
    """Return a text that lists the differences between two definitions of a cell."""
    changes = []
    if old["revision"] != new["revision"]:
        changes.append(f"revision {old['revision']} -> {new['revision']}")
    if old.get("source") != new.get("source"):
        changes.append(
            f"source {_shorten_hashes(old.get('source'))} -> {_shorten_hashes(new.get('source'))}"
        )
    if old["data_sha256"] != new["data_sha256"]:
        changes.append(
            f"data {_shorten_hashes(old['data_sha256'])} -> {_shorten_hashes(new['data_sha256'])}"
        )
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


def _shorten_hashes(value: Any) -> str:
    return re.sub(r"\b([0-9a-f]{8})[0-9a-f]{56}\b", r"\1...", str(value))


class UnsupportedSchemaError(ValueError):
    """A record with a schema version that this fmbench cannot read."""


def encode_record(record: Record) -> bytes:
    """Return a record as the content of its file."""
    fields = asdict(record)
    # Older records do not have these. They are left out, so that the files do not change.
    for name in ("measurement_id", "overrides"):
        if fields[name] is None:
            del fields[name]
    return (json.dumps(fields, indent=1, sort_keys=True) + "\n").encode()


def decode_record(content: bytes) -> Record:
    """Return the record in a file's content.

    Raises:
        UnsupportedSchemaError: another version of fmbench wrote the record.
        ValueError, RecursionError: the content is not a record.
    """
    # json and not msgspec reads the text: a file name that is not UTF-8 is stored with lone
    # surrogates, which only json accepts.
    fields = json.loads(content.decode(), parse_constant=_refuse_constant)
    if not isinstance(fields, dict) or "schema" not in fields:
        raise ValueError("not a record of fmbench")
    if fields["schema"] != SCHEMA:
        raise UnsupportedSchemaError(
            f"schema version {fields['schema']!r}, but this fmbench reads version {SCHEMA}"
        )
    record = msgspec.convert(fields, Record)
    # msgspec ignores unknown fields of dataclasses and typed dictionaries.
    for json_path, given, declared in (
        ("$", fields, Record),
        ("$.cell", fields["cell"], Definition),
        ("$.asked", fields.get("asked") or {}, UserRequest),
    ):
        if unknown := given.keys() - declared.__annotations__.keys():
            raise ValueError(f"unknown field {min(unknown)!r} - at `{json_path}`")
    return record


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number that a record can hold")
