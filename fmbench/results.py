"""A results folder as a whole: what it says of a suite, and the tables written into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fmbench import datasets, environment, registry, tables
from fmbench.cells import FULL, Protocol
from fmbench.claims import Suite
from fmbench.datasets import FASHION_MNIST
from fmbench.entries import Entry, of_suite, recorded
from fmbench.errors import UserError
from fmbench.files import write_text
from fmbench.harness import labels
from fmbench.metrics import Metrics, compute
from fmbench.records import Name, Record
from fmbench.store import Broken, Contents, Store
from fmbench.summary import (
    FILE,
    Summary,
    reference,
    reference_folder,
    summarise,
    write_summary,
)
from fmbench.verdicts import ALPHA, MARGIN


@dataclass(frozen=True)
class Results:
    """The records of ``store`` seen through a suite, under one protocol."""

    store: Store
    suite: Suite
    protocol: Protocol
    contents: Contents
    entries: dict[str, Entry]  # of the suite, of those asked for by name, of others with records
    summaries: dict[str, Summary]  # of the entries, and of rows that cannot have one
    source: datasets.Source | None  # None where there is no record to score

    @property
    def broken(self) -> list[Broken]:
        """Files of the folder that should be records and cannot be read as such."""
        return self.contents.broken

    @cached_property
    def is_reference(self) -> bool:
        """Whether this folder is the committed run itself."""
        committed = reference_folder(self.suite.path)
        return committed is not None and self.store.folder.resolve() == committed.resolve()

    def records(self) -> list[Record]:
        """Finished records that the summaries are made of."""
        found = {}
        for entry in self.entries.values():
            cell = entry.cell(self.protocol, 0)
            found[cell.runner.name, cell.dataset.name, cell.variant] = entry

        def answers(record: Record) -> bool:
            name, dataset, protocol, seed, variant = record.identity
            entry = found.get((name, dataset, variant))
            if protocol != self.protocol.name or entry is None:
                return False
            return entry.cell(self.protocol, seed).key == record.key

        return list(filter(answers, self.contents.finished.values()))

    def table(self, number: int, *, margin: float = MARGIN, alpha: float = ALPHA) -> tables.Table:
        """Table 1, 2 or 3 of the suite; ``margin`` and ``alpha`` are those of the verdicts.

        They are numbered as in Kayed et al. 2020, whatever the suite: 1 has the figures by class
        and 2 those of all classes, both of one model; 3 has the accuracy of every row.
        """
        title = None if self.protocol is FULL else self.protocol.title
        if number == 3:
            return tables.table3(
                self.suite, self.summaries, self._reference(), protocol_title=title,
                margin=margin, alpha=alpha,
            )  # fmt: skip
        if self.suite.subject is None:
            raise UserError(
                f"{self.suite.path}: no [[reported]] figure says which runner it is `of`, so there "
                f"is no table {number}"
            )
        table = tables.table1 if number == 1 else tables.table2
        return table(
            self.suite, self._metrics, protocol_title=title,
            has_runner=self.suite.subject in registry.runners(),
        )  # fmt: skip

    def write(self, *, only_missing: bool = False) -> list[Path]:
        """Write every table in Markdown and CSV, and the summary; returns the files written.

        Each file is replaced in one step: whoever reads it sees the old one or the new one.
        """
        suffix = "" if self.protocol is FULL else f"-{self.protocol.name}"
        if self.protocol is FULL:
            versions = {tuple(sorted(record.versions.items())) for record in self.records()}
            path = self.store.folder / FILE
            write_summary(path, self.summaries.values(), [dict(v) for v in sorted(versions)])
        written = []
        for number in (3, 1, 2) if self.suite.subject else (3,):
            paths = {
                ending: self.store.folder / f"{self.suite.prefix}table{number}{suffix}.{ending}"
                for ending in ("md", "csv")
            }
            if only_missing and all(path.exists() for path in paths.values()):
                continue
            table = self.table(number)
            for ending, path in paths.items():
                write_text(path, tables.FORMATS[ending](table))
                written.append(path)
        return written

    def differences(self) -> str | None:
        """One line where records were made in another environment than today's."""
        found: Counter[str] = Counter()
        records = self.records()
        n_differing = 0
        for record in records:
            differing = environment.differences(record.versions, record.device)
            n_differing += bool(differing)
            found.update(differing)
        if not n_differing:
            return None
        what = "; ".join(text for text, _ in found.most_common())
        return (
            f"{n_differing} of {len(records)} records were made elsewhere ({what}): "
            "`fmbench run --refresh` measures them here"
        )

    def _reference(self) -> dict[str, Summary]:
        if self.protocol is not FULL:  # never two protocols in one row
            return {}
        return self.summaries if self.is_reference else reference(self.suite.path).rows

    @cached_property
    def _metrics(self) -> list[Metrics]:
        """Metrics of the suite's subject, a seed each."""
        if self.source is None:
            return []
        y_true = labels(self.protocol, self.source)
        mine = [r for r in self.records() if r.cell["runner"] == self.suite.subject]
        return [
            compute(y_true, self.store.y_pred(record))
            for record in sorted(mine, key=lambda r: r.cell["seed"])
        ]


def read(
    folder: Path,
    suite: Suite,
    protocol: Protocol = FULL,
    data: Path | None = None,
    named: Iterable[Entry] = (),
) -> Results:
    """Read a results folder. The labels are needed only where there is a record to score.

    Beside the suite's rows there is a line for each of ``named``, for each of the package's runners
    that has a record, and for whatever else was once asked for by name.
    """
    store = Store(folder)
    contents = store.read()
    mine = [
        record
        for record in [*contents.finished.values(), *contents.failed.values()]
        if record.cell["protocol"]["name"] == protocol.name
    ]
    rows, missing = of_suite(suite)
    known = registry.runners()
    names = [*map(Name.of, mine), *(Name.parse(broken.path) for broken in contents.broken)]
    present = sorted({n.runner for n in names if n and n.protocol == protocol.name})
    others = [Entry(known[name]) for name in present if name in known]
    entries: dict[str, Entry] = {}
    identities = set()
    for entry in [*rows.values(), *others, *named, *recorded(mine)]:
        cell = entry.cell(protocol, 0)
        identity = (cell.runner.name, cell.dataset.name, cell.variant)
        if identity not in identities:
            identities.add(identity)
            entries[entry.name] = entry
    scored = any(record.cell["dataset"] == FASHION_MNIST.name for record in mine)
    source = datasets.locate(data=data) if scored else None
    y_true = labels(protocol, source) if source else None
    summaries = {
        name: summarise(entry, protocol, contents, store, y_true) for name, entry in entries.items()
    }
    summaries |= {name: Summary(name, f"cannot be built: {why}") for name, why in missing.items()}
    return Results(store, suite, protocol, contents, entries, summaries, source)
