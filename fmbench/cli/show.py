"""`fmbench show`: prints a runner's recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fmbench.cli import options
from fmbench.cli.output import OutputOptions, print_document
from fmbench.utils.document import Block, Document, Items, Paragraph
from fmbench.utils.table import Column, ColumnKind, Table

if TYPE_CHECKING:
    from fmbench.models.registry import Runner
    from fmbench.suites.claims import Row, Suite
    from fmbench.suites.configurations import Configuration

MANY = ColumnKind("large count", "{:,}".format, lambda text: int(text.replace(",", "")), "right")


@click.command(
    short_help="Show a recipe: each hyperparameter and its origin.",
    epilog="Examples: fmbench show lenet5; fmbench show knn; fmbench show ./my_model.py:make_model",
)
@options.name
@options.parameters
@options.output()
@options.suite
def show(
    name: str, parameters: tuple[str, ...], output: OutputOptions, suite_file: Path | None
) -> None:
    """Show a runner's recipe: every hyperparameter with its origin, and parameter counts.

    NAME is a runner, what papers call it (`knn`, `SVC`), a label of the suite, or a model of your
    own.
    """
    from fmbench.api.inputs import load_suite
    from fmbench.api.names import find_configurations
    from fmbench.suites.configurations import build_suite_configurations

    suite = load_suite(suite_file)
    [entry] = find_configurations([name], parameters, build_suite_configurations(suite)[0], suite)
    print_document(_build_document(entry, suite), output)


def _build_document(entry: Configuration, suite: Suite) -> Document:
    from fmbench.records.record import is_storable
    from fmbench.suites.matching import describe_configuration

    runner, in_words = entry.runner, describe_configuration(entry.name)
    facts, counts = _list_facts(runner), _count_parameters(runner)
    recipe = list(_list_hyperparameters(entry, suite))
    flagged = [
        f"Stored beside it, as the flagged figure {figure}: {text}."
        for figure, text in runner.flagged.items()
    ]
    notes = [*flagged, *runner.notes]
    lines = [f"{key}: {text}" for key, text in facts.items()]
    lines += [f"parameters: {in_words}"] if in_words else []
    lines += [f"also called: {', '.join(runner.aliases)}"] if runner.aliases else []
    columns = tuple(map(Column, ("hyperparameter", "value", "origin", "where, or why")))
    printed = [{**row, "value": _format_value(row["value"])} for row in recipe]
    blocks: list[Block] = [Items(tuple(lines)), Table("", columns, printed)]
    if counts:
        layers = [{"layer": layer, "parameters": n} for layer, n in counts.items()]
        of_layers = (Column("layer"), Column("parameters", MANY))
        blocks.append(Table("Parameters, as built", of_layers, layers))
    blocks += map(Paragraph, notes)
    values = [
        {"name": row["hyperparameter"],
         "value": row["value"] if is_storable(row["value"]) else repr(row["value"]),
         "origin": row["origin"], "why": row["where, or why"]}
        for row in recipe
    ]  # fmt: skip
    data = {
        "name": entry.name, "title": runner.title, **facts, "parameters": in_words or None,
        "aliases": list(runner.aliases), "hyperparameters": values, "parameter_counts": counts,
        "notes": notes,
    }  # fmt: skip
    own_values = entry.parameters and not entry.target  # the title is about the recipe's values
    variant = f", a variant of {runner.name}" if own_values else ""
    return Document(f"{entry.name}{variant}: {runner.title}", blocks, data)


def _format_value(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _list_facts(runner: Runner) -> dict[str, Any]:
    version = {"source": runner.source} if runner.source else {"revision": runner.revision}
    return {
        **version,
        "seeds": "one, it is deterministic" if runner.deterministic else "several",
        "cost": runner.cost_in_words,
        "device": "cpu or cuda" if runner.uses_gpu else "cpu",
    }


def _list_hyperparameters(entry: Configuration, suite: Suite) -> Iterator[dict[str, Any]]:
    """Yield a row for each hyperparameter, with the value that this configuration has."""
    row = next((row for row in suite.rows if row.runner == entry.name), None)
    given = {} if row is not None and row.estimator else entry.parameters  # which has them inside
    for name, hyperparameter in entry.runner.hyperparameters.items():
        value, origin, why = hyperparameter.value, str(hyperparameter.origin), hyperparameter.why
        if name in given:
            value, (origin, why) = given[name], _find_origin(row, suite)
        yield {"hyperparameter": name, "value": value, "origin": origin, "where, or why": why}


def _find_origin(row: Row | None, suite: Suite) -> tuple[str, str]:
    """Say where a value that is not the recipe's comes from: the suite's row, or the user."""
    if row is None:
        return "our choice", "given in the command"
    return "stated", f"{row.where} of {suite.path.stem}"


def _count_parameters(runner: Runner) -> Mapping[str, int]:
    """Count the parameters of each layer of a network whose source prints them, and the sum."""
    if not runner.parameter_counts:
        return {}
    from fmbench.models.nn.layers import count_parameters

    classifier = runner.build(runner.resolve(), seed=0, device="cpu")
    counts = dict(count_parameters(classifier.network()))
    return {**counts, "total": sum(counts.values())}
