"""Finds today's cell for a record: the cell that today's code would measure in its place.

A record names its runner, its data set, its protocol and the hyperparameters that replace the
recipe's. Looking up these names again gives today's cell. It has the key of the record, unless the
code has changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from fmbench import runners
from fmbench.datasets.specs import DATASETS
from fmbench.errors import UserError
from fmbench.plugins.code import find_code
from fmbench.plugins.model_spec import ModelSpec, parse_model_spec
from fmbench.records.cells import Cell, describe_overrides
from fmbench.records.protocols import PROTOCOLS, Protocol
from fmbench.records.record import Record, UserRequest
from fmbench.suites import bundled, reader
from fmbench.suites.claims import Suite
from fmbench.suites.configurations import (
    Configuration,
    ConfigurationIdentity,
    build_suite_configurations,
    identify_configuration,
    rebuild_recorded_configurations,
    resolve_configuration,
)


class UnavailableError(UserError):
    """A record cannot be checked: its plug-in's code, or the suite of its row, is missing here."""


class CurrentCells:
    """Finds cells of the package's runners, of the bundled suites' rows, and of plug-ins.

    The rows of ``suite`` are looked up too.
    """

    def __init__(self, suite: Suite | None = None) -> None:
        self._suite = suite

    def find_cell(self, record: Record) -> Cell:
        """Return today's cell, to compare with the record.

        No plug-in's code is run, so the cell of a plug-in cannot be measured.

        Raises:
            UnavailableError: the plug-in's code, or the suite, is missing here.
            UserError: there is no such cell any more; the message says why.
        """
        if record.asked is not None:
            self._require_code(record.asked["runner"], record.cell["runner"])
            for configuration in rebuild_recorded_configurations([record]):
                return configuration.cell(_find_protocol(record), record.cell["seed"])
        return self._find_own_cell(record)

    def load_cell(self, record: Record, announce: Callable[[str], None]) -> Cell:
        """Return today's cell, ready to be measured.

        This runs the code that :func:`find_code_to_run` names: ask the user first. ``announce`` is
        called with a description of the code before it runs.

        Raises:
            UserError: there is no such cell any more; the message says why.
        """
        if record.asked is None:
            return self._find_own_cell(record)
        configuration = resolve_configuration(_format_request(record.asked), announce=announce)
        return configuration.cell(_find_protocol(record), record.cell["seed"])

    def _require_code(self, target: str, runner: str) -> None:
        """Raise UnavailableError unless ``target`` names the code of the plug-in ``runner``."""
        if target == runner and target in runners.load_runners():
            return
        try:
            code = find_code(parse_model_spec(target))
        except UserError as error:
            raise UnavailableError(str(error)) from None
        if code is None:
            raise UnavailableError(f"no plug-in {target!r} is installed")
        if code.name != runner:
            raise UnavailableError(f"{target} is the code of {code.name}, not of {runner}")

    def _find_own_cell(self, record: Record) -> Cell:
        """Return the cell of a runner of the package, or of a suite's row."""
        definition, protocol = record.cell, _find_protocol(record)
        name, seed = definition["runner"], definition["seed"]
        runner = runners.load_runners().get(name)
        if runner is None:
            row = self._rows.get(identify_configuration(record))
            if row is None and definition.get("source"):  # it is not a runner of the package
                raise UnavailableError(
                    "it belongs to a row of another suite: name the suite's file with --suite"
                )
            if row is None:
                raise UserError(f"there is no runner {name} any more")
            return row.cell(protocol, seed)
        dataset = DATASETS.get(definition["dataset"])
        if dataset is None:
            raise UserError(f"there is no data set {definition['dataset']} any more")
        cell = Cell(runner, protocol, seed, dataset, _find_overrides(record))
        cell.to_definition()  # raises UserError for a hyperparameter that does not exist any more
        return cell

    @cached_property
    def _rows(self) -> Mapping[ConfigurationIdentity, Configuration]:
        """The configurations of the rows of all known suites, by their identity."""
        suites = [
            reader.read_suite(bundled.find_bundled_suite(name)) for name in bundled.list_suites()
        ]
        found = {}
        for suite in [*suites, *([self._suite] if self._suite else [])]:
            for configuration in build_suite_configurations(suite)[0].values():
                found[configuration.identity] = configuration
        return found


def find_code_to_run(record: Record) -> str | None:
    """Return what a user types to name the code that measuring the record again would run.

    None if it would run no plug-in's code. A record may come from anybody, and so may the code
    that it names.
    """
    if record.asked is None:
        return None
    # load_cell parses the whole text too, so both get the same target.
    target = parse_model_spec(_format_request(record.asked)).target
    return None if target in runners.load_runners() else target


def _format_request(request: UserRequest) -> str:
    return str(ModelSpec(request["runner"], request["parameters"]))


def _find_protocol(record: Record) -> Protocol:
    name = record.cell["protocol"]["name"]
    if name not in PROTOCOLS:
        raise UserError(f"there is no protocol {name} any more")
    return PROTOCOLS[name]


def _find_overrides(record: Record) -> dict[str, Any]:
    """Return the hyperparameters that replaced the recipe's.

    Records of fmbench 0.3 and older have only a text. There, a hyperparameter replaces the recipe's
    if the text contains ``name=value``.
    """
    if record.overrides is not None:
        return record.overrides
    variant = record.cell["variant"]
    overrides = {
        name: value
        for name, value in record.cell["hyperparameters"].items()
        if f", {name}={value}, " in f", {variant}, "
    }
    if describe_overrides(overrides) != variant:
        raise UserError(f"its variant {variant!r} does not fit its hyperparameters")
    return overrides
