"""Writes what the report says about known mistakes, and selects the models to examine."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from fmbench import runners
from fmbench.analysis.evaluation import SuiteResults
from fmbench.analysis.forensics.describe import name_explanations, name_sources
from fmbench.analysis.forensics.findings import ForensicsFindings
from fmbench.analysis.forensics.matrix import StoryPair, StoryRow
from fmbench.analysis.forensics.outcomes import Outcome
from fmbench.analysis.forensics.plan import ForensicsPlan
from fmbench.analysis.forensics.printed import PrintedSource, collect_remarks, collect_sources
from fmbench.analysis.forensics.stored import StoredPredictions
from fmbench.analysis.statistics import compute_mean_sd
from fmbench.analysis.verdicts import Claim
from fmbench.records.protocols import MISTAKES
from fmbench.report.sentences import Sentence, Strong, format_accuracy

HEADING = "What could explain it"
NOT_A_PROOF = "This is evidence, not proof: it shows what may have happened, not that it happened."


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
    stored = StoredPredictions(results.store, results.contents, results.source)
    for name in find_examined_runners(results):
        n = results.summaries[name].n if name in results.summaries else 0
        plan = ForensicsPlan(runners.get_runner(name), max(results.protocol.default_seeds, n))
        yield ForensicsFindings(
            plan, Claim.of_runner(results.suite.rows, name), stored,
            collect_sources(results.suite, name), collect_remarks(results.suite, name),
        )  # fmt: skip


def explain_with_mistakes(findings: ForensicsFindings) -> Sentence | None:
    """Say which story explains most of what the paper prints, and what it fails to explain.

    If the correct procedure explains all, the sentence says so and names no mistake. None if
    nothing that can be compared has been measured, or nothing is printed of the model; but what is
    known without a measurement is always said.
    """
    if not findings.printed or not findings.matrix.comparable:
        return None
    if findings.needs_no_mistake:
        measured = Strong(_format_outcome(findings.honest))
        return Sentence(
            HEADING,
            ("No mistake is needed: the correct procedure gives ", measured, ", which explains ",
             _count_sources(findings.printed), "."),
        )  # fmt: skip
    if not findings.n_compared:
        return Sentence(HEADING, (" ".join(findings.remarks),)) if findings.remarks else None
    remarks = [f"{remark} " for remark in findings.remarks]
    settled = [s for s in findings.printed if s not in findings.matrix.open_sources]
    needless = [f"No mistake is needed for {name_sources(settled)}. "] if settled else []
    parts = [*needless, *remarks, *_describe_best(findings)]
    parts += [_describe_counts(findings), _describe_readings(findings), NOT_A_PROOF]
    return Sentence(HEADING, tuple(filter(None, parts)))


def _describe_best(findings: ForensicsFindings) -> list[str]:
    n, best, pair = len(findings.matrix.open_sources), findings.best_story, findings.best_pair
    stories = "1 story" if findings.n_compared == 1 else f"{findings.n_compared} stories"
    tried = f"We compared {stories} with what the paper prints of the model"
    if best is None:
        return [f"{tried}, and ", Strong("none explains any of it"), ". "]
    story, explained = best.outcome.story, len(best.explained)
    if explained == n:
        by_source = not best.departures and not story.is_reading
        which = "the source’s own protocol" if by_source else "one story"
        return [f"{tried}. ", Strong(f"It is explained by {which}"), f", “{story.name}”: "
                f"{name_explanations(best)}. "]  # fmt: skip
    rest = [source for source in findings.matrix.open_sources if source not in best.explained]
    parts = [
        f"{tried}. ", Strong("No single story explains all of it"), f". The best is “{story.name}” "
        f"({explained} of {n} places). It does not explain {name_sources(rest)}. It explains "
        f"{name_explanations(best)}. ",
    ]  # fmt: skip
    return parts + (_describe_pair(pair, best, n) if pair else [])


def _describe_pair(pair: StoryPair, best: StoryRow, n: int) -> list[str]:
    rest = name_sources(pair.missed) if pair.missed else "nothing"
    reach = f"{len(pair.explained)} of {n} places and leave {rest} unexplained. "
    if best in (pair.first, pair.second):
        other = pair.second if best is pair.first else pair.first
        return [
            f"A second story, “{other.outcome.story.name}”, explains {name_explanations(other)}. "
            f"Together the two explain {reach}"
        ]
    first, second = pair.first, pair.second
    return [
        f"Two other stories explain more together. “{first.outcome.story.name}” explains "
        f"{name_explanations(first)}; “{second.outcome.story.name}” explains "
        f"{name_explanations(second)}. Together they explain {reach}"
    ]


def _describe_counts(findings: ForensicsFindings) -> str:
    """Say how cheap an explanation of the claim is, if several stories explain it."""
    claim = findings.claim
    for count in findings.counts:
        if claim and count.source.where == claim.where and count.n_explaining > 1:
            as_stated = "none" if not count.n_as_stated else str(count.n_as_stated)
            return (
                f"A match alone means little: {count.n_explaining} of {count.n_stories} stories "
                f"explain {name_sources([count.source])} in some way, {as_stated} of them as it "
                "stands. "
            )
    return ""


def _describe_readings(findings: ForensicsFindings) -> str:
    measured, n = len(findings.measured_readings), len(findings.plan.readings)
    confirmed = findings.confirmed_best
    if not measured or not confirmed.n:
        return ""
    count = f"all {n}" if measured == n else f"{measured} of {n}"
    return (
        f"The source leaves some choices open. Of {count} combinations, the best one on held-out "
        f"training images gets {_format_outcome(confirmed)} on the test images. "
    )


def _count_sources(sources: tuple[PrintedSource, ...]) -> str:
    if len(sources) == 1:
        return name_sources(sources)
    return f"what the paper prints in all {len(sources)} places"


def _format_outcome(outcome: Outcome) -> str:
    values = outcome.compute_values("accuracy")
    mean, sd = compute_mean_sd(values)
    return f"{format_accuracy(mean, sd, len(values))}, n = {len(values)}"


def format_findings(findings: ForensicsFindings, width: int = 100) -> str:
    """Format the answer, then each story with what it does not explain first, as plain text."""
    table = findings.build_table()
    lines = [*textwrap.wrap(table.title, width), ""]
    if sentence := explain_with_mistakes(findings):
        lines += [*textwrap.wrap(str(sentence), width), ""]
    titles = {source.title: source.where for source in findings.printed}
    if titles:
        lines += ["Printed:", *(f"  {title}" for title in titles), ""]
    for row in table.text_rows():
        lines += _format_story(row, titles, width)
    for note in table.notes:
        lines += textwrap.wrap(f"- {note}", width, subsequent_indent="  ")
    return "\n".join(lines) + "\n"


def _format_story(row: Mapping[str, str], titles: Mapping[str, str], width: int) -> list[str]:
    n = f" (n = {row['n']})" if row["n"] else f" ({row['status']})"
    lines = textwrap.wrap(f"{row['story']}{n}", width)
    cells = {where: row[title] for title, where in titles.items() if row[title]}
    groups = {
        "does not explain": [f"{w}: {t[4:]}" for w, t in cells.items() if t.startswith("no: ")],
        "explains": [f"{w}: {t[5:]}" for w, t in cells.items() if t.startswith("yes: ")],
        "not decided": [
            f"{w}: {t}" for w, t in cells.items() if not t.startswith(("no: ", "yes: "))
        ],
    }
    if "explains" not in row:  # quick figures are not compared
        groups = {"gives": [f"{where}: {text}" for where, text in cells.items()]}
    if row.get("accuracy"):
        groups["accuracy"] = [row["accuracy"]]
    for word, texts in groups.items():
        if texts:
            lines += textwrap.wrap(
                f"{word}  {'; '.join(texts)}", width, initial_indent="  ",
                subsequent_indent="      ",
            )  # fmt: skip
    return [*lines, ""]
