"""Collects the content of the page as plain data for the template.

That is: one section for each runner, what is missing and the command that adds it, the command that
makes each number, and where the records come from.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fmbench.analysis.controls import ControlResult
from fmbench.analysis.evaluation import JudgedRow
from fmbench.analysis.predictions import RunnerPredictions, SuitePredictions
from fmbench.analysis.statistics import CONFIDENCE_TEXT
from fmbench.analysis.summary import NO_RECORD, Status
from fmbench.analysis.verdicts import FEWEST_SEEDS, Verdict, VerdictKind
from fmbench.datasets.specs import DEFAULT_DATASET, get_dataset
from fmbench.models.registry import Runner
from fmbench.records.record import Record
from fmbench.report.commands import Commands
from fmbench.report.mistakes import find_examined_runners
from fmbench.report.row_texts import (
    REFERENCE_MARK,
    describe_claim_kind,
    describe_evidence,
    describe_source_protocol,
    describe_tests,
    find_rows_from_reference,
)
from fmbench.report.sentences import format_accuracy
from fmbench.suites.claims import Suite
from fmbench.suites.reader import ACCURACIES, BY_CLASS, OVERALL
from fmbench.utils.formatting import format_count, format_interval, format_mean_sd

MAX_SEEDS = 20  # rows of a table of seeds, so that thousands of records fit on one page
MAX_DETAILS = 4000  # characters of the details about a fit that are shown
N_SHADES = 9  # of the cells of a confusion matrix, besides no shade
# The names of the sections, which no row's address may take.
SECTIONS = (
    "main", "answer", "dot-plot", "accuracies", "figures", "accuracy-by-epoch", "loss-by-epoch",
    "confusion-matrix", "speed", "hard-images", "rows", "metrics", "until-decided",
    "against", "libraries", "consistency", "mistakes", "missing", "reproduce", "provenance",
)  # fmt: skip
TABLE_TITLES = {ACCURACIES: "Accuracies", BY_CLASS: "By class", OVERALL: "Overall"}


@dataclass(frozen=True)
class MatrixCell:
    """One cell of a confusion matrix on the page."""

    text: str
    css_class: str  # ``r3``: right, shade 3 of 9; ``w5``: wrong, shade 5 of 9


@dataclass(frozen=True)
class SeedRow:
    """One record as a row of the table of seeds."""

    seed: int
    accuracy: str  # percent
    fit: str  # seconds
    predict: str  # seconds
    memory: str  # MiB
    device: str
    threads: int
    jobs: int
    day: str
    commit: str
    key: str


@dataclass(frozen=True)
class RowSection:
    """A row, its address on the page (``lenet5`` for ``#lenet5``), and what is known of it."""

    anchor: str
    row: JudgedRow
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class RunnerSection:
    """Everything that the page says about one runner and the rows that name it."""

    anchor: str
    name: str
    rows: list[RowSection]
    runner: Runner | None
    measured: RunnerPredictions | None  # here, or by fmbench itself
    run: str  # the command that measures it in this results folder
    measure_again: str  # the command that measures it again in the default folder
    seeds: list[SeedRow]
    n_more: int  # records that have no row in the table of seeds
    matrix: list[tuple[str, list[MatrixCell]]]  # by true class
    class_metrics: list[tuple[str, list[tuple[str, str]]]]  # by class: each mean, and its spread
    environments: list[str]  # the library versions that the records name
    fit_details: str  # what the classifier of the first record says about its fit, as JSON

    @property
    def first(self) -> JudgedRow:
        """The first row of the suite that this runner measures."""
        return self.rows[0].row

    @property
    def accuracy(self) -> str:
        """The measured accuracy with its spread and the number of seeds."""
        row = self.first
        if row.mean is None:
            return NO_RECORD
        own = REFERENCE_MARK if row.from_reference else ""
        return f"{format_accuracy(row.mean, row.sd, row.n)}{own}, n = {row.n}"


def build_runner_sections(predictions: SuitePredictions, commands: Commands) -> list[RunnerSection]:
    """Build one section for each runner, in the order of the rows."""
    by_runner: dict[str, list[JudgedRow]] = {}
    for row in predictions.rows:
        by_runner.setdefault(row.runner or row.label, []).append(row)
    taken = set(SECTIONS)
    return [
        _build_section(name, rows, predictions, commands, taken) for name, rows in by_runner.items()
    ]


def order_rows(
    predictions: SuitePredictions, sections: Sequence[RunnerSection]
) -> list[tuple[RowSection, RunnerSection]]:
    """Put the rows of all sections in the order of the suite, each with its section."""
    found = {id(each.row): (each, section) for section in sections for each in section.rows}
    return [found[id(row)] for row in predictions.rows]


def make_anchor(name: str, taken: set[str]) -> str:
    """Make an address on the page from a name, different from those that are ``taken``.

    Such as ``lenet5``, or ``sklearn-svm-svc-c-10``.
    """
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "row"
    anchor, n = words, 1
    while anchor in taken:
        n += 1
        anchor = f"{words}-{n}"
    taken.add(anchor)
    return anchor


def _build_section(
    name: str,
    rows: list[JudgedRow],
    predictions: SuitePredictions,
    commands: Commands,
    taken: set[str],
) -> RunnerSection:
    results, measured = predictions.results, predictions.find(name)
    configuration = results.configurations.get(name)
    runner = configuration.runner if configuration else None
    n_seeds = None
    if runner and not runner.deterministic:
        n_seeds = max(results.protocol.default_seeds, measured.n if measured else 0)
    records = measured.records if measured else ()
    fit_details = ""
    if records and records[0].details:
        text = json.dumps(records[0].details, indent=1, ensure_ascii=False)
        fit_details = text[:MAX_DETAILS]
    return RunnerSection(
        anchor=make_anchor(f"details-{name}", taken),
        name=name,
        rows=[RowSection(make_anchor(name, taken), row, list_facts(row, commands)) for row in rows],
        runner=runner,
        measured=measured,
        run=commands.run(name),
        measure_again=commands.measure_again(name, n_seeds),
        seeds=_build_seed_rows(measured) if measured and records else [],
        n_more=max(0, len(records) - MAX_SEEDS),
        matrix=_build_matrix(measured) if measured else [],
        class_metrics=_list_class_metrics(measured) if measured else [],
        environments=sorted({_format_versions(record) for record in records}),
        fit_details=fit_details,
    )


def list_facts(row: JudgedRow, commands: Commands) -> list[tuple[str, str]]:
    """List what is known of a row's claim, each fact under its name; unknown ones are left out."""
    suite_row, verdict, control = row.row, row.verdict, row.control
    if not row.where:
        return [("claim", "This runner is not in the suite.")]
    claimed = f"Nothing is claimed ({row.where})."
    if suite_row.claimed:
        claimed = f"{suite_row.claimed} % ({row.where}): {describe_claim_kind(row)}"
    source = f"{suite_row.source} %, {suite_row.cited}" if suite_row.source else suite_row.cited
    facts = [
        ("claim", claimed),
        ("misquotation", f"{row.misquote}." if row.misquote else ""),
        ("source", f"{source} ({suite_row.certainty})" if source else ""),
        ("images", "" if suite_row.images == "today" else f"the {suite_row.images} of the images"),
        ("verdict", f"{verdict.kind.style.mark} {verdict}"),
        ("interval of what is claimed", _format_claim_interval(row)),
        ("tests", describe_tests(verdict)),
        ("seeds needed", _describe_seeds_needed(row, commands)),
        ("margin needed", _format_margin(verdict)),
        ("to the printed digit", _format_yes_no(verdict.to_the_digit)),
        ("by the source’s protocol", describe_source_protocol(row)),
        ("control", _describe_control(control) if control else ""),
        ("recipe", f"{suite_row.recipe}"),
        ("remark", suite_row.remark),
    ]
    return [(name, text) for name, text in facts if text]


def _format_claim_interval(row: JudgedRow) -> str:
    interval = row.verdict.interval
    if interval is None or row.n < 2:
        return ""
    return f"{format_interval(*interval)} % ({CONFIDENCE_TEXT} prediction interval)"


def _describe_seeds_needed(row: JudgedRow, commands: Commands) -> str:
    """Say how many seeds would decide an open verdict; empty if it is decided."""
    verdict = row.verdict
    if verdict.kind is VerdictKind.MORE_SEEDS and verdict.seeds_needed:
        run = commands.run(row.runner, seeds=verdict.seeds_needed)
        return f"{verdict.seeds_needed} in all; {row.n} are measured: `{run}`"
    if verdict.kind is VerdictKind.UNDECIDABLE:
        return verdict.reason
    return ""


def _format_margin(verdict: Verdict) -> str:
    return "" if verdict.delta_star is None else f"{100 * verdict.delta_star:.2f} points"


def _format_yes_no(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def _describe_control(control: ControlResult) -> str:
    title = get_dataset(control.dataset).title
    printed = f"For {title}, which have not changed, the source prints {control.printed}"
    if control.mean is None:
        return f"{printed}; not measured here."
    agrees = {True: ": they agree", False: ": they differ", None: ""}[control.agrees]
    accuracy = format_accuracy(control.mean, control.sd, control.n)
    evidence = describe_evidence(control)
    known = f" ({evidence})" if evidence else ""
    return f"{printed}; we get {accuracy}, n = {control.n}{agrees}{known}."


def _build_seed_rows(measured: RunnerPredictions) -> list[SeedRow]:
    rows = []
    for record, confusion in zip(measured.records, measured.confusions, strict=True):
        memory = record.peak_memory_bytes
        rows.append(
            SeedRow(
                seed=record.cell["seed"],
                accuracy=f"{100 * np.trace(confusion) / confusion.sum():.2f}",
                fit=_format_seconds(record.fit_seconds),
                predict=_format_seconds(record.predict_seconds),
                memory="" if memory is None else f"{memory / 2**20:,.0f}",
                device=record.device,
                threads=record.threads,
                jobs=record.jobs,
                day=record.started[:10],
                commit=_format_short_commit(record),
                key=record.key,
            )
        )
    return rows[:MAX_SEEDS]


def _format_seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _build_matrix(measured: RunnerPredictions) -> list[tuple[str, list[MatrixCell]]]:
    """Return the mean number of images over the seeds, a row for each true class."""
    mean = measured.confusions.mean(axis=0)
    sizes = mean.sum(axis=1)
    largest_wrong = max(1.0, (mean - np.diag(np.diag(mean))).max())
    rows = []
    for i, name in enumerate(measured.configuration.dataset.classes):
        cells = []
        for j, n in enumerate(mean[i]):
            depth = n / sizes[i] if i == j else (n / largest_wrong) ** 0.5
            css_class = f"{'r' if i == j else 'w'}{round(N_SHADES * depth)}"
            cells.append(MatrixCell(format_count(n), css_class))
        rows.append((name, cells))
    return rows


def _list_class_metrics(
    measured: RunnerPredictions,
) -> list[tuple[str, list[tuple[str, str]]]]:
    """List the mean of each metric and its spread, which one seed lacks, by class."""
    rows = []
    for k, name in enumerate(measured.configuration.dataset.classes):
        texts = [format_mean_sd(rate[:, k].tolist(), 3) for rate in measured.rates.values()]
        parts = [text.partition(" ± ") for text in texts]
        rows.append((name, [(mean, f"± {spread}" if spread else "") for mean, _, spread in parts]))
    return rows


def _format_versions(record: Record) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items()))


