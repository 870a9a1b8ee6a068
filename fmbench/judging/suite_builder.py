"""Turns what was read from documents into a suite, and writes it as a TOML file with comments.

The suite is what :mod:`fmbench.judging.judgement` judges, so the file that ``fmbench suite import``
writes gets the same judgement as the document.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from itertools import count
from pathlib import Path
from typing import Any

from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.errors import UserError
from fmbench.extraction.found import Bound, Extraction, FoundClaim, FoundMatrix, PrintedFigure
from fmbench.judging.known_claims import (
    RECIPE,
    REMARK,
    KnownClaim,
    find_known_claim,
    find_quoted_suites,
    find_row_model,
)
from fmbench.metrics.registry import METRICS
from fmbench.suites.claims import UNNAMED, Suite
from fmbench.suites.matching import CUT_MARK, LabelMatch
from fmbench.suites.reader import build_suite
from fmbench.suites.rounding import parse_figure
from fmbench.utils.formatting import join_words

MAX_LABEL = 120  # characters
MAX_CANDIDATES = 4  # models that a question names
# Every other figure of the whole test set is a source of its own: a column of its table.
NOT_A_COLUMN = ("accuracy", "error rate", "correct", "errors", "precision", "recall", "f1")
NEAR = 60.0  # score of a runner-up that a question names
QUOTIENT_DIGITS = 12  # decimals of a quotient of two counts that has no end
ERROR_RATE = "error rate"
# How a reader says that a figure in a column or a field of accuracies is no share. A whole number
# without a percent sign may be a count of images.
_NO_SHARE = re.compile(
    r"(?P<where>.+?): (?:not taken: )?accuracy (?P<value>-?(?:\d+(?:\.\d+)?%|\d+\.\d+)) is "
    r"(?:outside|out of range)\b"
)
_TABLE = re.compile(r"(?:page \d+, )?table\b", re.IGNORECASE)  # a source, also one of a PDF
# Names that say nothing of the model beside them: an ensemble of these models, a human, and what
# stands for a name that is not known: unnamed (91.2 %)
_OF_OTHER_MODELS = re.compile(
    r"(?:ensembles?|humans?|crowd workers?)\W*|unnamed \(.*\)", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True)
class Place:
    """Where an entry of a suite was found, and what is printed there.

    ``is_error_rate``: what is printed is an error rate, from which the accuracy was computed.
    """

    where: str
    printed: str = ""
    is_error_rate: bool = False
    sd: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.printed}" if self.printed else self.where

    @property
    def claim(self) -> str:
        """The claim as printed, with its spread: ``98.80``, ``error 1.2``, ``87.3 ± 0.2``."""
        text = self.printed.removesuffix("%").strip()
        if self.sd and self.sd.removesuffix("%") not in text and not text.endswith(")"):
            text += f" ± {self.sd.removesuffix('%').strip()}"
        return f"error {text}" if self.is_error_rate and text else text


@dataclass(frozen=True)
class ImpossibleFigure:
    """A printed accuracy that no images can give, such as one of 101.2 %; a suite cannot hold it.

    ``label`` is the name of its model; empty if it is not known.
    """

    where: str
    printed: str
    label: str = ""

    def __str__(self) -> str:
        name = f"{self.label} ({self.where})" if self.label else self.where
        is_negative = self.printed.startswith("-")
        limit = "below 0" if is_negative else "over 100 %"
        return f"{name}: an accuracy of {self.printed} is {limit}: it cannot be true"


@dataclass
class SuiteDraft:
    """The content of a suite's TOML file, with what a comment can say about its entries.

    ``places`` are by kind of entry (``row``, ``reported``, ``matrix``) and its position.
    ``matches`` says how the label of a row was matched, ``known`` are the published claims with the
    same figure, both by the position of the row. ``notes`` say what was not read or is not judged,
    and how the rest was read; ``impossible`` are printed accuracies that no suite can hold.
    """

    content: dict[str, Any]
    places: dict[tuple[str, int], Place] = field(default_factory=dict)
    matches: dict[int, LabelMatch] = field(default_factory=dict)
    known: dict[int, KnownClaim] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    impossible: list[ImpossibleFigure] = field(default_factory=list)

    def build(self, path: Path) -> Suite:
        """Build the suite; ``path`` is its name in messages.

        Raises:
            UserError: a figure is not valid.
        """
        return build_suite(self.content, path)


@dataclass
class _Model:
    """All figures of one model; ``label`` is unique."""

    label: str
    runner: str = ""
    accuracies: list[FoundClaim] = field(default_factory=list)
    figures: list[FoundClaim] = field(default_factory=list)
    matrices: list[FoundMatrix] = field(default_factory=list)


def list_labels(extractions: Iterable[Extraction]) -> list[str]:
    """List the labels of everything that was read, each once, without the empty one."""
    found = [e for extraction in extractions for e in _list_found(extraction)]
    return [label for label in dict.fromkeys(map(_get_label, found)) if label]


def build_draft(
    extractions: Sequence[Extraction],
    matches: Mapping[str, LabelMatch],
    *,
    model: str = "",
    mapped: Iterable[str] = (),
    title: str = "",
) -> SuiteDraft:
    """Build the content of a suite from what was read.

    ``matches`` are by label. A doubtful one is not used. ``model`` is the runner of the figures
    that name no model; they are of one model then, and so are the figures of a label that means
    this runner. ``mapped`` are the labels whose runner the user named.

    Raises:
        UserError: a figure is outside the range of its metric.
    """
    builder = _DraftBuilder(matches, model, frozenset(mapped))
    builder.choose_test_set(extractions)
    builder.find_labels_of_model(extractions)
    many = len(extractions) > 1
    for extraction in extractions:
        builder.add(extraction, prefix=f"{extraction.name}, " if many else "")
    names = join_words(dict.fromkeys(extraction.name for extraction in extractions), 3)
    return builder.finish(title or f"Claims read from {clean_line(names)}")


class _DraftBuilder:
    """Collects the models of all extractions, then writes their entries."""

    def __init__(
        self, matches: Mapping[str, LabelMatch], model: str, mapped: frozenset[str]
    ) -> None:
        self._matches, self._model, self._mapped = matches, model, mapped
        self._models: dict[str, _Model] = {}
        self._n_per_class: tuple[int, ...] = DEFAULT_DATASET.n_per_class
        self._is_test_set_said = False
        self._draft = SuiteDraft({})
        self._taken: set[tuple[str, str]] = set()  # place and label of each row
        self._same_model: tuple[str, ...] = ()  # labels of the model that the user named

    def choose_test_set(self, extractions: Sequence[Extraction]) -> None:
        """Take the class sizes that a document says; by default those of Fashion-MNIST."""
        said = [e.n_per_class for e in extractions if e.n_per_class]
        self._is_test_set_said = bool(said)
        self._n_per_class = said[0] if said else DEFAULT_DATASET.n_per_class

    # ------------------------------------------------------------ collecting

    def add(self, extraction: Extraction, prefix: str) -> None:
        """Add what one document says; ``prefix`` tells its tables from those of the others."""
        if not self._is_of_test_set(extraction):
            self._draft.notes.append(
                f"{extraction.name} is left out: its test set has other class sizes than that of "
                "the first document; judge it by itself"
            )
            return
        for note in map(clean_line, extraction.notes):
            if match := _NO_SHARE.match(note):
                self._add_impossible(match["value"], f"{prefix}{match['where']}")
            else:
                self._draft.notes.append(note)
        extraction = self._name_figures_of_text(extraction)
        numbers = _number_models(extraction, is_one_model=bool(self._model))
        n_unnamed = len({numbers[id(e)] for e in _list_found(extraction) if not _get_label(e)})
        if n_unnamed > 1:
            self._draft.notes.append(
                f"{extraction.name} has figures of {n_unnamed} models without a name, which are "
                "not compared with each other"
            )
        several = dict.fromkeys(
            label for (label, _), number in _number_tables(extraction).items() if number
        )
        if several:
            stands = "stands" if len(several) == 1 else "stand"
            self._draft.notes.append(
                f"{join_words(several, 3)} {stands} in several tables with different figures; "
                "these are taken for different settings, and are not compared with each other"
            )
        unnamed = f"{UNNAMED} of {clean_line(extraction.name)}" if prefix else UNNAMED
        for found in _list_found(extraction):
            model = self._find_model(found, numbers[id(found)], unnamed)
            moved = replace(found, source=clean_line(f"{prefix}{found.source}") or "text")
            if isinstance(moved, FoundMatrix):
                model.matrices.append(moved)
            else:
                self._add_claim(model, moved)

    def _is_of_test_set(self, extraction: Extraction) -> bool:
        return extraction.n_per_class in (None, self._n_per_class)

    def _add_impossible(self, value: str, where: str) -> None:
        printed = f"{value.removesuffix('%')} %" if value.endswith("%") else value
        figure = ImpossibleFigure(where, printed)
        self._draft.impossible.append(figure)
        self._draft.notes.append(str(figure))

    def _name_figures_of_text(self, extraction: Extraction) -> Extraction:
        """Give the figures without a name in a text the name of the only model in the document.

        A figure that the model has already with another value stays without a name.
        """
        found = _list_found(extraction)
        labels = {_get_label(entry) for entry in found} - {""}
        sources = {entry.source for entry in found if _get_label(entry)}
        if len(labels) != 1 or self._model:
            return extraction
        label = min(labels)
        if _OF_OTHER_MODELS.fullmatch(label):
            return extraction
        own = {_identify(claim)[1:-1]: claim.figure.value for claim in extraction.claims
               if _get_label(claim)}  # fmt: skip
        claims = tuple(
            replace(claim, label=label)
            if not _get_label(claim)
            and claim.source in sources
            and own.get(_identify(claim)[1:-1], claim.figure.value) == claim.figure.value
            else claim
            for claim in extraction.claims
        )
        if claims != extraction.claims:
            self._draft.notes.append(
                f"{clean_line(extraction.name)} names only {label}, so figures without a name "
                "beside it are taken as those of this model"
            )
        return replace(extraction, claims=claims)

    def find_labels_of_model(self, extractions: Sequence[Extraction]) -> None:
        """Find the labels of all documents that mean the model which the user named.

        If one table has two of them, they are two variants. It is not known then to which of them
        the figures without a name belong.
        """
        found = [
            (i, entry)
            for i, extraction in enumerate(extractions)
            if self._is_of_test_set(extraction)
            for entry in _list_found(extraction)
        ]
        if not self._model or all(_get_label(entry) for _, entry in found):
            return
        places: dict[tuple[int, str], dict[str, None]] = {}
        for i, entry in found:
            if (label := _get_label(entry)) and self._find_runner(entry) == self._model:
                places.setdefault((i, entry.source), {})[label] = None
        labels = tuple(dict.fromkeys(label for of_one in places.values() for label in of_one))
        if not labels or max(map(len, places.values())) > 1:
            return
        self._same_model = labels
        self._draft.notes.append(
            f"The figures without a name and those of {join_words(labels)} are compared as those "
            f"of one model (--model {self._model})"
        )

    def _find_runner(self, found: FoundClaim | FoundMatrix) -> str:
        """Return the runner of what was found; empty if there is none, or it is doubtful."""
        if not (label := _get_label(found)):
            return self._model
        match = self._matches.get(label)
        return match.runner if match and match.runner and not match.is_doubtful else ""

    def _find_model(self, found: FoundClaim | FoundMatrix, number: int, unnamed: str) -> _Model:
        label = _get_label(found)
        if self._same_model and (not label or label in self._same_model):
            label = self._same_model[0]
        name = label or self._model or unnamed
        name = f"{name} ({number + 1})" if number else name
        return self._models.setdefault(name, _Model(name, self._find_runner(found)))

    def _is_mapped(self, found: FoundClaim) -> bool:
        """Whether the user named the runner."""
        label = _get_label(found)
        return label in self._mapped if label else bool(self._model)

    def _add_claim(self, model: _Model, claim: FoundClaim) -> None:
        value = self._find_value(claim)
        if value is None:
            return
        if _is_number_of_right_images(claim):
            claim = replace(claim, metric="accuracy")
        try:
            parse_figure(value, claim.metric)
        except (KeyError, ValueError) as error:
            raise UserError(f"{clean_line(claim.where)}: {error}") from None
        claim = replace(claim, figure=replace(claim.figure, value=value, out_of=None))
        is_accuracy = (claim.metric, claim.class_, claim.average) == ("accuracy", None, None)
        kept = model.accuracies if is_accuracy and claim.folds == 1 else model.figures
        if claim.folds > 1:
            self._draft.notes.append(
                f"{model.label}: {claim.figure.printed} is the mean of {claim.folds} folds, not a "
                "figure of the test images, so no rerun is compared with it"
            )
            if not self._is_test_set_said:  # it may be of 60,000 or of 70,000 images
                return
        if all(_identify(claim) != _identify(other) for other in kept):
            kept.append(claim)

    def _find_value(self, claim: FoundClaim) -> str | None:
        """Return the figure as a suite takes it; None if it is about other images."""
        figure, n_images = claim.figure, sum(self._n_per_class)
        if figure.out_of is None:
            is_count = _is_number_of_right_images(claim)
            return _divide(figure.value, n_images) if is_count else figure.value
        if claim.class_ is None and figure.out_of != n_images:
            self._draft.notes.append(
                f"{clean_line(claim.where)}: {clean_line(figure.printed)} is about "
                f"{figure.out_of:,} images, the test set has {n_images:,}; it is not judged"
            )
            return None
        return _divide(figure.value, figure.out_of)

    # ------------------------------------------------------------ writing

    def finish(self, title: str) -> SuiteDraft:
        """Write the entries of all models."""
        draft = self._draft
        entries: dict[str, list[dict[str, Any]]] = {"row": [], "reported": [], "matrix": []}
        for model in self._models.values():
            _separate_error_rates(model)
            if not model.accuracies and (derived := _find_derived(model, self._n_per_class)):
                model.accuracies.append(derived)
        published = self._find_published_claims()
        quoted = find_quoted_suites(published.values())
        for model in self._models.values():
            for claim in model.accuracies:
                known = published.get(id(claim))
                is_quoted = known is not None and known.suite.name in quoted
                self._add_row(entries["row"], model, claim, known, is_quoted=is_quoted)
            for claim in model.figures:
                draft.places["reported", len(entries["reported"])] = _find_place(claim)
                entries["reported"].append(_build_figure(claim, model.label))
            for matrix in model.matrices:
                draft.places["matrix", len(entries["matrix"])] = Place(clean_line(matrix.where))
                entries["matrix"].append(_build_matrix(matrix, model.label))
        draft.content = {"title": title, "test_set": {"n_per_class": list(self._n_per_class)}}
        draft.content |= {kind: found for kind, found in entries.items() if found}
        grids = {known.grid.name: known.grid for known in draft.known.values() if known.grid}
        if grids:
            draft.content["grid"] = [_build_grid(grid) for grid in grids.values()]
        return draft

    def _find_published_claims(self) -> dict[int, KnownClaim]:
        """Find the published claims with the figures of the rows, by the ``id`` of the claim."""
        found = {
            id(claim): find_known_claim(
                _get_label(claim), _drop_percent_sign(claim.figure.value), model.runner,
                is_mapped=self._is_mapped(claim),
            )
            for model in self._models.values()
            for claim in model.accuracies
        }  # fmt: skip
        return {key: known for key, known in found.items() if known is not None}

    def _add_row(
        self,
        rows: list[dict[str, Any]],
        model: _Model,
        claim: FoundClaim,
        known: KnownClaim | None,
        *,
        is_quoted: bool,
    ) -> None:
        """Add a row; if the document quotes a published table, with what is known of its figure."""
        draft, i, value = self._draft, len(rows), _drop_percent_sign(claim.figure.value)
        runner = known.row.runner if known and not self._is_mapped(claim) else model.runner
        where = next(w for w in _list_places(claim) if (w, model.label) not in self._taken)
        self._taken.add((where, model.label))
        row = {"where": where, "label": model.label}
        row |= {"claimed": value} | find_row_model(runner)
        if known is not None and is_quoted and claim.figure.sd is None:
            row, draft.known[i] = row | known.list_facts(value), known
        elif runner:
            remark = f"{known.sentence} {REMARK}" if known else REMARK
            row |= {"recipe": RECIPE, "remark": remark}
        if (match := self._matches.get(_get_label(claim))) is not None:
            draft.matches[i] = match
        row |= _list_kind_of_figure(claim)
        row["remark"] = join_sentences([clean_line(claim.remark), row.get("remark", "")])
        draft.places["row", i] = _find_place(claim)
        rows.append({key: entry for key, entry in row.items() if entry != ""})


def clean_line(text: str) -> str:
    """Return a text on one line, without control characters, shortened if it is long."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if len(line) <= 4 * MAX_LABEL else f"{line[: 4 * MAX_LABEL].rstrip()}…"


