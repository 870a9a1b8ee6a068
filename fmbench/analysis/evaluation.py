"""Reads a results folder for a suite: the measurement of each row, and the verdict on its claim.

:func:`read_results` is the function to call. Tables, figures, the page and the Python API all show
the :class:`JudgedRow` objects of its result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fmbench import runners
from fmbench.analysis.controls import ControlResult, compare_control
from fmbench.analysis.misquotes import Misquote, find_misquote
from fmbench.analysis.reference import REFERENCE_RESULTS
from fmbench.analysis.reference_matching import find_reference_summaries, load_reference_matrices
from fmbench.analysis.summary import (
    Status,
    Summary,
    find_cells_with_records,
    find_current_records,
    summarise,
)
from fmbench.analysis.table_verdicts import (
    Grids,
    ProtocolResult,
    find_untested,
    judge_rows,
    judge_source_protocols,
    load_grids,
)
from fmbench.analysis.until_decided import UntilDecided, read_until_decided
from fmbench.analysis.verdicts import ALPHA, MARGIN, Verdict
from fmbench.datasets.locate import locate_dataset
from fmbench.datasets.specs import DEFAULT_DATASET, LocatedDataset, records_have_labels
from fmbench.metrics.compute import MetricValues, compute_metrics, confusion_matrix
from fmbench.records.protocols import FULL, Protocol, load_labels
from fmbench.records.record import SCORES, Y_PRED, Y_TRUE, Record, RecordName
from fmbench.records.store import BrokenRecord, Store, StoreContents
from fmbench.suites.bundled import is_bundled
from fmbench.suites.claims import Row, Suite
from fmbench.suites.configurations import (
    Configuration,
    build_suite_configurations,
    identify_configuration,
    rebuild_recorded_configurations,
)
from fmbench.suites.matching import describe_parameters
from fmbench.suites.rounding import parse_figure
from fmbench.utils import environment

# Who measured a row, in tables: this results folder, or fmbench's own run, the reference.
HERE, BY_FMBENCH = "here", "fmbench"


@dataclass(frozen=True)
class JudgedRow:
    """A row of a suite (or a runner that is in no row), its measurement, and the verdict.

    Accuracies are fractions in [0, 1]. ``summary`` is what the row is judged by; its status says
    whether anything was measured. ``from_reference``: nothing was measured in the results folder,
    so ``summary`` is fmbench's own measurement. ``reference`` is that measurement in any case, if
    there is one. ``is_comparable``: it was measured on all of the data, so its figures can be
    compared with claims; otherwise it has no gap and no interval. ``verdict`` is by the honest
    protocol. ``source_protocol`` has what the source's
    own protocol gives, if that differs, and ``control`` the figure of the same source for other
    images, if there is one. ``misquote`` is given if the claim is not the figure of the source that
    it quotes.
    """

    row: Row
    summary: Summary
    reference: Summary | None
    verdict: Verdict
    source_protocol: ProtocolResult | None = None
    control: ControlResult | None = None
    misquote: Misquote | None = None
    from_reference: bool = False
    is_comparable: bool = True

    @property
    def label(self) -> str:
        """What the paper calls the model; for a runner that is in no row, its name."""
        return self.row.label

    @property
    def runner(self) -> str:
        """The runner that measures the row."""
        return self.row.runner

    @property
    def where(self) -> str:
        """Where the paper prints the claim, such as ``Table 3``; empty for a runner in no row."""
        return self.row.where

    @property
    def dataset(self) -> str:
        """The name of the data set."""
        return self.row.dataset

    @property
    def claimed(self) -> float | None:
        """The claimed accuracy; None if the paper prints none."""
        return _parse_fraction(self.row.claimed)

    @property
    def source(self) -> float | None:
        """The accuracy in the original publication that the paper quotes; None if not known."""
        return _parse_fraction(self.row.source)

    @property
    def reference_mean(self) -> float | None:
        """The mean accuracy of fmbench's own run."""
        return self.reference.mean if self.reference else None

    @property
    def measured_by(self) -> str:
        """Where the row was measured: :data:`HERE`, :data:`BY_FMBENCH`, or "" if nowhere."""
        return "" if not self.n else BY_FMBENCH if self.from_reference else HERE

    @property
    def is_measured_here(self) -> bool:
        """Whether the results folder has a measurement of its own."""
        return self.measured_by == HERE

    @property
    def mean(self) -> float | None:
        """The mean accuracy over the seeds; None if nothing was measured."""
        return self.summary.mean

    @property
    def sd(self) -> float | None:
        """The standard deviation (n - 1) over the seeds; 0 for a deterministic runner."""
        return self.summary.sd

    @property
    def n(self) -> int:
        """The number of seeds that were measured."""
        return self.summary.n

    @property
    def low(self) -> float | None:
        """The lower end of the prediction interval for one new run."""
        return self.summary.low if self.is_comparable else None

    @property
    def high(self) -> float | None:
        """The upper end of that interval."""
        return self.summary.high if self.is_comparable else None

    @property
    def gap(self) -> float | None:
        """Measured minus claimed; None if either is missing or they cannot be compared."""
        if self.claimed is None or self.mean is None or not self.is_comparable:
            return None
        return self.mean - self.claimed

    @property
    def fit_seconds(self) -> float | None:
        """Mean seconds of a fit."""
        return self.summary.fit_seconds

    @property
    def device(self) -> str:
        """The devices on which it was measured."""
        return self.summary.device

    @property
    def status(self) -> Status:
        """Whether it was measured."""
        return self.summary.status

    @property
    def reason(self) -> str:
        """Why it was not measured; may be empty."""
        return self.summary.reason

    @property
    def has_spread(self) -> bool:
        """Whether several seeds were measured, so that there is a standard deviation to show."""
        return self.n > 1 and self.sd is not None

    def as_dict(self) -> dict[str, Any]:
        """Every figure by its name, for a data frame; missing figures are None.

        Accuracies are fractions. ``low`` and ``high`` are the ends of the interval for one new run,
        ``claim_low`` and ``claim_high`` those for what is claimed.
        """
        verdict, protocol, control = self.verdict, self.source_protocol, self.control
        claim_low, claim_high = (self.is_comparable and verdict.interval) or (None, None)
        return {
            "label": self.label, "runner": self.runner,
            "parameters": describe_parameters(self.runner) or None, "where": self.where,
            "dataset": self.dataset, "images": self.row.images, "claimed": self.claimed,
            "source": self.source, "reference": self.reference_mean, "mean": self.mean,
            "sd": self.sd, "n": self.n, "measured_by": self.measured_by or None,
            "low": self.low, "high": self.high, "gap": self.gap,
            "verdict": verdict.word, "verdict_reason": verdict.reason,
            "delta_star": verdict.delta_star, "p_within": verdict.p_within,
            "p_beyond": verdict.p_beyond, "p_holm": verdict.p_holm, "claim_low": claim_low,
            "claim_high": claim_high, "seeds_needed": verdict.seeds_needed,
            "to_the_digit": verdict.to_the_digit if self.is_comparable else None,
            "source_protocol": protocol.description if protocol else None,
            "source_protocol_mean": protocol.mean if protocol else None,
            "source_protocol_verdict": protocol.verdict.word if protocol else None,
            "source_protocol_from_reference": protocol.from_reference if protocol else None,
            "source_protocol_borrows_spread": protocol.borrows_spread if protocol else None,
            "flatters": protocol.flatters if protocol else None,
            "control_claimed": control.claimed if control else None,
            "control_mean": control.mean if control else None,
            "control_agrees": control.agrees if control else None,
            "control_from_reference": control.from_reference if control else None,
            "control_borrows_spread": control.borrows_spread if control else None,
            "judged_by_looks": self.summary.has_looks,
            "status": self.status.value, "reason": self.reason,
            "fit_seconds": self.fit_seconds, "device": self.device,
        }  # fmt: skip


