"""Fixtures for the tests that run cells."""

import pytest

from fmbench.execution.fork_server import start_fork_server


@pytest.fixture(scope="session")
def fork_server_with_pytorch(source):
    """Loads PyTorch once, in the server, instead of in the process of every neural cell."""
    start_fork_server(1, source, neural=True)


@pytest.fixture
def store(store, fork_server_with_pytorch):
    return store
