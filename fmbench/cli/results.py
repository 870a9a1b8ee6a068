"""The verb that takes records out of a results folder."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import output, say
from fmbench.errors import UserError


@click.group(
    "results", invoke_without_command=True, epilog="Example: fmbench results prune --stale"
)
@click.pass_context
def results(context: click.Context) -> None:
    """The records of a results folder."""
    if context.invoked_subcommand is None:
        output(context.get_help())


@results.command(
    epilog="Examples: fmbench results prune --stale; fmbench results prune --failed --broken --yes"
)
@click.option("--stale", is_flag=True, help="What today's code would make otherwise.")
@click.option("--failed", is_flag=True, help="What says that, and why, a cell failed.")
@click.option("--broken", is_flag=True, help="What cannot be read, and what was set aside so.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.results
def prune(stale: bool, failed: bool, broken: bool, yes: bool, results: Path) -> None:
    """Remove records: lists them, asks, and removes what it has listed and nothing else."""
    from fmbench.audit.prune import removable, remove
    from fmbench.audit.verify import Verifier

    states = {"stale"} if stale else set()
    states |= ({"failed"} if failed else set()) | ({"broken"} if broken else set())
    if not states:
        raise UserError("say what to remove: --stale, --failed or --broken")
    store = options.existing(results)
    listed = list(removable(store, Verifier(store, {}).findings(store.read()), states))
    if not listed:
        say("nothing to remove")
        return
    for one in listed:
        output("\n".join(f"{one.state:7} {file}: {one.why}" for file in one.files))
    if not yes:
        if not sys.stdin.isatty():
            raise UserError("nothing was removed: --yes removes what is listed without asking")
        click.confirm(f"remove these {sum(len(one.files) for one in listed)} files?", abort=True,
                      err=True)  # fmt: skip
    kept = [one for one in listed if not remove(store, one)]
    for one in kept:
        say(f"kept {one.files[0]}: a run is at it")
    say(f"removed {len(listed) - len(kept)} records")
