"""Decides whether a rerun reproduces a claimed accuracy, and declares every verdict.

:class:`VerdictKind` declares all verdicts in one place: their words, what they mean, and how they
look in a terminal, in a figure and on the page.

A claim and its rerun are scored on the same test images, so without a mistake they differ only by
the spread over seeds. They are compared by a prediction interval for one new run (Spence & Stanley
2016; Bouthillier et al. 2021, arXiv 2103.03098; Jordan 2024, arXiv 2304.01910). Accuracies are
fractions in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from fmbench.analysis.statistics import correct_p_values
from fmbench.analysis.summary import Status, Summary
from fmbench.suites.claims import Row
from fmbench.suites.rounding import compute_interval, parse_figure

MARGIN = 0.005  # a rerun may differ from the claim by half a percentage point
ALPHA = 0.05  # level of the tests
FEWEST_SEEDS = 3  # a stochastic runner with fewer seeds is not tested

PageColour = Literal["green", "vermillion", "blue", "orange", "purple", "muted"]


@dataclass(frozen=True)
class VerdictStyle:
    """What one verdict is called, what it means and how it looks.

    ``meaning`` is a part of a table's note, ``explanation`` a full sentence for the page. Both may
    contain ``{margin}`` (points) and ``{alpha}``. ``sentence`` follows the word in the report's
    answer; it is empty if a reason follows instead. It may also contain ``{test}`` (the level, if a
    test was made) and ``{delta_star}`` (points). ``group``: verdicts of one group are explained
    together, under its name; by default, each verdict under its own word.
    """

    word: str
    meaning: str
    explanation: str
    sentence: str
    mark: str  # one character, for terminal and page
    terminal_style: str  # a style of the library rich
    page_colour: PageColour  # a colour of the page's style sheet, and of the figures
    plot_marker: str  # a marker of matplotlib
    plot_marker_size: float  # points
    filled: bool = True  # whether the plot's marker is filled
    in_legend: bool = True  # whether tables explain it
    group: str = ""


class VerdictKind(Enum):
    """Every verdict that a row can get, in the order in which they are counted and explained.

    A triangle points from the claim to the side on which the measurement lies.
    """

    REPRODUCED = VerdictStyle(
        word="reproduced",
        meaning=(
            "the mean of new runs lies within {margin} points of the claim (two one-sided t tests, "
            "p < {alpha}; without spread, the figure itself)"
        ),
        explanation=(
            "The mean of new runs lies within {margin} points of the claim (two one-sided t tests, "
            "p < {alpha}). A deterministic model has one result, which is compared directly."
        ),
        sentence=": the mean of new runs lies within {margin} points of the claim (p < {alpha})",
        mark="●",
        terminal_style="green",
        page_colour="green",
        plot_marker="o",
        plot_marker_size=5.0,
    )
    CLAIM_HIGHER = VerdictStyle(
        word="not reproduced, claim higher",
        group="not reproduced",
        meaning=(
            "the claim differs from a new run by more than {margin} points and its rounding (t "
            "test, p < {alpha} after Holm's correction for the number of rows)"
        ),
        explanation=(
            "The claim differs from a new run by more than {margin} points and its rounding "
            "(t test, p < {alpha} after Holm’s correction for the number of rows)."
        ),
        sentence=(
            "{test}: a rerun may differ from a claim by {margin} points; this claim would be "
            "reproduced only if {delta_star} points were allowed"
        ),
        mark="◀",
        terminal_style="red",
        page_colour="vermillion",
        plot_marker="<",
        plot_marker_size=5.5,
    )
    CLAIM_LOWER = VerdictStyle(
        word="not reproduced, claim lower",
        group=CLAIM_HIGHER.group,
        meaning=CLAIM_HIGHER.meaning,
        explanation=CLAIM_HIGHER.explanation,
        sentence=CLAIM_HIGHER.sentence,
        mark="▶",
        terminal_style="blue",
        page_colour="blue",
        plot_marker=">",
        plot_marker_size=5.5,
    )
    INCONCLUSIVE = VerdictStyle(
        word="inconclusive",
        meaning="the seeds differ too much to decide between these two",
        explanation="The seeds differ too much to decide between the verdicts above.",
        sentence=(": the seeds differ too much to say whether the claim is within {margin} points"),
        mark="◆",
        terminal_style="yellow",
        page_colour="orange",
        plot_marker="D",
        plot_marker_size=4.2,
    )
    UNTESTABLE = VerdictStyle(
        word="untestable",
        meaning="a rerun cannot test the claim, for the reason given",
        explanation=(
            "A rerun cannot test the claim. The row gives the reason: no source states the recipe, "
            "nothing is claimed, or too few seeds were run."
        ),
        sentence="",
        mark="○",
        terminal_style="dim",
        page_colour="muted",
        plot_marker="o",
        plot_marker_size=4.6,
        filled=False,
    )
    FAILED = VerdictStyle(  # some seeds may be measured, some failed
        word=Status.FAILED.value,
        meaning="a run failed, for the reason given",
        explanation=(
            "A run failed. The other runs alone would be a selection, so they are not judged."
        ),
        sentence="",
        mark="✕",
        terminal_style="bold red",
        page_colour="purple",
        plot_marker="X",
        plot_marker_size=5.0,
        in_legend=False,
    )
    NOT_RUN = VerdictStyle(
        word=Status.NOT_RUN.value,
        meaning="there is no record",
        explanation="Nothing was measured.",
        sentence="",
        mark="–",
        terminal_style="dim",
        page_colour="muted",
        plot_marker="o",
        plot_marker_size=4.6,
        filled=False,
        in_legend=False,
    )

    @property
    def style(self) -> VerdictStyle:
        """What it is called and how it looks."""
        return self.value

    @property
    def word(self) -> str:
        """What tables, figures and the page call this verdict."""
        return self.value.word

    @property
    def css_class(self) -> str:
        """The class of its elements on the page, such as ``claim-higher``."""
        return self.name.lower().replace("_", "-")

    @property
    def differs(self) -> bool:
        """Whether the rerun differs from the claim."""
        return self in (VerdictKind.CLAIM_HIGHER, VerdictKind.CLAIM_LOWER)

    def explanation(self, margin: float = MARGIN, alpha: float = ALPHA) -> str:
        """Explain it in a full sentence; ``margin`` is a fraction."""
        return self.value.explanation.format(margin=f"{100 * margin:g}", alpha=f"{alpha:g}")


def explain_verdicts(margin: float = MARGIN, alpha: float = ALPHA) -> str:
    """Explain the verdicts in one line for a table's notes; ``margin`` is a fraction."""
    meanings = {
        kind.style.group or kind.word: kind.style.meaning.format(
            margin=f"{100 * margin:g}", alpha=f"{alpha:g}"
        )
        for kind in VerdictKind
        if kind.style.in_legend
    }
    return "; ".join(f"{words}: {meaning}" for words, meaning in meanings.items())


