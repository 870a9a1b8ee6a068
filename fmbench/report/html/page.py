"""One page that holds the whole case: built from records and a suite, opened from disk.

It reads records and runs no model. The same records give the same bytes: no date but theirs, no
path but what was typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fmbench.analysis.forensics import findings
from fmbench.analysis.forensics.accuracies import Evidence
from fmbench.analysis.forensics.plan import Plan
from fmbench.analysis.predictions import Details
from fmbench.analysis.verdicts import ALPHA, MARGIN
from fmbench.consistency import explain
from fmbench.consistency.check import Findings, judge
from fmbench.report import sentences
from fmbench.report.commands import Commands
from fmbench.report.figures import confusion, learning_curves, write
from fmbench.report.figures.dot_plot import dot_plot
from fmbench.report.figures.style import Drawing, Missing
from fmbench.report.html import sections
from fmbench.report.tables import build_table
from fmbench.runners import get
from fmbench.utils.table import Table

PARTS = ("report.css", "report.js")


def page(details: Details, commands: Commands) -> str:
    """The page as HTML."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fmbench", "templates"),
        autoescape=True,  # labels, remarks and reasons are other people's text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("report.html.j2").render(content(details, commands))
    return re.sub(r"\n\s*\n+", "\n", html)


def content(details: Details, commands: Commands) -> dict[str, Any]:
    """What the template is filled with."""
    suite = details.outcome.suite
    findings = judge(suite) if suite.reported else None
    drawings, missing = _drawings(details)
    found = sections.sections(details, commands)
    return {
        "answer": sentences.sentences(details, findings, commands),
        "paper": sentences.paper(details),
        "counts": sentences.counts(details.lines),
        "suite": suite,
        "details": details,
        "commands": commands,
        "margin": f"{100 * MARGIN:g}",
        "alpha": f"{ALPHA:g}",
        "dots": dot_plot(details) if details.lines else None,
        "dots_narrow": dot_plot(details, narrow=True) if details.lines else None,
        "drawings": drawings,
        "table3": build_table(details.outcome, "accuracies"),
        "tables": [build_table(details.outcome, n) for n in ("by-class", "overall")] if suite.subject else [],
        "sections": found,
        "anchors": {section.name: section.anchor for section in found},
        "curves": _curves(details),
        "findings": findings,
        "figures_checked": explain.figures(findings) if findings else [],
        "conflicts": [explain.sentence(c, findings) for c in findings.conflicts]
        if findings else [],
        "not_checked": _not_checked(findings),
        "forensics": _forensics(details),
        "missing": sections.missing(details, missing, commands),
        "reproduction": sections.reproduction(details, found, commands),
        "provenance": sections.provenance(details),
    }  # fmt: skip


def _drawings(details: Details) -> tuple[dict[str, Drawing], dict[str, str]]:
    """The figures beside the dot plot, and why others are missing."""
    drawings, missing = {}, {}
    for name, draw in write.FIGURES.items():
        if draw in (dot_plot, confusion.confusion):  # the page has its own
            continue
        try:
            drawings[name] = draw(details)
        except Missing as why:
            missing[name] = str(why)
    return drawings, missing


def _curves(details: Details) -> dict[str, Drawing]:
    found = {name: learning_curves.learning_curves(m) for name, m in details.measured.items()}
    return {name: drawing for name, drawing in found.items() if drawing}


def _not_checked(findings: Findings | None) -> list[str]:
    if findings is None:
        return []
    reported = findings.suite.reported
    return [
        f"{reported[i].where}, {reported[i].metric}: {why}"
        for i, why in sorted(findings.not_checked.items())
    ]


def investigations(details: Details) -> Iterator[findings.Findings]:
    """What is known of the mistakes on each runner that was looked into."""
    outcome = details.outcome
    if outcome.source is None:
        return
    evidence = Evidence(outcome.store, outcome.contents, outcome.source)
    for name in sections.investigated(outcome):
        n_seeds = max(5, details.measured[name].n if name in details.measured else 0)
        plan = Plan(get(name), n_seeds)
        yield findings.Findings(plan, findings.Claim.of(outcome.suite, name), evidence)


def _forensics(
    details: Details,
) -> list[tuple[str, Table, Table | None, sentences.Sentence | None]]:
    """For each runner looked into: its mistakes and, where any was tried, its readings."""
    shown = []
    for found in investigations(details):
        readings = found.readings_table() if found.plan.readings else None
        if readings and all(row["status"] == "not run" for row in readings.rows):
            readings = None
        name = found.plan.runner.name
        shown.append((name, found.table(), readings, sentences.explained(found)))
    return shown
