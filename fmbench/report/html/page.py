"""Renders the report: one HTML page with everything about a suite and its records.

The page reads records and runs no model. It is one file that needs no network. The same records
always give the same bytes: its only dates are those of the records, and its only paths are those
that the user typed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup, escape

from fmbench.analysis.evaluation import JudgedRow
from fmbench.analysis.forensics.findings import ForensicsFindings
from fmbench.analysis.predictions import SuitePredictions
from fmbench.analysis.statements import test_statements
from fmbench.analysis.statistics import CONFIDENCE_TEXT
from fmbench.analysis.summary import NO_RECORD, Status
from fmbench.analysis.two_results import build_two_results_table, pair_rows
from fmbench.analysis.verdicts import VerdictKind
from fmbench.consistency import explain
from fmbench.consistency.check import ConsistencyResult, check_consistency
from fmbench.metrics.registry import METRICS
from fmbench.report import row_texts, sentences
from fmbench.report.commands import Commands
from fmbench.report.figures.dot_plot import TITLE, describe_rows, write_dots_caption
from fmbench.report.figures.hard_images import ShownImages, show_hard_images
from fmbench.report.figures.style import MissingData, NotApplicable
from fmbench.report.figures.subject import FIGURE_NAMES
from fmbench.report.html import charts, sections
from fmbench.report.mistakes import collect_findings, explain_with_mistakes
from fmbench.report.speed import build_speed_tables, read_speed
from fmbench.report.story import write_story
from fmbench.report.tables import build_table
from fmbench.report.until_decided import build_spending_table
from fmbench.suites.reader import ACCURACIES, BY_CLASS, OVERALL
from fmbench.utils.formatting import format_interval, join_words
from fmbench.utils.printable import escape_unsafe
from fmbench.utils.table import TEXT, Table, format_points

# The charts of the page by the names of their figures.
CHARTS: dict[str, Callable[[SuitePredictions], charts.Chart]] = {
    name: functools.partial(charts.draw_subject_curves, quantity=quantity)
    for quantity, name in FIGURE_NAMES.items()
} | {"speed": charts.draw_speed_chart}
HARD_IMAGES = "hard-images"

OnStep = Callable[[str], None]


def say_nothing(step: str) -> None:
    """Ignore a step of the work; the default where nobody watches."""


def render_page(
    predictions: SuitePredictions, commands: Commands, on_step: OnStep = say_nothing
) -> str:
    """Render the page as HTML.

    ``commands`` are those that it shows. ``on_step`` is told what begins, such as ``drawing the
    figures``.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fmbench.report.html", "templates"),
        autoescape=True,  # labels, remarks and reasons come from other people
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    template = environment.get_template("report.html.j2")
    values = _collect_values(predictions, commands, on_step)
    on_step("writing the page")
    html = template.render(values)
    return escape_unsafe(re.sub(r"\n\s*\n+", "\n", html))


def _collect_values(
    predictions: SuitePredictions, commands: Commands, on_step: OnStep
) -> dict[str, Any]:
    """Collect the values that the template needs, by their names in it."""
    suite, rows = predictions.results.suite, predictions.rows
    if suite.reported:
        on_step("comparing what the paper prints")
    consistency = check_consistency(suite) if suite.reported else None
    spent = predictions.results.until_decided
    speed = read_speed(suite.folder_in(predictions.results.store.folder))
    on_step("comparing the known mistakes")
    findings = list(collect_findings(predictions.results))
    answer = write_story(predictions, consistency, findings, commands)
    mistakes = list(map(_build_mistakes_section, findings))
    on_step("drawing the figures")
    drawn, missing_figures = _draw_charts(predictions)
    hard_images = _show_hard_images(predictions, missing_figures)
    runner_sections = sections.build_runner_sections(predictions, commands)
    detail_tables = (BY_CLASS, OVERALL) if suite.subject else ()
    values = {
        "heading": sections.write_heading(suite),
        "answer": answer,
        "paper": sentences.cite_paper(predictions),
        "counts": row_texts.count_verdicts(rows),
        "suite": suite,
        "rows": rows,
        "subject": predictions.subject,
        "subject_section": _find_subject_section(predictions, runner_sections),
        "runnable": predictions.results.configurations,
        "commands": commands,
        "verdicts": VerdictKind,
        "legend": _explain_verdicts(rows),
        "by_source_protocol": row_texts.BY_SOURCE_PROTOCOL,
        "control": row_texts.CONTROL,
        "columns": _find_columns(rows),
        "text_kind": TEXT,
        "interval": format_interval,
        "confidence": CONFIDENCE_TEXT,
        "no_record": NO_RECORD,
        "reference_mark": row_texts.REFERENCE_MARK,
        "reference_note": row_texts.describe_reference(rows, commands.run("--all")),
        "dots": charts.build_dot_chart(predictions) if rows else None,
        "dots_title": TITLE,
        "dots_caption": write_dots_caption(predictions),
        "dots_in_words": describe_rows(rows),
        "charts": drawn,
        "speed_bars": charts.list_speed_bars(predictions),
        "hard_images": hard_images,
        "missing_figures": missing_figures,
        "accuracies_title": sections.find_table_title(suite, ACCURACIES),
        "matrix_title": suite.figure_titles.get("confusion-matrix", ""),
        "spending": build_spending_table(spent) if spent else None,
        "tables": [build_table(predictions.results, name) for name in detail_tables],
        "against": _compare_folders(predictions),
        "libraries": build_speed_tables(speed) if speed else [],
        "sections": runner_sections,
        "table_rows": sections.order_rows(predictions, runner_sections),
        "metric_titles": [metric.title for metric in METRICS.values() if metric.in_class_table],
        "curves": _draw_learning_curves(predictions),
        "consistency": consistency,
        "pairs": explain.build_pair_rows(consistency) if consistency else [],
        "sources": explain.build_source_rows(consistency) if consistency else [],
        "agreeing": _name_agreeing(consistency),
        "reported_figures": explain.build_figure_rows(consistency) if consistency else [],
        "conflicts": _describe_other_conflicts(consistency),
        "statements": test_statements(predictions.results),
        "not_checked": _describe_unchecked(consistency),
        "mistakes": mistakes,
        "missing": sections.list_missing(predictions, missing_figures, commands),
        "reproduction": sections.list_commands(predictions, runner_sections, commands),
        "provenance": sections.describe_provenance(predictions),
        "has_records": bool(predictions.by_name),
    }
    return values | {"navigation": _list_navigation(values)}


