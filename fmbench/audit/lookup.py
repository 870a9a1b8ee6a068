"""The cell of today's code that asks what a record answers.

A record's cell is known by names: of its runner, data set, protocol and of the hyperparameters that
were not the recipe's. Looked up again they give today's cell, whose key is the record's own unless
the code has changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from fmbench import runners
from fmbench.datasets.specs import SPECS
from fmbench.errors import UserError
from fmbench.plugins.code import find as find_code
from fmbench.plugins.spelling import Spelling, parse
from fmbench.records.cells import Cell, Definition
from fmbench.records.protocols import (
    FULL,
    PROTOCOLS,
    Protocol,
)
from fmbench.records.record import Asked, Record
from fmbench.suites import bundled, reader
from fmbench.suites.claims import Suite
from fmbench.suites.entries import Entry, named, of_suite, recorded


class Gone(UserError):
    """What a record was made of is not at hand: a plug-in's code, the suite that names it."""


class Counterparts:
    """Looks up cells of the package, of the suites that come with it, and of plug-ins.

    ``suite`` is another one, whose rows are looked up as well.
    """

    def __init__(self, suite: Suite | None = None) -> None:
        self._suite = suite

    def of(self, record: Record) -> Cell:
        """Today's cell; of a plug-in no code is run, so that it can be compared but not measured.

        Raises:
            Gone: the plug-in's code, or the suite, is not at hand.
            UserError: there is none, in words.
        """
        if record.asked is not None:
            self._find_code(record.asked["runner"], record.cell["runner"])
            for entry in recorded([record]):
                return entry.cell(self._protocol(record), record.cell["seed"])
        return self._own(record)

    def to_measure(self, record: Record, announce: Callable[[str], None]) -> Cell:
        """The same cell, ready to be measured; ``announce`` is told whose code is run.

        That is what :func:`code_of` says: ask first whether the person means it.

        Raises:
            UserError: there is none, in words.
        """
        if record.asked is None:
            return self._own(record)
        entry = named(_spelled(record.asked), announce=announce)
        return entry.cell(self._protocol(record), record.cell["seed"])

    def _find_code(self, target: str, runner: str) -> None:
        if target == runner and target in runners.runners():
            return
        try:
            code = find_code(parse(target))
        except UserError as error:
            raise Gone(str(error)) from None
        if code is None:
            raise Gone(f"no plug-in {target!r} is installed")
        if code.name != runner:
            raise Gone(f"{target} is the code of {code.name}, not of {runner}")

    def _own(self, record: Record) -> Cell:
        definition, protocol = record.cell, self._protocol(record)
        name, seed = definition["runner"], definition["seed"]
        runner = runners.runners().get(name)
        if runner is None:
            entry = self._rows.get((name, definition["dataset"], definition["variant"]))
            if entry is None and definition.get("source"):  # not the package's own
                raise Gone("of a row of another suite: --suite names its file")
            if entry is None:
                raise UserError(f"no runner {name} any more")
            return entry.cell(protocol, seed)
        dataset = SPECS.get(definition["dataset"])
        if dataset is None:
            raise UserError(f"no data set {definition['dataset']} any more")
        cell = Cell(runner, protocol, seed, dataset, _overrides(definition))
        cell.definition()  # knows every hyperparameter
        return cell

    def _protocol(self, record: Record) -> Protocol:
        name = record.cell["protocol"]["name"]
        if name not in PROTOCOLS:
            raise UserError(f"no protocol {name} any more")
        return PROTOCOLS[name]

    @cached_property
    def _rows(self) -> Mapping[tuple[str, str, str], Entry]:
        """The rows of the suites that come with fmbench, by what identifies their cells."""
        found = {}
        known = [reader.read(bundled.find(name)) for name in bundled.bundled()]
        for suite in [*known, *([self._suite] if self._suite else [])]:
            for entry in of_suite(suite)[0].values():
                cell = entry.cell(FULL, 0)
                found[cell.runner.name, cell.dataset.name, cell.variant] = entry
        return found


def code_of(record: Record) -> str | None:
    """What a person calls the code that measuring a record again would run; None: no plug-in's.

    A record may come from anybody, and with it the name of the code.
    """
    if record.asked is None:
        return None
    target = parse(_spelled(record.asked)).target  # as it will be understood, whatever is in it
    return None if target in runners.runners() else target


def _spelled(asked: Asked) -> str:
    return str(Spelling(asked["runner"], asked["parameters"]))


def _overrides(definition: Definition) -> dict[str, Any]:
    """The hyperparameters that a definition's variant names; their values are beside it."""
    found, left = {}, definition["variant"]
    for name, value in sorted(definition["hyperparameters"].items()):
        written = f"{name}={value}"
        if left == written or left.startswith(f"{written}, "):
            found[name] = value
            left = left[len(written) :].removeprefix(", ")
    if left:
        raise UserError(f"its variant {definition['variant']!r} cannot be read")
    return found
