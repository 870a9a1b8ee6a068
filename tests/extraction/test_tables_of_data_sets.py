"""Tables that compare methods over several data sets give the figures of Fashion-MNIST alone."""

from __future__ import annotations

import pytest

from fmbench.extraction.tables import read_tables
from tests.extraction.table_writers import write_markdown


def read(rows: list[list[str]], above: str = "", below: str = "") -> list[tuple[str, str]]:
    """The names and the printed figures of a table."""
    found = read_tables(f"{above}\n\n{write_markdown(rows)}\n\n{below}", "x")
    return [(claim.label, claim.figure.printed) for claim in found.claims]


def test_rows_of_data_sets_that_are_not_known_hide_no_row_of_fashion_mnist() -> None:
    rows = [
        ["Dataset", "Plain", "Ours"],
        ["MNIST", "98.1%", "98.7%"],
        ["Fashion-MNIST", "89.4%", "90.6%"],
        ["Vowels-7", "77.1%", "79.2%"],
        ["Power (W)", "1.2", "0.8"],
    ]
    assert read(rows) == [("Plain", "89.4%"), ("Ours", "90.6%")]
    rows[0][0] = "Name"  # three data sets must be known below another head
    assert read(rows) == []
    assert read([*rows, ["USPS", "95.1%", "95.3%"]]) == [("Plain", "89.4%"), ("Ours", "90.6%")]


@pytest.mark.parametrize("setting", [["50%", "40%"], ["0.3", "0.1"], ["0.05", "0.10"]])
def test_a_setting_beside_the_models_is_no_model(setting: list[str]) -> None:
    rows = [
        ["Dataset", "q", "PLL", "PLL+"],
        ["CIFAR-10", setting[0], "92.3%", "93.4%"],
        ["Fashion-MNIST", setting[1], "93.4%", "94.5%"],
    ]
    assert read(rows) == [("PLL", "93.4%"), ("PLL+", "94.5%")]
    rows[0][1] = "Noise rate"
    assert read(rows) == []


def test_a_mean_over_data_sets_does_not_replace_the_column_of_fashion_mnist() -> None:
    rows = [
        ["Method", "MNIST", "FashionMNIST", "Joint mean accuracy"],
        ["Merge", "97.3%", "81.2%", "89.3% ± 0.4%"],
        ["Route", "98.4%", "83.1%", "90.8% ± 0.2%"],
    ]
    assert read(rows) == [("Merge", "81.2%"), ("Route", "83.1%")]


def test_a_row_of_a_mean_over_data_sets_is_left_out() -> None:
    rows = [["Dataset", "Test accuracy"], ["MNIST", "99.1%"], ["FashionMNIST", "93.0%"],
            ["Joint mean", "96.1%"]]  # fmt: skip
    assert read(rows) == [("", "93.0%")]


def test_the_same_names_below_each_data_set_are_models() -> None:
    text = (
        "\\begin{tabular}{|c|c|c|c|c|}\n"
        "& \\multicolumn{2}{c|}{\\textbf{MNIST}} & \\multicolumn{2}{c|}{\\textbf{FashionMNIST}}"
        " \\\\ \\hline\n"
        "\\textbf{T} & \\textbf{Narrow} & \\textbf{Wide} & \\textbf{Narrow} & \\textbf{Wide}"
        " \\\\ \\hline\n"
        "1 & 98.1\\% & 98.2\\% & 87.9\\% & 89.1\\% \\\\\n"
        "4 & 98.5\\% & 98.6\\% & 88.9\\% & 89.4\\% \\\\ \\hline\n"
        "\\end{tabular}\n"
    )
    found = read_tables(text, "x").claims
    assert [(claim.label, claim.figure.printed) for claim in found] == [
        ("Narrow T 1", "87.9%"), ("Wide T 1", "89.1%"), ("Narrow T 4", "88.9%"),
        ("Wide T 4", "89.4%"),
    ]  # fmt: skip


