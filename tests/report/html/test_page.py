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
from fmbench.api import writing
from fmbench.api.results import load_results
from fmbench.datasets import specs
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from fmbench.records.store import Store
from fmbench.report.commands import Commands
from fmbench.report.figures.write import write_figures
from fmbench.report.html.page import render_page
from fmbench.report.html.sections import make_anchor
from fmbench.report.mistakes import collect_findings
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
    for folder in {Path.home(), ROOT} - {Path("/")}:  # a home in some containers
        assert str(folder) not in html


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
    sections = re.findall(
        r'<details id="details-[^"]+" class="row">.*?\n</details>', html, re.DOTALL
    )
    [section] = [s for s in sections if f'<span class="name">{label}' in s]
    lists = re.findall(r'<dl class="key facts" data-row="[^"]+">(.*?)</dl>', section, re.DOTALL)
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
    html = page_of(tmp_path / "none", WITH_ACCURACY_ONLY)
    parsed = Parsed(html)
    assert f"fmbench run --all --results {tmp_path / 'none'}" in parsed.text
    assert "This folder holds no record yet." in parsed.text
    assert f"Run fmbench run lenet5 --results {tmp_path / 'none'}" in parsed.text
    assert "90.83 ± 0.19*" in parsed.text, "fmbench's own measurement has a mark"
    assert "* is fmbench's own measurement (AMD EPYC); fmbench run --all --results" in parsed.text
    for section in ("answer", "accuracies", "missing", "provenance", "mistakes"):
        assert section in parsed.all("id")
    assert parsed.text.count("not measured here; fmbench's own measurement is shown") > 20


def test_a_number_that_nobody_has_measured_is_not_shown_as_zero(tmp_path):
    rows = tuple(row for row in SUITE.rows if row.runner in ("eden-full", "gradient-boosting"))
    suite = replace(SUITE, rows=rows, reported=(), statements=())
    assert not re.search(r"\b0\.00\b", Parsed(page_of(tmp_path / "none", suite)).text)


def test_the_page_of_a_suite_without_rows_asks_for_no_run(tmp_path):
    text = Parsed(page_of(tmp_path / "none", replace(WITH_ACCURACY_ONLY, rows=()))).text
    assert "The suite has no row" in text and "All 0 rows" not in text
    assert "--run" not in text and "--all --quick" not in text


def test_a_misquoting_row_without_a_record_is_among_what_is_missing(tmp_path):
    text = Parsed(page_of(tmp_path / "none", WITH_ACCURACY_ONLY)).text
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


OWN_CLAIMS = """
title = "A small comparison of classifiers"
authors = "J. Doe"
year = 2026
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[[row]]
where = "Table 2"
label = "SVC (RBF, C=10)"
runner = "svc-rbf"
claimed = "89.9"
recipe = "stated"
[[row]]
where = "Table 2"
label = "Random forest"
runner = "random-forest"
claimed = "88.1"
mean_of = 10
recipe = "stated"
[[row]]
where = "Table 2"
label = "LeNet-5"
runner = "lenet5"
claimed = "91.2"
recipe = "stated"
[[row]]
where = "Table 2"
label = "ResNet-18"
claimed = "93.4"
[[row]]
where = "Table 2"
label = "k-NN"
runner = "k-neighbors"
claimed = "85.5"
recipe = "stated"
"""
OF_LENET5 = """
[[reported]]
where = "Classification report"
of = "lenet5"
metric = "accuracy"
value = "0.912"
[[reported]]
where = "Classification report"
of = "lenet5"
metric = "f1"
average = "macro"
value = "0.91"
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Parsed:
    """The page of a suite of one's own, without any record."""
    folder = tmp_path_factory.mktemp("own")
    suite = reader.read_suite(write(folder / "own.toml", OWN_CLAIMS))
    return Parsed(page_of(folder / "none", suite))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_page_of_a_suite_of_ones_own_speaks_of_no_other_paper(own):
    text = own.text[: own.text.index("Each row in detail")]
    assert "All 5 rows" in text and "J. Doe (2026)" in text
    for words in ("Table 3", "Figure", "Kayed", "98.80", "CNN-LeNet-5", "eden", "of 29"):
        assert words not in text.replace("Figures", ""), words
    recipe = own.text[own.text.index("LeNet-5 (Section 3 of") :]
    assert recipe.startswith("LeNet-5 (Section 3 of Kayed et al. 2020)"), "a recipe names its paper"
    for words in ("the paper's settings", "of the paper", "Table 3"):
        assert words not in own.text


