"""What a suite prints of a model: its figures, grouped by the place that has them."""

import tomllib
from pathlib import Path

import pytest

from fmbench.analysis.evaluation import JudgedRow
from fmbench.analysis.forensics.printed import (
    collect_remarks,
    collect_sources,
    select_comparable_rows,
)
from fmbench.analysis.summary import Status, Summary
from fmbench.analysis.table_verdicts import ProtocolResult
from fmbench.analysis.verdicts import Claim, Verdict, VerdictKind
from fmbench.suites.reader import build_suite, read_suite

HEAD = """
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
"""


def suite_of(text):
    return build_suite(tomllib.loads(HEAD + text), Path("made.toml"))


def row(**keys):
    keys = {"where": "Table 3", "label": "Tiny", "runner": "lenet5", **keys}
    return "\n[[row]]\n" + "".join(f'{key} = "{value}"\n' for key, value in keys.items())


def reported(**keys):
    keys = {"of": "lenet5", **keys}
    text = "".join(
        f"{key} = {value}\n" if isinstance(value, int) else f'{key} = "{value}"\n'
        for key, value in keys.items()
    )
    return f"\n[[reported]]\n{text}"


def test_a_row_and_the_same_reported_figure_count_once():
    suite = suite_of(
        row(claimed="98.80")
        + row(label="The same model again", claimed="98.80")
        + reported(where="Table 3", metric="accuracy", value="98.80%")
        + reported(where="text", metric="accuracy", value="98.9%", mean_of=10)
        + reported(where="Table 2", of="another", metric="kappa", value="0.5")
    )
    sources = collect_sources(suite, "lenet5")
    assert [source.title for source in sources] == [
        "Table 3: accuracy 98.80 %", "text: accuracy 98.9 %"
    ]  # fmt: skip
    [claimed], [quoted] = (source.figures for source in sources)
    assert (claimed.n_runs, quoted.n_runs) == (1, 10)
    assert (claimed.low, claimed.high) == pytest.approx((0.98795, 0.98805))
    assert (quoted.low, quoted.high) == pytest.approx((0.9885, 0.9895))
    assert claimed.other_meanings == ("one-vs-rest accuracy", "specificity")


def test_rows_of_one_runner_with_different_labels_are_different_models():
    suite = suite_of(
        row(label="LeNet (ours)", claimed="98.80")
        + row(label="LeNet (baseline)", claimed="91.20")
        + reported(where="Table 3", metric="accuracy", value="98.80%")
        + reported(where="Table 3, kappa", metric="kappa", value="0.98")
        + reported(where="Table 4", metric="kappa", value="0.90", of="LeNet (baseline)")
    )
    sources = {source.where: source for source in collect_sources(suite, "lenet5")}
    assert {where: [f.printed for f in source.figures] for where, source in sources.items()} == {
        "Table 3, LeNet (ours)": ["98.80"],
        "Table 3, LeNet (baseline)": ["91.20"],
        "Table 4, LeNet (baseline)": ["0.90"],
        "Table 3, kappa, lenet5": ["0.98"],  # nothing says which of the two it is about
    }
    assert sources["Table 3, LeNet (ours)"].title == "Table 3, LeNet (ours): accuracy 98.80 %"
    tables = [source.table for source in sources.values()]
    assert len(set(tables)) == 4, "figures of two models are never taken as those of one run"


def test_figures_of_one_label_in_two_places_are_of_one_model():
    elsewhere = suite_of(row(claimed="98.80") + row(claimed="91.20", where="text"))
    assert [s.where for s in collect_sources(elsewhere, "lenet5")] == ["Table 3", "text"]


def test_the_verdict_of_the_table_stands_beside_the_claim():
    suite = suite_of(row(claimed="98.80") + row(label="Other", claimed="91.20"))
    verdict = Verdict(VerdictKind.CLAIM_HIGHER)
    summary = Summary("lenet5", Status.NOT_RUN)
    judged = [JudgedRow(suite.rows[1], summary, None, verdict)]
    ours, other = collect_sources(suite, "lenet5", judged)
    assert (ours.figures[0].verdict, other.figures[0].verdict) == (None, verdict)


def test_the_figures_of_many_classes_are_one_table_and_those_of_few_are_not():
    def of_classes(n):
        return "".join(
            reported(where=f"Table 1, class {k}", metric="recall", value="0.9", **{"class": k})
            for k in range(n)
        )

    overall = reported(where="Table 1, overall line", metric="recall", average="macro", value="0.9")
    [table, line] = collect_sources(suite_of(of_classes(10) + overall), "lenet5")
    assert (table.where, len(table.class_figures), table.single_figures) == ("Table 1", 10, ())
    assert table.class_table.n_figures == 10
    assert (line.where, line.table) == ("Table 1, overall line", "Table 1")
    [few] = collect_sources(suite_of(of_classes(2)), "lenet5")
    assert few.class_table is None
    assert few.title == "Table 1: class 0 recall 0.9, class 1 recall 0.9"


def test_a_suite_says_what_a_printed_name_may_mean_as_well():
    figure = reported(where="Table 2", metric="mse", value="0.66", alternative_metric="mae")
    [source] = collect_sources(suite_of(figure), "lenet5")
    assert source.figures[0].other_meanings == ("mae",)


