"""Describes what one line of a table measures: a runner, its parameters, and a data set.

Such a configuration comes from a row of a suite, from the command line, or from the records of what
a user once measured by name. With the records, a table can show what was measured without running
the user's code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from fmbench import runners
from fmbench.datasets.specs import DATASETS, DEFAULT_DATASET, DatasetSpec
from fmbench.errors import UserError
from fmbench.models.registry import Runner, our_choice, stated
from fmbench.plugins import runner_builder
from fmbench.plugins.code import find_code, find_entry_points
from fmbench.plugins.model_spec import ModelSpec, parse_model_spec
from fmbench.records.cells import Cell, select_seeds
from fmbench.records.protocols import FULL, Protocol
from fmbench.records.record import Record, UserRequest
from fmbench.suites.claims import Row, Suite
from fmbench.suites.estimators import format_display_name
from fmbench.suites.parameters import check_parameters
from fmbench.suites.typed_names import describe_unknown_name, suggest_runners

ConfigurationIdentity = tuple[str, str, str]  # the names of runner and data set, and the variant


@dataclass(frozen=True)
class Configuration:
    """A runner on a data set; ``parameters`` replace some of the runner's own hyperparameters.

    ``target`` is what the user types, if that is not the runner's name, such as
    ``./my_model.py:make_model``.
    """

    runner: Runner
    parameters: Mapping[str, Any] = field(default_factory=dict)
    dataset: DatasetSpec = DEFAULT_DATASET
    target: str = ""

    @property
    def name(self) -> str:
        """Its name in tables and messages: what a user would type, and any other data set."""
        spec = ModelSpec(self.target or self.runner.name, self.parameters)
        return format_display_name(spec, self.dataset.name)

    @property
    def identity(self) -> ConfigurationIdentity:
        """What all its cells have in common, under any protocol."""
        cell = self.cell(FULL, 0)
        return cell.runner.name, cell.dataset.name, cell.variant

    def cell(self, protocol: Protocol, seed: int) -> Cell:
        """Return its cell for one seed."""
        return Cell(self.runner, protocol, seed, self.dataset, self.parameters)

    def cells(self, protocol: Protocol, n_seeds: int) -> list[Cell]:
        """Return its cells, one for each seed; a single one if the seed makes no difference."""
        return [self.cell(protocol, seed) for seed in select_seeds(self.runner, n_seeds)]


def identify_configuration(record: Record) -> ConfigurationIdentity:
    """Return the identity of the configuration that a record belongs to."""
    identity = record.identity
    return identity.runner, identity.dataset, identity.variant


def resolve_configuration(
    text: str,
    parameters: Sequence[str] = (),
    announce: Callable[[str], None] = lambda text: None,
) -> Configuration:
    """Find the configuration for a runner's name, or for the address of a plug-in or an estimator.

    ``announce`` is called with a sentence before foreign code is run; it says whose code it is.

    Raises:
        UserError: there is no such runner or plug-in, or it has no such parameter.
    """
    spec = parse_model_spec(text, parameters)
    known = runners.load_runners()
    if spec.target in known:
        found = _apply_parameters(known[spec.target], spec.parameters)
        if not spec.parameters:
            return found
        return replace(found, runner=replace(found.runner, requested_as=spec.target))
    runner = runner_builder.build_runner(spec, announce=announce)
    if runner is None:
        raise UserError(describe_unknown_name(spec.target, [*known, *find_entry_points()]))
    return Configuration(runner, spec.parameters, target=spec.target)


def _apply_parameters(runner: Runner, parameters: Mapping[str, Any]) -> Configuration:
    check_parameters(runner, parameters)
    return Configuration(runner, parameters)


@dataclass(frozen=True)
class MissingModel:
    """Why a row of a suite has no configuration.

    ``is_known`` is False if no runner has the name that the row gives, or if the row gives none. It
    is True if the row names an estimator that cannot be built here.
    """

    reason: str
    is_known: bool


def build_suite_configurations(
    suite: Suite,
) -> tuple[dict[str, Configuration], dict[str, MissingModel]]:
    """Build the configuration of each row of a suite, by the row's runner.

    The second dict says why a row has none. Each row is in exactly one of the two.
    """
    known = runners.load_runners()
    found: dict[str, Configuration] = {}
    missing: dict[str, MissingModel] = {}
    for row in suite.rows:
        runner = find_row_runner(row, known)
        if runner is None and not row.estimator:
            missing[row.runner] = MissingModel(explain_no_runner(row, known), is_known=False)
            continue
        try:
            found[row.runner] = (
                _build_row_configuration(row, suite)
                if runner is None
                else _apply_parameters(runner, row.parameters)
            )
        except UserError as error:
            missing[row.runner] = MissingModel(str(error), is_known=True)
    return found, missing


def find_row_runner(row: Row, known: Mapping[str, Runner]) -> Runner | None:
    """Find the runner that a row names, whatever its parameters; None if it names none of them."""
    return None if row.estimator else known.get(_find_runner_name(row))


def _find_runner_name(row: Row) -> str:
    """Return what the row's key ``runner`` says, without the parameters."""
    return parse_model_spec(row.runner).target if row.parameters else row.runner


