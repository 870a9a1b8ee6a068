"""Comparing two runners, or the results of two folders; nothing is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.api.inputs import choose_protocol, collect_folders, load_given_suite
from fmbench.api.names import find_configurations, find_meant_names
from fmbench.api.results import Results
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.errors import UserError
from fmbench.utils.files import DEFAULT_RESULTS

if TYPE_CHECKING:
    from fmbench.analysis.comparison import Comparison
    from fmbench.records.store import BrokenRecord
    from fmbench.suites.claims import Suite
    from fmbench.utils.table import Table


def compare(
    names: Sequence[str] = (),
    *,
    suite: str | Path | Suite | None = None,
    quick: bool = False,
    results: str | Path = DEFAULT_RESULTS,
    data: Mapping[str, Path] | str | Path | None = None,
) -> ComparedRunners:
    """Is one runner better than another? From stored predictions; nothing is run.

    ``names``: two runners; without names, every pair of the suite's rows that was measured.

    Raises:
        UserError: fewer than two of them were measured.
    """
    import numpy as np

    from fmbench.analysis import comparison
    from fmbench.analysis.summary import find_current_records
    from fmbench.datasets import locate
    from fmbench.records.protocols import load_labels
    from fmbench.records.store import Store
    from fmbench.report.commands import build_commands
    from fmbench.suites.configurations import (
        build_suite_configurations,
        rebuild_recorded_configurations,
    )
    from fmbench.utils.formatting import join_words

    if names and (len(names) != 2 or len(set(names)) != 2):
        raise UserError("name two different runners; `fmbench list` shows them")
    protocol = choose_protocol(quick)
    loaded = load_given_suite(suite)
    rows, _ = build_suite_configurations(loaded)
    store = Store(Path(results))
    contents = store.read_contents()
    asked = {e.name: e for e in rebuild_recorded_configurations(contents.finished.values())}
    if names:
        configurations = find_configurations(names, known=rows | asked, suite=loaded)
        if len(configurations) != 2:
            raise UserError(
                f"{' and '.join(map(repr, names))} are both {configurations[0].name}: name two "
                "different runners"
            )
        for configuration in configurations:
            if configuration.dataset != DEFAULT_DATASET:
                raise UserError(
                    f"{configuration.name} was not measured on {DEFAULT_DATASET.title}: compare "
                    "two that were"
                )
    else:
        configurations = [
            configuration
            for configuration in rows.values()
            if configuration.dataset == DEFAULT_DATASET
        ]
    found = {
        configuration.name: find_current_records(configuration, protocol, contents)
        for configuration in configurations
    }
    missing = tuple(name for name, records in found.items() if not records)
    commands = build_commands(store.folder, loaded, quick=quick)
    if missing and names:
        [spec] = [c.runner.requested_as for c in configurations if c.name == missing[0]]
        others = [
            other.name
            for other in asked.values()
            if spec and other.runner.requested_as == spec
            and find_current_records(other, protocol, contents)
        ]  # fmt: skip
        raise UserError(
            f"{missing[0]} has no {protocol.name} result in {results}: "
            f"`{commands.run(missing[0])}` measures it"
            + (f"; measured with other parameters: {join_words(others, most=5)}" if others else "")
        )
    if len(found) - len(missing) < 2:
        raise UserError(
            f"{results} holds {protocol.name} results of fewer than two rows: "
            f"`{commands.run('--all')}` measures them"
        )
    y_true = load_labels(
        protocol,
        locate.locate_dataset(folder=collect_folders(data).get(DEFAULT_DATASET.name), fetch=True),
    )
    predictions = {
        name: np.stack([store.load_y_pred(record) for record in records])
        for name, records in found.items()
        if records
    }
    single = [
        e.name for e in configurations if len(found[e.name]) == 1 and not e.runner.deterministic
    ]
    compared = comparison.compare_runners(y_true, predictions)
    table = comparison.build_comparison_table(compared, protocol, unknown_spread=single)
    return ComparedRunners(tuple(compared), table, missing, tuple(contents.broken))


def compare_results(first: Results, against: Results, names: Sequence[str] = ()) -> Table:
    """Compare the same rows in two results folders, such as those of two machines.

    ``names``: runners; without names, every row that both have measured. Both must have been read
    for the same suite.

    Raises:
        UserError: a named row, or every row, is not measured in both.
    """
    from fmbench.analysis.two_results import build_two_results_table, pair_rows

    rows = list(pair_rows(first.evaluation.summaries, against.evaluation.summaries))
    measured = {row.runner for row in rows}
    names = find_meant_names(names, measured, first.suite)
    if missing := [name for name in names if name not in measured]:
        raise UserError(
            f"{missing[0]} is not measured in both {first.folder} and {against.folder}; measured "
            f"in both: {', '.join(sorted(measured)) or 'nothing'}"
        )
    if not rows:
        raise UserError(f"no row is measured in both {first.folder} and {against.folder}")
    chosen = [row for row in rows if not names or row.runner in names]
    return build_two_results_table(chosen, str(first.folder), str(against.folder))


@dataclass(frozen=True)
class ComparedRunners:
    """Pairs of runners compared on the same images.

    ``not_measured`` names the rows that have no result and so are in no pair; ``broken`` are the
    records that could not be read.
    """

    pairs: tuple[Comparison, ...]
    table: Table
    not_measured: tuple[str, ...]
    broken: tuple[BrokenRecord, ...]