@dataclass(frozen=True)
class Verdict:
    """The verdict on one row; ``reason`` says why a claim is untestable, or why a run failed.

    ``delta_star`` is the smallest margin with which the claim would be reproduced. ``p`` is twice
    the smaller one-sided p of the test that the claim lies outside of the margin, before the
    correction for many rows; ``None`` if no such test was made.
    """

    kind: VerdictKind
    reason: str = ""
    delta_star: float | None = None
    p: float | None = None

    @property
    def word(self) -> str:
        """The verdict without its reason."""
        return self.kind.word

    @property
    def sentence(self) -> str:
        """What follows the word in the report's answer, at the default margin and level."""
        test = f" (p < {ALPHA:g} after correction for the number of rows)"
        return self.kind.style.sentence.format(
            margin=f"{100 * MARGIN:g}",
            alpha=f"{ALPHA:g}",
            test="" if self.p is None else test,
            delta_star="" if self.delta_star is None else f"{100 * self.delta_star:.2f}",
        )

    def __str__(self) -> str:
        return f"{self.word}: {self.reason}" if self.reason else self.word


Match = Literal["yes", "possible", "no"]


@dataclass(frozen=True)
class Claim:
    """A claimed accuracy, the half unit of its rounding, and how many runs it averages.

    ``printed`` is the figure as the paper prints it, ``label`` and ``where`` say whose it is.
    """

    accuracy: float
    half_unit: float
    n_runs: int = 1
    printed: str = ""
    label: str = ""
    where: str = ""

    @classmethod
    def from_row(cls, row: Row) -> Claim | None:
        """Build the claim of a suite's row; None if it claims nothing."""
        if row.claimed is None:
            return None
        printed = compute_interval(row.claimed, "accuracy")
        return cls(
            float(parse_figure(row.claimed, "accuracy")),
            float((printed.high - printed.low) / 2),
            row.mean_of,
            row.claimed,
            row.label,
            row.where,
        )

    @classmethod
    def of_runner(cls, rows: Iterable[Row], runner: str) -> Claim | None:
        """Find the first accuracy that the rows claim for a runner; None if there is none."""
        claims = (cls.from_row(row) for row in rows if row.runner == runner)
        return next((claim for claim in claims if claim), None)

    @property
    def low(self) -> float:
        """The lowest accuracy that is printed like the claim."""
        return self.accuracy - self.half_unit

    @property
    def high(self) -> float:
        """The highest accuracy that is printed like the claim."""
        return self.accuracy + self.half_unit

    def match(self, mean: float, low: float | None = None, high: float | None = None) -> Match:
        """Whether a measured accuracy could be the claimed one.

        ``yes``: some value that is printed like the claim is at most the margin from ``mean``.
        ``possible``: otherwise, if such a value lies between ``low`` and ``high``, the prediction
        interval for one new run. ``no``: in all other cases.
        """
        if self.low - MARGIN <= mean <= self.high + MARGIN:
            return "yes"
        if low is not None and high is not None and low <= self.high and self.low <= high:
            return "possible"
        return "no"


