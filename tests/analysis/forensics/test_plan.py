"""The plan of forensics: which mistakes and readings are measured, and in what order."""

import pytest

from fmbench import runners
from fmbench.analysis.forensics.plan import ForensicsPlan
from fmbench.models import registry
from fmbench.models.registry import our_choice
from fmbench.records import protocols
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, QUICK

LENET5 = runners.get_runner("lenet5")


def test_every_known_mistake_is_planned_with_every_seed():
    plan = ForensicsPlan(LENET5, 5)
    assert {v.mistake.split(",")[0] for v in plan.variants} == {
        "none: as it should be", "best epoch picked on the test set", "training accuracy quoted",
        "MNIST digits in place of Fashion-MNIST", "scored on training and test images together",
        "scored on a random split of the training images", "test images in the training set",
    }  # fmt: skip
    assert all([c.seed for c in v.cells] == [0, 1, 2, 3, 4] for v in plan.variants)
    protocols = {c.protocol.name for c in plan.cells}
    assert protocols == {"full", "digits", "seen", "split", "leak"}
    assert {c.dataset.name for c in plan.cells if c.protocol.name == "digits"} == {"mnist"}
    assert len({c.key for c in plan.cells}) == len(plan.cells)


def test_the_cells_without_a_mistake_are_those_of_an_ordinary_run():
    for plan, protocol in [
        (ForensicsPlan(LENET5, 2), FULL),
        (ForensicsPlan(LENET5, 2, quick=True), QUICK),
    ]:
        honest = plan.variants[0].cells
        assert [c.key for c in honest] == [Cell(LENET5, protocol, seed).key for seed in (0, 1)]
        assert all(v.cells == honest for v in plan.variants if v.epoch != "last epoch")


def test_the_digits_come_first_then_the_mistakes_by_seed_then_the_readings():
    plan = ForensicsPlan(LENET5, 2)
    order = [c.protocol.name for c in plan.cells]
    assert order[:2] == ["digits", "digits"]
    assert [c.seed for c in plan.cells[2:10]] == [0] * 4 + [1] * 4
    assert set(order[10:]) == {"split"} and len(order) == 10 + 95


def test_every_combination_of_readings_is_tried_once():
    readings = ForensicsPlan(LENET5, 5).readings
    assert len(readings) == 4 * 3 * 2 * 2 * 2
    assert len({r.cell.key for r in readings}) == len(readings)
    assert {r.cell.seed for r in readings} == {0}
    resolved = {tuple(sorted(r.cell.hyperparameters.items())) for r in readings}
    assert len(resolved) == len(readings)
    own = [r for r in readings if not r.cell.overrides]
    assert [r.cell.key for r in own] == [ForensicsPlan(LENET5, 5).random_split.cells[0].key]


def test_a_reading_is_confirmed_with_the_protocol_and_seeds_of_the_recipe():
    plan = ForensicsPlan(LENET5, 3)
    own = next(r for r in plan.readings if not r.cell.overrides)
    assert [c.key for c in plan.confirmation(own)] == [c.key for c in plan.variants[0].cells]
    other = plan.readings[0]
    for seed, cell in enumerate(plan.confirmation(other)):
        assert (cell.protocol, cell.seed) == (FULL, seed)
        assert cell.hyperparameters == other.cell.hyperparameters


def test_a_quick_plan_shares_no_cell_with_a_full_one_and_names_its_own_sizes():
    whole, quick = ForensicsPlan(LENET5, 2), ForensicsPlan(LENET5, 2, quick=True)
    assert not {c.key for c in whole.cells} & {c.key for c in quick.cells}
    assert len(whole.cells) == len(quick.cells)
    assert all(c.hyperparameters["epochs"] == 2 for c in quick.cells)
    assert whole.random_split.fitted_on == "50,000 training images"
    assert quick.random_split.fitted_on == "3,000 training images"


@pytest.mark.parametrize("quick", [False, True])
def test_the_numbers_of_images_in_the_table_are_those_of_the_protocols(quick, source, dataset):
    for variant in ForensicsPlan(LENET5, 1, quick).variants:
        protocol = variant.cells[0].protocol
        n_fit = len(protocol.find_fitted_indices(dataset.y_train))
        assert variant.fitted_on.startswith(f"{n_fit:,} ")
        labels = protocols.load_labels_by_subset(protocol, source)
        n_scored = n_fit if variant.epoch == "while training" else sum(
            len(labels[part]) for part in variant.parts
        )  # fmt: skip
        assert f"{n_scored:,}" in variant.scored_on
        assert protocol.name.isalpha()


def test_a_runner_without_epochs_or_readings_has_the_other_mistakes():
    plan = ForensicsPlan(runners.get_runner("gaussian-nb"), 5)
    assert {v.epoch for v in plan.variants} == {"last epoch"}
    assert len(plan.variants) == 6 and not plan.readings
    assert all(len(v.cells) == 1 for v in plan.variants)


def test_readings_can_be_left_out():
    assert ForensicsPlan(LENET5, 5, with_readings=False).readings == []


# ---------------------------------------------------------------- how a runner declares them


@pytest.mark.parametrize(
    "readings",
    [
        {"k": ({"k": 2}, {"k": 3})},  # not the recipe's own
        {"k": ({"k": 1}, {"m": 3})},
        {"k": ({"unknown": 1},)},
        {"k": ()},
        {"k": ({"k": 1}, {"k": 2}), "again": ({"k": 1}, {"k": 3})},
    ],
)
def test_readings_that_do_not_fit_the_recipe_are_refused(readings):
    hyperparameters = {"k": our_choice(1, "for a test"), "m": our_choice(1, "for a test")}
    with pytest.raises(ValueError, match="one answer must be the recipe's own"):
        registry.register(
            "misread", title="x", hyperparameters=hyperparameters, revision=1, cost="seconds",
            readings=readings,
        )(lambda *, k, m: None)  # fmt: skip
    assert "misread" not in runners.load_runners()
