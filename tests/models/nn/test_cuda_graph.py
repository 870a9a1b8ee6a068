"""What runs on a GPU alone, tested without one: recorded steps and the optimizers' options."""

import contextlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from fmbench.models.nn import cuda_graph, training
from fmbench.models.nn.cuda_graph import EAGER_STEPS, GraphedStep
from fmbench.models.nn.optimizers import OPTIMIZERS
from fmbench.models.nn.training import TorchClassifier, TrainConfig
from tests.helpers.networks import with_averages

BATCH = 4


class FakeCuda:
    """PyTorch's graphs without a GPU: what is recorded is not run until it is replayed."""

    def __init__(self):
        self.recording, self.n_recorded, self.n_replayed = None, 0, 0
        self.fault = None  # what recording raises
        self.CUDAGraph = lambda: SimpleNamespace(work=[], replay=None)
        self.default_stream = self.current = self.Stream()

    def Stream(self):
        return SimpleNamespace(wait_stream=lambda other: None)

    def current_stream(self):
        return self.current

    @contextlib.contextmanager
    def stream(self, stream):
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextlib.contextmanager
    def graph(self, graph, stream):
        before, self.current = self.current, stream
        if self.fault is not None:  # as in PyTorch, the stream stays the current one
            raise self.fault
        self.n_recorded += 1

        def replay():
            self.n_replayed += 1
            for step, inputs in graph.work:
                step(*inputs)

        graph.replay = replay
        self.recording = graph
        yield
        self.recording, self.current = None, before

    def wrap(self, step):
        """Make the step record itself in a graph that is being recorded, instead of running."""

        def recordable(*inputs):
            if self.recording is not None:
                self.recording.work.append((step, inputs))
            else:
                step(*inputs)

        return recordable


@pytest.fixture
def fake_cuda(monkeypatch):
    fake = FakeCuda()
    monkeypatch.setattr(cuda_graph, "torch", SimpleNamespace(cuda=fake))
    return fake


def make_batch(value, n=BATCH):
    return torch.full((1, n), value), torch.full((1, n), -value)


def test_a_step_is_recorded_once_and_replayed_with_the_images_of_each_batch(fake_cuda):
    seen, prepared = [], []
    step = fake_cuda.wrap(lambda batch, target: seen.append((batch.tolist(), target.tolist())))
    graphed = GraphedStep(step, prepared.append, BATCH)
    batches = [make_batch(value) for value in range(EAGER_STEPS + 4)]
    for batch, target in batches:
        graphed(batch, target)
    assert seen == [(batch.tolist(), target.tolist()) for batch, target in batches]
    assert (fake_cuda.n_recorded, fake_cuda.n_replayed) == (1, 4)
    assert prepared == [BATCH] * len(batches)


def test_a_smaller_batch_is_not_replayed(fake_cuda):
    seen = []
    graphed = GraphedStep(
        fake_cuda.wrap(lambda batch, target: seen.append(batch.shape[1])), lambda n: None, BATCH
    )
    for n in [BATCH] * (EAGER_STEPS + 2) + [1, BATCH]:
        graphed(*make_batch(0, n))
    assert seen == [BATCH] * (EAGER_STEPS + 2) + [1, BATCH]
    assert (fake_cuda.n_recorded, fake_cuda.n_replayed) == (1, 3)


@pytest.mark.parametrize(
    "fault", [RuntimeError("CUDA error: operation not\npermitted"), NotImplementedError("graphs")]
)
def test_without_graph_support_each_step_runs_and_one_line_says_so(fake_cuda, fault):
    seen = []
    fake_cuda.fault = fault
    step = fake_cuda.wrap(lambda batch, target: seen.append(batch.tolist()))
    graphed = GraphedStep(step, lambda n: None, BATCH)
    batches = [make_batch(value) for value in range(EAGER_STEPS + 4)]
    with pytest.warns(RuntimeWarning) as caught:
        for batch, target in batches:
            graphed(batch, target)
    assert seen == [batch.tolist() for batch, _ in batches]
    assert fake_cuda.current is fake_cuda.default_stream
    [warning] = caught
    assert "cannot be recorded on this GPU" in str(warning.message)
    assert "\n" not in str(warning.message)


def test_too_little_memory_for_a_recording_is_not_taken_for_missing_support(fake_cuda):
    fake_cuda.fault = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
    graphed = GraphedStep(fake_cuda.wrap(lambda *_: None), lambda n: None, BATCH)
    for _ in range(EAGER_STEPS):
        graphed(*make_batch(0))
    with pytest.raises(torch.cuda.OutOfMemoryError):
        graphed(*make_batch(0))
    assert fake_cuda.current is fake_cuda.default_stream


