import json
import tomllib
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.errors import UserError
from fmbench.extraction.confusion_matrices import find_matrices, read_matrix
from fmbench.extraction.read import read_input
from tests.helpers.printed import (
    ARRAY_WRITERS,
    FRAME_WRITERS,
    NAMES,
    make_confusion,
    normalise,
    print_array,
    print_crosstab,
    print_frame,
    reorder,
)

CONFUSION = make_confusion(1)
UNBALANCED = make_confusion(2, (200, 203, 214, 190, 219, 195, 197, 200, 194, 188))
BOTH = pytest.mark.parametrize("confusion", [CONFUSION, UNBALANCED], ids=["balanced", "not"])


def as_strings(confusion):
    return tuple(tuple(map(str, row)) for row in confusion.tolist())


def read_one(text):
    found = read_matrix(text, "matrix.txt")
    assert len(found.matrices) == 1
    return found


@BOTH
@pytest.mark.parametrize("how", ARRAY_WRITERS)
def test_counts_are_read_as_numpy_and_people_print_them(how, confusion):
    found = read_one(print_array(confusion, how))
    assert found.matrices[0].rows == as_strings(confusion)
    assert not found.matrices[0].is_shares
    assert found.n_per_class == tuple(confusion.sum(axis=1))


@BOTH
@pytest.mark.parametrize("how", [how for how in FRAME_WRITERS if how != "json of rows"])
def test_counts_are_read_as_pandas_prints_them(how, confusion):
    found = read_one(print_frame(confusion, how))
    assert found.matrices[0].rows == as_strings(confusion)
    assert found.matrices[0].class_names == found.class_names == NAMES
    assert found.n_per_class == tuple(confusion.sum(axis=1))


def test_the_outer_names_of_json_are_columns_unless_the_sums_say_otherwise():
    balanced = read_one(print_frame(CONFUSION, "json of rows"))
    assert balanced.matrices[0].rows == as_strings(CONFUSION)
    unbalanced = read_one(print_frame(UNBALANCED, "json of rows"))
    assert unbalanced.matrices[0].rows == as_strings(UNBALANCED.T)
    assert any("outer names" in note for note in unbalanced.notes)


