import json

import pytest

from fmbench.models.evolution.journal import Journal

MADE_WITH = {"seed": 0, "device": "a processor"}


def ask_all(path, questions, made_with=MADE_WITH):
    """Ask each question; return the journal, the answers and the questions that were computed."""
    journal, computed = Journal(path, made_with), []

    def compute(question):
        computed.append(question)
        return question * 10

    answers = [journal.load_or_compute(q, lambda q=q: compute(q)) for q in questions]
    return journal, answers, computed


@pytest.fixture
def path(tmp_path):
    return tmp_path / "search.json"


def test_a_saved_answer_is_not_computed_again(path):
    _, answers, computed = ask_all(path, [1, 2])
    assert answers == [10, 20]
    assert computed == [1, 2]
    journal, answers, computed = ask_all(path, [1, 2, 3])
    assert answers == [10, 20, 30]
    assert computed == [3]
    assert (journal.n_asked, journal.n_known) == (3, 2)


def test_the_same_question_asked_twice_counts_as_two_questions(path):
    assert ask_all(path, [1, 1])[2] == [1, 1]
    assert ask_all(path, [1, 1, 1])[2] == [1]


def test_an_answer_is_on_disk_before_the_next_question_is_computed(path):
    journal = Journal(path, MADE_WITH)
    journal.load_or_compute(1, lambda: 10)

    def killed():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journal.load_or_compute(2, killed)
    assert ask_all(path, [1, 2])[2] == [2]


def test_earlier_seconds_count_only_the_answers_that_were_used(path):
    journal = Journal(path, MADE_WITH)
    journal.load_or_compute(1, lambda: 10)
    assert journal.earlier_seconds == 0
    content = json.loads(path.read_text())
    assert content["entries"][0]["seconds"] >= 0
    again, _, _ = ask_all(path, [1, 2])
    assert again.earlier_seconds == content["entries"][0]["seconds"]


def test_without_a_path_nothing_is_saved(tmp_path):
    assert ask_all(None, [1, 2])[2] == [1, 2]
    assert ask_all(None, [1, 2])[2] == [1, 2]
    assert list(tmp_path.iterdir()) == []


def test_answers_made_with_other_settings_are_not_used_and_the_warning_names_them(path):
    ask_all(path, [1, 2])
    with pytest.warns(
        UserWarning, match=r"search\.json.*not used: it was made with different values of seed$"
    ):
        assert ask_all(path, [1, 2], {**MADE_WITH, "seed": 1})[2] == [1, 2]
    with pytest.warns(UserWarning, match="made with different values of seed, threads$"):
        assert ask_all(path, [1], {**MADE_WITH, "threads": 2})[2] == [1]


def test_nothing_is_used_after_the_first_different_question(path):
    ask_all(path, [1, 2, 3])
    with pytest.warns(
        UserWarning,
        match=r"^from network 2 on, search\.json.*: this search tries another network there$",
    ):
        _, answers, computed = ask_all(path, [1, 5, 3])
    assert answers == [10, 50, 30]
    assert computed == [5, 3]
    assert ask_all(path, [1, 5, 3])[2] == []


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_a_truncated_file_is_not_used_and_is_replaced(path, cut):
    ask_all(path, [1, 2])
    whole = path.read_bytes()
    assert len(whole) > 200
    path.write_bytes(whole[: min(cut, len(whole) - 1)])
    with pytest.warns(UserWarning, match="damaged"):
        assert ask_all(path, [1, 2])[2] == [1, 2]
    assert ask_all(path, [1, 2])[2] == []


@pytest.mark.parametrize(
    "damage",
    [
        ('"answer": 10', '"answer": 11'),
        ('"seconds": ', '"seconds": 9'),
        ('"made_with"', '"made"'),
        ("{", "["),
    ],
)
def test_a_file_whose_content_was_changed_is_not_used(path, damage):
    ask_all(path, [1, 2])
    text = path.read_text()
    assert damage[0] in text
    path.write_text(text.replace(*damage))
    with pytest.warns(UserWarning, match="damaged"):
        assert ask_all(path, [1, 2])[2] == [1, 2]


@pytest.mark.parametrize("content", ["", "[]", "null", "[" * 100_000, "\x00"])
def test_a_file_that_is_not_a_journal_is_not_used(path, content):
    path.write_text(content)
    with pytest.warns(UserWarning, match="damaged"):
        assert ask_all(path, [1])[2] == [1]


def test_a_failed_write_keeps_the_earlier_answers(path, monkeypatch):
    ask_all(path, [1])
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "disk full")))
        with pytest.raises(OSError, match="disk full"):
            ask_all(path, [1, 2])
    assert [p.name for p in path.parent.iterdir()] == ["search.json"]
    assert ask_all(path, [1, 2])[2] == [2]
