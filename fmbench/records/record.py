"""The record of a cell: its fields, the name of its file, and its JSON.

:func:`decode_record` is the only place where a record's JSON is read. It refuses whatever this
module does not declare, so the rest of fmbench can rely on every field. :func:`encode_record`
writes only what :func:`decode_record` reads.

Metrics are not part of a record. They are computed from the predictions that are stored beside it
(see ``store`` and ``arrays``).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import msgspec
from msgspec import Meta

from fmbench.records.cells import Cell, Definition
from fmbench.utils.names import SAFE_NAME

SCHEMA = 1

# The largest record. The records of fmbench's own runs have at most 10 kB.
MAX_RECORD_BYTES = 16 * 2**20
# How deep lists and dictionaries may be nested, and how long one text may be.
MAX_DEPTH = 20
MAX_TEXT = 100_000
# A whole number with more digits cannot be computed with as a fraction.
MAX_DIGITS = 300
# What a plug-in may say about a fit.
MAX_DETAILS_BYTES = 2**20
MAX_DETAILS_VALUES = 100_000
MAX_WARNINGS = 20
MAX_WARNING = 300
MAX_REASON = 1000  # of the reason why a cell failed

Number = Annotated[int, Meta(ge=1, le=2**20)]
Threads = Annotated[int, Meta(ge=1, le=1024)]  # `verify --rerun` starts so many
Bytes = Annotated[int, Meta(ge=0, le=2**60)]
Seconds = Annotated[float, Meta(ge=0, le=1e10)]


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
    device: Annotated[str, Meta(max_length=1000)]
    threads: Threads
    jobs: Number  # the largest number of launches that ran at the same time, this one included
    versions: dict[str, str]
    package: dict[str, Any]  # version, commit, dirty
    started: Annotated[str, Meta(max_length=64)]  # ISO 8601, UTC
    total_seconds: Seconds
    peak_memory_bytes: Bytes | None = None
    peak_gpu_memory_bytes: Bytes | None = None
    together: Number = 1  # cells that shared this one's process, and so its memory and seconds
    fit_seconds: Seconds | None = None
    predict_seconds: Seconds | None = None
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

# The names of the values in each item of a record's history. The epochs count from 1.
EPOCH = "epoch"
TRAIN_LOSS = "train_loss"
TRAIN_ACCURACY = "train_accuracy"
HELDOUT_LOSS = "heldout_loss"
HELDOUT_ACCURACY = "heldout_accuracy"
HISTORY_NAMES = {EPOCH, TRAIN_LOSS, TRAIN_ACCURACY, HELDOUT_LOSS, HELDOUT_ACCURACY}


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
    """Return a record as the content of its file. In it, all texts for people are UTF-8.

    Raises:
        ValueError: the record has something that :func:`decode_record` would refuse.
    """
    fields = asdict(record)
    _clean_texts(fields)
    # Older records do not have these. They are left out, so that the files do not change.
    for name in ("measurement_id", "overrides"):
        if fields[name] is None:
            del fields[name]
    content = (json.dumps(fields, indent=1, sort_keys=True) + "\n").encode()
    decode_record(content)
    return content


def decode_record(content: bytes) -> Record:
    """Return the record in a file's content.

    Raises:
        UnsupportedSchemaError: another version of fmbench wrote the record.
        ValueError, RecursionError: the content is not a record.
    """
    if len(content) > MAX_RECORD_BYTES:
        raise ValueError(f"it is larger than {MAX_RECORD_BYTES >> 20} MiB")
    fields = parse_json(content)
    if not isinstance(fields, dict) or "schema" not in fields:
        raise ValueError("not a record of fmbench")
    if fields["schema"] != SCHEMA:
        raise UnsupportedSchemaError(
            f"schema version {repr(fields['schema'])[:40]}, but this fmbench reads version {SCHEMA}"
        )
    _check_sizes(fields)
    _clean_texts(fields)
    record = msgspec.convert(fields, Record)
    # msgspec ignores unknown fields of dataclasses and typed dictionaries.
    for json_path, given, declared in (
        ("$", fields, Record),
        ("$.cell", fields["cell"], Definition),
        ("$.asked", fields.get("asked") or {}, UserRequest),
    ):
        if unknown := given.keys() - declared.__annotations__.keys():
            raise ValueError(f"unknown field {min(unknown)!r} - at `{json_path}`")
    _check_protocol(record.cell["protocol"])
    _check_package(record.package)
    for i, epoch in enumerate(record.history):
        _check_epoch(f"$.history[{i}]", epoch)
    return record


def parse_json(content: bytes) -> Any:
    """Parse JSON that anybody may have written: all numbers are finite, and integers not too long.

    Raises:
        ValueError, RecursionError: it is not JSON, or a number cannot be computed with.
    """
    # json and not msgspec reads the text: a file name that is not UTF-8 is stored with lone
    # surrogates, which only json accepts.
    try:
        return json.loads(
            content.decode(),
            parse_constant=_refuse_constant,
            parse_float=_parse_float,
            parse_int=_parse_int,
        )
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"it is not valid JSON: {error}") from None


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number that a record can hold")


def _parse_float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_constant(text[:40])


def _parse_int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a whole number of {len(text)} digits is more than a record can hold")
    return int(text)


# The fields with texts for people. The others are compared with what a user types, or hashed.
_SHOWN_FIELDS = ("why", "warnings", "details", "device", "versions", "package", "started")


def _clean_texts(fields: dict[str, Any]) -> None:
    """Replace the lone surrogates in the texts that are shown to people; shorten the reason."""
    for name in _SHOWN_FIELDS:
        if name in fields:
            fields[name] = _clean_text_in(fields[name])
    if isinstance(fields.get("why"), str):
        fields["why"] = fields["why"][:MAX_REASON]


def _clean_text_in(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else clean_text(value)
    if isinstance(value, list):
        return [_clean_text_in(inner) for inner in value]
    if isinstance(value, dict):
        return {_clean_text_in(name): _clean_text_in(inner) for name, inner in value.items()}
    return value


def _check_sizes(value: dict[str, Any] | list[Any], depth: int = 1) -> None:
    """Raise ValueError if lists and dictionaries are nested too deep, or a text is too long."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    values: Iterable[Any] = value
    if type(value) is dict:
        _check_sizes(list(value), depth)
        values = value.values()
    for inner in values:
        kind = type(inner)  # of JSON, so that there are no subclasses
        if kind is str:
            if len(inner) > MAX_TEXT:
                raise ValueError(f"a text has more than {MAX_TEXT} characters")
        elif kind is dict or kind is list:
            _check_sizes(inner, depth + 1)


