"""`fmbench check-runner`: checks that a runner keeps the rules for runners."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import (
    FAILED,
    OutputOptions,
    build_quick_command,
    print_document,
)
from fmbench.utils.document import Block, Command, Document, Paragraph
from fmbench.utils.table import Column, Table

if TYPE_CHECKING:
    from fmbench.models import contract

WRONG = "WRONG"
COLUMNS = (
    Column("result", style=lambda text: "red" if text == WRONG else ""), Column("rule"),
    Column("why"),
)  # fmt: skip


@click.command(
    "check-runner",
    short_help="Check that a model keeps the rules for runners.",
    epilog="Examples: fmbench check-runner ./my_model.py:make_model; fmbench check-runner lenet5",
)
@options.name
@options.parameters
@options.output()
@options.suite
@options.data
@click.option(
    "--timeout", type=options.FiniteNumber(0, options.MAX_SECONDS, min_open=True), default=300.0,
    show_default=True, help="Seconds after which a check is ended.",
)  # fmt: skip
@click.option(
    "--memory", "memory_gib", type=options.FiniteNumber(0, options.MAX_GIB, min_open=True),
    default=8.0, show_default=True, help="GiB of resident memory above which a check is ended.",
)  # fmt: skip
def check_runner(
    name: str,
    parameters: tuple[str, ...],
    output: OutputOptions,
    suite_file: Path | None,
    data: dict[str, Path],
    timeout: float,
    memory_gib: float,
) -> None:
    """Check that a runner keeps the rules, with 1,000 training images.

    It runs in a process of its own. The classes get new numbers, so that a model that reads the
    labels on disk is found; one that hides it well is not.

    NAME is as for `fmbench run`. Exit status: 0 if it keeps the rules, 1 if not.
    """
    import numpy as np

    from fmbench.api.inputs import load_suite
    from fmbench.api.names import find_configurations
    from fmbench.datasets import locate
    from fmbench.datasets.specs import DEFAULT_DATASET
    from fmbench.execution import runner_checks
    from fmbench.models import contract
    from fmbench.report.progress import track_progress
    from fmbench.suites.configurations import build_suite_configurations

    suite = load_suite(suite_file)
    rows, _ = build_suite_configurations(suite)
    [entry] = find_configurations([name], parameters, rows, suite)
    locate.check_folders(data)
    source = locate.locate_dataset(folder=data.get(DEFAULT_DATASET.name), fetch=True)
    sample, hidden = contract.make_hidden_sample(source, np.random.default_rng())
    checks = runner_checks.check_runner(
        entry.runner, entry.parameters, sample, hidden,
        seconds=timeout, memory=int(memory_gib * 2**30),
    )  # fmt: skip
    n = len(contract.CONTRACT_CHECKS)
    results = list(track_progress(checks, f"checking {entry.name}", n))
    print_document(_build_document(entry.name, results), output)
    sys.exit(FAILED if any(result.problem for result in results) else 0)


def _build_document(name: str, results: Sequence[contract.CheckResult]) -> Document:
    rows = [_describe_result(result) for result in results]
    columns = [column for column in COLUMNS if any(row[column.name] for row in rows)]
    verdict = _format_verdict(
        sum(bool(result.problem) for result in results),
        sum(bool(result.remark) for result in results),
    )
    data = {"name": name, "keeps_the_rules": not any(r.problem for r in results), "rules": rows}
    blocks: list[Block] = [Table("", tuple(columns), rows)]
    if any(result.remark for result in results):
        blocks += [Paragraph("To try it on more images:"), Command(build_quick_command(name))]
    return Document(
        f"The rules for runners: {name}",
        [*blocks, Paragraph(f"{name}: {verdict}")],
        data,
        Table(f"The rules for runners: {name}", COLUMNS, rows),
    )


def _describe_result(result: contract.CheckResult) -> dict[str, str]:
    """Return a row of the table: whether a rule is kept, and what else is known."""
    if result.problem:
        return {"result": WRONG, "rule": result.rule, "why": result.problem}
    if result.not_checked:
        return {"result": "-", "rule": result.rule, "why": f"Not checked: {result.not_checked}."}
    why = f"Remark: {result.remark}" if result.remark else ""
    return {"result": "ok", "rule": result.rule, "why": why}


def _format_verdict(wrong: int, remarks: int) -> str:
    if wrong:
        return "1 rule is broken" if wrong == 1 else f"{wrong} rules are broken"
    if not remarks:
        return "keeps the rules"
    return f"keeps the rules; {remarks} {'remark' if remarks == 1 else 'remarks'}"
