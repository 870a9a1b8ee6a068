"""`fmbench results`: removes records from a results folder."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import print_message, print_output
from fmbench.errors import UserError


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
@options.results
def prune(stale: bool, failed: bool, broken: bool, yes: bool, results: Path) -> None:
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
    for one in listed:
        print_output("\n".join(f"{one.state:7} {file}: {one.why}" for file in one.files))
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(
                "nothing was removed: add --yes to remove the listed files without asking"
            )
        click.confirm(f"remove these {sum(len(one.files) for one in listed)} files?", abort=True,
                      err=True)  # fmt: skip
    kept = [(one, why) for one in listed if (why := remove_record(store, one))]
    result = f"removed {len(listed) - len(kept)} records"
    if len(kept) == 1:
        result += f"; {kept[0][0].files[0]} was kept: {kept[0][1]}"
    elif kept:
        result += f"; {len(kept)} were kept, the first {kept[0][0].files[0]}: {kept[0][1]}"
    if any(why != IN_USE for _, why in kept):
        raise UserError(result)
    print_message(result)
