"""Judges claims by what is measured already; nothing is run.

The verdicts are those of :mod:`fmbench.analysis.table_verdicts`, from the accuracies of each seed
that travel with fmbench, or that the user has measured. The arithmetic is that of
:mod:`fmbench.consistency`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fmbench import runners
from fmbench.analysis.evaluation import JudgedRow, judge_suite
from fmbench.analysis.reference import REFERENCE_RESULTS
from fmbench.analysis.summary import Status, Summary
from fmbench.analysis.table_verdicts import Grids, judge_on_todays_images, load_grids
from fmbench.analysis.verdicts import ALPHA, FEWEST_SEEDS, MARGIN, Verdict, VerdictKind
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.errors import UserError
from fmbench.extraction.found import Extraction
from fmbench.judging.known_claims import (
    RECIPE,
    REMARK,
    KnownClaim,
    find_known_row,
    find_source_rows,
)
from fmbench.judging.measurements import Measurements, load_measurements
from fmbench.judging.named_models import find_mapped_models, find_model
from fmbench.judging.suite_builder import (
    ERROR_RATE,
    ImpossibleFigure,
    Place,
    SuiteDraft,
    build_draft,
    list_labels,
)
from fmbench.metrics.registry import METRICS
from fmbench.records.protocols import FULL
from fmbench.suites.claims import Matrix, ReportedFigure, Row, Suite
from fmbench.suites.configurations import find_row_runner
from fmbench.suites.labels import parse_label, simplify
from fmbench.suites.ladder import Ladder, LadderPlace, load_ladder
from fmbench.suites.matching import (
    LabelMatch,
    describe_configuration,
    list_configurations,
    match_labels,
)
from fmbench.suites.rounding import Interval, compute_interval, parse_figure, parse_share
from fmbench.suites.sources import collect_figures, is_about_the_test_set
from fmbench.utils.formatting import format_interval, format_number_of, join_words

if TYPE_CHECKING:
    import pandas as pd

    from fmbench.consistency.check import ConsistencyResult

AGAINST = frozenset({VerdictKind.CLAIM_HIGHER, VerdictKind.CLAIM_LOWER, VerdictKind.MISQUOTED})
MAX_CHECK_WORK = 1500.0  # about a second; `fmbench check` takes more
N_NEAREST = 2  # of fmbench's rows, for a claim without a runner
# Configurations of one classifier differ by so much or more; fmbench has measured only some.
NAME_MARGIN = 0.02
# Where only one is measured, others may get far less: HOG with larger cells and a linear SVM.
ONLY_NAME_MARGIN = 0.06
PUBLISHED = "stand in published tables, and are judged by what is known of these"
CELL = "cell"
MAX_LABELS = 4  # that a note names
# The columns of a judgement that a notebook shows.
SHORT_COLUMNS = ["label", "claimed", "mean", "sd", "n", "verdict", "runner"]
# Of the description of a claim, what does not fit into a cell of a data frame.
_NESTED = frozenset({"accuracies", "match", "ladder", "nearest"})


@dataclass(frozen=True)
class ReadInput:
    """What was read: the name of the input, its kind, and how many claims and matrices it has."""

    name: str
    kind: str
    n_claims: int
    n_matrices: int = 0
    claims: tuple[tuple[str, str], ...] = ()  # label, and the place with what is printed there


@dataclass(frozen=True)
class JudgedClaim:
    """One claimed accuracy with everything that can be said of it.

    ``judged`` has the claim, the measurement and the verdict. ``place`` says where the document
    prints it. ``match`` says how the label became a runner; None if the suite names the runner, or
    nothing names a model. ``configuration`` describes what was measured. ``ladder`` says where the
    figure stands among published ones, ``nearest`` which of fmbench's rows have such an accuracy.
    ``exceeds_checked``: it is more than the margin above every result that a third party checked.
    ``seeds`` is the number of seeds that would decide: 0 for the default number, None if no run
    would. ``as_today``: the verdict on a claim of other images if it were about today's. ``known``
    is the published claim whose facts count, because the document quotes its table.
    """

    judged: JudgedRow
    place: Place | None = None
    match: LabelMatch | None = None
    configuration: str = ""
    ladder: LadderPlace | None = None
    nearest: tuple[Summary, ...] = ()
    exceeds_checked: bool = False
    seeds: int | None = None
    as_today: Verdict | None = None
    known: KnownClaim | None = None

    @property
    def printed(self) -> str:
        """The claim as the document prints it, without a percent sign; empty if there is none."""
        printed = self.place.claim if self.place else ""
        return printed or (self.judged.row.claimed or "")

    @property
    def is_matched_by_name(self) -> bool:
        """Whether only the name of the model is known, and not its recipe."""
        return self.judged.row.remark.endswith(REMARK)

    @property
    def has_model(self) -> bool:
        """Whether it is known which model the claim is about."""
        return self.judged.status is not Status.NO_RUNNER

    @property
    def match_is_doubtful(self) -> bool:
        """Whether it is a question which model the claim is about."""
        return self.match is not None and self.match.is_doubtful

    @property
    def speaks_against(self) -> bool:
        """Whether this claim alone has a problem.

        A claim below the measured configuration has none if only the model's name is known: many
        other configurations get less.
        """
        kind = self.judged.verdict.kind
        if kind is VerdictKind.CLAIM_LOWER and self.is_matched_by_name:
            return False
        return kind in AGAINST or self.exceeds_checked


@dataclass(frozen=True)
class FigureComparison:
    """A figure besides the accuracy, beside what was measured of the same model.

    ``class_`` is None for a figure of the whole test set. ``claimed`` is as printed; ``measured``
    has the value of each seed, as a fraction or in the unit of the metric.
    """

    metric: str
    class_: int | None
    average: str | None
    predicted_as: int | None
    claimed: str
    measured: tuple[float, ...]


@dataclass(frozen=True)
class ModelComparison:
    """The figures of one model that are not its accuracy, beside those of a runner."""

    label: str
    runner: str
    figures: tuple[FigureComparison, ...]


@dataclass(frozen=True)
class Judgement:
    """Everything that can be said of the claims of some documents without running a model.

    ``comparisons`` has the figures that are not accuracies of the whole test set. ``consistency``
    is None if no two figures can be compared. ``origin`` says what the claims were compared with.
    ``reading`` are those of the ``notes`` that say what was not read or is not judged, and how the
    rest was read. ``impossible`` are printed accuracies that cannot be true.
    """

    suite: Suite
    inputs: tuple[ReadInput, ...]
    claims: tuple[JudgedClaim, ...]
    comparisons: tuple[ModelComparison, ...]
    consistency: ConsistencyResult | None
    notes: tuple[str, ...]
    origin: str
    margin: float = MARGIN
    alpha: float = ALPHA
    results: Path | None = None
    arguments: tuple[str, ...] = ()  # what a user types to name the same documents
    options: tuple[str, ...] = ()  # and to have them judged the same way
    reading: tuple[str, ...] = ()
    impossible: tuple[ImpossibleFigure, ...] = ()

    @property
    def rows(self) -> list[JudgedRow]:
        """The judged rows, in the order of the document."""
        return [claim.judged for claim in self.claims]

    @property
    def questions(self) -> list[JudgedClaim]:
        """The claims whose label may mean a runner, but which one is not sure."""
        return [claim for claim in self.claims if claim.match_is_doubtful]

    @property
    def contradictory(self) -> bool:
        """Whether the printed figures contradict each other."""
        return self.consistency is not None and self.consistency.contradictory

    @property
    def speaks_against(self) -> bool:
        """Whether anything speaks against the claims."""
        return (
            self.contradictory
            or bool(self.impossible)
            or any(claim.speaks_against for claim in self.claims)
        )

    @property
    def answer(self) -> str:
        """The answer to all claims in a few words."""
        if self.speaks_against:
            return "something speaks against the claims"
        claims = [claim for claim in self.claims if claim.judged.row.claimed]
        if claims and all(claim.judged.mean is None for claim in claims):
            return "none of the claims could be compared with a measurement"
        return "nothing speaks against the claims"

    def __repr__(self) -> str:
        names = ", ".join(read.name for read in self.inputs)
        count = format_number_of(len(self.claims), "claim")
        return f"<Judgement of {names}: {count}; {self.answer}; to_frame() has the claims>"

    def _repr_html_(self) -> str:
        return self.to_frame()[SHORT_COLUMNS].to_html()

    def to_frame(self) -> pd.DataFrame:
        """One row for each claimed accuracy, in the order of the document.

        The columns are those of :meth:`fmbench.Results.to_frame`, and ``claimed_as_printed``,
        ``found`` (where the document prints it), ``configuration`` (what was measured of this
        model, empty if nothing was) and ``speaks_against``. Accuracies are fractions in [0, 1].
        """
        import pandas as pd

        claims = map(_describe_claim, self.claims)
        return pd.DataFrame(
            [{key: claim[key] for key in claim if key not in _NESTED} for claim in claims]
        )

    def as_json(self) -> dict[str, Any]:
        """Return everything for ``json.dumps``; accuracies are fractions in [0, 1]."""
        return {
            "verdict": self.answer,
            "title": self.suite.title,
            "inputs": [
                {"name": i.name, "kind": i.kind, "claims": i.n_claims, "matrices": i.n_matrices}
                for i in self.inputs
            ],
            "n_per_class": list(self.suite.n_per_class),
            "measurements": self.origin, "margin": self.margin, "alpha": self.alpha,
            "claims": [_describe_claim(claim) for claim in self.claims],
            "figures": [
                {
                    "where": f.where, "of": f.of, "metric": f.metric, "class": f.class_,
                    "average": f.average, "predicted_as": f.predicted_as, **f.describe_value(),
                }
                for f in self.suite.reported
            ],
            "matrices": [
                {"where": m.where, "of": m.of, "rows": _parse_rows(m), "shares": m.shares}
                for m in self.suite.matrices
            ],
            "comparisons": [_describe_comparison(model) for model in self.comparisons],
            "consistency": _describe_consistency(self.consistency),
            "impossible": [
                {"where": f.where, "of": f.label or None, "claimed_as_printed": f.printed}
                for f in self.impossible
            ],
            "notes": list(self.notes),
        }  # fmt: skip


def judge_documents(
    documents: Sequence[Extraction] | Suite,
    *,
    mapping: Sequence[str] = (),
    model: str = "",
    results: Path | None = None,
    rounding: str = "nearest",
    margin: float = MARGIN,
    alpha: float = ALPHA,
    arguments: tuple[str, ...] = (),
    options: tuple[str, ...] = (),
) -> Judgement:
    """Judge what was read from one or more documents, or a suite, by what is measured already.

    ``mapping``: texts ``LABEL=RUNNER`` that say which runner a label means; ``model``: the runner
    of the figures that name no model. ``results``: a results folder of the user's; by default
    fmbench's own measurements count. ``rounding``: how the figures were shortened, for the check.
    ``arguments``: what names the documents on the command line; ``options``: the other words there.

    Raises:
        UserError: a figure or a name is not valid, or the results folder has no measurements.
    """
    if isinstance(documents, Suite):
        if model:
            raise UserError(
                f"{documents.path}: --model is for figures without a name; a suite names its models"
            )
        suite, matches = _match_rows(documents, mapping)
        n = len(suite.rows) + len(suite.reported)
        inputs = [ReadInput(suite.path.name, "suite", n, len(suite.matrices))]
        notes: list[str] = []
        impossible: list[ImpossibleFigure] = []
        places: dict[int, Place] = {}
    else:
        draft = draft_suite(documents, mapping=mapping, model=model)
        suite, matches = draft.build(Path(documents[0].name)), draft.matches
        impossible = draft.impossible
        repeated = set(map(str, impossible))
        notes = [note for note in draft.notes if note not in repeated]
        inputs = list(map(_describe_input, documents))
        places = {i: place for (kind, i), place in draft.places.items() if kind == "row"}
    measurements, ladder = load_measurements(results), load_ladder()
    named = {*find_mapped_models(mapping).values(), *([find_model(model)] if model else [])}
    rows = _judge_rows(suite, measurements, results, margin, alpha, named)
    as_today = judge_on_todays_images(
        [row.row for row in rows],
        {row.runner: row.summary for row in rows},
        [row.verdict for row in rows],
        margin=margin,
        alpha=alpha,
    )
    claims = tuple(
        _build_claim(
            row,
            places.get(i),
            matches.get(i),
            measurements,
            ladder,
            margin,
            is_same_test_set=suite.n_per_class == DEFAULT_DATASET.n_per_class,
            as_today=as_today[i],
        )
        for i, row in enumerate(rows)
    )
    about_claims = list(_list_notes(suite, claims))
    return Judgement(
        suite,
        tuple(inputs),
        claims,
        tuple(_compare_figures(suite, measurements)),
        _check(suite, rounding),
        tuple(dict.fromkeys([*about_claims, *measurements.notes, *notes])),
        measurements.origin,
        margin,
        alpha,
        results,
        arguments,
        options,
        tuple(dict.fromkeys(notes)),
        tuple(impossible),
    )


def draft_suite(
    extractions: Sequence[Extraction], *, mapping: Sequence[str] = (), model: str = ""
) -> SuiteDraft:
    """Match the labels with runners, and build the content of a suite.

    Raises:
        UserError: a name is not known, or a figure is not valid.
    """
    labels, named = list_labels(extractions), find_mapped_models(mapping)
    matches = {match.label: match for match in match_labels(labels, named)}
    said = {simplify(label) for label in named}
    draft = build_draft(
        extractions,
        matches,
        model=find_model(model) if model else "",
        mapped=[label for label in labels if simplify(label) in said],
    )
    if not any(kind in draft.content for kind in ("row", "reported", "matrix")):
        raise UserError(
            f"{extractions[0].name}: no figure that can be judged was found"
            + (f" ({draft.notes[0]})" if draft.notes else "")
        )
    return draft


# ---------------------------------------------------------------- names


def _match_rows(suite: Suite, mapping: Sequence[str]) -> tuple[Suite, dict[int, LabelMatch]]:
    """Apply what the user said to a suite's rows, and match the labels that have no runner.

    The suite decides: a match that it does not name is only a question.
    """
    named = find_mapped_models(mapping)
    said = {simplify(label) for label in named}
    matches = dict(enumerate(match_labels([row.label for row in suite.rows], named)))
    rows = tuple(
        msgspec.structs.replace(
            row, runner=matches[i].runner or "", estimator="", parameters={}, recipe=RECIPE
        )
        if simplify(row.label) in said
        else row
        for i, row in enumerate(suite.rows)
    )
    return replace(suite, rows=rows), {
        i: replace(match, is_doubtful=match.runner is not None)
        for i, match in matches.items()
        if not rows[i].runner
    }


# ---------------------------------------------------------------- verdicts


def _judge_rows(
    suite: Suite,
    measurements: Measurements,
    results: Path | None,
    margin: float,
    alpha: float,
    named: Collection[str],
) -> list[JudgedRow]:
    """Judge the rows of a suite by the rules of a table; the user named the models ``named``."""
    known = runners.load_runners()
    summaries = {
        row.runner: measurements.find(row.runner) or Summary(row.runner, Status.NOT_RUN)
        for row in suite.rows
        if find_row_runner(row, known)
        or row.estimator
        or row.runner in named
        or measurements.find(row.runner)
    }
    # They claim nothing: a misquoted figure may be that of another row of its source.
    context = find_source_rows(suite.rows)
    judged = judge_suite(
        replace(suite, rows=(*suite.rows, *context)),
        summaries,
        summaries,
        FULL,
        margin=margin,
        alpha=alpha,
        grids=_load_grids(suite, summaries, results),
    )
    labels = {row.label for row in suite.rows}
    return [
        _judge_name(row, _drop_number(row.label, labels), measurements)
        for row in judged[: len(suite.rows)]
    ]


def _drop_number(label: str, labels: Collection[str]) -> str:
    """Return a label without the number that tells it from the same label: ``SVC (2)``."""
    plain = re.sub(r" \(\d+\)$", "", label)
    return plain if plain in labels else label


def _judge_name(row: JudgedRow, label: str, measurements: Measurements) -> JudgedRow:
    """Call a claim untestable if another configuration with the model's name may have given it.

    This is only for claims of which no more than the name is known; ``label`` is that name.
    """
    differs = row.verdict.kind in (VerdictKind.CLAIM_HIGHER, VerdictKind.CLAIM_LOWER)
    if not differs or not row.row.remark.endswith(REMARK) or row.claimed is None:
        return row
    if reason := _find_reading(row, label, measurements):
        return replace(row, verdict=Verdict(VerdictKind.UNTESTABLE, reason=reason))
    names = list_configurations(label, row.runner)
    found = [summary.mean for name in names if (summary := measurements.find(name))]
    means = [mean for mean in found if mean is not None]
    if not means or (len(names) < 2 and not _has_only_name(row, label, measurements)):
        return row
    lowest = min(means) - (NAME_MARGIN if len(names) > 1 else ONLY_NAME_MARGIN)
    if not lowest <= row.claimed <= max(means) + NAME_MARGIN:
        return row
    range_ = format_interval(min(means), max(means))
    if len(names) < 2:
        measured = "only one with this name is measured, with"
    elif len(means) == len(names):
        measured = f"the {len(names)} with this name get"
    else:
        measured = f"{len(means)} of the {len(names)} with this name are measured, with"
    reason = f"recipe not stated; {measured} {range_} %"
    return replace(row, verdict=Verdict(VerdictKind.UNTESTABLE, reason=reason))


def _has_only_name(row: JudgedRow, label: str, measurements: Measurements) -> bool:
    """Whether a claim beside the only configuration with its name may be of another one.

    It is not if the label states a parameter, or if readings of the recipe are measured. A claim
    below it is not either, unless the name leaves open which classifier it is.
    """
    parsed = parse_label(label)
    if parsed.explain(parsed.words)[0] or row.runner in measurements.readings:
        return False
    return row.verdict.kind is VerdictKind.CLAIM_HIGHER or _has_open_classifier(label)


def _has_open_classifier(label: str) -> bool:
    """Whether the last part of a name means several models by itself: ``HOG + SVM``."""
    *before, last = re.split(r"\s*[+&/]\s*|\s+(?:with|and)\s+(?:an?\s+)?", label)
    return bool(before) and any(match.is_doubtful for match in match_labels([last], {}))


def _find_reading(row: JudgedRow, label: str, measurements: Measurements) -> str:
    """Say that readings of the recipe explain a claim below it; empty if they do not.

    Only the better half of them counts: a paper does not print what hardly learned.
    """
    range_ = measurements.readings.get(row.runner)
    is_lower = row.verdict.kind is VerdictKind.CLAIM_LOWER
    if range_ is None or not is_lower or row.claimed is None or row.claimed < range_.median:
        return ""
    parsed = parse_label(label)
    if parsed.explain(parsed.words)[0]:  # the label states a parameter, so it is one reading
        return ""
    found = format_interval(range_.median, range_.highest)
    return (
        f"recipe not stated; of {range_.n} combinations of what a paper may leave open, half get "
        f"{found} %"
    )


def _load_grids(suite: Suite, summaries: Mapping[str, Summary], results: Path | None) -> Grids:
    """Load the grids of claims that a rerun can test; to simulate one takes time."""
    tested = tuple(row for row in suite.rows if row.images == "today" and row.claimed)
    if not any(row.picked == "best of a grid" for row in tested):
        return {}
    return load_grids(
        replace(suite, rows=tested), results or REFERENCE_RESULTS, summaries,
        is_reference=results is None,
    )  # fmt: skip


def _build_claim(
    row: JudgedRow,
    place: Place | None,
    match: LabelMatch | None,
    measurements: Measurements,
    ladder: Ladder,
    margin: float,
    *,
    is_same_test_set: bool,
    as_today: Verdict | None = None,
) -> JudgedClaim:
    claimed = row.claimed
    is_about_today = is_same_test_set and is_about_the_test_set(row.row)
    has_runner = row.status is not Status.NO_RUNNER
    place_on_ladder = ladder.place(claimed) if claimed is not None and is_about_today else None
    return JudgedClaim(
        judged=row,
        place=place,
        match=None if match is None or (match.is_doubtful and row.runner) else match,
        configuration=describe_configuration(row.runner) if has_runner else "",
        ladder=place_on_ladder,
        nearest=tuple(measurements.find_nearest(claimed, N_NEAREST))
        if claimed is not None and not has_runner
        else (),
        exceeds_checked=place_on_ladder is not None
        and row.row.bound != "at most"
        and ladder.exceeds_checked(place_on_ladder.accuracy, margin),
        seeds=_find_seeds(row) if has_runner and is_about_today else None,
        as_today=as_today,
        known=None if row.row.remark.endswith(REMARK) else find_known_row(row.row),
    )


def _find_seeds(row: JudgedRow) -> int | None:
    """The number of seeds that would decide a claim; 0 for the default, None if no run would."""
    verdict, summary = row.verdict, row.summary
    if row.claimed is None or row.row.recipe == "not stated" or row.misquote:
        return None
    if verdict.kind is VerdictKind.MORE_SEEDS:
        return verdict.seeds_needed
    if summary.status is not Status.MEASURED:
        return 0
    has_few = not summary.deterministic and summary.n < FEWEST_SEEDS
    return FULL.default_seeds if has_few else None


# ---------------------------------------------------------------- arithmetic


def _check(suite: Suite, rounding: str) -> ConsistencyResult | None:
    """Check whether the figures can be true together.

    None if no model has two of them of these images, and none has a spread. A claim or an error
    rate that no number of right images gives is left out. It gets a note.
    """
    n_images = sum(suite.n_per_class)
    rows = tuple(
        msgspec.structs.replace(row, claimed=None, half_unit=None)
        if _is_impossible_figure(row, n_images)
        else row
        for row in suite.rows
    )
    reported = tuple(f for f in suite.reported if not _is_impossible_rate(f, n_images))
    suite = replace(suite, rows=rows, reported=reported)
    if not suite.matrices and not collect_figures(suite)[0]:
        return None  # all are about other images
    if not suite.reported and not suite.matrices:
        labels = [row.label for row in suite.rows if row.claimed is not None]
        has_spread = any(row.sd is not None for row in suite.rows if row.claimed is not None)
        if len(set(labels)) == len(labels) and not has_spread:
            return None
    from fmbench.consistency.check import check_consistency
    from fmbench.consistency.solver import silence_solver_output

    silence_solver_output()
    return check_consistency(suite, rounding, find_implied=False, brief=True, work=MAX_CHECK_WORK)


def _compare_figures(suite: Suite, measurements: Measurements) -> Iterator[ModelComparison]:
    """Put each figure that is not an accuracy beside the measurements of its model."""
    if suite.n_per_class != DEFAULT_DATASET.n_per_class:
        return
    entries: dict[str, list[ReportedFigure | Matrix]] = {}
    all_entries: list[ReportedFigure | Matrix] = [*suite.reported, *suite.matrices]
    for entry in all_entries:
        if entry.of:
            entries.setdefault(entry.of, []).append(entry)
    for of, found in entries.items():
        runner = _find_runner(of, suite, measurements)
        confusions = measurements.confusion_matrices(runner) if runner else None
        if confusions is None or not len(confusions):
            continue
        has_recalls = any(
            isinstance(entry, ReportedFigure) and entry.metric == "recall" for entry in found
        )
        figures = [
            figure
            for entry in found
            if not (has_recalls and isinstance(entry, Matrix))
            for figure in _compare(entry, confusions)
        ]
        if figures:
            label = next((row.label for row in suite.rows if of in (row.label, row.runner)), of)
            yield ModelComparison(label, runner, tuple(dict.fromkeys(figures)))


def _find_runner(of: str, suite: Suite, measurements: Measurements) -> str:
    """Find the runner of the model that figures name by its label or by its runner."""
    for row in suite.rows:
        if of in (row.label, row.runner) and row.runner:
            return row.runner
    return of if measurements.find(of) else ""


def _compare(entry: ReportedFigure | Matrix, confusions: Any) -> Iterator[FigureComparison]:
    """Compare one figure, or the recalls of a matrix, with the confusion matrices of the seeds."""
    from fmbench.metrics.compute import compute_class_metrics

    if isinstance(entry, Matrix):
        if entry.shares or len(entry.rows) != len(confusions[0]):
            return
        recalls = compute_class_metrics(confusions)["recall"]
        for k, row in enumerate(entry.rows):
            share = Fraction(int(row[k]), max(1, sum(map(int, row))))
            values = tuple(float(v) for v in recalls[:, k])
            yield FigureComparison("recall", k, None, None, f"{float(share):.3f}", values)
        return
    values = _measure(entry, confusions)
    if values:
        yield FigureComparison(
            entry.metric, entry.class_, entry.average, entry.predicted_as, entry.value, values
        )


def _measure(figure: ReportedFigure, confusions: Any) -> tuple[float, ...]:
    """Compute a figure of each seed from its confusion matrix; nothing if it takes more."""
    from fmbench.metrics.compute import compute_class_metrics, compute_overall_value

    metric, k = METRICS[figure.metric], figure.class_
    if k is not None and k >= len(confusions[0]):
        return ()
    if metric.name == CELL:
        if k is None or figure.predicted_as is None:
            return ()
        return tuple(float(v) for v in confusions[:, k, figure.predicted_as])
    if metric.class_fraction is not None:
        values = compute_class_metrics(confusions)[metric.name]
        if k is not None:
            return tuple(float(v) for v in values[:, k])
        if figure.average == "micro":  # of a set of classes that is complete, all are the accuracy
            if metric.name not in ("precision", "recall", "f1"):
                return ()
            return tuple(float(c.trace() / c.sum()) for c in confusions)
        # The classes of the test set are equally large, so the weighted average is the macro one.
        return tuple(float(v) for v in values.mean(axis=1))
    found = [compute_overall_value(confusion, metric.name) for confusion in confusions]
    return tuple(v for v in found if v is not None)


# ---------------------------------------------------------------- notes and JSON


def _list_notes(suite: Suite, claims: Sequence[JudgedClaim]) -> Iterator[str]:
    """Yield what a reader should know about the claims, each once."""
    if any(claim.is_matched_by_name and claim.judged.mean is not None for claim in claims):
        yield (
            "A verdict holds for the configuration that was measured; the claim may be about "
            "another one."
        )
    published = Counter(claim.known.publication for claim in claims if claim.known)
    if n := sum(published.values()):
        places = [f"{count} in {place}" for place, count in published.items()]
        figures = "1 figure stands in a published table, and is judged by what is known of it"
        yield f"{figures if n == 1 else f'{n} figures {PUBLISHED}'}: {'; '.join(places)}."
    labels: dict[str, list[str]] = {}  # by the sentence that holds for them
    for claim in claims:
        row = claim.judged.row
        remark = row.remark.removesuffix(REMARK).strip()
        known = find_known_row(row)
        if known is not None:
            remark = " ".join(remark.replace(known.sentence, "").split())
            if claim.known is None:  # it may be a coincidence
                labels.setdefault(known.sentence, []).append(row.label)
        if remark:
            labels.setdefault(remark, []).append(row.label)
    for sentence, found in labels.items():
        yield f"{_join_labels(found)}: {sentence}"
    yield from _note_verdicts_as_today(claims)
    n_images = sum(suite.n_per_class)
    if suite.n_per_class != DEFAULT_DATASET.n_per_class:
        yield (
            f"The claims are about a test set of {n_images:,} images in {len(suite.n_per_class)} "
            "classes, not that of Fashion-MNIST, so no rerun is compared with them."
        )
    impossible: dict[int, list[str]] = {}
    for row in suite.rows:
        if row.claimed is not None and _is_impossible_figure(row, n_images):
            impossible.setdefault(row.mean_of, []).append(f"{row.claimed} ({row.label})")
    for figure in suite.reported:
        if _is_impossible_rate(figure, n_images):
            of = f" ({figure.of})" if figure.of else ""
            printed = f"{ERROR_RATE} {figure.value}{of}"
            impossible.setdefault(figure.mean_of, []).append(printed)
    for n_runs, claimed in impossible.items():
        runs = f"{n_runs} runs of " if n_runs > 1 else ""
        yield (
            f"No whole number of right images in {runs}{n_images:,} gives "
            f"{join_words(claimed, MAX_LABELS)}: a mean of several runs, a figure of other images, "
            "or a rounding error of the program."
        )


def _note_verdicts_as_today(claims: Sequence[JudgedClaim]) -> Iterator[str]:
    """Say what the verdict on claims of other images would be if they were about today's."""
    labels: dict[str, list[str]] = {}
    for claim in claims:
        if claim.as_today is not None:
            labels.setdefault(claim.as_today.word, []).append(claim.judged.label)
    if labels:
        verdicts = [f"{words} ({_join_labels(of)})" for words, of in labels.items()]
        yield (
            "If a claim of other images was measured on today's images, the verdict would be: "
            f"{'; '.join(verdicts)}."
        )