def _check_protocol(protocol: Mapping[str, Any]) -> None:
    """Raise ValueError if the definition of a protocol has no name, or a count is not one."""
    name = protocol.get("name")
    if not isinstance(name, str) or not re.fullmatch("[a-z]+", name):
        raise ValueError("the protocol has no name - at `$.cell.protocol`")
    for count in ("train_per_class", "n_test", "held_out_per_class"):
        if not (protocol.get(count) is None or _is_count(protocol[count])):
            raise ValueError(f"not a count - at `$.cell.protocol.{count}`")


def _check_package(package: Mapping[str, Any]) -> None:
    """Raise ValueError unless version and commit are texts and ``dirty`` is a truth value."""
    for name, kinds in (("version", str), ("commit", str | None), ("dirty", bool)):
        if name in package and not isinstance(package[name], kinds):
            raise ValueError(f"a {type(package[name]).__name__} - at `$.package.{name}`")


def _check_epoch(place: str, epoch: Mapping[str, int | float]) -> None:
    """Raise ValueError unless an item of a history has known names and possible values."""
    if unknown := epoch.keys() - HISTORY_NAMES:
        raise ValueError(f"unknown field {min(unknown)!r} - at `{place}`")
    if not _is_count(epoch.get(EPOCH)) or epoch[EPOCH] < 1:
        raise ValueError(f"the number of the epoch is missing or not one - at `{place}`")
    for name in (TRAIN_ACCURACY, HELDOUT_ACCURACY):
        if not 0 <= epoch.get(name, 0) <= 1:
            raise ValueError(f"an accuracy outside of [0, 1] - at `{place}.{name}`")
    for name in (TRAIN_LOSS, HELDOUT_LOSS):
        if not abs(epoch.get(name, 0)) <= 1e100:
            raise ValueError(f"not a possible loss - at `{place}.{name}`")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 2**40


def is_storable(value: Any, depth: int = 4) -> bool:
    """Return whether a record can hold the value of a hyperparameter: JSON's types, within limits.

    ``depth`` is the level at which the value stands in the record.
    """
    if isinstance(value, dict | list):
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        are_names = not isinstance(value, dict) or all(type(name) is str for name in value)
        return depth <= MAX_DEPTH and are_names and all(is_storable(v, depth + 1) for v in inner)
    if type(value) is str:
        return len(value) <= MAX_TEXT
    if type(value) is int:
        return abs(value) < 10 ** (MAX_DIGITS - 1)
    return value is None or type(value) is bool or (type(value) is float and math.isfinite(value))


# ---------------------------------------------------------------- what a plug-in says of its fit


def clean_text(text: str) -> str:
    """Return a text that UTF-8 can hold: a lone surrogate becomes ``\\udcff``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def clean_warnings(messages: Iterable[str]) -> list[str]:
    """Return different messages, sorted: each in one line, and neither it nor the list too long."""
    lines = sorted({clean_text(" ".join(message.split()))[:MAX_WARNING] for message in messages})
    n_left_out = len(lines) - MAX_WARNINGS
    if n_left_out <= 0:
        return lines
    return [*lines[:MAX_WARNINGS], f"{n_left_out} other warnings"]


def clean_details(details: Any) -> dict[str, Any]:
    """Return what a classifier reports of its fit as JSON's types.

    A number that is not finite, and an object that JSON does not know, becomes a text. What is too
    large to be stored is replaced by a sentence that says so.
    """
    if not isinstance(details, Mapping):
        details = {"details": details}
    try:
        found = _DetailsCleaner().clean(details)
    except _TooLargeError:
        found = {}
    if len(json.dumps(found)) > MAX_DETAILS_BYTES or (details and not found):
        return {"details": f"left out: larger than {MAX_DETAILS_BYTES >> 20} MiB"}
    return found


class _TooLargeError(Exception):
    """There are more values than a record can hold."""


class _DetailsCleaner:
    """Turns values into JSON's types; counts them, because they may contain each other."""

    def __init__(self) -> None:
        self._n_left = MAX_DETAILS_VALUES

    def clean(self, value: Any, depth: int = 1) -> Any:
        self._n_left -= 1
        if self._n_left < 0:
            raise _TooLargeError
        if hasattr(value, "tolist"):  # an array or a number of NumPy, a tensor
            value = value.tolist()
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int):
            fits = abs(value) < 10 ** (MAX_DIGITS - 1)
            return int(value) if fits else "a number with too many digits"
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(float(value))
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            if depth == MAX_DEPTH:
                return "nested too deep"
            if not isinstance(value, Mapping):
                return [self.clean(inner, depth + 1) for inner in value]
            return {
                clean_text(str(name))[:100]: self.clean(inner, depth + 1)
                for name, inner in value.items()
            }
        text = re.sub(r" at 0x[0-9a-f]+", "", str(value))  # an address in memory says nothing
        return clean_text(text)[:MAX_WARNING]
