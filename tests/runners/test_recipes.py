"""The recipes agree with the facts that their papers and sources state."""

import pytest

from fmbench import runners
from fmbench.models.nn.layers import count_parameters
from fmbench.suites import reader

RUNNERS = runners.load_runners()


def build(name, **overrides):
    runner = RUNNERS[name]
    return runner.build(runner.resolve(overrides), seed=0, device="cpu")


@pytest.mark.parametrize("name", ["eden", "eden-full"])
def test_the_row_and_the_recipe_of_a_search_state_its_budget(name):
    values = RUNNERS[name].resolve()
    budget = (
        f"{values['population']} networks in each of {values['generations']} generations, each "
        f"trained on {values['train_images']:,} images for {values['first_epochs']} to "
        f"{values['last_epochs']} epochs"
    )
    [row] = [row for row in reader.read_suite().rows if row.runner == name]
    assert budget in row.remark
    assert any(budget in note for note in RUNNERS[name].notes)


def test_lenet5_is_the_network_of_the_paper():
    assert sum(RUNNERS["lenet5"].parameter_counts.values()) == 61_706
    stated = {n: h.value for n, h in RUNNERS["lenet5"].hyperparameters.items()
              if h.origin == "stated"}  # fmt: skip
    assert stated == {"pooling": "average", "learning_rate": 0.005, "batch_size": 32, "epochs": 10}


@pytest.mark.parametrize("to_32", ["pad", "resize"])
def test_lenet5_has_the_same_parameters_whether_images_are_padded_or_resized(to_32):
    counts = count_parameters(build("lenet5", to_32=to_32).network())
    assert counts == dict(RUNNERS["lenet5"].parameter_counts)


@pytest.mark.parametrize(
    ("name", "published"),
    [("cnn", 113_386), ("cnn-bn", 158_574), ("cnn-bn-skip", 211_950),
     ("cnn-softmax", 3_274_634), ("cnn-svm", 3_274_634)],
)  # fmt: skip
def test_a_network_has_as_many_parameters_as_its_source_says(name, published):
    assert sum(RUNNERS[name].parameter_counts.values()) == published


@pytest.mark.parametrize(("name", "n_moving"), [("cnn-bn", 66), ("cnn-bn-skip", 130)])
def test_the_published_count_includes_averages_that_are_not_trained(name, n_moving):
    n_trained = sum(p.numel() for p in build(name).network().parameters())
    assert sum(RUNNERS[name].parameter_counts.values()) - n_trained == n_moving
    assert f"{n_moving} of them not trained" in RUNNERS[name].notes[0]


@pytest.mark.parametrize("name", ["cnn-softmax", "cnn-svm", "cnn-bn", "cnn-bn-skip"])
def test_a_recipe_whose_source_code_we_have_read_contains_no_choice_of_ours(name):
    assert {h.origin for h in RUNNERS[name].hyperparameters.values()} == {"source"}


def test_the_three_networks_of_mckenna_differ_only_in_their_activation():
    recipes = [RUNNERS[f"mlp-{name}"].resolve() for name in ("sigmoid", "relu", "elu")]
    assert [recipe.pop("activation") for recipe in recipes] == ["sigmoid", "relu", "elu"]
    assert recipes[0] == recipes[1] == recipes[2]


def test_lenet5_of_section_4_pools_after_the_first_second_and_fifth_convolution():
    kinds = [type(layer).__name__ for layer in build("lenet5-section4").network()]
    conv, pool = "Conv2d", "AvgPool2d"
    kept = [kind for kind in kinds if kind in (conv, pool, "Linear")]
    assert kept == [conv, pool, conv, pool, conv, conv, conv, pool] + ["Linear"] * 4