@dataclass(frozen=True)
class OtherEnvironments:
    """The records of a folder that were made with other versions or on another processor.

    ``n`` of its ``n_records``; ``runners`` are their rows, and their seeds are below ``n_seeds``.
    """

    n: int
    n_records: int
    differences: tuple[str, ...]  # such as "torch 2.11.0, here 2.13.0"
    runners: tuple[str, ...]
    n_seeds: int

    @property
    def description(self) -> str:
        """Say it on one line, without what can be done."""
        return (
            f"{self.n} of {self.n_records} records were made elsewhere "
            f"({'; '.join(self.differences)})"
        )


@dataclass(frozen=True)
class SuiteResults:
    """The records of ``store`` under one protocol, and their verdicts for one suite."""

    store: Store
    suite: Suite
    protocol: Protocol
    contents: StoreContents
    configurations: dict[
        str, Configuration
    ]  # by name: the suite's rows, and others that a user asked for
    # By name: the configurations, and rows that cannot be built. Only what this folder has.
    summaries: dict[str, Summary]
    source: LocatedDataset | None  # None if there is no record to score
    until_decided: UntilDecided | None = None  # what a run with this option spent

    @property
    def broken(self) -> list[BrokenRecord]:
        """Files in the folder that should be records but cannot be read."""
        return self.contents.broken

    @property
    def has_verdicts(self) -> bool:
        """Whether its figures can be compared with the claims, which needs the full protocol."""
        return self.protocol is FULL

    @cached_property
    def is_reference(self) -> bool:
        """Whether this folder holds fmbench's own run of the suite."""
        return (
            is_bundled(self.suite.path)
            and self.store.folder.resolve() == REFERENCE_RESULTS.resolve()
        )

    @cached_property
    def reference(self) -> dict[str, Summary]:
        """The summaries of fmbench's own run of the same configurations, by runner."""
        if self.protocol is not FULL:  # never two protocols in one row
            return {}
        if self.is_reference:
            return self.summaries
        return find_reference_summaries(self.suite, self.configurations)

    @cached_property
    def evidence(self) -> dict[str, Summary]:
        """What the rows are judged by, by runner; see :func:`choose_evidence`."""
        return choose_evidence(self.summaries, self.reference)

    @cached_property
    def rows(self) -> list[JudgedRow]:
        """Every row of the suite, then every other measured runner, with the default verdicts."""
        return self.judge()

    def judge(self, margin: float = MARGIN, alpha: float = ALPHA) -> list[JudgedRow]:
        """Judge the rows with another margin or level; see :attr:`rows`."""
        return judge_suite(
            self.suite, self.summaries, self.reference, self.protocol, margin=margin, alpha=alpha,
            grids=self.grids,
        )  # fmt: skip

    @cached_property
    def grids(self) -> Grids:
        """The measured members of the grids from which the suite's claims were picked."""
        if self.protocol is not FULL:
            return {}
        return load_grids(
            self.suite,
            self.store.folder,
            self.evidence,
            is_reference=self.is_reference,
            from_reference=find_filled(self.summaries, self.evidence),
        )

    @cached_property
    def records(self) -> list[Record]:
        """The finished records from which the summaries are made."""
        by_identity = {c.identity: c for c in self.configurations.values()}

        def is_up_to_date(record: Record) -> bool:
            configuration = by_identity.get(identify_configuration(record))
            if record.identity.protocol != self.protocol.name or configuration is None:
                return False
            return configuration.cell(self.protocol, record.identity.seed).key == record.key

        return list(filter(is_up_to_date, self.contents.finished.values()))

    def records_of(self, configuration: Configuration) -> list[Record]:
        """Return the finished records of a configuration, sorted by seed, without stale ones."""
        return find_current_records(configuration, self.protocol, self.contents)

    def failed_records_of(self, configuration: Configuration) -> list[Record]:
        """Return the records of a configuration's cells that failed, sorted by seed."""
        cells = find_cells_with_records(configuration, self.protocol, self.contents)
        return [self.contents.failed[c.key] for c in cells if c.key in self.contents.failed]

    def scored_records(self) -> Iterator[tuple[Configuration, Record, float]]:
        """Yield each finished record that is not stale, with its configuration and its accuracy."""
        for name, configuration in self.configurations.items():
            accuracies = self.summaries[name].accuracies
            records = self.records_of(configuration)
            for record, accuracy in zip(records, accuracies, strict=True):
                yield configuration, record, accuracy

    def confusion_matrices(
        self, configuration: Configuration, records: Sequence[Record]
    ) -> np.ndarray:
        """Compute the confusion matrix of each record: ``int (n, n_classes, n_classes)``.

        Rows are the true classes.
        """
        if not records_have_labels(configuration.dataset.name):
            assert self.y_true is not None, "there are records, so there are labels"
            pairs = ((self.y_true, self.store.load_y_pred(record)) for record in records)
        else:
            arrays = (self.store.load_arrays(record, Y_TRUE, Y_PRED) for record in records)
            pairs = ((a[Y_TRUE], a[Y_PRED]) for a in arrays)
        n = configuration.dataset.n_classes
        return np.array([confusion_matrix(y_true, y_pred, n) for y_true, y_pred in pairs])

    @cached_property
    def matrices_by_runner(self) -> dict[str, np.ndarray]:
        """The confusion matrices of each measured configuration on the default data set."""
        return {
            name: self.confusion_matrices(configuration, records)
            for name, configuration in self.configurations.items()
            if configuration.dataset == DEFAULT_DATASET
            and (records := self.records_of(configuration))
        }

    @cached_property
    def y_true(self) -> np.ndarray | None:
        """Labels ``uint8 (n,)`` that the protocol scores, of the default data set; or None."""
        return load_labels(self.protocol, self.source) if self.source else None

    def find_other_environments(self) -> OtherEnvironments | None:
        """Find the records that were made in another environment and can be measured again here.

        Those of fmbench's own run, of a GPU and of the user's own code are left out: a command
        cannot just measure them again. None if there are no others.
        """
        if self.is_reference:
            return None
        counts: Counter[str] = Counter()
        seeds: dict[str, set[int]] = {}
        known = runners.load_runners()
        for name, configuration in self.configurations.items():
            if name not in self.suite.runners and configuration.name not in known:
                continue
            for record in self.records_of(configuration):
                differing = environment.describe_differences(record.versions, record.device)
                if differing and record.peak_gpu_memory_bytes is None:
                    counts.update(differing)
                    seeds.setdefault(name, set()).add(record.identity.seed)
        if not seeds:
            return None
        return OtherEnvironments(
            sum(map(len, seeds.values())), len(self.records),
            tuple(text for text, _ in counts.most_common()), tuple(seeds),
            1 + max(seed for found in seeds.values() for seed in found),
        )  # fmt: skip

    @property
    def is_subject_from_reference(self) -> bool:
        """Whether the suite's subject is judged by fmbench's own measurement."""
        return self.suite.subject in find_filled(self.summaries, self.evidence)

    @cached_property
    def subject_metrics(self) -> list[MetricValues]:
        """Metrics of the suite's subject, one entry for each seed.

        They are those of fmbench's own run if the subject is judged by it; then the metrics that
        need scores are missing, because only the confusion matrices travel with the package.
        """
        configuration = self.configurations.get(self.suite.subject or "")
        if configuration is None:
            return []
        if self.is_subject_from_reference:
            summary = self.evidence[configuration.name]
            matrices = load_reference_matrices(self.suite, summary)
            return [compute_metrics_of_matrix(np.array(matrix)) for matrix in matrices]
        values = []
        for record in self.records_of(configuration):
            arrays = self.store.load_arrays(record, Y_TRUE, Y_PRED, SCORES)
            y_true = arrays.get(Y_TRUE, self.y_true)
            assert y_true is not None, "there is a record, so there are labels"
            values.append(
                compute_metrics(
                    y_true, arrays[Y_PRED], configuration.dataset.n_classes, arrays.get(SCORES)
                )
            )
        return values


