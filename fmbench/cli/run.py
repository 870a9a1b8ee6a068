"""`fmbench run`: measures runners, then prints and writes the table."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fmbench.cli import options
from fmbench.cli.output import (
    FAILED,
    INTERRUPTED,
    OutputOptions,
    build_check_command,
    print_document,
    print_message,
    print_problems,
    print_table,
)
from fmbench.errors import UserError
from fmbench.execution.session import RunOptions, Verbosity

if TYPE_CHECKING:
    from fmbench.api.results import Results
    from fmbench.execution.plan import RunPlan
    from fmbench.utils.document import Document
    from fmbench.utils.table import Table

# FEWEST_SEEDS and MAX_SEEDS of the verdicts, whose module takes long to import.
LOOKS = (3, 20)


@click.command(
    epilog="Examples: fmbench run --all; fmbench run lenet5 --seeds 2; "
    "fmbench run --all --until-decided; fmbench run --all --dry-run; "
    "fmbench run ./my_model.py:make_model -p max_depth=20; "
    "fmbench run sklearn.ensemble:HistGradientBoostingClassifier -p max_iter=50"
)
@options.names
@options.parameters
@click.option(
    "--all", "every_row", is_flag=True,
    help="Every row of the suite that has a runner, except those that run only if you name them.",
)  # fmt: skip
@options.suite
@click.option(
    "--quick", is_flag=True, help="A small part of the data and few epochs: minutes, no verdicts."
)
@options.seeds
@options.seed_numbers
@click.option(
    "--until-decided", is_flag=True,
    help="Seeds only where a verdict is open: each row stops as soon as it is decided, or a "
    "decision has become improbable. Where seeds cannot or probably will not decide a row, --all "
    "takes fmbench's own measurement if there is one.",
)  # fmt: skip
@click.option(
    "--max-seeds", type=options.WholeNumber(*LOOKS), metavar="N",
    help=f"With --until-decided: no row gets more seeds; {LOOKS[0]} to {LOOKS[1]}.  "
    f"[default: {LOOKS[1]}]",
)  # fmt: skip
@click.option(
    "--dry-run", is_flag=True,
    help="Print what would be measured and how long it would take, and measure nothing.",
)  # fmt: skip
@options.run_options
@options.order
@click.option(
    "--controls", is_flag=True,
    help="Also measure rows with a control figure on its images, such as the digits.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Also run again what is finished.")
@click.option(
    "--refresh", is_flag=True,
    help="Also run again what was measured with other versions or on another processor.",
)  # fmt: skip
@options.output(default="md")
@options.verbosity
@options.results
@options.data
def run(
    dry_run: bool,
    run_options: RunOptions,
    output: OutputOptions,
    verbosity: Verbosity,
    suite_file: Path | None,
    **what: Any,
) -> None:
    """Measure runners, then print and write the table. Finished cells are not run again.

    NAME is a runner, also as papers call it (`SVC`) or as a label of the suite, or a model of your
    own: FILE.py:NAME, or module:NAME of an installed package. With NAME, the table has only these
    rows. In a terminal it is shown while the run fills it, with what is known already.
    """
    from fmbench.api import runs

    if what["seeds"] and what["seed_numbers"]:
        raise UserError("give --seeds, how many, or --seed, which ones, not both")
    if dry_run:
        plan = runs.plan_run(suite=suite_file, options=run_options, **what)
        print_document(_format_plan(plan), output)
        return
    options.stop_on_sigterm()
    found = runs.run(suite=suite_file, options=run_options, verbosity=verbosity, **what)
    if not found.interrupted or any(row.is_measured_here for row in found.evaluation.rows):
        print_table(_choose_table(found, output), output)
    status = print_problems(found.evaluation)
    if name := _find_failed_file(found):
        logging.getLogger("fmbench").info(
            "`%s` checks the model, and names the line of your file in which an error is",
            build_check_command(name),
        )
    if found.interrupted:
        print_message(found.interruption)  # last, so that it is not scrolled out of sight
        sys.exit(INTERRUPTED)
    is_incomplete = found.unwritten or any(not r.finished for r in found.new_records)
    sys.exit(FAILED if is_incomplete else status)


def _find_failed_file(found: Results) -> str:
    """Find a model in a file of the user's own that has just failed; empty if there is none."""
    from fmbench.plugins.model_spec import ModelSpec

    for record in found.new_records:
        if record.asked and not record.finished:
            spec = ModelSpec(record.asked["runner"], record.asked["parameters"])
            if spec.is_file:
                return str(spec)
    return ""


def _choose_table(found: Results, output: OutputOptions) -> Table:
    """Choose the table to print: of the rows that were named, short for LaTeX and HTML."""
    from fmbench.report.tables import AccuracyTable, build_overview

    table = found.table(only=found.named)
    if isinstance(table, AccuracyTable) and output.chosen_format in ("tex", "html"):
        short = build_overview(table)
        return short if short.rows else table  # it has only the rows with a claim
    return table


def _format_plan(plan: RunPlan) -> Document:
    """Format what a run would do: its cells by row, and the time that it would take."""
    from fmbench.utils.document import Document, Paragraph
    from fmbench.utils.formatting import format_duration, format_number_of
    from fmbench.utils.table import COUNT, Column, ColumnKind, Table

    columns = (
        Column("row"), Column("cells", COUNT), Column("done", COUNT), Column("to do", COUNT),
        Column("on one core", ColumnKind("duration", format_duration, align="right")),
    )  # fmt: skip
    rows = [
        {
            "row": row.name,
            "cells": row.n_cells,
            "done": row.n_cells - row.n_pending,
            "to do": row.n_pending,
            "on one core": row.seconds if row.n_pending else None,
        }
        for row in plan.rows
    ]
    total = f"{plan.n_pending} of {format_number_of(plan.n_cells, 'cell')} must be measured"
    if plan.later_looks:
        total += " before the claims are tested again"
    if plan.n_pending:
        total += f": about {format_duration(plan.core_seconds)} on one core"
    if plan.n_pending and plan.seconds is not None:
        total += f", about {format_duration(plan.seconds)} here, {plan.at_a_time}"
    sentences = [total, *_describe_later_looks(plan)]
    sentences.append("Nothing was measured: the same command without --dry-run measures")
    text = " ".join(f"{sentence}." for sentence in sentences)
    data = {
        "rows": [
            {"row": row.name, "cells": row.n_cells, "to_do": row.n_pending, "seconds": row.seconds}
            for row in plan.rows
        ],
        "cells": plan.n_cells, "to_do": plan.n_pending, "core_seconds": plan.core_seconds,
        "jobs": plan.jobs, "seconds": plan.seconds,
    }  # fmt: skip
    if later := plan.later_looks:
        data["later_looks"] = {
            "cells_at_most": later.n_cells, "core_seconds_at_most": later.core_seconds,
            "stops": later.stops,
        }  # fmt: skip
    blocks: list[Table | Paragraph] = [Table("", columns, rows), Paragraph(text)]
    return Document("What the run would measure", blocks, data)


def _describe_later_looks(plan: RunPlan) -> Iterator[str]:
    """Yield sentences on what follows the next look: the most cells, and the rows without seeds."""
    from fmbench.utils.formatting import format_duration

    if later := plan.later_looks:
        if later.n_cells > plan.n_pending:
            yield (
                "Then each row gets one seed at a time until it is decided, or a decision is "
                f"improbable: at most {later.n_cells} cells in all, about "
                f"{format_duration(later.core_seconds)} on one core, and usually far fewer"
            )
        if later.stops:
            yield f"Rows that get no seed: {'; '.join(later.stops)}"
