"""Every test of a model computes on one thread, as a run does, and draws the same numbers."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Several threads of several test processes on few cores can be a hundred times slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def same_numbers():
    """Weights that a test draws without a seed of its own do not depend on the tests before it."""
    import numpy as np
    import torch

    torch.manual_seed(0)
    np.random.seed(0)
