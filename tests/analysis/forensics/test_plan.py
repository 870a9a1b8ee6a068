"""The plan of forensics: which stories and readings are measured, and in what order."""

import pytest

from fmbench import runners
from fmbench.analysis.forensics.plan import LONG_EPOCHS, NETWORK, NO_MISTAKE, ForensicsPlan
from fmbench.datasets.specs import KMNIST, MNIST_DIGITS
from fmbench.models import registry
from fmbench.models.registry import our_choice
from fmbench.records import protocols
from fmbench.records.cells import Cell
from fmbench.records.protocols import (
    DIGITS,
    FULL,
    QUICK,
    RANDOM_SPLIT,
    SCORED_ON_TRAINING,
    TEST_IN_TRAINING,
)

LENET5 = runners.get_runner("lenet5")
N_READINGS = 5 * 3 * 2 * 2 * 2 * 2


def test_every_known_mistake_is_planned_with_every_seed():
    plan = ForensicsPlan(LENET5, 5)
    assert [story.name for story in plan.registered] == [
        NO_MISTAKE, "best epoch picked on the test set",
        "training accuracy quoted, as training prints it",
        "MNIST digits in place of Fashion-MNIST",
        "MNIST digits in place of Fashion-MNIST and training accuracy quoted, as training prints "
        "it",
        "training accuracy quoted", "scored on training and test images together",
        "scored on a random split of the training images", "test images in the training set",
        "the first release of Fashion-MNIST in place of today's",
        "trained for up to 100 epochs, until the training accuracy is the claim",
    ]  # fmt: skip
    assert all([c.seed for c in s.cells] == [0, 1, 2, 3, 4] for s in plan.registered[:-1])
    assert {c.dataset.name for c in plan.cells if c.protocol == DIGITS} == {"mnist"}
    assert len({c.key for c in plan.cells}) == len(plan.cells)


def test_the_cells_without_a_mistake_are_those_of_an_ordinary_run():
    for plan, protocol in [
        (ForensicsPlan(LENET5, 2), FULL),
        (ForensicsPlan(LENET5, 2, quick=True), QUICK),
    ]:
        honest = plan.honest.cells
        assert [c.key for c in honest] == [Cell(LENET5, protocol, seed).key for seed in (0, 1)]
        with_epochs = [s for s in plan.registered[1:] if s.cells[0].protocol == protocol]
        assert {s.epoch for s in with_epochs} == {"best epoch", "while training"}
        assert all(s.cells == honest for s in with_epochs)


def test_the_cells_of_the_mistakes_have_the_keys_of_their_protocols():
    keys = {cell.key for cell in ForensicsPlan(LENET5, 1).cells}
    for protocol in (SCORED_ON_TRAINING, RANDOM_SPLIT, TEST_IN_TRAINING):
        assert Cell(LENET5, protocol, 0).key in keys
    assert Cell(LENET5, DIGITS, 0, MNIST_DIGITS).key in keys


def test_the_most_telling_cells_come_first():
    plan = ForensicsPlan(LENET5, 2)
    groups = {group.what: group.cells for group in plan.groups}
    assert list(groups) == [
        "the correct procedure", "the MNIST digits", "scored on training images", "other mistakes",
        "the first release of the images",
        "readings that differ in one answer, on the digits", "readings that differ in one answer",
        "other networks that the source may mean", "trained longer",
        "all other readings, on the digits", "all other readings",
    ]  # fmt: skip
    near = groups["readings that differ in one answer"]
    assert len(near) == (5 - 1) + (3 - 1) + 1 + 1 + 1 + 1
    assert len(near) + len(groups["all other readings"]) == N_READINGS - 1
    assert len(groups["all other readings, on the digits"]) == N_READINGS - 1 - len(near)
    assert [cell.seed for cell in groups["other mistakes"]] == [0, 0, 1, 1]


