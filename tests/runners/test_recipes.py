"""The recipes agree with the facts that their papers and sources state."""

import math

import numpy as np
import pytest
import torch

from fmbench import runners
from fmbench.models.nn import losses
from fmbench.models.nn.layers import count_parameters
from fmbench.runners.lenet import C3_CONNECTIONS
from fmbench.suites import reader

RUNNERS = runners.load_runners()
# The readings that were added after the choice among the others.
ADDED_LATER = ({"optimizer": "rmsprop", "momentum": 0.0}, {"loss": "mean squared error"})


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


def test_cnn_starts_as_cnn2_of_its_likely_source_and_keeps_the_best_epoch_as_a_flagged_figure():
    torch.manual_seed(0)
    network = build("cnn").network()
    weights, biases = (p.detach() for p in network.conv1.parameters())
    assert 0.045 < weights.abs().max() <= 0.05  # random_uniform; Glorot's bound would be 0.14
    assert 0.02 < biases.std() < 0.08  # RandomNormal
    assert not network.conv2.bias.any() and network.conv2.weight.abs().max() > 0.05
    assert RUNNERS["cnn"].flagged == RUNNERS["cnn-bn"].flagged
    assert any("one of two candidates" in note for note in RUNNERS["cnn"].notes)


@pytest.mark.parametrize("name", ["sgd", "perceptron"])
def test_xiaos_linear_models_train_for_five_epochs(name):
    hyperparameters = RUNNERS[name].hyperparameters
    assert {hyperparameters[n].origin for n in ("max_iter", "tol")} == {"source"}
    assert hyperparameters["tol"].value is None
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (100, 28, 28), dtype=np.uint8), np.arange(100) % 10
    assert build(name).fit(X, y)[-1].n_iter_ == 5


@pytest.mark.parametrize(
    ("runner", "name"), [("svc-rbf", "gamma"), ("logistic-regression", "solver")]
)
def test_defaults_of_the_version_that_xiao_required_are_from_the_source(runner, name):
    hyperparameter = RUNNERS[runner].hyperparameters[name]
    assert hyperparameter.origin == "source" and "scikit-learn >= 0.19" in hyperparameter.why


def test_the_title_of_k_neighbors_names_its_configuration():
    values, title = RUNNERS["k-neighbors"].resolve(), RUNNERS["k-neighbors"].title
    assert values == {"n_neighbors": 5, "weights": "distance", "p": 1}
    assert all(text in title for text in ("k=5", "Manhattan", "weighted by distance"))


def test_lenet5_of_section_3_has_the_published_parameters_layer_by_layer():
    counts = count_parameters(build("lenet5-section3").network())
    assert list(counts.values()) == [156, 12, 1_516, 32, 48_120, 10_164, 850]
    assert list(counts) == ["C1", "S2_scale", "C3", "S4_scale", "C5", "F6", "output"]
    assert counts == dict(RUNNERS["lenet5-section3"].parameter_counts)
    assert sum(counts.values()) == 60_850


def test_the_maps_of_c3_are_connected_as_in_table_1_of_lecun_et_al_1998():
    rows = (  # one row for each map of S2, one column for each map of C3
        "X   XXX  XXXX XX",
        "XX   XXX  XXXX X",
        "XXX   XXX  X XXX",
        " XXX  XXXX  X XX",
        "  XXX  XXXX XX X",
        "   XXX  XXXX XXX",
    )
    table = [[j for j in range(6) if rows[j][i] == "X"] for i in range(16)]
    assert [sorted(inputs) for inputs in C3_CONNECTIONS] == table
    assert sum(map(len, table)) == 60


def test_a_map_of_c3_reacts_only_to_the_maps_of_s2_that_it_is_connected_to():
    torch.manual_seed(0)
    c3 = build("lenet5-section3").network().C3
    X = torch.rand(2, 6, 14, 14)
    before = c3(X)
    for j in range(6):
        changed = X.clone()
        changed[:, j] += 1
        reacts = (c3(changed) != before).flatten(2).any(2).any(0).tolist()
        assert reacts == [j in inputs for inputs in C3_CONNECTIONS]


def test_lenet5_of_section_3_is_otherwise_lenet5():
    section3, lenet5 = RUNNERS["lenet5-section3"], RUNNERS["lenet5"]
    assert section3.resolve() == lenet5.resolve()
    assert section3.readings == lenet5.readings

    def kinds(name):
        return [type(layer).__name__ for layer in build(name).network()]

    without_scales = [kind for kind in kinds("lenet5-section3") if kind != "ChannelScale"]
    assert [kind.replace("SparseConv2d", "Conv2d") for kind in without_scales] == kinds("lenet5")


@pytest.mark.parametrize("name", ["lenet5", "lenet5-section3"])
def test_a_lenet5_is_trained_with_the_loss_and_the_optimizer_that_are_named(name):
    assert build(name).config.loss is losses.cross_entropy
    other = build(name, loss="mean squared error", optimizer="rmsprop").config
    assert (other.loss, other.optimizer) == (losses.mean_squared_error, "rmsprop")


def test_the_choice_of_lenet5_says_which_readings_it_was_the_best_of():
    readings = RUNNERS["lenet5"].readings
    n_earlier = math.prod(
        len([a for a in answers if a not in ADDED_LATER]) for answers in readings.values()
    )
    assert (n_earlier, math.prod(map(len, readings.values()))) == (96, 240)
    for name in ("optimizer", "activation", "to_32"):
        assert f"the best of {n_earlier} ways" in RUNNERS["lenet5"].hyperparameters[name].why


def test_the_three_networks_of_mckenna_differ_only_in_their_activation():
    recipes = [RUNNERS[f"mlp-{name}"].resolve() for name in ("sigmoid", "relu", "elu")]
    assert [recipe.pop("activation") for recipe in recipes] == ["sigmoid", "relu", "elu"]
    assert recipes[0] == recipes[1] == recipes[2]


def test_lenet5_of_section_4_pools_after_the_first_second_and_fifth_convolution():
    kinds = [type(layer).__name__ for layer in build("lenet5-section4").network()]
    conv, pool = "Conv2d", "AvgPool2d"
    kept = [kind for kind in kinds if kind in (conv, pool, "Linear")]
    assert kept == [conv, pool, conv, pool, conv, conv, conv, pool] + ["Linear"] * 4