def test_of_columns_for_more_and_more_training_images_the_last_is_read() -> None:
    text = (
        "\\begin{table}\\caption{Accuracy on the test set.}\\begin{tabular}{lcccc} \\toprule\n"
        "& \\multicolumn{2}{c}{MNIST} & \\multicolumn{2}{c}{Fashion-MNIST} \\\\\n"
        "Model & 10 & full & 10 & full \\\\ \\midrule\n"
        "AE & 85 & 95 & 63 & 81 \\\\\n GAN & 86 & 97 & 68 & 84 \\\\ \\bottomrule\n"
        "\\end{tabular}\\end{table}\n"
    )
    found = read_tables(text, "x")
    assert [(c.label, c.figure.value) for c in found.claims] == [("AE", "81%"), ("GAN", "84%")]
    assert any("fewer training images" in note for note in found.notes)


def test_scores_that_are_not_judged_are_not_read_for_their_data_set() -> None:
    rows = [["Model", "Fashion-MNIST"], ["VAE", "0.61"], ["EBM", "0.82"]]
    caption = "Table 2: AUROC of the detection of outliers"
    found = read_tables(write_markdown(rows, caption), "x")
    assert found.claims == ()
    assert any("no metric that is judged" in note for note in found.notes)


@pytest.mark.parametrize(
    ("above", "metric"),
    [
        ("The error rate is shown in the table.", "accuracy"),
        ("<summary>\n Recall (%):\n</summary>\n\n<br />", "recall"),
    ],
)
def test_the_line_above_a_table_names_its_metric(above: str, metric: str) -> None:
    rows = [["Method", "MNIST", "Fashion MNIST"], ["BP", "0.9", "9.2"], ["FA", "1.7", "13.1"]]
    long_lead = "The validation images are the same for all. " * 12
    found = read_tables(f"{long_lead}\n{above}\n\n{write_markdown(rows)}", "x").claims
    assert [claim.metric for claim in found] == [metric, metric]
    values = ["90.8%", "86.9%"] if metric == "accuracy" else ["9.2%", "13.1%"]
    assert [claim.figure.value for claim in found] == values


HEADINGS = (
    "# Nets\n\n## Results on CIFAR-10\n\n{0}\n\n## Results on MNIST\n\n{0}\n\n"
    "## Results on Fashion-MNIST\n\n{0}\n\n{1}\n\n{0}"
)


def test_a_table_below_headings_without_a_data_set_is_of_none_where_others_name_theirs() -> None:
    table = write_markdown([["Model", "Test error"], ["ResNet-20", "5.04"], ["WRN-16", "4.61"]])
    found = read_tables(HEADINGS.format(table, "## Batch sizes\n\n### Large ones"), "x")
    assert len(found.claims) == 2
    assert any("no heading above it names" in note for note in found.notes)
    found = read_tables(HEADINGS.format(table, "### Large ones"), "x")
    assert len(found.claims) == 4  # below the heading of Fashion-MNIST


def test_a_model_of_the_authors_and_the_baseline_beside_it_are_both_read() -> None:
    rows = [
        ["Dataset", "Acc (baseline)", "Acc (ours)", "Train time"],
        ["CIFAR-10", "94.2", "93.5", "7h 10m"],
        ["FashionMNIST", "95.2", "95.1", "6h 24m"],
    ]
    assert read(rows) == [("baseline", "95.2"), ("ours", "95.1")]
    rows[0][1:3] = ["Acc (paper)", "Acc (ours)"]
    assert read(rows) == []


@pytest.mark.parametrize(
    ("head", "cells"),
    [
        ("Result", ["Pass", "Pass"]), ("With help", ["98.1% (each)", "89.5% (first)"]),
        ("MSE reconstruction", ["0.004 ± 0.001", "0.008 ± 0.001"]),
    ],
)  # fmt: skip
def test_what_is_measured_beside_the_accuracy_is_no_name(head: str, cells: list[str]) -> None:
    rows = [["Dataset", "Accuracy", head], ["MNIST", "98.1%", cells[0]],
            ["Fashion-MNIST", "89.5%", cells[1]]]  # fmt: skip
    assert read(rows) == [("", "89.5%")]