@given(
    seed=st.integers(0, 10_000),
    order=st.permutations(range(10)),
    column_order=st.permutations(range(10)),
    how=st.sampled_from(
        ["print", "wrapped print", "csv", "semicolons", "markdown", "latex", "json"]
    ),
    has_names=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_classes_in_any_order_are_put_into_the_order_of_their_numbers(
    seed, order, column_order, how, has_names
):
    confusion = make_confusion(seed, (150,) * 10)
    names = NAMES if has_names else tuple("0123456789")
    values = confusion[np.ix_(order, column_order)]
    text = print_frame(values, how, [names[k] for k in order], [names[k] for k in column_order])
    found = read_one(text)
    assert found.matrices[0].rows == as_strings(confusion)
    assert found.class_names == names


@pytest.mark.parametrize("how", ["print", "repr", "no outer brackets", "list", "json"])
@pytest.mark.parametrize("digits", [2, 3, 4])
def test_shares_of_each_class_keep_all_printed_decimals(how, digits):
    shares = np.round(normalise(make_confusion(3, (6000,) * 10)), digits)
    found = read_one(print_array(shares, how, suppress=True))
    assert found.matrices[0].is_shares
    assert found.n_per_class is None
    expected = tuple(tuple(f"{value:.{digits}f}" for value in row) for row in shares)
    assert found.matrices[0].rows == expected


def test_shares_that_numpy_breaks_into_two_lines_are_read():
    shares = normalise(make_confusion(3, (6000,) * 10))
    text = print_array(shares, suppress=True)
    assert len(text.splitlines()) > 10
    rows = read_one(text).matrices[0].rows
    assert rows == tuple(tuple(f"{value:.8f}" for value in row) for row in shares)


@pytest.mark.parametrize(
    "options", [{"precision": 2}, {"precision": 3}, {"linewidth": 40}, {"threshold": 10**6}]
)
def test_the_print_options_of_numpy_do_not_matter(options):
    shares = normalise(make_confusion(3, (6000,) * 10))
    rows = read_one(print_array(shares, suppress=True, **options)).matrices[0].rows
    digits = options.get("precision", 8)
    assert rows == tuple(tuple(f"{value:.{digits}f}" for value in row) for row in shares)


@pytest.mark.parametrize("precision", [1, 3, 8])
def test_scientific_notation_keeps_the_decimals_of_each_number(precision):
    shares = normalise(make_confusion(3, (6000,) * 10))
    text = print_array(shares, precision=precision)
    assert "e-0" in text
    rows = read_one(text).matrices[0].rows
    expected = [[Decimal(f"{value:.{precision}e}") for value in row] for row in shares]
    assert [[Decimal(value) for value in row] for row in rows] == expected
    assert len(rows[0][0]) == len(f"{shares[0, 0]:.{precision + 1}f}")


@pytest.mark.parametrize("digits", [0, 1, 2])
def test_percentages_are_read_as_shares_with_a_sign(digits):
    shares = np.round(100 * normalise(CONFUSION), digits)
    text = "\n".join(" ".join(f"{value:.{digits}f}" for value in row) for row in shares)
    matrix = read_one(text).matrices[0]
    assert matrix.is_shares
    assert matrix.rows == tuple(tuple(f"{v:.{digits}f}%" for v in row) for row in shares)


@pytest.mark.parametrize("how", ["print", "csv", "semicolons", "markdown", "latex", "html"])
def test_shares_with_class_names_are_read(how):
    shares = np.round(normalise(CONFUSION), 3)
    matrix = read_one(print_frame(shares, how)).matrices[0]
    assert matrix.is_shares
    assert [[float(value) for value in row] for row in matrix.rows] == shares.tolist()


@BOTH
@pytest.mark.parametrize("margins", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_crosstab_names_its_axes(confusion, margins, swapped):
    found = read_one(print_crosstab(confusion, margins=margins, swapped=swapped))
    assert found.matrices[0].rows == as_strings(confusion)
    assert found.n_per_class == tuple(confusion.sum(axis=1))


def test_a_matrix_whose_columns_are_equally_large_classes_is_transposed_with_a_note():
    found = read_one(print_array(CONFUSION.T))
    assert found.matrices[0].rows == as_strings(CONFUSION)
    assert any("columns are taken for the true classes" in note for note in found.notes)


def test_the_corner_names_the_axes():
    frame = print_frame(UNBALANCED.T, "markdown").replace(
        "|             |", "| Predicted \\ True |", 1
    )
    assert read_one(frame).matrices[0].rows == as_strings(UNBALANCED)
    frame = print_frame(UNBALANCED, "csv")
    assert read_one("True/Predicted" + frame).matrices[0].rows == as_strings(UNBALANCED)


def test_names_such_as_actual_dress_name_the_axes():
    text = print_frame(
        UNBALANCED.T, "csv", [f"Pred {n}" for n in NAMES], [f"Actual {n}" for n in NAMES]
    )
    assert read_one(text).matrices[0].rows == as_strings(UNBALANCED)


def test_rows_are_the_true_classes_where_nothing_else_is_known_and_a_note_says_so():
    found = read_one(print_array(UNBALANCED))
    assert any("rows of the matrix are the true classes" in note for note in found.notes)


def test_the_support_of_a_report_tells_that_a_matrix_is_transposed():
    from fmbench.extraction.read import read_input
    from tests.helpers.printed import print_report

    text = f"{print_report(UNBALANCED)}\nConfusion matrix:\n{print_array(UNBALANCED.T)}"
    found = read_input(text)
    assert found.matrices[0].rows == as_strings(UNBALANCED)


def test_names_of_another_data_set_are_taken_in_their_order():
    names = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ]
    found = read_one(print_frame(CONFUSION, "csv", names, names))
    assert found.matrices[0].rows == as_strings(CONFUSION)
    assert any("printed order" in note for note in found.notes)
    swapped = reorder(CONFUSION, [1, 0, *range(2, 10)])
    rows = read_one(
        print_frame(swapped[np.ix_([1, 0, *range(2, 10)], range(10))], "csv", names,
                    [names[1], names[0], *names[2:]])
    ).matrices[0].rows  # fmt: skip
    assert rows == as_strings(CONFUSION)


def test_labels_in_json_name_the_classes():
    order = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    text = json.dumps(
        {"labels": [NAMES[k] for k in order], "matrix": reorder(CONFUSION, order).tolist()}
    )
    assert read_one(text).matrices[0].rows == as_strings(CONFUSION)


def test_sums_beside_a_matrix_are_left_out():
    with_sums = np.column_stack([UNBALANCED, UNBALANCED.sum(axis=1)])
    with_sums = np.vstack([with_sums, with_sums.sum(axis=0)])
    text = print_frame(with_sums, "markdown", [*NAMES, "Total"], [*NAMES, "Total"])
    assert read_one(text).matrices[0].rows == as_strings(UNBALANCED)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (normalise(CONFUSION.T).T, "columns add up to 1"),
        (CONFUSION / CONFUSION.sum(), "neither counts nor shares"),
        (-CONFUSION, "negative"),
        (CONFUSION * (np.arange(10) != 3)[:, None], "no images"),
        (CONFUSION * 10**8, "too large"),
    ],
)
def test_numbers_that_are_no_counts_or_shares_are_refused_with_the_reason(values, reason):
    with pytest.raises(UserError, match=reason):
        read_matrix(print_array(values, "list"), "x")


