"""The cell of a record is found in the current code, without running a user's code."""

from dataclasses import replace

import pytest

from fmbench import runners
from fmbench.audit.current_cells import CurrentCells, find_code_to_run
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from fmbench.suites.bundled import find_bundled_suite
from fmbench.suites.configurations import build_suite_configurations
from fmbench.suites.reader import read_suite

pytestmark = pytest.mark.slow


def test_the_cell_of_a_row_of_a_bundled_suite_is_found(record_of):
    rows, _ = build_suite_configurations(read_suite(find_bundled_suite("xiao2017")))
    for configuration in list(rows.values())[::25]:
        cell = configuration.cell(FULL, 0)
        assert CurrentCells().find_cell(record_of(cell)).key == cell.key


def test_a_row_of_another_suite_is_unknown_until_the_suite_is_named(
    save, check, record_of, tmp_path
):
    text = find_bundled_suite("xiao2017").read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(text.replace("max_depth = 10", "max_depth = 7"), encoding="utf-8")
    suite = read_suite(path)
    cells = [c.cell(FULL, 0) for c in build_suite_configurations(suite)[0].values()]
    cell = next(cell for cell in cells if "max_depth=7" in cell.variant)
    save(replace(cell, dataset=DEFAULT_DATASET))
    why = "it belongs to a row of another suite: name the suite's file with --suite"
    assert check() == ("unknown", why)
    assert CurrentCells(suite).find_cell(record_of(cell)).key == cell.key


OVERRIDES = [
    {}, {"optimizer": "adam", "momentum": 0.0, "activation": "relu"}, {"epochs": 10},
    {"epochs": [1, 2]},
]  # fmt: skip


@pytest.mark.parametrize("overrides", [*OVERRIDES, {"activation": "a, epochs=10"}])
def test_the_hyperparameters_that_replaced_the_recipes_are_read_from_the_record(
    record_of, lenet5_cell, overrides
):
    cell = lenet5_cell(overrides=overrides)
    assert CurrentCells().find_cell(record_of(cell)).key == cell.key


@pytest.mark.parametrize("overrides", OVERRIDES)
def test_in_an_older_record_they_are_found_by_the_text_of_the_variant(
    record_of, lenet5_cell, overrides
):
    cell = lenet5_cell(overrides=overrides)
    assert CurrentCells().find_cell(record_of(cell, overrides=None)).key == cell.key


def test_a_plug_in_that_was_removed_is_unknown(save, check, tmp_path):
    runner = replace(runners.get_runner("gaussian-nb"), name="gone", source="sha256:0")
    request = {"runner": f"{tmp_path}/gone.py:make", "parameters": {}, "deterministic": True}
    save(Cell(runner, FULL, 0), changes={"asked": request})
    state, why = check()
    assert state == "unknown" and "gone.py" in why


@pytest.mark.parametrize("name", ["gaussian-nb", "mine-make"])
def test_a_record_that_names_the_code_of_another_runner_is_unknown(save, check, name):
    runner = replace(runners.get_runner("gaussian-nb"), name=name, source="sha256:0")
    request = {"runner": "subprocess:Popen", "parameters": {}, "deterministic": True}
    save(Cell(runner, FULL, 0), changes={"asked": request})
    state, why = check()
    assert state == "unknown" and "subprocess:Popen is the code of " in why


def test_the_code_that_a_rerun_would_run_is_named_however_the_record_writes_it(
    record_of, lenet5_cell
):
    def code(target, **parameters):
        request = {"runner": target, "parameters": parameters, "deterministic": True}
        return find_code_to_run(record_of(lenet5_cell(), asked=request))

    assert find_code_to_run(record_of(lenet5_cell())) is None
    assert code("lenet5", momentum=0.0) is None
    assert code("subprocess:Popen", args="x") == "subprocess:Popen"
    assert code("lenet5", **{"/../evil.py:make": 1}) not in (None, "lenet5")