@pytest.mark.slow
def test_a_training_with_recorded_steps_gives_the_same_networks(small, fake_cuda, monkeypatch):
    """All the code of a GPU's training but the kernels: dropout, averages, a smaller last batch."""
    X, y, X_new = small
    config = TrainConfig(2, 64, "sgd", 0.05, momentum=0.9)

    def fit():
        classifiers = [TorchClassifier(with_averages, config, seed=seed) for seed in (0, 1)]
        TorchClassifier.fit_together(classifiers, X, y)
        return [classifier.predict_proba(X_new) for classifier in classifiers]

    plain = fit()
    monkeypatch.setattr(training, "use_graphs", lambda images: True)
    monkeypatch.setattr(
        training,
        "GraphedStep",
        lambda step, prepare, batch_size: GraphedStep(fake_cuda.wrap(step), prepare, batch_size),
    )
    assert np.array_equal(plain, fit())
    n_full, n_epochs = len(X) // 64, 2
    assert fake_cuda.n_replayed == n_epochs * n_full - EAGER_STEPS


class NeedsEngine(nn.Module):
    """Fails as cuDNN does where it has no engine that adds in a fixed order."""

    def __init__(self, after=0):
        super().__init__()
        self.n_left = after

    def forward(self, images):
        self.n_left -= 1
        if torch.backends.cudnn.deterministic and self.n_left < 0:
            raise RuntimeError("GET was unable to find an engine to execute this computation")
        return images


def with_engine(after=0):
    network = with_averages()
    return nn.Sequential(NeedsEngine(after), *network)


@pytest.mark.slow
def test_without_a_deterministic_engine_the_training_starts_again_and_one_line_says_so(small):
    X, y, X_new = small
    config, reports = TrainConfig(2, 64, "adam", 0.005), []
    expected = TorchClassifier(with_averages, config, seed=3).fit(X, y).predict_proba(X_new)
    with pytest.warns(RuntimeWarning, match="cannot add in a fixed order here") as caught:
        fitted = TorchClassifier(with_engine, config, seed=3).fit(
            X, y, lambda _, report: reports.append(report.epoch)
        )
    assert len(caught) == 1 and reports == [1, 2]
    with pytest.warns(RuntimeWarning, match="cannot add in a fixed order here"):
        assert np.array_equal(fitted.predict_proba(X_new), expected)


@pytest.mark.slow
def test_an_epoch_is_never_reported_twice(small):
    """An error after the first epoch ends the fit: the callback cannot forget what it was told."""
    X, y, _ = small
    n_batches = -(-len(X) // 64)
    reports = []
    classifier = TorchClassifier(lambda: with_engine(n_batches), TrainConfig(2, 64, "adam", 0.005))
    with pytest.raises(RuntimeError, match="unable to find an engine"):
        classifier.fit(X, y, lambda _, report: reports.append(report.epoch))
    assert reports == [1]


class OnGpu(nn.Parameter):
    """A parameter that says it is on a GPU: the optimizers then use their options for one."""

    is_cuda = True


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_optimizers_of_a_gpu_count_their_steps_there_and_update_alike(name, monkeypatch):
    """PyTorch allows a recordable optimizer on some devices only; here the CPU is one of them."""
    for module in ("adam", "adamax", "rmsprop"):
        monkeypatch.setattr(
            sys.modules[f"torch.optim.{module}"],
            "_get_capturable_supported_devices",
            lambda *_: ["cpu"],
        )
    settings = TrainConfig(1, 32, name, 0.005, momentum=0.9 if name == "sgd" else 0.0)
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(1000, dtype=torch.float64, generator=generator)
    vectors = nn.Parameter(start.clone()), OnGpu(start.clone())
    on_cpu, on_gpu = (OPTIMIZERS[name](vector, settings) for vector in vectors)
    for _ in range(30):
        gradient = torch.randn(1000, dtype=torch.float64, generator=generator)
        for vector in vectors:
            vector.grad = gradient.clone()
        on_cpu.step()
        on_gpu.step()
    # The step is counted in float32 there, which rounds Adam's corrections for the first steps.
    assert torch.allclose(*vectors, rtol=0, atol=1e-5)
    steps = [state["step"] for state in on_gpu.state.values() if "step" in state]
    assert all(isinstance(step, torch.Tensor) for step in steps)
    assert on_gpu.defaults.get("capturable", name == "sgd")