@pytest.mark.parametrize(
    "text",
    [
        print_array(np.random.default_rng(0).integers(0, 255, (28, 28))),  # pixels
        print_array(np.eye(10, dtype=int)[np.random.default_rng(0).integers(0, 10, 10)]),
        print_array(np.random.default_rng(0).dirichlet(np.ones(10), 10)),  # scores of 10 images
        "LeNet 91.2 98.8 89.1\nSVC 89.7 97.2 81.3\nMLP 88.1 97.7 80.1\n",
        "1 2\n3 4\n",
        "",
    ],
)
def test_other_blocks_of_numbers_are_not_taken_for_a_confusion_matrix(text):
    blocks = find_matrices(f"print(values)\n{text}\nend")
    assert not any(block.matrix for block in blocks)


def test_the_word_confusion_beside_a_block_is_enough():
    shares = np.round(normalise(CONFUSION), 3)
    for words, is_found in (("The numbers", False), ("Normalized confusion matrix", True)):
        blocks = find_matrices(f"{words}:\n{print_array(shares)}")
        assert any(block.matrix for block in blocks) == is_found


def test_two_matrices_in_one_text_are_kept_apart():
    text = f"LeNet\n{print_array(CONFUSION)}\n\nAlexNet\n{print_array(make_confusion(5))}\n"
    found = read_matrix(text, "x")
    assert [matrix.label for matrix in found.matrices] == ["LeNet", "AlexNet"]
    assert [matrix.source for matrix in found.matrices] == [
        "confusion matrix 1", "confusion matrix 2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "label"),
    [
        ("Confusion matrix of SGN on the test set", "SGN"),
        ("Table 2: Confusion matrix of SGN on the test set of Fashion-MNIST.", "SGN"),
        ("Confusion matrix for SGN (test images, normalised)", "SGN"),
        ("Confusion matrix of SGN, 10,000 test images", "SGN"),
        ("Confusion matrix of SGN evaluated on all ten classes", "SGN"),
        ("Confusion matrix of SGN trained for 10 epochs", "SGN"),
        ("SGN confusion matrix on the test data", "SGN"),
        ("Confusion matrix of SVC (C=10)", "SVC (C=10)"),
        ("Confusion matrix of SVC on PCA features", "SVC on PCA features"),
        ("Confusion matrix of CNN with Batch Normalization", "CNN with Batch Normalization"),
        ("Confusion matrix on the test set", ""),
    ],
)
def test_the_name_in_a_title_ends_before_the_images_of_the_matrix(title, label):
    (matrix,) = read_input(f"{title}\n\n{print_array(CONFUSION)}\n").matrices
    assert matrix.label == label


