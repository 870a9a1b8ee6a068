"""An accuracy is placed among what has been verified and claimed, each with its source."""

from __future__ import annotations

from typing import get_args

import pytest

from fmbench.errors import UserError
from fmbench.suites.bundled import list_suites
from fmbench.suites.ladder import Evidence, Ladder, LadderEntry, load_ladder, read_ladder

LADDER = load_ladder()


def test_every_entry_has_a_source_and_the_best_of_each_kind_are_the_published_ones():
    assert all(entry.source for entry in LADDER.entries)
    best = {evidence: LADDER.find_best(evidence).figure for evidence in get_args(Evidence)}
    assert best == {
        "verified by a third party": "95.55 ± 0.04",
        "scored by a third party": "96.50",
        "claimed": "99.65",
        "people": "83.5",
    }
    accuracies = [entry.fraction for entry in LADDER.entries]
    assert accuracies == sorted(accuracies, reverse=True)


@pytest.mark.parametrize(
    ("accuracy", "says"),
    [
        (0.9980, "99.80 % is higher than the highest entry of the ladder, 99.65 %"),
        (0.9965, "99.65 % equals the highest entry of the ladder"),
        (0.9780, "97.80 % is higher than 95.55 ± 0.04 % (ResNet-20 with Random Erasing), the best "
                 "that a third party has rerun with a spread, and 96.50 % (an ensemble of "
                 "networks), the best that a third party has scored; the next above is 98.80 % "
                 "(CNN-LeNet-5), claimed; "
                 "the next below is 96.91 % (Fine-Tuning DARTS), claimed"),
        (0.9660, "96.60 % is higher than 95.55 ± 0.04 % (ResNet-20 with Random Erasing), the best "
                 "that a third party has rerun with a spread, and 96.50 % (an ensemble of "
                 "networks), the best that a third party has scored; the next above is 96.91 %"),
        (0.9600, "96.00 % is higher than 95.55 ± 0.04 % (ResNet-20 with Random Erasing), the best "
                 "that a third party has rerun with a spread; the next above is"),
        (0.9555, "95.55 % equals 95.55 ± 0.04 %"),
        (0.9340, "93.40 % is lower than 95.55 ± 0.04 %"),
        (0.8300, "83.00 % is lower than 83.5 % (people"),
    ],
)  # fmt: skip
def test_the_sentence_says_first_what_others_have_checked(accuracy, says):
    assert LADDER.place(accuracy).sentence.startswith(says)


@pytest.mark.parametrize(
    ("accuracy", "exceeds"),
    [(0.9880, True), (0.9701, True), (0.9700, False), (0.9691, False), (0.9, False)],
)
def test_a_figure_exceeds_what_third_parties_have_checked_only_by_more_than_the_margin(
    accuracy, exceeds
):
    assert LADDER.exceeds_checked(accuracy, 0.005) is exceeds


def test_the_entries_above_and_below_begin_with_the_nearest():
    entries = tuple(
        LadderEntry(model, accuracy, evidence, "somewhere")
        for model, accuracy, evidence in [
            ("a", "97.0", "claimed"), ("b", "96.0", "scored by a third party"),
            ("c", "95.0", "verified by a third party"), ("d", "80.0", "people"),
        ]
    )  # fmt: skip
    place = Ladder(entries).place(0.95)
    assert [e.model for e in place.above] == ["b", "a"]
    assert [e.model for e in place.equal] == ["c"] and [e.model for e in place.below] == ["d"]
    assert Ladder(entries).place(0.1).below == ()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "entry = 1",
        '[[entry]]\nmodel = "a"',
        '[[entry]]\nmodel = "a"\naccuracy = "x"\nevidence = "claimed"\nsource = "b"',
        '[[entry]]\nmodel = "a"\naccuracy = "96"\nevidence = "heard"\nsource = "b"',
        '[[entry]]\nmodel = "a"\naccuracy = "96"\nevidence = "claimed"\nsource = "b"',
    ],
)
def test_a_damaged_ladder_is_an_error_of_one_line(tmp_path, content):
    path = tmp_path / "ladder.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="is damaged") as caught:
        read_ladder(path)
    assert len(str(caught.value).splitlines()) == 1


def test_the_ladder_is_no_suite_although_it_lies_beside_them():
    assert list_suites() == ["kayed2020", "xiao2017"]
