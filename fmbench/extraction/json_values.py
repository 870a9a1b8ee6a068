"""Reads JSON without changing a number, and walks through its objects.

Numbers become strings with every printed digit. What a key or a field (``dataset``, ``split``) says
to be of other images is left out before anything is read (:func:`leave_out_other_images`); the
figures of models are found in :mod:`fmbench.extraction.json_figures`. The input is hostile: depth
and size are bounded, and no step recurses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from fmbench.errors import UserError
from fmbench.extraction.data_set_names import (
    find_data_sets,
    is_label_of_other_data,
    names_training_part,
    remove_data_sets,
)
from fmbench.extraction.metric_names import find_mentions, find_metric_name, normalise_name
from fmbench.extraction.runs import is_run_number
from fmbench.utils.formatting import join_words

MAX_DEPTH = 60
MAX_VALUES = 1_000_000
MAX_DIGITS = 40
_MAX_KEY = 100  # characters of a key that are looked at

# Keys that name no model.
_GENERIC_KEYS = re.compile(
    r"(?:classification|confusion|report|matrix|cm|results?|metrics?|evaluation|test|testing|data|"
    r"scores?|output|outputs|overall|summary|performance|validation|val|train|training|models?|"
    r"sets?|macro|micro|weighted|mean|average|avg|best|final|runs?|seeds?|trials?|folds?|"
    r"epochs?|history|experiments?|values?|[^a-z])*",
    re.IGNORECASE,
)
_MODEL_FIELDS = (
    "model", "model_name", "classifier", "method", "algorithm", "estimator", "network",
    "architecture", "arch",
)  # fmt: skip
# Keys of objects whose fields are about the figures beside them, as trackers of experiments write.
_SETTINGS = (
    "param", "params", "parameters", "config", "configuration", "hyper_parameters",
    "hyperparameters", "hyperparams", "hparams", "args", "arguments", "setting", "settings",
    "options", "tags", "metadata", "meta_data", "run_info", "runInfo",
)  # fmt: skip
_SETTING_KEYS = tuple(dict.fromkeys([*_SETTINGS, *(key.capitalize() for key in _SETTINGS)]))
_DATA_FIELD = re.compile(
    r"(?:test |eval(?:uation)? )?(?:data ?-?sets?|data|benchmark|corpus|task)(?: ?(?:name|id))?",
    re.IGNORECASE,
)
_PART_FIELD = re.compile(
    r"(?:data ?(?:set)? ?)?(?:split|subset|set|partition|phase|stage|part)", re.IGNORECASE
)
# Fields that say what is changed for the figures beside them, and values that say: nothing.
_CHANGE_FIELD = re.compile(
    r"(?:attack|corruption|perturbation|(?:label |class |input |image )?noise|sparsity|pruning"
    r"|quanti[sz]ation|shots?|label fraction)(?: (?:type|kind|name|rate|ratio|level))?",
    re.IGNORECASE,
)
_NO_CHANGE = re.compile(
    r"(?:none|no|null|clean|false|original|standard|identity|f(?:loat|p)?32|-|0(?:\.0*)?|1\.0*)?%?",
    re.IGNORECASE,
)
_CHANGED = "another task: changed images, labels or networks"
_FIGURE = re.compile(r"[-+~<>\s]*\.?[0-9][-+0-9.,eE%\s\u00b1()]*")
_MAX_PLACES = 3  # that a note names


@dataclass(frozen=True)
class JsonPlace:
    """One object or list, and where it stands: the keys that lead to it, and its order."""

    value: Any
    keys: tuple[str, ...]
    order: int
    outer: tuple[Any, ...] = ()  # the objects and lists that hold it, the outermost first

    @property
    def parent(self) -> Any:
        """The object or list that holds it; None for the whole content."""
        return self.outer[-1] if self.outer else None

    @property
    def model(self) -> str:
        """The model that the object, or else the nearest key or object around it, names."""
        levels = [self.value, *reversed(self.outer)]
        keys = ["", *self.keys]
        for depth, level in enumerate(levels):
            name = name_model(level, with_name=not depth) if isinstance(level, dict) else ""
            key = keys[-1 - depth]
            if name:
                return name
            if key and not is_generic_key(key):
                return _shorten(key)
        return ""

    @property
    def images(self) -> str:
        """``training`` or ``validation`` if a key says so."""
        path = " ".join(self.keys).lower().replace("_", " ")
        if re.search(r"\btrain(?:ing)?\b", path):
            return "training"
        return "validation" if re.search(r"\b(?:val|valid|validation|dev)\b", path) else ""


def _shorten(text: str) -> str:
    return " ".join(text[: 2 * _MAX_KEY].split())[:_MAX_KEY]


def is_generic_key(key: str) -> bool:
    """Whether a key names no model: ``results``, a data set, the number of a run, a metric."""
    plain = normalise_name(remove_data_sets(key[:_MAX_KEY]))
    for mention in reversed(list(find_mentions(plain))):
        plain = f"{plain[: mention.start]} {plain[mention.end :]}"
    return is_run_number(key) or _GENERIC_KEYS.fullmatch(plain) is not None


def list_fields(content: dict[str, Any]) -> list[tuple[str, Any]]:
    """List the fields of an object, then those of its settings: ``{"params": {"seed": 1}, ...}``.

    The settings of a run hold for all figures beside them.
    """
    settings = _list_settings(content)
    return [*content.items(), *(item for each in settings for item in each.items())]


def _list_settings(content: dict[str, Any]) -> list[dict[str, Any]]:
    """List the settings in an object. It looks for their keys, so large objects take no longer."""
    found = (content.get(key) for key in _SETTING_KEYS)
    return [each for each in found if isinstance(each, dict)]


def name_model(content: dict[str, Any], *, with_name: bool = True) -> str:
    """Return the model that an object names beside its figures, as in a list of results.

    ``with_name``: the field ``name`` counts, too.
    """
    settings = _list_settings(content)
    for field in (*_MODEL_FIELDS, *(["name"] if with_name else [])):
        places = [content] if field == "name" else [content, *settings]
        value = next((found for place in places if (found := place.get(field))), None)
        if isinstance(value, dict):
            value = value.get("name")
        if isinstance(value, str) and re.search(r"[^\W\d_]", value) and "value" not in content:
            return _shorten(value)
    return ""


def parse_json(text: str, name: str) -> Any:
    """Parse a JSON text, or lines of JSON; each number becomes a string.

    Raises:
        UserError: it is not valid JSON, or it is nested too deeply.
    """
    try:
        return json.loads(
            text, parse_float=_keep_digits, parse_int=_keep_digits, parse_constant=str
        )
    except RecursionError:
        raise UserError(f"{name}: the JSON is nested too deeply") from None
    except ValueError as error:
        lines = find_json_lines(text, name)
        if lines is not None:
            return lines
        raise UserError(f"{name}: not valid JSON: {error}") from None


def find_json(text: str, name: str) -> Any | None:
    """Parse a text that may be JSON, as :func:`parse_json` does; None if it is no JSON.

    Raises:
        UserError: it is nested too deeply.
    """
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(
            text, parse_float=_keep_digits, parse_int=_keep_digits, parse_constant=str
        )
    except RecursionError:
        raise UserError(f"{name}: the JSON is nested too deeply") from None
    except ValueError:
        return None  # such as NumPy's print


def find_json_lines(text: str, name: str) -> dict[str, Any] | None:
    """Parse a text with an object of JSON in each line; the keys are ``line 1`` and so on.

    None if a line is none, or if no line names a model: then it is the log of a training.

    Raises:
        UserError: a line is nested too deeply.
    """
    found: dict[str, Any] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            content = find_json(line, name)
            if not isinstance(content, dict):
                return None
            found[f"line {number}"] = content
    names_models = any(name_model(content, with_name=False) for content in found.values())
    return found if len(found) > 1 and names_models else None


def _keep_digits(text: str) -> str:
    """Return a number without an exponent; a number that is too long stays as it is."""
    if len(text) > MAX_DIGITS or "e" not in text.lower():
        return text
    exponent = int(re.split("[eE]", text)[1])
    return format(Decimal(text), "f") if abs(exponent) <= MAX_DIGITS else text


def walk_json(content: Any) -> Iterator[JsonPlace]:
    """Yield every object and list, in the printed order, the outer ones first.

    Raises:
        UserError: too many values, or nested too deeply.
    """
    stack: list[tuple[Any, tuple[str, ...], tuple[Any, ...]]] = [(content, (), ())]
    order = n_values = 0
    while stack:
        value, keys, outer = stack.pop()
        if len(keys) > MAX_DEPTH:
            raise UserError(f"the JSON is nested more than {MAX_DEPTH} levels deep")
        if not isinstance(value, (dict, list)):
            continue
        n_values += len(value)
        if n_values > MAX_VALUES:
            raise UserError(f"the JSON has more than {MAX_VALUES:,} values: give only the results")
        yield JsonPlace(value, keys, order, outer)
        order += 1
        items = value.items() if isinstance(value, dict) else enumerate(value)
        outer = (*outer, value)
        stack += [
            (item, (*keys, str(key)), outer)
            for key, item in items
            if isinstance(item, (dict, list))
        ][::-1]


def find_strings(content: Any) -> list[str]:
    """Return the texts of several lines in a JSON content, such as a printed report."""
    texts = []
    for place in walk_json(content):
        values = place.value.values() if isinstance(place.value, dict) else place.value
        texts += [value for value in values if isinstance(value, str) and "\n" in value]
    return texts


# ---- what is of other images ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Said:
    """The data set that a key or a field names (empty: Fashion-MNIST), and where it stands."""

    images: str
    place: str


@dataclass(frozen=True)
class _Step:
    """A value that is to be copied into its place: what was said above it, and the keys to it."""

    value: Any
    keys: tuple[str, ...]
    copy: dict[str, Any] | list[Any]  # an empty one, which takes what is kept
    data: _Said | None = None
    part: _Said | None = None

    def find_other(self) -> _Said | None:
        """Return what says that the value is of other images; None if it is not."""
        return next((s for s in (self.data, self.part) if s is not None and s.images), None)


def leave_out_other_images(content: Any) -> tuple[Any, list[str]]:
    """Return the content without figures of other data sets and of training images, and notes.

    A key (``mnist``, ``mnist_accuracy``) or a field (``"dataset": "MNIST"``) holds for everything
    below it until another one says otherwise. Columns as pandas writes them become a list of rows.

    Raises:
        UserError: too many values, or nested too deeply.
    """
    if not isinstance(content, (dict, list)):
        return content, []
    top = _begin(content, (), None, None)
    stack = [top]
    left_out: dict[str, dict[str, None]] = {}
    n_values = 0
    while stack:
        step = stack.pop()
        n_values += len(step.value)
        if len(step.keys) > MAX_DEPTH:
            raise UserError(f"the JSON is nested more than {MAX_DEPTH} levels deep")
        if n_values > MAX_VALUES:
            raise UserError(f"the JSON has more than {MAX_VALUES:,} values: give only the results")
        inner_steps = []
        is_object = isinstance(step.value, dict)
        items: Any = step.value.items() if is_object else enumerate(step.value)
        for key, item in items:
            keys = (*step.keys, str(key))
            said = _read_key(key, keys) if is_object else None
            inner = replace(step, data=said or step.data)
            if isinstance(item, (dict, list)):
                inner = _begin(item, keys, inner.data, inner.part)
                inner_steps.append(inner)
                item = inner.copy
            elif (other := inner.find_other()) is not None and isinstance(item, str):
                if _FIGURE.fullmatch(item[:_MAX_KEY]):
                    left_out.setdefault(other.images, {})[other.place] = None
                    continue
                if "\n" in item:  # a printed report
                    continue
            if isinstance(step.copy, dict):
                step.copy[key] = item
            else:
                step.copy.append(item)
        stack += reversed(inner_steps)
    notes = []
    for images, places in left_out.items():
        verb = "is" if len(places) == 1 else "are"
        notes.append(f"{join_words(places, _MAX_PLACES)} {verb} of {images}: not taken")
    return top.copy, notes


def _begin(value: Any, keys: tuple[str, ...], data: _Said | None, part: _Said | None) -> _Step:
    """Begin to copy an object or a list, with what its own fields say of the images."""
    if isinstance(value, dict):
        value = _list_rows(value) or value
    if not isinstance(value, dict):
        return _Step(value, keys, [], data, part)
    data = _find_said(value, keys, _DATA_FIELD, _read_data_field) or data
    part = _find_said(value, keys, _PART_FIELD, _read_part_field) or part
    part = _find_said(value, keys, _CHANGE_FIELD, _read_change_field) or part
    return _Step(value, keys, {}, data, part)


def _find_said(
    content: dict[str, Any],
    keys: tuple[str, ...],
    field: re.Pattern[str],
    read: Callable[[str], str | None],
) -> _Said | None:
    """Return what a field of an object says of the images of everything in it."""
    for key, value in list_fields(content) if field is _DATA_FIELD else content.items():
        if len(key) > _MAX_KEY or not field.fullmatch(normalise_name(key)):
            continue
        if isinstance(value, dict):  # {"name": "mnist", "split": "test"}
            value = " ".join(
                v for k in ("id", "name", "type") if isinstance(v := value.get(k), str)
            )
        images = read(value[:_MAX_KEY]) if isinstance(value, str) else None
        if images is not None:
            return _Said(images, _name_place(keys))
    return None


def names_images(field: str) -> bool:
    """Whether a field says of which images the figures of its object are."""
    plain = normalise_name(field[:_MAX_KEY])
    return bool(_DATA_FIELD.fullmatch(plain) or _PART_FIELD.fullmatch(plain))


def _read_data_field(value: str) -> str | None:
    data = find_data_sets(value.replace("_", " "))
    return join_words(data.others) if data.is_other else "" if data.any else None


def _read_part_field(value: str) -> str | None:
    return "training or validation images" if names_training_part(value) else None


def _read_change_field(value: str) -> str | None:
    return None if _NO_CHANGE.fullmatch(value.strip()) else _CHANGED


def _read_key(key: str, keys: tuple[str, ...]) -> _Said | None:
    """Return what a key says of the data set of what it holds; None if it names none."""
    plain = normalise_name(key[:_MAX_KEY])
    data = find_data_sets(plain)
    if data.is_other:
        rest = remove_data_sets(plain)
        is_named = (
            _GENERIC_KEYS.fullmatch(rest)
            or find_metric_name(rest)
            or is_label_of_other_data(plain, is_key=True)
        )
        return _Said(join_words(data.others), _name_place(keys)) if is_named else None
    return _Said("", "") if data.any else None


def _name_place(keys: tuple[str, ...]) -> str:
    path = "/".join(keys)[:_MAX_KEY]
    return f"item {path}" if path.isdigit() else path or "everything"


def _list_items(content: dict[str, Any] | list[Any]) -> list[Any]:
    return list(content.values()) if isinstance(content, dict) else content


def _list_rows(content: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of columns of which one names models; None if the object holds no columns.

    pandas writes columns as lists, as objects with the numbers of the rows, and as ``columns`` and
    ``data``.
    """
    heads, rows = content.get("columns"), content.get("data")
    if isinstance(heads, list) and isinstance(rows, list):
        is_table = all(isinstance(r, list) and len(r) == len(heads) for r in rows)
        names = [head for head in heads if isinstance(head, str)]
        if is_table and len(names) == len(heads) and set(map(str.lower, names)) & {*_MODEL_FIELDS}:
            return [dict(zip(names, row, strict=True)) for row in rows]
        return None
    models = next((content[k] for k in content if k.lower() in _MODEL_FIELDS), None)
    if not isinstance(models, (dict, list)) or not models or len(content) < 2:
        return None
    if not all(isinstance(m, str) and re.search(r"[^\W\d_]", m) for m in _list_items(models)):
        return None
    numbers = list(models) if isinstance(models, dict) else range(len(models))
    for column in content.values():
        if type(column) is not type(models) or len(column) != len(models):
            return None
        if isinstance(column, dict) and list(column) != numbers:
            return None
    return [{head: column[n] for head, column in content.items()} for n in numbers]
