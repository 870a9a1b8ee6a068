"""What one line of a table measures: a runner, parameters of one's own, a data set.

An entry comes from a row of a suite, from what a person wrote on the command line, or from the
records that the latter left: a table names what was measured without running anybody's code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from fmbench import runners
from fmbench.datasets.specs import FASHION_MNIST, SPECS, DatasetSpec
from fmbench.errors import UserError
from fmbench.models.registry import Runner, our_choice, stated
from fmbench.plugins import resolve
from fmbench.plugins.code import entry_points
from fmbench.plugins.code import find as find_code
from fmbench.plugins.spelling import Spelling, alike, parse
from fmbench.records.cells import Cell, seeds_of
from fmbench.records.protocols import Protocol
from fmbench.records.record import Asked, Record
from fmbench.suites.claims import Row, Suite
from fmbench.suites.estimators import name_of
from fmbench.utils.names import suggestion


@dataclass(frozen=True)
class Entry:
    """A runner with ``parameters`` in place of its own, on a data set.

    ``target`` is how it is spelled, where that is not the runner's name.
    """

    runner: Runner
    parameters: Mapping[str, Any] = field(default_factory=dict)
    dataset: DatasetSpec = FASHION_MNIST
    target: str = ""

    @property
    def name(self) -> str:
        """How tables and messages call it; without the data set, what a person would type."""
        spelling = Spelling(self.target or self.runner.name, self.parameters)
        return name_of(spelling, self.dataset.name)

    def cell(self, protocol: Protocol, seed: int) -> Cell:
        """Its cell of one seed."""
        return Cell(self.runner, protocol, seed, self.dataset, self.parameters)

    def cells(self, protocol: Protocol, n_seeds: int) -> list[Cell]:
        """Its cells; one where every seed gives the same."""
        return [self.cell(protocol, seed) for seed in seeds_of(self.runner, n_seeds)]


def named(
    text: str,
    parameters: Sequence[str] = (),
    announce: Callable[[str], None] = lambda text: None,
) -> Entry:
    """The entry that a person means; ``announce`` is told whose code is run, before it is.

    Raises:
        UserError: there is no such runner or plug-in, or it has no such parameter.
    """
    spelling = parse(text, parameters)
    known = runners.runners()
    if spelling.target in known:
        return _own(known[spelling.target], spelling.parameters)
    runner = resolve.runner(spelling, announce=announce)
    if runner is None:
        near = suggestion(spelling.target, [*known, *entry_points()])
        raise UserError(f"unknown runner {spelling.target!r}{near} `fmbench list` shows all")
    return Entry(runner, spelling.parameters, target=spelling.target)


def _own(runner: Runner, parameters: Mapping[str, Any]) -> Entry:
    own = runner.resolve()
    runner.resolve(parameters)  # knows every name
    for name, value in parameters.items():
        if not alike(value, own[name]):
            raise UserError(f"{runner.name}: {name} is something like {own[name]!r}, not {value!r}")
    asked = replace(runner, spelling=runner.name) if parameters else runner
    return Entry(asked, parameters)


def of_suite(suite: Suite) -> tuple[dict[str, Entry], dict[str, str]]:
    """The entry of each row by its name, and why a row has none where its estimator is not there.

    A row whose runner does not exist (yet) is in neither.
    """
    known, found, missing = runners.runners(), {}, {}
    for row in suite.rows:
        if row.runner in known:
            found[row.runner] = Entry(known[row.runner])
        elif row.estimator:
            try:
                found[row.runner] = _of_row(row, suite)
            except UserError as error:
                missing[row.runner] = str(error)
    return found, missing


def _of_row(row: Row, suite: Suite) -> Entry:
    spelling = Spelling(row.estimator, row.parameters)
    given = partial(stated, where=f"{row.where} of {suite.path.stem}")
    runner = replace(resolve.estimator(spelling, given), spelling="")
    return Entry(runner, row.parameters, SPECS[row.dataset], row.estimator)


def recorded(records: Iterable[Record]) -> list[Entry]:
    """The entries that a person asked for by name, as the newest of their records have them.

    No code is run. Where a plug-in's source can be found, it is compared: once that has changed,
    none of the records answers the entry, which is then stale.
    """
    newest: dict[tuple[str, str, str], tuple[Record, Asked]] = {}
    for record in sorted(records, key=lambda r: r.started):
        if record.asked is not None and record.cell["dataset"] in SPECS:
            identity = (record.cell["runner"], record.cell["dataset"], record.cell["variant"])
            newest[identity] = record, record.asked
    return [_recorded(record, asked) for record, asked in newest.values()]


def _recorded(record: Record, asked: Asked) -> Entry:
    cell, parameters = record.cell, asked["parameters"]
    dataset, target = SPECS[cell["dataset"]], asked["runner"]
    known = runners.runners().get(cell["runner"])
    if known is not None and target == known.name and set(parameters) <= set(known.hyperparameters):
        return Entry(replace(known, spelling=target), parameters, dataset)
    values = {n: our_choice(v, "as recorded") for n, v in cell["hyperparameters"].items()}
    factory = _never if asked["deterministic"] else _never_seeded
    source = cell.get("source", "")
    try:
        code = find_code(parse(target))
        source = code.source if code and code.name == cell["runner"] else source
    except UserError:  # it is gone: what it gave is still what it gave
        pass
    runner = Runner(
        cell["runner"], target, factory, values, cell["revision"], "unknown",
        spelling=target, source=source,
    )  # fmt: skip
    return Entry(runner, parameters, dataset, target)


def _never() -> Any:
    raise RuntimeError("an entry that is only known from its records is never built")


def _never_seeded(*, seed: int) -> Any:
    return _never()
