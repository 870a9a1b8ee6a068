"""`fmbench check-runner`: checks that a runner keeps the rules for runners."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import FAILED, print_output

if TYPE_CHECKING:
    from fmbench.models import contract


@click.command(
    "check-runner",
    epilog="Examples: fmbench check-runner ./my_model.py:make_model; fmbench check-runner lenet5",
)
@click.argument("name")
@options.parameters
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

    from fmbench.api import find_configurations
    from fmbench.datasets import locate
    from fmbench.datasets.specs import DEFAULT_DATASET
    from fmbench.execution import runner_checks
    from fmbench.models import contract

    [entry] = find_configurations([name], parameters)
    locate.check_folders(data)
    source = locate.locate_dataset(folder=data.get(DEFAULT_DATASET.name), fetch=True)
    sample, hidden = contract.make_hidden_sample(source, np.random.default_rng())
    wrong = remarks = 0
    for result in runner_checks.check_runner(
        entry.runner, entry.parameters, sample, hidden,
        seconds=timeout, memory=int(memory_gib * 2**30),
    ):  # fmt: skip
        wrong += bool(result.problem)
        remarks += bool(result.remark)
        print_output(_format_result(result))
    print_output(f"{entry.name}: {_format_verdict(wrong, remarks)}")
    sys.exit(FAILED if wrong else 0)


def _format_result(result: contract.CheckResult) -> str:
    if result.problem:
        return f"WRONG  {result.rule}\n       {result.problem}"
    if result.remark:
        return f"ok     {result.rule}\n       Remark: {result.remark}"
    if result.not_checked:
        return f"-      {result.rule} Not checked: {result.not_checked}."
    return f"ok     {result.rule}"


def _format_verdict(wrong: int, remarks: int) -> str:
    if wrong:
        return "1 rule is broken" if wrong == 1 else f"{wrong} rules are broken"
    if not remarks:
        return "keeps the rules"
    return f"keeps the rules; {remarks} {'remark' if remarks == 1 else 'remarks'}"
