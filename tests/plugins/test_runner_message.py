"""A plug-in's runner and code come back from a message as they were."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench.errors import UserError
from fmbench.models.registry import Runner, our_choice
from fmbench.plugins import runner_message
from fmbench.plugins.code import PluginCode
from fmbench.plugins.factories import FunctionFactory

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(st.text() | st.sampled_from(["tuple", "dict"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
CODE = PluginCode("./model.py", "make", "sha256:0", "model.py-make", bytes(range(256)))


def make_runner(**fields):
    return Runner("model", "A model", FunctionFactory(CODE, ("a", "seed")), revision=1,
                  cost="unknown", **fields)  # fmt: skip


def send(message):
    return json.loads(json.dumps(message))


@given(st.dictionaries(st.text(), values, max_size=3))
def test_a_runner_comes_back_with_the_same_values(hyperparameters):
    runner = make_runner(
        hyperparameters={name: our_choice(v, "a test") for name, v in hyperparameters.items()},
        quick=hyperparameters,
        readings={"question": (hyperparameters, hyperparameters)},
    )
    back = runner_message.unpack_runner(send(runner_message.pack_runner(runner)), CODE)
    assert back == runner
    assert repr(back.resolve()) == repr(runner.resolve())  # True is equal to 1, and 1 to 1.0


def test_the_code_comes_back_byte_by_byte():
    assert runner_message.unpack_code(send(runner_message.pack_code(CODE))) == CODE


@pytest.mark.parametrize("value", [{1, 2}, {1: 2}, float("nan"), [float("inf")], (b"",)])
def test_a_value_that_a_record_cannot_hold_is_refused(value):
    with pytest.raises(UserError, match="a record cannot hold the value"):
        runner_message.pack_runner(make_runner(hyperparameters={"width": our_choice(value, "")}))


def list_broken_messages():
    message = send(runner_message.pack_runner(make_runner(hyperparameters={})))
    yield None
    yield message | {"kind": "Runner"}
    yield message | {"fields": {}}
    yield message | {"factory": {"argument_names": [1]}}
    for name in message["fields"]:
        for wrong in ([1.5], {"a": {"b": 1.5}}):
            yield message | {"fields": message["fields"] | {name: wrong}}


@pytest.mark.parametrize("message", list(list_broken_messages()))
def test_a_broken_message_is_an_error_of_one_line(message):
    with pytest.raises(UserError, match="states something that no runner can have") as error:
        runner_message.unpack_runner(message, CODE)
    assert "\n" not in str(error.value)
