"""Every test of a model computes on one thread, as a run does."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Several threads of several test processes on few cores can be a hundred times slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