# ---------------------------------------------------------------- which figures are of one model


def _list_found(extraction: Extraction) -> list[FoundClaim | FoundMatrix]:
    return [*extraction.claims, *extraction.matrices]


def _get_label(found: FoundClaim | FoundMatrix) -> str:
    """Return the label on one line; if it is long, its first words and a mark."""
    line = clean_line(found.label).strip()
    if len(line) <= MAX_LABEL:
        return line
    begin = line[: MAX_LABEL - len(CUT_MARK)]
    return f"{(begin.rpartition(' ')[0] or begin).rstrip()}{CUT_MARK}"


def join_sentences(texts: Iterable[str]) -> str:
    """Join texts as sentences: each begins with a capital letter and ends with a full stop."""
    found = [text.strip() for text in texts if text.strip()]
    return " ".join(
        text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
        for text in found
    )


def _number_models(extraction: Extraction, *, is_one_model: bool) -> dict[int, int]:
    """Number the models of each label; by the ``id`` of what was found. The first one is 0.

    A table that names two rows alike means two models, such as one classifier with two sets of
    parameters. So do two tables that print different figures of one metric under one label, as
    those of an ablation do. Inside one source an error rate is another metric than the accuracy. Of
    figures without a label, :func:`_number_sources` tells which are of one model.
    """
    of_sources = _number_sources(
        [e for e in _list_found(extraction) if not _get_label(e)], is_one_model=is_one_model
    )
    of_tables = _number_tables(extraction)
    n_tables: dict[str, int] = defaultdict(lambda: 1)
    for (label, _), number in of_tables.items():
        n_tables[label] = max(n_tables[label], number + 1)
    numbers: dict[int, int] = {}
    printed: dict[tuple[str, str, int], dict[object, str]] = {}
    for found in _list_found(extraction):
        label = _get_label(found)
        number = of_tables.get((label, found.source), 0) if label else of_sources[found.source]
        if isinstance(found, FoundClaim):
            key = *_identify(found)[1:-1], found.figure.is_error_rate
            while (
                printed.setdefault((found.source, label, number), {}).setdefault(
                    key, found.figure.value
                )
                != found.figure.value
            ):
                number += n_tables[label] if label else len(of_sources)
        numbers[id(found)] = number
    return numbers


