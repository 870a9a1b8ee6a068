"""The page: made again from the committed records, whole without any, and safe with any text."""

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

from fmbench import runners
from fmbench.analysis import evaluation, predictions
from fmbench.consistency.check import judge
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, labels
from fmbench.records.store import Store
from fmbench.report import sentences
from fmbench.report.commands import Commands
from fmbench.report.figures import write
from fmbench.report.html.page import page
from fmbench.report.tables import build_table
from fmbench.suites import bundled, claims, reader

ROOT = bundled.CHECKOUT
COMMITTED = ROOT / "results" / "reference"
SUITE = reader.read()
ACCURACY_ALONE = replace(SUITE, reported=SUITE.reported[6:7])


def pinned(name: str) -> str:
    return re.search(rf"^{name}==(.+)$", (ROOT / "constraints.txt").read_text(), re.M)[1]


def needs_the_pinned_matplotlib() -> None:
    import matplotlib

    if matplotlib.__version__ != pinned("matplotlib"):
        pytest.skip(f"figures are those of matplotlib {pinned('matplotlib')}, as in constraints")


def comparable(text: str) -> str:
    """With each embedded image by its pixels: another zlib packs the same image otherwise."""
    from PIL import Image

    def pixels(found: re.Match[str]) -> str:
        image = Image.open(io.BytesIO(base64.b64decode(found[1])))
        return hashlib.sha256(image.convert("RGBA").tobytes()).hexdigest()

    return re.sub(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)", pixels, text)


