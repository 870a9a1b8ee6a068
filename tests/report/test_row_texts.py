"""Tests of the short texts about a row, and that everything that shows a row says the same."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from msgspec import structs

from fmbench.analysis.controls import ControlResult
from fmbench.analysis.evaluation import JudgedRow, judge_suite
from fmbench.analysis.predictions import SuitePredictions
from fmbench.analysis.summary import Status, Summary
from fmbench.analysis.table_verdicts import ProtocolResult
from fmbench.analysis.verdicts import Verdict, VerdictKind
from fmbench.api.results import Results
from fmbench.report.readme import write_block
from fmbench.report.row_texts import (
    describe_claim_kind,
    describe_evidence,
    describe_source_protocol,
    describe_tests,
    format_control,
    format_source_protocol,
    shorten_verdict,
    summarise_verdicts,
)
from fmbench.report.tables import build_table
from fmbench.suites import reader
from fmbench.suites.claims import Row
from fmbench.utils.table import format_csv, format_json

SUITE = reader.read_suite()


def judged(verdict: Verdict, **changes) -> JudgedRow:
    row = JudgedRow(Row("Table 1", "A model", "lenet5", claimed="90.0"),
                    Summary("lenet5", Status.MEASURED), None, verdict)  # fmt: skip
    return replace(row, **changes)


def result(kind: VerdictKind, flatters: float = 0.0036, n: int = 4) -> ProtocolResult:
    return ProtocolResult(
        "best epoch picked on the test set", (0.9233,), 0.9233, 0.0015, n, flatters, Verdict(kind)
    )


def test_a_verdict_is_shortened_to_its_word_where_the_word_says_enough():
    long = Verdict(VerdictKind.UNDECIDABLE, "the gap of 0.57 points is near the margin of 0.5")
    assert shorten_verdict(judged(long)) == "not decidable at this margin"
    seeds = Verdict(VerdictKind.MORE_SEEDS, "9 in all would probably decide", seeds_needed=9)
    assert shorten_verdict(judged(seeds)) == "more seeds needed (9 in all)"
    other = Verdict(VerdictKind.UNTESTABLE, "recipe not stated")
    assert shorten_verdict(judged(other)) == "untestable: recipe not stated"
    failed = Verdict(VerdictKind.FAILED, "ran out of memory")
    assert shorten_verdict(judged(failed)) == "failed: ran out of memory"


def test_a_misquotation_is_shown_with_the_figure_of_the_source():
    rows = judge_suite(SUITE, {}, {})
    [row] = [row for row in rows if row.runner == "gaussian-nb"]
    assert shorten_verdict(row) == "misquotes its source (51.1)"


def test_a_row_without_a_runner_says_so_with_the_nearest_names_and_a_stale_one_only_that():
    summary = Summary(
        "lenet6", Status.NO_RUNNER, reason="there is no 'lenet6': did you mean lenet5?"
    )
    suite = replace(SUITE, rows=(Row("Table 1", "A model", "lenet6", claimed="90.0"),))
    [row] = judge_suite(suite, {"lenet6": summary}, {})
    assert shorten_verdict(row) == (
        "not run: no runner: there is no 'lenet6': did you mean lenet5?"
    )
    stale = Summary("lenet6", Status.STALE, reason="revision 1 -> 2")
    [row] = judge_suite(suite, {"lenet6": stale}, {})
    assert (shorten_verdict(row), str(row.verdict)) == (
        "not run: stale", "not run: stale: revision 1 -> 2",
    )  # fmt: skip


def test_the_figure_by_the_sources_protocol_says_what_it_adds_and_the_verdict_by_it():
    row = judged(Verdict(VerdictKind.UNDECIDABLE), source_protocol=result(VerdictKind.REPRODUCED))
    assert format_source_protocol(row) == "92.33 (+0.36), reproduced"
    assert describe_source_protocol(row) == (
        "best epoch picked on the test set: 92.33 ± 0.15 %, 0.36 points more than by the honest "
        "protocol; reproduced"
    )
    one_seed = replace(result(VerdictKind.REPRODUCED, -0.0125, 1), sd=None)
    less = judged(row.verdict, source_protocol=one_seed)
    assert "92.33 %, 1.25 points less than" in describe_source_protocol(less)
    noisy = judged(row.verdict, source_protocol=replace(one_seed, flatters=None))
    assert format_source_protocol(noisy) == "92.33, reproduced"
    assert describe_source_protocol(noisy) == (
        "best epoch picked on the test set: 92.33 %; reproduced"
    )
    borrowed = replace(one_seed, flatters=None, from_reference=True, borrows_spread=True)
    assert describe_source_protocol(judged(row.verdict, source_protocol=borrowed)) == (
        "best epoch picked on the test set: 92.33 %; reproduced (the grid was measured in "
        "fmbench's own run; configurations with fewer than 3 seeds get the spread of the picked "
        "one)"
    )
    untested = judged(row.verdict, source_protocol=result(VerdictKind.OTHER_IMAGES))
    assert format_source_protocol(untested) == "92.33 (+0.36)"
    assert describe_source_protocol(untested).endswith("honest protocol")
    assert format_source_protocol(judged(row.verdict)) == ""
    assert describe_source_protocol(judged(row.verdict)) == ""


def test_a_control_says_where_it_was_measured_and_whose_spread_it_has():
    control = ControlResult("mnist", 0.873, "87.3", 0.8735, None, 1, True)
    assert describe_evidence(control) == ""
    assert describe_evidence(replace(control, from_reference=True, borrows_spread=True)) == (
        "measured in fmbench's own run; fewer than 3 runs, so the spread is that on the row's own "
        "images"
    )


def test_a_row_without_a_control_shows_none():
    assert format_control(judged(Verdict(VerdictKind.REPRODUCED))) == ""


@pytest.mark.parametrize(
    ("changes", "text"),
    [({}, "one run"), ({"mean_of": 5}, "the mean of 5 runs"),
     ({"best_of": 30}, "the best of 30 runs"),
     ({"mean_of": 5, "picked": "best of a grid"},
      "the mean of 5 runs, best of a grid, picked on the test set"),
     ({"claimed": None}, "")],
)  # fmt: skip
def test_the_kind_of_a_claim_is_said_in_words(changes, text):
    row = judged(Verdict(VerdictKind.REPRODUCED))
    assert describe_claim_kind(replace(row, row=structs.replace(row.row, **changes))) == text


def test_p_values_are_named_and_small_ones_are_not_zero():
    text = describe_tests(
        Verdict(VerdictKind.CLAIM_HIGHER, p_within=0.5, p_beyond=1e-9, p_holm=0.02)
    )
    assert text == (
        "test of “the mean is within the margin”: p = 0.5; test of “the claim is beyond it”: "
        "p < 0.0001, corrected for the rows p = 0.02. Only a small p shows what is tested"
    )
    assert describe_tests(Verdict(VerdictKind.UNTESTABLE)) == ""


def test_verdicts_are_counted_in_the_order_of_their_declaration():
    kinds = [VerdictKind.NOT_RUN, VerdictKind.REPRODUCED, VerdictKind.REPRODUCED]
    rows = [judged(Verdict(kind)) for kind in kinds]
    assert summarise_verdicts(rows) == "3 rows: 2 reproduced; 1 not run"
    assert summarise_verdicts([]) == "0 rows: nothing to judge"


@pytest.mark.parametrize(
    ("n", "counts"),
    [
        (1, "1 row: 1 misquotes its source"),
        (2, "2 rows: 2 misquote their source"),
    ],
)
def test_a_count_of_rows_and_its_verdict_agree_in_number(n, counts):
    assert summarise_verdicts([judged(Verdict(VerdictKind.MISQUOTED))] * n) == counts
    seeds = summarise_verdicts([judged(Verdict(VerdictKind.MORE_SEEDS))] * n)
    assert seeds.endswith("1 needs more seeds" if n == 1 else "2 need more seeds")


# ---------------------------------------------------------------- everything says the same


def read_page(path: Path) -> list[list[str]]:
    """The verdict, the figure by the source's protocol and the control of each row of the page."""
    body = re.search(r'<table id="rows_table">.*?<tbody>(.*?)</tbody>', path.read_text(), re.DOTALL)
    found = []
    for row in re.findall(r"<tr (.*?)</tr>", body[1], re.DOTALL):
        word = re.search(r'data-verdict="([^"]*)"', row)[1]
        cells = [html.unescape(re.sub("<[^>]+>", "", cell)).replace("−", "-")
                 for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]  # fmt: skip
        found.append([html.unescape(word), *cells[6:9]])
    return found


