"""What a user types for a model is parsed, and what a table prints can be typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench.errors import UserError
from fmbench.plugins import model_spec

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@pytest.mark.slow
@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True), json_values))
def test_a_user_can_type_what_a_table_prints(parameters):
    written = str(model_spec.ModelSpec("sklearn.svm:SVC", parameters))
    assert model_spec.parse_model_spec(written) == model_spec.ModelSpec(
        "sklearn.svm:SVC", parameters
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("10", 10), ("0.5", 0.5), ("1e-3", 0.001), ("true", True), ("[100, 10]", [100, 10]),
     ("null", None), ("None", None), ("relu", "relu"), ('"10"', "10"), ("2020-01-01", "2020-01-01"),
     ("{'a' = 1}", {"a": 1}), ('{"a": 1}', {"a": 1}), ("1\nb = 2", "1\nb = 2"), ("", "")],
)  # fmt: skip
def test_a_parameters_value_is_toml_or_json_or_a_string(text, value):
    assert model_spec.parse_parameter(f"name={text}") == ("name", value)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "[1, nan]"])
def test_a_number_that_is_not_finite_is_refused(text):
    with pytest.raises(UserError, match="use a finite number"):
        model_spec.parse_parameter(f"C={text}")
