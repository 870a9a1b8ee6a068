"""The tables of `make speed`: what they show, and a damaged file."""

import pytest

from fmbench.errors import UserError
from fmbench.report.speed import (
    LIBRARIES,
    SPEED_FILE,
    Equivalence,
    NetworkSpeed,
    Speed,
    TrialsSpeed,
    build_speed_tables,
    read_speed,
    write_speed,
)
from fmbench.utils.table import format_markdown
from tests.helpers.commands import call_fmbench

SUITE = """
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]

[[row]]
where = "Table 1"
label = "LeNet"
runner = "lenet5"
claimed = "98.8"
"""
NETWORK = NetworkSpeed(
    seconds={"plain loop": 12.34, "best PyTorch": 10.0, "fmbench": 3.0},
    accuracy={"plain loop": 82.71, "best PyTorch": 82.7, "fmbench": 82.69},
    ratio=0.243, rate_share=0.4, n=3, images=60_000, compiled=True,
)  # fmt: skip
SPEED = Speed(
    machine={"processor": "Chip", "instructions": "avx2", "cores": "4"}
    | dict.fromkeys(LIBRARIES, "1.0"),
    networks={"lenet5": NETWORK},
    equivalence=Equivalence([90.0, 91.0], [90.2, 90.9], 0.0123, 0.5, 10),
)


def test_the_tables_show_what_was_measured_and_leave_out_the_rest():
    [table] = build_speed_tables(SPEED)
    text = format_markdown(table)
    cells = next(line for line in text.splitlines() if "lenet5" in line).split("|")[1:-1]
    assert [cell.strip() for cell in cells] == [
        "lenet5", "60000", "12.3 (82.7 %)", "10.0 (82.7 %)", "", "", "3.00 (82.7 %)", "0.24",
        "40 %", "3",
    ]  # fmt: skip
    assert "Chip with avx2 and 4 cores" in text
    assert "90.50 % with fmbench, 90.55 % with the plain loop (n=2 seeds each)" in text
    assert "trials of LeNet-5" not in text
    assert build_speed_tables(Speed()) == []


def test_the_trials_are_described_with_their_ratio():
    trials = TrialsSpeed(10, 10, 200.0, 700.0, 3, 2, 2, 90.5, 0.2)
    [table] = build_speed_tables(Speed(networks={"lenet5": NETWORK}, trials=trials))
    assert "200 s with fmbench, 2 cells at a time, and 700 s" in " ".join(table.notes)
    assert "3.5 times as fast" in " ".join(table.notes)


def test_what_is_written_is_read_again(tmp_path):
    assert read_speed(tmp_path) is None
    write_speed(tmp_path, SPEED)
    assert read_speed(tmp_path) == SPEED


@pytest.mark.parametrize(
    "text", ["", "{", '{"networks": {"lenet5": {"seconds": {"fmbench": 1e400}}}}', '{"odd": 1}']
)
def test_a_damaged_file_is_one_line(tmp_path, text):
    (tmp_path / SPEED_FILE).write_text(text)
    with pytest.raises(UserError, match="is damaged: remove it"):
        read_speed(tmp_path)


@pytest.mark.slow
def test_the_page_has_the_tables(tmp_path, source):
    suite, results = tmp_path / "paper.toml", tmp_path / "results"
    suite.write_text(SUITE)
    (results / "paper").mkdir(parents=True)
    write_speed(results / "paper", SPEED)
    done = call_fmbench(
        "report", "--suite", suite, "--results", results, "--data", source.folder,
        "--output", tmp_path / "page.html",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    section = page.split('<section id="libraries"')[1].split("</section>")[0]
    assert "12.3 (82.7 %)" in section and 'href="#libraries"' in page
