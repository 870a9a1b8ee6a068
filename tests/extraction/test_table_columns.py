"""A caption names the metric of columns that are headed by models."""

from __future__ import annotations

from fmbench.extraction.tables import read_tables

ROWS = "| {heads} |\n|---|---|---|\n| 16 | 90.1% | 85.7% |\n| 32 | 88.9% | 84.5% |\n"


def read(caption: str, heads: str = "Batch Size | ResNet-18 | ResNet-50") -> set[tuple[str, str]]:
    """The models and figures of a table below a caption."""
    found = read_tables(f"{caption}\n\n{ROWS.format(heads=heads)}", "x")
    return {(claim.label, claim.figure.printed) for claim in found.claims}


def test_columns_of_models_have_the_metric_of_the_caption() -> None:
    found = read("**Table 2: Fashion-MNIST Test Accuracy (%)**")
    assert {printed for _, printed in found} == {"90.1%", "85.7%", "88.9%", "84.5%"}
    assert {label.split()[0] for label, _ in found} == {"ResNet-18", "ResNet-50"}
    assert len({label for label, _ in found}) == 4


def test_other_captions_and_other_heads_give_no_metric() -> None:
    assert read("**Table 2: Training accuracy (%)**") == set()
    assert read("**Table 2: Memory in use (%)**") == set()
    assert read("**Table 2: MNIST test accuracy (%)**") == set()
    assert read("**Table 2: Test accuracy (%)**", "Batch Size | ResNet-18 | Share kept") == set()


def test_models_with_a_percent_sign_below_results_of_fashion_mnist_are_accuracies() -> None:
    heads = "Batch Size | ResNet-18 (%) | ResNet-50 (%)"
    assert read("Table 2: FashionMNIST results", heads)
    for caption in ("Table 2: FashionMNIST memory in use", "Table 2: Results", "Energy results"):
        assert not read(caption, heads)


def test_shares_of_classes_without_a_metric_are_not_taken() -> None:
    heads = "| Class | ResNet-18 (%) | ResNet-50 (%) |\n|---|---|---|\n"
    rows = "| Shirt | 70.1 | 75.7 |\n| Bag | 98.9 | 97.5 |\n| Coat | 88.9 | 87.5 |\n"
    assert read_tables(f"FashionMNIST results\n\n{heads}{rows}", "x").claims == ()
