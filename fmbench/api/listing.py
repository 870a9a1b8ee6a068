"""The runners that can be measured, with what is known of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.api.inputs import list_names, load_given_suite
from fmbench.api.names import find_meant_names
from fmbench.errors import UserError
from fmbench.utils.files import DEFAULT_RESULTS

if TYPE_CHECKING:
    from fmbench.analysis.summary import Summary
    from fmbench.models.registry import Runner
    from fmbench.suites.claims import Suite


@dataclass(frozen=True)
class ListedRunner:
    """A line of ``fmbench list``.

    ``name``: what ``fmbench run`` accepts. ``label``: what the paper calls it, or its title.
    ``parameters``: its deciding parameters in words.
    ``reference`` and ``measured`` sum up fmbench's own run and the user's results. ``runner`` is
    None for a row without a runner, and for a plug-in, whose code is not loaded. ``no_runner`` says
    why a row has no runner; otherwise it is empty. ``is_row``: it is a row of the suite.
    """

    name: str
    label: str
    claimed: str | None
    reference: Summary | None
    measured: Summary | None
    runner: Runner | None
    no_runner: str = ""
    parameters: str = ""
    is_row: bool = True


def list_runners(
    names: str | Sequence[str] = (),
    *,
    suite: str | Path | Suite | None = None,
    results: str | Path = DEFAULT_RESULTS,
    every_runner: bool = True,
) -> list[ListedRunner]:
    """Every row of the suite and every other runner, with what was claimed and measured.

    ``names``: only these, whether or not they are rows. ``every_runner``: if false, only the rows,
    and what else was measured here for the suite. No code of a plug-in runs and no predictions are
    read.

    Raises:
        UserError: a name is neither listed nor measured.
    """
    from fmbench import runners
    from fmbench.analysis.reference import summarise_by_file_names
    from fmbench.plugins.code import find_entry_points
    from fmbench.plugins.model_spec import parse_model_spec
    from fmbench.report.commands import build_commands
    from fmbench.suites.configurations import explain_no_runner, find_row_runner
    from fmbench.suites.labels import simplify
    from fmbench.suites.matching import describe_configuration
    from fmbench.utils.names import suggest_names

    names = list_names(names)
    loaded, known = load_given_suite(suite), runners.load_runners()
    measured = summarise_by_file_names(Path(results), loaded, known)
    own_names = set(loaded.runners)
    others = {name: known[name].title for name in known if name not in own_names}
    others |= {name: f"installed: {entry.value}" for name, entry in find_entry_points().items()}
    if not (every_runner or names):
        others = {}
    for name in measured:
        if name not in own_names and name not in known:
            others.setdefault(name, "measured by name, in no suite")
    lines: list[tuple[str, str, str | None, bool]] = [
        (row.runner, row.label, row.claimed, True) for row in loaded.rows
    ]
    lines += [(name, label, None, False) for name, label in others.items()]
    if names:
        listed = {name for name, *_ in lines}
        # A row of one's own may name no runner; its label finds it all the same.
        labels = {simplify(name) for name in names}
        labels &= {simplify(label) for name, label, *_ in lines if not name}
        exact = find_meant_names(
            [name for name in names if simplify(name) not in labels], listed, loaded
        )
        wanted = {name if name in listed else str(parse_model_spec(name)) for name in exact}
        if unknown := sorted(wanted - listed):
            near = suggest_names(unknown[0], listed)
            run = build_commands(Path(results), loaded).run(unknown[0])
            raise UserError(
                f"no row, runner or full result in {results} has the name {unknown[0]!r}{near} "
                f"`{run}` measures it"
            )
        lines = [
            line
            for line in lines
            if (line[0] in wanted if line[0] else simplify(line[1]) in labels)
        ]
    without = {
        row.runner: explain_no_runner(row, known)
        for row in loaded.rows
        if not row.estimator and find_row_runner(row, known) is None
    }
    of_rows = {row.runner: runner for row in loaded.rows if (runner := find_row_runner(row, known))}
    reference = _find_listed_references(loaded, others)
    return [
        ListedRunner(
            name, label, claimed, reference.get(name), measured.get(name),
            of_rows.get(name) or known.get(name), without.get(name, ""),
            "" if ":" in name else describe_configuration(name),  # an estimator's name has them
            is_row,
        )
        for name, label, claimed, is_row in lines
    ]  # fmt: skip


def _find_listed_references(suite: Suite, others: Collection[str]) -> dict[str, Summary]:
    """Find fmbench's own measurement of each row of a suite, and of other runners."""
    from fmbench.analysis.reference_matching import (
        find_reference_summaries,
        load_all_reference_summaries,
    )
    from fmbench.suites.bundled import is_bundled
    from fmbench.suites.configurations import build_suite_configurations

    # To build a row's estimator imports its library, so only a suite of one's own does it.
    rows = {} if is_bundled(suite.path) else build_suite_configurations(suite)[0]
    found = find_reference_summaries(suite, rows)
    everything = load_all_reference_summaries() if others else {}
    return {name: everything[name] for name in others if name in everything} | found