def _join_labels(labels: Iterable[str]) -> str:
    return join_words(dict.fromkeys(labels), MAX_LABELS)


def _is_impossible_figure(row: Row, n_images: int) -> bool:
    """Whether no number of right images gives the claimed accuracy."""
    if row.claimed is None or row.best_of > 1 or row.bound or row.images != "today":
        return False
    interval = compute_interval(row.claimed, "accuracy", "either", row.half_unit)
    return _has_no_count(interval, n_images * row.mean_of)


def _is_impossible_rate(figure: ReportedFigure, n_images: int) -> bool:
    """Whether a figure is an error rate that no number of wrong images gives."""
    if figure.metric != ERROR_RATE or figure.bound or figure.folds > 1:
        return False
    return _has_no_count(figure.interval("either"), n_images * figure.mean_of)


def _has_no_count(share: Interval, n_images: int) -> bool:
    low, high = share.scaled(n_images).integer_range()
    return low > high


def _describe_input(extraction: Extraction) -> ReadInput:
    claims = tuple(
        (claim.label, f"{claim.where}: {claim.figure.printed}") for claim in extraction.claims
    )
    n, n_matrices = len(extraction.claims), len(extraction.matrices)
    return ReadInput(extraction.name, extraction.kind, n, n_matrices, claims)


