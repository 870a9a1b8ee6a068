"""Fixtures for the tests that run cells."""

import pytest

from fmbench.execution.fork_server import start_fork_server
from fmbench.records.store import Store


@pytest.fixture(scope="session")
def fork_server_with_pytorch(source):
    """Loads PyTorch once, in the server, instead of in the process of every neural cell."""
    start_fork_server(1, source, neural=True)


@pytest.fixture
def store(tmp_path, fork_server_with_pytorch):
    store = Store(tmp_path / "results")
    store.prepare()
    return store
