"""Names the models of what a program prints line by line.

A program calls its models by names of its own (``mini_cnn``), and names one once, in a line such as
``Training mini_cnn ...``, above a log of its epochs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from fmbench.extraction.data_set_names import SAVED_MODEL
from fmbench.extraction.metric_names import find_mentions
from fmbench.extraction.text.decide import Reading
from fmbench.extraction.text.mentions import Mention, find_models
from fmbench.extraction.text.sentence import Sentence
from fmbench.extraction.text.subjects import clean_label

_MAX_TITLE = 100  # characters
_TITLE = re.compile(
    r"[^\w(]*(?:now )?(?:fine-?tuning|training|evaluating|testing|running|fitting) (?:the )?"
    r"(?:model )?(?P<name>[A-Za-z][^:=|]{1,60}?)(?: (?:model|network))?"
    r"\s*(?:\.{2,}|:|\u2026|-{3,}|={3,})\W*"
    r"|\W*={3,} *(?P<framed>[A-Za-z][^:=|]{1,60}?) *={3,}\W*"
    rf"|\W*(?:evaluating|testing|loading)(?: model| weights)?:? (?:\S{{1,60}}/)?"
    rf"(?P<file>[A-Za-z][\w=.-]{{2,60}}?)\.{SAVED_MODEL}\W*",
    re.IGNORECASE,
)
# mini_cnn, MiniCNN, CNN2: no usual words
_IDENTIFIER = re.compile(r"(?=\w*(?:[a-z0-9]_[a-z0-9]|[a-z][A-Z]|[A-Z]{2}))[A-Za-z]\w{2,39}")
_NO_IDENTIFIER = re.compile(
    r"(?:^|_)(?:x|y|train|test|val|eval|acc|accuracy|score|epoch|step|loss|set|data|loader|batch|size"
    r"|lr|max|min|avg|mean|best|final|total|num|n|iter|param\w*)(?:_|$)|^(?:MNIST|CPU|GPU|F1)"
    r"|^(?:models?|weights?|checkpoints?|ckpt|fashion|saved?|last|my|net|network|[0-9]+)$",
    re.IGNORECASE,
)
_OF_FOLDS = re.compile(r"\b(?:folds?|cross[- ]validation|cv)\b", re.IGNORECASE)
_MEAN_BELOW_FOLDS = re.compile(
    r"\W*(?:average|avg|mean)\b(?!.*\b(?:test|runs?|seeds?)\b)", re.IGNORECASE
)
_NO_PART_OF_NAME = re.compile(
    r"\b(?:for|of|on|the|with|in|by|at|and|final|test(?:ing)?|best|overall|results?|running|now"
    r"|epochs?|folds?|average|mean|evaluat\w+|train\w*)\b|[:=]",
    re.IGNORECASE,
)


def split_sections(text: str) -> list[tuple[str, str]]:
    """Split a printed text at lines such as ``Training SVC ...``; return each model and its lines.

    The name is empty above the first such line, and where a line names no model.
    """
    sections: list[tuple[str, list[str]]] = [("", [])]
    for line in text.split("\n"):
        title = _TITLE.fullmatch(line) if len(line) <= _MAX_TITLE else None
        if title is not None:
            sections.append((_name_file(title["file"]) or _find_name(title), []))
        sections[-1][1].append(line)
    return [(name, "\n".join(lines)) for name, lines in sections]


def _name_file(stem: str | None) -> str:
    """Return the name of a file of weights, if it has more than words such as ``best_model``."""
    words = re.split(r"[_.=-]+", stem or "")
    return "" if all(map(_NO_IDENTIFIER.match, words)) or not stem else stem


def _find_name(match: re.Match[str]) -> str:
    title = match["name"] or match["framed"] or ""
    models = find_models(title)
    if len(models) == 1 and models[0].start == 0:
        return clean_label(models[0].name)
    return title if not models and title and _is_identifier(title) else ""


def _is_identifier(text: str) -> bool:
    return (
        _IDENTIFIER.fullmatch(text) is not None
        and _NO_IDENTIFIER.search(text) is None
        and next(find_mentions(text), None) is None
    )


def find_identifiers(sentence: Sentence) -> list[Mention]:
    """Find a program's own names of its models: ``Test accuracy of mini_cnn: 0.91``."""
    if sentence.models or not any(metric.name for metric in sentence.metrics):
        return sentence.models
    return [
        Mention(match.start(), match.end(), match[0])
        for match in _IDENTIFIER.finditer(sentence.text)
        if _is_identifier(match[0])
    ]


def name_printed(
    sentence: Sentence, readings: Sequence[Reading], above: str, section: str
) -> list[Reading]:
    """Name the models of the figures of a printed line.

    ``above`` is the line above it, ``section`` the model of the section in which it stands. A mean
    below the accuracies of folds is left out.
    """
    is_mean = _MEAN_BELOW_FOLDS.match(sentence.text) and _OF_FOLDS.search(above)
    named = []
    for reading in readings:
        claim = reading.claim
        if claim is None:
            named.append(reading)
        elif is_mean:
            why = "a mean over the folds that the line above prints"
            named.append(Reading(reading.figure, why_not=why))
        else:
            label = _extend_label(sentence, claim.label) if claim.label else section
            named.append(replace(reading, claim=replace(claim, label=label)))
    return named


def _extend_label(sentence: Sentence, label: str) -> str:
    """Take the words before a model's name into its label: ``Tuned kNN accuracy: 0.86``."""
    if len({mention.name for mention in sentence.models}) != 1:
        return label
    before = re.sub(r"^[^\w(]+", "", sentence.text[: sentence.models[0].start]).strip()
    is_name = before and len(before.split()) <= 2 and not _NO_PART_OF_NAME.search(before)
    return f"{before} {label}" if is_name else label
