"""Does a rerun get there? A claimed accuracy against the accuracies of the seeds that were run.

Claim and rerun are scored on the same images, so what separates them is the spread over seeds, and
the yardstick is a prediction interval for one new run (Spence & Stanley 2016; Bouthillier et al.
2021, arXiv 2103.03098; Jordan 2024, arXiv 2304.01910). Accuracies are in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fmbench.analysis.statistics import holm
from fmbench.analysis.summary import Summary
from fmbench.suites.claims import Row
from fmbench.suites.rounding import interval, parse_figure

MARGIN = 0.005  # half a percentage point
ALPHA = 0.05
FEWEST_SEEDS = 3

REPRODUCED = "reproduced"
CLAIM_HIGHER = "not reproduced, claim higher"
CLAIM_LOWER = "not reproduced, claim lower"
INCONCLUSIVE = "inconclusive"
UNTESTABLE = "untestable"
NOT_RUN = "not run"
FAILED = "failed"


@dataclass(frozen=True)
class Claim:
    """A claimed accuracy, the half unit of its rounding, and how many runs it averages."""

    accuracy: float
    half_unit: float
    n_runs: int = 1


@dataclass(frozen=True)
class Verdict:
    """``word`` is one of the module's constants; ``why`` says what makes a claim untestable.

    ``delta_star`` is the smallest margin under which the claim would be reproduced. ``p_differs``
    is twice the smaller one-sided p that the claim lies beyond the margin, as it is before any
    correction for many rows; ``None`` where no such test is made.
    """

    word: str
    why: str = ""
    delta_star: float | None = None
    p_differs: float | None = None

    def __str__(self) -> str:
        return f"{self.word}: {self.why}" if self.why else self.word


def judge(
    claim: Claim,
    accuracies: Sequence[float],
    *,
    deterministic: bool,
    margin: float = MARGIN,
    alpha: float = ALPHA,
) -> Verdict:
    """The verdict on one claim taken by itself; see :func:`correct` for many.

    ``accuracies`` has one entry a seed. Reproduced: two one-sided t tests place the mean within
    ``margin`` of the claim. Not reproduced: the claim lies beyond its rounding and the margin, by a
    t test against the mean of ``claim.n_runs`` new runs. A model without spread is reproduced
    where the distance is at most the rounding and the margin.
    """
    n = len(accuracies)
    if n == 0:
        return Verdict(NOT_RUN)
    mean = math.fsum(accuracies) / n
    distance = abs(claim.accuracy - mean)
    side = CLAIM_HIGHER if claim.accuracy > mean else CLAIM_LOWER
    if not deterministic and n < FEWEST_SEEDS:
        seeds = "1 seed" if n == 1 else f"{n} seeds"
        return Verdict(UNTESTABLE, f"{seeds} of a stochastic model, {FEWEST_SEEDS} needed")
    sd = math.sqrt(math.fsum((a - mean) ** 2 for a in accuracies) / (n - 1)) if n > 1 else 0.0
    if deterministic or sd == 0:
        within = distance <= claim.half_unit + margin
        delta_star = max(0.0, distance - claim.half_unit)
        return Verdict(REPRODUCED if within else side, delta_star=delta_star)

    from scipy.special import stdtr, stdtrit

    standard_error = sd / math.sqrt(n)
    p_equivalent = float(stdtr(n - 1, -(margin - distance) / standard_error))
    delta_star = distance + float(stdtrit(n - 1, 1 - alpha)) * standard_error
    beyond = distance - claim.half_unit - margin
    p_one_sided = float(stdtr(n - 1, -beyond / (sd * math.sqrt(1 / claim.n_runs + 1 / n))))
    p_differs = min(1.0, 2 * p_one_sided)
    if p_equivalent < alpha:
        word = REPRODUCED
    elif p_differs < alpha:
        word = side
    else:
        word = INCONCLUSIVE
    return Verdict(word, delta_star=delta_star, p_differs=p_differs)


def correct(verdicts: Sequence[Verdict], *, alpha: float = ALPHA) -> list[Verdict]:
    """The verdicts on many rows at once: "not reproduced" must survive Holm's correction.

    Every row that was tested counts. What does not survive is inconclusive. "Reproduced" is not
    corrected: it is the claim's favour.
    """
    tested = {i: v.p_differs for i, v in enumerate(verdicts) if v.p_differs is not None}
    corrected = list(verdicts)
    for i, p in zip(tested, holm(list(tested.values())), strict=True):
        if p >= alpha and corrected[i].word in (CLAIM_HIGHER, CLAIM_LOWER):
            corrected[i] = replace(corrected[i], word=INCONCLUSIVE)
    return corrected


def on_rows(
    rows: Sequence[Row],
    summaries: Mapping[str, Summary],
    *,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    same_images: bool = True,
) -> list[Verdict]:
    """The verdict on each row of a table, corrected for their number.

    ``summaries`` are by runner; a row whose runner is not among them has none. Not ``same_images``:
    the claims are of another test set than the reruns, whose sampling error is not in any test.
    """
    found = [_on_row(row, summaries.get(row.runner), margin, alpha, same_images) for row in rows]
    return correct(found, alpha=alpha)


def _on_row(
    row: Row, measured: Summary | None, margin: float, alpha: float, same_images: bool
) -> Verdict:
    if measured is None:
        return Verdict(NOT_RUN, "no runner yet")
    if measured.status.startswith(FAILED):  # what is left of its seeds would be a selection
        return Verdict(FAILED, measured.status.removeprefix(f"{FAILED}: "))
    if not measured.n:
        return Verdict(NOT_RUN, "" if measured.status == NOT_RUN else measured.status)
    if row.claimed is None:
        return Verdict(UNTESTABLE, "nothing claimed")
    if not same_images:
        return Verdict(UNTESTABLE, "claimed of another test set")
    if row.recipe == "not stated":
        return Verdict(UNTESTABLE, "recipe not stated")
    printed = interval(row.claimed, "accuracy")
    claim = Claim(
        float(parse_figure(row.claimed, "accuracy")),
        float((printed.high - printed.low) / 2),
        row.mean_of,
    )
    return judge(
        claim,
        measured.accuracies,
        deterministic=measured.n == 1 and measured.sd == 0.0,
        margin=margin,
        alpha=alpha,
    )