def test_every_combination_of_readings_is_tried_once_on_both_data_sets():
    plan = ForensicsPlan(LENET5, 5)
    assert len(plan.readings) == N_READINGS
    for cells in ([r.cell for r in plan.readings], [r.digits for r in plan.readings]):
        assert len({cell.key for cell in cells}) == N_READINGS
        assert {cell.seed for cell in cells} == {0}
    [own] = [r for r in plan.readings if not r.different]
    assert own.cell.key == plan.random_split.cells[0].key
    assert own.digits.key == Cell(LENET5, DIGITS, 0, MNIST_DIGITS).key
    for reading in plan.readings:
        assert reading.digits.overrides == reading.cell.overrides


def test_a_reading_names_the_answers_that_differ_and_those_that_contradict_the_source():
    readings = ForensicsPlan(LENET5, 1).readings
    [with_max] = [r for r in readings if r.different == {"pooling": "max"}]
    assert with_max.contradicted == ("pooling: max",)  # the paper states the average
    [with_sgd] = [r for r in readings if r.different == {"optimizer": "sgd, momentum 0.9"}]
    assert with_sgd.contradicted == ()
    stories = [s for s in ForensicsPlan(LENET5, 1).stories if s.answers == with_max.different]
    assert [s.name.partition(";")[0] for s in stories] == [
        NO_MISTAKE, "scored on a random split of the training images",
        "training accuracy quoted, as training prints it", "MNIST digits in place of Fashion-MNIST",
        "MNIST digits in place of Fashion-MNIST and training accuracy quoted, as training prints "
        "it",
    ]  # fmt: skip
    assert stories[0].departures == ("pooling: max",)
    assert stories[3].departures == ("MNIST digits in place of Fashion-MNIST", "pooling: max")


def test_a_reading_takes_its_spread_from_the_recipe_scored_on_the_same_images():
    plan = ForensicsPlan(LENET5, 3)
    for story in plan.stories[len(plan.registered) :]:
        own = [story.cells[0].protocol, story.cells[0].dataset.name]
        if not story.mistakes:  # scored on the test images, like the correct procedure
            own[0] = FULL
        assert {(c.protocol, c.dataset.name) for c in story.like} == {tuple(own)}
        assert [c.seed for c in story.like] == [0, 1, 2]
        assert not any(c.overrides for c in story.like)


def test_a_reading_has_a_cell_for_every_seed_but_only_seed_0_is_planned():
    plan = ForensicsPlan(LENET5, 3)
    planned = {cell.key for cell in plan.cells}
    for story in plan.stories[len(plan.registered) :]:
        if NETWORK in story.answers:  # it is measured with every seed
            continue
        assert [cell.seed for cell in story.cells] == [0, 1, 2]
        assert [cell.key in planned for cell in story.cells] == [True, False, False]
        assert len({str(cell.overrides) for cell in story.cells}) == 1


def test_other_networks_that_the_source_may_mean_are_tried_too():
    plan = ForensicsPlan(LENET5, 3)
    assert [p.runner.name for p in plan.other_networks] == ["lenet5-section3", "lenet5-section4"]
    stories = [story for story in plan.stories if NETWORK in story.answers]
    assert {story.family for story in stories} == {
        NO_MISTAKE, "best epoch picked on the test set",
        "training accuracy quoted, as training prints it",
        "MNIST digits in place of Fashion-MNIST",
        "MNIST digits in place of Fashion-MNIST and training accuracy quoted, as training prints "
        "it",
    }  # fmt: skip
    planned = {cell.key for cell in plan.cells}
    for story in stories:
        assert story.is_reading and not story.contradicted
        assert {cell.runner.name for cell in story.cells} <= {"lenet5-section3", "lenet5-section4"}
        assert all(cell.key in planned for cell in story.cells) and len(story.cells) == 3
        of_digits = story.family.startswith("MNIST")
        lender = plan.registered[3] if of_digits else plan.honest
        assert story.like == lender.cells, "the registered recipe on the same images"
    [first, *_] = stories
    assert first.cells[0].key == Cell(runners.get_runner("lenet5-section3"), FULL, 0).key
    assert first.name == f"no mistake; network: {first.cells[0].runner.title}"


@pytest.mark.parametrize(
    "plan",
    [ForensicsPlan(LENET5, 1, with_readings=False),
     ForensicsPlan(LENET5, 1, parameters={"epochs": 3}),
     ForensicsPlan(runners.get_runner("lenet5-section3"), 1)],
)  # fmt: skip
def test_without_readings_or_with_parameters_no_other_network_is_tried(plan):
    assert plan.other_networks == ()
    assert not any(NETWORK in story.answers for story in plan.stories)