def choose_evidence(
    summaries: Mapping[str, Summary], reference: Mapping[str, Summary]
) -> dict[str, Summary]:
    """Choose the measurement that each runner is judged by.

    It is the one in the results folder. A runner that has no record there at all is judged by
    fmbench's own measurement, which therefore never hides a failed or a stale record.
    """
    chosen = dict(summaries)
    for name, own in summaries.items():
        measured = reference.get(name)
        if own.status is Status.NOT_RUN and measured and measured.status is Status.MEASURED:
            chosen[name] = measured
    return chosen


def find_filled(
    summaries: Mapping[str, Summary], evidence: Mapping[str, Summary]
) -> frozenset[str]:
    """Return the names of the runners that are judged by fmbench's own measurement."""
    return frozenset(name for name, chosen in evidence.items() if chosen is not summaries[name])


def judge_suite(
    suite: Suite,
    summaries: Mapping[str, Summary],
    reference: Mapping[str, Summary],
    protocol: Protocol = FULL,
    *,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    grids: Grids | None = None,
) -> list[JudgedRow]:
    """Judge every row of the suite, then every other runner that has a summary.

    ``summaries`` and ``reference`` are by runner; :func:`choose_evidence` says which of them
    counts. A claim can only be tested if it is about the test set of the rerun, and the rerun used
    the full protocol.
    """
    evidence = choose_evidence(summaries, reference)
    filled = find_filled(summaries, evidence)
    others = [Row("", name, name) for name in summaries if name not in suite.runners]
    rows = [*suite.rows, *others]
    untestable = explain_untestable(suite, protocol)
    controls = [
        _compare_control(row, summaries.get(row.runner), reference.get(row.runner)) for row in rows
    ]
    verdicts = judge_rows(
        rows, evidence, margin=margin, alpha=alpha, untestable=untestable, controls=controls
    )
    untested = find_untested(rows, evidence, untestable=untestable, controls=controls)
    protocols = judge_source_protocols(
        rows, evidence, untested, grids or {}, margin=margin, alpha=alpha
    )
    return [
        JudgedRow(
            row,
            evidence.get(row.runner, Summary(row.runner, Status.NO_RUNNER)),
            reference.get(row.runner),
            verdict,
            source_protocol,
            control,
            find_misquote(row, rows),
            row.runner in filled,
            protocol is FULL,
        )
        for row, verdict, source_protocol, control in zip(
            rows, verdicts, protocols, controls, strict=True
        )
    ]


