"""PDF files: tables, running text, files that cannot be read, and the limits of the process."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fpdf import FPDF
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fmbench.errors import UserError
from fmbench.extraction.found import Extraction
from fmbench.extraction.pdf import reader, worker
from fmbench.extraction.pdf.page import read_glyph
from fmbench.suites.reader import read_suite
from tests.helpers.printed import (
    expected_figures,
    found_figures,
    make_confusion,
    print_report,
)
from tests.helpers.typeset import (
    SENTENCES,
    DoesNotFitError,
    Paper,
    TableToSet,
    typeset_words,
)

pytestmark = pytest.mark.slow

ROWS = tuple((row.label, str(row.claimed)) for row in read_suite().rows if row.where == "Table 3")[
    :19
]


def read_in_this_process(data: bytes, **options: Any) -> Extraction:
    """Read a PDF as `read_pdf` does, without a process of its own: that takes half a second."""
    with pytest.MonkeyPatch.context() as patch:
        document = worker.read_document(io.BytesIO(data), reader.MAX_PAGES)
        patch.setattr(reader, "_run_worker", lambda *arguments: document)
        return reader.read_pdf(data, "paper.pdf", **options)


def list_tables(data: bytes) -> list[list[list[str]]]:
    """Return the cells of the tables of a PDF."""
    document = worker.read_document(io.BytesIO(data), reader.MAX_PAGES)
    return [[[cell[0] for cell in row] for row in table["rows"]] for table in document["tables"]]


def list_claims(found: Extraction) -> list[tuple[str, str]]:
    return [(claim.label, claim.figure.value.rstrip("%")) for claim in found.claims]


def read_text(data: bytes) -> str:
    return "\n".join(worker.read_document(io.BytesIO(data), reader.MAX_PAGES)["texts"])


def test_table_3_has_19_rows():
    assert len(ROWS) == 19
    assert ROWS[-1] == ("Multilayer perceptron", "78.33")


# ------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("wide", [False, True], ids=["one-column", "both-columns"])
@pytest.mark.parametrize("rules", ["grid", "booktabs", "none"])
def test_every_row_of_a_table_in_a_two_column_paper_is_found_and_no_other(rules, wide):
    paper = Paper([TableToSet(ROWS, rules=rules, wide=wide)], size=8)
    found = read_in_this_process(paper.typeset())
    assert list_claims(found) == list(ROWS)
    assert {claim.source for claim in found.claims} == {"Table 3"}
    assert {claim.metric for claim in found.claims} == {"accuracy"}
    page = 2 if wide else 1
    assert {claim.where.split(",")[0] for claim in found.claims} == {f"page {page}"}


@pytest.mark.parametrize("rules", ["grid", "booktabs", "none"])
def test_a_table_with_its_caption_below_and_labels_of_two_lines_is_read(rules):
    table = TableToSet(ROWS, rules=rules, caption_above=False, label_width=110)
    found = read_in_this_process(Paper([table], size=8).typeset())
    assert [value for _, value in list_claims(found)] == [value for _, value in ROWS]
    assert [label for label, _ in list_claims(found)] == [label for label, _ in ROWS]
    assert {claim.source for claim in found.claims} == {"Table 3"}


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_pages_that_are_turned_are_read(degrees):
    paper = Paper([TableToSet(ROWS)], columns=1, sentences=10, figure=False, turned=degrees)
    assert list_claims(read_in_this_process(paper.typeset())) == list(ROWS)


def test_a_table_that_is_printed_sideways_on_an_upright_page_is_read():
    items = [(150.0, 300.0, "Model"), (350.0, 300.0, "Accuracy (%)")]
    for index, (label, value) in enumerate(ROWS[:5]):
        items += [(150.0, 315.0 + 12 * index, label), (350.0, 315.0 + 12 * index, value)]
    data = typeset_words(items, sideways=True)
    assert list_claims(read_in_this_process(data)) == list(ROWS[:5])


@pytest.mark.parametrize("is_cut", [True, False])
def test_figures_that_are_cut_off_are_never_taken_for_whole_ones(is_cut):
    rows = [(k, f"{v.partition('.')[0]}." if is_cut else v) for k, v in ROWS]
    found = read_in_this_process(Paper([TableToSet(rows)], size=8).typeset())
    assert list_claims(found) == ([] if is_cut else list(ROWS))
    assert any("are cut off" in note for note in found.notes) is is_cut


@pytest.mark.parametrize("repeats_head", [True, False])
@pytest.mark.parametrize("rules", ["grid", "booktabs", "none"])
def test_a_table_of_several_pages_is_one_table(rules, repeats_head):
    rows = [(f"Network {n}", f"{70 + n / 10:.2f}") for n in range(90)]
    table = TableToSet(rows, rules=rules, repeats_head=repeats_head)
    data = Paper([table], columns=1, sentences=8, figure=False).typeset()
    found = read_in_this_process(data)
    assert list_claims(found) == rows
    last_page = 3 if rules == "grid" else 2
    assert found.claims[-1].where == f"pages 1 to {last_page}, table 1, row 91"


def test_two_tables_on_a_page_keep_their_captions():
    classes = [(f"Class {n}", f"0.9{n}", f"0.8{n}") for n in range(10)]
    paper = Paper(
        [
            TableToSet(classes, caption="Table 1: The classes.", head=("Class", "F1", "Recall")),
            TableToSet(ROWS),
        ],
        size=8,
    )
    data = paper.typeset()
    document = worker.read_document(io.BytesIO(data), reader.MAX_PAGES)
    assert [(t["caption"], len(t["rows"])) for t in document["tables"]] == [
        ("Table 1: The classes.", 11),
        ("Table 3: Accuracy of the classifiers on Fashion-MNIST.", 20),
    ]


def test_columns_are_told_apart_and_the_named_one_is_read():
    rows = [(label, "99.10", value) for label, value in ROWS]
    paper = Paper([TableToSet(rows, head=("Model", "MNIST", "Fashion-MNIST"))], columns=1)
    data = paper.typeset()
    assert list_claims(read_in_this_process(data)) == list(ROWS)
    with pytest.raises(UserError, match=r"no table in paper\.pdf has a column 'CIFAR'"):
        read_in_this_process(data, column="CIFAR")


def test_a_rule_below_the_whole_head_does_not_join_its_cells():
    items = [
        (80.0, 100.0, "Method"), (180.0, 100.0, "MNIST"), (260.0, 100.0, "Fashion-MNIST"),
        (80.0, 115.0, "k-NN"), (180.0, 115.0, "96.9"), (260.0, 115.0, "85.4"),
        (80.0, 127.0, "Random forest"), (180.0, 127.0, "97.0"), (260.0, 127.0, "87.6"),
    ]  # fmt: skip
    [table] = list_tables(typeset_words(items, lines=[(75, 335, 103)]))
    assert table[0] == ["Method", "MNIST", "Fashion-MNIST"]


def test_a_head_that_spans_columns_is_repeated_over_them():
    items = [
        (200.0, 100.0, "MNIST"), (320.0, 100.0, "Fashion-MNIST"),
        (80.0, 115.0, "Model"), (180.0, 115.0, "Acc."), (240.0, 115.0, "F1"),
        (310.0, 115.0, "Acc."), (380.0, 115.0, "F1"),
        (80.0, 130.0, "LeNet-5"), (180.0, 130.0, "99.20"), (240.0, 130.0, ".992"),
        (310.0, 130.0, "90.83"), (380.0, 130.0, ".908"),
        (80.0, 142.0, "SVC"), (180.0, 142.0, "98.10"), (240.0, 142.0, ".981"),
        (310.0, 142.0, "89.70"), (380.0, 142.0, ".897"),
    ]  # fmt: skip
    lines = [(75, 400, 88), (175, 255, 103), (305, 395, 103), (75, 400, 119), (75, 400, 146)]
    [table] = list_tables(typeset_words(items, lines=lines))
    assert table[0] == ["", "MNIST", "MNIST", "Fashion-MNIST", "Fashion-MNIST"]
    assert table[1] == ["Model", "Acc.", "F1", "Acc.", "F1"]
    assert table[2] == ["LeNet-5", "99.20", ".992", "90.83", ".908"]


def test_a_cell_of_several_lines_between_rules_is_one_cell():
    items = [(80.0, 100.0, "Model"), (180.0, 100.0, "Description"), (330.0, 100.0, "Accuracy")]
    items += [
        (80.0, 118.0, "LeNet-5"),
        (180.0, 118.0, "Two convolutions,"),
        (330.0, 118.0, "98.80"),
    ]
    items += [(180.0, 130.0, "three dense layers")]
    items += [(80.0, 148.0, "SVC"), (180.0, 148.0, "With an rbf kernel"), (330.0, 148.0, "89.70")]
    lines = [(75, 380, y) for y in (88, 106, 136, 154)]
    [table] = list_tables(typeset_words(items, lines=lines))
    assert table[1] == ["LeNet-5", "Two convolutions, three dense layers", "98.80"]
    assert table[2] == ["SVC", "With an rbf kernel", "89.70"]


def test_columns_that_are_printed_twice_side_by_side_become_two_tables():
    items = [
        (x, 100.0, t) for x, t in ((80, "Model"), (200, "Acc."), (300, "Model"), (420, "Acc."))
    ]
    for index in range(4):
        y = 115.0 + 12 * index
        items += [(80.0, y, ROWS[index][0][:16]), (200.0, y, ROWS[index][1])]
        items += [(300.0, y, ROWS[index + 9][0]), (420.0, y, ROWS[index + 9][1])]
    tables = list_tables(typeset_words(items))
    assert [len(table) for table in tables] == [5, 5]
    assert [row[1] for row in tables[1][1:]] == [value for _, value in ROWS[9:13]]


def test_raised_footnote_marks_are_left_out_and_small_spreads_are_kept():
    items = [
        (80.0, 100.0, "Model"), (220.0, 100.0, "Accuracy"),
        (80.0, 115.0, "LeNet-5^1"), (220.0, 115.0, "98.80^a"),
        (80.0, 127.0, "SVC^2,3"), (220.0, 127.0, "89.70^±0.21"),
        (80.0, 139.0, "CNN"), (220.0, 139.0, "91.61^%"),
    ]  # fmt: skip
    [table] = list_tables(typeset_words(items))
    assert table[1:] == [["LeNet-5", "98.80"], ["SVC", "89.70 ±0.21"], ["CNN", "91.61%"]]


def test_a_heading_between_the_rows_is_not_part_of_a_label():
    items = [(80.0, 100.0, "Model"), (260.0, 100.0, "Accuracy")]
    y = 115.0
    for text in ("Networks", *ROWS[3:5], "Classical methods", *ROWS[10:12]):
        items.append((80.0, y, text if isinstance(text, str) else text[0]))
        if not isinstance(text, str):
            items.append((260.0, y, text[1]))
        y += 12
    [table] = list_tables(typeset_words(items))
    assert table[1] == ["Networks", ""]
    assert table[4] == ["Classical methods", ""]
    assert [row for row in table[2:] if row[1]] == [list(row) for row in (*ROWS[3:5], *ROWS[10:12])]


@given(
    rules=st.sampled_from(["grid", "booktabs", "none"]),
    columns=st.sampled_from([1, 2, 2]),
    family=st.sampled_from(["times", "helvetica"]),
    size=st.sampled_from([7, 8, 9, 10]),
    gutter=st.sampled_from([12, 18, 24]),
    caption_above=st.booleans(),
    draws_blanks=st.booleans(),
    figures=st.sampled_from(["left", "center", "right"]),
    extra_column=st.booleans(),
    rows=st.permutations(ROWS).flatmap(lambda rows: st.sampled_from([rows[:4], rows])),
    seed=st.integers(0, 1000),
)
@settings(max_examples=5)
@pytest.mark.slow
def test_the_table_is_found_whatever_the_paper_looks_like(
    rules, columns, family, size, gutter, caption_above, draws_blanks, figures, extra_column,
    rows, seed,
):  # fmt: skip
    cells: Sequence[Sequence[str]] = rows
    head: Sequence[str] = ("Model", "Accuracy (%)")
    if extra_column:
        cells = [
            (label, "-" if i % 3 else "61,706", value) for i, (label, value) in enumerate(rows)
        ]
        head = ("Model", "Params", "Accuracy")
    table = TableToSet(cells, head=head, rules=rules, caption_above=caption_above, figures=figures)
    paper = Paper(
        [table], columns=columns, family=family, size=size, gutter=gutter, sentences=40,
        draws_blanks=draws_blanks, seed=seed,
    )  # fmt: skip
    try:
        data = paper.typeset()
    except DoesNotFitError:
        assume(False)
    assert list_tables(data) == [[list(head), *map(list, cells)]]


# ------------------------------------------------------------------------------- running text


def test_running_text_figures_and_references_hold_no_claims():
    found = read_in_this_process(Paper(columns=2, sentences=90).typeset())
    assert found.claims == ()


@pytest.mark.parametrize("columns", [1, 2])
def test_a_sentence_is_found_with_its_page(columns):
    sentence = (
        "On Fashion-MNIST, the LeNet-5 network reaches an accuracy of 98.80 % on the test set."
    )
    paper = Paper(columns=columns, extra=[f"{SENTENCES[0]} {sentence} {SENTENCES[3]}"])
    [claim] = read_in_this_process(paper.typeset()).claims
    assert (claim.label, claim.figure.value, claim.metric) == ("LeNet-5", "98.80%", "accuracy")
    assert claim.where.startswith("page ")


def test_words_that_are_hyphenated_at_the_end_of_a_line_are_joined():
    paper = Paper(columns=2, sentences=40, figure=False, size=10)
    text = " ".join(read_text(paper.typeset()).split())
    assert "exper- iments" not in text
    for sentence in SENTENCES[:4]:
        assert sentence in text


def test_a_sentence_that_goes_on_in_the_next_column_or_page_is_joined():
    sentences = " ".join(f"This is sentence {n} of this text." for n in range(400))
    data = Paper(columns=2, sentences=0, figure=False, extra=[sentences]).typeset()
    text = " ".join(read_text(data).split())
    assert sum(f"This is sentence {n} of this text." in text for n in range(400)) == 400


def test_a_log_that_goes_on_on_the_next_page_is_one_log(monkeypatch):
    line = "Epoch: {} | train_loss: 1.5 | train_acc: 0.88 | test_loss: 1.5 | test_acc: {}"
    above = [line.format(1, "0.8679"), line.format(2, "0.8713")]
    below = [line.format(3, "0.8775"), "The next model has 0.8901 test accuracy.", "It is new."]
    pages = ["\n\n".join(["We print:", *above]), "\n\n".join(below)]
    document = {"lines": ["", ""], "tables": [], "notes": [], "texts": pages}
    monkeypatch.setattr(reader, "_run_worker", lambda *arguments: document)
    found = list_claims(reader.read_pdf(b"", "paper.pdf"))
    assert [value for _, value in found] == ["0.8775", "0.8901"]


def test_page_numbers_and_running_heads_are_left_out():
    text = read_text(Paper(columns=1, sentences=150).typeset())
    assert "Proceedings of the 12th Conference" not in text


def test_ligatures_are_read_as_letters():
    from matplotlib import get_data_path

    document = FPDF(unit="pt", format="letter")
    document.add_page()
    document.add_font("dejavu", "", Path(get_data_path()) / "fonts/ttf/DejaVuSerif.ttf")
    document.set_font("dejavu", "", 10)
    document.text(72, 100, "An eﬃcient classiﬁer with ﬂipped images.")
    data = bytes(document.output())
    assert read_text(data) == "An efficient classifier with flipped images."


# ---------------------------------------------------------------------- files that are refused


def make_encrypted() -> bytes:
    document = FPDF()
    document.add_page()
    document.set_font("times", "", 10)
    document.text(20, 20, "LeNet-5 reaches an accuracy of 98.80 %.")
    document.set_encryption(owner_password="owner", user_password="user")
    return bytes(document.output())


def make_scanned() -> bytes:
    from PIL import Image

    document = FPDF()
    document.add_page()
    document.image(Image.new("L", (60, 80), 200), x=10, y=10, w=180)
    return bytes(document.output())


def make_many_pages() -> bytes:
    document = FPDF()
    for _ in range(reader.MAX_PAGES + 1):
        document.add_page()
    return bytes(document.output())


def make_bomb() -> bytes:
    """Return a PDF whose page holds 290 MB of blanks, compressed to a few kilobytes."""
    compressor = zlib.compressobj(1)
    block = b" " * (1 << 22)
    once = b"".join(compressor.compress(block) for _ in range(70)) + compressor.flush()
    content = zlib.compress(once)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R >>",
        b"<< /Length %d /Filter [/FlateDecode /FlateDecode] >>\nstream\n" % len(content)
        + content
        + b"\nendstream",
    ]
    return join_objects(objects)


def join_objects(objects: Sequence[bytes]) -> bytes:
    data, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return data + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (
        len(objects) + 1,
        start,
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_encrypted, "is encrypted with a password: save a copy without one"),
        (make_scanned, "has no text: it is probably scanned"),
        (make_many_pages, "has more than 200 pages: give a PDF of only the pages"),
        (lambda: b"%PDF-1.4\nrubbish" * 50, "is broken and cannot be read"),
        (lambda: Paper().typeset()[:3000], "is broken and cannot be read"),
        (lambda: b"GIF89a" * 100, "is not a PDF file"),
        (lambda: b"", "is not a PDF file"),
    ],
    ids=["encrypted", "scanned", "pages", "rubbish", "cut-off", "gif", "empty"],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(make: Callable[[], bytes], message: str):
    with pytest.raises(UserError) as raised:
        reader.read_pdf(make(), "paper.pdf")
    assert str(raised.value).startswith(f"paper.pdf: {message}")
    assert "\n" not in str(raised.value)


# ------------------------------------------------------------------- the process and its limits


@pytest.fixture
def paper() -> bytes:
    return Paper([TableToSet(ROWS)], columns=1, sentences=10, figure=False).typeset()


def test_a_pdf_is_read_in_a_process_of_its_own(paper):
    found = reader.read_pdf(paper, "paper.pdf")
    assert list_claims(found) == list(ROWS)
    assert (found.kind, found.name) == ("PDF", "paper.pdf")


def test_nothing_is_imported_from_the_current_folder(paper, tmp_path, monkeypatch):
    for name in ("json", "pdfplumber", "pdfminer", "fmbench", "resource", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("CMAP_PATH", str(tmp_path))
    assert len(reader.read_pdf(paper, "paper.pdf").claims) == 19


def test_the_process_gets_fmbench_from_the_folder_that_it_is_given(tmp_path):
    package = tmp_path / "fmbench"
    (package / "extraction/pdf").mkdir(parents=True)
    for name in ("__init__.py", "extraction/__init__.py", "extraction/pdf/__init__.py"):
        (package / name).write_text("")
    (package / "extraction/pdf/worker.py").write_text(
        "import sys\ndef main():\n    print(__file__, sys.argv[1:])\n"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-c", reader._START, str(package), "/nowhere", "1", "2"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == f"{package}/extraction/pdf/worker.py ['1', '2']"


def test_the_time_limit_is_named(paper):
    with pytest.raises(UserError, match=r"took more than the limit of 0\.001 s: give a PDF of"):
        reader.read_pdf(paper, "paper.pdf", seconds=0.001)  # Python alone needs longer to start


def test_the_memory_limit_is_named():
    bomb = make_bomb()
    assert len(bomb) < 20_000
    with pytest.raises(UserError, match=r"the limit of 0\.3 GiB of memory: give a PDF of"):
        reader.read_pdf(bomb, "bomb.pdf", memory_gib=0.3)


def test_where_the_system_limits_no_memory_it_is_measured(monkeypatch):
    monkeypatch.setattr(reader, "POLLS_MEMORY", True)  # as on macOS
    monkeypatch.setattr(reader, "POLL_SECONDS", 0)
    monkeypatch.setattr(reader, "_measure_memory", lambda pid: 3 * 2**30)
    with pytest.raises(UserError, match="status -9, perhaps at the limit of 2 GiB of memory"):
        reader.read_pdf(make_bomb(), "bomb.pdf")


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("socket.connect", (None, ("192.0.2.1", 80))),
        ("subprocess.Popen", ("sh", [], None, None)),
        ("os.fork", ()),
        ("pickle.find_class", ("os", "system")),
        ("open", ("/tmp/file", "w", 0)),
        ("open", ("/tmp/file", "r+b", 0)),
        ("open", ("/tmp/file", None, os.O_WRONLY)),
        ("open", ("/tmp/file", None, os.O_RDWR | os.O_CREAT)),
        ("socket.sendmsg", (None, None)),
        ("shutil.rmtree", ("/tmp/folder", None)),
        ("os.utime", ("/tmp/file", None, None, None)),
    ],
)
def test_what_reading_a_pdf_never_needs_is_refused(event, arguments):
    with pytest.raises(PermissionError):
        worker._forbid(event, arguments)
    worker._forbid("open", ("/tmp/file", "rb", 0))
    worker._forbid("open", ("/tmp/file", None, os.O_RDONLY))


def test_a_system_without_limits_reads_no_pdf(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    with pytest.raises(worker._PdfProblemError, match="no limits"):
        worker._limit_process(1, 2**30, 1000)


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess; subprocess.Popen(['true'])",
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "open('file', 'w')",
    ],
    ids=["process", "connection", "file"],
)
def test_the_process_is_stopped_from_doing_it(code, tmp_path):
    start = (
        "from fmbench.extraction.pdf import worker; worker._limit_process(20, 2 << 30, 1 << 20)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", start + code], capture_output=True, text=True, cwd=tmp_path
    )
    assert "PermissionError" in result.stderr
    assert "is not allowed while a PDF is read" in result.stderr
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------ real TeX

ARTICLE = r"""
\documentclass[twocolumn,10pt]{article}
\usepackage{booktabs}
\title{Classification of Garments}\author{A. Author \and B. Author}
\begin{document}\maketitle
\begin{abstract}We classify Fashion-MNIST with 19 classifiers.\end{abstract}
\section{Introduction} TEXT
\begin{table}[t]\centering\scriptsize
\caption{Accuracy of the classifiers on Fashion-MNIST.}
\begin{tabular}{@{}lr@{}}\toprule Model & Acc.\ (\%)\\\midrule
ROWS
\bottomrule\end{tabular}\end{table}
\begin{table*}[t]\centering
\caption{Two data sets. This caption needs two lines of the page, although the page is wide: the
words of this sentence serve no other purpose than this one.}
\begin{tabular}{lcccc}\toprule
& \multicolumn{2}{c}{MNIST} & \multicolumn{2}{c}{Fashion-MNIST}\\
\cmidrule(lr){2-3}\cmidrule(lr){4-5}
Model & Acc. & F1 & Acc. & F1\\\midrule
CNN$^{1}$ & 99.10 & .991 & 91.61 & .916\\
LeNet-5 & \textbf{99.20} & .992 & 90.83$^{*}$ & .908\\
\multicolumn{5}{l}{\emph{Classical methods}}\\
SVC & 98.10 & .981 & $89.70 \pm 0.21$ & .897\\
\bottomrule\end{tabular}\end{table*}
TEXT
\begin{table}[b]\centering\caption{Lines.}
\begin{tabular}{|l|c|c|}\hline Model & Params & Test acc.\\\hline
Efficient flow & 61{,}706 & 88.26\\\hline
Multilayer perceptron & 1.2\,M & 78.33\\\hline
\end{tabular}\end{table}
TEXT
\begin{table}[t]\centering
\begin{tabular}{p{3cm}c}
Model & Accuracy\\
Support Vector Classifier with rbf kernel & 89.70\\
Decision Tree Classifier & 79.80\\
CNN with Batch Normalization and Residual skip & 92.54\\
SVC & 89.70\\
\end{tabular}\caption{No lines.}\end{table}
\section{Results} TEXT
\end{document}
"""


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("pdflatex") is None,
    reason="pdflatex is missing: apt-get install texlive-latex-base texlive-latex-recommended",
)
def test_tables_that_latex_typesets_are_read(tmp_path):
    text = "\n\n".join([" ".join(SENTENCES)] * 3)
    rows = "\n".join(rf"{label} & {value}\\" for label, value in ROWS)
    source = ARTICLE.replace("TEXT", text).replace("ROWS", rows)
    (tmp_path / "article.tex").write_text(source)
    subprocess.run(
        ["pdflatex", "-interaction=batchmode", "-halt-on-error", "article.tex"],
        cwd=tmp_path,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    found = reader.read_pdf((tmp_path / "article.pdf").read_bytes(), "article.pdf")
    by_source: dict[str, list[tuple[str, str, str]]] = {}
    for claim in found.claims:
        figure = (claim.label, claim.metric, claim.figure.value.rstrip("%"))
        by_source.setdefault(claim.source, []).append(figure)
    assert by_source == {
        "Table 1": [(label, "accuracy", value) for label, value in ROWS],
        "Table 2": [
            ("CNN", "accuracy", "91.61"), ("CNN", "f1", "0.916"),
            ("LeNet-5", "accuracy", "90.83"), ("LeNet-5", "f1", "0.908"),
            ("SVC", "accuracy", "89.70"), ("SVC", "f1", "0.897"),
        ],
        "Table 3": [
            ("Efficient flow", "accuracy", "88.26"),
            ("Multilayer perceptron", "accuracy", "78.33"),
        ],
        "Table 4": [
            ("Support Vector Classifier with rbf kernel", "accuracy", "89.70"),
            ("Decision Tree Classifier", "accuracy", "79.80"),
            ("CNN with Batch Normalization and Residual skip", "accuracy", "92.54"),
            ("SVC", "accuracy", "89.70"),
        ],
    }  # fmt: skip


@pytest.mark.parametrize("draws_report", [True, False])
def test_a_report_and_a_matrix_in_a_pdf_are_read(draws_report: bool) -> None:
    confusion = make_confusion(1)
    document = FPDF()
    document.set_font("Courier", size=9)
    document.add_page()
    lines = print_report(confusion).splitlines() if draws_report else []
    for line in ["Results on the test images", *lines]:
        document.cell(0, 4, line, new_x="LMARGIN", new_y="NEXT")
    document.add_page()
    document.cell(0, 5, "Figure 3. Confusion matrix", new_x="LMARGIN", new_y="NEXT")
    for row in confusion.tolist():
        for cell in row:
            document.cell(12, 6, str(cell), border=1)
        document.ln()
    found = read_in_this_process(bytes(document.output()))
    (matrix,) = found.matrices
    assert matrix.rows == tuple(tuple(map(str, row)) for row in confusion.tolist())
    assert matrix.where.startswith("page 2, line ")
    assert found.n_per_class == (1000,) * 10
    if draws_report:
        assert found_figures(found) == expected_figures(confusion, 2)
        assert found.claims[0].where.startswith("page 1, line ")
    else:
        assert found.claims == ()


@pytest.mark.parametrize(
    ("text", "font", "shown"),
    [
        (":", "ABCDEF+CMMI10", "."),
        (";", "ABCDEF+LMMathItalic10-Regular", ","),
        (":", "ABCDEF+LMRoman10-Regular", ":"),
        ("\ufb01", "ABCDEF+CMR10", "fi"),
    ],
)
def test_the_decimal_point_of_a_formula_is_no_colon(text: str, font: str, shown: str) -> None:
    assert read_glyph(text, font) == shown


def test_chinese_tables_and_sentences_of_a_pdf_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        ["模型", "验证集准确率", "测试集准确率"],
        ["SVC", "90.1%", "89.7%"],
        ["CNN", "92.3%", "91.9%"],
    ]
    table = {
        "pages": [1],
        "number": 1,
        "caption": "",
        "n_headers": 1,
        "rows": [[[text, False, False] for text in row] for row in rows],
    }
    sentence = "LeNet-5的测试集准确率为90.6%。"
    found = {"lines": [""], "notes": [], "texts": [sentence], "tables": [table]}
    monkeypatch.setattr(reader, "_run_worker", lambda *_: found)
    claims = reader.read_pdf(b"", "report.pdf").claims
    assert [(claim.label, claim.figure.value) for claim in claims] == [
        ("SVC", "89.7%"),
        ("CNN", "91.9%"),
        ("LeNet-5", "90.6%"),
    ]


def test_a_chinese_table_of_a_pdf_is_read_like_an_english_one(monkeypatch) -> None:
    rows = [["\u6a21\u578b", "\u6d4b\u8bd5\u96c6\u51c6\u786e\u7387"], ["CNN-4", "89:53%"]]
    table = {
        "pages": [3, 3], "number": 1, "n_headers": 1, "caption": "",
        "rows": [[[text, False, False] for text in row] for row in rows],
    }  # fmt: skip
    found = {"lines": ["", "", ""], "texts": [], "tables": [table], "notes": []}
    monkeypatch.setattr(reader, "_run_worker", lambda *arguments: found)
    assert list_claims(reader.read_pdf(b"", "paper.pdf")) == [("CNN-4", "89.53")]