@pytest.mark.parametrize("cell", ["90.0% (+0.36%p)", "90.0% (±0)", "90.0% (-0.4 pp)", "90.0%"])
def test_a_change_in_brackets_is_no_second_figure(cell: str) -> None:
    rows = [["Model", "FashionMNIST"], ["v4", "89.6%"], ["v5", cell]]
    assert read(rows) == [("v4", "89.6%"), ("v5", "90.0%")]


def test_a_spread_in_points_is_one() -> None:
    rows = [["Dataset", "Accuracy"], ["Fashion-MNIST", "81.7% ± 0.2pp"], ["MNIST", "92.8% ± 0.1pp"]]
    found = read_tables(write_markdown(rows), "x").claims
    assert [(claim.figure.value, claim.figure.sd) for claim in found] == [("81.7%", "0.2%")]


def test_a_structure_is_a_name_where_no_other_stands() -> None:
    rows = [["Network size", "Epochs", "Mean", "Stddev"], ["400-400", "100", "89.7%", "0.1%"],
            ["32C5-P2-1024", "100", "92.6%", "0.2%"]]  # fmt: skip
    found = read_tables("## Fashion-MNIST\n\n" + write_markdown(rows), "x").claims
    assert [(c.label, c.figure.value, c.figure.sd) for c in found] == [
        ("400-400", "89.7%", "0.1%"), ("32C5-P2-1024", "92.6%", "0.2%")
    ]  # fmt: skip


def test_of_a_model_on_its_training_and_test_images_the_latter_is_read() -> None:
    rows = [["Metric", "RF Train", "RF Test", "CNN Train", "CNN Test"],
            ["Accuracy", "100.0%", "87.5%", "95.4%", "93.6%"],
            ["Time", "9 s", "-", "900 s", "-"]]  # fmt: skip
    assert read(rows) == [("RF", "87.5%"), ("CNN", "93.6%")]
    rows[0] = ["Metric", "RF Train", "SVM", "CNN Train", "kNN"]  # it may be a name
    assert [label for label, _ in read(rows)] == ["RF Train", "SVM", "CNN Train", "kNN"]


def test_latex_lengths_and_a_plus_in_a_name_are_read() -> None:
    text = (
        "\\begin{tabular}{lc} \\hline\n"
        "Model & \\parbox{3cm}{\\vskip 1mm \\centering Accuracy \\vskip 1mm} \\\\ \\hline\n"
        "Conv$^+$Net & 88.1\\% \\\\ ConvNet & 89.5\\% \\\\ \\hline\n\\end{tabular}\n"
    )
    found = read_tables(text, "x").claims
    assert [(c.label, c.figure.printed) for c in found] == [
        ("Conv+Net", "88.1%"), ("ConvNet", "89.5%")
    ]  # fmt: skip
    assert all("1mm" not in claim.remark for claim in found)


def test_a_column_of_metrics_says_what_the_figures_of_each_data_set_are() -> None:
    rows = [
        ["Dataset", "Model", "Metric", "SGD", "SAM", "Gain"],
        ["CIFAR-10", "WRN-16", "Test error", "3.6", "3.3", "0.3"],
        ["F-MNIST", "WRN-28", "Test error", "4.4", "4.1", "0.3"],
        ["ImageNet", "ResNet-50", "Top-5 error", "6.5", "5.9", "0.6"],
    ]
    assert read(rows) == [("WRN-28 SGD", "4.4"), ("WRN-28 SAM", "4.1")]
    found = read_tables(write_markdown(rows), "x").claims
    assert [claim.figure.value for claim in found] == ["95.6%", "95.9%"]
    rows[2][2] = "FID"
    assert read(rows) == []


def test_methods_in_heads_are_names_where_the_rows_are_data_sets() -> None:
    rows = [["Dataset", "BP test accuracy", "DFA test accuracy"], ["MNIST", "98.3%", "97.9%"],
            ["F-MNIST", "89.1%", "86.7%"]]  # fmt: skip
    assert read(rows) == [("BP", "89.1%"), ("DFA", "86.7%")]
    rows[0][1:] = ["Clean test accuracy", "Initial test accuracy"]
    assert read(rows) == []


