"""Lists of files of a results folder, as `verify` and `results prune` print them."""

from pathlib import Path

import pytest

from fmbench.cli.output import list_files
from fmbench.utils.document import Document, format_document
from tests.helpers.commands import call_fmbench
from tests.helpers.layout import list_bad_lines

FOLDER = Path("/somewhere/far/away/in/a/long/path/results/local")
RECORD = FOLDER / "records" / "logistic-regression" / "full-seed0-0123456789abcdef.json"
FILES = [
    ("broken", RECORD, f"{RECORD.with_suffix('.npz')} is damaged: its SHA-256 is another one"),
    ("wrong", FOLDER / "kayed2020" / "accuracies.csv", "GaussianNB: mean is 98.80 in the file"),
]


@pytest.mark.parametrize("width", [80, 120])
def test_files_fit_a_terminal_with_whole_names_that_begin_in_the_folder(width):
    items, table = list_files(FOLDER, FILES)
    document = Document("Records", [items], table=table)
    assert not list_bad_lines(document, width)
    text = " ".join(format_document(document, "text", width).split())
    name = "records/logistic-regression/full-seed0-0123456789abcdef"
    assert f"- broken {name}.json: {name}.npz is damaged" in text
    assert "- wrong kayed2020/accuracies.csv: " in text


def test_a_program_gets_the_whole_paths():
    _, table = list_files(FOLDER, FILES)
    assert [row["file"] for row in table.rows] == [str(path) for _, path, _ in FILES]
    assert f"broken,{RECORD}," in format_document(Document("", [table]), "csv")


@pytest.mark.parametrize("name", ["list.pdf", "list.XLSX", "list.yaml"])
def test_a_file_with_the_ending_of_a_format_that_there_is_not_is_refused(tmp_path, name):
    done = call_fmbench("suite", "list", "-o", tmp_path / name)
    assert done.returncode == 2 and "or add --format" in done.stderr
    assert not list(tmp_path.iterdir())
    assert call_fmbench("suite", "list", "-o", tmp_path / name, "--format", "md").returncode == 0
