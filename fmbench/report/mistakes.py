"""Writes what the report says about known mistakes, and selects the models to examine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fmbench import runners
from fmbench.analysis.evaluation import SuiteResults
from fmbench.analysis.forensics.describe import (
    describe_clash,
    name_attempt,
    name_explanations,
    name_misses,
    name_sources,
    name_tables,
)
from fmbench.analysis.forensics.findings import ForensicsFindings, build_findings
from fmbench.analysis.forensics.matrix import FurtherStories, StoryPair, StoryRow
from fmbench.analysis.forensics.outcomes import Outcome
from fmbench.analysis.forensics.plan import ForensicsPlan
from fmbench.analysis.forensics.printed import PrintedSource
from fmbench.analysis.forensics.stored import StoredPredictions
from fmbench.analysis.statistics import compute_mean_sd
from fmbench.analysis.verdicts import FEWEST_SEEDS, VerdictKind
from fmbench.records.protocols import MISTAKES
from fmbench.report.sentences import Sentence, Strong, format_accuracy
from fmbench.suites.sources import name_source
from fmbench.utils.formatting import join_words

HEADING = "What could explain it"
UNDECIDED = (VerdictKind.WITHIN_SPREAD, VerdictKind.MORE_SEEDS, VerdictKind.UNDECIDABLE)
MOST_NAMED = 4  # stories that are named one by one; of more, only the number is given
NOT_A_PROOF = "This is evidence, not proof: it shows what may have happened, not that it happened."


def find_examined_runners(results: SuiteResults) -> list[str]:
    """Return the runners whose known mistakes the report shows.

    These are the suite's subject, and every runner of the suite with a record of a mistake. A
    runner that is another reading of the subject is shown with the subject.
    """
    protocols = {protocol.name for protocol in MISTAKES}
    recorded = {
        record.cell["runner"]
        for record in results.contents.finished.values()
        if record.cell["protocol"]["name"] in protocols
    }
    known = runners.load_runners()
    subject = results.suite.subject or ""
    of_suite = {subject, *results.suite.runners}
    return [
        name
        for name in dict.fromkeys([subject, *sorted(recorded)])
        if name in known
        and (name == subject or known[name].reading_of != subject)
        and (results.suite.other_runners or name in of_suite)
    ]


def collect_findings(results: SuiteResults) -> Iterator[ForensicsFindings]:
    """Yield what the records say about the known mistakes of each examined runner."""
    if results.source is None:
        return
    stored = StoredPredictions(results.store, results.contents, results.source)
    for name in find_examined_runners(results):
        n = results.summaries[name].n if name in results.summaries else 0
        plan = ForensicsPlan(runners.get_runner(name), max(results.protocol.default_seeds, n))
        yield build_findings(plan, stored, results.suite, results.rows)


def explain_with_mistakes(findings: ForensicsFindings) -> Sentence | None:
    """Say which story explains most of what the paper prints, and what it fails to explain.

    If the correct procedure explains all, the sentence says so and names no mistake. None if
    nothing that can be compared has been measured, or nothing is printed of the model; but what is
    known without a measurement is always said.
    """
    if findings.has_only_remarks:
        return Sentence(HEADING, (" ".join(findings.remarks),))
    if not findings.printed or not findings.matrix.comparable:
        return None
    if findings.needs_no_mistake:
        measured = Strong(_format_accuracy(findings.honest))
        return Sentence(
            HEADING,
            ("No mistake is needed: the correct procedure gives ", measured, ", which explains ",
             _count_sources(findings.printed), "."),
        )  # fmt: skip
    if findings.needs_no_story:
        measured = Strong(_format_accuracy(findings.honest))
        return Sentence(
            HEADING,
            (_describe_settled(findings), "The correct procedure gives ", measured, ". ",
             " ".join([_describe_clashes(findings).strip(), *findings.remarks])),
        )  # fmt: skip
    if not findings.n_compared:
        return Sentence(HEADING, (" ".join(findings.remarks),)) if findings.remarks else None
    remarks = [f"{remark} " for remark in findings.remarks]
    needless = [_describe_settled(findings), _describe_clashes(findings)]
    first, stories = _describe_best(findings)
    parts = [_describe_verdict(findings), *needless, *remarks, *first, NOT_A_PROOF]
    items = [*stories, _describe_counts(findings), _describe_readings(findings)]
    return Sentence(
        HEADING, tuple(filter(None, parts)), tuple(item.strip() for item in items if item)
    )


def _describe_settled(findings: ForensicsFindings) -> str:
    """Say which figures the correct procedure explains."""
    matrix = findings.matrix
    whole = [source for source in findings.printed if matrix.is_settled(source)]
    named = [name_sources(whole)] if whole else []
    named += [
        f"{clash.source.where} ({clash.accuracy.title})"
        for clash in matrix.clashes
        if clash.accuracy in clash.source.figures
    ]
    return f"No mistake is needed for {join_words(named)}. " if named else ""


def _describe_clashes(findings: ForensicsFindings) -> str:
    """Say which figures cannot belong to the same run as an accuracy that needs no mistake."""
    clashes = findings.matrix.clashes
    if not clashes:
        return ""
    one = len(clashes) == len(clashes[0].figures) == 1
    return (
        f"The accuracy needs no mistake; {join_words(map(describe_clash, clashes))} cannot belong "
        f"to the same run as that accuracy, so no story is told for {'it' if one else 'them'}: see "
        "`fmbench check`. "
    )


def _describe_verdict(findings: ForensicsFindings) -> str:
    """Say first that a claim may be right, if the seeds do not decide whether it is."""
    parts = []
    for source in findings.matrix.open_sources:
        verdict = next((figure.verdict for figure in source.figures if figure.verdict), None)
        if verdict is not None and verdict.kind in UNDECIDED:
            why = f"{verdict.seeds_needed} seeds in all would probably decide"
            reason = why if verdict.seeds_needed else verdict.reason or verdict.word
            parts.append(f"The rerun does not contradict {name_sources([source])}: {reason}. ")
    return "".join(parts)


def _describe_best(findings: ForensicsFindings) -> tuple[list[str], list[str]]:
    """Return the parts of the first sentences, then a text on each of the best stories."""
    best, matrix = findings.best_story, findings.matrix
    stories = "1 story" if findings.n_compared == 1 else f"{findings.n_compared} stories"
    tried = f"We compared {stories} with what the paper prints of the model"
    if best is None or matrix.top_story is None:
        return [f"{tried}, and ", Strong("none explains any of it"), ". "], []
    n, reached = len(matrix.open_sources), len(matrix.top_story.explained)
    if best is matrix.top_story and reached == n:
        return [f"{tried}. ", *_describe_full_explanation(findings, best)], []
    if best is not matrix.top_story:
        text = _describe_family(findings, best)
    else:
        rest = [source for source in matrix.open_sources if source not in best.explained]
        text = (
            f"The best is {_name_story(best)}, with {reached} of {n} places. It does not explain "
            f"{name_sources(rest)}. It {_name_verb(best)} {name_explanations(best)}. "
            f"{_describe_equals(matrix.equals_of_best)}"
        )
    alone = [] if reached == n else [Strong("No single story explains all of it"), ". "]
    pair = _describe_pair(findings.best_pair, matrix.top_story, n) if findings.best_pair else ""
    return [f"{tried}. ", *alone], [text, pair]


def _describe_full_explanation(findings: ForensicsFindings, best: StoryRow) -> list[str]:
    story, enough = best.outcome.story, best.outcome.has_enough_seeds
    by_source = not (best.departures or story.is_reading or story is findings.plan.honest)
    if by_source:
        says = f"It {'is' if enough else 'may be'} explained by the source’s own protocol"
    else:
        says = f"One story {'would' if enough else 'may'} explain it"
    return [
        Strong(says),
        f", {_name_story(best)}: {name_explanations(best)}. ",
        _describe_equals(findings.matrix.equals_of_best),
    ]


def _describe_family(findings: ForensicsFindings, best: StoryRow) -> str:
    """Describe a best story that others of its family, with few seeds, may surpass.

    They differ from it only in the settings that the source leaves open.
    """
    further = findings.matrix.further_stories
    reached = {each.source.where for each in further}
    rest = [
        source
        for source in findings.matrix.open_sources
        if source not in best.explained and source.where not in reached
    ]
    says = [f"misses {join_words(name_misses(best.get_match(each.source)) for each in further)}"]
    if rest:
        says.append(f"does not explain {join_words(name_tables(rest))}")
    if best.explained:
        says.append(f"explains {name_explanations(best)}")
    others = [
        f"{'the only one' if each.n == 1 else f'{len(each.rows)} of {each.n}'} may explain "
        f"{_name_further(each)}"
        for each in further
    ]
    return (
        f"The best is {_name_story(best)}. It {join_words(says)}. Of its other settings, "
        f"measured with fewer than {FEWEST_SEEDS} seeds, {join_words(others)}. "
    )


def _name_further(further: FurtherStories) -> str:
    """Name a source and what stories with few seeds give for it: ``Table 3 (98.84 and 98.66)``."""
    source, [first, *_] = further.source, further.rows
    figures = first.get_match(source).figures
    if len(figures) != 1 or len(further.rows) > MOST_NAMED:
        return name_sources([source])
    values = []
    for row in further.rows:
        [attempt] = row.get_match(source).attempts
        assert attempt is not None, "it explains the source"
        values.append(f"{name_attempt(figures[0], attempt)}, n = {row.outcome.n}")
    return f"{source.where} ({'; '.join(values)})"


def _name_story(row: StoryRow) -> str:
    """Name a story with its seeds and its accuracy: ``“MNIST digits” (n = 5, ...)``."""
    return f"“{row.outcome.story.name}” ({_format_outcome(row.outcome)})"


def _name_verb(row: StoryRow) -> str:
    return "explains" if row.outcome.has_enough_seeds else "may explain"


def _describe_equals(equals: Sequence[StoryRow]) -> str:
    """Say which stories are just as good: no order among them means anything."""
    if not equals:
        return ""
    if len(equals) > MOST_NAMED:
        return f"{len(equals)} other stories are just as good. "
    names = join_words(f"“{row.outcome.story.name}”" for row in equals)
    return f"Just as good: {names}. "


def _describe_pair(pair: StoryPair, top: StoryRow, n: int) -> str:
    """Describe the best pair; its first story is described already if it is the top one."""
    first, second = pair.first, pair.second
    sure = all(row.outcome.has_enough_seeds for row in (first, second))
    reach = f"{'' if sure else 'may '}explain {len(pair.explained)} of {n} places"
    rest = name_sources(pair.missed) if pair.missed else "nothing"
    others = "1 other story" if pair.n_equal == 1 else f"{pair.n_equal} other stories"
    equal = f"{others} would do as well in its place. " if pair.n_equal else ""
    if first is top:
        begin = f"A second story, “{second.outcome.story.name}”,"
    else:
        begin = (
            f"Two stories reach more together. {_name_story(first)} {_name_verb(first)} "
            f"{name_explanations(first)}. {_name_story(second)}"
        )
    return (
        f"{begin} {_name_verb(second)} {name_explanations(second)}. {equal}"
        f"Together the two {reach} and leave {rest} unexplained. "
    )


def _describe_counts(findings: ForensicsFindings) -> str:
    """Say how cheap an explanation of the claim is, if several stories explain it."""
    claim = findings.claim
    for count in findings.counts:
        is_claimed = claim is not None and count.source.place == name_source(claim.where)
        if is_claimed and count.n_explaining > 1:
            by_name = count.n_by_its_name or "none"
            few = f" ({count.n_with_few_seeds} with few seeds)" * bool(count.n_with_few_seeds)
            return (
                f"A match alone means little: {count.n_explaining} of {count.n_stories} stories "
                f"explain {count.source.where} in some way{few}, {by_name} of them under the "
                "printed name of the metric. "
            )
    return ""


def _describe_readings(findings: ForensicsFindings) -> str:
    measured, n = len(findings.measured_readings), len(findings.plan.readings)
    confirmed = findings.confirmed_best
    if not measured or not confirmed.n:
        return ""
    dataset = findings.plan.dataset.title
    on_digits = f", {findings.n_measured_on_digits} of {n} on the digits"
    return (
        f"Of the choices that the source leaves open, {measured} of {n} combinations "
        f"{'is' if measured == 1 else 'are'} measured on {dataset}"
        f"{on_digits if findings.plan.has_digits else ''}; the best one on held-out training "
        f"images gets {_format_accuracy(confirmed)}, on the test images. "
    )


def _count_sources(sources: tuple[PrintedSource, ...]) -> str:
    if len(sources) == 1:
        return name_sources(sources)
    return f"what the paper prints in all {len(sources)} places"


def _format_outcome(outcome: Outcome) -> str:
    """Give seeds and accuracy: ``n = 5, accuracy 99.14 ± 0.10 %``."""
    values = outcome.compute_values("accuracy")
    mean, sd = compute_mean_sd(values)
    return f"n = {outcome.n}, accuracy {format_accuracy(mean, sd, len(values))}"


def _format_accuracy(outcome: Outcome) -> str:
    """Give accuracy and seeds: ``90.83 ± 0.19 %, n = 5``."""
    mean, sd = compute_mean_sd(values := outcome.compute_values("accuracy"))
    return f"{format_accuracy(mean, sd, len(values))}, n = {len(values)}"