def _describe_consistency(result: ConsistencyResult | None) -> dict[str, Any] | None:
    """Return what ``fmbench check --json`` prints, but for the ranges of single figures."""
    if result is None:
        return None
    return {k: value for k, value in result.as_json().items() if k != "implied_accuracy"}


def _describe_claim(claim: JudgedClaim) -> dict[str, Any]:
    row, match, ladder = claim.judged, claim.match, claim.ladder
    return row.as_dict() | {
        "claimed_as_printed": claim.printed,
        "figure": row.row.claimed,
        "found": str(claim.place.where) if claim.place else row.where,
        "is_error_rate": bool(claim.place and claim.place.is_error_rate),
        "mean_of": row.row.mean_of, "best_of": row.row.best_of,
        "accuracies": list(row.summary.accuracies),
        "configuration": claim.configuration or None,
        "match": match and {
            "runner": match.runner, "score": match.score, "is_doubtful": match.is_doubtful,
            "runner_up": list(match.runner_up) if match.runner_up else None,
            "alternatives": list(match.alternatives), "why": match.why,
        },
        "certainty": row.row.certainty, "cited": row.row.cited, "recipe": row.row.recipe,
        "picked": row.row.picked, "remark": row.row.remark,
        "facts_from": claim.known and claim.known.publication,
        "ladder": ladder and {
            "sentence": ladder.sentence,
            "above": [_describe_entry(e) for e in ladder.above],
            "equal": [_describe_entry(e) for e in ladder.equal],
            "below": [_describe_entry(e) for e in ladder.below],
        },
        "exceeds_checked": claim.exceeds_checked,
        "nearest": [{"runner": s.runner, "mean": s.mean, "n": s.n} for s in claim.nearest],
        "seeds_to_run": claim.seeds,
        "verdict_on_todays_images": claim.as_today and claim.as_today.word,
        "speaks_against": claim.speaks_against,
    }  # fmt: skip


def _describe_entry(entry: Any) -> dict[str, Any]:
    return {
        "model": entry.model, "accuracy": entry.fraction, "evidence": entry.evidence,
        "source": entry.source,
    }  # fmt: skip


def _parse_rows(matrix: Matrix) -> list[list[float]]:
    """Return the rows of a printed matrix as numbers: images, or shares of the row."""
    if not matrix.shares:
        return [[int(cell) for cell in row] for row in matrix.rows]
    return [[float(parse_share(str(cell))) for cell in row] for row in matrix.rows]


def _describe_comparison(model: ModelComparison) -> dict[str, Any]:
    return {
        "label": model.label,
        "runner": model.runner,
        "figures": [
            {
                "metric": f.metric, "class": f.class_, "average": f.average,
                "predicted_as": f.predicted_as,
                "claimed": float(parse_figure(f.claimed, f.metric)),
                "claimed_as_printed": f.claimed, "measured": list(f.measured),
            }
            for f in model.figures
        ],
    }  # fmt: skip


def format_json(judgement: Judgement) -> str:
    """Format a judgement as JSON, ending with a line break."""
    return json.dumps(judgement.as_json(), indent=1, ensure_ascii=False) + "\n"