def _format_short_commit(record: Record) -> str:
    commit = record.package.get("commit")
    dirty = " + changes" if record.package.get("dirty") else ""
    return f"{str(commit)[:10]}{dirty}" if commit else str(record.package.get("version", ""))


def describe_cost(runner: Runner) -> str:
    """Say how long one run takes, and whether ``run --all`` leaves the runner out."""
    left_out = "; `fmbench run --all` leaves it out, so name it" if runner.by_name_only else ""
    return f"{runner.cost}{left_out}"


@dataclass(frozen=True)
class MissingItem:
    """Something that the page cannot show, why, and the command that makes it (or ``""``)."""

    what: str
    why: str
    command: str


def list_missing(
    predictions: SuitePredictions, missing_figures: dict[str, str], commands: Commands
) -> list[MissingItem]:
    """List what has no record or cannot be shown.

    ``missing_figures`` holds, for each figure that cannot be drawn, the reason.
    """
    results = predictions.results
    items, seen = [], set()
    for row in predictions.rows:
        name, label, status = row.runner, row.label, row.summary.status_text
        if (name or label) in seen:
            continue
        seen.add(name or label)
        configuration = results.configurations.get(name)
        if row.status is Status.NO_RUNNER:
            items.append(MissingItem(label, row.reason or status, "fmbench list"))
        elif configuration is None:
            items.append(MissingItem(label, status, ""))
        elif row.status is Status.FAILED:
            items.append(MissingItem(label, status, commands.run(name)))
        elif not row.is_measured_here:
            why = NO_RECORD if row.status is Status.NOT_RUN or row.from_reference else status
            if row.from_reference:
                why = "not measured here; fmbench's own measurement is shown"
            cost = f"{why}; one run takes {describe_cost(configuration.runner)}"
            items.append(MissingItem(label, cost, commands.run(name)))
        elif not configuration.runner.deterministic and row.n < FEWEST_SEEDS:
            seeds = f"{row.n} of the {FEWEST_SEEDS} seeds that a verdict needs"
            command = commands.run(name, seeds=results.protocol.default_seeds)
            items.append(MissingItem(label, seeds, command))
    figures = commands.figures() if predictions.by_name else commands.run("--all")
    items += [MissingItem(name, why, figures) for name, why in missing_figures.items()]
    items += [
        MissingItem(f"{m.where}: {m.what}", f"not transcribed: {m.why}", "")
        for m in results.suite.not_transcribed
    ]
    for broken in results.broken:
        items.append(MissingItem(str(broken.path), f"left out: {broken.why}; {broken.remedy}", ""))
    return items


