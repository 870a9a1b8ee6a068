"""Every registered runner keeps the rules of fmbench/models/contract.py and its golden predictions.

A new file under fmbench/runners/ is covered without an edit here.
"""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

from fmbench import runners
from fmbench.datasets import locate
from fmbench.models import contract
from tests.helpers.networks import train_plainly, use_double_precision

GOLDEN = Path(__file__).parents[1] / "golden"
# At most one prediction in a hundred may differ from the golden ones. Processors round sums
# differently, so that an image between two classes can change sides: with the instructions of SSE4,
# AVX2 and AVX-512 it was never more than 1 of the 500.
MAX_DIFFERENCES = contract.N_NEW // 100
# A long training amplifies rounding, and so does a deep tree's choice among equally good splits.
# The fits behind the golden predictions stop before that shows.
GOLDEN_STEPS = 12
GOLDEN_PARAMETERS = {"gradient-boosting": {"max_depth": 2}}
WRITE_GOLDEN = "pytest tests/runners/test_contract.py --golden"

RUNNERS = runners.load_runners()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
every_runner = pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS.keys())


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpoolctl.threadpool_limits(1):
        yield
    torch.set_num_threads(before)


@cache
def load_sample():
    return contract.load_sample(locate.locate_dataset(fetch=True))


@cache
def make_subject(name):
    """The runner under test: all tests of a runner share the fit that several of them need."""
    return contract.RunnerUnderTest(RUNNERS[name], load_sample())


def build_neural(runner, seed=0):
    """Build the classifier of a runner that trains one known network; skip other runners."""
    classifier = make_subject(runner.name).build(seed) if runner.uses_gpu else None
    if not hasattr(classifier, "network"):
        pytest.skip("it finds its network while it fits" if classifier else "it has no network")
    return classifier


def build_in_double_precision(runner, n_steps, seed=0):
    """As :func:`build_neural`, for a short training in double precision."""
    classifier = build_neural(runner, seed)
    build_network = classifier.network
    config = replace(classifier.config, epochs=None, steps=n_steps, batch_size=32, held_out=0)
    return classifier.set_params(
        network=lambda: use_double_precision(build_network()), config=config
    )


@every_runner
@pytest.mark.parametrize("check", contract.CONTRACT_CHECKS, ids=lambda check: check.__name__)
def test_a_runner_keeps_each_rule_of_the_contract(runner, check):
    try:
        check(make_subject(runner.name))
    except contract.NotApplicable as reason:
        pytest.skip(str(reason))


@every_runner
def test_a_neural_runner_states_its_parameters_layer_by_layer(runner):
    build_neural(runner)
    assert runner.parameter_counts


@every_runner
def test_a_network_is_trained_as_a_plain_loop_trains_it(runner):
    """The fast convolutions, the joined parameters and the optimizers change only the rounding."""
    import torch

    classifier = build_in_double_precision(runner, n_steps=12)
    sample = load_sample()
    X, y, X_new = sample.X_train.copy(), sample.y_train.copy(), sample.X_new[:100].copy()
    plain = train_plainly(classifier.network, classifier.config, X, y, seed=0, n_steps=12)
    with torch.inference_mode():
        expected = plain(torch.tensor(X_new)).numpy()
    decisions = classifier.fit(X, y).decision_function(X_new)
    assert np.abs(decisions - expected).max() < 1e-6 * np.abs(expected).max()


@every_runner
def test_networks_trained_together_are_the_same_as_networks_trained_alone(runner):
    """Each seed keeps its own weights, order, dropout and moving averages."""
    sample = load_sample()
    X, y, X_new = sample.X_train.copy(), sample.y_train.copy(), sample.X_new[:100].copy()

    def build_all():
        return [build_in_double_precision(runner, n_steps=4, seed=seed) for seed in (0, 1)]

    losses_alone, losses_together = [], []
    alone, together = build_all(), build_all()
    for classifier in alone:
        classifier.fit(X, y, lambda _, report: losses_alone.append(report.train_loss))
    note_loss = lambda _, report: losses_together.append(report.train_loss)  # noqa: E731
    together[0].fit_together(together, X, y, [note_loss] * 2)
    assert losses_together == pytest.approx(losses_alone, rel=1e-6)
    decisions = [classifier.decision_function(X_new) for classifier in together]
    for classifier, ours in zip(alone, decisions, strict=True):
        expected = classifier.decision_function(X_new)
        assert np.abs(ours - expected).max() < 1e-6 * np.abs(expected).max()
    assert not np.allclose(decisions[0], decisions[1], rtol=1e-3)


def predict_for_golden(runner):
    """Predictions of a short training; for a search for a network, of the whole quick recipe."""
    sample = load_sample()
    if parameters := GOLDEN_PARAMETERS.get(runner.name):
        return contract.RunnerUnderTest(runner, sample, parameters).y_pred
    classifier = make_subject(runner.name).build()
    if not hasattr(classifier, "network"):
        return make_subject(runner.name).y_pred
    config = replace(classifier.config, epochs=None, steps=GOLDEN_STEPS, batch_size=32, held_out=0)
    classifier.set_params(config=config).fit(sample.X_train, sample.y_train)
    return classifier.predict(sample.X_new)


@every_runner
def test_predictions_change_only_when_the_revision_is_raised(runner, request):
    """With ``--golden``, it writes the predictions of a new runner or of a new revision."""
    path = GOLDEN / f"{runner.name}.json"
    golden = json.loads(path.read_text()) if path.exists() else None
    if golden is None or golden["revision"] != runner.revision:
        assert request.config.getoption("--golden"), (
            f"{runner.name} has no golden predictions of revision {runner.revision}: write them "
            f"with `{WRITE_GOLDEN}` and commit tests/golden/{path.name}"
        )
        y_pred = "".join(map(str, predict_for_golden(runner).tolist()))
        path.write_text(json.dumps({"revision": runner.revision, "y_pred": y_pred}) + "\n")
        return
    y_pred = "".join(map(str, predict_for_golden(runner).tolist()))
    n_different = sum(a != b for a, b in zip(y_pred, golden["y_pred"], strict=True))
    assert n_different <= MAX_DIFFERENCES, (
        f"{n_different} of {len(y_pred)} predictions of {runner.name} changed: raise its revision, "
        f"write its golden predictions with `{WRITE_GOLDEN}` and commit tests/golden/{path.name}"
    )


def test_every_golden_file_belongs_to_a_runner():
    assert {path.stem for path in GOLDEN.glob("*.json")} <= set(RUNNERS)
