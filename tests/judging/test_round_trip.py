"""A known confusion matrix is judged figure by figure, in whatever form it is printed."""

import pytest

from fmbench.api import claims
from tests.helpers.printed import expected_figures, list_printed_inputs, make_confusion

CONFUSION = make_confusion(23)
INPUTS = list_printed_inputs(CONFUSION)


@pytest.mark.parametrize(
    ("text", "what", "digits"),
    [(text, what, digits) for _, _, text, what, digits in INPUTS],
    ids=[name for name, *_ in INPUTS],
)
def test_judge_holds_exactly_the_printed_figures_and_finds_no_contradiction(
    tmp_path, text, what, digits
):
    path = tmp_path / "input.txt"
    path.write_text(text, encoding="utf-8")
    judged = claims.judge(path).as_json()
    if what == "report":
        found = {(f["metric"], f["class"], f["average"]): f["value"] for f in judged["figures"]}
        expected = expected_figures(CONFUSION, digits)
        # The accuracy may stand as the claim of the row.
        for claim in judged["claims"]:
            found.setdefault(("accuracy", None, None), claim["claimed_as_printed"])
        assert {k: float(v) for k, v in found.items()} == {k: float(v) for k, v in expected.items()}
        assert judged["matrices"] == []
    else:
        [matrix] = judged["matrices"]
        assert matrix["shares"] is (what == "shares")
        rows = [[float(cell) for cell in row] for row in matrix["rows"]]
        if what == "matrix":
            assert rows == CONFUSION.tolist()
            [claim] = judged["claims"]
            assert claim["claimed"] == pytest.approx(CONFUSION.trace() / CONFUSION.sum())
    assert judged["consistency"] is None or judged["consistency"]["verdict"] == "consistent"
    assert not any(claim["speaks_against"] for claim in judged["claims"])
