"""A results folder as a whole: what it says of a suite, and the tables written into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fmbench import runners
from fmbench.analysis.metrics import Metrics, compute
from fmbench.analysis.reference import REFERENCE_RESULTS, reference
from fmbench.analysis.summary import Summary, summarise
from fmbench.datasets import locate, specs
from fmbench.datasets.specs import FASHION_MNIST
from fmbench.records.protocols import FULL, Protocol, labels
from fmbench.records.record import Name, Record
from fmbench.records.store import Broken, Contents, Store
from fmbench.suites.bundled import is_bundled
from fmbench.suites.claims import Suite
from fmbench.suites.entries import Entry, of_suite, recorded
from fmbench.utils import environment


@dataclass(frozen=True)
class Results:
    """The records of ``store`` seen through a suite, under one protocol."""

    store: Store
    suite: Suite
    protocol: Protocol
    contents: Contents
    entries: dict[str, Entry]  # of the suite, of those asked for by name, of others with records
    summaries: dict[str, Summary]  # of the entries, and of rows that cannot have one
    source: specs.Source | None  # None where there is no record to score

    @property
    def broken(self) -> list[Broken]:
        """Files of the folder that should be records and cannot be read as such."""
        return self.contents.broken

    @cached_property
    def is_reference(self) -> bool:
        """Whether this folder is the committed run itself."""
        return (
            is_bundled(self.suite.path)
            and self.store.folder.resolve() == REFERENCE_RESULTS.resolve()
        )

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

    @cached_property
    def reference(self) -> dict[str, Summary]:
        """The summaries of the committed run of this suite, by runner."""
        if self.protocol is not FULL:  # never two protocols in one row
            return {}
        return self.summaries if self.is_reference else reference(self.suite).rows

    @cached_property
    def subject_metrics(self) -> list[Metrics]:
        """Metrics of the suite's subject, one entry for each seed."""
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

    Beside the suite's rows there is a line for each of ``named``, for whatever else was once asked
    for by name, and, if the suite wants that, for each of the package's runners with a record.
    """
    store = Store(folder)
    contents = store.read()
    mine = [
        record
        for record in [*contents.finished.values(), *contents.failed.values()]
        if record.cell["protocol"]["name"] == protocol.name
    ]
    rows, missing = of_suite(suite)
    known = runners.runners()
    names = [*map(Name.of, mine), *(Name.parse(broken.path) for broken in contents.broken)]
    present = sorted({n.runner for n in names if n and n.protocol == protocol.name})
    others = [Entry(known[name]) for name in present if name in known and suite.other_runners]
    entries: dict[str, Entry] = {}
    identities = set()
    for entry in [*rows.values(), *others, *named, *recorded(mine)]:
        cell = entry.cell(protocol, 0)
        identity = (cell.runner.name, cell.dataset.name, cell.variant)
        if identity not in identities:
            identities.add(identity)
            entries[entry.name] = entry
    scored = any(record.cell["dataset"] == FASHION_MNIST.name for record in mine)
    source = locate.locate(data=data) if scored else None
    y_true = labels(protocol, source) if source else None
    summaries = {
        name: summarise(entry, protocol, contents, store, y_true) for name, entry in entries.items()
    }
    summaries |= {name: Summary(name, f"cannot be built: {why}") for name, why in missing.items()}
    return Results(store, suite, protocol, contents, entries, summaries, source)