def test_a_reading_is_confirmed_with_the_protocol_and_seeds_of_the_recipe():
    plan = ForensicsPlan(LENET5, 3)
    own = next(r for r in plan.readings if not r.different)
    assert [c.key for c in plan.confirmation(own)] == [c.key for c in plan.honest.cells]
    other = plan.readings[0]
    for seed, cell in enumerate(plan.confirmation(other)):
        assert (cell.protocol, cell.seed) == (FULL, seed)
        assert cell.hyperparameters == other.cell.hyperparameters


def test_the_long_run_trains_for_many_more_epochs_than_the_recipe():
    plan = ForensicsPlan(LENET5, 1)
    assert plan.long_run.hyperparameters["epochs"] == LONG_EPOCHS
    fifty = ForensicsPlan(LENET5, 1, parameters={"epochs": 90})
    assert fifty.long_run.hyperparameters["epochs"] == 180
    assert ForensicsPlan(runners.get_runner("cnn-svm"), 1).long_run is None  # it counts steps
    quick = ForensicsPlan(LENET5, 1, quick=True).long_run
    assert quick.hyperparameters["epochs"] == 10


def test_a_quick_plan_shares_no_cell_with_a_full_one_and_names_its_own_sizes():
    whole, quick = ForensicsPlan(LENET5, 2), ForensicsPlan(LENET5, 2, quick=True)
    assert not {c.key for c in whole.cells} & {c.key for c in quick.cells}
    assert len(whole.cells) == len(quick.cells)
    assert {c.hyperparameters["epochs"] for c in quick.cells} == {2, 10}
    assert whole.random_split.fitted_on == "50,000 training images"
    assert quick.random_split.fitted_on == "3,000 training images"


@pytest.mark.parametrize("quick", [False, True])
def test_the_numbers_of_images_in_the_table_are_those_of_the_protocols(quick, source, dataset):
    for story in ForensicsPlan(LENET5, 1, quick).registered:
        protocol = story.cells[0].protocol
        n_fit = len(protocol.find_fitted_indices(dataset.y_train))
        assert story.fitted_on.startswith(f"{n_fit:,} ")
        if story.scored_on.startswith("the same"):
            continue
        labels = protocols.load_labels_by_subset(protocol, source)
        assert f"{sum(len(labels[part]) for part in story.parts):,}" in story.scored_on


def test_a_runner_without_epochs_or_readings_has_the_other_mistakes():
    plan = ForensicsPlan(runners.get_runner("gaussian-nb"), 5)
    assert {story.epoch for story in plan.stories} == {"last epoch"}
    assert len(plan.stories) == 7 and not plan.readings
    assert all(len(story.cells) == 1 for story in plan.stories)


def test_another_way_of_scoring_is_a_story_with_a_departure():
    plan = ForensicsPlan(runners.get_runner("cnn-svm"), 1)
    [sign] = [story for story in plan.stories if story.flagged]
    assert (
        sign.departures == sign.mistakes and sign.cells == plan.honest.cells and not sign.is_honest
    )


def test_readings_can_be_left_out():
    assert ForensicsPlan(LENET5, 5, with_readings=False).readings == ()


def test_parameters_of_the_user_are_in_every_cell():
    plan = ForensicsPlan(LENET5, 1, parameters={"batch_size": 64})
    assert {cell.hyperparameters["batch_size"] for cell in plan.cells} == {64}
    assert plan.honest.cells[0].overrides == {"batch_size": 64}


def test_a_model_of_another_data_set_is_planned_on_that_one():
    plan = ForensicsPlan(runners.get_runner("gaussian-nb"), 1, dataset=KMNIST)
    assert {cell.dataset.name for cell in plan.cells} == {"kmnist", "mnist"}
    on_digits = ForensicsPlan(runners.get_runner("gaussian-nb"), 1, dataset=MNIST_DIGITS)
    assert {cell.dataset.name for cell in on_digits.cells} == {"mnist"}
    assert not any("in place of" in story.name for story in on_digits.stories)


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
