"""Writing what was found: tables, a page, figures, and text for a review."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.api.claims import check
from fmbench.api.results import Results
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.analysis.predictions import SuitePredictions
    from fmbench.report.commands import Commands


def write_tables(found: Results) -> list[Path]:
    """Write every table of the suite as Markdown and CSV into its folder; return the files."""
    from fmbench.report.tables import write_tables

    found.evaluation.store.prepare()
    return write_tables(found.evaluation)


def write_report(
    found: Results,
    output: str | Path | None = None,
    *,
    against: Results | None = None,
    on_step: Callable[[str], None] | None = None,
) -> Path:
    """Write one self-contained HTML page with all results of the suite; return the file.

    ``output``: the file; by default ``report.html`` in the suite's folder. ``against``: the results
    of another folder; the page compares the rows that both have measured. ``on_step`` is told what
    begins, such as ``drawing the figures``.
    """
    from fmbench.consistency.solver import silence_solver_output
    from fmbench.report.html.page import render_page, say_nothing
    from fmbench.utils.file_errors import name_file
    from fmbench.utils.files import write_text_atomically

    silence_solver_output()
    on_step = on_step or say_nothing
    on_step("reading the predictions")
    details, commands = _load_predictions(found)
    if against is not None:
        details = replace(details, against=against.evaluation)
        commands = replace(commands, against=against.folder)
    path = Path(output or found.suite.find_writable_folder(found.folder) / "report.html")
    _make_folder(path.parent)
    page = render_page(details, commands, on_step)
    with name_file(path):
        write_text_atomically(path, page)
    return path


def format_review(found: Results, *, margin: float = 0.005, alpha: float = 0.05) -> str:
    """Format the verdicts as paragraphs to paste into a review of the paper.

    ``margin`` (a fraction) and ``alpha`` are those of the verdicts.

    Raises:
        UserError: they are the results of a quick run.
    """
    from fmbench.consistency.solver import silence_solver_output
    from fmbench.report.commands import build_commands_of
    from fmbench.report.review import describe_software, write_review
    from fmbench.report.sentences import cite_suite

    _refuse_quick_results(found)
    silence_solver_output()
    suite, evaluation = found.suite, found.evaluation
    commands = build_commands_of(evaluation)
    rows = [row for row in evaluation.judge(margin, alpha) if row.row.claimed]
    lines = [commands.run("--all"), commands.table()] if rows else []
    return write_review(
        cite_suite(suite), rows, check(suite) if suite.reported else None,
        [*lines, *([commands.check()] if suite.reported else [])],
        made_with=describe_software(evaluation.records), margin=margin,
    )  # fmt: skip


def format_eval_results(found: Results) -> str:
    """Format what was measured as YAML, as a model hub's ``.eval_results`` files have it.

    Raises:
        UserError: they are the results of a quick run.
    """
    from datetime import UTC, datetime

    from fmbench.report.review import describe_software, write_eval_results

    _refuse_quick_results(found)
    evaluation = found.evaluation
    return write_eval_results(
        evaluation.rows, made_with=describe_software(evaluation.records), today=datetime.now(UTC)
    )


def _refuse_quick_results(found: Results) -> None:
    if not found.evaluation.has_verdicts:
        raise UserError(
            "the results of a quick run say nothing about the claims, so nobody should publish "
            "them: leave out --quick"
        )


def write_figures(
    found: Results, folder: str | Path | None = None, format_: str = "svg"
) -> tuple[list[Path], dict[str, str]]:
    """Write the figures as ``svg`` or ``png``; return the files, and why others were left out.

    ``folder``: by default ``figures`` in the suite's folder.
    """
    from fmbench.analysis.summary import NO_RECORD
    from fmbench.report.figures import write

    details, commands = _load_predictions(found)
    target = Path(folder or found.suite.find_writable_folder(found.folder, "figures"))
    _make_folder(target)
    written, left_out = write.write_figures(details, target, format_)
    subject = found.suite.subject
    for name, why in left_out.items():
        if subject and why == NO_RECORD:
            left_out[name] = f"{why}: run `{commands.run(subject)}`"
    return written, left_out


def _load_predictions(found: Results) -> tuple[SuitePredictions, Commands]:
    from fmbench.analysis.predictions import load_predictions
    from fmbench.report.commands import build_commands_of

    return load_predictions(found.evaluation), build_commands_of(found.evaluation)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"the folder {folder} cannot be made ({error.strerror}): name another place with "
            "--output"
        ) from None