def _number_tables(extraction: Extraction) -> dict[tuple[str, str], int]:
    """Number the settings of a label, by label and table: tables that differ in a figure differ."""
    tables: dict[str, dict[str, dict[object, str]]] = {}
    for claim in extraction.claims:
        if (label := _get_label(claim)) and _TABLE.match(claim.source):
            figures = tables.setdefault(label, {}).setdefault(claim.source, {})
            figures.setdefault(_identify(claim)[1:-1], claim.figure.value)
    numbers: dict[tuple[str, str], int] = {}
    for label, of_label in tables.items():
        settings: list[dict[object, str]] = []
        for source, figures in of_label.items():
            number = next(
                (i for i, known in enumerate(settings) if _agree(known, figures)), len(settings)
            )
            if number == len(settings):
                settings.append({})
            settings[number].update(figures)
            numbers[label, source] = number
    return numbers


def _agree(known: Mapping[object, str], figures: Mapping[object, str]) -> bool:
    return all(known.get(key, value) == value for key, value in figures.items())


def _number_sources(
    found: Sequence[FoundClaim | FoundMatrix], *, is_one_model: bool
) -> dict[str, int]:
    """Number the models that sources without a label are about.

    Two classification reports in one text are about two models, or about two parts of the data.
    They are told apart by their sources: "classification report 1", "classification report 2". As
    many matrices as reports belong to them in their order. It is not known to which of them a
    single other source belongs, so it is a model of its own.

    ``is_one_model``: the user says that they are about one model. Then only sources that print the
    same figure twice, such as two reports, are told apart.
    """
    kinds: dict[str, list[str]] = {}
    for source in dict.fromkeys(e.source for e in found):
        kinds.setdefault(re.sub(r"\d+", "", source).strip(" ,:"), []).append(source)
    groups = [
        [sources]
        if is_one_model and not _repeat_a_figure(found, sources)
        else [[s] for s in sources]
        for sources in kinds.values()
    ]
    n = max(map(len, groups), default=0)
    numbers: dict[str, int] = {}
    n_models = n
    for parts in groups:
        first = 0 if len(parts) == n else n_models
        numbers |= {source: first + i for i, sources in enumerate(parts) for source in sources}
        n_models = max(n_models, first + len(parts))
    return numbers