def test_settings_of_each_data_set_are_no_accuracies() -> None:
    rows = [["Dataset", "Epochs", "Batch size"], ["MNIST", "50", "64"], ["F-MNIST", "60", "64"]]
    assert read(rows) == []
    rows = [["Dataset", "epsilon=1", "epsilon=2"], ["MNIST", "97.9%", "98.7%"],
            ["F-MNIST", "88.3%", "89.3%"]]  # fmt: skip
    assert read(rows) == [("epsilon=1", "88.3%"), ("epsilon=2", "89.3%")]


def test_shares_that_are_part_of_a_name_stay_in_it() -> None:
    rows = [["Setting", "Accuracy"], ["10% dropout", "90.1%"], ["50% dropout", "89.4%"]]
    assert read(rows) == [("10% dropout", "90.1%"), ("50% dropout", "89.4%")]


@pytest.mark.parametrize("head", ["Gain", "Train time (s)", "# Params"])
def test_a_gain_or_a_size_beside_methods_is_no_method(head: str) -> None:
    rows = [["Dataset", "Plain", "Ours", head], ["MNIST", "98.1%", "98.7%", "0.6"],
            ["Fashion-MNIST", "89.4%", "90.6%", "1.2"]]  # fmt: skip
    assert read(rows) == [("Plain", "89.4%"), ("Ours", "90.6%")]


def test_what_a_heading_calls_expected_holds_for_the_headings_below_it() -> None:
    rows = [["Dataset", "Net"], ["MNIST", "99.1%"], ["Fashion-MNIST", "93.5%"]]
    assert read(rows, "## Expected outcomes\n\n### With more data") == []
    assert read(rows, "## Outcomes\n\n### With more data") == [("Net", "93.5%")]


def test_letters_behind_the_metric_tell_its_columns_apart() -> None:
    rows = [["", "MNIST", "Fashion-MNIST", "Gestures"], ["accuracy-A", "99.7%", "94.3%", "97.5%"],
            ["accuracy-B", "99.6%", "93.8%", "96.5%"]]  # fmt: skip
    assert read(rows) == [("A", "94.3%"), ("B", "93.8%")]


def test_a_data_set_among_projects_is_one_of_several() -> None:
    rows = [
        ["Project", "Test accuracy"],
        ["Fashion MNIST", "91.2%"],
        ["Dogs vs Cats", "96.7%"],
        ["Skin", "60.1%"],
    ]
    assert read(rows) == [("Fashion MNIST", "91.2%")]
    rows[1][0] = "Fashion MNIST CNN"  # it names what was done, so that all of them may be models
    assert len(read(rows)) == 3


def test_data_sets_that_are_not_known_are_others_below_a_head_that_says_so() -> None:
    rows = [
        ["Dataset", "Accuracy", "ROC AUC"],
        ["Fashion-MNIST", "91.5%", "-"],
        ["Cats-vs-dogs", "94.3%", "96.6%"],
    ]
    assert read(rows) == [("", "91.5%")]


def test_short_names_of_measures_are_no_models() -> None:
    rows = [
        ["Dataset", "MTA", "WMA", "VR"],
        ["FMNIST", "90.3%", "92.5%", "100.0%"],
        ["CIFAR-10", "86.0%", "83.6%", "100.0%"],
    ]
    assert read(rows) == []
    rows[0] = ["Dataset", "SVM", "MLP", "VR"]
    assert read(rows) == [("SVM", "90.3%"), ("MLP", "92.5%")]


def test_rows_of_tests_beside_models_hide_no_accuracies() -> None:
    rows = [
        ["Dataset", "EvoNet", "Plain", "p-value", "Cohen's d"],
        ["MNIST", "90.0%", "88.9%", "0.034", "1.6"],
        ["Fashion-MNIST", "84.1%", "82.9%", "0.019", "1.9"],
    ]
    assert read(rows) == [("EvoNet", "84.1%"), ("Plain", "82.9%")]