def judge_claim(
    claim: Claim,
    accuracies: Sequence[float],
    *,
    deterministic: bool,
    margin: float = MARGIN,
    alpha: float = ALPHA,
) -> Verdict:
    """Judge one claim by itself; see :func:`correct_for_many_rows`.

    ``accuracies`` has one entry for each seed. Reproduced: two one-sided t tests show that the mean
    is within ``margin`` of the claim. Not reproduced: a t test shows that the claim differs from
    the mean of ``claim.n_runs`` new runs by more than its rounding and the margin. A model without
    spread is reproduced if the distance is at most the rounding plus the margin.
    """
    n = len(accuracies)
    if n == 0:
        return Verdict(VerdictKind.NOT_RUN)
    mean = math.fsum(accuracies) / n
    distance = abs(claim.accuracy - mean)
    side = VerdictKind.CLAIM_HIGHER if claim.accuracy > mean else VerdictKind.CLAIM_LOWER
    if not deterministic and n < FEWEST_SEEDS:
        seeds = "1 seed" if n == 1 else f"{n} seeds"
        return Verdict(
            VerdictKind.UNTESTABLE, f"{seeds} of a stochastic model, {FEWEST_SEEDS} needed"
        )
    sd = math.sqrt(math.fsum((a - mean) ** 2 for a in accuracies) / (n - 1)) if n > 1 else 0.0
    if deterministic or sd == 0:
        within = distance <= claim.half_unit + margin
        delta_star = max(0.0, distance - claim.half_unit)
        return Verdict(VerdictKind.REPRODUCED if within else side, delta_star=delta_star)

    from scipy.special import stdtr, stdtrit

    standard_error = sd / math.sqrt(n)
    p_equivalent = float(stdtr(n - 1, -(margin - distance) / standard_error))
    delta_star = distance + float(stdtrit(n - 1, 1 - alpha)) * standard_error
    beyond = distance - claim.half_unit - margin
    p_one_sided = float(stdtr(n - 1, -beyond / (sd * math.sqrt(1 / claim.n_runs + 1 / n))))
    p = min(1.0, 2 * p_one_sided)
    if p_equivalent < alpha:
        kind = VerdictKind.REPRODUCED
    elif p < alpha:
        kind = side
    else:
        kind = VerdictKind.INCONCLUSIVE
    return Verdict(kind, delta_star=delta_star, p=p)


def correct_for_many_rows(verdicts: Sequence[Verdict], *, alpha: float = ALPHA) -> list[Verdict]:
    """Correct the verdicts of a table: "not reproduced" must also hold after Holm's correction.

    The correction counts every row that was tested. A verdict that no longer holds becomes
    inconclusive. "Reproduced" is not corrected, because it favours the claim.
    """
    tested = {i: v.p for i, v in enumerate(verdicts) if v.p is not None}
    corrected = list(verdicts)
    for i, p in zip(tested, correct_p_values(list(tested.values())), strict=True):
        if p >= alpha and corrected[i].kind.differs:
            corrected[i] = replace(corrected[i], kind=VerdictKind.INCONCLUSIVE)
    return corrected


def judge_rows(
    rows: Sequence[Row],
    summaries: Mapping[str, Summary],
    *,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    untestable: str = "",
) -> list[Verdict]:
    """Judge each row of a table, and correct the verdicts for the number of rows.

    ``summaries`` are by runner. ``untestable`` says why no claim of this table can be tested, for
    example because the claims are about another test set than the reruns; no test here includes the
    sampling error of the images.
    """
    verdicts = [
        _judge_row(row, summaries.get(row.runner), margin, alpha, untestable) for row in rows
    ]
    return correct_for_many_rows(verdicts, alpha=alpha)


def _judge_row(
    row: Row, summary: Summary | None, margin: float, alpha: float, untestable: str
) -> Verdict:
    if summary is None:
        return Verdict(VerdictKind.NOT_RUN, Status.NO_RUNNER.value)
    if summary.status is Status.FAILED:  # the other seeds alone would be a selection
        return Verdict(VerdictKind.FAILED, summary.reason)
    if not summary.n:
        not_run = summary.status is Status.NOT_RUN
        return Verdict(VerdictKind.NOT_RUN, "" if not_run else summary.status_text)
    claim = Claim.from_row(row)
    if claim is None:
        return Verdict(VerdictKind.UNTESTABLE, "nothing claimed")
    if untestable:
        return Verdict(VerdictKind.UNTESTABLE, untestable)
    if row.recipe == "not stated":
        return Verdict(VerdictKind.UNTESTABLE, "recipe not stated")
    return judge_claim(
        claim,
        summary.accuracies,
        deterministic=summary.n == 1 and summary.sd == 0.0,
        margin=margin,
        alpha=alpha,
    )
