"""What the page says beside its figures, as plain data: each runner in detail, what is missing and
how to make it, the commands behind the numbers, and where the records come from.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fmbench import runners
from fmbench.analysis.evaluation import Results
from fmbench.analysis.predictions import Details, Line, Measured
from fmbench.analysis.verdicts import FAILED, FEWEST_SEEDS, NOT_RUN
from fmbench.datasets.specs import FASHION_MNIST
from fmbench.models.registry import Runner
from fmbench.records.protocols import DIGITS, LEAK, SEEN, SPLIT
from fmbench.records.record import Record
from fmbench.report.commands import Commands
from fmbench.suites.entries import Entry
from fmbench.utils.formatting import mean_sd

MAX_SEEDS = 20  # shown one by one; a page of ten thousand records stays a page
MAX_FACTS = 4000  # characters of what a classifier says of its fit
N_LEVELS = 9  # of a confusion matrix's shades


@dataclass(frozen=True)
class Cell:
    """One cell of a confusion matrix: its text, and how deep its colour is (0 to 9)."""

    text: str
    level: int
    right: bool


@dataclass(frozen=True)
class Seed:
    """One record, in words."""

    seed: int
    accuracy: str
    fit: str
    predict: str
    memory: str
    device: str
    threads: int
    jobs: int
    started: str
    commit: str
    key: str


@dataclass(frozen=True)
class Section:
    """Everything about one runner and the rows that it answers."""

    anchor: str
    name: str
    lines: list[Line]
    runner: Runner | None
    measured: Measured | None
    run: str  # the command that measures it here
    anew: str  # the command that measures it again
    seeds: list[Seed]
    n_more: int  # records that are not shown one by one
    matrix: list[tuple[str, list[Cell]]]
    per_class: list[tuple[str, list[str]]]
    versions: list[str]
    facts: str  # what the first record's classifier said of its fit, as JSON

    @property
    def status(self) -> str:
        """The state of its records in words."""
        summary = self.lines[0].summary
        return summary.status if summary else "no runner"


def sections(details: Details, commands: Commands) -> list[Section]:
    """One for each runner, in the order of the rows."""
    entries = details.outcome.entries
    by_runner: dict[str, list[Line]] = {}
    for line in details.lines:
        by_runner.setdefault(line.row.runner, []).append(line)
    return [
        _section(i, name, lines, entries.get(name), details.measured.get(name), commands)
        for i, (name, lines) in enumerate(by_runner.items(), 1)
    ]


def _section(
    i: int, name: str, lines: list[Line], entry: Entry | None, measured: Measured | None,
    commands: Commands,
) -> Section:  # fmt: skip
    runner = entry.runner if entry else None
    n_seeds = (
        None if runner is None or runner.deterministic else max(5, measured.n if measured else 0)
    )
    records = measured.records if measured else ()
    return Section(
        f"row-{i}", name, lines, runner, measured, commands.run(name),
        commands.anew(name, n_seeds),
        [_seed(r, m) for r, m in zip(records, measured.confusions, strict=True)][:MAX_SEEDS]
        if measured else [],
        max(0, len(records) - MAX_SEEDS),
        _matrix(measured) if measured else [],
        _per_class(measured) if measured else [],
        _distinct(_versions(record) for record in records),
        json.dumps(records[0].details, indent=1, ensure_ascii=False)[:MAX_FACTS]
        if records and records[0].details else "",
    )  # fmt: skip


def _seed(record: Record, confusion: np.ndarray) -> Seed:
    memory = record.peak_memory_bytes
    return Seed(
        record.cell["seed"], f"{100 * np.trace(confusion) / confusion.sum():.2f}",
        _seconds(record.fit_seconds), _seconds(record.predict_seconds),
        "" if memory is None else f"{memory / 2**20:,.0f}", record.device, record.threads,
        record.jobs, record.started[:10], _commit(record), record.key,
    )  # fmt: skip


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _matrix(measured: Measured) -> list[tuple[str, list[Cell]]]:
    """Mean counts over the seeds, rows the truth."""
    from fmbench.utils.formatting import count

    mean = measured.confusions.mean(axis=0)
    sizes = mean.sum(axis=1)
    worst = max(1.0, (mean - np.diag(np.diag(mean))).max())
    rows = []
    for i, name in enumerate(measured.entry.dataset.classes):
        cells = []
        for j in range(len(mean)):
            depth = mean[i, j] / sizes[i] if i == j else (mean[i, j] / worst) ** 0.5
            cells.append(Cell(count(mean[i, j]), round(N_LEVELS * depth), i == j))
        rows.append((name, cells))
    return rows


def _per_class(measured: Measured) -> list[tuple[str, list[str]]]:
    return [
        (name, [mean_sd(rate[:, k].tolist(), 3) for rate in measured.rates.values()])
        for k, name in enumerate(measured.entry.dataset.classes)
    ]


def _versions(record: Record) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items()))


def _commit(record: Record) -> str:
    commit = record.package.get("commit")
    dirty = " + changes" if record.package.get("dirty") else ""
    return f"{str(commit)[:10]}{dirty}" if commit else str(record.package.get("version", ""))


def _distinct(texts: Iterable[str]) -> list[str]:
    return sorted(set(texts))


@dataclass(frozen=True)
class Gap:
    """Something that is not there, why, and the command that makes it (if one does)."""

    what: str
    why: str
    command: str


def missing(details: Details, figures: dict[str, str], commands: Commands) -> list[Gap]:
    """What was not run or cannot be shown; ``figures`` are those that are missing, and why."""
    entries, gaps, seen = details.outcome.entries, [], set()
    for line in details.lines:
        name, summary = line.row.runner, line.summary
        if name in seen:
            continue
        seen.add(name)
        runner = entries[name].runner if name in entries else None
        if summary is None:
            gaps.append(Gap(line.row.label, f"no runner is called {name}", "fmbench list"))
        elif runner is None:
            gaps.append(Gap(line.row.label, summary.status, ""))
        elif line.verdict.word == FAILED:
            gaps.append(Gap(line.row.label, summary.status, commands.run(name)))
        elif line.verdict.word == NOT_RUN:
            why = "no record" if summary.status == NOT_RUN else summary.status
            cost = f"{why}; it takes {runner.cost_in_words}"
            gaps.append(Gap(line.row.label, cost, commands.run(name)))
        elif not runner.deterministic and summary.n < FEWEST_SEEDS:
            seeds = f"{summary.n} of the {FEWEST_SEEDS} seeds that a verdict needs"
            gaps.append(Gap(line.row.label, seeds, commands.run(name, seeds=5)))
    gaps += [Gap(name, why, commands.figures()) for name, why in figures.items()]
    gaps += [
        Gap(f"{m.where}: {m.what}", f"not transcribed: {m.why}", "")
        for m in details.outcome.suite.not_transcribed
    ]
    for broken in details.outcome.broken:
        gaps.append(Gap(str(broken.path), f"left out: {broken.why}; {broken.remedy}", ""))
    return gaps


def investigated(outcome: Results) -> list[str]:
    """Runners to show the known mistakes of: the subject, and those with such records."""
    protocols = {protocol.name for protocol in (DIGITS, LEAK, SEEN, SPLIT)}
    found = {
        record.cell["runner"]
        for record in outcome.contents.finished.values()
        if record.cell["protocol"]["name"] in protocols
    }
    known = runners.runners()
    named = [outcome.suite.subject or "", *sorted(found)]
    return [name for name in dict.fromkeys(named) if name in known]


def provenance(details: Details) -> list[tuple[str, list[str]]]:
    """Where the records come from: each fact with the values that occur, and in how many."""
    records = [record for m in details.measured.values() for record in m.records]
    if not records:
        return []

    def counted(values: Iterable[Any]) -> list[str]:
        found = Counter(map(str, values))
        return [f"{value} ({n} of {len(records)})" if len(found) > 1 else value
                for value, n in sorted(found.items())]  # fmt: skip

    days = sorted(record.started[:10] for record in records)
    return [
        ("records", [f"{len(records)} finished runs of {len(details.measured)} models"]),
        ("measured", [days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]} (UTC)"]),
        ("commit of fmbench", counted(_full_commit(record) for record in records)),
        ("device", counted(record.device for record in records)),
        ("threads of a run", counted(record.threads for record in records)),
        ("runs side by side, at most", counted(record.jobs for record in records)),
        ("versions", counted(_versions(record) for record in records)),
        ("data, SHA-256", [f"{name}: {digest}" for name, digest in FASHION_MNIST.sha256.items()]),
        ("claims", [f"{details.outcome.suite.path.name}: {details.outcome.suite.title}"]),
    ]


def _full_commit(record: Record) -> str:
    commit = record.package.get("commit") or f"version {record.package.get('version')}"
    return f"{commit}, with uncommitted changes" if record.package.get("dirty") else str(commit)


def reproduction(
    details: Details, found: list[Section], commands: Commands
) -> list[tuple[str, str]]:
    """Each kind of number on the page, and the exact command that makes it."""
    suite = details.outcome.suite
    again = [("This page, from the same records", commands.report())]
    again += [("Every figure as a file", commands.figures())]
    again += [("Table 3 with its verdicts, from the same records", commands.table())]
    if suite.subject:
        again += [
            (f"Table {n}, from the same records", commands.table(n))
            for n in ("by-class", "overall")
        ]
    if suite.reported:
        again.append(("The contradictions; nothing is run", commands.check()))
    again += [
        (f"The known mistakes of {name}", commands.forensics(name))
        for name in investigated(details.outcome)
    ]
    again += [
        (f"{' and '.join(line.row.label for line in section.lines)}, measured anew", section.anew)
        for section in found
        if section.runner
    ]
    return again
