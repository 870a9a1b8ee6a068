"""`fmbench new`: writes a file to start a model of your own from."""

from __future__ import annotations

from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import build_quick_command, check_folder_of, print_output
from fmbench.errors import UserError


@click.command(
    short_help="Write an example file for a model of your own.",
    epilog="Example: fmbench new my_model.py",
)
@click.argument("file", type=options.NonEmptyPath(path_type=Path))
def new(file: Path) -> None:
    """Write a commented file with a model that you can change; it runs as it is."""
    import fmbench.plugins.template

    if file.suffix != ".py" or not file.stem.isidentifier():
        raise UserError(f"{file} is not a name for a Python file: try my_model.py")
    check_folder_of(file)
    text = Path(fmbench.plugins.template.__file__).read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(text.replace("FILE", file.name))
    except FileExistsError:
        raise UserError(f"{file} exists already and was not changed: choose another name") from None
    path = file if file.is_absolute() else f"./{file}"
    command = build_quick_command(f"{path}:make_model")
    print_output(f"written: {file}\ntry it:  {command}")
