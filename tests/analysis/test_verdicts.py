"""Verdicts: the rule that gives them, and the declaration of their words and colours."""

import ast
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fmbench.analysis.summary import Status, Summary
from fmbench.analysis.verdicts import (
    ALPHA,
    MARGIN,
    Claim,
    Verdict,
    VerdictKind,
    correct_for_many_rows,
    explain_verdicts,
    judge_claim,
    judge_rows,
)
from fmbench.records.protocols import FULL, QUICK
from fmbench.suites import reader
from fmbench.suites.claims import Row

SD = 0.002  # a neural row's spread over seeds


def judged(claimed, accuracies, *, half_unit=0.00005, n_runs=1, **options):
    return judge_claim(
        Claim(claimed, half_unit, n_runs), accuracies, **{"deterministic": False, **options}
    )


def test_without_a_record_a_claim_is_not_run():
    assert judged(0.9, []).kind is VerdictKind.NOT_RUN


@pytest.mark.parametrize("n", [1, 2])
def test_fewer_than_three_seeds_of_a_stochastic_model_cannot_test_a_claim(n):
    verdict = judged(0.9, [0.9] * n)
    assert verdict.kind is VerdictKind.UNTESTABLE
    assert f"{n} seed" in str(verdict)


def test_one_seed_of_a_deterministic_model_tests_a_claim():
    assert judged(0.897, [0.8986], deterministic=True).kind is VerdictKind.REPRODUCED
    assert judged(0.880, [0.5703], deterministic=True).kind is VerdictKind.CLAIM_HIGHER
    assert judged(0.560, [0.5703], deterministic=True).kind is VerdictKind.CLAIM_LOWER


def test_a_deterministic_model_may_differ_by_margin_plus_rounding():
    at_the_edge = judged(0.90, [0.8945], half_unit=0.0005, deterministic=True, margin=0.005)
    assert at_the_edge.delta_star == pytest.approx(0.005)
    assert (
        judged(0.90, [0.8946], half_unit=0.0005, deterministic=True).kind is VerdictKind.REPRODUCED
    )
    assert (
        judged(0.90, [0.8944], half_unit=0.0005, deterministic=True).kind
        is VerdictKind.CLAIM_HIGHER
    )


def test_the_paper_s_claim_for_lenet5_is_not_reproduced_at_any_plausible_spread():
    verdict = judged(0.988, [0.905, 0.909, 0.902, 0.907, 0.904])
    assert verdict.kind is VerdictKind.CLAIM_HIGHER
    assert verdict.p < 1e-4


def test_seeds_with_equal_accuracies_are_judged_like_a_deterministic_model():
    assert judged(0.9, [0.9, 0.9, 0.9]).kind is VerdictKind.REPRODUCED
    assert judged(0.92, [0.9, 0.9, 0.9]).kind is VerdictKind.CLAIM_HIGHER


@given(
    st.lists(st.floats(0.5, 0.99), min_size=3, max_size=10),
    st.floats(0.5, 0.99),
    st.integers(1, 10),
)
def test_verdicts_agree_with_the_t_tests_of_scipy(accuracies, claimed, n_runs):
    n, mean, sd = len(accuracies), np.mean(accuracies), np.std(accuracies, ddof=1)
    if sd < 1e-6:
        return
    verdict = judged(claimed, accuracies, n_runs=n_runs, margin=0.005)
    lower = stats.ttest_1samp(accuracies, claimed - 0.005, alternative="greater").pvalue
    upper = stats.ttest_1samp(accuracies, claimed + 0.005, alternative="less").pvalue
    scale = sd * math.sqrt(1 / n_runs + 1 / n)
    p_higher = stats.t.sf((claimed - 0.00005 - 0.005 - mean) / scale, n - 1)
    p_lower = stats.t.sf((mean - claimed - 0.00005 - 0.005) / scale, n - 1)
    assert verdict.p == pytest.approx(min(1, 2 * min(p_higher, p_lower)), rel=1e-6)
    assert (verdict.kind is VerdictKind.REPRODUCED) == (max(lower, upper) < 0.05)
    if verdict.kind is not VerdictKind.REPRODUCED and verdict.p < 0.05:
        assert verdict.kind is (
            VerdictKind.CLAIM_HIGHER if p_higher < p_lower else VerdictKind.CLAIM_LOWER
        )


@given(st.lists(st.floats(0.5, 0.99), min_size=3, max_size=8), st.floats(0.5, 0.99))
def test_delta_star_is_the_smallest_margin_that_passes(accuracies, claimed):
    if np.std(accuracies) < 1e-6:
        return
    delta_star = judged(claimed, accuracies).delta_star
    assert judged(claimed, accuracies, margin=delta_star * 1.001).kind is VerdictKind.REPRODUCED
    assert judged(claimed, accuracies, margin=delta_star * 0.999).kind is not VerdictKind.REPRODUCED


