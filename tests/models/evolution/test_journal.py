import json

import pytest

from fmbench.models.evolution.journal import Journal

MADE_WITH = {"seed": 0, "device": "a processor"}


def asked(path, questions, made_with=MADE_WITH):
    """Ask each question; returns the journal, the answers and the questions that were computed."""
    journal, computed = Journal(path, made_with), []

    def compute(question):
        computed.append(question)
        return question * 10

    answers = [journal.load_or_compute(q, lambda q=q: compute(q)) for q in questions]
    return journal, answers, computed


@pytest.fixture
def path(tmp_path):
    return tmp_path / "search.json"


def test_what_was_answered_is_not_computed_again(path):
    _, answers, computed = asked(path, [1, 2])
    assert answers == [10, 20]
    assert computed == [1, 2]
    journal, answers, computed = asked(path, [1, 2, 3])
    assert answers == [10, 20, 30]
    assert computed == [3]
    assert (journal.n_asked, journal.n_known) == (3, 2)


def test_the_same_question_asked_twice_is_two_questions(path):
    assert asked(path, [1, 1])[2] == [1, 1]
    assert asked(path, [1, 1, 1])[2] == [1]


def test_an_answer_is_on_the_disk_before_the_next_question(path):
    journal = Journal(path, MADE_WITH)
    journal.load_or_compute(1, lambda: 10)

    def killed():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journal.load_or_compute(2, killed)
    assert asked(path, [1, 2])[2] == [2]


def test_only_seconds_of_answers_that_were_used_are_added(path):
    journal = Journal(path, MADE_WITH)
    journal.load_or_compute(1, lambda: 10)
    assert journal.earlier_seconds == 0
    content = json.loads(path.read_text())
    assert 0 <= content["entries"][0]["seconds"] < 5
    again, _, _ = asked(path, [1, 2])
    assert again.earlier_seconds == content["entries"][0]["seconds"]


def test_without_a_path_nothing_is_kept(tmp_path):
    assert asked(None, [1, 2])[2] == [1, 2]
    assert asked(None, [1, 2])[2] == [1, 2]
    assert list(tmp_path.iterdir()) == []


def test_answers_made_with_anything_else_are_not_used_and_named(path):
    asked(path, [1, 2])
    with pytest.warns(UserWarning, match=r"search\.json.*not used: it was made with another seed$"):
        assert asked(path, [1, 2], {**MADE_WITH, "seed": 1})[2] == [1, 2]
    with pytest.warns(UserWarning, match="made with another seed, threads$"):
        assert asked(path, [1], {**MADE_WITH, "threads": 2})[2] == [1]


def test_from_the_first_other_question_on_nothing_is_used(path):
    asked(path, [1, 2, 3])
    with pytest.warns(UserWarning, match="asked another question after 1$"):
        _, answers, computed = asked(path, [1, 5, 3])
    assert answers == [10, 50, 30]
    assert computed == [5, 3]
    assert asked(path, [1, 5, 3])[2] == []


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_a_file_cut_off_anywhere_is_not_used_and_replaced(path, cut):
    asked(path, [1, 2])
    whole = path.read_bytes()
    assert len(whole) > 200
    path.write_bytes(whole[: min(cut, len(whole) - 1)])
    with pytest.warns(UserWarning, match="damaged"):
        assert asked(path, [1, 2])[2] == [1, 2]
    assert asked(path, [1, 2])[2] == []


@pytest.mark.parametrize(
    "damage",
    [
        ('"answer": 10', '"answer": 11'),
        ('"seconds": 0', '"seconds": 9'),
        ('"made_with"', '"made"'),
        ("{", "["),
    ],
)
def test_a_file_with_changed_content_is_not_used(path, damage):
    asked(path, [1, 2])
    text = path.read_text()
    assert damage[0] in text
    path.write_text(text.replace(*damage))
    with pytest.warns(UserWarning, match="damaged"):
        assert asked(path, [1, 2])[2] == [1, 2]


@pytest.mark.parametrize("content", ["", "[]", "null", "[" * 100_000, "\x00"])
def test_a_file_that_is_no_journal_is_not_used(path, content):
    path.write_text(content)
    with pytest.warns(UserWarning, match="damaged"):
        assert asked(path, [1])[2] == [1]


def test_a_write_that_fails_leaves_the_earlier_answers(path, monkeypatch):
    asked(path, [1])
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "disk full")))
        with pytest.raises(OSError, match="disk full"):
            asked(path, [1, 2])
    assert [p.name for p in path.parent.iterdir()] == ["search.json"]
    assert asked(path, [1, 2])[2] == [2]