def _repeat_a_figure(found: Sequence[FoundClaim | FoundMatrix], sources: Sequence[str]) -> bool:
    """Whether two of the sources print the same figure, or a matrix."""
    printed: dict[object, set[str]] = {}
    for entry in found:
        if entry.source in sources:
            key = "matrix" if isinstance(entry, FoundMatrix) else _identify(entry)[1:-1]
            printed.setdefault(key, set()).add(entry.source)
    return any(len(places) > 1 for places in printed.values())


def _list_places(claim: FoundClaim) -> Iterator[str]:
    """Yield the source of a claim, then the source with what else is known of the claim.

    A table may print the mean and the best of several runs, which are two rows of one label.
    """
    yield claim.source
    if claim.best_of > 1 or claim.mean_of > 1:
        kind = f"best of {claim.best_of}" if claim.best_of > 1 else f"mean of {claim.mean_of}"
        yield f"{claim.source}, {kind}"
    exact = f"{claim.source}, {clean_line(claim.where)}"
    yield exact
    yield from (f"{exact} ({number})" for number in count(2))


# ---------------------------------------------------------------- figures


def _separate_error_rates(model: _Model) -> None:
    """Make an error rate beside an accuracy a figure of its own; alone it stands for the accuracy.

    Both are about one kind of run, so the check compares them.
    """
    beside = {_find_kind_of_run(c) for c in model.accuracies if not c.figure.is_error_rate}
    rates = [
        claim
        for claim in model.accuracies
        if claim.figure.is_error_rate and _find_kind_of_run(claim) in beside
    ]
    model.accuracies = [claim for claim in model.accuracies if claim not in rates]
    model.figures += rates