def test_a_paragraph_that_leads_to_a_table_names_its_metric_in_the_last_sentence() -> None:
    above = "- Training on Fashion-MNIST. I padded the images. Results so far (accuracy %):"
    rows = [["", "VGG16", "Other"], ["Fashion MNIST", "92.1", "92.6"]]
    assert read(rows, above) == [("VGG16", "92.1"), ("Other", "92.6")]


def test_a_learning_rate_is_named_where_it_stands_for_the_model() -> None:
    rows = [
        ["Dataset", "Learning Rate", "Accuracy"],
        ["MNIST", "0.0023", "99.1%"],
        ["Fashion-MNIST", "0.0024", "89.1%"],
    ]
    assert read(rows) == [("Learning Rate 0.0024", "89.1%")]


def test_factors_are_no_names_and_lines_with_a_value_are_no_table() -> None:
    rows = [
        ["Batch Size", "Test Accuracy", "Speedup"],
        ["1 (SGD)", "90.4%", "1.0x"],
        ["32 (batches)", "85.6%", "14.6x"],
    ]
    assert read(rows) == [("1 (SGD)", "90.4%"), ("32 (batches)", "85.6%")]
    text = "Best validation loss = 0.2767\nTest accuracy = 0.8907\n"
    assert read_tables(text, "x").claims == ()  # a sentence has this figure


def test_names_in_heads_stay_as_they_are_printed() -> None:
    rows = [["Compute", "ResNet-18(Acc%)", "ResNet-50(Acc%)"], ["GPU", "87.4%", "82.9%"]]
    assert {label.split()[0] for label, _ in read(rows)} == {"ResNet-18", "ResNet-50"}


def test_a_spread_of_seeds_beside_the_accuracy_leaves_it_one() -> None:
    rows = [["Method", "Accuracy \u00b1 seed SD"], ["Plain", "52.9 \u00b1 0.3"]]
    assert read(rows) == [("Plain", "52.9 \u00b1 0.3")]


def test_a_model_is_the_name_where_experiments_are_numbered_beside_it() -> None:
    rows = [["Experiment", "Model", "Accuracy"], ["A1", "CNN", "91.1%"], ["A2", "MLP", "88.1%"]]
    assert read(rows) == [("CNN", "91.1%"), ("MLP", "88.1%")]


def test_a_rate_beside_columns_of_data_sets_is_of_all_and_hides_no_accuracy() -> None:
    rows = [
        ["Method", "MNIST", "Fashion-MNIST", "Overall", "FPR", "Time (ms)"],
        ["Plain", "97.7", "77.2", "82.8", "0.00", "221.2"],
        ["Ours", "97.6", "85.8", "85.7", "0.01", "242.5"],
    ]
    assert read(rows) == [("Plain", "77.2"), ("Ours", "85.8")]


def test_the_data_set_as_it_is_stands_for_others_with_a_remark() -> None:
    rows = [
        ["Dataset", "FedA", "FedB"],
        ["FMNIST", "92.6", "92.2"],
        ["FMNIST (N)", "91.5", "91.4"],
        ["CIFAR-10", "89.2", "89.1"],
    ]
    assert read(rows) == [("FedA", "92.6"), ("FedB", "92.2")]


def test_a_time_behind_the_accuracy_in_one_cell_is_left_out() -> None:
    rows = [
        ["Dataset", "Plain acc / ms", "Fast acc / ms"],
        ["FashionMNIST", "85.40% / 35.28", "83.20% / 2.27"],
        ["MNIST", "98.40% / 35.28", "97.20% / 2.27"],
    ]
    assert read(rows) == [("Plain", "85.40%"), ("Fast", "83.20%")]
    rows[0][1:] = ["Plain acc / other acc", "Fast acc / other acc"]
    assert read(rows) == []


def test_the_number_of_epochs_behind_a_figure_is_no_second_figure() -> None:
    rows = [["Model", "Accuracy"], ["CNN", "91.7% (45 epochs)"], ["MLP", "88.1 % (after 9 epochs)"]]
    assert [label for label, _ in read(rows)] == ["CNN", "MLP"]
