"""Finds the figures of models in JSON.

A figure stands below a key that names a metric (``{"LeNet-5": {"test_accuracy": 0.91}}``), alone or
as a mean with its spread (``{"mean": 0.91, "std": 0.002}``), or below the name of its model
(``{"LeNet-5": 0.91}``). Objects that a seed or a fold tells apart are runs of one model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import median
from typing import Any

from fmbench.datasets.specs import FASHION_MNIST
from fmbench.extraction.class_names import find_class_number
from fmbench.extraction.data_set_names import (
    find_data_sets,
    names_part,
    names_training_part,
    remove_data_sets,
)
from fmbench.extraction.figures import (
    check_range,
    choose_percent,
    describe_error_rate,
    keep_zeros,
    parse_printed_figure,
)
from fmbench.extraction.found import FoundClaim, PrintedFigure
from fmbench.extraction.json_values import JsonPlace, is_generic_key, list_fields, walk_json
from fmbench.extraction.metric_names import (
    MetricName,
    find_metric_name,
    is_training_metric,
    is_unjudged_share,
    names_test_images,
    normalise_name,
)
from fmbench.extraction.runs import (
    average_runs,
    is_run_number,
    names_folds,
    names_runs,
    names_setting,
    varies_between_runs,
)
from fmbench.extraction.text.conditions import find_condition, find_condition_of_head
from fmbench.metrics.registry import METRICS
from fmbench.utils.formatting import join_words
from fmbench.utils.printable import write_on_one_line

SOURCE = "JSON"
_LEAST_PERCENT = 10  # in JSON, figures between 1 and 10 are neither fractions nor percentages
_MAX_NUMBER, _MAX_KEY, _MAX_PLACE = 40, 60, 100  # characters
_TRAINING = "of training or validation images"
_TRAINING_CURVES = "of the epochs of a training"  # noted where there is nothing else
_CURVES = "of figures, as of runs or epochs"
_MAX_SHOWN = 3  # places that a note names
_MAX_SETTINGS = 6  # that a name lists
_MAX_NAMES = 5_000  # of models in one object
_LONG = re.compile(r"[.,][0-9]{10}")  # a binary number that is written out in full
_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?\s?%?")
_MEAN = re.compile(r"(?:mean|average|avg|value|score|figure)", re.IGNORECASE)
_SPREAD = re.compile(r"(?:std|sd|stdev|stddev|std ?dev|standard ?deviation)", re.IGNORECASE)
_COUNT = re.compile(
    r"n|(?:(?:n|num|number of|no\. of) ?)?(?:runs|seeds|trials|repeats|repetitions|(?P<f>folds))",
    re.IGNORECASE,
)
_TOTAL = re.compile(r"overall|total|all", re.IGNORECASE)
_STATISTIC = re.compile(
    rf"{_MEAN.pattern}|{_SPREAD.pattern}|{_COUNT.pattern}|{_TOTAL.pattern}|min|max|median|best"
    r"|worst|sem|var|variance|ci|lower|upper|low|high",
    re.IGNORECASE,
)
_SETTING_IN_WORDS = re.compile(
    r"activation(?: function)?|optimi[sz]er|loss(?: function)?|criterion|kernel"
    r"|initiali[sz](?:er|ation)|scheduler|regulari[sz](?:er|ation)|penalty|augmentation",
    re.IGNORECASE,
)
_FEWEST_TESTED = 50  # a smaller number may be one of tests, and not of test images
_IS_COUNT = re.compile(  # error_example_count
    r"\b(?:counts?|number|num|index|indices|limit|seed|files?|paths?)$|^(?:n|num|number)\b",
    re.IGNORECASE,
)
# How many test images a program looks at: "test_limit": 2000
_N_TESTED = re.compile(
    r"(?:test|eval)(?:ing)?[_ ]?(?:limit|samples|images|examples|subset(?:_size)?)"
    r"|(?:n|num|max|limit)_?test(?:_?(?:samples|images|examples))?",
    re.IGNORECASE,
)
_EPOCH = re.compile(r"(?:global ?)?(?:epoch|step|iteration)", re.IGNORECASE)


@dataclass(frozen=True)
class _Run:
    """The run of which an object is: its number, and what must agree with the other runs.

    ``kind``: ``seed``, ``fold`` and so on; of epochs, only the last one counts.
    """

    kind: str
    number: tuple[str, ...]
    setting: tuple[object, ...]


def find_json_figures(content: Any) -> tuple[list[FoundClaim], list[str]]:
    """Find the figures of models, and note those that were left out.

    The content holds no figures of other images any more: see
    :func:`fmbench.extraction.json_values.leave_out_other_images`.
    """
    found: list[tuple[FoundClaim, _Run | None]] = []
    notes: list[str] = []
    left_out: dict[str, list[str]] = {}  # what figures are of, and where they stand
    runs = _Runs()
    settings = _Settings()
    for place in walk_json(content):
        if not isinstance(place.value, dict) or "macro avg" in place.value:
            continue  # a classification report has its own reader
        if place.images and not any(map(names_test_images, place.value)):
            continue
        values = (value for value in place.value.values() if isinstance(value, str))
        long = next(filter(_LONG.search, values), None)
        claims = list(_read_object(place, notes, left_out))
        if not claims and not place.images:
            claims = _read_names(place, notes)
        run = runs.find(place) if claims else None
        if claims and not place.model:
            name = settings.name(place)
            claims = [replace(claim, label=claim.label or name) for claim in claims]
        for claim in claims:
            figure = keep_zeros(claim.figure, [long] if long else [])
            found.append((replace(claim, figure=figure), run))
    n_tested = _find_number_of_tested(content)
    if found and n_tested is not None:
        return [], [*notes, f"the figures are of {n_tested:,} test images: not taken"]
    claims = _join_runs(found, notes)
    curves = left_out.pop(_TRAINING_CURVES, [])
    if curves and not claims and not notes:
        left_out.setdefault(_TRAINING, []).extend(curves)
    for what, places in left_out.items():
        verb = "is" if len(places) == 1 else "are"
        if what == _CURVES:
            verb += " a list" if len(places) == 1 else " lists"
        notes.append(f"{join_words(places, _MAX_SHOWN)} {verb} {what}: not taken")
    return claims, notes


def _find_number_of_tested(content: Any) -> int | None:
    """Return how many test images were used, if a key says that it was only a part of them.

    The result is None if no key says so: a number below 50 may be one of tests, not of images.
    """
    for place in walk_json(content):
        for key, value in place.value.items() if isinstance(place.value, dict) else ():
            if _N_TESTED.fullmatch(key) and isinstance(value, str) and value.isdecimal():
                n_tested = int(value[:9])
                return n_tested if _FEWEST_TESTED <= n_tested < FASHION_MNIST.n_test else None
    return None


def list_numeric_keys(content: Any) -> list[str]:
    """List the different keys of numbers, for a message."""
    keys: dict[str, None] = {}
    for place in walk_json(content):
        if isinstance(place.value, dict):
            keys |= {
                repr(key[:_MAX_KEY]): None
                for key, value in place.value.items()
                if isinstance(value, str) and _NUMBER.fullmatch(value[:_MAX_NUMBER])
            }
    return list(keys)


# ---- figures below the name of a metric ----------------------------------------------------------


def _read_object(
    place: JsonPlace, notes: list[str], left_out: dict[str, list[str]]
) -> Iterator[FoundClaim]:
    """Yield the figures of one object whose keys name metrics.

    The places of figures of other images are added to ``left_out``.
    """
    for key, value in _list_values(place.value):
        if len(key) > _MAX_KEY or (isinstance(value, str) and len(value) > _MAX_NUMBER):
            continue
        where = _name_place(place, key)
        plain = normalise_name(key)
        metric = None if _IS_COUNT.search(plain) else find_metric_name(plain)
        is_test = names_test_images(key)
        if is_training_metric(plain) or (metric and not is_test and _ends_validation(place, value)):
            if _holds_number(value) or _lists_epochs(value):
                kind = _TRAINING if _holds_number(value) else _TRAINING_CURVES
                left_out.setdefault(kind, []).append(where)
            continue
        if place.images and not is_test:
            continue
        if metric is not None and (change := _find_change(place, plain)):
            left_out.setdefault(change, []).append(where)
            continue
        if metric is None and (names_part(key) or _TOTAL.fullmatch(key)):
            metric = _find_metric_around(place)  # {"accuracy": {"test": 0.91}}
        if metric is None:
            continue
        if _lists_epochs(value):
            left_out.setdefault(_CURVES, []).append(where)
        try:
            claim = _read_value(metric, key, value, where)
        except ValueError as error:
            notes.append(f"{where}: not taken: {error}")
            continue
        if claim is not None:
            yield replace(claim, label=place.model)


def _lists_epochs(value: Any) -> bool:
    """Whether a value is a list of figures, each of them alone or below its number."""
    if not isinstance(value, list) or not value:
        return False
    items = [next(iter(v.values())) if isinstance(v, dict) and len(v) == 1 else v for v in value]
    return all(map(_holds_number, items))


def _ends_validation(place: JsonPlace, value: Any) -> bool:
    """Whether a figure is the last one of a list beside it, of training or validation images.

    ``{"val_acc": [81.2, 83.4], "final_acc": 83.4}``
    """
    return any(
        isinstance(other, list)
        and other[-1:] == [value]
        and is_training_metric(normalise_name(key))
        for key, other in place.value.items()
    )


def _find_change(place: JsonPlace, key: str) -> str:
    """Say what is changed for a figure, by its key or by those around it; empty if nothing is."""
    around = (find_condition(normalise_name(each[:_MAX_KEY])) for each in place.keys)
    return find_condition_of_head(key) or next(filter(None, around), "")


def _list_values(content: dict[str, Any]) -> list[tuple[str, Any]]:
    """List the keys and values of an object; ``{"key": "accuracy", "value": 0.91}`` is one."""
    for name in ("key", "metric", "name", "type"):
        if isinstance(content.get(name), str) and isinstance(content.get("value"), str):
            return [(content[name], content["value"])]
    return list(content.items())


def _holds_number(value: Any) -> bool:
    return isinstance(value, str) and _NUMBER.fullmatch(value[:_MAX_NUMBER]) is not None


def _find_metric_around(place: JsonPlace) -> MetricName | None:
    """Return the metric that the nearest key around an object names."""
    for key in reversed(place.keys):
        metric = find_metric_name(normalise_name(remove_data_sets(key[:_MAX_KEY])))
        if metric is not None:
            return metric
    return None


def _read_value(metric: MetricName, key: str, value: Any, where: str) -> FoundClaim | None:
    """Read one value; None if it is no figure, or its metric lacks the class or the average.

    Raises:
        ValueError: the value is out of range.
    """
    if metric.per_class:
        return None
    if METRICS[metric.metric].average_is_stated and metric.average is None:
        return None
    mean_of = folds = 1
    if isinstance(value, dict) and value and all(map(_is_run_key, value)):
        runs = [_read_value(metric, key, v, where) for v in value.values() if _holds_number(v)]
        figures = [run for run in runs if run is not None and run.metric == "accuracy"]
        return average_runs(figures, are_folds=names_folds(_name_kind(next(iter(value)))))
    if isinstance(value, dict):
        figure, mean_of, folds = _read_statistics(value, metric)
    elif isinstance(value, str):
        figure = _parse(value, metric)
    else:
        figure = None
    if figure is None:
        return None
    is_share = METRICS[metric.metric].highest == 1
    plain = re.split(r"[\s\u00b1]", figure.printed.strip())[0]
    if (
        is_share
        and re.fullmatch(r"[0-9]+(?:\.[0-9]*)?", plain)
        and 1 < Decimal(plain) < _LEAST_PERCENT
    ):
        raise ValueError(f"{key.strip()} {plain} is above 1, and too small for a percentage")
    check_range(figure, metric.metric)
    return FoundClaim(
        "", metric.metric, figure, SOURCE, where, average=metric.average, mean_of=mean_of,
        folds=folds, remark=describe_error_rate(figure, metric.remark),
    )  # fmt: skip


def _is_run_key(key: str) -> bool:
    """Whether a key numbers a run with a word: ``seed_3``; a mere number may be anything."""
    return is_run_number(key[:_MAX_KEY]) and not key.isdigit()


def _name_kind(key: str) -> str:
    """Return the word of a key that numbers a run: ``seed`` of ``seed_3``."""
    return key[:_MAX_KEY].rstrip("0123456789 _#-")


def _parse(text: str, metric: MetricName) -> PrintedFigure | None:
    return parse_printed_figure(
        text, error_rate=metric.is_error_rate, percent=metric.percent or None
    )


def _read_statistics(
    content: dict[str, Any], metric: MetricName
) -> tuple[PrintedFigure | None, int, int]:
    """Read ``{"mean": 0.91, "std": 0.002, "n": 5}``: the figure, and of how many runs or folds."""
    mean = spread = ""
    mean_of = folds = 1
    for key, value in content.items():
        plain = normalise_name(key[:_MAX_KEY])
        if not _holds_number(value):
            continue
        if _MEAN.fullmatch(plain):
            mean = mean or value
        elif _SPREAD.fullmatch(plain):
            spread = value
        elif (count := _COUNT.fullmatch(plain)) and re.fullmatch("[0-9]{1,4}", value):
            mean_of, folds = (1, int(value)) if count["f"] else (int(value), 1)
    if not mean:
        return None, 1, 1
    figure = _parse(f"{mean} \u00b1 {spread}", metric) if spread else None
    return figure or _parse(mean, metric), max(mean_of, 1), max(folds, 1)


class _Settings:
    """Names the objects of a list, which name no model, by the settings in which they differ."""

    def __init__(self) -> None:
        self._differing: dict[int, list[str]] = {}

    def name(self, place: JsonPlace) -> str:
        """Return a name such as ``batch_size=32, activation=relu``; empty if there is none."""
        if not isinstance(place.parent, list):
            return ""
        if id(place.parent) not in self._differing:
            self._differing[id(place.parent)] = _list_differing_settings(place.parent)
        fields = dict(list_fields(place.value))
        keys = [key for key in self._differing[id(place.parent)] if key in fields]
        return ", ".join(f"{key}={fields[key]}" for key in keys)


def _list_differing_settings(objects: Sequence[Any]) -> list[str]:
    values: dict[str, set[str]] = {}
    for content in objects:
        for key, value in list_fields(content) if isinstance(content, dict) else ():
            if isinstance(value, str) and len(value) <= _MAX_NUMBER and _is_setting(key):
                values.setdefault(key, set()).add(value)
    return [key for key, found in values.items() if len(found) > 1][:_MAX_SETTINGS]


def _is_setting(key: str) -> bool:
    plain = normalise_name(key[:_MAX_KEY])
    return (names_setting(plain) or _SETTING_IN_WORDS.fullmatch(plain) is not None) and not (
        names_runs(plain)
        or _EPOCH.fullmatch(plain)
        or varies_between_runs(plain)
        or find_metric_name(plain)
    )


# ---- figures below the name of a model or a data set ---------------------------------------------


def _read_names(place: JsonPlace, notes: list[str]) -> list[FoundClaim]:
    """Read ``{"LeNet-5": 0.91, "SVC": 0.90}``, where no key names a metric."""
    if len(place.value) > _MAX_NAMES:
        return []
    names = {
        key: value
        for key, value in place.value.items()
        if _holds_number(value) and len(key) <= _MAX_KEY and _may_name_model(key)
    }
    if not names or any(find_class_number(key) is not None for key in names):
        return []
    metric = _find_metric_around(place)
    names_models = not place.model
    if place.model:  # then the keys are data sets: {"LeNet-5": {"fashion_mnist": 0.91}}
        names = {key: value for key, value in names.items() if find_data_sets(key).is_only_name}
    if metric is None and not _may_be_accuracies(names, place, notes):
        return []
    metric = metric or MetricName("accuracy", remark="no metric is named: read as the accuracy")
    claims = []
    for key, value in names.items():
        where = _name_place(place, key)
        try:
            claim = _read_value(metric, key, value, where)
        except ValueError as error:
            notes.append(f"{where}: not taken: {error}")
            continue
        if claim is not None:
            is_model = names_models and not is_generic_key(key)
            claims.append(replace(claim, label=key.strip() if is_model else place.model))
    return claims


def _may_be_accuracies(names: dict[str, str], place: JsonPlace, notes: list[str]) -> bool:
    """Whether these names are models, and their figures, which have no metric, accuracies."""
    from fmbench.extraction.text.mentions import find_models

    known = [key for key in names if find_models(key.replace("_", " "))]
    if not names or (not place.model and 2 * len(known) <= len(names)):
        return False
    if _are_like_accuracies(list(names.values())):
        return True
    notes.append(
        f"{join_words(map(repr, names), 3)}: no metric is named, and the figures are not all like "
        "accuracies: not taken"
    )
    return False


def _may_name_model(key: str) -> bool:
    plain = normalise_name(key)
    return (
        re.search(r"[^\W\d_]{2}|[^\W\d_][0-9]", key) is not None
        and _STATISTIC.fullmatch(plain) is None
        and not names_setting(plain)
        and find_metric_name(plain) is None
        and not varies_between_runs(plain)
        and not is_unjudged_share(plain)
        and not is_training_metric(plain)
        and not names_training_part(plain)
    )


def _are_like_accuracies(values: Sequence[str]) -> bool:
    """Whether all figures are fractions, or all percentages, and most of them above half."""
    percent = choose_percent(values, None)
    figures = [parse_printed_figure(value, percent=percent) for value in values]
    shares = [
        Decimal(figure.value.rstrip("%")).scaleb(-2 * figure.value.endswith("%"))
        for figure in figures
        if figure is not None
    ]
    is_clear = percent is not None and len(shares) == len(values)
    return is_clear and all(0 <= s <= 1 for s in shares) and median(shares) >= Decimal("0.5")


# ---- runs ----------------------------------------------------------------------------------------


# The kind of the run, its number, and a number that stands for the other fields of the object.
_Fields = tuple[str, tuple[str, ...], int]
_NO_FIELDS: _Fields = ("", (), 0)
_MAX_LEVELS = 4  # that are searched outwards from an object


class _Runs:
    """Finds the runs of which objects are; each object is looked at once."""

    def __init__(self) -> None:
        self._fields: dict[int, _Fields] = {}
        self._settings: dict[tuple[tuple[str, str], ...], int] = {}

    def find(self, place: JsonPlace) -> _Run | None:
        """Return the run that a field (``"seed": 3``) or a key (``seed_3``) numbers; else None."""
        levels = [place.value, *reversed(place.outer)][:_MAX_LEVELS]
        for depth, level in enumerate(levels):
            position = len(place.keys) - 1 - depth
            key = place.keys[position][:_MAX_KEY] if position >= 0 else ""
            fields = self._read_fields(level) if isinstance(level, dict) else _NO_FIELDS
            kind, number, setting = fields
            is_listed = key.isdigit() or re.fullmatch(r"line [0-9]+", key) is not None
            if not number and _is_run_key(key):
                kind, number, is_listed = _name_kind(key), (key,), True
            if number:
                path = (*place.keys[: max(position, 0)], *place.keys[position + 1 :])
                return _Run(kind, number, (*(path if is_listed else place.keys), setting))
        return None

    def _read_fields(self, content: dict[str, Any]) -> _Fields:
        if id(content) in self._fields:
            return self._fields[id(content)]
        runs, epochs, others = [], [], []
        for key, value in list_fields(content):
            plain = normalise_name(key[:_MAX_KEY])
            if not isinstance(value, str) or find_metric_name(plain) or varies_between_runs(plain):
                continue
            is_number = is_run_number(value[:_MAX_NUMBER])
            if is_number and names_runs(plain):
                runs.append((plain, value))
            elif is_number and _EPOCH.fullmatch(plain):
                epochs.append((plain, value))
            elif names_runs(plain):
                continue  # "run_id": "a1" is no number and no setting
            elif not is_training_metric(plain) and not is_unjudged_share(plain):
                others.append((plain, value))
        if epochs:  # of each run, the last epoch counts
            runs, others = epochs, [*others, *runs]
        setting = self._settings.setdefault(tuple(others), len(self._settings))
        kind = runs[0][0] if runs else ""
        self._fields[id(content)] = kind, tuple(value for _, value in runs), setting
        return self._fields[id(content)]


def _join_runs(
    found: Sequence[tuple[FoundClaim, _Run | None]], notes: list[str]
) -> list[FoundClaim]:
    """Return the claims: of the runs of one model their mean, of epochs the last one."""
    groups: dict[tuple[object, ...], list[tuple[FoundClaim, _Run | None]]] = {}
    for number, (claim, run) in enumerate(found):
        key: tuple[object, ...] = (number,)
        if run is not None:
            field = claim.where.rpartition("/")[2]
            key = (claim.label, claim.metric, claim.average, field, run.kind, run.setting)
        groups.setdefault(key, []).append((claim, run))
    claims: list[FoundClaim] = []
    for members in groups.values():
        run = members[0][1]
        of_group = [claim for claim, _ in members]
        numbers = {r.number for _, r in members if r is not None}
        if run is None or len(members) == 1 or len(numbers) < len(members):
            claims += of_group
            continue
        label = of_group[0].label or "the model"
        if _EPOCH.fullmatch(run.kind):
            claims.append(of_group[-1])
            notes.append(f"{label}: of the {len(members)} epochs only the last one is taken")
        elif of_group[0].metric != "accuracy":
            notes.append(f"{label}: of single runs only the accuracy is read")
        elif (mean := average_runs(of_group, are_folds=names_folds(run.kind))) is not None:
            claims.append(mean)
            notes.append(
                f"{label}: objects that differ only in {run.kind!r} are runs of one model: their "
                "mean is read"
            )
        else:
            claims += of_group
    return claims


def _name_place(place: JsonPlace, key: str) -> str:
    path = "/".join((*place.keys, *([key] if key else [])))
    return write_on_one_line(path)[:_MAX_PLACE]
