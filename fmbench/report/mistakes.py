"""Writes what the report says about known mistakes, and selects the runners to examine."""

from __future__ import annotations

from collections.abc import Iterator

from fmbench import runners
from fmbench.analysis.evaluation import SuiteResults
from fmbench.analysis.forensics.findings import (
    ForensicsFindings,
    MeasuredVariant,
    StoredAccuracies,
)
from fmbench.analysis.forensics.plan import ForensicsPlan
from fmbench.analysis.verdicts import MARGIN, Claim
from fmbench.records.protocols import MISTAKES
from fmbench.report.sentences import Sentence, Strong, format_accuracy


def find_examined_runners(results: SuiteResults) -> list[str]:
    """Return the runners whose known mistakes the report shows.

    These are the suite's subject, and every runner with a record of a mistake.
    """
    protocols = {protocol.name for protocol in MISTAKES}
    recorded = {
        record.cell["runner"]
        for record in results.contents.finished.values()
        if record.cell["protocol"]["name"] in protocols
    }
    known = runners.load_runners()
    names = [results.suite.subject or "", *sorted(recorded)]
    return [name for name in dict.fromkeys(names) if name in known]


def collect_findings(results: SuiteResults) -> Iterator[ForensicsFindings]:
    """Yield what the records say about the known mistakes of each examined runner."""
    if results.source is None:
        return
    stored = StoredAccuracies(results.store, results.contents, results.source)
    for name in find_examined_runners(results):
        n = results.summaries[name].n if name in results.summaries else 0
        plan = ForensicsPlan(runners.get_runner(name), max(results.protocol.default_seeds, n))
        yield ForensicsFindings(plan, Claim.of_runner(results.suite.rows, name), stored)


def explain_with_mistakes(findings: ForensicsFindings) -> Sentence | None:
    """Say which known mistakes would give the claimed accuracy.

    If the correct procedure gives it, the sentence says so and names no mistake. None if nothing
    that can be compared has been measured, or nothing is claimed for the runner.
    """
    claim, mistakes = findings.claim, findings.measured_mistakes
    if claim is None:
        return None
    near = f"within {100 * MARGIN:g} points of {claim.printed} %"
    correct = findings.variants[0]
    if correct.match == "yes":
        measured = Strong(_format_variant(correct))
        return Sentence(
            "What could explain it", ("The correct procedure gives it: ", measured, ".")
        )
    if not mistakes:
        return None
    matching = [variant for variant in mistakes if variant.match == "yes"]
    parts = [
        f"We made {len(mistakes)} known mistakes on purpose. ",
        Strong(_count_matches(len(matching), near)),
    ]
    if matching:
        names = (f"{variant.mistake} ({_format_variant(variant)})" for variant in matching)
        parts.append(f": {'; '.join(names)}")
    parts += [
        ". ",
        _describe_readings(findings),
        "This shows what may have happened. It does not prove that it happened.",
    ]
    return Sentence("What could explain it", tuple(parts))


def _count_matches(n: int, near: str) -> str:
    if n == 0:
        return f"None of them comes {near}"
    return f"1 of them comes {near}" if n == 1 else f"{n} of them come {near}"


def _describe_readings(findings: ForensicsFindings) -> str:
    if findings.best_reading is None or findings.confirmed_best.match is None:
        return ""
    n_matching = findings.n_matching_readings
    count = "none comes" if n_matching == 0 else f"{n_matching} come{'s' * (n_matching == 1)}"
    return (
        f"The source leaves some choices open. We tried all {len(findings.plan.readings)} "
        f"combinations of them, and {count} that close. The best combination, chosen on held-out "
        f"training images, gets {_format_variant(findings.confirmed_best)}. "
    )


def _format_variant(variant: MeasuredVariant) -> str:
    return f"{format_accuracy(variant.mean or 0.0, variant.sd, variant.n)}, n = {variant.n}"
