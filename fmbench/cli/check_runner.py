"""TODO docstring."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import FAILED, output


@click.command(
    "check-runner",
    epilog="Examples: fmbench check-runner ./my_model.py:make_model; fmbench check-runner lenet5",
)
@click.argument("name")
@options.parameters
@options.data
def check_runner(name: str, parameters: tuple[str, ...], data: Path | None) -> None:
    """Does a runner keep the rules? Tries it on a small part of the data.

    NAME is as for `fmbench run`. Exit status: 0 if it does, 1 if something is wrong, in words.
    """
    from fmbench.datasets import locate
    from fmbench.datasets.download import fetch
    from fmbench.execution.process import use_threads
    from fmbench.models import contract

    [entry] = options.entries([name], parameters)
    part = contract.Part.of(locate.locate(data=data, fetch=fetch))
    use_threads(1)  # as in a run: more can change the last digit of a sum
    trial = contract.Trial(entry.runner, part, entry.parameters)
    wrong = 0
    for finding in contract.check(trial):
        if finding.wrong:
            wrong += 1
            output(f"WRONG  {finding.promise}\n       {finding.wrong}")
        elif finding.left_out:
            output(f"-      {finding.promise} Not checked: {finding.left_out}.")
        else:
            output(f"ok     {finding.promise}")
    output(f"{entry.name}: {f'{wrong} of the rules broken' if wrong else 'keeps the rules'}")
    sys.exit(FAILED if wrong else 0)
