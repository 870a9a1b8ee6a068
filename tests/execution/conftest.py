"""Fixtures for the tests that run cells."""

import pytest

from fmbench.execution.fork_server import start_fork_server


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """What a test computes in this process is computed on one thread, as a run does.

    Several threads of several test processes on few cores can be a hundred times slower.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def fork_server_with_pytorch(source):
    """Loads PyTorch once, in the server, instead of in the process of every neural cell."""
    start_fork_server(1, source, neural=True)


@pytest.fixture
def store(store, fork_server_with_pytorch):
    return store