def _list_navigation(values: dict[str, Any]) -> list[tuple[str, str]]:
    """List the sections that the page has, each with its address and its short title."""
    suite = values["suite"]
    has_figures = values["charts"] or values["hard_images"] or values["missing_figures"]
    return [
        (anchor, title)
        for anchor, title, is_shown in (
            ("answer", "Answer", True),
            ("accuracies", values["accuracies_title"], True),
            ("figures", "Figures", has_figures),
            ("rows", "Rows", values["sections"]),
            ("metrics", "Metrics", values["tables"]),
            ("until-decided", "Seeds spent", values["spending"]),
            ("against", "Two machines", values["against"]),
            ("libraries", "Libraries", values["libraries"]),
            ("consistency", "Consistency", values["consistency"] or values["statements"]),
            ("mistakes", "Mistakes", values["mistakes"] or (suite.subject and values["rows"])),
            ("missing", "Missing", True),
            ("reproduce", "Reproduce", True),
            ("provenance", "Provenance", True),
        )
        if is_shown
    ]


@dataclass(frozen=True)
class Columns:
    """Which columns the table of accuracies has besides the usual ones: those with a value."""

    source: bool
    protocol: bool
    control: bool
    margin: bool
    p_values: bool

    @property
    def left_out(self) -> str:
        """Names the columns that a narrow screen leaves out."""
        return join_words(
            name
            for name, is_there in (
                ("source", self.source),
                ("one new run", True),
                (row_texts.CONTROL, self.control),
                ("margin needed", self.margin),
                ("p within", self.p_values),
                ("p beyond", self.p_values),
            )
            if is_there
        )


def _find_columns(rows: Sequence[JudgedRow]) -> Columns:
    return Columns(
        source=any(row.source is not None for row in rows),
        protocol=any(row.source_protocol for row in rows),
        control=any(row.control for row in rows),
        margin=any(row.verdict.delta_star is not None for row in rows),
        p_values=any(row.verdict.p_within is not None for row in rows),
    )


def _find_subject_section(
    predictions: SuitePredictions, runner_sections: Sequence[sections.RunnerSection]
) -> sections.RunnerSection | None:
    """Find the section of the model that the suite is about, if its classes are measured."""
    name = predictions.results.suite.subject
    return next((s for s in runner_sections if s.name == name and s.measured), None)


def _compare_folders(predictions: SuitePredictions) -> Table | None:
    """Build the table of the rows that another results folder has measured too."""
    if predictions.against is None:
        return None
    first, against = predictions.results, predictions.against
    rows = list(pair_rows(first.summaries, against.summaries))
    return build_two_results_table(rows, first.store.folder.name, against.store.folder.name)


def _explain_verdicts(rows: Sequence[JudgedRow]) -> list[tuple[str, list[VerdictKind]]]:
    """Return each explanation with the verdicts that it is about, of those that occur."""
    used = {row.verdict.kind for row in rows}
    used |= {row.source_protocol.verdict.kind for row in rows if row.source_protocol}
    by_text: dict[str, list[VerdictKind]] = {}
    for kind in VerdictKind:
        if kind in used:
            by_text.setdefault(kind.explanation(), []).append(kind)
    return list(by_text.items())


