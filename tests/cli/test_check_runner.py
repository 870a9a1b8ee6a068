"""How `fmbench check-runner` prints what it found; no runner is checked."""

import json

import pytest

from fmbench.execution import runner_checks
from fmbench.models import contract
from fmbench.models.contract import CONTRACT_CHECKS, CheckResult, get_rule
from tests.helpers.commands import call_fmbench

RULES = [get_rule(check) for check in CONTRACT_CHECKS]
FOUND = [
    CheckResult(RULES[0]),
    CheckResult(RULES[1], problem="it is fitted already: " + "a long reason " * 12),
    CheckResult(RULES[2], remark="it predicts one class only"),
    CheckResult(RULES[3], not_checked="it makes no valid predictions"),
]


@pytest.fixture
def answer(monkeypatch):
    """``answer(results)``: what every check of a runner finds."""

    monkeypatch.setattr(contract, "make_hidden_sample", lambda *_: (None, None))

    def set_answer(results):
        monkeypatch.setattr(runner_checks, "check_runner", lambda *_, **__: iter(results))

    return set_answer


@pytest.mark.parametrize("width", [80, 120])
def test_rules_and_reasons_fit_a_terminal(view, width, answer):
    answer(FOUND)
    lines = view(width, "check-runner", "gaussian-nb", status=1)
    assert [line.split()[0] for line in lines if line.startswith(("ok", "WRONG", "- "))] == [
        "ok", "WRONG", "ok", "-",
    ]  # fmt: skip
    assert "    fmbench run gaussian-nb --quick" in lines
    assert lines[-1] == "gaussian-nb: 1 rule is broken"


def test_a_program_gets_the_results(answer):
    answer(FOUND[:1])
    done = call_fmbench("check-runner", "GNB", "--format", "json")
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert (told["name"], told["keeps_the_rules"]) == ("gaussian-nb", True)
    assert told["rules"] == [{"result": "ok", "rule": RULES[0], "why": ""}]
    answer(FOUND)
    done = call_fmbench("check-runner", "GNB", "--format", "csv")
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 1 + len(FOUND))