def describe_provenance(predictions: SuitePredictions) -> list[tuple[str, list[str]]]:
    """Say where the records come from: each fact with its values and how often each occurs."""
    records = [record for m in predictions.by_name.values() for record in m.records]
    own = _describe_own(predictions)
    if not records:
        return [*own, ("claims", _cite_suite(predictions.results.suite))] if own else []

    def count_values(values: Iterable[Any]) -> list[str]:
        found = Counter(map(str, values))
        return [f"{value} ({n} of {len(records)})" if len(found) > 1 else value
                for value, n in sorted(found.items())]  # fmt: skip

    days = sorted(record.started[:10] for record in records)
    return [
        ("records", [_count_records(len(records), len(predictions.by_name))]),
        ("measured", [days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]} (UTC)"]),
        ("commit of fmbench", count_values(_format_full_commit(record) for record in records)),
        ("device", count_values(record.device for record in records)),
        ("threads for each run", count_values(record.threads for record in records)),
        (
            "largest number of runs at the same time",
            count_values(record.jobs for record in records),
        ),
        ("versions", count_values(_format_versions(record) for record in records)),
        *_list_checksums(predictions),
        *own,
        ("claims", _cite_suite(predictions.results.suite)),
    ]


def _describe_own(predictions: SuitePredictions) -> list[tuple[str, list[str]]]:
    """Say which rows fmbench's own measurement answers; nothing if there are none."""
    rows = {row.runner: row for row in find_rows_from_reference(predictions.rows)}
    if not rows:
        return []
    devices = sorted({row.device for row in rows.values() if row.device})
    n_runs = sum(row.n for row in rows.values())
    what = f"{_count_records(n_runs, len(rows))}, which travel with the package"
    return [("fmbench's own measurement", [f"{what} ({', '.join(devices)})" if devices else what])]


