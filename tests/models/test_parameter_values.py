"""A value that a model cannot have is refused, with the values that it can have."""

from __future__ import annotations

import pytest

from fmbench import runners
from fmbench.errors import UserError
from fmbench.models.parameter_values import check_parameter_values


def test_every_network_can_have_the_values_of_its_recipe_and_of_its_readings():
    """So a network that gives one of these names another meaning is noticed."""
    for runner in runners.load_runners().values():
        if runner.uses_gpu:
            answers = [answer for answers in runner.readings.values() for answer in answers]
            for values in (runner.resolve(), *answers):
                check_parameter_values(runner, values)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("lenet5", {"optimizer": "lion"},
         "lenet5: optimizer must be one of sgd, adam, adamax, rmsprop, not 'lion'"),
        ("lenet5", {"pooling": "min"}, "lenet5: pooling must be one of average, max, not 'min'"),
        ("eden", {"activation": ["relu", "step"]}, "eden: activation must be one of relu, tanh, "
         "sigmoid, elu, not 'step'"),
        ("lenet5", {"to_32": "crop"}, "lenet5: to_32 must be one of pad, resize, not 'crop'"),
        ("lenet5", {"epochs": 0}, "lenet5: epochs must be a whole number from 1 on, not 0"),
        ("lenet5", {"batch_size": 2.5}, "batch_size must be a whole number from 1 on, not 2.5"),
        ("cnn-svm", {"held_out": -1}, "held_out must be a whole number from 0 on, not -1"),
        ("mlp-relu", {"hidden": [256, 0]}, "hidden must be a whole number from 1 on, not 0"),
        ("mlp-relu", {"hidden": []}, "mlp-relu: hidden must have at least one value, not []"),
        ("lenet5", {"learning_rate": 0}, "learning_rate must be a number above 0, not 0"),
        ("cnn-svm", {"C": -1}, "cnn-svm: C must be a number from 0 on, not -1"),
        ("cnn", {"dropout": 1}, "cnn: dropout must be a number from 0 on and below 1, not 1"),
        ("cnn-svm", {"bias": "big"}, "cnn-svm: bias must be a number, not 'big'"),
        ("svc-rbf", {"kernel": "flat"}, "svc-rbf: The 'kernel' parameter of SVC must be a str "
         "among {"),
        ("mlp", {"hidden_layer_sizes": None}, "mlp cannot be built with hidden_layer_sizes=None"),
        ("random-forest", {"n_estimators": None}, "'n_estimators' parameter of RandomForest"),
        ("mlp", {"activation": "elu"}, "mlp: The 'activation' parameter of MLPClassifier must be"),
    ],
)  # fmt: skip
def test_a_value_that_a_model_cannot_have_is_refused_with_those_it_can_have(
    name, parameters, message
):
    runner = runners.get_runner(name)
    with pytest.raises(UserError) as error:
        check_parameter_values(runner, parameters)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_value_that_a_model_can_have_is_taken():
    check_parameter_values(runners.get_runner("lenet5"), {"optimizer": "sgd", "momentum": 0.5})
    check_parameter_values(runners.get_runner("cnn-svm"), {"held_out": 0, "bias": -0.5})
    check_parameter_values(runners.get_runner("svc-rbf"), {"kernel": "poly"})
    check_parameter_values(runners.get_runner("random-forest"), {"max_depth": None})
    check_parameter_values(runners.get_runner("gaussian-nb"), {"priors": [0.1] * 10})
