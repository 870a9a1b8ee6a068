"""A cell's key follows from what decides its predictions, and from nothing else."""

from dataclasses import replace

import pytest

from fmbench import runners
from fmbench.audit.current_cells import CurrentCells
from fmbench.models.registry import our_choice
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, RANDOM_SPLIT
from fmbench.records.store import Store
from fmbench.suites.bundled import CHECKOUT

LENET5 = runners.get_runner("lenet5")
MSE = {"loss": "mean squared error"}


def with_later_one(cell, value="plain", *, added_later=True, quick=None):
    """The cell after its runner got one more hyperparameter, ``extra``."""
    extra = our_choice(value, "for tests", added_later=added_later)
    changed = {**cell.runner.hyperparameters, "extra": extra}
    return replace(cell, runner=replace(cell.runner, hyperparameters=changed, quick=quick or {}))


def test_a_hyperparameter_that_was_added_later_changes_no_key_where_it_has_the_recipes_value(
    toy_cell,
):
    old = toy_cell()
    new = with_later_one(old)
    assert new.key == old.key and new.to_definition() == old.to_definition()
    assert new.hyperparameters == {**old.hyperparameters, "extra": "plain"}  # it is built with it
    assert with_later_one(old, added_later=False).key != old.key


def test_a_hyperparameter_that_was_added_later_is_part_of_the_key_where_it_has_another_value(
    toy_cell,
):
    cell = with_later_one(toy_cell())
    other = replace(cell, overrides={"extra": "fancy"})
    assert other.to_definition()["hyperparameters"] == {"epochs": 10, "extra": "fancy"}
    assert other.key not in (cell.key, replace(cell, overrides={"extra": "dull"}).key)


def test_a_value_of_the_quick_recipe_is_part_of_the_key(toy_cell):
    full = with_later_one(toy_cell(), quick={"extra": "fancy"})
    quick = replace(full, protocol=replace(FULL, name="quick", quick=True))
    assert "extra" not in full.to_definition()["hyperparameters"]
    assert quick.to_definition()["hyperparameters"]["extra"] == "fancy"


def test_the_loss_of_lenet5_did_not_change_the_key_of_its_committed_records():
    assert (
        Cell(LENET5, FULL, 0).key == "941fa885ed4b792c"
    )  # measured before lenet5 had a loss to choose
    assert "loss" not in Cell(LENET5, FULL, 0).to_definition()["hyperparameters"]
    variant = Cell(LENET5, FULL, 0, overrides=MSE)
    assert variant.key != Cell(LENET5, FULL, 0).key
    assert variant.to_definition()["hyperparameters"]["loss"] == "mean squared error"
    assert variant.variant == "loss=mean squared error"


@pytest.mark.parametrize("name", ["lenet5", "lenet5-section4"])
def test_every_committed_record_of_a_lenet5_has_the_key_of_todays_cell(name):
    contents = Store(CHECKOUT / "results" / "reference").read_contents()
    records = [r for r in contents.finished.values() if r.cell["runner"] == name]
    assert records
    for record in records:
        cell = CurrentCells().find_cell(record)
        assert cell.to_definition() == record.cell and cell.key == record.key


def test_a_record_with_another_loss_finds_its_cell_again(record_of):
    for overrides in ({}, MSE, {"optimizer": "rmsprop", **MSE}):
        cell = Cell(LENET5, RANDOM_SPLIT, 0, overrides=overrides)
        assert CurrentCells().find_cell(record_of(cell)).key == cell.key
