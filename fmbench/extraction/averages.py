"""Finds figures without a named average that are no means over the classes.

A table that prints ``Recall`` beside ``Accuracy`` seldom says how the classes are averaged. On a
test set with classes of one size, the mean recall is the accuracy. A recall that differs is of
another kind: some programs count only predictions with a probability above one half. It contradicts
nothing, and neither do the precision and the F1 beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from fmbench.extraction.found import FoundClaim
from fmbench.suites.rounding import compute_interval

NO_AVERAGE = "no average is named"  # begins the remark of a figure whose average is only assumed


def leave_out_other_averages(
    claims: Sequence[tuple[int, FoundClaim]], source: str
) -> tuple[list[tuple[int, FoundClaim]], list[str]]:
    """Leave out the figures without a named average of rows whose recall is not the accuracy.

    ``claims`` are those of a table, each with the number of its row. Returns the others, and notes.
    """
    accuracies = {(row, c.label): c for row, c in claims if c.metric == "accuracy"}
    others: dict[int, tuple[FoundClaim, FoundClaim]] = {}
    for row, claim in claims:
        accuracy = accuracies.get((row, claim.label))
        is_recall = claim.metric == "recall" and claim.remark.startswith(NO_AVERAGE)
        if is_recall and accuracy is not None and not _may_be_equal(claim, accuracy):
            others[row] = (claim, accuracy)
    if not others:
        return list(claims), []
    recall, accuracy = next(iter(others.values()))
    of_model = f" of {recall.label}" if recall.label else ""
    note = (
        f"{source}: the recall{of_model} ({recall.figure.printed}) is not the accuracy "
        f"({accuracy.figure.printed}), as the mean over the classes would be; so precision, recall "
        "and F1 are of another kind (some programs count only confident predictions): not taken in "
        f"{len(others)} row{'s' * (len(others) > 1)}"
    )
    kept = [
        (row, claim)
        for row, claim in claims
        if row not in others or not claim.remark.startswith(NO_AVERAGE)
    ]
    return kept, [note]


def _may_be_equal(one: FoundClaim, other: FoundClaim) -> bool:
    """Whether two figures may be rounded from one number."""
    if one.figure.out_of is not None or other.figure.out_of is not None:
        return True
    first = compute_interval(one.figure.value, one.metric, "either")
    second = compute_interval(other.figure.value, other.metric, "either")
    return first.low <= second.high and second.low <= first.high
