"""What one line of a table measures: a runner, its parameters, and a data set.

Such a configuration comes from one of three places: a row of a suite, the command line, or the
records of what somebody once measured by name. From the records, a table can name what was measured
without running anybody's code.
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
from fmbench.plugins.model_spec import ModelSpec, is_same_kind, parse_model_spec
from fmbench.records.cells import Cell, seeds_to_run
from fmbench.records.protocols import Protocol
from fmbench.records.record import Record, UserRequest
from fmbench.suites.claims import Row, Suite
from fmbench.suites.estimators import display_name
from fmbench.utils.names import suggest_names


@dataclass(frozen=True)
class Configuration:
    """A runner on a data set; ``parameters`` replace some of the runner's own hyperparameters.

    ``target`` is what the user types for it, where that is not the runner's name, such as
    ``./my_model.py:make_model``.
    """

    runner: Runner
    parameters: Mapping[str, Any] = field(default_factory=dict)
    dataset: DatasetSpec = DEFAULT_DATASET
    target: str = ""

    @property
    def name(self) -> str:
        """Its name in tables and messages: what a user would type, and the data set if unusual."""
        spec = ModelSpec(self.target or self.runner.name, self.parameters)
        return display_name(spec, self.dataset.name)

    def cell(self, protocol: Protocol, seed: int) -> Cell:
        """Its cell for one seed."""
        return Cell(self.runner, protocol, seed, self.dataset, self.parameters)

    def cells(self, protocol: Protocol, n_seeds: int) -> list[Cell]:
        """Its cells, one for each seed; only one where every seed gives the same predictions."""
        return [self.cell(protocol, seed) for seed in seeds_to_run(self.runner, n_seeds)]


def resolve_configuration(
    text: str,
    parameters: Sequence[str] = (),
    announce: Callable[[str], None] = lambda text: None,
) -> Configuration:
    """Find what the user means by a runner's name, or by the address of a plug-in or an estimator.

    ``announce`` is called before anybody's code is run, with a sentence that says whose code it is.

    Raises:
        UserError: there is no such runner or plug-in, or it has no such parameter.
    """
    spec = parse_model_spec(text, parameters)
    known = runners.load_runners()
    if spec.target in known:
        return _with_parameters(known[spec.target], spec.parameters)
    runner = runner_builder.build_runner(spec, announce=announce)
    if runner is None:
        near = suggest_names(spec.target, [*known, *find_entry_points()])
        raise UserError(f"unknown runner {spec.target!r}{near} `fmbench list` shows all")
    return Configuration(runner, spec.parameters, target=spec.target)


def _with_parameters(runner: Runner, parameters: Mapping[str, Any]) -> Configuration:
    own = runner.resolve()
    runner.resolve(parameters)  # refuses unknown names
    for name, value in parameters.items():
        if not is_same_kind(value, own[name]):
            raise UserError(f"{runner.name}: {name} is something like {own[name]!r}, not {value!r}")
    requested = replace(runner, requested_as=runner.name) if parameters else runner
    return Configuration(requested, parameters)


def suite_configurations(suite: Suite) -> tuple[dict[str, Configuration], dict[str, str]]:
    """The configuration of each row of a suite, by the row's runner.

    The second dict says, for a row whose estimator cannot be built, why. A row whose runner does
    not exist is in neither.
    """
    known = runners.load_runners()
    found: dict[str, Configuration] = {}
    missing: dict[str, str] = {}
    for row in suite.rows:
        if row.runner in known:
            found[row.runner] = Configuration(known[row.runner])
        elif row.estimator:
            try:
                found[row.runner] = _row_configuration(row, suite)
            except UserError as error:
                missing[row.runner] = str(error)
    return found, missing


def _row_configuration(row: Row, suite: Suite) -> Configuration:
    spec = ModelSpec(row.estimator, row.parameters)
    given = partial(stated, where=f"{row.where} of {suite.path.stem}")
    runner = replace(runner_builder.build_estimator_runner(spec, given), requested_as="")
    return Configuration(runner, row.parameters, DATASETS[row.dataset], row.estimator)


def recorded_configurations(records: Iterable[Record]) -> list[Configuration]:
    """The configurations that users once asked for by name, taken from the newest record of each.

    No code is run. Where a plug-in's source file can be found, it is compared: if it has changed,
    the configuration has the new source, so that its records count as stale.
    """
    newest: dict[tuple[str, str, str], tuple[Record, UserRequest]] = {}
    for record in sorted(records, key=lambda r: r.started):
        if record.asked is not None and record.cell["dataset"] in DATASETS:
            identity = (record.cell["runner"], record.cell["dataset"], record.cell["variant"])
            newest[identity] = record, record.asked
    return [_recorded_configuration(record, asked) for record, asked in newest.values()]


def _recorded_configuration(record: Record, asked: UserRequest) -> Configuration:
    cell, parameters = record.cell, asked["parameters"]
    dataset, target = DATASETS[cell["dataset"]], asked["runner"]
    known = runners.load_runners().get(cell["runner"])
    if known is not None and target == known.name and set(parameters) <= set(known.hyperparameters):
        return Configuration(replace(known, requested_as=target), parameters, dataset)
    values = {n: our_choice(v, "as recorded") for n, v in cell["hyperparameters"].items()}
    factory = _refuse_to_build if asked["deterministic"] else _refuse_to_build_seeded
    source = cell.get("source", "")
    try:
        code = find_code(parse_model_spec(target))
        source = code.source if code and code.name == cell["runner"] else source
    except UserError:  # the plug-in is gone: its records stay valid
        pass
    runner = Runner(
        cell["runner"], target, factory, values, cell["revision"], "unknown",
        requested_as=target, source=source,
    )  # fmt: skip
    return Configuration(runner, parameters, dataset, target)


def _refuse_to_build() -> Any:
    raise RuntimeError("a configuration that is only known from its records cannot be built")


def _refuse_to_build_seeded(*, seed: int) -> Any:
    return _refuse_to_build()
