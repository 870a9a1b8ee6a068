"""`fmbench suite`: suites of your own."""

from __future__ import annotations

from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.judge import check_output, document_options, read_standard_input
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


@suite.command("import", epilog="Example: fmbench suite import table.md -o claims.toml")
@document_options
@click.option("-o", "--output", type=options.NonEmptyPath(path_type=Path, dir_okay=False),
              help="The file to write.  [default: printed]")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def import_suite(
    inputs: tuple[str, ...],
    kind: str | None,
    column: str | None,
    mapping: tuple[str, ...],
    model: str,
    output: Path | None,
    force: bool,
) -> None:
    """Write the claims that documents print as a suite to edit; comments say where each stands.

    INPUT is the same as for `fmbench judge`, which gives the suite the same judgement. A label
    whose model is doubtful has the possible models as comments.
    """
    from fmbench import api
    from fmbench.utils.file_errors import name_file
    from fmbench.utils.files import write_text_atomically
    from fmbench.utils.printable import escape_unsafe

    check_output(output)
    if output is not None and output.exists() and not force:
        raise UserError(f"{output} exists already and was not changed: --force replaces it")
    if output is not None and output.suffix != ".toml":
        raise UserError(f"{output}: the name of a suite ends with .toml")
    text = escape_unsafe(
        api.import_suite(
            *read_standard_input(inputs), kind=kind, column=column, mapping=mapping, model=model
        )
    )
    if output is None:
        print_output(text)
        return
    with name_file(output):
        write_text_atomically(output, text)
    print_message(f"written: {output}; `fmbench judge {output}` judges it")