def explain_no_runner(row: Row, known: Iterable[str]) -> str:
    """Say why no runner measures a row, with the names that are nearest to the row's."""
    if not row.runner:
        return "the suite names no model for this row"
    name = _find_runner_name(row)
    return f"there is no {name!r}{suggest_runners(name, known).removesuffix('.')}"


def find_control_configurations(
    suite: Suite, configurations: Iterable[Configuration]
) -> list[Configuration]:
    """Find what measures the control figures of rows: the same models on the control's images.

    Only the rows that one of ``configurations`` measures are taken.
    """
    by_name = {configuration.name: configuration for configuration in configurations}
    return [
        replace(by_name[row.runner], dataset=DATASETS[row.control.dataset])
        for row in suite.rows
        if row.control is not None and row.runner in by_name
    ]


def _build_row_configuration(row: Row, suite: Suite) -> Configuration:
    spec = ModelSpec(row.estimator, row.parameters)
    given = partial(stated, where=f"{row.where} of {suite.path.stem}")
    runner = replace(runner_builder.build_estimator_runner(spec, given), requested_as="")
    return Configuration(runner, row.parameters, DATASETS[row.dataset], row.estimator)


def rebuild_recorded_configurations(records: Iterable[Record]) -> list[Configuration]:
    """Rebuild the configurations that users once asked for by name, from the newest record of each.

    No code of theirs is run. If a plug-in's source file is found and has changed, the configuration
    gets the new source, so that the old records count as stale.
    """
    newest: dict[ConfigurationIdentity, tuple[Record, UserRequest]] = {}
    for record in sorted(records, key=lambda r: r.started):
        if record.asked is not None and record.cell["dataset"] in DATASETS:
            newest[identify_configuration(record)] = record, record.asked
    return [_rebuild_configuration(record, asked) for record, asked in newest.values()]


def _rebuild_configuration(record: Record, asked: UserRequest) -> Configuration:
    cell, parameters = record.cell, asked["parameters"]
    dataset, target = DATASETS[cell["dataset"]], asked["runner"]
    known = runners.load_runners().get(cell["runner"])
    if known is not None and target == known.name and set(parameters) <= set(known.hyperparameters):
        return Configuration(replace(known, requested_as=target), parameters, dataset)
    recorded = {**cell["hyperparameters"], **parameters}
    values = {n: our_choice(v, "as recorded") for n, v in recorded.items()}
    factory = _refuse_to_build if asked["deterministic"] else _refuse_to_build_seeded
    source = cell.get("source", "")
    try:
        code = find_code(parse_model_spec(target))
        source = code.source if code and code.name == cell["runner"] else source
    except UserError:  # the plug-in does not exist any more; its records stay valid
        pass
    runner = Runner(
        cell["runner"], target, factory, values, cell["revision"], "unknown",
        requested_as=target, source=source,
    )  # fmt: skip
    return Configuration(runner, parameters, dataset, target)


def _refuse_to_build() -> Any:
    raise RuntimeError("this configuration was rebuilt from its records and cannot be measured")


def _refuse_to_build_seeded(*, seed: int) -> Any:
    return _refuse_to_build()
