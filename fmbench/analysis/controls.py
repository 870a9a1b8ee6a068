"""Compares the figure that a source gives for images that have not changed with our rerun.

Some figures are claimed of an older release of the images. If the same source also gives a figure
of the same model for other images, which have not changed, a rerun can test that one. Where it
agrees, neither the recipe nor the library explains why the row's own figures differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fmbench.analysis.statistics import compute_interval, compute_mean_sd, lies_in
from fmbench.analysis.verdicts import FEWEST_SEEDS
from fmbench.datasets.specs import DATASETS
from fmbench.suites.claims import Control
from fmbench.suites.rounding import compute_interval as compute_printed_interval
from fmbench.suites.rounding import parse_figure


@dataclass(frozen=True)
class ControlResult:
    """The control of a row: accuracies are fractions, ``printed`` is the claim as printed.

    ``mean`` is None if nothing was measured, ``sd`` if there is no spread to compute. ``agrees``:
    whether the claimed figure, give or take its rounding, lies in the prediction interval of what
    is claimed; None if that is not known. ``from_reference``: it was measured in fmbench's own run
    and not here. ``borrows_spread``: there are too few runs on the control's images, so the
    interval has the spread of those on the row's own images.
    """

    dataset: str
    claimed: float
    printed: str
    mean: float | None = None
    sd: float | None = None
    n: int = 0
    agrees: bool | None = None
    from_reference: bool = False
    borrows_spread: bool = False

    @property
    def sentence_part(self) -> str:
        """What was found, as a part of a sentence; empty if nothing was measured."""
        if self.mean is None:
            return ""
        spec = DATASETS.get(self.dataset)
        claimed = parse_figure(self.printed, "accuracy").scaleb(2)
        found = (
            f"on {spec.title if spec else self.dataset}, which have not changed, it gets "
            f"{100 * self.mean:.2f} against {claimed:f}"
        )
        if self.from_reference:
            found += " (in fmbench's own run)"
        if self.agrees is not False:
            return found
        has_spread = self.sd != 0  # only a deterministic model has none
        where = "outside of the prediction interval" if has_spread else "another printed figure"
        spread = " with the spread on the row's own images" if self.borrows_spread else ""
        return f"{found}, {where}{spread}"


def compare_control(
    control: Control,
    accuracies: Sequence[float],
    *,
    deterministic: bool,
    spread_of: Sequence[float] = (),
    from_reference: bool = False,
) -> ControlResult:
    """Compare a control's claim with the accuracies by seed on its images.

    ``spread_of``: the accuracies on the row's own images. Their spread is used if there are fewer
    than :data:`FEWEST_SEEDS` runs on the control's images. The figure of a deterministic model must
    agree to the printed digit. ``from_reference``: the accuracies are those of fmbench's own run.
    """
    printed = compute_printed_interval(control.claimed, "accuracy")
    claimed = float(parse_figure(control.claimed, "accuracy"))
    if not accuracies:
        return ControlResult(control.dataset, claimed, control.claimed)
    n = len(accuracies)
    borrows = not deterministic and n < FEWEST_SEEDS and len(spread_of) >= FEWEST_SEEDS
    interval = compute_interval(
        accuracies,
        n_runs=control.mean_of,
        deterministic=deterministic,
        spread_of=spread_of if borrows else None,
    )
    mean, sd = compute_mean_sd(accuracies)
    return ControlResult(
        control.dataset,
        claimed,
        control.claimed,
        mean,
        sd if n > 1 or deterministic else None,
        n,
        lies_in(interval, float(printed.low), float(printed.high)) if interval else None,
        from_reference,
        borrows,
    )
