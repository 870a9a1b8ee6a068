"""What every registered runner promises (fmbench/contract.py), and what those of the package do.

A new file under fmbench/runners/ is covered at once.
"""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

from fmbench import runners
from fmbench.datasets import download, locate
from fmbench.models import contract
from fmbench.suites import reader
from tests.helpers.plain import optimizer as plain_optimizer

GOLDEN = Path(__file__).parents[1] / "golden"
MAX_DIFFERING = contract.N_NEW // 100
# Processors round sums differently, and a long training or a deep tree's choice among equally good
# splits amplifies that: what is fitted for the golden predictions stops before it shows.
GOLDEN_STEPS = 12
GOLDEN_PARAMETERS = {"gradient-boosting": {"max_depth": 2}}

RUNNERS = runners.runners()
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
every_runner = pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS.keys())


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)
    with threadpoolctl.threadpool_limits(1):
        yield


@cache
def part():
    return contract.Part.of(locate.locate(fetch=download.fetch))


@cache
def trial(name):
    """One for all the tests of a runner: what several of them need is fitted once."""
    return contract.Trial(RUNNERS[name], part())


def build(runner, seed=0):
    return trial(runner.name).build(seed)


@every_runner
@pytest.mark.parametrize("promise", contract.CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_promise(runner, promise):
    """Those of `fmbench check-runner`."""
    try:
        promise(trial(runner.name))
    except contract.NotApplicable as reason:
        pytest.skip(str(reason))


def neural(runner):
    """Its classifier, where that trains one known network."""
    classifier = build(runner) if runner.uses_gpu else None
    if not hasattr(classifier, "network"):
        pytest.skip("finds its network while it fits" if classifier else "no network")
    return classifier


@every_runner
def test_a_neural_runner_states_its_parameters_layer_by_layer(runner):
    neural(runner)
    assert runner.parameter_counts


@every_runner
def test_its_network_trains_as_the_plain_loop_trains_it(runner):
    """The same weights, order and dropout; an optimizer over separate parameters, NCHW."""
    ours = neural(runner)
    import torch

    X, y, X_new = part().X.copy(), part().y.copy(), part().X_new.copy()
    config = replace(ours.config, epochs=None, steps=12, batch_size=32, held_out=0)
    ours = ours.set_params(config=config).fit(X, y)
    weights_seed, order_seed, dropout_seed = np.random.SeedSequence(0).generate_state(3)
    order = torch.Generator().manual_seed(int(order_seed))
    with torch.random.fork_rng():
        torch.manual_seed(int(weights_seed))
        plain = ours.network().train()
        torch.manual_seed(int(dropout_seed))
        step = plain_optimizer(config, plain.parameters())
        images, labels = torch.tensor(X), torch.tensor(y, dtype=torch.long)
        for batch in torch.randperm(len(X), generator=order).split(32)[:12]:
            step.zero_grad()
            parameters = dict(plain.named_parameters())
            config.loss(parameters, plain(images[batch]), labels[batch]).backward()
            step.step()
    with torch.inference_mode():
        y_pred = plain.eval()(torch.tensor(X_new)).argmax(1).numpy()
    assert (ours.predict(X_new) == y_pred).mean() > 0.97


@every_runner
def test_trained_with_other_seeds_it_comes_out_as_alone(runner):
    """Its own weights, order, dropout and moving averages; what differs is rounding."""
    first = neural(runner)
    X, y, X_new = part().X.copy(), part().y.copy(), part().X_new.copy()
    config = replace(first.config, epochs=None, steps=6, batch_size=32, held_out=0)

    def classifiers():
        return [build(runner, seed).set_params(config=config) for seed in (0, 1, 2)]

    curves, alone = {True: [], False: []}, classifiers()
    for classifier in alone:
        classifier.fit(X, y, lambda _, report: curves[True].append(report.train_loss))
    together = classifiers()
    note = lambda _, report: curves[False].append(report.train_loss)  # noqa: E731
    first.fit_together(together, X, y, [note] * 3)
    assert curves[False] == pytest.approx(curves[True], rel=1e-3)
    for a, b in zip(alone, together, strict=True):
        assert (a.predict(X_new) == b.predict(X_new)).mean() > 0.97
    a, b = (classifier.decision_function(X_new) for classifier in together[:2])
    assert not np.allclose(a, b, atol=1e-3)


def golden_predictions(runner):
    """Those of a short fit; of a search for a network, of all of it."""
    if parameters := GOLDEN_PARAMETERS.get(runner.name):
        return contract.Trial(runner, part(), parameters).y_pred
    classifier = build(runner)
    if not hasattr(classifier, "network"):
        return trial(runner.name).y_pred
    config = replace(classifier.config, epochs=None, steps=GOLDEN_STEPS, batch_size=32, held_out=0)
    return classifier.set_params(config=config).fit(part().X, part().y).predict(part().X_new)


@every_runner
def test_its_predictions_change_only_with_its_revision(runner, request):
    """The golden predictions: ``pytest --golden`` writes those of new and revised runners."""
    path = GOLDEN / f"{runner.name}.json"
    y_pred = "".join(map(str, golden_predictions(runner).tolist()))
    golden = json.loads(path.read_text()) if path.exists() else {"revision": None}
    if golden["revision"] != runner.revision:
        if not request.config.getoption("--golden"):
            assert golden["revision"] is None, (
                f"{runner.name} has a new revision: write its golden predictions, pytest --golden"
            )
            pytest.skip(f"no golden predictions of revision {runner.revision}: pytest --golden")
        path.write_text(json.dumps({"revision": runner.revision, "y_pred": y_pred}) + "\n")
        return
    differing = sum(a != b for a, b in zip(y_pred, golden["y_pred"], strict=True))
    assert differing <= MAX_DIFFERING, (
        f"{differing} of {contract.N_NEW} predictions changed: raise the revision of {runner.name} "
        "and write its golden predictions with pytest --golden"
    )


@pytest.mark.parametrize("name", ["eden", "eden-full"])
def test_the_row_and_the_recipe_of_a_search_state_its_budget(name):
    values = RUNNERS[name].resolve()
    budget = (
        f"{values['population']} networks in each of {values['generations']} generations, each "
        f"trained on {values['train_images']:,} images for {values['first_epochs']} to "
        f"{values['last_epochs']} epochs"
    )
    [row] = [row for row in reader.read().rows if row.runner == name]
    assert budget in row.remark
    assert any(budget in note for note in RUNNERS[name].notes)


def test_lenet5_is_the_paper_s_network():
    assert sum(RUNNERS["lenet5"].parameter_counts.values()) == 61_706
    stated = {n: h.value for n, h in RUNNERS["lenet5"].hyperparameters.items()
              if h.origin == "stated"}  # fmt: skip
    assert stated == {"pooling": "average", "learning_rate": 0.005, "batch_size": 32, "epochs": 10}


@pytest.mark.parametrize("to_32", ["pad", "resize"])
def test_lenet5_has_the_same_parameters_however_the_image_becomes_32x32(to_32):
    from fmbench.models.nn.layers import parameter_counts

    runner = RUNNERS["lenet5"]
    classifier = runner.build(runner.resolve({"to_32": to_32}), seed=0, device="cpu")
    assert parameter_counts(classifier.network()) == dict(runner.parameter_counts)


@pytest.mark.parametrize(
    ("name", "published"),
    [("cnn", 113_386), ("cnn-bn", 158_574), ("cnn-bn-skip", 211_950),
     ("cnn-softmax", 3_274_634), ("cnn-svm", 3_274_634)],
)  # fmt: skip
def test_a_network_has_as_many_parameters_as_its_source_says(name, published):
    assert sum(RUNNERS[name].parameter_counts.values()) == published


@pytest.mark.parametrize(("name", "n_moving"), [("cnn-bn", 66), ("cnn-bn-skip", 130)])
def test_the_published_count_includes_averages_that_are_not_trained(name, n_moving):
    runner = RUNNERS[name]
    network = build(runner).network()
    n_trained = sum(p.numel() for p in network.parameters())
    assert sum(runner.parameter_counts.values()) - n_trained == n_moving
    assert f"{n_moving} of them not trained" in runner.notes[0]


@pytest.mark.parametrize("name", ["cnn-softmax", "cnn-svm", "cnn-bn", "cnn-bn-skip"])
def test_a_recipe_read_in_its_source_has_no_choice_of_ours(name):
    assert {h.origin for h in RUNNERS[name].hyperparameters.values()} == {"source"}


def test_the_networks_of_mckenna_differ_in_their_activation_alone():
    recipes = [RUNNERS[f"mlp-{name}"].resolve() for name in ("sigmoid", "relu", "elu")]
    assert [recipe.pop("activation") for recipe in recipes] == ["sigmoid", "relu", "elu"]
    assert recipes[0] == recipes[1] == recipes[2]


def test_lenet5_of_section_4_pools_after_the_first_second_and_fifth_convolution():
    network = build(RUNNERS["lenet5-section4"]).network()
    kinds = [type(layer).__name__ for layer in network]
    wanted = [kind for kind in kinds if kind in ("Conv2d", "AvgPool2d", "Linear")]
    conv, pool = "Conv2d", "AvgPool2d"
    assert wanted == [conv, pool, conv, pool, conv, conv, conv, pool] + ["Linear"] * 4
