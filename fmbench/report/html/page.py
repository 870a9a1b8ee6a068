"""Renders the report: one HTML page with everything about a suite and its records.

The page reads records and runs no model. It is one file that needs no network. The same records
always give the same bytes: its only dates are those of the records, and its only paths are those
that the user typed.
"""

from __future__ import annotations

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
from fmbench.report.figures.dot_plot import draw_dot_plot
from fmbench.report.figures.style import Drawing, MissingData
from fmbench.report.figures.subject import draw_confusion_matrix, draw_learning_curves
from fmbench.report.figures.write import FIGURES
from fmbench.report.html import sections
from fmbench.report.mistakes import collect_findings, explain_with_mistakes
from fmbench.report.story import write_story
from fmbench.report.tables import build_table
from fmbench.suites.reader import ACCURACIES, BY_CLASS, OVERALL
from fmbench.utils.formatting import format_interval
from fmbench.utils.printable import escape_unsafe
from fmbench.utils.table import TEXT, Table, format_points

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
    return escape_unsafe(re.sub(r"\n\s*\n+", "\n", html))


def _collect_values(predictions: SuitePredictions, commands: Commands) -> dict[str, Any]:
    """Collect the values that the template needs, by their names in it."""
    suite = predictions.results.suite
    consistency = check_consistency(suite) if suite.reported else None
    findings = list(collect_findings(predictions.results))
    drawings, missing_figures = _draw_figures(predictions)
    runner_sections = sections.build_runner_sections(predictions, commands)
    detail_tables = (BY_CLASS, OVERALL) if suite.subject else ()
    return {
        "heading": sections.write_heading(suite),
        "answer": write_story(predictions, consistency, findings, commands),
        "paper": sentences.cite_paper(predictions),
        "counts": row_texts.count_verdicts(predictions.rows),
        "suite": suite,
        "rows": predictions.rows,
        "subject": predictions.subject,
        "runnable": predictions.results.configurations,
        "commands": commands,
        "verdicts": VerdictKind,
        "legend": _explain_verdicts(predictions.rows),
        "by_source_protocol": row_texts.BY_SOURCE_PROTOCOL,
        "control": row_texts.CONTROL,
        "text_kind": TEXT,
        "interval": format_interval,
        "confidence": CONFIDENCE_TEXT,
        "no_record": NO_RECORD,
        "reference_mark": row_texts.REFERENCE_MARK,
        "reference_note": row_texts.describe_reference(predictions.rows),
        "main_chart": draw_dot_plot(predictions) if predictions.rows else None,
        "main_chart_narrow": draw_dot_plot(predictions, narrow=True) if predictions.rows else None,
        "drawings": drawings,
        "missing_figures": missing_figures,
        "accuracies_title": sections.find_table_title(suite, ACCURACIES),
        "tables": [build_table(predictions.results, name) for name in detail_tables],
        "against": _compare_folders(predictions),
        "sections": runner_sections,
        "anchors": {section.name: section.anchor for section in runner_sections},
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
        "mistakes": list(map(_build_mistakes_section, findings)),
        "missing": sections.list_missing(predictions, missing_figures, commands),
        "reproduction": sections.list_commands(predictions, runner_sections, commands),
        "provenance": sections.describe_provenance(predictions),
    }


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
    for words in (" %", "n = ", "p < ", " seed", " points"):
        text = text.replace(words, words.replace(" ", "\u00a0"))
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _format_percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:.2f}"


def _format_points(difference: float | None) -> str:
    """Return a difference in percentage points, with its sign."""
    if difference is None:
        return "–"
    return format_points(difference).replace("-", "−")


FILTERS: dict[str, Callable[..., str | list[str]]] = {  # of the template
    "percent": _format_percent,
    "points": _format_points,
    "minus": lambda text: text.replace("-", "−"),
    "prose": _format_prose,
    "cost": sections.describe_cost,
    "short_verdict": row_texts.shorten_verdict,
    "verdict_of": row_texts.name_verdict,
    "source_protocol": row_texts.format_source_protocol,
    "control": row_texts.format_control,
    "warnings": row_texts.list_warnings,
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