def _format_prose(text: str) -> Markup:
    """Keep numbers and their units on one line, and show text between backticks as code."""
    for words in (" %", "n = ", "p < ", "p = ", " seed", " points"):
        text = text.replace(words, words.replace(" ", "\u00a0"))
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _format_percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:.2f}"


def _format_points(difference: float | None) -> str:
    """Return a difference in percentage points, with its sign."""
    if difference is None:
        return "–"
    return format_points(difference).replace("-", "−")


def _format_p(p: float | None) -> str:
    """Return a p value with two digits, or ``<0.0001``."""
    return "–" if p is None else f"{p:.2g}" if p >= 1e-4 else "<0.0001"


FILTERS: dict[str, Callable[..., str | list[str]]] = {  # of the template
    "percent": _format_percent,
    "points": _format_points,
    "p_value": _format_p,
    "minus": lambda text: text.replace("-", "−"),
    "prose": _format_prose,
    "cost": sections.describe_cost,
    "short_verdict": row_texts.shorten_verdict,
    "verdict_of": row_texts.name_verdict,
    "source_protocol": row_texts.format_source_protocol,
    "control": row_texts.format_control,
    "warnings": row_texts.list_warnings,
}


def _draw_charts(predictions: SuitePredictions) -> tuple[dict[str, charts.Chart], dict[str, str]]:
    """Draw the charts by name; for each that cannot be drawn, return the reason.

    Those that the suite does not ask for are in neither.
    """
    drawn, missing = {}, {}
    for name, draw in CHARTS.items():
        try:
            drawn[name] = draw(predictions)
        except NotApplicable:
            continue
        except MissingData as why:
            missing[name] = str(why)
    return drawn, missing


def _show_hard_images(predictions: SuitePredictions, missing: dict[str, str]) -> ShownImages | None:
    """Collect the images that most models get wrong; if there are none, note in ``missing`` why."""
    try:
        return show_hard_images(predictions)
    except MissingData as why:
        missing[HARD_IMAGES] = str(why)
        return None


def _draw_learning_curves(predictions: SuitePredictions) -> dict[str, charts.LearningCurves]:
    drawn = {
        name: charts.draw_learning_curves(measured)
        for name, measured in predictions.by_name.items()
    }
    return {name: curves for name, curves in drawn.items() if curves}


def _describe_other_conflicts(consistency: ConsistencyResult | None) -> list[str]:
    """Describe the conflicts that are not the reason of a pair, and impossible spreads."""
    if consistency is None:
        return []
    reasons = {pair.reason for pair in consistency.contradicting_pairs}
    return [
        *(
            explain.describe_conflict(conflict, consistency)
            for conflict in consistency.conflicts
            if conflict.members not in reasons
        ),
        *(
            explain.describe_source(source, consistency)
            for source in consistency.sources
            if source.problem
        ),
        *explain.describe_spreads(consistency),
    ]


def _name_agreeing(consistency: ConsistencyResult | None) -> list[str]:
    """Name the largest set of sources that agree; nothing if there is no contradiction."""
    if consistency is None or not consistency.contradictory or len(consistency.agreeing) < 2:
        return []
    return [consistency.sources[i].name for i in consistency.agreeing]


def _describe_unchecked(consistency: ConsistencyResult | None) -> list[str]:
    if consistency is None:
        return []
    figures = consistency.figures
    return [
        f"{figures[i].where}, {figures[i].metric}: {why}"
        for i, why in sorted(consistency.not_checked.items())
    ]


@dataclass(frozen=True)
class MistakesSection:
    """What the page shows about the stories of one runner.

    If no story besides the correct procedure has to be measured, ``table`` has only its row, and
    nothing else is shown.
    """

    runner: str
    table: Table
    n_not_run: int  # stories of the registered recipe without a record
    candidates: Table | None  # every story that was measured; None if there are no more of them
    readings: Table | None  # None as long as no reading has been measured
    explanation: sentences.Sentence | None


def _build_mistakes_section(findings: ForensicsFindings) -> MistakesSection:
    table = findings.build_table()
    explanation = explain_with_mistakes(findings)
    if findings.needs_no_story:
        table = _drop_columns(table, "does not explain", "explains", "status")
        return MistakesSection(findings.plan.name, table, 0, None, None, explanation)
    if all(row["status"] == Status.MEASURED.value for row in table.rows):
        table = _drop_columns(table, "status")
    candidates = findings.build_candidates_table()
    return MistakesSection(
        findings.plan.name,
        table,
        findings.n_not_measured,
        candidates if len(candidates.rows) > len(table.rows) else None,
        findings.build_readings_table() if findings.measured_readings else None,
        explanation,
    )


def _drop_columns(table: Table, *names: str) -> Table:
    return replace(table, columns=tuple(c for c in table.columns if c.name not in names))