def _find_kind_of_run(claim: FoundClaim) -> tuple[int, int]:
    return claim.mean_of, claim.best_of


def _restore_error_rate(claim: FoundClaim) -> FoundClaim:
    """Return the claim of an error rate, instead of that of the accuracy which it stands for."""
    figure = claim.figure
    sign = "%" if figure.value.endswith("%") else ""
    accuracy = Decimal(figure.value.removesuffix("%"))
    rate = (100 if sign or accuracy > 1 else 1) - accuracy
    bound: Bound = "at least" if figure.bound == "at most" else "at most" if figure.bound else ""
    return replace(
        claim, metric=ERROR_RATE, figure=replace(figure, value=f"{rate:f}{sign}", bound=bound)
    )


def _is_number_of_right_images(claim: FoundClaim) -> bool:
    return claim.metric == "correct" and claim.class_ is None


def _drop_percent_sign(value: str) -> str:
    """Return an accuracy without its percent sign, if that means the same."""
    bare = value.removesuffix("%").strip()
    with_sign, without = (parse_figure(text, "accuracy") for text in (value, bare))
    return bare if with_sign.as_tuple() == without.as_tuple() else value


def _divide(count: str, n: int) -> str:
    """Return a quotient of two counts, with all its decimals if they end, and not fewer than n has.

    A count is exact: 9,000 of 10,000 is 0.9000, not 0.9.
    """
    with localcontext() as context:
        context.prec = QUOTIENT_DIGITS
        quotient = Decimal(count) / n
        exponent = quotient.as_tuple().exponent
        decimals = max(len(str(n)) - 1, -int(exponent))
        return f"{quotient:.{decimals}f}"