def explain_untestable(suite: Suite, protocol: Protocol = FULL) -> str:
    """Say why no claim of the suite can be tested under a protocol; empty if some can."""
    if protocol is not FULL:
        return "measured on a part of the data"
    if suite.n_per_class != DEFAULT_DATASET.n_per_class:
        return "claimed of another test set"
    return ""


def _compare_control(
    row: Row, summary: Summary | None, reference: Summary | None
) -> ControlResult | None:
    """Compare a row's control with the user's own runs, or if there are none, with fmbench's."""
    if row.control is None:
        return None
    for measured in (summary, reference):
        if measured and (accuracies := measured.controls.get(row.control.dataset)):
            return compare_control(
                row.control,
                accuracies,
                deterministic=measured.deterministic,
                spread_of=measured.accuracies,
                from_reference=measured is not summary,
            )
    return compare_control(row.control, (), deterministic=False)


def read_results(
    folder: Path,
    suite: Suite,
    protocol: Protocol = FULL,
    data: Path | None = None,
    asked_for: Iterable[Configuration] = (),
    store: Store | None = None,
) -> SuiteResults:
    """Read a results folder. The labels are only read if there is a record to score.

    ``store`` is the folder as a store that has already read its records, so that they are not read
    again.

    The result has the suite's rows, the configurations in ``asked_for``, and those that a user once
    asked for by name. If the suite says so, it also has each of fmbench's runners with a record.
    """
    store = store or Store(folder)
    contents = store.read_contents()
    of_protocol = [
        record
        for record in [*contents.finished.values(), *contents.failed.values()]
        if record.cell["protocol"]["name"] == protocol.name
    ]
    from_suite, missing = build_suite_configurations(suite)
    known = runners.load_runners()
    names = [
        *map(RecordName.from_record, of_protocol),
        *(RecordName.from_path(broken.path) for broken in contents.broken),
    ]
    present = sorted({n.runner for n in names if n and n.protocol == protocol.name})
    others = [
        Configuration(known[name]) for name in present if name in known and suite.other_runners
    ]
    configurations: dict[str, Configuration] = {}
    identities = set()
    for configuration in [
        *from_suite.values(), *others, *asked_for, *rebuild_recorded_configurations(of_protocol)
    ]:  # fmt: skip
        if configuration.identity not in identities:
            identities.add(configuration.identity)
            configurations[configuration.name] = configuration
    scored = any(not records_have_labels(record.cell["dataset"]) for record in of_protocol)
    source = locate_dataset(folder=data, fetch=True) if scored else None
    y_true = load_labels(protocol, source) if source else None
    control_datasets: dict[str, set[str]] = {}
    for row in suite.rows:
        if row.control is not None and protocol is FULL:
            control_datasets.setdefault(row.runner, set()).add(row.control.dataset)
    picked_epochs = {row.runner for row in suite.rows if row.picked == "best epoch"}
    spent = read_until_decided(suite.folder_in(folder)) if protocol is FULL else None
    judged_by_looks = spent.runners if spent else frozenset()
    summaries = {
        name: summarise(
            configuration, protocol, contents, store, y_true,
            picks_epoch=name in picked_epochs, control_datasets=control_datasets.get(name, ()),
            until_decided=name in judged_by_looks,
        )
        for name, configuration in configurations.items()
    }  # fmt: skip
    summaries |= {
        name: Summary(
            name, Status.CANNOT_BUILD if model.is_known else Status.NO_RUNNER, reason=model.reason
        )
        for name, model in missing.items()
        if name not in summaries  # a plug-in that the user asked for may have this name
    }
    return SuiteResults(store, suite, protocol, contents, configurations, summaries, source, spent)


def compute_metrics_of_matrix(confusion: np.ndarray) -> MetricValues:
    """Compute the metrics of a confusion matrix ``int (n_classes, n_classes)``, without scores."""
    n = len(confusion)
    pairs = np.repeat(np.arange(n * n), confusion.ravel())
    return compute_metrics(pairs // n, pairs % n, n)


def _parse_fraction(printed: str | None) -> float | None:
    return None if printed is None else float(parse_figure(printed, "accuracy"))
