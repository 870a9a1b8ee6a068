"""The control of a row: a rerun on images that have not changed beside the source's figure."""

from __future__ import annotations

import pytest

from fmbench.analysis.controls import compare_control
from fmbench.analysis.statistics import compute_interval
from fmbench.suites.claims import Control

FIVE = (0.872, 0.873, 0.874, 0.875, 0.876)


@pytest.mark.parametrize(
    ("claimed", "accuracy", "agrees"),
    [("0.943", 0.9434, True), ("94.4", 0.9435, True), ("0.944", 0.9434, False)],
)
def test_a_deterministic_model_must_agree_to_the_printed_digit(claimed, accuracy, agrees):
    result = compare_control(Control("mnist", claimed), (accuracy,), deterministic=True)
    assert result.agrees is agrees
    assert (result.mean, result.sd, result.n) == (accuracy, 0.0, 1)


def test_a_stochastic_model_must_have_the_claim_in_its_prediction_interval():
    low, high = compute_interval(FIVE, n_runs=5)
    assert 0.871 < low < 0.8715 and 0.8765 < high < 0.877
    for claimed, agrees in (("0.873", True), ("0.871", True), ("0.870", False), ("0.877", True)):
        control = Control("mnist", claimed, mean_of=5)
        assert compare_control(control, FIVE, deterministic=False).agrees is agrees


def test_one_run_borrows_the_spread_on_the_row_s_own_images():
    control = Control("mnist", "0.873")
    alone = compare_control(control, (0.8725,), deterministic=False)
    assert (alone.mean, alone.sd, alone.n, alone.agrees) == (0.8725, None, 1, None)
    shifted = tuple(a - 0.06 for a in FIVE)
    assert compare_control(control, (0.8725,), deterministic=False, spread_of=shifted).agrees
    far = compare_control(
        Control("mnist", "0.89"), (0.8725,), deterministic=False, spread_of=shifted
    )
    assert far.agrees is False
    assert far.borrows_spread and not alone.borrows_spread
    assert far.sentence_part.endswith(
        "outside of the prediction interval with the spread on the row's own images"
    )
    enough = compare_control(control, FIVE, deterministic=False, spread_of=shifted)
    assert not enough.borrows_spread


def test_a_control_that_was_measured_in_fmbench_s_own_run_says_so():
    control = Control("mnist", "0.873")
    own = compare_control(control, FIVE, deterministic=False, from_reference=True)
    assert own.from_reference
    assert own.sentence_part.endswith("it gets 87.40 against 87.3 (in fmbench's own run)")


def test_without_a_run_there_is_only_the_claim():
    result = compare_control(Control("mnist", "87.3"), (), deterministic=False)
    assert (result.claimed, result.printed, result.mean, result.agrees) == (
        0.873, "87.3", None, None
    )  # fmt: skip
    assert result.sentence_part == ""


def test_what_was_found_is_said_in_one_scale():
    result = compare_control(Control("mnist", "0.873"), FIVE, deterministic=False)
    assert result.sentence_part == (
        "on the MNIST handwritten digits, which have not changed, it gets 87.40 against 87.3"
    )
    fixed = compare_control(Control("mnist", "95.90"), (0.9587,), deterministic=True)
    assert fixed.sentence_part.endswith("it gets 95.87 against 95.90, another printed figure")
    other = compare_control(Control("mnist", "95.90"), FIVE, deterministic=False)
    assert other.sentence_part.endswith("87.40 against 95.90, outside of the prediction interval")