class Parsed(HTMLParser):
    """Tags with their attributes, ids, and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, attribute: str) -> list[str]:
        return [found[attribute] for _, found in self.tags if attribute in found]


# ---------------------------------------------------------------- the committed page


def test_the_committed_page_is_made_again(report):
    needs_the_pinned_matplotlib()
    made, committed = report.read_text("utf-8"), (COMMITTED / "report.html").read_text("utf-8")
    assert comparable(made) == comparable(committed), "run `make reference`"


def test_the_committed_figures_are_made_again(reference, tmp_path):
    needs_the_pinned_matplotlib()
    write.write(reference, tmp_path, "svg")
    names = sorted(path.name for path in (COMMITTED / "figures").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name in names:
        made, committed = (folder / name for folder in (tmp_path, COMMITTED / "figures"))
        assert comparable(made.read_text()) == comparable(committed.read_text()), "`make reference`"


def test_what_the_readme_shows_is_generated(reference):
    from fmbench.report.readme import rewritten

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert rewritten(readme, reference) == readme, "run `make reference`"


def test_the_page_is_one_file_under_3_mb_and_names_nothing_outside_itself(report):
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


def test_every_id_is_there_once_and_every_link_has_its_target(report):
    parsed = Parsed(report.read_text(encoding="utf-8"))
    ids = parsed.all("id")
    assert len(set(ids)) == len(ids)
    links = {value[1:] for name in ("href", "xlink:href") for value in parsed.all(name)
             if value.startswith("#")}  # fmt: skip
    assert links <= set(ids)


def test_each_number_of_table_3_is_on_the_page(report, reference):
    text = Parsed(report.read_text(encoding="utf-8")).text
    for row in build_table(reference.outcome, "accuracies").rows:
        assert row["label"] in text
        if row["mean"]:
            assert row["mean"] in text and row["gap"].replace("-", "−") in text
        else:
            assert f"fmbench run {row['runner']} --results results/reference" in text


# ---------------------------------------------------------------- other folders


@pytest.fixture
def folder(tmp_path, record_of, source):
    """``make({"lenet5": [0.9, 0.8]})``: a results folder with such accuracies, by seed."""

    def make(shares: dict[str, list[float]]) -> Path:
        store, known = Store(tmp_path / "results"), runners.runners()
        y_true = labels(FULL, source)
        for name, seeds in shares.items():
            for seed, share in enumerate(seeds):
                right = np.arange(len(y_true)) < share * len(y_true)
                y_pred = np.where(right, y_true, (y_true + 1) % 10).astype(np.uint8)
                store.save(record_of(Cell(known[name], FULL, seed)), {"y_pred": y_pred})
        return store.folder

    return make


def page_of(folder: Path, suite: claims.Suite, source=None) -> str:
    outcome = evaluation.read(folder, suite, data=source.folder if source else None)
    return page(predictions.gather(outcome), Commands(folder))


def test_the_page_of_an_empty_folder_says_what_to_do(tmp_path):
    html = page_of(tmp_path / "none", SUITE)
    parsed = Parsed(html)
    assert f"fmbench run --all --results {tmp_path / 'none'}" in parsed.text
    assert "This folder holds no record yet." in parsed.text
    assert f"run `fmbench run lenet5 --results {tmp_path / 'none'}`" in parsed.text
    assert not re.search(r"\b0\.00\b", parsed.text), "nothing that is missing is shown as zero"
    for section in ("answer", "table-3", "missing", "provenance", "forensics"):
        assert section in parsed.all("id")
    assert parsed.text.count("no record") > len(SUITE.runners)


def test_a_failed_row_says_why_and_a_measured_one_what_it_got(folder, source, record_of):
    path = folder({"lenet5": [0.9, 0.901, 0.902], "sgd": [0.8]})
    cell = Cell(runners.get("mlp"), FULL, 0)
    failure = {"status": "failed", "why": "ran out of <memory>", "fit_seconds": None}
    Store(path).save(record_of(cell, **failure))
    html = page_of(path, ACCURACY_ALONE, source)
    text = Parsed(html).text
    assert "ran out of <memory>" in text and "<memory>" not in html
    assert "90.10" in text and "90.10 ± 0.10 %" in text.replace("\u00a0", " ")
    assert "1 of the 3 seeds that a verdict needs" in text


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


def test_hostile_text_of_a_suite_stays_text(folder, source, tmp_path):
    import json

    suite_file = tmp_path / "suite.toml"
    suite_file.write_text(ENTRY.format(title=json.dumps(HOSTILE)), encoding="utf-8")
    suite = reader.read(suite_file)
    html = page_of(folder({"sgd": [0.81, 0.82, 0.83]}), suite, source)
    parsed = Parsed(html)
    assert parsed.text.count(HOSTILE) > 5, "shown as it is"
    assert "衣服 {% raw %}" in parsed.text
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert "img" not in {tag for tag, _ in parsed.tags}
    assert not [name for _, found in parsed.tags for name in found if name.startswith("on")]
    assert "49" not in re.findall(r"\$x\^2\$ (\S+)", parsed.text)


# ---------------------------------------------------------------- the three sentences


def printed(folder: Path, source, suite: claims.Suite = SUITE) -> list[str]:
    outcome = evaluation.read(folder, suite, data=source.folder)
    found = sentences.sentences(
        predictions.gather(outcome), judge(suite) if suite.reported else None, Commands()
    )
    return [str(sentence) for sentence in found]


def test_the_sentences_follow_claim_measurement_and_verdict(folder, source):
    claimed, found, sure = printed(folder({"lenet5": [0.9, 0.901, 0.902]}), source)
    assert "98.80 % of the 10,000" in claimed and "highest of the 19" in claimed
    assert "90.10 ± 0.10 %" in found and "n = 3" in found and "8.70 points below" in found
    assert sure.startswith("Not reproduced, claim higher") and "contradict each other" in sure


def test_a_claim_that_is_met_reads_so(folder, source):
    shares = {"lenet5": [0.988, 0.9881, 0.9882]}
    _, found, sure = printed(folder(shares), source, ACCURACY_ALONE)
    assert "0.01 points above" in found
    assert sure.startswith("Reproduced: new runs lie within 0.5 points of the claim")
    assert "do not contradict" in sure


def test_one_seed_is_not_sure(folder, source):
    _, found, sure = printed(folder({"lenet5": [0.9]}), source, ACCURACY_ALONE)
    assert "n = 1 run" in found and "prediction interval" not in found
    assert "untestable: 1 seed of a stochastic model" in sure


def test_a_suite_without_a_subject_is_told_by_its_rows(folder, source):
    suite = replace(SUITE, reported=())
    claimed, found, _ = printed(folder({"sgd": [0.8]}), source, suite)
    assert "from 77.50 to 98.80 %" in claimed
    assert found.startswith(f"1 of {len(suite.rows)} rows")