def _identify(claim: FoundClaim) -> tuple[object, ...]:
    return (
        claim.source, claim.metric, claim.class_, claim.average, claim.predicted_as,
        claim.mean_of, claim.best_of, claim.folds, claim.figure.value,
    )  # fmt: skip


def _find_place(claim: FoundClaim) -> Place:
    figure = claim.figure
    return Place(
        clean_line(claim.where), clean_line(figure.printed), figure.is_error_rate, figure.sd
    )


def _list_kind_of_figure(claim: FoundClaim) -> dict[str, Any]:
    """Return the keys that say what kind of figure it is: a mean, the best, a bound, a spread."""
    figure = claim.figure
    kind: dict[str, Any] = {}
    if claim.folds > 1:
        kind["folds"] = claim.folds
        if claim.metric != "accuracy":  # folds that are not stratified change every other metric
            kind["fold_sizes"] = "unknown"
    elif claim.mean_of > 1:
        kind["mean_of"] = claim.mean_of
    elif claim.best_of > 1 and claim.metric == "accuracy":
        kind["best_of"] = claim.best_of
    found = dict(kind)
    if figure.sd is not None and ("mean_of" in kind or "folds" in kind):
        found["sd"] = figure.sd
    if figure.bound:
        found["bound"] = figure.bound
    return found