def test_a_matrix_of_another_data_set_is_noted_and_not_taken():
    text = f"Confusion matrix on MNIST\n\n{print_array(make_confusion(5))}\n\n" + (
        f"Confusion matrix on Fashion-MNIST\n\n{print_array(CONFUSION)}\n"
    )
    found = read_input(text)
    assert [matrix.rows for matrix in found.matrices] == [as_strings(CONFUSION)]
    assert "the confusion matrix in line 3 is of the MNIST images: not taken" in found.notes


def test_a_matrix_of_some_classes_is_not_taken():
    some = CONFUSION[:3, :3]
    with pytest.raises(UserError, match="only 3 of the classes"):
        read_matrix(print_frame(some, "csv", NAMES[:3], NAMES[:3]), "x")


TABLES = Path(__file__).parents[1] / "consistency" / "tables"
WITH_MATRIX = ("cifar10_book_5433", "frozen_features_8887", "subset_2000_unbalanced")


@pytest.mark.parametrize("name", WITH_MATRIX)
def test_matrices_of_real_pages_are_read_and_fit_their_reports(name):
    """The matrices stand in the comments of these files, with the pages that print them."""
    text = (TABLES / f"{name}.toml").read_text()
    content = tomllib.loads(text)
    comments = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    found = read_one(comments)
    sizes = tuple(content["test_set"]["n_per_class"])
    assert found.n_per_class == sizes
    rows = np.array(found.matrices[0].rows, dtype=int)
    recalls = {e["class"]: e["value"] for e in content["reported"] if e["metric"] == "recall"
               and "class" in e}  # fmt: skip
    for k, value in recalls.items():
        assert abs(rows[k, k] / sizes[k] - float(value)) <= 0.005 + 1e-9


@pytest.mark.parametrize("has_newline", [True, False])
@pytest.mark.parametrize("corner", ["True", r"\textbf{Actual class}"])
def test_a_matrix_in_latex_with_a_corner_and_a_spanning_head(has_newline, corner):
    short = [name.split("/")[0].split()[-1] for name in NAMES]
    body = "\\\\\n".join(
        " & ".join([short[k], *map(str, row)]) for k, row in enumerate(CONFUSION.tolist())
    )
    text = (
        "\\begin{table}\n\\caption{Confusion matrix of the CNN}" + "\n" * has_newline
        + "\\begin{tabular}{l|rrrrrrrrrr}\n & \\multicolumn{10}{c}{Predicted}\\\\\n"
        + " & ".join([corner, *short]) + "\\\\\n\\hline\n" + body
        + "\\\\\n\\end{tabular}\n\\end{table}\n"
    )  # fmt: skip
    found = read_input(text, name="m.tex")
    (matrix,) = found.matrices
    assert matrix.label == "CNN"
    assert matrix.rows == tuple(tuple(map(str, row)) for row in CONFUSION.tolist())
    assert any("rows of the matrix are the true classes" in note for note in found.notes)


def test_a_crosstab_with_margins_is_read_without_its_sums():
    true = pd.Series(np.repeat(NAMES, CONFUSION.sum(axis=1)), name="True")
    predicted = pd.Series(np.concatenate([np.repeat(NAMES, row) for row in CONFUSION]), name="P")
    found = read_matrix(pd.crosstab(true, predicted, margins=True).to_string(), "matrix")
    assert found.matrices[0].rows == tuple(tuple(map(str, row)) for row in CONFUSION.tolist())