def _count_records(n: int, n_models: int) -> str:
    runs = "1 finished run" if n == 1 else f"{n} finished runs"
    return f"{runs} of {'1 model' if n_models == 1 else f'{n_models} models'}"


def _list_checksums(predictions: SuitePredictions) -> list[tuple[str, list[str]]]:
    """Return the checksums of the files of each data set that was measured."""
    measured = {m.configuration.dataset.name for m in predictions.by_name.values()}
    return [
        (
            f"{spec.title}, SHA-256{' of the .gz files' if spec.only_gz else ''}",
            [f"{name}: {digest}" for name, digest in spec.checksums.items()],
        )
        for spec in map(
            get_dataset, sorted(measured, key=lambda name: (name != DEFAULT_DATASET.name, name))
        )
    ]


def _cite_suite(suite: Suite) -> list[str]:
    """Return the suite's file with its title, then where the paper was published, if stated."""
    published = filter(None, [suite.venue, suite.doi and f"doi:{suite.doi}"])
    return [f"{suite.path.name}: {suite.title}", *filter(None, [", ".join(published)])]


def _format_full_commit(record: Record) -> str:
    commit = record.package.get("commit") or f"version {record.package.get('version')}"
    return f"{commit}, with uncommitted changes" if record.package.get("dirty") else str(commit)


def write_heading(suite: Suite) -> str:
    """Write the heading of the page; it names the data set if all rows are about the same one."""
    titles = {get_dataset(row.dataset).title for row in suite.rows}
    what = f"{titles.pop()} accuracies" if len(titles) == 1 else "accuracies"
    return f"Are these reported {what} true?"


def find_table_title(suite: Suite, name: str) -> str:
    """Return what the paper calls a table, such as ``Table 3``, or a plain title."""
    return suite.table_titles.get(name, TABLE_TITLES[name])


def list_commands(
    predictions: SuitePredictions, sections: list[RunnerSection], commands: Commands
) -> list[tuple[str, str]]:
    """List each kind of number on the page, and the exact command that makes it."""
    suite = predictions.results.suite
    rows = [
        ("This page", commands.report()),
        ("Every figure as a file", commands.figures()),
        (f"{find_table_title(suite, ACCURACIES)} with its verdicts", commands.table()),
    ]
    if suite.subject:
        rows += [
            (f"{find_table_title(suite, name)} as measured", commands.table(name))
            for name in (BY_CLASS, OVERALL)
        ]
    if suite.reported:
        rows.append(("The contradictions between tables and sentences", commands.check()))
    rows += [
        (f"The known mistakes, made with {name}", commands.forensics(name))
        for name in find_examined_runners(predictions.results)
    ]
    rows += [
        (f"{' and '.join(each.row.label for each in section.rows)}", section.measure_again)
        for section in sections
        if section.runner
    ]
    return rows
