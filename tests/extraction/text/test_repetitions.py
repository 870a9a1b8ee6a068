"""Phrases say of how many runs a figure is the mean or the best."""

import pytest

from fmbench.extraction.text.repetitions import find_repetition


@pytest.mark.parametrize(
    ("phrase", "mean_of", "best_of"),
    [
        ("Top-1 accuracy on Fashion-MNIST, mean of 5 runs", 5, 1),
        ("Top 1 accuracy, averaged over 5 runs", 5, 1),
        ("Test accuracy, best in bold, averaged over 5 runs", 5, 1),
        ("Best results are in bold, averaged over 5 runs", 5, 1),
        ("Accuracy with the best learning rate, averaged over 10 runs", 10, 1),
        ("mean accuracy of the best model over 5 runs", 5, 1),
        ("best accuracy over 5 runs", 1, 5), ("top accuracy over 5 runs", 1, 5),
        ("Mean accuracy; the best of 5 runs in brackets", 1, 5),
        ("highest accuracy of the three runs", 1, 3),
    ],
)  # fmt: skip
def test_a_phrase_says_mean_or_best_of_runs(phrase: str, mean_of: int, best_of: int) -> None:
    found = find_repetition(phrase)
    assert found is not None
    assert (found.mean_of, found.best_of) == (mean_of, best_of)


@pytest.mark.parametrize("phrase", ["Best results in bold, 5 runs", "best epoch over 5 runs"])
def test_what_is_best_may_be_something_else_than_a_run(phrase: str) -> None:
    assert find_repetition(phrase) is None


def test_a_figure_with_a_spread_is_a_mean() -> None:
    found = find_repetition("best result of 5 runs", has_spread=True)
    assert found is not None
    assert (found.mean_of, found.best_of) == (5, 1)
    assert "read as a mean" in found.remark
