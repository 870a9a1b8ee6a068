"""Decides whether a rerun reproduces a claimed accuracy, and declares every verdict.

:class:`VerdictKind` declares all verdicts in one place: their words, what they mean, and how they
look in a terminal, in a figure and on the page.

A claim and its rerun are scored on the same test images, so without a mistake they differ only by
the spread over seeds. They are compared by a prediction interval for what is claimed: one new run,
or the mean or the best of several (Spence & Stanley 2016; Bouthillier et al. 2021, arXiv
2103.03098; Jordan 2024, arXiv 2304.01910). Accuracies are fractions in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from typing import Literal, Protocol

from fmbench.analysis.statistics import (
    CONFIDENCE_TEXT,
    TOLERANCE,
    GridFigure,
    Quoting,
    SampleFigure,
    correct_p_values,
    lies_in,
)
from fmbench.analysis.summary import Status
from fmbench.suites import rounding
from fmbench.suites.claims import Picked, Row

MARGIN = 0.005  # a rerun may differ from the claim by half a percentage point
ALPHA = 0.05  # level of the tests
FEWEST_SEEDS = 3  # a stochastic runner with fewer seeds is not tested
MAX_SEEDS = 20  # no verdict asks for more seeds than this
POWER = 0.8  # "more seeds needed": that many seeds would decide with this probability

PageColour = Literal["green", "vermillion", "blue", "orange", "purple", "muted"]


@dataclass(frozen=True)
class VerdictStyle:
    """What one verdict is called, what it means and how it looks.

    ``meaning`` is a part of a table's note, ``explanation`` a full sentence for the page. Both may
    contain the names of :func:`_name_limits` in braces. ``sentence`` follows the word in the
    report's answer; it is empty if a reason follows instead. It may also contain ``{reason}``,
    ``{test}`` (the level, if a test was made), ``{interval}`` (percent) and ``{delta_star}``
    (points). ``group``: verdicts of one group are explained together, under its name; by default,
    each verdict under its own word.
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
        sentence=": the mean of new runs lies within {margin} points of the claim{test}",
        mark="●",
        terminal_style="green",
        page_colour="green",
        plot_marker="o",
        plot_marker_size=5.0,
    )
    WITHIN_SPREAD = VerdictStyle(
        word="within one run's spread",
        meaning=(
            "the claim lies in the {confidence} prediction interval of what is claimed, so nothing "
            "is odd about it; that the mean is within {margin} points is not shown"
        ),
        explanation=(
            "The claim, give or take its rounding, lies in the {confidence} prediction interval of "
            "what is claimed: one run, or the mean or the best of several. So nothing is odd about "
            "it. The seeds differ too much to show that their mean is within {margin} points of it."
        ),
        sentence=(
            ": the claim lies in the {confidence} prediction interval of what is claimed, "
            "{interval} %, so nothing is odd about it"
        ),
        mark="◐",
        terminal_style="cyan",
        page_colour="green",
        plot_marker="s",
        plot_marker_size=4.4,
    )
    CLAIM_HIGHER = VerdictStyle(
        word="not reproduced, claim higher",
        group="not reproduced",
        meaning=(
            "what is claimed differs from a rerun by more than {margin} points and the rounding "
            "(one-sided t test, p < {alpha} after Holm's correction for the number of rows)"
        ),
        explanation=(
            "What is claimed differs from a rerun by more than {margin} points and the rounding "
            "(one-sided t test, p < {alpha} after Holm’s correction for the number of rows)."
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
    MORE_SEEDS = VerdictStyle(
        word="more seeds needed",
        meaning=(
            "none of these, but the given number of seeds (at most {max_seeds}) would decide with "
            "a probability of {power}, if mean and spread stay as measured; in a row that is "
            "measured until decided: a decision still has the given probability"
        ),
        explanation=(
            "None of the verdicts above. The given number of seeds (at most {max_seeds}) would "
            "decide with a probability of {power}, if mean and spread stay as measured. In a row "
            "that is measured until decided, a decision still has the given probability."
        ),
        sentence=": {reason}",
        mark="◆",
        terminal_style="yellow",
        page_colour="orange",
        plot_marker="D",
        plot_marker_size=4.2,
    )
    UNDECIDABLE = VerdictStyle(
        word="not decidable at this margin",
        meaning=(
            "none of these, and {max_seeds} seeds would probably not decide either: the gap is "
            "near the margin, or the claim is one noisy run"
        ),
        explanation=(
            "None of the verdicts above, and {max_seeds} seeds would probably not decide either. "
            "The gap is near the margin, or what is claimed varies too much."
        ),
        sentence=": {reason}",
        mark="◇",
        terminal_style="bright_yellow",
        page_colour="orange",
        plot_marker="D",
        plot_marker_size=4.2,
        filled=False,
    )
    MISQUOTED = VerdictStyle(
        word="misquotes its source",
        meaning=(
            "the claim is not the figure of the source that it quotes, for the reason given; no "
            "run is needed to know it"
        ),
        explanation=(
            "The claim is not the figure of the source that it quotes. The row gives both figures. "
            "No run is needed to know it."
        ),
        sentence=": {reason}",
        mark="≠",
        terminal_style="magenta",
        page_colour="purple",
        plot_marker="P",
        plot_marker_size=5.5,
    )
    OTHER_IMAGES = VerdictStyle(
        word="claimed of other images",
        meaning=(
            "the claim is about another release of the images, so a rerun on today's images cannot "
            "test it"
        ),
        explanation=(
            "The claim is about another release of the images, so a rerun on today’s images cannot "
            "test it. Where the same source also gives a figure for images that have not changed, "
            "the row compares that one."
        ),
        sentence=": {reason}",
        mark="□",
        terminal_style="bright_blue",
        page_colour="muted",
        plot_marker="s",
        plot_marker_size=4.4,
        filled=False,
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

    def __repr__(self) -> str:
        return f"VerdictKind.{self.name}"

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
        return self.value.explanation.format(**_name_limits(margin, alpha))


def _name_limits(margin: float, alpha: float) -> dict[str, str]:
    """Return the limits of the verdicts by the names that :class:`VerdictStyle` uses."""
    return {
        "margin": f"{100 * margin:g}",
        "alpha": f"{alpha:g}",
        "confidence": CONFIDENCE_TEXT,
        "max_seeds": f"{MAX_SEEDS}",
        "power": f"{100 * POWER:g} %",
    }


def explain_verdicts(
    margin: float = MARGIN, alpha: float = ALPHA, kinds: Iterable[VerdictKind] = VerdictKind
) -> str:
    """Explain verdicts in one line for a table's notes; ``margin`` is a fraction."""
    limits = _name_limits(margin, alpha)
    meanings = {
        kind.style.group or kind.word: kind.style.meaning.format(**limits)
        for kind in kinds
        if kind.style.in_legend
    }
    return "; ".join(f"{words}: {meaning}" for words, meaning in meanings.items())


@dataclass(frozen=True)
class Verdict:
    """The verdict on one row. ``reason`` says why, if the verdict does not come from a test.

    ``delta_star``: the smallest margin with which the claim would be reproduced. ``p_within``: the
    p of the test that the mean is within the margin of the claim. ``p_beyond``: the one-sided p of
    the test that the claim is farther from a rerun than margin and rounding; ``p_holm`` is the same
    after Holm's correction for the number of tested rows. All three are None if no test was made.
    ``interval``: the prediction interval of what is claimed, as fractions; None if nothing is
    claimed or too little is measured. ``seeds_needed``: the number of seeds that would probably
    decide. ``to_the_digit``: of a deterministic model, whether its accuracy is printed like the
    claim.
    """

    kind: VerdictKind
    reason: str = ""
    delta_star: float | None = None
    p_within: float | None = None
    p_beyond: float | None = None
    p_holm: float | None = None
    interval: tuple[float, float] | None = None
    seeds_needed: int | None = None
    to_the_digit: bool | None = None

    @property
    def word(self) -> str:
        """The verdict without its reason."""
        return self.kind.word

    @property
    def sentence(self) -> str:
        """What follows the word in the report's answer, at the default margin and level."""
        return self.kind.style.sentence.format(
            **_name_limits(MARGIN, ALPHA),
            reason=self.reason,
            test=self._describe_test(),
            delta_star="" if self.delta_star is None else f"{100 * self.delta_star:.2f}",
            interval=self._interval_text,
        )

    @property
    def _interval_text(self) -> str:
        """The interval in percent; empty if there is none."""
        if self.interval is None:
            return ""
        low, high = self.interval
        return f"{100 * low:.2f} to {100 * high:.2f}"

    def _describe_test(self) -> str:
        if self.p_beyond is None:
            return ""
        corrected = " after correction for the number of rows" if self.kind.differs else ""
        return f" (p < {ALPHA:g}{corrected})"

    def __str__(self) -> str:
        return f"{self.word}: {self.reason}" if self.reason else self.word


@dataclass(frozen=True)
class Claim:
    """A claimed accuracy, the half unit of its rounding, and what kind of figure it is.

    It is one run, the mean of ``n_runs`` runs, or the best of ``best_of`` runs. ``picked``: what
    the source picked by looking at the test images. ``printed`` is the figure as the paper prints
    it, ``label`` and ``where`` say whose it is.
    """

    accuracy: float
    half_unit: float
    n_runs: int = 1
    printed: str = ""
    label: str = ""
    where: str = ""
    best_of: int = 1
    picked: Picked | None = None

    @classmethod
    def from_row(cls, row: Row) -> Claim | None:
        """Build the claim of a suite's row; None if it claims nothing.

        If its source prints the same figure with fewer decimals, the other ones are padded zeros,
        so the half unit is that of the source.
        """
        if row.claimed is None:
            return None
        printed = rounding.parse_figure(row.claimed, "accuracy")
        half_unit = _compute_half_unit(row.claimed, row.half_unit)
        if (
            row.half_unit is None
            and row.source is not None
            and rounding.parse_figure(row.source, "accuracy") == printed
        ):
            half_unit = max(half_unit, _compute_half_unit(row.source))
        return cls(
            float(printed), float(half_unit), row.mean_of, row.claimed, row.label, row.where,
            row.best_of, row.picked,
        )  # fmt: skip

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

    @property
    def quoting(self) -> Quoting:
        """Which of the runs it is."""
        return Quoting(self.n_runs, self.best_of)


def _compute_half_unit(printed: str, half_unit: str | None = None) -> Fraction:
    interval = rounding.compute_interval(printed, "accuracy", half_unit=half_unit)
    return (interval.high - interval.low) / 2


# ---------------------------------------------------------------- the rule for one claim


Figure = SampleFigure | GridFigure


def judge_claim(
    claim: Claim,
    accuracies: Sequence[float],
    *,
    deterministic: bool,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    n_tests: int = 1,
) -> Verdict:
    """Judge one claim by itself; :mod:`fmbench.analysis.table_verdicts` judges a table.

    ``accuracies`` has one entry for each seed. The first rule that applies decides:

    1. Reproduced: two one-sided t tests show that the mean (of what is claimed) is within
       ``margin`` of the claim.
    2. Within one run's spread: the claim, give or take its rounding, lies in the prediction
       interval of what is claimed.
    3. Not reproduced: a one-sided t test shows that what is claimed differs from a rerun by more
       than its rounding and the margin. Its p is multiplied by ``n_tests``.
    4. More seeds needed: some number of seeds up to :data:`MAX_SEEDS` would give one of these two
       with a probability of :data:`POWER` or more, if mean and spread are as measured.
    5. Not decidable at this margin.

    A model without spread is reproduced if the distance is at most the rounding plus the margin.
    """
    trial = make_trial(claim, accuracies, deterministic=deterministic, margin=margin, alpha=alpha)
    if isinstance(trial, Verdict):
        return trial
    p = trial.p_beyond
    return trial.decide(None if p is None else min(1.0, n_tests * p), n_tests)


def choose_kind(
    claim: Claim, figure: Figure, p_within: float, p_beyond: float | None, alpha: float
) -> VerdictKind | None:
    """Choose the verdict by the first three rules of :func:`judge_claim`; None if none applies.

    ``p_within`` and ``p_beyond`` are the p of the two tests of a figure with spread, after all
    corrections.
    """
    if p_within < alpha:
        return VerdictKind.REPRODUCED
    if lies_in(figure.interval, claim.low, claim.high):
        return VerdictKind.WITHIN_SPREAD
    if p_beyond is not None and p_beyond < alpha:
        return find_side(claim, figure)
    return None


def find_side(claim: Claim, figure: Figure) -> VerdictKind:
    """Say on which side of a rerun a claim lies that is not reproduced."""
    is_higher = claim.accuracy > figure.expected
    return VerdictKind.CLAIM_HIGHER if is_higher else VerdictKind.CLAIM_LOWER


@dataclass(frozen=True)
class Trial:
    """A claim beside the figure that it is tested against; what is left is the correction of p.

    ``n_looks``: p values are multiplied by it, because the figure is one of so many that might
    have been tested instead, with other numbers of seeds.
    """

    claim: Claim
    figure: Figure
    deterministic: bool
    margin: float
    alpha: float
    n_looks: int = 1

    @property
    def p_beyond(self) -> float | None:
        """The p of the test that is corrected for many rows; None if there is no such test."""
        if not self.figure.has_spread:
            return None
        return min(1.0, self.n_looks * self.figure.p_beyond(self.claim.accuracy, self._excess))

    def decide(self, p_holm: float | None, n_tests: int) -> Verdict:
        """Give the verdict; ``p_holm`` is p_beyond, corrected for ``n_tests`` tests."""
        claim, figure = self.claim, self.figure
        if not figure.has_spread:
            return self._compare_directly()
        p_within = min(1.0, self.n_looks * figure.p_within(claim.accuracy, self.margin))
        verdict = Verdict(
            VerdictKind.UNDECIDABLE,
            delta_star=figure.smallest_margin(claim.accuracy, self.alpha / self.n_looks),
            p_within=p_within,
            p_beyond=self.p_beyond,
            p_holm=p_holm,
            interval=figure.interval,
        )
        if kind := choose_kind(claim, figure, p_within, p_holm, self.alpha):
            return replace(verdict, kind=kind)
        seeds = self._find_seeds_needed(self.alpha / (n_tests * self.n_looks))
        if seeds is None:
            return replace(verdict, reason=self._explain_undecidable(n_tests))
        reason = f"{seeds} in all would probably decide"
        return replace(verdict, kind=VerdictKind.MORE_SEEDS, reason=reason, seeds_needed=seeds)

    @property
    def _excess(self) -> float:
        return self.margin + self.claim.half_unit

    def _compare_directly(self) -> Verdict:
        accuracy = self.figure.expected
        distance = abs(self.claim.accuracy - accuracy)
        reproduced = distance <= self._excess + TOLERANCE
        return Verdict(
            VerdictKind.REPRODUCED if reproduced else find_side(self.claim, self.figure),
            delta_star=max(0.0, distance - self.claim.half_unit),
            interval=self.figure.interval,
            to_the_digit=is_to_the_digit(self.claim, accuracy) if self.deterministic else None,
        )

    def _find_seeds_needed(self, level: float) -> int | None:
        """The smallest number of seeds that would probably decide; None if that is too many."""
        first, last = self.figure.n_seeds + 1, MAX_SEEDS
        if first > last or self._compute_power(last, level) < POWER:
            return None
        while first < last:  # the power grows with the number of seeds
            middle = (first + last) // 2
            if self._compute_power(middle, level) < POWER:
                first = middle + 1
            else:
                last = middle
        return last

    def _compute_power(self, n: int, level: float) -> float:
        """The probability that ``n`` seeds decide, if mean and spread are as measured."""
        claim = self.claim
        alpha = self.alpha / self.n_looks
        return self.figure.power(n, claim.accuracy, claim.half_unit, self.margin, alpha, level)

    def _explain_undecidable(self, n_tests: int) -> str:
        alone = self._find_seeds_needed(self.alpha / self.n_looks) if n_tests > 1 else None
        if self.p_beyond is not None and self.p_beyond < self.alpha:
            alone = self.figure.n_seeds
        if alone is not None:  # the correction for many rows is the cause
            return (
                f"{n_tests} rows are tested together, so {MAX_SEEDS} seeds would probably not "
                f"decide; by itself, this row would need {alone}"
            )
        gap = abs(self.claim.accuracy - self.figure.expected)
        noise = self.figure.figure_sd
        n = max(MAX_SEEDS, self.figure.n_seeds)
        if gap - self._excess <= noise:
            return (
                f"the gap of {100 * gap:.2f} points is near the margin of {100 * self.margin:g}; "
                f"{n} seeds would probably not decide"
            )
        is_grid = isinstance(self.figure, GridFigure)
        what = "the best of a grid" if is_grid else self.claim.quoting
        return (
            f"the claim is {what}, which varies by a standard deviation of {100 * noise:.2f} "
            f"points; {n} seeds would probably not decide"
        )


def is_to_the_digit(claim: Claim, accuracy: float) -> bool:
    """Whether a measured accuracy is printed like the claim."""
    return lies_in((accuracy, accuracy), claim.low, claim.high)


class Testable(Protocol):
    """A claim beside its measurement: a :class:`Trial`, or one that is judged by looks."""

    @property
    def p_beyond(self) -> float | None:
        """The p of the test that is corrected for many rows; None if there is no such test."""

    def decide(self, p_holm: float | None, n_tests: int) -> Verdict:
        """Give the verdict; ``p_holm`` is p_beyond, corrected for ``n_tests`` tests."""


def decide_together(trials: Sequence[Verdict | Testable]) -> list[Verdict]:
    """Decide the claims of a table, with Holm's correction for the number of tests in it.

    The correction counts every claim that is tested, and changes "not reproduced" only:
    "reproduced" favours the claim. Entries that are verdicts already stay as they are.
    """
    p_values = {
        i: trial.p_beyond
        for i, trial in enumerate(trials)
        if not isinstance(trial, Verdict) and trial.p_beyond is not None
    }
    corrected = dict(zip(p_values, correct_p_values(list(p_values.values())), strict=True))
    return [
        trial if isinstance(trial, Verdict) else trial.decide(corrected.get(i), len(corrected))
        for i, trial in enumerate(trials)
    ]


def explain_few_seeds(n: int, which: str = "") -> str:
    """Say that ``n`` seeds are too few for a test; ``which`` says which seeds count."""
    return f"{n} seed{'' if n == 1 else 's'} of a stochastic model{which}, {FEWEST_SEEDS} needed"


def make_trial(
    claim: Claim,
    accuracies: Sequence[float],
    *,
    deterministic: bool,
    margin: float = MARGIN,
    alpha: float = ALPHA,
) -> Verdict | Trial:
    """Put a claim beside measured runs; a verdict if they are too few to test it."""
    if not accuracies:
        return Verdict(VerdictKind.NOT_RUN)
    # All runs of a deterministic model are the same one.
    values = tuple(accuracies[:1] if deterministic else accuracies)
    figure, n = SampleFigure(values, claim.n_runs, claim.best_of), len(accuracies)
    if not deterministic and n < FEWEST_SEEDS:
        return Verdict(
            VerdictKind.UNTESTABLE,
            explain_few_seeds(n),
            interval=None if n == 1 else figure.interval,
        )
    return Trial(claim, figure, deterministic, margin, alpha)
