"""The answer in sentences: what was claimed, what was found, how sure it is, what would explain it.

Every number is computed from the suite and the records; the words follow the verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from fmbench.analysis.forensics import findings
from fmbench.analysis.predictions import Details, Line
from fmbench.analysis.verdicts import (
    ALPHA,
    CLAIM_HIGHER,
    CLAIM_LOWER,
    FAILED,
    INCONCLUSIVE,
    MARGIN,
    NOT_RUN,
    REPRODUCED,
    UNTESTABLE,
)
from fmbench.consistency.check import Findings
from fmbench.report.commands import Commands

WORDS = (REPRODUCED, CLAIM_HIGHER, CLAIM_LOWER, INCONCLUSIVE, UNTESTABLE, FAILED, NOT_RUN)


class Strong(str):
    """Words that carry a sentence."""

    strong = True


@dataclass(frozen=True)
class Sentence:
    """``parts`` are plain text, or :class:`Strong`."""

    about: str
    parts: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(self.parts)


def sentences(details: Details, findings: Findings | None, commands: Commands) -> list[Sentence]:
    """The three sentences, about the suite's subject, or about all rows where it has none."""
    line = details.subject
    if line is None or line.claimed is None:
        return _about_all(details, findings, commands)
    return [
        Sentence("What was claimed", _claimed(details, line)),
        Sentence("What was found", _found(details, line, commands)),
        Sentence("How sure it is", _sure(line, findings)),
    ]


def explained(findings: findings.Findings) -> Sentence | None:
    """Which known mistake lands on the claim; None where none was tried, or nothing is claimed."""
    claim, tried = findings.claim, findings.mistakes
    if claim is None or not tried:
        return None
    landing = [line for line in tried if line["lands"] == "yes"]
    one = f"1 lands on {claim.printed} %" if len(landing) == 1 else ""
    many = f"{len(landing) or 'none'} land{'' if landing else 's'} on {claim.printed} %"
    parts = [f"Of {len(tried)} known mistakes, each made on purpose, ", Strong(one or many)]
    if landing:
        said = (f"{line['mistake']} ({_figure(line)})" for line in landing)
        parts.append(f": {'; '.join(said)}")
    parts += [
        ". ",
        _of_readings(findings),
        "That is evidence of what may have happened, not proof.",
    ]
    return Sentence("What would produce it", tuple(parts))


def _of_readings(findings: findings.Findings) -> str:
    best = findings.honest_best
    if best is None:
        return ""
    n_landing = f"{findings.n_readings_landing or 'none'}"
    return (
        f"Of {len(findings.plan.readings)} ways to read what the source leaves open, {n_landing} "
        f"land{'' if findings.n_readings_landing > 1 else 's'} there; the best, picked on held-out "
        f"training images, gets {_figure(best)}. "
    )


def _figure(line: Mapping[str, str]) -> str:
    spread = f" ± {line['sd']}" if line["sd"] else ""
    return f"{line['accuracy']}{spread} %, n = {line['n']}"


def counts(lines: list[Line]) -> dict[str, int]:
    """How many rows have each verdict, in a fixed order."""
    found = Counter(line.verdict.word for line in lines)
    return {word: found[word] for word in WORDS if found[word]}


def paper(details: Details) -> str:
    """Whose claims they are: ``M. Kayed, A. Anter, H. Mohamed (2020)``, or the suite's title."""
    suite = details.outcome.suite
    year = f" ({suite.year})" if suite.year else ""
    return f"{suite.authors}{year}" if suite.authors else f"“{suite.title}”{year}"


def _claimed(details: Details, line: Line) -> tuple[str, ...]:
    parts = [
        f"{paper(details)} report that ", Strong(line.row.label), " classifies ",
        Strong(f"{100 * (line.claimed or 0):.2f} %"),
        f" of the {sum(details.outcome.suite.n_per_class):,} Fashion-MNIST test images correctly",
    ]  # fmt: skip
    others = [
        other.claimed
        for other in details.lines
        if other.row.where == line.row.where and other is not line and other.claimed is not None
    ]
    if others and line.claimed is not None and line.claimed > max(others):
        parts.append(
            f": the highest of the {len(others) + 1} accuracies in its {line.row.where}, "
            f"{100 * (line.claimed - max(others)):.2f} points above the next"
        )
    return (*parts, ".")