def _build_figure(claim: FoundClaim, of: str) -> dict[str, Any]:
    where = clean_line(claim.source)
    if claim.figure.is_error_rate and claim.metric == "accuracy":
        where = f"{where}, {METRICS[ERROR_RATE].title}"
        if claim.best_of == 1:  # a suite has the best of several runs only as an accuracy
            claim = _restore_error_rate(claim)
    if claim.class_ is None and claim.average is None and claim.metric not in NOT_A_COLUMN:
        title = METRICS[claim.metric].title
        where = where if where.endswith(title) else f"{where}, {title}"
    entry = {
        "where": where, "of": of, "metric": claim.metric, "class": claim.class_,
        "predicted_as": claim.predicted_as, "average": claim.average,
        "value": claim.figure.value,
    }  # fmt: skip
    entry |= _list_kind_of_figure(claim)
    entry["remark"] = clean_line(claim.remark)
    return {key: value for key, value in entry.items() if value not in (None, "")}


def _build_matrix(matrix: FoundMatrix, of: str) -> dict[str, Any]:
    rows: list[list[Any]] = (
        [list(row) for row in matrix.rows]
        if matrix.is_shares
        else [[int(Decimal(cell)) for cell in row] for row in matrix.rows]
    )
    entry: dict[str, Any] = {"where": clean_line(matrix.source), "of": of, "rows": rows}
    return entry | ({"shares": True} if matrix.is_shares else {})


def _build_grid(grid: Any) -> dict[str, Any]:
    entry = {"name": grid.name, "suite": grid.suite, "estimator": grid.estimator}
    entry |= {"labels": list(grid.labels)}
    return {key: value for key, value in entry.items() if value}


# ---------------------------------------------------------------- accuracies that follow


def _find_derived(model: _Model, n_per_class: Sequence[int]) -> FoundClaim | None:
    """Find the accuracy that a matrix has, or that equals another printed figure."""
    for matrix in model.matrices:
        if (value := _compute_accuracy(matrix, n_per_class)) is not None:
            return _make_accuracy(matrix, value, "This is the accuracy of the confusion matrix.")
    is_balanced = len(set(n_per_class)) == 1
    for claim in model.figures:
        if claim.class_ is not None or claim.folds > 1 or claim.metric == "accuracy":
            continue
        if METRICS[claim.metric].is_accuracy(claim.average, is_balanced=is_balanced):
            name = " ".join(filter(None, [claim.average, claim.metric]))
            return replace(
                claim,
                metric="accuracy",
                average=None,
                remark=f"The {name}, which equals the accuracy on this test set.",
            )
    return None


