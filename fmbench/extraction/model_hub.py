"""Reads the evaluation results of a model hub: ``.eval_results`` files and model cards.

Hugging Face's hub has two forms, documented at https://huggingface.co/docs/hub/eval-results and
https://github.com/huggingface/hub-docs/blob/main/modelcard.md:

- ``.eval_results/*.yaml``: a list of entries with ``dataset`` (``id``, ``task_id``, ``revision``),
  ``value``, ``date``, ``source`` (``url``, ``name``, ``user``) and ``notes``. An entry names no
  metric: ``value`` is that of the benchmark, which is the accuracy here.
- ``model-index``: part of the YAML between two lines ``---`` at the top of a model card
  (``README.md``); each model has results, each with a data set and metrics.

YAML turns ``91.20`` into the number 91.2, so every value is read as the text that the file prints.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from fmbench.errors import UserError
from fmbench.extraction.figures import check_range, parse_printed_figure
from fmbench.extraction.found import Extraction, FoundClaim, PrintedFigure
from fmbench.extraction.metric_names import MetricName, find_metric_name, is_training_metric
from fmbench.extraction.text.mentions import FASHION, find_datasets
from fmbench.extraction.text.repetitions import Repetition, find_repetition
from fmbench.metrics.registry import METRICS
from fmbench.utils.printable import write_on_one_line

KIND = "model hub"
MAX_LENGTH = 200_000  # characters of YAML, which takes some seconds
_MAX_DEPTH = 20  # of brackets; the time to scan YAML grows with the square of the depth
_MAX_TEXT = 200  # characters of a name or a note
_FRONT_MATTER = re.compile(
    r"\A\s*---[ \t]*\r?\n(?P<yaml>.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL
)
_ENTRY = re.compile(r"^[ \t]*(?:-[ \t]+)?dataset[ \t]*:", re.MULTILINE)


@dataclass(frozen=True)
class _Result:
    """One figure of a hub's file: texts as printed, empty where the file says nothing."""

    model: str
    dataset: str
    split: str
    metric: str
    value: str
    where: str
    remark: str


@dataclass(frozen=True)
class ModelHubRead(Extraction):
    """What was found in a model hub's file.

    ``left_out`` are the figures that are not claims: those of training images or of other data.
    """

    left_out: tuple[PrintedFigure, ...] = ()

    def without_left_out(self, found: Extraction) -> Extraction:
        """Return what was found in the card's text without the figures that are left out here."""
        values = set(filter(None, map(_compute_share, self.left_out)))
        is_left_out = [_compute_share(claim.figure) in values for claim in found.claims]
        claims = [c for c, left_out in zip(found.claims, is_left_out, strict=True) if not left_out]
        notes = [
            f"{claim.where}: not taken (the model-index says that {claim.figure.printed} is not of "
            "the test images)"
            for claim, left_out in zip(found.claims, is_left_out, strict=True)
            if left_out
        ]
        return replace(found, claims=tuple(claims), notes=(*notes, *found.notes))


def _compute_share(figure: PrintedFigure) -> Decimal | None:
    if figure.out_of is not None:
        return None
    share = Decimal(figure.value.rstrip("%"))
    return share.scaleb(-2) if figure.value.endswith("%") else share


def looks_like_model_hub(text: str) -> bool:
    """Whether a text is an ``.eval_results`` file, or a model card with a ``model-index``."""
    front = _FRONT_MATTER.match(text[: MAX_LENGTH + 100])
    if front:
        return re.search(r"^model-index[ \t]*:", front["yaml"], re.MULTILINE) is not None
    start = text[:MAX_LENGTH]
    return (
        bool(
            re.match(r"\s*(?:#[^\n]*\n\s*)*-\s+(?:dataset|value|source|date|notes)\s*:", start)
            and _ENTRY.search(start)
            and re.search(r"^[ \t]*(?:-[ \t]+)?value[ \t]*:", start, re.MULTILINE)
        )
        or re.match(r"\s*(?:#[^\n]*\n\s*)*model-index\s*:", start) is not None
    )


def read_model_hub(text: str, name: str) -> ModelHubRead:
    """Read the results on Fashion-MNIST's test images; what else stands there goes into the notes.

    Raises:
        UserError: not valid YAML, or not of the form that the hub documents.
    """
    front = _FRONT_MATTER.match(text)
    content = _load_yaml(front["yaml"] if front else text, name)
    if isinstance(content, Mapping) and "model-index" in content:
        results = list(_list_card_results(content, name))
    elif isinstance(content, list):
        results = list(_list_entries(content, name))
    else:
        raise UserError(f"{name}: neither a list of results nor a model card with a model-index")
    claims: list[FoundClaim] = []
    notes: list[str] = []
    left_out: list[PrintedFigure] = []
    for result in results:
        claim = _make_claim(result, name)
        if isinstance(claim, str):
            figure = parse_printed_figure(result.value)
            left_out += [figure] if figure is not None and is_training_metric(result.split) else []
            notes.append(f"{result.where}: not taken ({claim}): {_describe(result)}")
        else:
            claims.append(claim)
    return ModelHubRead(KIND, name, tuple(claims), notes=tuple(notes), left_out=tuple(left_out))