def test_a_suite_of_ones_own_has_only_the_sections_that_it_asks_for(own, tmp_path):
    ids = own.all("id")
    assert {"accuracies", "figures", "rows", "speed", "svc-rbf", "resnet-18", "lenet5"} <= set(ids)
    assert not {"metrics", "consistency", "mistakes", "confusion-matrix"} & set(ids)
    suite = reader.read_suite(write(tmp_path / "own.toml", OWN_CLAIMS + OF_LENET5))
    with_figures = Parsed(page_of(tmp_path / "none", suite))
    sections = {"metrics", "consistency", "mistakes", "confusion-matrix"}
    assert sections <= set(with_figures.all("id"))
    assert "Confusion matrix of LeNet-5." in with_figures.text


def test_rows_that_fmbench_measured_show_its_figures_its_matrices_and_its_times(own):
    assert "86.25*" in own.text and "90.83 ± 0.19*" in own.text
    matrices = [found for tag, found in own.tags if found.get("class") == "confusion"]
    assert len(matrices) == 4, "of each row that has a runner"
    assert own.text.count("predicted class (columns)") == 4
    assert "n = 5 seeds, fmbench's own measurement" in own.text
    assert "Hollow points (4): fmbench's own measurement" in own.text
    assert "12 finished runs of 4 models, which travel with the package (AMD EPYC)" in own.text
    assert "hard-images: fmbench's own measurement travels without its predictions" in own.text


def test_an_open_verdict_says_how_many_seeds_would_decide_and_with_which_command(own, tmp_path):
    text = own.text[own.text.index("Each row in detail") :]
    assert "more seeds needed: 10 in all would probably decide" in text
    needed = text[text.index("seeds needed10 in all; 5 are measured: ") :]
    assert re.match(r".*: fmbench run random-forest --seeds 10 --results \S+", needed)
    assert "test of “the mean is within the margin”: p = 0.057" in text


def test_stories_of_a_model_that_the_suite_does_not_name_are_left_out(tmp_path):
    text = OWN_CLAIMS.replace('runner = "lenet5"', 'runner = "lstm"')
    suite = reader.read_suite(write(tmp_path / "own.toml", text))
    results = evaluation.read_results(ROOT / "results" / "reference", suite)
    assert list(collect_findings(results)) == []


@pytest.mark.parametrize(
    ("names", "anchors"),
    [
        (("lenet5", "SVC (RBF, C=10)", "sklearn.svm:SVC(C=10) on kmnist"),
         ["lenet5", "svc-rbf-c-10", "sklearn-svm-svc-c-10-on-kmnist"]),
        (("衣服", "", "a b", "A-B", "a b"), ["row", "row-2", "a-b", "a-b-2", "a-b-3"]),
    ],
)  # fmt: skip
def test_each_row_gets_an_address_of_its_own_from_its_name(names, anchors):
    taken: set[str] = set()
    assert [make_anchor(name, taken) for name in names] == anchors


def test_a_row_named_like_a_section_gets_another_address(tmp_path):
    text = OWN_CLAIMS.replace("ResNet-18", "Figures").replace("svc-rbf", "provenance")
    suite = reader.read_suite(write(tmp_path / "own.toml", text))
    ids = Parsed(page_of(tmp_path / "none", suite)).all("id")
    assert {"figures-2", "provenance-2"} <= set(ids) and len(set(ids)) == len(ids)


def test_whoever_waits_for_the_page_is_told_what_happens(tmp_path):
    suite = reader.read_suite(write(tmp_path / "own.toml", OWN_CLAIMS))
    steps: list[str] = []
    writing.write_report(
        load_results(tmp_path / "none", suite), tmp_path / "page.html", on_step=steps.append
    )
    assert steps == ["reading the predictions", "comparing the known mistakes",
                     "drawing the figures", "writing the page"]  # fmt: skip


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
    images = [found["src"] for tag, found in parsed.tags if tag == "img"]
    assert all(source.startswith("data:image/png;base64,") for source in images)
    assert not [name for _, found in parsed.tags for name in found if name.startswith("on")]
    assert "49" not in re.findall(r"\$x\^2\$ (\S+)", parsed.text)
