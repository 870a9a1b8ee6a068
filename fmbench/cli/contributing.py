"""The verbs for a model of one's own: a file to start from, and whether it keeps the rules."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fmbench.cli import common
from fmbench.cli.common import FAILED, output
from fmbench.errors import UserError


@click.command(epilog="Example: fmbench new my_model.py")
@click.argument("file", type=common.Place(path_type=Path))
def new(file: Path) -> None:
    """Write a commented file to start a model of your own from; it runs as it is."""
    import fmbench.starting_point

    if file.suffix != ".py" or not file.stem.isidentifier():
        raise UserError(f"{file} is no name for a file of Python: my_model.py, for example")
    text = Path(fmbench.starting_point.__file__).read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(text.replace("FILE", file.name))
    except FileExistsError:
        raise UserError(f"{file} is there already, and stays as it is: name another") from None
    place = file if file.is_absolute() else f"./{file}"
    output(f"written: {file}\ntry it:  fmbench run {place}:make_model --quick")


@click.command(
    "check-runner",
    epilog="Examples: fmbench check-runner ./my_model.py:make_model; fmbench check-runner lenet5",
)
@click.argument("name")
@common.parameters
@common.data
def check_runner(name: str, parameters: tuple[str, ...], data: Path | None) -> None:
    """Does a runner keep the rules? Tries it on a small part of the data.

    NAME is as for `fmbench run`. Exit status: 0 if it does, 1 if something is wrong, in words.
    """
    from fmbench import contract, datasets
    from fmbench.downloads import fetch
    from fmbench.supervision import use_threads

    [entry] = common.entries([name], parameters)
    part = contract.Part.of(datasets.locate(data=data, fetch=fetch))
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


COMMANDS = (new, check_runner)
