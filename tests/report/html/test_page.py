"""Tests of the page: with the committed records, without records, and with HTML in a suite."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from fmbench import runners
from fmbench.analysis import evaluation, predictions
from fmbench.datasets import specs
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from fmbench.records.store import Store
from fmbench.report.commands import Commands
from fmbench.report.figures.write import write_figures
from fmbench.report.html.page import render_page
from fmbench.suites import bundled, claims, reader
from fmbench.suites.configurations import Configuration
from fmbench.utils.printable import escape_unsafe

pytestmark = pytest.mark.slow

ROOT = bundled.CHECKOUT
SUITE = reader.read_suite()
COMMITTED = SUITE.folder_in(ROOT / "results" / "reference")
WITH_ACCURACY_ONLY = replace(SUITE, reported=SUITE.reported[6:7])


def pinned(name: str) -> str:
    return re.search(rf"^{name}==(.+)$", (ROOT / "constraints.txt").read_text(), re.M)[1]


def needs_the_pinned_matplotlib() -> None:
    import matplotlib

    if matplotlib.__version__ != pinned("matplotlib"):
        pytest.skip(
            f"the committed figures need matplotlib {pinned('matplotlib')}, as in constraints.txt"
        )


def comparable(text: str) -> str:
    """Replace each image by a hash of its pixels: zlib versions compress it differently."""
    from PIL import Image

    def pixels(found: re.Match[str]) -> str:
        image = Image.open(io.BytesIO(base64.b64decode(found[1])))
        return hashlib.sha256(image.convert("RGBA").tobytes()).hexdigest()

    return re.sub(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)", pixels, text)


class Parsed(HTMLParser):
    """The tags of a page with their attributes, and its text with ordinary spaces."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data.replace("\u00a0", " ")

    def all(self, attribute: str) -> list[str]:
        return [found[attribute] for _, found in self.tags if attribute in found]


# ---------------------------------------------------------------- the committed page


def test_the_committed_page_is_what_the_committed_records_give(report):
    needs_the_pinned_matplotlib()
    made, committed = report.read_text("utf-8"), (COMMITTED / "report.html").read_text("utf-8")
    assert comparable(made) == comparable(committed), "run `make reference`"