def _make_claim(result: _Result, name: str) -> FoundClaim | str:
    """Turn one result into a claim, or say why it is none."""
    if not _is_fashion(result.dataset):
        return f"of {result.dataset}" if result.dataset else "it names no data set"
    if is_training_metric(result.split):
        return f"of the split {result.split}"
    if is_training_metric(result.metric):
        return "of training or validation images"
    unnamed = MetricName("accuracy", remark="the file names no metric; taken as the accuracy")
    metric = find_metric_name(result.metric) if result.metric else unnamed
    if metric is None:
        return f"{result.metric} is not judged"
    figure = parse_printed_figure(
        result.value, error_rate=metric.is_error_rate, percent=metric.percent
    )
    if figure is None:
        return f"{result.value!r} is not a figure"
    if METRICS[metric.metric].average_is_stated and metric.average is None:
        return f"{metric.metric} without its average"
    try:
        check_range(figure, metric.metric)
    except ValueError as error:
        raise UserError(f"{name}, {result.where}: {error}: correct the value") from None
    repetition = find_repetition(result.remark, has_spread=figure.sd is not None) or Repetition()
    claim = FoundClaim(
        label=result.model,
        metric=metric.metric,
        figure=figure,
        source=KIND,
        where=result.where,
        average=metric.average,
        remark="; ".join(filter(None, [metric.remark, result.remark])),
    )
    return repetition.apply(claim)


def _is_fashion(dataset: str) -> bool:
    plain = re.sub(r"[/_]", " ", dataset).strip()
    if any(mention.name == FASHION for mention in find_datasets(plain)):
        return True
    return re.fullmatch(r"(?:.* )?fashion[- ]?mnist", plain, re.IGNORECASE) is not None


def _describe(result: _Result) -> str:
    parts = (result.model, result.dataset, result.metric or "value", result.value)
    return ", ".join(part for part in parts if part)


# ---- the two forms -------------------------------------------------------------------------------


def _list_entries(content: list[Any], name: str) -> Iterator[_Result]:
    """List the entries of an ``.eval_results`` file."""
    for i, entry in enumerate(content, start=1):
        where = f"entry {i}"
        fields = _get_mapping(entry, name, where)
        dataset = _get_mapping(fields.get("dataset"), name, f"{where}, dataset")
        if "id" not in dataset or "value" not in fields:
            raise UserError(f"{name}, {where}: dataset.id and value are required")
        task = _get_text(dataset, "task_id") or _get_text(dataset, "config")
        source = fields.get("source")
        origin = _get_text(source, "url") if isinstance(source, Mapping) else ""
        notes = _get_text(fields, "notes")
        # The file lies in the model's repository, and does not name the model.
        yield _Result(
            model="",
            dataset=_get_text(dataset, "id"),
            split=_get_text(dataset, "split"),
            metric=_find_metric_text(task, notes),
            value=_get_text(fields, "value"),
            where=where,
            remark="; ".join(filter(None, [notes, origin and f"source: {origin}"])),
        )


def _find_metric_text(task: str, notes: str) -> str:
    """Return the metric that a task's name or the notes name; empty if they name none."""
    for text in (task, notes):
        if text and (find_metric_name(text) is not None or is_training_metric(text)):
            return text
    return ""


def _list_card_results(content: Mapping[str, Any], name: str) -> Iterator[_Result]:
    """List the metrics of a model card's ``model-index``."""
    for model in _get_list(content["model-index"], name, "model-index"):
        fields = _get_mapping(model, name, "model-index")
        label = _get_text(fields, "name")
        results = _get_list(fields.get("results") or [], name, "model-index, results")
        for i, result in enumerate(results, start=1):
            where = f"{label or 'model-index'}, result {i}"
            entry = _get_mapping(result, name, where)
            dataset = _get_mapping(entry.get("dataset"), name, f"{where}, dataset")
            names = [_get_text(dataset, key) for key in ("type", "name")]
            for metric in _get_list(entry.get("metrics") or [], name, f"{where}, metrics"):
                figure = _get_mapping(metric, name, f"{where}, metrics")
                if "value" not in figure:
                    raise UserError(f"{name}, {where}: a metric has no value")
                kind, title = _get_text(figure, "type"), _get_text(figure, "name")
                yield _Result(
                    model=label,
                    dataset=next(filter(_is_fashion, names), names[1] or names[0]),
                    split=_get_text(dataset, "split"),
                    metric=title if title and _says_more(title, kind) else kind or title,
                    value=_get_text(figure, "value"),
                    where=where,
                    remark="",
                )


def _says_more(title: str, kind: str) -> bool:
    """Whether a metric's title says more than its kind: ``Validation accuracy``, ``Macro F1``."""
    if is_training_metric(title):
        return True
    metric = find_metric_name(title)
    return metric is not None and (metric.average is not None or find_metric_name(kind) is None)


# ---- YAML ----------------------------------------------------------------------------------------


def _load_yaml(text: str, name: str) -> Any:
    """Load YAML in which every value stays the text that is printed.

    Aliases are refused: nested ones grow without bound.
    """
    import yaml

    if len(text) > MAX_LENGTH:
        raise UserError(f"{name}: more than {MAX_LENGTH:,} characters of YAML: give a smaller file")
    depths = itertools.accumulate((c in "[{") - (c in "]}") for c in text)
    if max(depths, default=0) > _MAX_DEPTH or re.search(rf"(?:- ){{{_MAX_DEPTH}}}", text):
        raise UserError(f"{name}: not valid YAML: nested too deeply")
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise UserError(f"{name}: its YAML has aliases (*name): write the values out")
        return yaml.load(text, Loader=yaml.BaseLoader)  # builds texts, lists and mappings only
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())[:_MAX_TEXT]
        raise UserError(f"{name}{line}: not valid YAML: {problem}") from None


def _get_text(fields: Mapping[str, Any], key: str) -> str:
    """Return a value as one line of text; empty if it is missing or not a text."""
    value = fields.get(key)
    if not isinstance(value, str):
        return ""
    return write_on_one_line(value)[:_MAX_TEXT]


def _get_mapping(value: object, name: str, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UserError(f"{name}, {where}: must be a mapping of keys to values")
    return value


def _get_list(value: object, name: str, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise UserError(f"{name}, {where}: must be a list")
    return value
