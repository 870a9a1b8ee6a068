"""The command line. Each command has a file of its own that parses, calls the API and prints.

Nothing heavy is imported before a command needs it, so that ``fmbench --help`` answers at once.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

import click

from fmbench.cli.check import check
from fmbench.cli.check_runner import check_runner
from fmbench.cli.compare import compare
from fmbench.cli.data import data
from fmbench.cli.figures import figures
from fmbench.cli.forensics import forensics
from fmbench.cli.judge import judge
from fmbench.cli.list import list_runners
from fmbench.cli.new import new
from fmbench.cli.output import (
    BAD_INPUT,
    INTERRUPTED,
    flush_output,
    print_logged_messages,
    print_message,
    print_output,
)
from fmbench.cli.report import report
from fmbench.cli.results import results
from fmbench.cli.run import run
from fmbench.cli.show import show
from fmbench.cli.streams import prepare_streams
from fmbench.cli.suite import suite
from fmbench.cli.table import table
from fmbench.cli.verify import verify
from fmbench.cli.watch import watch
from fmbench.errors import UserError
from fmbench.utils.file_errors import describe_os_error


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Examples: fmbench judge 'LeNet-5 98.80 %'; fmbench run lenet5 --seeds 2",
)
@click.version_option(package_name="fmbench")
@click.pass_context
def cli(context: click.Context) -> None:
    """Run the models behind a paper's accuracies again, and judge what the paper claims."""
    print_logged_messages()
    if context.invoked_subcommand is None:
        print_output(context.get_help())


for _command in (
    judge, data, list_runners, show, run, table, check, compare, forensics, report, figures, watch,
    suite, new, check_runner, verify, results,
):  # fmt: skip
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command. An error of the user is one line on stderr and exit status 2."""
    warnings.filterwarnings("default", "fmbench\\.", DeprecationWarning)
    prepare_streams()
    try:
        cli.main(arguments, prog_name="fmbench", standalone_mode=False)
        flush_output()
    except UserError as error:
        _exit_with_error(str(error))
    except click.exceptions.NoSuchCommand as error:
        path = error.ctx.command_path if error.ctx else "fmbench"
        hint = "" if error.possibilities else f" `{path} --help` lists the commands."
        _exit_with_error(error.format_message() + hint)
    except click.ClickException as error:
        _exit_with_error(error.format_message())
    except OSError as error:  # a full disk, a folder without permission: the user can correct it
        _exit_with_error(describe_os_error(error))
    except (click.Abort, KeyboardInterrupt):
        print_message("interrupted")
        sys.exit(INTERRUPTED)
    sys.exit(0)


def _exit_with_error(message: str) -> NoReturn:
    print_message(f"error: {' '.join(message.split())}")
    sys.exit(BAD_INPUT)
