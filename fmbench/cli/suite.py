"""`fmbench suite`: suites of your own."""

from __future__ import annotations

from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import print_message, print_output
from fmbench.errors import UserError


@click.group(invoke_without_command=True, epilog="Example: fmbench suite new claims.toml")
@click.pass_context
def suite(context: click.Context) -> None:
    """Suites of your own: the claims of a paper, in a TOML file."""
    if context.invoked_subcommand is None:
        print_output(context.get_help())


@suite.command("new", epilog="Example: fmbench suite new claims.toml")
@click.argument("file", type=options.NonEmptyPath(path_type=Path, dir_okay=False))
def new_suite(file: Path) -> None:
    """Write a commented suite to fill in; FILE must not exist yet.

    It is valid as it stands: `fmbench check FILE`, `fmbench run --suite FILE --all` and `fmbench
    table --suite FILE` work on it.
    """
    from fmbench.suites.bundled import TEMPLATE

    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(TEMPLATE.read_text(encoding="utf-8"))
    except FileExistsError:
        raise UserError(f"{file} exists already and was not changed: choose another name") from None
    print_message(
        f"written: {file}; `fmbench check {file}` checks it, `fmbench run --suite {file} --all` "
        f"measures it"
    )
