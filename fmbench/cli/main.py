"""The command line: parse, call, print; nothing else. One file for each family of verbs.

Nothing heavy is imported before a verb needs it: ``fmbench --help`` answers at once.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from fmbench.cli.check import check
from fmbench.cli.check_runner import check_runner
from fmbench.cli.compare import compare
from fmbench.cli.data import data
from fmbench.cli.figures import figures
from fmbench.cli.forensics import forensics
from fmbench.cli.list import list_runners
from fmbench.cli.new import new
from fmbench.cli.output import BAD_INPUT, INTERRUPTED, say
from fmbench.cli.report import report
from fmbench.cli.results import results
from fmbench.cli.run import run
from fmbench.cli.show import show
from fmbench.cli.suite import suite
from fmbench.cli.table import table
from fmbench.cli.verify import verify
from fmbench.cli.watch import watch
from fmbench.errors import UserError


class _Group(click.Group):
    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        command = super().get_command(ctx, name)
        if command is None:
            near = difflib.get_close_matches(name, self.commands, n=1)
            hint = (
                f": did you mean {near[0]}?" if near else f"; there are {', '.join(self.commands)}"
            )
            raise UserError(f"no command {name!r}{hint}")
        return command


@click.group(
    cls=_Group,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: fmbench run lenet5 --seeds 2",
)
@click.version_option(package_name="fmbench")
@click.pass_context
def cli(context: click.Context) -> None:
    """Re-run the models behind reported Fashion-MNIST accuracies under one harness."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (
    data, list_runners, show, run, table, check, compare, forensics, report, figures, watch, suite,
    new, check_runner, verify, results,
):  # fmt: skip
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point. Errors of the user are one line on stderr and status 2."""
    try:
        cli.main(arguments, prog_name="fmbench", standalone_mode=False)
    except UserError as error:
        _refuse(str(error))
    except click.ClickException as error:
        _refuse(error.format_message())
    except OSError as error:  # a full disk, a folder without permission: the user's to mend
        where = error.filename2 or error.filename  # of a renaming, where to
        _refuse(f"{f'{where}: ' if where else ''}{error.strerror or error}")
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    sys.exit(0)


def _refuse(message: str) -> NoReturn:
    say(f"error: {' '.join(message.split())}")
    sys.exit(BAD_INPUT)
