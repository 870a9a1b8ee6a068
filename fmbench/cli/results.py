"""`fmbench results`: removes records from a results folder."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import (
    OutputOptions,
    list_files,
    print_document,
    print_message,
    print_output,
)
from fmbench.errors import UserError
from fmbench.utils.document import Document, Paragraph
from fmbench.utils.formatting import format_number_of


@click.group(
    "results", invoke_without_command=True, epilog="Example: fmbench results prune --stale"
)
@click.pass_context
def results(context: click.Context) -> None:
    """Remove records from a results folder."""
    if context.invoked_subcommand is None:
        print_output(context.get_help())


@results.command(
    epilog="Examples: fmbench results prune --stale; fmbench results prune --failed --broken --yes"
)
@click.option(
    "--stale",
    is_flag=True,
    help="Records made by another version of the recipe or with other data.",
)
@click.option("--failed", is_flag=True, help="Records of failed cells.")
@click.option(
    "--broken", is_flag=True, help="Files that cannot be read, also those that a run has set aside."
)
@click.option("--yes", is_flag=True, help="Remove without asking.")
@options.output()
@options.results
def prune(
    stale: bool, failed: bool, broken: bool, yes: bool, output: OutputOptions, results: Path
) -> None:
    """List records, ask, and then remove exactly those that were listed."""
    from fmbench.audit.prune import IN_USE, list_removable, remove_record
    from fmbench.audit.verify import State, Verifier
    from fmbench.records.store import open_existing_store

    wanted = {State.STALE: stale, State.FAILED: failed, State.BROKEN: broken}
    states = {state for state, is_wanted in wanted.items() if is_wanted}
    if not states:
        raise UserError("say what to remove: --stale, --failed or --broken")
    store = open_existing_store(results)
    listed = list(
        list_removable(store, Verifier(store, {}).check_records(store.read_contents()), states)
    )
    if not listed:
        print_message("nothing to remove")
        return
    files = [(str(one.state), file, one.why) for one in listed for file in one.files]
    summary = f"{format_number_of(len(listed), 'record')}, {format_number_of(len(files), 'file')}"
    items, table = list_files(results, files)
    print_document(Document(table.title, (items, Paragraph(summary)), table=table), output)
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(
                "nothing was removed: add --yes to remove the listed files without asking"
            )
        click.confirm(f"remove {'this' if len(files) == 1 else 'these'} "
                      f"{format_number_of(len(files), 'file')}?", abort=True,
                      err=True)  # fmt: skip
    kept = [(one, why) for one in listed if (why := remove_record(store, one))]
    result = f"removed {format_number_of(len(listed) - len(kept), 'record')}"
    if len(kept) == 1:
        result += f"; {kept[0][0].files[0]} was kept: {kept[0][1]}"
    elif kept:
        result += f"; {len(kept)} were kept, the first {kept[0][0].files[0]}: {kept[0][1]}"
    if any(why != IN_USE for _, why in kept):
        raise UserError(result)
    print_message(result)
