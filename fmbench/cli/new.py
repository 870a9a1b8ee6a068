"""The verbs for a model of one's own: a file to start from, and whether it keeps the rules."""

from __future__ import annotations

from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import output
from fmbench.errors import UserError


@click.command(epilog="Example: fmbench new my_model.py")
@click.argument("file", type=options.Place(path_type=Path))
def new(file: Path) -> None:
    """Write a commented file to start a model of your own from; it runs as it is."""
    import fmbench.plugins.template

    if file.suffix != ".py" or not file.stem.isidentifier():
        raise UserError(f"{file} is no name for a file of Python: my_model.py, for example")
    text = Path(fmbench.plugins.template.__file__).read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(text.replace("FILE", file.name))
    except FileExistsError:
        raise UserError(f"{file} is there already, and stays as it is: name another") from None
    place = file if file.is_absolute() else f"./{file}"
    output(f"written: {file}\ntry it:  fmbench run {place}:make_model --quick")