def _compute_accuracy(matrix: FoundMatrix, n_per_class: Sequence[int]) -> str | None:
    """Compute the accuracy of a matrix; None for shares, whose accuracy is not exact."""
    if matrix.is_shares or len(matrix.rows) != len(n_per_class):
        return None
    rows = [[int(Decimal(cell)) for cell in row] for row in matrix.rows]
    if [sum(row) for row in rows] != list(n_per_class):
        return None
    return _divide(str(sum(row[i] for i, row in enumerate(rows))), sum(n_per_class))


def _make_accuracy(matrix: FoundMatrix, value: str, remark: str) -> FoundClaim:
    return FoundClaim(
        matrix.label, "accuracy", PrintedFigure(value, value), matrix.source, matrix.where,
        remark=remark,
    )  # fmt: skip


# ---------------------------------------------------------------- the file


def describe_documents(extractions: Sequence[Extraction]) -> str:
    """Say what was read: ``results.md (a Markdown table)``."""
    return join_words([f"{clean_line(e.name)} ({e.kind})" for e in extractions], 5)


def write_suite_text(draft: SuiteDraft, read_from: str) -> str:
    """Write a draft as a TOML file, with a comment on each entry that says where it was found.

    ``read_from`` says what was read, such as ``a Markdown table in results.md``.
    """
    content = dict(draft.content)
    lines = [
        f"# Written by `fmbench suite import` from {clean_line(read_from)}.",
        "# Each figure is a string, as printed. The guide to all keys is benchmarks/README.md of",
        "# fmbench. `fmbench judge FILE` judges this file; `fmbench check FILE` is the arithmetic.",
        *(f"# Note: {note}" for note in draft.notes),
        "",
        f"title = {_format_value(content.pop('title'))}",
        "",
        "[test_set]",
        f"n_per_class = {_format_value(content.pop('test_set')['n_per_class'])}",
    ]
    for kind, entries in content.items():
        for i, entry in enumerate(entries):
            lines += ["", *_write_comment(draft, kind, i), f"[[{kind}]]"]
            lines += [_format_key(key, value) for key, value in entry.items()]
            if kind == "row" and i in draft.matches and draft.matches[i].is_doubtful:
                lines += [] if _has_model(entry) else _write_question(draft.matches[i])
    return "\n".join(lines) + "\n"


def _write_comment(draft: SuiteDraft, kind: str, i: int) -> list[str]:
    place = draft.places.get((kind, i))
    return [f"# {place}"] if place else []


def _has_model(row: Mapping[str, Any]) -> bool:
    return "runner" in row or "estimator" in row


def _write_question(match: LabelMatch) -> list[str]:
    """Write the runners that a label may mean, as comments; none of them is used."""
    names = list_candidates(match)
    models = [find_row_model(name) for name in names[:MAX_CANDIDATES]]
    more = f" The first {len(models)} of {len(names)}:" if len(names) > len(models) else ""
    return [
        f"# Which model is “{clean_line(match.label)}”? It is not sure: {clean_line(match.why)}.",
        f"# Remove the # before what is right.{more}",
        *(f"# {_format_key(key, value)}" for model in models for key, value in model.items()),
    ]


def list_candidates(match: LabelMatch) -> list[str]:
    """List the runners that a label may mean, the best guess first."""
    is_near = match.runner_up is not None and match.runner_up[1] >= NEAR
    runner_up = [match.runner_up[0]] if match.runner_up and is_near else []
    return [n for n in dict.fromkeys([match.runner, *match.alternatives, *runner_up]) if n]


def _format_key(key: str, value: Any) -> str:
    if key == "rows":  # of a matrix: a line for each row
        return "\n".join(["rows = [", *(f"    {_format_value(row)}," for row in value), "]"])
    return f"{key} = {_format_value(value)}"


def _format_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(_CONTROL.sub(" ", value), ensure_ascii=False)
    if isinstance(value, dict):
        inside = ", ".join(f"{_format_name(k)} = {_format_value(v)}" for k, v in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_format_value, value))}]"
    return repr(value)


def _format_name(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)
