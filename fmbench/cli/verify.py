"""`fmbench verify`: checks every record of a results folder, and can measure each again."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fmbench.cli import options
from fmbench.cli.output import (
    FAILED,
    INTERRUPTED,
    OutputOptions,
    list_files,
    print_document,
    print_message,
)
from fmbench.errors import UserError
from fmbench.execution.session import RunOptions, Verbosity
from fmbench.utils.document import Block, Document, Heading, Paragraph
from fmbench.utils.formatting import format_number_of

if TYPE_CHECKING:
    from fmbench.api.verification import Verification
    from fmbench.audit.rerun import RerunComparison

_RUN_OPTIONS = {field.name for field in dataclasses.fields(RunOptions)}


@click.command(
    short_help="Check every stored record.",
    epilog="Examples: fmbench verify; fmbench verify gaussian-nb --rerun; "
    "fmbench verify --results results/reference",
)
@options.names
@click.option(
    "--rerun",
    is_flag=True,
    help="Measure each record again, with its own number of threads, in a temporary folder, and "
    "compare. A plug-in is measured only if NAME names it, because that runs its code.",
)
@options.output(has_json_flag=True)
@options.run_options
@options.verbosity
@options.suite
@options.results
@options.data
@click.pass_context
def verify(
    context: click.Context,
    names: tuple[str, ...],
    rerun: bool,
    output: OutputOptions,
    run_options: RunOptions,
    verbosity: Verbosity,
    suite_file: Path | None,
    results: Path,
    data: dict[str, Path],
) -> None:
    """Check each record: is it undamaged, and would the code of today measure the same?

    NAME is a runner, as for `fmbench run`; without NAME, all are checked. Exit status: 0 if all is
    well; 1 if a record or a table is broken, stale or wrong, or if --rerun predicts differently.
    """
    from fmbench.api import verification

    _refuse_useless_options(context, rerun)
    found = verification.verify(names, suite=suite_file, results=results, data=data)
    comparisons: Mapping[Path, RerunComparison] = {}
    interrupted = False
    if rerun:
        if found.is_bad:  # a rerun can take hours
            print_message(f"{_summarise(found, {})}; the table follows the rerun")
        options.stop_on_sigterm()
        again = found.rerun(run_options, verbosity=verbosity)
        comparisons, interrupted = again.comparisons, again.interrupted
    print_document(_build_document(found, results, comparisons), output)
    if interrupted:
        sys.exit(INTERRUPTED)
    is_bad = found.is_bad or any(comparison.is_bad for comparison in comparisons.values())
    sys.exit(FAILED if is_bad else 0)


def _build_document(
    found: Verification, results: Path, comparisons: Mapping[Path, RerunComparison]
) -> Document:
    """List what is neither fine nor failed, then what was measured again, and a summary."""
    from fmbench.audit.verify import State

    faults = [
        (str(check.state), check.path, check.why)
        for check in found.checks
        if check.state not in (State.FINE, State.FAILED)
    ]
    faults += [("wrong", path, why) for path, why in found.table_differences]
    again = [
        ("differs" if comparison.is_bad else "rerun", path, comparison.description)
        for path, comparison in comparisons.items()
    ]
    blocks: list[Block] = [list_files(results, faults)[0]] if faults else []
    blocks += [Heading("Measured again"), list_files(results, again)[0]] if again else []
    _, table = list_files(results, [*faults, *again])
    summary = Paragraph(_summarise(found, comparisons))
    return Document(table.title, [*blocks, summary], _as_json(found, comparisons), table)


def _refuse_useless_options(context: click.Context, rerun: bool) -> None:
    """Refuse options that would have no effect: those of measuring, without ``--rerun``."""
    given = [
        option.opts[-1]
        for option in context.command.params
        if option.name in _RUN_OPTIONS
        and context.get_parameter_source(option.name) is not ParameterSource.DEFAULT
    ]
    if "--threads" in given:
        raise UserError(
            "--threads has no effect here: --rerun measures each record with its own threads"
        )
    if given and not rerun:
        raise UserError(f"{', '.join(given)} needs --rerun: checking records measures nothing")


def _as_json(found: Verification, comparisons: Mapping[Path, RerunComparison]) -> dict[str, Any]:
    records = []
    for check in found.checks:
        entry: dict[str, Any] = {"file": str(check.path), "state": check.state, "why": check.why}
        if comparison := comparisons.get(check.path):
            entry["again"] = comparison.as_json()
        records.append(entry)
    tables = [{"file": str(path), "why": why} for path, why in found.table_differences]
    return {"records": records, "tables": tables}


def _summarise(found: Verification, comparisons: Mapping[Path, RerunComparison]) -> str:
    states = Counter(check.state for check in found.checks)
    counts = ": " + ", ".join(f"{n} {state}" for state, n in states.items()) if states else ""
    parts = [f"{format_number_of(len(found.checks), 'record')}{counts}"]
    if n := len(found.table_differences):
        parts.append(f"{n} table differs from its records" if n == 1 else
                     f"{n} tables differ from their records")  # fmt: skip
    if comparisons:
        same = sum(not c.n_differing and c.rerun.finished for c in comparisons.values())
        parts.append(f"{len(comparisons)} measured again, {same} with the same predictions")
        if explained := sum(c.is_explained_difference for c in comparisons.values()):
            parts.append(
                f"{explained} differ as expected: other versions, another processor, or a GPU"
            )
    return "; ".join(parts)


# The rerun takes the number of threads from each record, so the help does not show the option.
for _option in verify.params:
    if isinstance(_option, click.Option) and _option.name == "threads":
        _option.hidden = True