@pytest.mark.slow
def test_table_page_readme_and_frame_never_disagree_on_a_row(reference: SuitePredictions, report):
    rows = reference.rows
    table = build_table(reference.results)
    as_json, frame = json.loads(format_json(table)), Results(reference.results).to_frame()
    as_csv = list(csv.DictReader(io.StringIO(format_csv(table))))
    page = read_page(report)
    block = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in write_block(reference).splitlines()
        if line.startswith("| ")
    ]
    header, *lines = block
    readme = [dict(zip(header, line, strict=True)) for line in lines]
    assert len(rows) == len(as_json) == len(as_csv) == len(frame) == len(page)
    assert [line["row"] for line in readme] == [row.label for row in rows if row.row.claimed]
    in_readme = iter(readme)
    for row, by_json, by_csv, (_, by_frame), by_page in zip(
        rows, as_json, as_csv, frame.iterrows(), page, strict=True
    ):
        short, protocol = shorten_verdict(row), format_source_protocol(row)
        assert by_json["verdict"] == by_csv["verdict"] == str(row.verdict)
        assert by_frame["verdict"] == row.verdict.word == by_page[0]
        assert by_page[1].startswith(short)
        assert by_page[2:] == [protocol or "–", format_control(row) or "–"]
        for name in ("p_within", "p_beyond", "p_holm", "claim_low", "claim_high"):
            assert (by_json[name] is None) == pd.isna(by_frame[name])
        for name in ("source_protocol_verdict", "source_protocol"):
            in_frame = None if pd.isna(by_frame[name]) else by_frame[name]
            assert by_json[name] == in_frame == (by_csv[name] or None)
        if row.row.claimed:
            line = next(in_readme)
            assert line["verdict"] == short and line["by the source's protocol"] == protocol
            assert line["control"] == format_control(row)