def test_holms_correction_counts_every_tested_row_and_changes_no_reproduced_row():
    verdicts = [
        Verdict(VerdictKind.CLAIM_HIGHER, p=0.001),
        Verdict(VerdictKind.CLAIM_LOWER, p=0.03),
        Verdict(VerdictKind.REPRODUCED, p=1.0),
        Verdict(VerdictKind.UNTESTABLE),
    ]
    kinds = [verdict.kind for verdict in correct_for_many_rows(verdicts)]
    assert kinds == [
        VerdictKind.CLAIM_HIGHER,
        VerdictKind.INCONCLUSIVE,
        VerdictKind.REPRODUCED,
        VerdictKind.UNTESTABLE,
    ]


def simulate(gap, n_rows, n_papers, seeds=5):
    """Share of papers of ``n_rows`` with a row flagged, and share of rows flagged."""
    generator = np.random.default_rng(0)
    n_papers_flagged = n_flagged = 0
    for _ in range(n_papers):
        runs = generator.normal(0.9, SD, (n_rows, seeds))
        claims = generator.normal(0.9, SD, n_rows) + gap
        verdicts = correct_for_many_rows(
            [judged(round(c, 4), r.tolist()) for c, r in zip(claims, runs, strict=True)]
        )
        flagged = sum(v.kind.differs for v in verdicts)
        n_flagged += flagged
        n_papers_flagged += flagged > 0
    return n_papers_flagged / n_papers, n_flagged / (n_papers * n_rows)


def test_at_most_one_of_100_papers_with_true_claims_gets_a_not_reproduced_row():
    assert simulate(gap=0.0, n_rows=19, n_papers=400)[0] <= 0.01


def test_five_seeds_are_enough_to_detect_a_gap_of_two_points():
    assert simulate(gap=0.02, n_rows=1, n_papers=2000)[1] > 0.95


def test_three_seeds_mostly_miss_a_gap_of_two_points_in_a_table():
    assert simulate(gap=0.02, n_rows=19, n_papers=100, seeds=3)[1] < 0.5


# ---------------------------------------------------------------- the rows of a table


def row(claimed="90.00", recipe="stated", **fields):
    return Row("Table 3", "A model", "model", claimed, recipe=recipe, **fields)


def measured(*accuracies, **fields):
    n, mean = len(accuracies), float(np.mean(accuracies))
    sd = float(np.std(accuracies, ddof=1)) if n > 1 else 0.0
    return Summary("model", Status.MEASURED, n, mean, sd, accuracies=accuracies, **fields)


FIVE = measured(0.898, 0.899, 0.9, 0.901, 0.902)


@pytest.mark.parametrize(
    ("the_row", "summary", "verdict"),
    [
        (row(), FIVE, "reproduced"),
        (row("98.80"), FIVE, "not reproduced, claim higher"),
        (row("80.00"), FIVE, "not reproduced, claim lower"),
        (row("90.90"), FIVE, "inconclusive"),
        (row(recipe="partly stated"), FIVE, "reproduced"),
        (row(recipe="not stated"), FIVE, "untestable: recipe not stated"),
        (row(None), FIVE, "untestable: nothing claimed"),
        (row(), measured(0.9, 0.9001), "untestable: 2 seeds of a stochastic model, 3 needed"),
        (row("90.50"), measured(0.9), "reproduced"),
        (row("90.51"), measured(0.9), "not reproduced, claim higher"),
        (row("90.5"), measured(0.8996), "reproduced"),
        (row(), None, "not run: no runner yet"),
        (row(), Summary("model", Status.NOT_RUN), "not run"),
        (
            row(),
            Summary("model", Status.STALE, reason="revision 1 -> 2"),
            "not run: stale: revision 1 -> 2",
        ),
        (
            row(),
            replace(FIVE, status=Status.FAILED, reason="killed (seed 5)"),
            "failed: killed (seed 5)",
        ),
    ],
)
def test_each_row_of_a_table_gets_a_verdict(the_row, summary, verdict):
    summaries = {} if summary is None else {"model": summary}
    assert [str(v) for v in judge_rows([the_row], summaries)] == [verdict]


def test_margin_and_level_change_the_verdict():
    near = row("90.70")
    assert judge_rows([near], {"model": FIVE})[0].kind is VerdictKind.INCONCLUSIVE
    assert judge_rows([near], {"model": FIVE}, margin=0.01)[0].kind is VerdictKind.REPRODUCED
    assert (
        judge_rows([near], {"model": FIVE}, margin=0.0, alpha=0.2)[0].kind
        is VerdictKind.CLAIM_HIGHER
    )


def test_a_claim_that_is_a_mean_of_many_runs_needs_a_smaller_gap_to_be_refuted():
    [one] = judge_rows([row("91.00")], {"model": FIVE})
    [ten] = judge_rows([row("91.00", mean_of=10)], {"model": FIVE})
    assert ten.p < one.p


