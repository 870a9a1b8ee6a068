"""Renders the report: one HTML page with everything about a suite and its records.

The page reads records and runs no model. It is one file that needs no network. The same records
always give the same bytes: its only dates are those of the records, and its only paths are those
that the user typed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from fmbench.analysis.forensics.findings import ForensicsFindings
from fmbench.analysis.predictions import SuitePredictions
from fmbench.analysis.statistics import CONFIDENCE_TEXT
from fmbench.analysis.summary import NO_RECORD, Status
from fmbench.analysis.verdicts import VerdictKind
from fmbench.consistency import explain
from fmbench.consistency.check import ConsistencyResult, check_consistency
from fmbench.metrics.registry import METRICS
from fmbench.report import sentences
from fmbench.report.commands import Commands
from fmbench.report.figures.dot_plot import draw_dot_plot
from fmbench.report.figures.style import Drawing, MissingData
from fmbench.report.figures.subject import draw_confusion_matrix, draw_learning_curves
from fmbench.report.figures.write import FIGURES
from fmbench.report.html import sections
from fmbench.report.mistakes import collect_findings, explain_with_mistakes
from fmbench.report.tables import build_table
from fmbench.suites.reader import ACCURACIES, BY_CLASS, OVERALL
from fmbench.utils.formatting import format_interval
from fmbench.utils.table import TEXT, Table

# The page shows these in its own way: as the main chart, and as a table that readers can search.
NOT_AMONG_FIGURES = (draw_dot_plot, draw_confusion_matrix)


def render_page(predictions: SuitePredictions, commands: Commands) -> str:
    """Render the page as HTML; ``commands`` are those that it shows."""
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
    html = template.render(_collect_values(predictions, commands))
    return re.sub(r"\n\s*\n+", "\n", html)


def _collect_values(predictions: SuitePredictions, commands: Commands) -> dict[str, Any]:
    """Collect the values that the template needs, by their names in it."""
    suite = predictions.results.suite
    consistency = check_consistency(suite) if suite.reported else None
    drawings, missing_figures = _draw_figures(predictions)
    runner_sections = sections.build_runner_sections(predictions, commands)
    detail_tables = (BY_CLASS, OVERALL) if suite.subject else ()
    return {
        "heading": sections.write_heading(suite),
        "answer": sentences.write_answer(predictions, consistency, commands),
        "paper": sentences.cite_paper(predictions),
        "counts": sentences.count_verdicts(predictions.rows),
        "suite": suite,
        "rows": predictions.rows,
        "subject": predictions.subject,
        "runnable": predictions.results.configurations,
        "commands": commands,
        "verdicts": VerdictKind,
        "legend": _explain_verdicts(),
        "text_kind": TEXT,
        "interval": format_interval,
        "confidence": CONFIDENCE_TEXT,
        "no_record": NO_RECORD,
        "main_chart": draw_dot_plot(predictions) if predictions.rows else None,
        "main_chart_narrow": draw_dot_plot(predictions, narrow=True) if predictions.rows else None,
        "drawings": drawings,
        "missing_figures": missing_figures,
        "accuracies_title": sections.find_table_title(suite, ACCURACIES),
        "tables": [build_table(predictions.results, name) for name in detail_tables],
        "sections": runner_sections,
        "anchors": {section.name: section.anchor for section in runner_sections},
        "metric_titles": [metric.title for metric in METRICS.values() if metric.in_class_table],
        "curves": _draw_learning_curves(predictions),
        "consistency": consistency,
        "reported_figures": explain.build_figure_rows(consistency) if consistency else [],
        "conflicts": _describe_conflicts(consistency),
        "not_checked": _describe_unchecked(consistency),
        "mistakes": list(map(_build_mistakes_section, collect_findings(predictions.results))),
        "missing": sections.list_missing(predictions, missing_figures, commands),
        "reproduction": sections.list_commands(predictions, runner_sections, commands),
        "provenance": sections.describe_provenance(predictions),
    }


def _explain_verdicts() -> list[tuple[str, list[VerdictKind]]]:
    """Return each explanation with the verdicts that it is about."""
    by_text: dict[str, list[VerdictKind]] = {}
    for kind in VerdictKind:
        by_text.setdefault(kind.explanation(), []).append(kind)
    return list(by_text.items())


def _format_prose(text: str) -> Markup:
    """Keep numbers and their units on one line, and show text between backticks as code."""
    for words in (" %", "n = ", "p < ", " seed", " points"):
        text = text.replace(words, words.replace(" ", "\u00a0"))
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _format_percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:.2f}"


def _format_points(difference: float | None) -> str:
    """Return a difference in percentage points, with its sign."""
    if difference is None:
        return "–"
    return f"{round(100 * difference, 2) + 0.0:+.2f}".replace("-", "−")  # adding 0 removes -0


FILTERS: dict[str, Callable[..., str]] = {  # of the template
    "percent": _format_percent,
    "points": _format_points,
    "minus": lambda text: text.replace("-", "−"),
    "prose": _format_prose,
    "cost": sections.describe_cost,
}


def _draw_figures(predictions: SuitePredictions) -> tuple[dict[str, Drawing], dict[str, str]]:
    """Draw the figures by name; for each that cannot be drawn, return the reason."""
    drawings, missing = {}, {}
    for name, draw in FIGURES.items():
        if draw in NOT_AMONG_FIGURES:
            continue
        try:
            drawings[name] = draw(predictions)
        except MissingData as why:
            missing[name] = str(why)
    return drawings, missing


def _draw_learning_curves(predictions: SuitePredictions) -> dict[str, Drawing]:
    drawn = {name: draw_learning_curves(measured) for name, measured in predictions.by_name.items()}
    return {name: drawing for name, drawing in drawn.items() if drawing}


def _describe_conflicts(consistency: ConsistencyResult | None) -> list[str]:
    if consistency is None:
        return []
    return [explain.describe_conflict(conflict, consistency) for conflict in consistency.conflicts]


def _describe_unchecked(consistency: ConsistencyResult | None) -> list[str]:
    if consistency is None:
        return []
    reported = consistency.suite.reported
    return [
        f"{reported[i].where}, {reported[i].metric}: {why}"
        for i, why in sorted(consistency.not_checked.items())
    ]


@dataclass(frozen=True)
class MistakesSection:
    """What the page shows about the known mistakes, made with one runner."""

    runner: str
    table: Table
    n_not_run: int  # rows of the table without a record
    readings: Table | None  # None as long as no reading has been measured
    explanation: sentences.Sentence | None


def _build_mistakes_section(findings: ForensicsFindings) -> MistakesSection:
    readings = findings.build_readings_table() if findings.plan.readings else None
    if readings and all(row["status"] == Status.NOT_RUN.value for row in readings.rows):
        readings = None
    return MistakesSection(
        findings.plan.runner.name,
        findings.build_table(),
        sum(variant.status is Status.NOT_RUN for variant in findings.variants),
        readings,
        explain_with_mistakes(findings),
    )