def test_values_are_formatted_in_the_unit_of_the_figure_with_one_decimal_more():
    suite = suite_of(
        row(claimed="98.80")
        + reported(where="a", metric="accuracy", value="98.9%")
        + reported(where="b", metric="accuracy", value="0.989")
        + reported(where="c", metric="kappa", value="0.75")
        + reported(where="d", metric="mse", value="1.5")
    )
    figures = [source.figures[0] for source in collect_sources(suite, "lenet5")]
    assert [figure.format_value(0.98765) for figure in figures] == [
        "98.77", "98.77", "0.9877", "0.988", "0.99"
    ]  # fmt: skip


def test_the_figure_of_a_row_is_the_claim_that_the_verdict_judges():
    suite = suite_of(row(claimed="79.80", source="79.8", certainty="verified"))
    claim = Claim.from_row(suite.rows[0])
    [source] = collect_sources(suite, "lenet5")
    assert source.figures[0].half_unit == pytest.approx(claim.half_unit) == pytest.approx(0.0005)
    again = source.figures[0].claim
    assert (again.accuracy, again.half_unit) == pytest.approx((claim.accuracy, claim.half_unit))


def test_remarks_say_what_no_story_can_show():
    suite = read_suite()
    [misquoted, other_images] = collect_remarks(suite, "gaussian-nb")
    assert "88.00, but its source says 51.1: the figure of another row" in misquoted
    assert "first release of the images" in other_images
    [only] = collect_remarks(suite, "decision-tree")
    assert only.endswith("of the images, so it is not compared with the stories.")
    assert collect_remarks(suite, "lenet5") == ()


def test_claims_about_another_release_are_compared_with_nothing():
    suite = read_suite()
    assert collect_sources(suite, "decision-tree") == ()
    assert select_comparable_rows(suite, "decision-tree") == []
    assert [each.label for each in select_comparable_rows(suite, "lenet5")] == ["CNN-LeNet-5"]


def test_the_remark_on_a_grid_mentions_the_table_only_if_the_table_has_such_a_figure():
    grid = '\n[[grid]]\nname = "G"\nlabels = ["Tiny"]\n'
    suite = suite_of(row(claimed="90.00", picked="best of a grid", grid="G") + grid)
    [made] = suite.rows
    [alone] = collect_remarks(suite, "lenet5")
    assert alone.endswith("no story here repeats that.")
    verdict = Verdict(VerdictKind.REPRODUCED)
    measured = Summary("lenet5", Status.NOT_RUN)
    assert collect_remarks(suite, "lenet5", [JudgedRow(made, measured, None, verdict)]) == (alone,)
    protocol = ProtocolResult("best of a grid", (), 0.9, 0.001, 1, None, verdict)
    [with_table] = collect_remarks(
        suite, "lenet5", [JudgedRow(made, measured, None, verdict, protocol)]
    )
    assert with_table.endswith("the table of accuracies also judges the row by that protocol.")


def test_figures_that_no_story_has_are_left_out_with_a_remark():
    suite = suite_of(
        reported(where="Table 1", metric="f1", average="weighted", value="0.9")
        + reported(where="Table 1", metric="accuracy", value="90%", folds=5)
        + reported(where="text", metric="cell", value="114", predicted_as=0, **{"class": 6})
        + reported(where="Table 2", metric="error rate", value="9%")
        + reported(where="Table 2", metric="f1", average="macro", value="0.9")
    )
    [source] = collect_sources(suite, "lenet5")
    assert source.title == "Table 2: error rate 9 %, F1 0.9"
    table, text = collect_remarks(suite, "lenet5")
    assert table.startswith("Table 1: 2 figures are left out") and text.startswith("text: 1 figure")


def test_a_row_says_how_its_source_scored_the_model():
    suite = suite_of(row(claimed="90.00", scored_as="sign"))
    assert collect_sources(suite, "lenet5")[0].figures[0].scored_as == "sign"


def test_the_papers_figures_of_lenet5_are_in_seven_places():
    sources = {source.where: source for source in collect_sources(read_suite(), "lenet5")}
    assert list(sources) == [
        "Table 3", "Table 1", "Table 1, overall line", "Table 2, kappa", "Table 2, informedness",
        "Table 2, MSE", "text, Section 4.2",
    ]  # fmt: skip
    assert sources["Table 1"].class_table.n_figures == 30
    assert sources["Table 2, MSE"].figures[0].other_meanings == ("mae",)


@pytest.mark.parametrize(
    ("bound", "ends", "text"),
    [
        ("at most", (0, 0.985), "accuracy at most 98 %"),
        ("at least", (0.975, 1), "accuracy at least 98 %"),
    ],
)
def test_a_claim_that_is_only_a_limit_reaches_to_the_end(bound, ends, text):
    [source] = collect_sources(suite_of(row(claimed="98", bound=bound)), "lenet5")
    [figure] = source.figures
    assert (figure.low, figure.high) == pytest.approx(ends)
    assert figure.title == text
    assert figure.reported.interval().low == pytest.approx(ends[0])