def test_more_rows_make_each_test_stricter():
    close = row("91.20")
    alone = judge_rows([close], {"model": FIVE})
    among = judge_rows([close] + [row()] * 30, {"model": FIVE})
    assert alone[0].kind is VerdictKind.CLAIM_HIGHER
    assert among[0].kind is VerdictKind.INCONCLUSIVE


def test_a_reason_makes_every_claim_of_a_table_untestable():
    [verdict] = judge_rows([row()], {"model": FIVE}, untestable="claimed of another test set")
    assert str(verdict) == "untestable: claimed of another test set"


# ---------------------------------------------------------------- the claim

CLAIM = Claim(0.988, 0.00005, printed="98.80")


@pytest.mark.parametrize(
    ("mean", "low", "high", "match"),
    [
        (0.9880, 0.9880, 0.9880, "yes"),
        (0.98296, None, None, "yes"),  # margin and rounding together
        (0.98294, None, None, "no"),
        (0.99304, None, None, "yes"),
        (0.99306, None, None, "no"),
        (0.97, 0.95, 0.99, "possible"),
        (0.97, 0.95, 0.98796, "possible"),  # the rounding counts
        (0.97, 0.95, 0.98794, "no"),
        (0.995, 0.98804, 1.0, "possible"),
        (0.91, 0.905, 0.915, "no"),
    ],
)
def test_an_accuracy_matches_a_claim_within_margin_and_rounding_or_possibly_in_its_interval(
    mean, low, high, match
):
    assert CLAIM.match(mean, low, high) == match


def test_the_claim_of_a_runner_is_the_first_figure_that_the_suite_claims_for_it():
    rows = reader.read_suite().rows
    claim = Claim.of_runner(rows, "lenet5")
    assert (claim.printed, claim.label, claim.where) == ("98.80", "CNN-LeNet-5", "Table 3")
    assert (claim.low, claim.high) == pytest.approx((0.98795, 0.98805))
    assert Claim.of_runner(rows, "perceptron") is None


# ---------------------------------------------------------------- the declaration

PACKAGE = Path(__file__).parents[2] / "fmbench"
READERS = [PACKAGE / name for name in ("report", "cli", "audit", "api.py")]


@pytest.mark.parametrize("kind", VerdictKind)
def test_every_verdict_declares_everything(kind):
    # Without a sentence, the verdict's reason follows the word; without a group, it is the word.
    optional = {"sentence", "group"}
    for field in fields(kind.style):
        assert field.name in optional or getattr(kind.style, field.name) not in ("", None)
    assert len(kind.style.mark) == 1
    assert "{" not in kind.explanation()
    assert "{" not in Verdict(kind, delta_star=0.01, p=0.001).sentence


def test_no_two_verdicts_look_the_same_on_a_measured_row():
    shown = [kind for kind in VerdictKind if kind is not VerdictKind.NOT_RUN]
    for field in ("word", "mark", "terminal_style", "page_colour"):
        assert len({getattr(kind.style, field) for kind in shown}) == len(shown), field
    assert len({(k.style.plot_marker, k.style.filled) for k in shown}) == len(shown)
    assert len({kind.css_class for kind in VerdictKind}) == len(VerdictKind)


def test_the_notes_explain_both_directions_of_not_reproduced_together():
    text = explain_verdicts(margin=0.01, alpha=0.1)
    assert text.startswith("reproduced: the mean of new runs lies within 1 points of the claim")
    assert text.count("not reproduced: ") == 1 and "p < 0.1 after Holm" in text
    assert VerdictKind.FAILED.style.meaning not in text


def test_reports_and_commands_read_the_words_of_verdicts_from_the_declaration():
    words = {kind.word for kind in VerdictKind if kind.style.in_legend}
    classes = {kind.css_class for kind in VerdictKind if kind.style.in_legend}
    found = []
    for place in READERS:
        files = [place] if place.is_file() else sorted(place.rglob("*.*"))
        for file in files:
            if file.suffix == ".py":
                nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                texts = [n.value for n in nodes if isinstance(n, ast.Constant)]
                found += [(file.name, t) for t in texts if t in words | classes]
            elif file.suffix in (".j2", ".css", ".js"):
                text = file.read_text(encoding="utf-8")
                found += [(file.name, w) for w in words if f'"{w}"' in text or f"'{w}'" in text]
                found += [(file.name, c) for c in classes if f".{c}" in text]
    assert not found


def test_the_options_of_the_commands_have_the_declared_defaults():
    from fmbench.cli.forensics import forensics
    from fmbench.cli.run import run
    from fmbench.cli.table import table

    defaults = {option.name: option.default for option in table.params}
    assert (defaults["margin"], defaults["alpha"]) == (100 * MARGIN, ALPHA)
    for command in (run, forensics):
        [seeds] = [option for option in command.params if option.name == "seeds"]
        assert f"[default: {FULL.default_seeds}; quick: {QUICK.default_seeds}]" in seeds.help