def test_the_committed_figures_are_what_the_committed_records_give(reference, tmp_path):
    needs_the_pinned_matplotlib()
    write_figures(reference, tmp_path, "svg")
    names = sorted(path.name for path in (COMMITTED / "figures").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name in names:
        made, committed = (folder / name for folder in (tmp_path, COMMITTED / "figures"))
        assert comparable(made.read_text()) == comparable(committed.read_text()), "`make reference`"


def test_the_page_is_one_file_under_3_mb_and_refers_to_no_other_file(report):
    html = report.read_text(encoding="utf-8")
    assert len(html.encode()) < 3 * 2**20
    parsed = Parsed(html)
    assert not {"link", "iframe", "object", "base"} & {
        tag for tag, found in parsed.tags if found.get("rel") != "icon"
    }
    for name in ("src", "href", "xlink:href", "action"):
        assert all(value.startswith(("#", "data:")) for value in parsed.all(name))
    assert "@import" not in html and "url(http" not in html
    assert str(Path.home()) not in html and str(ROOT) not in html


def test_every_id_is_unique_and_every_link_has_a_target(report):
    parsed = Parsed(report.read_text(encoding="utf-8"))
    ids = parsed.all("id")
    assert len(set(ids)) == len(ids)
    links = {value[1:] for name in ("href", "xlink:href") for value in parsed.all(name)
             if value.startswith("#")}  # fmt: skip
    assert links <= set(ids)


def test_each_measured_accuracy_is_on_the_page(report, reference):
    text = Parsed(report.read_text(encoding="utf-8")).text
    for row in reference.rows:
        assert row.label in text
        if row.mean is None:
            assert f"fmbench run {row.runner} --results results/reference" in text
        else:
            assert f"{100 * row.mean:.2f}" in text
        if row.gap is not None:
            assert f"{100 * row.gap:+.2f}".replace("-", "−") in text


def test_the_page_names_the_tables_as_the_suite_does(tmp_path):
    suite = replace(SUITE, reported=())  # without the check of the figures, which takes long
    titled = page_of(tmp_path / "none", suite)
    assert "Table 3: claimed and measured" in titled
    plain = page_of(tmp_path / "none", replace(suite, table_titles={}))
    assert "Accuracies: claimed and measured" in plain
    assert 'href="#accuracies"' in titled and 'href="#accuracies"' in plain


def find_facts(report: Path, label: str) -> list[dict[str, str]]:
    """The facts about the claim of each row in the section that begins with ``label``."""
    html = report.read_text("utf-8")
    sections = re.findall(r'<details id="row-\d+" class="row">.*?\n</details>', html, re.DOTALL)
    [section] = [s for s in sections if f'<span class="name">{label}' in s]
    lists = re.findall(r'<dl class="key facts">(.*?)</dl>', section, re.DOTALL)
    pairs = [re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", found) for found in lists]
    return [{name: Parsed(text).text for name, text in found} for found in pairs]


def test_a_row_shows_the_kind_of_its_claim_both_verdicts_and_the_p_values(report, reference):
    [facts] = find_facts(report, "CNN with Batch Normalization and Residual skip")
    [row] = [row for row in reference.rows if row.runner == "cnn-bn-skip"]
    assert facts["claim"] == "92.54 % (Table 3): one run, best epoch, picked on the test set"
    assert facts["verdict"] == f"{row.verdict.kind.style.mark} {row.verdict}"
    assert facts["interval of what is claimed"] == "91.46 to 92.48 % (95 % prediction interval)"
    assert f"p = {row.verdict.p_within:.2g}" in facts["tests"]
    assert facts["by the source’s protocol"].endswith("honest protocol; reproduced")
    assert facts["margin needed"] == f"{100 * row.verdict.delta_star:.2f} points"


def test_a_row_shows_its_misquotation_its_control_and_the_release_of_its_images(report):
    [facts] = find_facts(report, "GaussianNB")
    assert "51.1" in facts["misquotation"] and "88.00" in facts["misquotation"]
    assert "GradientBoostingClassifier" in facts["misquotation"]
    assert facts["images"] == "the first release of the images"
    assert "the source prints 52.4" in facts["control"]
    assert facts["to the printed digit"] == "no"
    both = find_facts(report, "Support Vector Classifier with rbf kernel; SVC")
    assert [facts["claim"][:7] for facts in both] == ["89.70 %", "89.70 %"]


def test_the_page_lists_each_contradicting_pair_with_its_severity_and_each_source(report):
    from fmbench.consistency import explain
    from fmbench.consistency.check import check_consistency

    result, text = check_consistency(SUITE), Parsed(report.read_text("utf-8")).text
    assert f"{len(result.contradicting_pairs)} pairs of sources" in text
    for row in (*explain.build_pair_rows(result), *explain.build_source_rows(result)):
        for cell in row.values():
            assert cell in text


def test_the_page_says_which_statements_are_true(report, reference):
    from fmbench.analysis.statements import test_statements as judge_statements

    text = Parsed(report.read_text("utf-8")).text
    found = judge_statements(reference.results)
    assert {result.outcome for result in found} >= {"true", "false"}
    for result in found:
        assert result.statement.text in text and result.sentence in text


def test_the_page_shows_the_matrix_of_stories_and_what_is_not_explained_first(report):
    html = report.read_text("utf-8")
    matrix = re.search(r'<table class="matches">.*?</table>', html, re.DOTALL)[0]
    heads = re.findall(r'<th scope="col">(.*?)</th>', matrix)
    assert heads.index("does not explain") < heads.index("explains")
    assert "status" not in heads or "not run" in matrix
    assert any(head.startswith("Table 2, kappa") for head in heads)
    assert 'class="yes"' in matrix and 'class="no"' in matrix
    assert "evidence, not proof" in html


# ---------------------------------------------------------------- other folders


def page_of(folder: Path, suite: claims.Suite, source=None) -> str:
    outcome = evaluation.read_results(folder, suite, data=source.folder if source else None)
    return render_page(predictions.load_predictions(outcome), Commands(folder))


def test_where_no_mistake_is_needed_the_page_lists_no_other_story(folder, source):
    path = folder({"lenet5": [0.988, 0.9881, 0.9882]})
    html = page_of(path, WITH_ACCURACY_ONLY, source)
    section = Parsed(
        html[html.index('<section id="mistakes"') : html.index('<section id="missing"')]
    )
    assert "No mistake is needed" in section.text
    matrix = re.search(r'<table class="matches">.*?</table>', html, re.DOTALL)[0]
    assert re.findall(r'<th scope="row">(.*?)</th>', matrix) == ["no mistake"]
    for word in ("digits", "no record", "Every story", "0 of 0", "--run"):
        assert word not in section.text


def test_the_page_of_an_empty_folder_says_which_commands_to_run(tmp_path):
    html = page_of(tmp_path / "none", SUITE)
    parsed = Parsed(html)
    assert f"fmbench run --all --results {tmp_path / 'none'}" in parsed.text
    assert "This folder holds no record yet." in parsed.text
    assert f"Run fmbench run lenet5 --results {tmp_path / 'none'}" in parsed.text
    assert "90.83 ± 0.19*" in parsed.text, "fmbench's own measurement has a mark"
    assert "* is fmbench's own measurement (AMD EPYC); fmbench run NAME measures" in parsed.text
    for section in ("answer", "accuracies", "missing", "provenance", "mistakes"):
        assert section in parsed.all("id")
    assert parsed.text.count("no record") > len(SUITE.runners)


def test_a_number_that_nobody_has_measured_is_not_shown_as_zero(tmp_path):
    rows = tuple(row for row in SUITE.rows if row.runner in ("eden-full", "gradient-boosting"))
    suite = replace(SUITE, rows=rows, reported=(), statements=())
    assert not re.search(r"\b0\.00\b", Parsed(page_of(tmp_path / "none", suite)).text)


def test_the_page_of_a_suite_without_rows_asks_for_no_run(tmp_path):
    text = Parsed(page_of(tmp_path / "none", replace(SUITE, rows=()))).text
    assert "The suite has no row" in text and "All 0 rows" not in text
    assert "--run" not in text and "--all --quick" not in text


def test_a_misquoting_row_without_a_record_is_among_what_is_missing(tmp_path):
    text = Parsed(page_of(tmp_path / "none", SUITE)).text
    missing = text[text.index("What is missing, and why") : text.index("How to reproduce each")]
    assert "GaussianNB" in missing
    assert f"fmbench run gaussian-nb --results {tmp_path / 'none'}" in missing


def test_a_failed_row_shows_the_reason_and_a_measured_row_its_accuracy(folder, source, record_of):
    path = folder({"lenet5": [0.9, 0.901, 0.902], "sgd": [0.8]})
    cell = Cell(runners.get_runner("mlp"), FULL, 0)
    failure = {"status": "failed", "why": "ran out of <memory>", "fit_seconds": None}
    Store(path).save(record_of(cell, **failure))
    html = page_of(path, WITH_ACCURACY_ONLY, source)
    text = Parsed(html).text
    assert "ran out of <memory>" in text and "<memory>" not in html
    assert "90.10" in text and "90.10 ± 0.10 %" in text
    assert "1 of the 3 seeds that a verdict needs" in text


def test_the_heading_and_the_provenance_name_the_data_sets_of_the_suite(tmp_path, record_of):
    first, second, *_ = SUITE.rows
    on_kmnist = structs.replace(first, runner="lenet5 on kmnist", dataset=specs.KMNIST.name)
    suite = replace(SUITE, rows=(on_kmnist,), reported=(), venue="Neurocomputing", doi="10.1/2")
    configuration = Configuration(runners.get_runner("lenet5"), dataset=specs.KMNIST)
    store = Store(tmp_path / "results")
    labels = np.arange(10_000, dtype=np.uint8) % 10
    store.save(record_of(configuration.cell(FULL, 0)), {"y_pred": labels, "y_true": labels})

    def render(suite):
        results = evaluation.read_results(store.folder, suite, asked_for=[configuration])
        return Parsed(render_page(predictions.load_predictions(results), Commands())).text

    text = render(suite)
    assert "Are these reported Kuzushiji-MNIST accuracies true?" in text
    assert specs.KMNIST.checksums[specs.TEST_IMAGES] in text
    assert specs.FASHION_MNIST.checksums[specs.TEST_IMAGES] not in text
    assert "Neurocomputing, doi:10.1/2" in text
    assert "Are these reported accuracies true?" in render(replace(suite, rows=(on_kmnist, second)))


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \"'&amp; $x^2$ {{ 7*7 }}"
ENTRY = """
title = {title}
authors = {title}
year = 2020
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[[row]]
where = {title}
label = {title}
runner = "sgd"
claimed = "81.90"
remark = {title}
cited = {title}
recipe = "stated"
[[row]]
where = "text"
label = "衣服 {{% raw %}}"
runner = {title}
claimed = "99.0"
[[reported]]
where = {title}
of = "sgd"
metric = "accuracy"
value = "81.90"
"""


def test_control_characters_and_direction_marks_of_a_suite_are_shown_as_escapes(
    folder, source, tmp_path
):
    import json

    suite_file = tmp_path / "suite.toml"
    hostile = "A\x1b[2J\x07\u202egnp\x9b"
    suite_file.write_text(ENTRY.format(title=json.dumps(hostile)), encoding="utf-8")
    html = page_of(folder({"sgd": [0.81, 0.82, 0.83]}), reader.read_suite(suite_file), source)
    assert html == escape_unsafe(html)
    assert html.count(escape_unsafe(hostile)) > 5


def test_html_in_a_suite_is_escaped(folder, source, tmp_path):
    import json

    suite_file = tmp_path / "suite.toml"
    suite_file.write_text(ENTRY.format(title=json.dumps(HOSTILE)), encoding="utf-8")
    suite = reader.read_suite(suite_file)
    html = page_of(folder({"sgd": [0.81, 0.82, 0.83]}), suite, source)
    parsed = Parsed(html)
    assert parsed.text.count(HOSTILE) > 5, "shown unchanged"
    assert "衣服 {% raw %}" in parsed.text
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert "img" not in {tag for tag, _ in parsed.tags}
    assert not [name for _, found in parsed.tags for name in found if name.startswith("on")]
    assert "49" not in re.findall(r"\$x\^2\$ (\S+)", parsed.text)