def _found(details: Details, line: Line, commands: Commands) -> tuple[str, ...]:
    summary = line.summary
    if summary is None or line.mean is None or line.gap is None:
        why = f" ({line.verdict})" if line.verdict.word != NOT_RUN else ""
        run = commands.run(line.row.runner)
        return ("Nothing yet: there is ", Strong(f"no record{why}"), f": run `{run}`.")
    if summary.n > 1 and summary.sd is not None:
        figure = f"{100 * line.mean:.2f} ± {100 * summary.sd:.2f} %"
        how = f"mean ± standard deviation of n = {summary.n} seeds"
    else:
        figure, how = f"{100 * line.mean:.2f} %", "n = 1 run"
    parts = [
        f"Run again, by a recipe that is {line.row.recipe}, it gets ",
        Strong(figure),
        f" ({how})",
    ]
    if summary.n > 1 and summary.low is not None and summary.high is not None:
        parts += [
            "; one new run would get ",
            Strong(f"{100 * summary.low:.2f} to {100 * summary.high:.2f} %"),
            " (95 % prediction interval)",
        ]
    side = "below" if line.gap < 0 else "above"
    return (*parts, f", {abs(100 * line.gap):.2f} points {side} the claim.")


def _sure(line: Line, findings: Findings | None) -> tuple[str, ...]:
    verdict = line.verdict
    margin, alpha = f"{100 * MARGIN:g} points", f"p < {ALPHA:g}"
    if verdict.word in (CLAIM_HIGHER, CLAIM_LOWER):
        test = f" ({alpha} after correction for the number of rows)" * (
            verdict.p_differs is not None
        )
        parts = [Strong(f"{verdict.word[0].upper()}{verdict.word[1:]}"), test]
        if verdict.delta_star is not None:
            parts.append(
                f": a rerun may differ by {margin}, and it would take "
                f"{100 * verdict.delta_star:.2f} for the claim to pass"
            )
    elif verdict.word == REPRODUCED:
        parts = [Strong("Reproduced"), f": new runs lie within {margin} of the claim ({alpha})"]
    elif verdict.word == INCONCLUSIVE:
        parts = [
            Strong("Inconclusive"),
            f": the spread over the seeds neither puts the claim within {margin} nor beyond",
        ]
    else:
        parts = ["Not sure at all: ", Strong(str(verdict))]
    return (*parts, *_arithmetic(findings), ".")


def _arithmetic(findings: Findings | None) -> tuple[str, ...]:
    if findings is None:
        return ()
    n = len(findings.conflicts)
    if not n:
        return ("; the paper's own figures do not contradict each other",)
    ways = "in one way" if n == 1 else f"in {n} ways"
    return (
        "; and by arithmetic alone, whatever any rerun gives, the paper's own figures ",
        Strong(f"contradict each other {ways}"),
    )


def _about_all(details: Details, findings: Findings | None, commands: Commands) -> list[Sentence]:
    claims = [line.claimed for line in details.lines if line.claimed is not None]
    measured = [line for line in details.lines if line.mean is not None]
    said = f"{paper(details)}: {len(claims)} accuracies are claimed"
    if claims:
        said += f", from {100 * min(claims):.2f} to {100 * max(claims):.2f} %"
    found = [Strong(f"{len(measured)} of {len(details.lines)} rows"), " have been measured"]
    if not measured:
        found.append(f": run `{commands.run('--all')}`")
    words = ", ".join(f"{n} {word}" for word, n in counts(details.lines).items())
    return [
        Sentence("What was claimed", (f"{said}.",)),
        Sentence("What was found", (*found, ".")),
        Sentence("How sure it is", (Strong(words or "no row"), *_arithmetic(findings), ".")),
    ]
