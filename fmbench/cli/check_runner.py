"""`fmbench check-runner`: checks that a runner keeps the rules for runners."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import FAILED, print_output


@click.command(
    "check-runner",
    epilog="Examples: fmbench check-runner ./my_model.py:make_model; fmbench check-runner lenet5",
)
@click.argument("name")
@options.parameters
@options.data
def check_runner(name: str, parameters: tuple[str, ...], data: dict[str, Path]) -> None:
    """Check that a runner keeps the rules, on a small part of the training images.

    NAME is as for `fmbench run`. Exit status: 0 if it keeps them, 1 if not.
    """
    from fmbench.api import find_configurations
    from fmbench.datasets import locate
    from fmbench.datasets.specs import DEFAULT_DATASET
    from fmbench.execution.process import use_threads
    from fmbench.models import contract

    [entry] = find_configurations([name], parameters)
    locate.check_folders(data)
    source = locate.locate_dataset(folder=data.get(DEFAULT_DATASET.name), fetch=True)
    sample = contract.load_sample(source)
    use_threads(1)  # as in a run: the number of threads can change how sums are rounded
    subject = contract.RunnerUnderTest(entry.runner, sample, entry.parameters)
    wrong = 0
    for result in contract.check_contract(subject):
        if result.problem:
            wrong += 1
            print_output(f"WRONG  {result.rule}\n       {result.problem}")
        elif result.not_checked:
            print_output(f"-      {result.rule} Not checked: {result.not_checked}.")
        else:
            print_output(f"ok     {result.rule}")
    print_output(f"{entry.name}: {f'{wrong} rules are broken' if wrong else 'keeps the rules'}")
    sys.exit(FAILED if wrong else 0)
