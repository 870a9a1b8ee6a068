"""`fmbench suite`: lists the suites of fmbench, and starts suites of your own."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.judge import document_options, read_standard_input
from fmbench.cli.output import (
    OutputOptions,
    check_folder_of,
    print_document,
    print_message,
    print_output,
)
from fmbench.errors import UserError


@click.group(
    short_help="List suites, or start one of your own.",
    invoke_without_command=True,
    epilog="Examples: fmbench suite list; fmbench suite new claims.toml; "
    "fmbench suite import table.md -o claims.toml",
)
@click.pass_context
def suite(context: click.Context) -> None:
    """List suites, or start one of your own: the claims of a paper, in a TOML file."""
    if context.invoked_subcommand is None:
        print_output(context.get_help())


@suite.command("list", epilog="Example: fmbench suite list")
@options.output()
def list_suites(output: OutputOptions) -> None:
    """List the suites of fmbench; --suite takes their names."""
    from fmbench.api.inputs import load_suite
    from fmbench.suites import bundled
    from fmbench.utils.document import Block, Document, Paragraph, rank_columns
    from fmbench.utils.formatting import format_number_of
    from fmbench.utils.table import COUNT, YES_NO, Column, Table

    suites = {name: load_suite(name) for name in bundled.list_suites()}
    rows = [
        {
            "name": name, "title": suite.title, "rows": len(suite.rows),
            "figures": len(suite.reported), "default": name == bundled.DEFAULT_SUITE,
            "file": str(suite.path),
        }
        for name, suite in suites.items()
    ]  # fmt: skip
    columns = (
        Column("name"), Column("title"), Column("rows", COUNT), Column("figures", COUNT),
        Column("default", YES_NO), Column("file"),
    )  # fmt: skip
    ranking = ("name", "title", "rows", "figures", "default")
    title = "Suites of fmbench"
    how = f"`fmbench table --suite {rows[-1]['name']}` prints the table of one."
    summary = Paragraph(f"{format_number_of(len(rows), 'suite')}; {how}")
    blocks: list[Block] = [rank_columns(Table("", columns, rows), ranking), summary]
    print_document(Document(title, blocks, table=Table(title, columns, rows)), output)


@suite.command("new", epilog="Example: fmbench suite new claims.toml")
@click.argument("file", type=options.NonEmptyPath(path_type=Path, dir_okay=False))
def new_suite(file: Path) -> None:
    """Write a commented suite to fill in; FILE must not exist yet.

    It is valid as it stands: `fmbench check FILE`, `fmbench run --suite FILE --all` and `fmbench
    table --suite FILE` work on it.
    """
    from fmbench.suites.bundled import TEMPLATE

    _check_ending(file)
    check_folder_of(file)
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(TEMPLATE.read_text(encoding="utf-8"))
    except FileExistsError:
        raise UserError(f"{file} exists already and was not changed: choose another name") from None
    quoted = shlex.quote(str(file))
    print_message(
        f"written: {file}; `fmbench check {quoted}` checks it, `fmbench run --suite {quoted} "
        "--all` measures it"
    )


def _check_ending(file: Path) -> None:
    """Refuse a name that no command would take for a suite."""
    if file.suffix != ".toml":
        raise UserError(f"{file}: the name of a suite ends with .toml, such as claims.toml")


@suite.command(
    "import",
    short_help="Write the claims of documents as a suite to edit.",
    epilog="Example: fmbench suite import table.md -o claims.toml",
)
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
    from fmbench.api import claims
    from fmbench.utils.file_errors import name_file
    from fmbench.utils.files import write_text_atomically
    from fmbench.utils.printable import escape_unsafe

    if output is not None:
        check_folder_of(output)
        if output.exists() and not force:
            raise UserError(f"{output} exists already and was not changed: --force replaces it")
        _check_ending(output)
    text = escape_unsafe(
        claims.import_suite(
            *read_standard_input(inputs), kind=kind, column=column, mapping=mapping, model=model
        )
    )
    if output is None:
        print_output(text)
        return
    with name_file(output):
        write_text_atomically(output, text)
    print_message(f"written: {output}; `fmbench judge {shlex.quote(str(output))}` judges it")
